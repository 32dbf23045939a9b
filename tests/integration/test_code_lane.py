"""Files of a real git repository through the bulk lane of a real service, on both databases."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import func, select

from ingest.pipeline import maintenance
from ingest.pipeline.code_lane import CodeLane, FileTask, Taken
from rag.domain.access import GivenRule
from rag.store.chunk import ChunkRow
from rag.store.code_symbol import CodeSymbol
from rag.store.collection import Collection
from rag.store.document import Document
from rag.store.repository import Repository
from rag.store.version import DocumentVersion, VersionState
from tests.support.git_tree import GitTree
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
                credential="",
                options={},
                webhook_hash="",
                head="",
            )
            session.add(self.repository)

    @property
    def lane(self) -> CodeLane:
        ingest = self.service.services.ingest
        assert ingest is not None
        return ingest.code

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
        return [
            item["source"]["source_key"] if "source" in item else item["document"]["source_key"] for item in passages
        ]

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


def test_files_are_searchable_at_once_and_get_their_vectors_later(shop: Shop) -> None:
    taken = shop.take({"src/login.py": LOGIN, "src/gateway.py": GATEWAY})

    assert all(item.document_id and not item.reason for item in taken.values())
    assert shop.found("approve_login attempts")[0] == "payments/src/login.py"
    (version,) = shop.versions("src/login.py")
    assert (version.state, version.dense_pending) == (VersionState.ACTIVE, True)
    assert version.commit == shop.tree.mirror().resolve("main")
    assert shop.count(ChunkRow, version.id) == version.chunk_count > 0
    assert shop.count(CodeSymbol, version.id) > 0

    seen: list[tuple[int, int]] = []
    done = shop.lane.fill(NOTHING, lambda *now: seen.append(now), [shop.repository.collection_id])

    assert done == 2 and seen[0] == (0, 2) and seen[-1] == (2, 2)
    (version,) = shop.versions("src/login.py")
    assert not version.dense_pending
    assert shop.found("who may sign in?")
    shop.healthy()
