"""Files of a real git repository through the bulk lane of a real service, on both databases."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from ingest.chunking.code_syntax import CodeChunker
from ingest.parsing.sandbox import ParseLimits
from ingest.pipeline import code_filling, code_sandbox, fault_points, maintenance
from ingest.pipeline.code_batch import BatchFile
from ingest.pipeline.code_cutting import CutFile, CutRules, Screening
from ingest.pipeline.code_lane import CodeLane, FileTask, Taken
from ingest.pipeline.code_sandbox import CodeSandbox
from rag.domain.access import GivenRule
from rag.domain.document import chunk_id
from rag.domain.errors import ParseLimitExceeded, SeogoError
from rag.domain.language import CollectionKind
from rag.domain.personal_data import PrivacyPolicy
from rag.store.chunk import ChunkRow
from rag.store.code_symbol import CodeSymbol
from rag.store.collection import Collection
from rag.store.document import Document
from rag.store.repository import Repository
from rag.store.version import DocumentVersion, VersionState
from tests.support.git_tree import GitTree
from tests.support.repository_desk import Desk, repositories_with
from tests.support.running import Caller, Running

LOGIN = '''"""로그인."""


class LoginService:
    """Checks who somebody is."""

    def approve_login(self, user: str, attempts: int) -> bool:
        """잠긴 계정은 거절한다."""
        return attempts < 5 and bool(user)
'''
GATEWAY = '''def charge_card(amount: int) -> str:
    """Charge a card through the gateway."""
    if amount <= 0:
        raise ValueError("amount")
    return f"charged {amount}"
'''
NOTHING = threading.Event()


class Shop:
    """A collection of code in a service, with a repository that feeds it."""

    def __init__(self, service: Running, folder: Path) -> None:
        self.caller: Caller = service.caller()
        self.service = service
        self.collection = self.caller.collection(kind="code")
        self.tree = GitTree(folder / f"{uuid4().hex}.git")
        with service.services.rag.database.write() as session:
            row = session.scalars(select(Collection).where(Collection.name == self.collection)).one()
            self.repository = Repository(
                id=uuid4(),
                tenant_id=row.tenant_id,
                collection_id=row.id,
                name="payments",
                url=str(folder),
                ref="main",
                options={},
            )
            session.add(self.repository)

    @property
    def lane(self) -> CodeLane:
        ingest = self.service.services.ingest
        assert ingest is not None
        return ingest.repositories.sync.lane

    def take(
        self,
        files: Mapping[str, bytes | str | None],
        access: GivenRule | None = None,
        only: Sequence[str] | None = None,
    ) -> dict[str, Taken]:
        """Commit these files and take them, or `only` some of the tree."""
        commit = self.tree.commit(files)
        mirror = self.tree.mirror()
        wanted = set(only if only is not None else [path for path, content in files.items() if content is not None])
        entries = [item for item in mirror.tree(commit) if item.path in wanted]
        tasks = [FileTask(item.path, item.blob, item.size, access) for item in entries]
        taken = self.lane.take(self.repository, mirror, commit, tasks, lambda done, total: None)
        assert {item.path for item in taken} == wanted
        return {item.path: item for item in taken}

    def versions(self, path: str) -> list[DocumentVersion]:
        """Every version of a file, oldest first."""
        with self.service.services.rag.database.read() as session:
            query = select(DocumentVersion).join(Document, Document.id == DocumentVersion.document_id)
            mine = (Document.collection_id == self.repository.collection_id, Document.source_key == f"payments/{path}")
            return list(session.scalars(query.where(*mine).order_by(DocumentVersion.number)))

    def count(self, table: Any, version_id: UUID) -> int:
        with self.service.services.rag.database.read() as session:
            query = select(func.count()).select_from(table).where(table.version_id == version_id)
            return session.scalar(query) or 0

    def found(self, question: str) -> list[str]:
        """Source keys of the passages for a question."""
        passages = self.caller.search(question, collections=[self.collection])
        return [str(item["source_key"]) for item in passages]

    def healthy(self) -> None:
        """Record, index and blobs agree."""
        ingest = self.service.services.ingest
        assert ingest is not None
        report = maintenance.verify(ingest.pipeline)
        mine = {version.id for path in ("login.py", "gateway.py") for version in self.versions(path)}
        assert not report.missing and not report.orphaned and not report.lost_originals, report
        assert not mine & set(report.unfinished)


@pytest.fixture
def shop(service: Running, tmp_path: Path) -> Shop:
    return Shop(service, tmp_path)


@pytest.fixture
def filling_held(service: Running, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The service finds nothing to fill in by itself while a test looks at what waits; what names its collections does.

    After `service`, so that it lets go before that ends.
    """
    over, found = threading.Event(), code_filling._next_versions

    def held(session: Session, collections: Sequence[UUID] | None, chunks: int) -> list[DocumentVersion]:
        if collections is None:
            over.wait(60)
        return found(session, collections, chunks)

    monkeypatch.setattr(code_filling, "_next_versions", held)
    try:
        yield
    finally:
        over.set()


