"""Somebody who tends a collection of code in a running service, and git repositories that it takes."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import select

from rag.store.document import Document
from rag.store.repository import Repository
from rag.store.version import DocumentVersion
from tests.support.git_repository import GitRepository
from tests.support.running import Running


class Desk:
    """Somebody who tends a collection of code, and the folder in which repositories lie."""

    def __init__(self, place: tuple[Running, Path], tenant: str = "") -> None:
        self.running, self.root = place
        self.tenant = tenant or f"t-{uuid4().hex[:8]}"
        self.caller = self.running.caller(tenant=self.tenant)
        self.collection = self.caller.collection(kind="code")

    def repository(self, files: dict[str, str | bytes] | None = None) -> GitRepository:
        return GitRepository.new(self.root / uuid4().hex[:8], files)

    def add(self, source: GitRepository | Path | str, **body: Any) -> dict[str, Any]:
        url = source if isinstance(source, str) else str(getattr(source, "folder", source))
        given = {"collection": self.collection, "url": url, "name": "pay", **body}
        response = self.caller.post("/api/v1/repositories", json=given)
        assert response.status_code == 201, response.text
        return dict(response.json())

    def settled(self, repository_id: str, timeout_s: float = 120) -> dict[str, Any]:
        """The repository, once nobody works on it and nobody wants that."""
        end = time.monotonic() + timeout_s
        while self._is_busy(repository_id):
            assert time.monotonic() < end, self.caller.get(f"/api/v1/repositories/{repository_id}").text
            time.sleep(0.1)
        found: dict[str, Any] = self.caller.get(f"/api/v1/repositories/{repository_id}").json()
        return found

    def _is_busy(self, repository_id: str) -> bool:
        with self.running.services.rag.database.read() as session:
            row = session.get_one(Repository, UUID(repository_id))
            return bool(row.job_id) or row.wanted_at is not None

    def added(self, source: GitRepository | Path | str, **body: Any) -> dict[str, Any]:
        return self.settled(self.add(source, **body)["repository"]["id"])

    def look(self, repository_id: str, **body: Any) -> dict[str, Any]:
        response = self.caller.post(f"/api/v1/repositories/{repository_id}/sync", json=body)
        assert response.status_code == 202, response.text
        return self.settled(repository_id)

    def files(self, repository_id: str, *, skipped: bool = False) -> dict[str, Any]:
        found = self.caller.get(f"/api/v1/repositories/{repository_id}/files", params={"skipped": skipped}).json()
        return {item["path"]: item["reason"] if skipped else item["document_id"] for item in found["files"]}

    def documents(self) -> list[str]:
        found = self.caller.get(f"/api/v1/collections/{self.collection}/documents").json()["documents"]
        return [item["source_key"] for item in found]

    def versions(self) -> dict[str, tuple[int, str]]:
        """Number and commit of the version that answers, by key."""
        with self.running.services.rag.database.read() as session:
            query = (
                select(Document.source_key, DocumentVersion.number, DocumentVersion.commit)
                .join(DocumentVersion, DocumentVersion.id == Document.current_version_id)
                .where(Document.collection_id == self.collection_id)
            )
            return {key: (number, commit) for key, number, commit in session.execute(query)}

    @property
    def collection_id(self) -> UUID:
        return UUID(self.caller.get(f"/api/v1/collections/{self.collection}").json()["id"])

    def found(self, question: str) -> list[str]:
        return [item["source_key"] for item in self.caller.search(question, collections=[self.collection])]


@contextmanager
def repositories_with(running: Running, **changes: Any) -> Iterator[None]:
    """The service with other settings of repositories for the length of the block, as after a restart."""
    assert running.services.ingest is not None
    sync, rag = running.services.ingest.repositories.sync, running.services.rag
    before = rag.settings.repositories
    changed = type(before).model_validate(before.model_dump() | changes)

    def use(settings: Any) -> None:
        sync.settings = settings
        object.__setattr__(rag, "settings", rag.settings.model_copy(update={"repositories": settings}))

    use(changed)
    try:
        yield
    finally:
        use(before)
