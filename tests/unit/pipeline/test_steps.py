"""Steps of ingestion at the edges: an original that is not there, a version that retires while it is in work, wide models."""

from __future__ import annotations

import struct
import threading
import tracemalloc
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4, uuid5

import numpy as np
import pytest

from ingest.chunking.structure import StructureChunker
from ingest.parsing.read_so_far import ReadSoFar, is_long
from ingest.parsing.sandbox import ParseLimits, ParseSandbox
from ingest.pipeline import embedding_pieces, maintenance
from ingest.pipeline.labels import tags_of
from ingest.pipeline.reuse import known_vectors
from ingest.pipeline.steps import Batch, Interrupted, Pipeline
from rag.blobs.store import BlobStore
from rag.domain.errors import ModelAway, ModelUnavailable
from rag.domain.filters import DocumentFilter, Period, label_groups
from rag.domain.language import Language
from rag.domain.vectors import Embeddings
from rag.embedding.base import Role
from rag.embedding.cached import CachedEmbedder
from rag.embedding.openai_http import AT_ONCE, open_openai_http
from rag.embedding.space import EmbeddingSpace
from rag.index.base import IndexPoint, IndexSchema
from rag.index.memory import MemoryIndex
from rag.retrieval.engine_fusion import warn_of_unread
from rag.settings import EmbeddingSettings, RetrievalSettings
from rag.store import chunk as chunks_table
from rag.store.base import utc_now
from rag.store.collection import Collection
from rag.store.document import Document
from rag.store.session import Database
from rag.store.version import DocumentVersion, Priority, Stage, VersionState
from tests.support.compound import END, FREE, MAX_FAT_SECTORS
from tests.support.direct_sandbox import HALF_READ, LASTING, LONG_AND_HALF_READ, DirectSandbox
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


def waiting(
    pipeline: Pipeline,
    content: bytes = TEXT,
    name: str = "취업규칙.md",
    *,
    stored: bool = True,
    collection: Collection | None = None,
) -> UUID:
    """A version of job `job`; its original is there, or not."""
    if stored:
        writer = pipeline.blobs.writer(len(content))
        writer.write(content)
        writer.finish(name)
    collection = collection or add_collection(pipeline.database)
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


@pytest.mark.parametrize(("error", "tries"), [(ModelAway, 0), (ModelUnavailable, 1)], ids=["away", "unavailable"])
def test_a_model_server_that_is_away_uses_up_no_try(
    pipeline: Pipeline, error: type[ModelUnavailable], tries: int
) -> None:
    """It restarts for minutes: whatever was uploaded then is embedded when it is back, and nobody has to look for it."""
    version_id = waiting(pipeline)
    batch = Batch(job_id="job", version_ids=(version_id,))
    for _ in range(3):
        with pipeline.database.write() as session:
            version = session.get_one(DocumentVersion, version_id)
            version.state, version.job_id, version.tries = VersionState.RUNNING, "job", 0
        pipeline.fail(batch, error(name="bge-m3"))
        assert row(pipeline, version_id).tries == tries
        assert row(pipeline, version_id).state == VersionState.QUEUED


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


def test_a_document_that_takes_long_leaves_its_batch_and_the_others_go_on(pipeline: Pipeline) -> None:
    collection = add_collection(pipeline.database)
    long = waiting(pipeline, f"# 대장\n\n{LASTING}\n".encode(), "대장.md", collection=collection)
    others = [waiting(pipeline, TEXT + f"{n}조\n".encode(), f"{n}.md", collection=collection) for n in range(2)]
    batch = Batch("job", [long, *others])
    assert pipeline.identify(batch) == [long, *others]
    assert pipeline.parse(batch) == others
    found = row(pipeline, long)
    assert (found.state, found.job_id, found.priority) == (VersionState.QUEUED, "", Priority.LONG)
    assert (found.done, found.total, found.tries, found.crashes) == (3, 1200, 0, 0)
    assert pipeline.parse(batch) == others  # a replay of the step brings it back to no batch
    with pipeline.database.write() as session:
        session.get_one(DocumentVersion, long).job_id = "its own"
    assert pipeline.identify(Batch("its own", [long])) == [long]
    assert pipeline.parse(Batch("its own", [long])) == [long]


LONG_AGO = timedelta(minutes=1)