@pytest.fixture
def one_by_one(service: Running, monkeypatch: pytest.MonkeyPatch) -> Iterator[threading.Semaphore]:
    """The service fills in vectors a version at a time, each when the semaphore is released."""
    turns, found = threading.Semaphore(0), code_filling._next_versions

    def in_turn(session: Session, collections: Sequence[UUID] | None, chunks: int) -> list[DocumentVersion]:
        if collections is None:
            turns.acquire(timeout=600)  # released in the end: the first search may load a model for a minute
        return found(session, collections, chunks)

    monkeypatch.setattr(code_filling, "_next_versions", in_turn)
    monkeypatch.setattr(code_filling, "_GROUP_VERSIONS", 1)
    try:
        yield turns
    finally:
        turns.release(1000)


@pytest.fixture
def desk(service: Running, tmp_path: Path) -> Iterator[Desk]:
    """Somebody who adds repositories to the service, from a folder of this test."""
    (tmp_path / "git").mkdir()
    with repositories_with(service, roots=(tmp_path / "git",), poll_s=0):
        yield Desk((service, tmp_path / "git"))


def _until(desk: Desk, repository: str, pending: int) -> dict[str, Any]:
    """The repository, once nobody looks at its remote and so many of its files wait for their vectors."""
    end = time.monotonic() + 120
    while (found := desk.settled(repository))["vectors_pending"] != pending:
        assert time.monotonic() < end, found
        time.sleep(0.05)
    return found


def test_a_repository_answers_by_words_while_vectors_are_filled_in_and_by_meaning_then(
    desk: Desk, one_by_one: threading.Semaphore
) -> None:
    source = desk.repository({"src/login.py": LOGIN, "src/gateway.py": GATEWAY})
    repository = desk.add(source)["repository"]["id"]

    filling = _until(desk, repository, 2)
    assert (filling["state"], filling["files"], filling["commit"]) == ("filling", 2, source.git("rev-parse", "HEAD"))
    assert desk.found("잠긴 계정은 거절한다")[0] == "pay/src/login.py"
    assert desk.found("charge_card amount")[0] == "pay/src/gateway.py"
    [defined] = desk.caller.get("/api/v1/code/symbols", params={"name": "approve_login"}).json()["definitions"]
    assert defined["spot"]["source_key"] == "pay/src/login.py"
    meaning = {"question": "bill a customer's plastic", "collections": [desk.collection]}
    assert not any("dense" in item["legs"] for item in desk.caller.search(**meaning))

    one_by_one.release()
    assert _until(desk, repository, 1)["state"] == "filling", "half of the way is told of"
    one_by_one.release(2)  # the last, and the look that finds nothing more
    _until(desk, repository, 0)
    end = time.monotonic() + 60
    while (ready := desk.settled(repository))["state"] != "ready":
        assert time.monotonic() < end, ready
        time.sleep(0.05)
    best = desk.caller.search(**meaning)[0]
    assert best["source_key"] == "pay/src/gateway.py" and "dense" in best["legs"]

    source.git("mv", "src/gateway.py", "src/결제.py")
    moved = source.commit("옮김")
    found = desk.look(repository)  # nothing is filled in meanwhile: the vectors go with the content
    assert (found["state"], found["commit"], found["vectors_pending"]) == ("ready", moved, 0)
    best = desk.caller.search(**meaning)[0]
    assert (best["source_key"], best["commit"]) == ("pay/src/결제.py", moved) and "dense" in best["legs"]
    assert sorted(desk.versions()) == ["pay/src/login.py", "pay/src/결제.py"]


