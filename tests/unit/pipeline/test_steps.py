"""Steps of ingestion at the edges: an original that is not there, a version that retires while it is in work."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from uuid import UUID

import pytest

from ingest.chunking.structure import StructureChunker
from ingest.parsing.sandbox import ParseLimits, ParseSandbox
from ingest.pipeline.steps import Batch, Pipeline
from rag.blobs.store import BlobStore
from rag.index.base import IndexPoint, IndexSchema
from rag.index.memory import MemoryIndex
from rag.store.base import utc_now
from rag.store.session import Database
from rag.store.version import DocumentVersion, VersionState
from tests.support.compound import END, FREE, MAX_FAT_SECTORS
from tests.support.direct_sandbox import DirectSandbox
from tests.support.hash_embedder import hash_space
from tests.support.stores import add_collection, add_document, add_version
from tests.unit.chunking.documents import Limit

TEXT = "# 취업규칙\n\n휴가는 사흘 전에 신청한다.\n".encode()


class Retiring(MemoryIndex):
    """Lets somebody do something between a write and the look at the record that follows it."""

    meanwhile = staticmethod(lambda: None)

    def upsert(self, points: Sequence[IndexPoint]) -> None:
        super().upsert(points)
        self.meanwhile()


@pytest.fixture
def pipeline(database: Database, tmp_path: Path) -> Pipeline:
    space = hash_space()
    return Pipeline(
        database=database,
        blobs=BlobStore("memory:"),
        index=Retiring(IndexSchema(space.name, space.dimensions)),
        space=space,
        sandbox=DirectSandbox(tmp_path),  # type: ignore[arg-type]
        chunker=StructureChunker(Limit(100)),
    )


def waiting(pipeline: Pipeline, content: bytes = TEXT, name: str = "취업규칙.md", *, stored: bool = True) -> UUID:
    """A version of job `job`; its original is there, or not."""
    if stored:
        writer = pipeline.blobs.writer(len(content))
        writer.write(content)
        writer.finish(name)
    collection = add_collection(pipeline.database)
    with pipeline.database.write() as session:
        document = add_document(session, collection, name)
        return add_version(session, document, 1, VersionState.QUEUED, content)


def round_and_round(rounds: int) -> bytes:
    """A compound file of 2 KB whose table of tables is one sector that is its own next one; the counts in the header agree."""
    fat_sectors = MAX_FAT_SECTORS + 127 * rounds
    head = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(16) + struct.pack("<HHHHH", 0x3E, 3, 0xFFFE, 9, 6) + bytes(6)
    head += struct.pack("<IIIII", 0, fat_sectors, 2, 0, 4096) + struct.pack("<IIII", END, 0, 1, rounds)
    header = head + struct.pack(f"<{MAX_FAT_SECTORS}I", 0, *[FREE] * (MAX_FAT_SECTORS - 1))
    return header + struct.pack("<128I", *[FREE] * 128) + struct.pack("<128I", *[0] * 127, 1) + bytes(512)


def row(pipeline: Pipeline, version_id: UUID) -> DocumentVersion:
    with pipeline.database.read() as session:
        return session.get_one(DocumentVersion, version_id)


def test_an_original_that_is_not_there_is_looked_for_three_times(pipeline: Pipeline) -> None:
    version = waiting(pipeline, stored=False)
    states = []
    for _ in range(3):
        with pipeline.database.write() as session:
            session.get_one(DocumentVersion, version).job_id = "job"
        assert pipeline.identify(Batch("job", [version])) == []
        found = row(pipeline, version)
        states.append((found.state, found.error_code, found.retryable))
    assert [state for state, _, _ in states] == ["queued", "queued", "quarantined"]
    assert {(code, retryable) for _, code, retryable in states} == {("original_missing", True)}


def test_a_version_that_retires_while_it_is_written_leaves_no_points(pipeline: Pipeline) -> None:
    version = waiting(pipeline)
    batch = Batch("job", [version])
    for step in (pipeline.identify, pipeline.parse, pipeline.chunk, pipeline.embed):
        assert step(batch) == [version]

    def vanish() -> None:
        with pipeline.database.write() as session:
            found = session.get_one(DocumentVersion, version)
            found.state, found.finished_at = VersionState.RETIRED, utc_now()

    pipeline.index.meanwhile = vanish  # type: ignore[attr-defined]
    pipeline.index_points(batch)
    assert pipeline.index.count(version)
    pipeline.tidy(batch)
    assert pipeline.index.count(version) == 0
    assert row(pipeline, version).state == VersionState.RETIRED


def test_what_a_file_is_is_found_in_a_child_with_caps(database: Database, pipeline: Pipeline) -> None:
    """Two kilobytes keep the reader of their directory busy for as long as they like: some four seconds here."""
    poison = round_and_round(45)
    assert len(poison) == 2048
    with ParseSandbox(ParseLimits(cpu_s=1, wall_s=60)) as sandbox:
        confined = replace(pipeline, sandbox=sandbox)
        version = waiting(confined, poison, "급여규정.hwp")
        assert confined.identify(Batch("job", [version])) == []
        found = row(confined, version)
        assert (found.state, found.error_code) == (VersionState.FAILED, "parse_limit_exceeded")
        assert found.error_params is not None and found.error_params["resource"] == "CPU time"