class Awaited:
    """Long documents, each alone in an interactive job, and a small one that came after them."""

    def __init__(self, pipeline: Pipeline, scans: int = 1, lasting: str = LASTING) -> None:
        self.pipeline = pipeline
        collection = add_collection(pipeline.database)
        texts = [f"# 대장 {n}\n\n{lasting}\n".encode() for n in range(scans)]
        self.scans = [waiting(pipeline, item, f"{n}.md", collection=collection) for n, item in enumerate(texts)]
        self.note = waiting(pipeline, collection=collection)
        for number, scan in enumerate(self.scans):
            self._change(scan, job_id=f"job-{number}", priority=Priority.INTERACTIVE)
        self.note_is(job_id="other", priority=Priority.INTERACTIVE, claimed_at=utc_now() - LONG_AGO)

    def _change(self, version_id: UUID, **changes: object) -> None:
        with self.pipeline.database.write() as session:
            for name, value in changes.items():
                setattr(session.get_one(DocumentVersion, version_id), name, value)

    def note_is(self, **changes: object) -> None:
        self._change(self.note, **changes)

    def read(self, number: int = 0) -> bool:
        """Whether a scan is read to its end where it is."""
        return self.pipeline.parse(Batch(f"job-{number}", [self.scans[number]], again=True)) == [self.scans[number]]

    def read_with(self, **changes: object) -> bool:
        self.note_is(**changes)
        return self.read()


def sandbox_of(pipeline: Pipeline) -> DirectSandbox:
    assert isinstance(pipeline.sandbox, DirectSandbox)
    return pipeline.sandbox


def test_what_is_alone_and_awaited_stays_until_something_else_finds_no_job(pipeline: Pipeline) -> None:
    awaited = Awaited(pipeline)
    assert awaited.read_with(claimed_at=utc_now()), "it will begin at once"
    long_ago = utc_now() - LONG_AGO
    assert awaited.read_with(claimed_at=long_ago, priority=Priority.BULK), "nobody waits for it"
    assert awaited.read_with(priority=Priority.INTERACTIVE, job_id=""), "its collection is paused"
    assert awaited.read_with(job_id="held-a-zip-0"), "its original is still being stored"
    assert awaited.read_with(job_id="other", state=VersionState.RUNNING), "it has a job"
    assert not awaited.read_with(state=VersionState.QUEUED), "no worker is free for it"
    assert row(pipeline, awaited.scans[0]).priority == Priority.LONG_AWAITED


@pytest.mark.parametrize("stage", [Stage.IDENTIFY, Stage.PARSE])
def test_what_is_alone_and_awaited_stays_until_something_else_finds_no_child(pipeline: Pipeline, stage: Stage) -> None:
    awaited = Awaited(pipeline)
    awaited.note_is(state=VersionState.RUNNING, stage=stage, stage_started_at=utc_now() - LONG_AGO)
    sandbox_of(pipeline).waits_s = 2.9
    assert awaited.read(), "it will have one at once, or has one"
    sandbox_of(pipeline).waits_s = 3.0
    assert not awaited.read(), "no child is free for it"
    assert row(pipeline, awaited.scans[0]).priority == Priority.LONG_AWAITED


def test_one_document_that_waits_sends_one_long_one_away(pipeline: Pipeline) -> None:
    awaited = Awaited(pipeline, scans=3)
    assert not awaited.read(0)
    sandbox_of(pipeline).waits_s = 3.0
    assert awaited.read(1), "the first has just made room"
    with pipeline.database.write() as session:
        session.get_one(DocumentVersion, awaited.scans[0]).claimed_at = utc_now() - LONG_AGO
    assert not awaited.read(1), "the note waits nevertheless"
    assert awaited.read(2), "and so once more"


def test_of_what_is_alone_and_awaited_no_more_is_thrown_away_than_is_left(pipeline: Pipeline) -> None:
    awaited = Awaited(pipeline, lasting=HALF_READ)
    assert awaited.read(), "it has been read for longer than the rest will take"


def test_nobody_waits_for_minutes_however_much_of_a_document_has_been_read(pipeline: Pipeline) -> None:
    assert not Awaited(pipeline, lasting=LONG_AND_HALF_READ).read()


@pytest.mark.parametrize(
    ("pages", "total", "seconds", "page_s", "long"),
    [
        (1, 500, 2.0, 2, False),
        (4, 40, 6.0, 1.5, True),
        (30, 40, 60.0, 2, False),
        (400, 500, 6.0, 0.01, False),
        (3, 4, 90.0, 30, True),
        (1, 40, 60.0, 0, False),
    ],
)
def test_what_is_long_is_known_by_its_pace(pages: int, total: int, seconds: float, page_s: float, long: bool) -> None:
    assert is_long(ReadSoFar(pages, total, seconds, page_s)) is long


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


