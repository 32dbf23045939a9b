"""Steps of ingestion at the edges: an original that is not there, a version that retires while it is in work, wide models."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from uuid import UUID

import pytest

from ingest.chunking.structure import StructureChunker
from ingest.pipeline.steps import Batch, Pipeline
from rag.blobs.store import BlobStore
from rag.embedding.base import Role
from rag.embedding.cached import CachedEmbedder
from rag.embedding.openai_http import AT_ONCE, open_openai_http
from rag.embedding.space import EmbeddingSpace
from rag.index.base import IndexPoint, IndexSchema
from rag.index.memory import MemoryIndex
from rag.settings import EmbeddingSettings
from rag.store.base import utc_now
from rag.store.session import Database
from rag.store.version import DocumentVersion, VersionState
from tests.support.direct_sandbox import DirectSandbox
from tests.support.hash_embedder import HashEmbedder, hash_space
from tests.support.model_server import Answer, Call, model_server
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


def waiting(pipeline: Pipeline, *, stored: bool = True, text: bytes = TEXT) -> UUID:
    """A version of job `job`; its original is there, or not."""
    if stored:
        writer = pipeline.blobs.writer(len(text))
        writer.write(text)
        writer.finish("취업규칙.md")
    collection = add_collection(pipeline.database)
    with pipeline.database.write() as session:
        document = add_document(session, collection, "취업규칙.md")
        return add_version(session, document, 1, VersionState.QUEUED, text)


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


@pytest.mark.parametrize("elsewhere", [True, False])
def test_a_model_on_a_server_has_several_requests_in_work_and_one_elsewhere_is_not_paused_for(
    pipeline: Pipeline, elsewhere: bool
) -> None:
    together = threading.Barrier(AT_ONCE[Role.PASSAGE])
    full: list[int] = []

    def respond(call: Call) -> Answer:
        count = len(call.body["input"])
        full.append(count)
        if len(full) <= AT_ONCE[Role.PASSAGE]:
            together.wait(10)  # breaks where fewer come at once
        return Answer({"data": [{"index": i, "embedding": [1.0] + [0.0] * 7} for i in range(count)]})

    ways = []
    paragraphs = "\n\n".join(f"# 제{n}조\n\n{n}번째 휴가는 사흘 전에 신청한다." for n in range(300))
    with model_server(respond) as scripted:
        settings = EmbeddingSettings(
            dense="openai_http", url=scripted.url, model="m", dimensions=8, languages=("ko", "en", "code", "other")
        )
        served = open_openai_http(settings)
        served.piece = replace(served.piece, elsewhere=elsewhere)
        space = EmbeddingSpace(HashEmbedder(), CachedEmbedder(served))
        wide = replace(pipeline, space=space, give_way=lambda: ways.append(1))
        version = waiting(wide, text=paragraphs.encode())
        batch = Batch("job", [version])
        for step in (wide.identify, wide.parse, wide.chunk):
            assert step(batch) == [version]
        ways.clear()
        assert wide.embed(batch) == [version]
        served.close()
    assert row(wide, version).chunk_count == 300 == sum(full)
    assert len(ways) == (0 if elsewhere else 2)
