"""A long version is deleted and purged while its points are written, some at a time."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from uuid import UUID

import pytest

from ingest.pipeline import code_filling, leftovers, maintenance, migration, steps
from ingest.pipeline import points as points_of
from ingest.pipeline.chunks_to_index import ChunksToIndex
from ingest.pipeline.migration import Pace
from ingest.pipeline.points import UPSERT_POINTS
from ingest.pipeline.steps import Batch, Pipeline
from rag.blobs.store import BlobStore
from rag.domain.document import Chunk
from rag.domain.errors import IndexWriteMismatch
from rag.domain.vectors import TextVectors
from rag.index.base import IndexSchema
from rag.retrieval.spaces import LiveSpace
from rag.store import chunk as chunks_table
from rag.store.collection import Collection
from rag.store.embedding_space import EmbeddingSpaceRow, SpaceState
from rag.store.version import DocumentVersion, VersionState
from tests.support.stores import add_collection, add_document, add_version
from tests.unit.pipeline.test_chunks_to_index import made
from tests.unit.pipeline.test_steps import Retiring, hash_space, pipeline

__all__ = ["pipeline"]  # the fixture of the steps' tests

COUNT = 3 * UPSERT_POINTS


@dataclass
class World:
    """A pipeline with a long version in the present index, and a space that is being built."""

    pipeline: Pipeline
    version: UUID
    present: Retiring
    new: Retiring

    def purge(self) -> None:
        with self.pipeline.database.write() as session:
            session.get_one(DocumentVersion, self.version).state = VersionState.DELETED
        leftovers.remove_leftovers(self.pipeline.database, self.pipeline.blobs, self, [self.version])

    def delete_versions(self, version_ids: list[UUID]) -> None:
        """Of both indexes."""
        self.present.delete_versions(version_ids)
        self.new.delete_versions(version_ids)

    def points(self) -> int:
        return len(list(self.present.versions_of())) + len(list(self.new.versions_of()))


@pytest.fixture
def world(pipeline: Pipeline) -> World:
    collection = add_collection(pipeline.database)
    with pipeline.database.write() as session:
        version = add_version(session, add_document(session, collection, "a.md"), 1, VersionState.ACTIVE)
        chunks_table.replace_chunks(session, version, made(COUNT))
        session.get_one(DocumentVersion, version).chunk_count = COUNT
        session.add(EmbeddingSpaceRow(id="new", name="n", settings={}, state=SpaceState.BUILDING, place="p"))
    space = hash_space()
    new = Retiring(IndexSchema(space.name, space.dimensions))
    present = pipeline.index
    assert isinstance(present, Retiring)
    targets = [LiveSpace("", space, present), LiveSpace("new", space, new)]
    return World(replace(pipeline, in_step=lambda: targets), version, present, new)


def once(act: Callable[[], None]) -> Callable[[], None]:
    done: list[bool] = []

    def first() -> None:
        if not done:
            done.append(True)
            act()

    return first


def test_a_space_that_is_being_built_goes_on(world: World) -> None:
    world.new.meanwhile = once(world.purge)
    while migration.build_next(world.pipeline, "new", Pace(1.0, 1.0)):
        pass
    with world.pipeline.database.read() as session:
        row = session.get_one(EmbeddingSpaceRow, "new")
    assert (row.state, row.error) == (SpaceState.READY, "")
    assert world.points() == world.pipeline.blobs.count_derived(world.version) == 0


def test_a_rebuild_goes_on(world: World) -> None:
    world.present.meanwhile = once(world.purge)
    maintenance.rebuild_index(replace(world.pipeline, in_step=None), lambda _done, _total: None)
    assert world.points() == 0


def test_a_filling_goes_on(world: World) -> None:
    with world.pipeline.database.write() as session:
        session.get_one(DocumentVersion, world.version).dense_pending = True
    world.present.meanwhile = once(world.purge)
    code_filling.fill(world.pipeline, threading.Event(), lambda _done, _waiting: None)
    assert world.points() == world.pipeline.blobs.count_derived(world.version) == 0


def test_a_version_that_has_just_become_active_leaves_nothing_in_a_new_space(world: World) -> None:
    world.new.meanwhile = once(world.purge)
    world.pipeline._write_to_new_spaces([world.version])
    assert world.points() == 0


@pytest.mark.parametrize("by", ["step", "migration", "filling"])
def test_vectors_are_never_those_of_another_version(world: World, monkeypatch: pytest.MonkeyPatch, by: str) -> None:
    """One of several versions that are embedded together is purged after its first chunks were read."""
    others = {name: made(100 + number) for number, name in enumerate("bcdefg")}
    versions: dict[UUID, list[Chunk]] = {}
    with world.pipeline.database.write() as session:
        collection = session.get_one(Collection, session.get_one(DocumentVersion, world.version).collection_id)
        for name, chunks in others.items():
            version_id = add_version(session, add_document(session, collection, name), 1, VersionState.ACTIVE)
            chunks_table.replace_chunks(session, version_id, chunks)
            session.get_one(DocumentVersion, version_id).chunk_count = len(chunks)
            versions[version_id] = chunks
        for version_id in (world.version, *versions):
            version = session.get_one(DocumentVersion, version_id)
            version.dense_pending = by == "filling"
            if by == "step":
                version.state, version.job_id = VersionState.RUNNING, "job"
        if by == "filling":  # the newest first
            session.get_one(DocumentVersion, world.version).created_at += timedelta(hours=1)
    target = world.pipeline.targets()[1]
    read, store, purge, kept = ChunksToIndex._page, points_of.store_vectors, once(world.purge), list[UUID]()

    def late(chunks: ChunksToIndex, after: int) -> list[Chunk]:
        purge()
        return read(chunks, after)

    def checked(blobs: BlobStore, space: LiveSpace, version_id: UUID, vectors: Sequence[TextVectors]) -> None:
        kept.append(version_id)
        if version_id in versions:
            wanted = target.space.embed_chunks(versions[version_id])
            assert [item.sparse for item in vectors] == [item.sparse for item in wanted]
        store(blobs, space, version_id, vectors)

    monkeypatch.setattr(ChunksToIndex, "_page", late)
    monkeypatch.setattr(points_of, "store_vectors", checked)
    for module in (steps, migration, code_filling):
        monkeypatch.setattr(module, "_GROUP_CHUNKS", 10 * COUNT)
    if by == "step":
        world.pipeline.embed(Batch("job", [world.version, *versions]))
    elif by == "migration":
        while migration.build_next(world.pipeline, "new", Pace(1.0, 1.0)):
            pass
    else:
        code_filling.fill(world.pipeline, threading.Event(), lambda _done, _waiting: None)
    assert kept.index(world.version) < len(versions), "another comes after it"
    assert all(
        points_of.stored_vectors(world.pipeline.blobs, target, version_id) is not None for version_id in versions
    )


def test_the_index_step_is_done_again_and_finds_it_gone(world: World) -> None:
    with world.pipeline.database.write() as session:
        row = session.get_one(DocumentVersion, world.version)
        row.state, row.job_id = VersionState.RUNNING, "job"
    world.present.meanwhile = once(world.purge)
    batch = Batch("job", [world.version])
    with pytest.raises(IndexWriteMismatch):
        world.pipeline.index_points(batch)
    assert world.pipeline.index_points(batch) == []
    assert world.present.count() == 0
