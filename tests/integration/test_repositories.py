"""Repositories by their routes, with real git: added, looked at, changed, deleted; and every way in which that can go wrong."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest

from rag.domain.principal import Scope
from tests.conftest import new_database
from tests.support.git_repository import GitRepository
from tests.support.running import Caller, Running, running, settings_for

LOGIN = '''"""로그인을 처리한다."""


def login(user: str, password: str) -> bool:
    """비밀번호가 맞으면 참."""
    return verify_password(user, password)
'''
FARE = "def fare(km: int) -> int:\n    # 거리 요금은 1킬로미터마다 150원\n    return km * 150\n"
ENDED = ("ready", "filling", "failed")


@pytest.fixture(scope="module", params=["sqlite", "postgres"])
def place(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Running, Path]]:
    """A service that takes repositories from a folder, on each store."""
    folder: Path = tmp_path_factory.mktemp("repositories")
    (folder / "git").mkdir()
    rag: dict[str, Any] = {
        "repositories": {"roots": [str(folder / "git")], "hosts": ["127.0.0.1:9"], "poll_s": 0},
        "embedding": {"dense": "none"},
    }
    overrides: dict[str, Any] = {"rag": rag}
    if request.param == "postgres":
        cluster = request.getfixturevalue("postgres_cluster")
        rag["store"] = {"url": new_database(cluster)}
        overrides["ingest"] = {"queue_database_url": new_database(cluster)}
    with running(settings_for(folder / "data", overrides)) as started:
        yield started, folder / "git"


class Desk:
    """Somebody who tends a collection of code, and the folder in which repositories lie."""

    def __init__(self, place: tuple[Running, Path]) -> None:
        self.running, self.root = place
        self.tenant = f"t-{uuid4().hex[:8]}"
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

    def settled(self, repository_id: str, timeout_s: float = 30) -> dict[str, Any]:
        """The repository, once nobody works on it and nobody wants that."""
        end = time.monotonic() + timeout_s
        while True:
            found: dict[str, Any] = self.caller.get(f"/api/v1/repositories/{repository_id}").json()
            if found["state"] in ENDED and not self._busy(repository_id):
                return found
            assert time.monotonic() < end, (found["state"], found["done"], found["total"], found["failure"])
            time.sleep(0.02)

    def _busy(self, repository_id: str) -> bool:
        from rag.store.repository import Repository

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

    def found(self, question: str) -> list[str]:
        return [item["source_key"] for item in self.caller.search(question, collections=[self.collection])]


@pytest.fixture
def desk(place: tuple[Running, Path]) -> Desk:
    return Desk(place)


def test_a_repository_is_indexed_at_its_commit(desk: Desk) -> None:
    source = desk.repository({"src/login.py": LOGIN, "docs/읽기.md": "# 요금\n\n거리 요금을 설명한다.\n"})
    ready = desk.added(source)
    head = source.git("rev-parse", "HEAD")
    assert (ready["state"], ready["commit"], ready["head"], ready["files"]) == ("ready", head, head, 2)
    assert (ready["failure"], ready["note"], ready["due_at"]) == (None, None, None)
    assert desk.documents() == ["pay/docs/읽기.md", "pay/src/login.py"]
    desk.caller.wait([item for item in desk.files(ready["id"]).values()])
    [passage] = desk.caller.search("verify_password", collections=[desk.collection])
    assert passage["source_key"] == "pay/src/login.py"
