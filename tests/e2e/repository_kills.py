"""Kills a real embedded service at the fault points of keeping a repository in step, restarts it, and looks at what is there.

    python -m tests.e2e.repository_kills FOLDER [POINT …]

Each life is a forked process on the folder that the life before left (see `kill_points.py`): it waits until nothing is left to be
done, compares record and index with the tree of the commit, and then pushes, looks, lets a look fail, deletes and adds anew until
it is killed. Prints a JSON line per life.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import func, select
from starlette.testclient import TestClient

from api.app import create_app
from api.cli.services import both_lanes, upgrade_schema
from api.deps import Services
from ingest.pipeline import fault_points, maintenance
from rag.store import repository_work
from rag.store.document import Document
from rag.store.receipt import DeletionReceipt
from rag.store.repository import Repository
from rag.store.version import DocumentVersion
from tests.e2e.lives import kill_at, note, tell
from tests.support.git_repository import GitRepository
from tests.support.running import settings_for

PATIENCE_S = 120.0


class Client:
    """The operator, and whoever pushes."""

    def __init__(self, services: Services, folder: Path) -> None:
        self.services = services
        self.http = TestClient(create_app(services))
        assert services.rag.operator is not None
        self.headers = {"Authorization": f"Bearer {services.rag.operator.token}"}
        tree = folder / "git" / "pay"
        fresh = not tree.exists()
        self.source = (
            GitRepository.new(tree, {"kept.py": "k = 1\n", "a0.py": "a = 0\n"}) if fresh else GitRepository(tree)
        )

    def request(self, method: str, path: str, **arguments: Any) -> Any:
        answer = self.http.request(method, f"/api/v1{path}", headers=self.headers, **arguments)
        assert answer.is_success, answer.text
        return answer.json()

    def repositories(self) -> list[Any]:
        return list(self.request("GET", "/repositories")["repositories"])

    def add(self) -> None:
        body = {"collection": "코드", "url": str(self.source.folder), "name": "pay", "ref": "main"}
        self.request("POST", "/repositories", json=body)

    def until_settled(self) -> None:
        """Nobody works on a repository or wants that, none is half deleted, and every receipt is closed."""
        end = time.monotonic() + PATIENCE_S
        while self._is_busy():
            assert time.monotonic() < end, self.repositories()
            time.sleep(0.05)

    def _is_busy(self) -> bool:
        with self.services.rag.database.read() as session:
            wanted = session.scalar(select(func.count()).where(Repository.wanted_at.is_not(None)))
            still_open = session.scalar(select(func.count()).where(DeletionReceipt.purged_at.is_(None)))
            return bool(repository_work.held(session) or wanted or still_open)

    def push(self, turn: int) -> None:
        """A commit that adds a file, changes one and takes one away."""
        gone = sorted(self.source.folder.glob("a*.py"))
        self.source.git("rm", "-q", "--", gone[0].name)
        self.source.commit(
            f"변경 {turn}", {f"a{turn + 1}.py": f"a = {turn + 1}\n", "kept.py": f"k = {time.time_ns()}\n"}
        )

    def look(self, repository_id: str) -> None:
        self.request("POST", f"/repositories/{repository_id}/sync")
        self.until_settled()

    def check(self) -> int:
        """The documents of the repository are the files of its commit; returns how many."""
        [item] = self.repositories()
        assert item["state"] == "ready" and item["failure"] is None, item
        listed = self.source.git("ls-tree", "-r", "--name-only", item["commit"]).splitlines()
        wanted = {f"pay/{path}": self.source.git("show", f"{item['commit']}:{path}") for path in listed}
        with self.services.rag.database.read() as session:
            query = (
                select(Document.source_key, DocumentVersion.content_hash)
                .join(DocumentVersion, DocumentVersion.id == Document.current_version_id)
                .where(Document.deleted_at.is_(None))
            )
            found = {row[0]: row[1] for row in session.execute(query)}
        assert found.keys() == wanted.keys(), (found.keys(), wanted.keys())
        for key, digest in found.items():
            with self.services.rag.blobs.local_copy(digest) as path:
                assert path.read_text().strip() == wanted[key], key
        report = maintenance.verify(self.services.ingest.pipeline)
        assert not report.missing and not report.orphaned and not report.lost_originals, report
        return len(found)


@contextmanager
def service(folder: Path) -> Iterator[Services]:
    rag = {"embedding": {"dense": "none"}, "repositories": {"roots": [str(folder / "git")], "poll_s": 0}}
    settings = settings_for(folder / "data", {"rag": rag, "ingest": {"upkeep_every_s": 1}})
    if not (folder / "data" / "seogo.sqlite").exists():
        upgrade_schema(settings)
    with both_lanes(settings, listen=True, local_operator=True) as services:
        yield services


def live(folder: Path, turn: int, point: str) -> None:
    """One life, as far as it comes."""
    with service(folder) as services:
        client = Client(services, folder)
        if turn == 0:
            client.request("POST", "/collections", json={"name": "코드", "kind": "code"})
        client.until_settled()
        if not client.repositories():
            client.add()
        [item] = client.repositories()
        if item["ref"] != "main":
            client.request("PATCH", f"/repositories/{item['id']}", json={"ref": "main"})
        client.until_settled()
        note(folder, turn, {"files": client.check()})
        kill_at(point)
        if point:
            client.push(turn)
            client.look(item["id"])
            client.request("PATCH", f"/repositories/{item['id']}", json={"ref": "none"})
            client.until_settled()
            client.request("DELETE", f"/repositories/{item['id']}")
            client.until_settled()


if __name__ == "__main__":
    tell(live, Path(sys.argv[1]), sys.argv[2:] or sorted(fault_points.REPOSITORY_POINTS))