@pytest.mark.parametrize("moment", ["code.filled", "code.fill_written"])
def test_a_repository_that_is_deleted_while_its_vectors_are_filled_in_leaves_nothing(
    desk: Desk, one_by_one: threading.Semaphore, moment: str
) -> None:
    repository = desk.add(desk.repository({"src/login.py": LOGIN, "src/gateway.py": GATEWAY}))["repository"]["id"]
    _until(desk, repository, 2)
    with desk.running.services.rag.database.read() as session:
        mine = DocumentVersion.collection_id == desk.collection_id
        versions = session.scalars(select(DocumentVersion.id).where(mine)).all()
    receipts: list[str] = []

    def ask() -> None:
        receipts.append(desk.caller.delete(f"/api/v1/repositories/{repository}").json()["id"])

    def delete(point: str, subject: str) -> None:
        if point == moment and not receipts and UUID(subject) in versions:
            thread = threading.Thread(target=ask)
            thread.start()
            thread.join()

    fault_points.install(delete)
    try:
        one_by_one.release(10)
        end = time.monotonic() + 60
        while not receipts:
            assert time.monotonic() < end
            time.sleep(0.02)
        done = desk.caller.receipt(receipts[0], timeout_s=120)
    finally:
        fault_points.install(None)
    assert done["verified"]["documents"] == 0 and desk.found("approve_login charge_card") == []
    pipeline = desk.running.services.ingest.pipeline
    end = time.monotonic() + 60
    while any(pipeline.index.count(item) for item in versions):
        assert time.monotonic() < end, "points that nobody answers for"
        time.sleep(0.1)
    assert not any(pipeline.blobs.count_derived(item) for item in versions)
    report = maintenance.verify(pipeline)
    assert not report.orphaned and not report.missing, report


@pytest.mark.usefixtures("filling_held")
def test_files_are_searchable_at_once_and_get_their_vectors_later(shop: Shop) -> None:
    taken = shop.take({"src/login.py": LOGIN, "src/gateway.py": GATEWAY})

    assert all(item.document_id and not item.reason for item in taken.values())
    assert shop.found("approve_login attempts")[0] == "payments/src/login.py"
    assert shop.found("잠긴 계정은 거절한다")[0] == "payments/src/login.py"  # Kiwi's part, which no child has
    (version,) = shop.versions("src/login.py")
    assert (version.state, version.dense_pending) == (VersionState.ACTIVE, True)
    assert version.commit == shop.tree.mirror().resolve("main")
    assert shop.count(ChunkRow, version.id) == version.chunk_count > 0
    assert shop.count(CodeSymbol, version.id) > 0

    shop.lane.fill(NOTHING, lambda done, total: None, [shop.repository.collection_id])

    (version,) = shop.versions("src/login.py")
    assert not version.dense_pending
    [passage] = shop.caller.search("bill a customer's plastic", collections=[shop.collection], limit=1)
    assert "dense" in passage["legs"]
    shop.healthy()