def page(title: str, author: str, date: str) -> bytes:
    """A page that says who wrote it, and when."""
    head = (
        f'<title>{title}</title><meta name="author" content="{author}"><meta name="dcterms.created" content="{date}">'
    )
    return (
        f"<!doctype html><html><head>{head}</head><body><h1>{title}</h1><p>숙박비는 7만 원.</p></body></html>".encode()
    )


DAY_OLD, DAY_NEW = datetime(2023, 1, 2, tzinfo=UTC), datetime(2024, 3, 4, tzinfo=UTC)
OLD, NEW = page("여비 규정 2023", "총무부", "2023-01-02"), page("여비 규정 2024", "인사부", "2024-03-04")


@pytest.fixture
def two_versions(pipeline: Pipeline) -> tuple[UUID, UUID, UUID]:
    """A document with an older and a newer version, both of which wait; their ids after its own."""
    for content in (OLD, NEW):
        writer = pipeline.blobs.writer(len(content))
        writer.write(content)
        writer.finish("여비규정.html")
    collection = add_collection(pipeline.database)
    with pipeline.database.write() as session:
        document = add_document(session, collection, "여비규정.html")
        return document.id, *(
            add_version(session, document, number, VersionState.QUEUED, content)
            for number, content in ((1, OLD), (2, NEW))
        )


def ingest(pipeline: Pipeline, version: UUID, *, until: str = "activate") -> None:
    """Run the steps of one version, the last of them `until`."""
    batch = Batch("job", [version])
    for step in (
        pipeline.identify, pipeline.parse, pipeline.chunk, pipeline.embed, pipeline.index_points, pipeline.activate
    ):  # fmt: skip
        assert step(batch) == [version]
        if step.__name__ == until:
            return


def told(pipeline: Pipeline, document_id: UUID) -> tuple[str, str, str]:
    """Title, author and year of a document, as the record has them."""
    with pipeline.database.read() as session:
        found = session.get_one(Document, document_id)
        return found.title, found.author, str(found.authored_at)[:4]


def test_an_older_version_that_comes_later_says_nothing_about_the_document(
    pipeline: Pipeline, two_versions: tuple[UUID, UUID, UUID]
) -> None:
    document, old, new = two_versions
    ingest(pipeline, new)
    assert told(pipeline, document) == ("여비 규정 2024", "인사부", "2024")
    ingest(pipeline, old)
    assert told(pipeline, document) == ("여비 규정 2024", "인사부", "2024")
    with pipeline.database.read() as session:
        assert not session.get_one(Document, document).labels_pending
        assert row(pipeline, old).state == VersionState.RETIRED


def test_a_version_says_nothing_about_the_document_before_it_answers(
    pipeline: Pipeline, two_versions: tuple[UUID, UUID, UUID]
) -> None:
    """It may be refused, or fail, and then the older one goes on answering under its own title and dates."""
    document, old, new = two_versions
    ingest(pipeline, old)
    ingest(pipeline, new, until="index_points")
    assert told(pipeline, document) == ("여비 규정 2023", "총무부", "2023")
    with pipeline.database.read() as session:
        labels = [set(tags_of(session, session.get_one(DocumentVersion, version)).labels) for version in (old, new)]
    asked = [set(label_groups(DocumentFilter(created=Period(day, day)))[0]) for day in (DAY_OLD, DAY_NEW)]
    assert [[bool(carried & wanted) for wanted in asked] for carried in labels] == [[True, False], [False, True]]
    assert pipeline.activate(Batch("job", [new])) == [new]
    assert told(pipeline, document) == ("여비 규정 2024", "인사부", "2024")


@pytest.mark.parametrize("elsewhere", [True, False])
def test_a_model_on_a_server_has_several_requests_in_work_and_one_elsewhere_is_not_paused_for(
    pipeline: Pipeline, elsewhere: bool
) -> None:
    together = threading.Barrier(AT_ONCE[Role.PASSAGE])
    full: list[int] = []

    def respond(call: Call) -> Answer:
        count = len(call.body["input"])
        if call.body["input"] == ["a"]:  # whether it is there
            return Answer({"data": [{"index": 0, "embedding": [1.0] + [0.0] * 7}]})
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
        version = waiting(wide, content=paragraphs.encode())
        batch = Batch("job", [version])
        for step in (wide.identify, wide.parse, wide.chunk):
            assert step(batch) == [version]
        ways.clear()
        assert wide.embed(batch) == [version]
        served.close()
    assert row(wide, version).chunk_count == 300 == sum(full)
    around = 3  # this process enters the step, reads the chunks and keeps their vectors
    assert len(ways) == around + (0 if elsewhere else 2)


