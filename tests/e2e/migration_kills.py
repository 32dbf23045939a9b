"""Kills a real embedded service at the fault points of building an embedding space, restarts it, and looks at both indexes.

    python -m tests.e2e.migration_kills FOLDER [POINT …]

Each life is a forked process on the folder that the life before left (see `kill_points.py`): it goes on with the build that was
cut off, compares every index with the record, gives the new space up, changes some documents, and builds it again until it is
killed. Prints a JSON line per life.
"""

from __future__ import annotations

import sqlite3
import sys
import time
from contextlib import closing, contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

from starlette.testclient import TestClient

from api.app import create_app
from api.cli.services import both_lanes, upgrade_schema
from api.deps import Services
from ingest import bootstrap as ingest_bootstrap
from ingest.pipeline import fault_points, maintenance, migration
from rag import bootstrap as rag_bootstrap
from tests.e2e.lives import kill_at, note, tell
from tests.support.direct_sandbox import DirectSandbox
from tests.support.running import settings_for
from tests.support.tagged_spaces import tagged_space

OTHER = {"dense": "openai_http", "model": "second", "dimensions": 12}
SETTINGS = {"ingest": {"migration_share": 1.0, "upkeep_every_s": 1}}
PATIENCE_S = 60.0


class Client:
    """The operator."""

    def __init__(self, services: Services) -> None:
        self.services = services
        self.http = TestClient(create_app(services))
        assert services.rag.operator is not None
        self.headers = {"Authorization": f"Bearer {services.rag.operator.token}"}

    def request(self, method: str, path: str, **arguments: Any) -> Any:
        return self.http.request(method, f"/api/v1{path}", headers=self.headers, **arguments)

    def ingest(self, texts: dict[str, str]) -> None:
        parts = [("files", (name, text.encode())) for name, text in texts.items()]
        answer = self.request("POST", "/collections/규정/documents", files=parts)
        assert answer.status_code == 202, answer.text
        self.until(lambda: maintenance.verify(self.services.ingest.pipeline, timedelta(0)).settled)

    def build(self) -> str:
        """Begin, or go on; returns the space's id when it is ready."""
        space_id = str(self.request("POST", "/admin/spaces", json={"embedding": OTHER}).json()["id"])
        self.until(lambda: self.request("GET", f"/admin/spaces/{space_id}").json()["state"] == "ready")
        return space_id

    def until(self, done: Any) -> None:
        deadline = time.monotonic() + PATIENCE_S
        while not done():
            assert time.monotonic() < deadline
            time.sleep(0.05)


@contextmanager
def service(folder: Path) -> Any:
    settings = settings_for(folder / "data", SETTINGS)
    rag_bootstrap.build_space = tagged_space  # type: ignore[assignment]
    ingest_bootstrap.ParseSandbox = lambda *_, **__: DirectSandbox(folder)  # type: ignore[misc, assignment]
    if not (folder / "data" / "seogo.sqlite").exists():
        upgrade_schema(settings)
    with both_lanes(settings, listen=True, local_operator=True) as services:
        yield services


def being_built(folder: Path) -> bool:
    """Whether a build was cut off, by the record: the service goes on with it as soon as it starts."""
    with closing(sqlite3.connect(folder / "data" / "seogo.sqlite")) as database:
        return bool(database.execute("SELECT count(*) FROM embedding_space WHERE state = 'building'").fetchone()[0])


def live(folder: Path, turn: int, point: str) -> None:
    """One life, as far as it comes."""
    unfinished = turn > 0 and being_built(folder)
    with service(folder) as services:
        client = Client(services)
        if turn == 0:
            client.request("POST", "/collections", json={"name": "규정"})
            client.ingest({f"{n}.md": f"# 규정 {n}\n\n낱말{n} 하나.\n" for n in range(70)})
        space_id = client.build()
        pipeline = services.ingest.pipeline
        held = []
        for target in pipeline.targets():
            difference = migration.difference(pipeline.database, target)
            assert difference == ([], []), (target.id, difference)
            held.append(target.index.count())
        assert len(held) == 2 and held[0] == held[1], held
        assert client.request("DELETE", f"/admin/spaces/{space_id}").status_code == 200
        client.ingest({f"{n}.md": f"# 규정 {n}\n\n낱말{n} 판{turn}.\n" for n in range(3)})
        report = {"chunks": held[0], "resumed": unfinished}
        note(folder, turn, report)
        kill_at(point)
        client.build()


if __name__ == "__main__":
    tell(live, Path(sys.argv[1]), sys.argv[2:] or sorted(fault_points.MIGRATION_POINTS))