def test_a_file_is_the_same_in_the_bulk_and_in_the_ordinary_way(shop: Shop) -> None:
    shop.take({"src/login.py": LOGIN})
    (bulk,) = shop.versions("src/login.py")
    other = shop.caller.collection(kind="code")
    shop.caller.ingest(other, {"payments/src/login.py": LOGIN})

    with shop.service.services.rag.database.read() as session:
        query = select(DocumentVersion).where(DocumentVersion.content_hash == bulk.content_hash)
        ordinary = next(
            item for item in session.scalars(query) if item.id != bulk.id and item.tenant_id == bulk.tenant_id
        )
        columns = (
            ChunkRow.ordinal,
            ChunkRow.text,
            ChunkRow.heading_path,
            ChunkRow.anchor,
            ChunkRow.tokens,
            ChunkRow.code,
        )
        cut = {
            version: session.execute(
                select(*columns).where(ChunkRow.version_id == version).order_by(ChunkRow.ordinal)
            ).all()
            for version in (bulk.id, ordinary.id)
        }
        ids = session.scalars(
            select(ChunkRow.id).where(ChunkRow.version_id == ordinary.id, ChunkRow.ordinal == 0)
        ).all()
    assert cut[bulk.id] == cut[ordinary.id]
    assert (ordinary.parser, ordinary.media_type) == (bulk.parser, bulk.media_type)
    assert ids == [chunk_id(ordinary.id, f"{bulk.parser}+{CodeChunker.name}", 0)]


def test_files_are_cut_by_the_rules_of_the_space_that_answers_by_now() -> None:
    screening = Screening(PrivacyPolicy(), CollectionKind.CODE)
    files = [BatchFile("r/결제.py", (GATEWAY + "\n\n" + LOGIN).encode())]
    rules = [CutRules(tokens=240)]
    with CodeSandbox(lambda: rules[-1], concurrency=1) as sandbox:
        [wide] = sandbox.cut(screening, files)
        rules.append(CutRules(tokens=32))  # as after a switch to a model with shorter texts
        [narrow] = sandbox.cut(screening, files)
    assert isinstance(wide, CutFile) and isinstance(narrow, CutFile)
    assert max(chunk.tokens for chunk in wide.chunks) > 32 >= max(chunk.tokens for chunk in narrow.chunks)


def test_children_are_made_ready_before_the_first_file_comes() -> None:
    with CodeSandbox(CutRules, concurrency=1) as sandbox:
        sandbox.get_ready()
        deadline = time.monotonic() + 60
        while sandbox._client is None:
            assert time.monotonic() < deadline
            time.sleep(0.05)
    sandbox.get_ready()  # closed: nothing comes of it, and nobody is told


def test_the_next_batch_is_cut_while_the_answers_of_one_are_read(monkeypatch: pytest.MonkeyPatch) -> None:
    screening = Screening(PrivacyPolicy(), CollectionKind.CODE)
    read, answered = code_sandbox._answers, threading.Event()

    def reading(files: Sequence[BatchFile], payloads: Sequence[memoryview]) -> list[CutFile | SeogoError]:
        if files[0].source_key == "r/first.py":
            assert answered.wait(60), "the second batch had no child while the first one's answers were read"
        found = read(files, payloads)
        answered.set()
        return found

    monkeypatch.setattr(code_sandbox, "_answers", reading)
    with CodeSandbox(CutRules, concurrency=1) as sandbox, ThreadPoolExecutor(2) as pool:
        first = pool.submit(sandbox.cut, screening, [BatchFile("r/first.py", LOGIN.encode())])
        second = pool.submit(sandbox.cut, screening, [BatchFile("r/second.py", GATEWAY.encode())])
        assert all(isinstance(cut, CutFile) for future in (first, second) for cut in future.result())


def test_a_file_that_no_child_survives_costs_itself_alone() -> None:
    screening = Screening(PrivacyPolicy(), CollectionKind.CODE)
    huge = "x = 'to call it a program would be too much'\n" * 400_000
    files = [
        BatchFile("r/a.py", LOGIN.encode()),
        BatchFile("r/huge.py", huge.encode()),
        BatchFile("r/b.py", GATEWAY.encode()),
    ]

    with CodeSandbox(CutRules, ParseLimits(memory_bytes=96 << 20, cpu_s=20)) as sandbox:
        first, second, third = sandbox.cut(screening, files)

    assert isinstance(first, CutFile) and isinstance(third, CutFile)
    assert isinstance(second, ParseLimitExceeded) and second.params["name"] == "huge.py"