class TokenEmbedder(HashEmbedder):
    """Gives every chunk a vector for each of its tokens, and counts the chunks whose vectors were asked for at once."""

    def __init__(self) -> None:
        super().__init__()
        self.name, self.dimensions, self.multi, self.max_tokens = "tokens", 8, 1024, 256
        self.languages = frozenset(Language)
        self.asked: list[int] = []

    def embed(self, texts: Sequence[str], role: Role) -> Embeddings:
        self.asked.append(len(texts))
        dense = np.tile(np.eye(1, 8, dtype=np.float32), (len(texts), 1))
        return Embeddings(dense=dense, multi=tuple(np.ones((2, 1024), dtype=np.float32) for _ in texts))


def test_documents_whose_token_vectors_do_not_fit_in_memory_together_are_embedded_apart(
    pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(embedding_pieces, "GROUP_BYTES", 3 * 2**20)
    model = TokenEmbedder()
    heavy = replace(pipeline, space=EmbeddingSpace(HashEmbedder(), model))
    collection = add_collection(pipeline.database)
    texts = [f"# 규정 {n}\n\n휴가는 {n}일 전에 신청한다.\n".encode() for n in range(6)]
    versions = [waiting(heavy, text, f"{n}.md", collection=collection) for n, text in enumerate(texts)]
    batch = Batch("job", versions)
    for step in (heavy.identify, heavy.parse, heavy.chunk, heavy.embed):
        assert step(batch) == versions
    assert model.asked == [2, 2, 2]  # a megabyte each
    with heavy.database.write() as session:  # the next version of one of them: what it looks through is bounded too
        for version in versions:
            session.get_one(DocumentVersion, version).state = VersionState.ACTIVE
    known = known_vectors(heavy.database, heavy.blobs, heavy.space.name, again(heavy, versions), most=2)
    assert len(known.model) == 2


def again(pipeline: Pipeline, versions: Sequence[UUID]) -> list[DocumentVersion]:
    """Second versions of their documents."""
    found = []
    with pipeline.database.write() as session:
        for version in versions:
            document = session.get_one(Document, session.get_one(DocumentVersion, version).document_id)
            found.append(
                session.get_one(DocumentVersion, add_version(session, document, 2, VersionState.RUNNING, b"2"))
            )
    return found


def test_token_vectors_that_no_search_reads_are_told_of(caplog: pytest.LogCaptureFixture) -> None:
    for multi, fusion in ((None, "scores"), (1024, "rrf"), (1024, "dbsf")):
        warn_of_unread(multi, RetrievalSettings(fusion=fusion))
    assert not caplog.records
    warn_of_unread(1024, RetrievalSettings())
    assert "token_vectors" in caplog.text


class Listed(MemoryIndex):
    """Says of more points than anybody would write in a test that they are there."""

    pairs: Sequence[tuple[UUID, int]] = ()

    def versions_of(self) -> Iterator[tuple[UUID, UUID]]:
        for version, count in self.pairs:
            yield from ((uuid5(version, str(number)), version) for number in range(count))


def test_a_comparison_of_record_and_index_holds_no_list_of_all_chunks(
    pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    index = Listed(IndexSchema(pipeline.space.name, pipeline.space.dimensions))
    index.pairs = [(uuid4(), 10_000) for _ in range(3)]
    monkeypatch.setattr(chunks_table, "active_ids", lambda session: index.versions_of())
    tracemalloc.start()
    try:
        report = maintenance.verify(replace(pipeline, index=index))
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert (report.chunks, report.points, report.missing, report.orphaned) == (30_000, 30_000, [], [])
    assert most < 2 * 2**20  # two lists of all are 12 MB


def test_a_chunk_in_the_place_of_another_is_seen_though_the_count_is_right(pipeline: Pipeline) -> None:
    version = waiting(pipeline)
    batch = Batch("job", [version])
    for step in (pipeline.identify, pipeline.parse, pipeline.chunk, pipeline.embed, pipeline.index_points):
        assert step(batch) == [version]
    with pipeline.database.write() as session:
        session.get_one(DocumentVersion, version).state = VersionState.ACTIVE
    [own] = [chunk for chunk, _ in pipeline.index.versions_of()]
    index = Listed(IndexSchema(pipeline.space.name, pipeline.space.dimensions))
    index.pairs = [(version, 1)]
    report = maintenance.verify(replace(pipeline, index=index), timedelta(0))
    assert (report.chunks, report.points) == (1, 1)
    assert (report.missing, report.orphaned) == ([own], [uuid5(version, "0")])


def test_a_document_gives_way_between_its_pieces_and_never_while_it_writes(pipeline: Pipeline) -> None:
    ways: list[str] = []
    stage = ""

    def give_way() -> None:
        with pipeline.database.write():  # whose turn can't be had twice: a question may need it to be answered
            ways.append(stage)

    patient = replace(pipeline, give_way=give_way)
    articles = "\n\n".join(f"## 제{number}조\n\n직원은 {number}일의 휴가를 받는다." for number in range(1, 60))
    version = waiting(patient, articles.encode())
    batch = Batch("job", [version])
    for step in (patient.identify, patient.parse, patient.chunk, patient.embed, patient.index_points, patient.activate):
        stage = step.__name__
        assert step(batch) == [version]
    assert patient.tidy(batch) == [version]
    assert Counter(ways)["chunk"] > 59, "before each section is counted"
    assert {"identify", "parse", "embed", "index_points", "activate"} <= set(ways)


def test_a_document_of_many_pieces_ends_with_the_process(pipeline: Pipeline) -> None:
    sections = 0

    def give_way() -> None:
        nonlocal sections
        sections += 1
        if sections == 20:
            pipeline.stopping.set()

    articles = "\n\n".join(f"## 제{number}조\n\n직원은 {number}일의 휴가를 받는다." for number in range(1, 60))
    version = waiting(pipeline, articles.encode())
    batch = Batch("job", [version])
    for step in (pipeline.identify, pipeline.parse):
        assert step(batch) == [version]
    with pytest.raises(Interrupted):
        replace(pipeline, give_way=give_way).chunk(batch)
    assert sections == 20


@pytest.mark.parametrize("during", ["chunk", "embed", "index"])
def test_what_is_deleted_while_it_is_in_work_leaves_nothing_behind(
    pipeline: Pipeline, during: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = add_collection(pipeline.database)
    text = "\n\n".join(f"## 제{n}조\n\n휴가는 {n}일이다." for n in range(1, 20)).encode()
    version = waiting(pipeline, text, collection=place)
    other = waiting(pipeline, name="여비규정.md", collection=place)
    batch = Batch("job", [version, other])

    def delete() -> None:
        with pipeline.database.write() as session:
            session.get_one(DocumentVersion, version).state = VersionState.DELETED
        pipeline.blobs.delete_derived(version)  # the purge has been here

    for step in (pipeline.identify, pipeline.parse):
        assert step(batch) == [version, other]
    if during == "chunk":
        cut = StructureChunker.chunk

        def slow(self: StructureChunker, *arguments: Any) -> list[Any]:
            chunks = cut(self, *arguments)
            if "휴가는 1일이다." in chunks[0].text:
                delete()
            return chunks

        monkeypatch.setattr(StructureChunker, "chunk", slow)
        assert pipeline.chunk(batch) == [other]
    elif during == "index":
        assert pipeline.chunk(batch) == pipeline.embed(batch) == [version, other]
        read = chunks_table.for_index

        def late_read(session: Any, version_id: UUID, *asked: Any, **more: Any) -> Any:
            chunks = read(session, version_id, *asked, **more)
            if version_id == version:
                session.close()
                delete()
            return chunks

        monkeypatch.setattr(chunks_table, "for_index", late_read)
        pipeline.index_points(batch)
    else:
        assert pipeline.chunk(batch) == [version, other]
        embed = pipeline.space.embed_chunks

        def late(*arguments: Any) -> Any:
            vectors = embed(*arguments)
            delete()
            return vectors

        monkeypatch.setattr(EmbeddingSpace, "embed_chunks", lambda _self, *arguments: late(*arguments))
        pipeline.embed(batch)
    assert row(pipeline, version).state == VersionState.DELETED
    assert pipeline.blobs.count_derived(version) == 0 < pipeline.blobs.count_derived(other)
    if during == "chunk":
        with pipeline.database.read() as session:
            assert chunks_table.for_index(session, version) == []


def test_vectors_of_a_version_that_another_job_has_finished_meanwhile_stay(
    pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = add_collection(pipeline.database)
    versions = [waiting(pipeline, name=name, collection=place) for name in ("취업규칙.md", "여비규정.md")]
    batch = Batch("job", versions)
    for step in (pipeline.identify, pipeline.parse, pipeline.chunk):
        assert step(batch) == versions
    embed = pipeline.space.embed_chunks

    def late(_self: EmbeddingSpace, *arguments: Any) -> Any:
        with pipeline.database.write() as session:  # cancelled, tried again and through
            session.get_one(DocumentVersion, versions[0]).state = VersionState.ACTIVE
        return embed(*arguments)

    monkeypatch.setattr(EmbeddingSpace, "embed_chunks", late)
    pipeline.embed(batch)
    assert pipeline.blobs.count_derived(versions[0]) == pipeline.blobs.count_derived(versions[1]) > 0
