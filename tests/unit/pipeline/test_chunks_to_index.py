"""Chunks of a version, read some at a time."""

from __future__ import annotations

import tracemalloc
from collections.abc import Iterable
from typing import Any
from uuid import UUID, uuid4

import pytest

from ingest.pipeline import points as points_of
from ingest.pipeline import vectors as vector_file
from ingest.pipeline.chunks_to_index import _PAGE, ChunksToIndex, Counted, in_groups_of
from rag.blobs.store import BlobStore
from rag.domain.anchor import PageAnchor
from rag.domain.document import Chunk, ElementKind
from rag.domain.language import Language
from rag.embedding.bm25 import KiwiBm25Embedder
from rag.embedding.space import EmbeddingSpace
from rag.index.base import IndexPoint, IndexSchema, PointTags
from rag.index.memory import MemoryIndex
from rag.retrieval.spaces import LiveSpace
from rag.store import chunk as chunks_table
from rag.store.session import Database
from rag.store.version import DocumentVersion
from tests.support.stores import add_collection, add_document, add_version

FEW, MANY = _PAGE, 2 * _PAGE + 1


def made(count: int, size: int = 1) -> list[Chunk]:
    return [
        Chunk(
            id=uuid4(),
            ordinal=ordinal,
            text=f"article {ordinal} " * size,
            anchor=PageAnchor(1, 1),
            heading_path=(),
            language=Language.KOREAN if ordinal % 3 else Language.ENGLISH,
            kind=ElementKind.TEXT,
            tokens=2,
        )
        for ordinal in range(count)
    ]


def stored(database: Database, chunks: Iterable[Chunk]) -> UUID:
    collection = add_collection(database, str(uuid4()))
    with database.write() as session:
        version = add_version(session, add_document(session, collection), 1)
        chunks_table.replace_chunks(session, version, chunks)
    return version


def purge(database: Database, version: UUID) -> None:
    with database.write() as session:
        chunks_table.delete_of_versions(session, [version])


@pytest.mark.parametrize("count", [0, 1, FEW, FEW + 1, MANY])
def test_they_come_in_order_each_time(database: Database, count: int) -> None:
    chunks = made(count)
    found = ChunksToIndex(database, stored(database, chunks))
    assert len(found) == count
    assert list(found) == list(found) == chunks
    assert found.languages() == [chunk.language for chunk in chunks]
    assert [len(group) for group in in_groups_of(300, found)] == [300] * (count // 300) + [count % 300] * bool(
        count % 300
    )


def test_those_of_a_long_document_are_not_in_memory_together(database: Database) -> None:
    version = stored(database, made(8 * _PAGE, size=100))  # 6 MB of text
    list(ChunksToIndex(database, version))
    tracemalloc.start()
    try:
        for _ in ChunksToIndex(database, version):
            pass
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert most < 4 << 20


def test_of_several_versions_each_is_counted(database: Database) -> None:
    versions = [stored(database, made(count)) for count in (MANY, 3, MANY)]
    counted = Counted([ChunksToIndex(database, version) for version in versions])
    for place, _ in enumerate(counted):
        if place == 0:
            purge(database, versions[0])
    assert counted.found == [_PAGE, 3, MANY]


def space() -> LiveSpace:
    return LiveSpace("s", EmbeddingSpace(KiwiBm25Embedder(), None), MemoryIndex(IndexSchema("alone", None)))


@pytest.mark.parametrize("pending", [False, True])
@pytest.mark.parametrize("kept", [False, True])
def test_points_are_those_of_all_chunks(database: Database, pending: bool, kept: bool) -> None:
    chunks = made(MANY)
    version_id, target, blobs = stored(database, chunks), space(), BlobStore("memory:")
    wanted = target.space.embed_chunks(chunks)
    if kept:
        points_of.store_vectors(blobs, target, version_id, wanted)
    groups = points(database, blobs, target, version_id, pending)
    whole, rest = divmod(MANY, points_of.UPSERT_POINTS)
    assert [len(group) for group in groups] == [points_of.UPSERT_POINTS] * whole + [rest]
    found = [point for group in groups for point in group]
    assert [point.chunk_id for point in found] == [chunk.id for chunk in chunks]
    assert [point.sparse.indices for point in found] == [item.sparse.indices for item in wanted]
    assert (blobs.get_derived(version_id, vector_file.file_of("s")) is not None) is (kept or not pending)


@pytest.mark.parametrize("pending", [False, True])
@pytest.mark.parametrize("kept", [False, True])
def test_of_a_version_that_is_purged_meanwhile_the_last_points_are_missing(
    database: Database, pending: bool, kept: bool
) -> None:
    chunks = made(MANY)
    version_id, target, blobs = stored(database, chunks), space(), BlobStore("memory:")
    wanted = target.space.embed_chunks(chunks)
    if kept:
        points_of.store_vectors(blobs, target, version_id, wanted)
    groups = points(database, blobs, target, version_id, pending, lambda: purge(database, version_id))
    found = [point for group in groups for point in group]
    assert 0 < len(found) < MANY
    assert [point.chunk_id for point in found] == [chunk.id for chunk in chunks[: len(found)]]
    assert [point.sparse.indices for point in found] == [item.sparse.indices for item in wanted[: len(found)]]


def points(
    database: Database, blobs: BlobStore, target: LiveSpace, version_id: UUID, pending: bool, then: Any = lambda: None
) -> list[list[IndexPoint]]:
    """The groups of points; `then` is done after the first one."""
    with database.read() as session:
        version = session.get_one(DocumentVersion, version_id)
    version.dense_pending = pending
    groups = []
    for group in points_of.version_points(blobs, target, version, ChunksToIndex(database, version_id), PointTags()):
        groups.append(group)
        then()
    return groups
