"""Kills a real embedded service at the fault points of writing a program, restarts it, and looks at what was made.

    python -m tests.e2e.program_kills FOLDER [POINT …]

Each life is a forked process on the folder that the life before left (see `kill_points.py`): it waits until everything that was
ordered is done, and orders another program, until it is killed. Prints a JSON line per life.
"""

from __future__ import annotations

import sys
import time
from collections.abc import AsyncGenerator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

from starlette.testclient import TestClient

from api.app import create_app
from api.cli.services import both_lanes, upgrade_schema
from api.deps import Services
from ingest import bootstrap as ingest_bootstrap
from ingest.jobs import programs as jobs
from ingest.pipeline import fault_points
from rag.generation.engine import EngineCall, EngineEvent
from rag.generation.registry import Generation
from rag.generation.routing import SingleModel
from rag.generation.scripted import ScriptedEngine, spoken
from tests.e2e.lives import kill_at, note, tell
from tests.support.direct_sandbox import DirectSandbox
from tests.support.running import settings_for

SETTINGS = {"ingest": {"upkeep_every_s": 1}, "rag": {"embedding": {"dense": "none"}}}
WRITTEN = "<<<FILE a.py>>>\ndef f(:\n<<<END FILE>>>\n<<<FILE b.toml>>>\nx = 1\n<<<END FILE>>>\n"
MENDED = "<<<FILE a.py>>>\ndef f() -> None:\n    pass\n<<<END FILE>>>\n"
FILES = [("a.py", "ok", True), ("b.toml", "ok", False)]
PATIENCE_S = 60.0


class Engine:
    """Writes and mends, slowly enough to be killed at it."""

    name, context_tokens = "scripted", 32_768

    async def stream(self, call: EngineCall) -> AsyncGenerator[EngineEvent, None]:
        mends = "a.py" in str(call.messages[-1]["content"])
        script = spoken(MENDED) if mends else [*spoken(WRITTEN)[:2], 1.2, *spoken(WRITTEN)[2:]]
        async for event in ScriptedEngine([script]).stream(call):
            yield event

    async def aclose(self) -> None:
        """Nothing to close."""


class Client:
    """The operator."""

    def __init__(self, services: Services) -> None:
        self.http = TestClient(create_app(services))
        assert services.rag.operator is not None
        self.headers = {"Authorization": f"Bearer {services.rag.operator.token}"}

    def request(self, method: str, path: str, **arguments: Any) -> Any:
        answer = self.http.request(method, f"/api/v1{path}", headers=self.headers, **arguments)
        assert answer.is_success, answer.text
        return answer.json()

    def until(self, done: Any) -> None:
        deadline = time.monotonic() + PATIENCE_S
        while not done():
            assert time.monotonic() < deadline, self.request("GET", "/generations")
            time.sleep(0.05)

    def prepare(self) -> None:
        self.request("POST", "/collections", json={"name": "코드", "kind": "code"})
        parts = [("files", ("m.py", b"def fare(km: int) -> int:\n    return km * 150\n"))]
        self.request("POST", "/collections/코드/documents", files=parts)
        self.until(lambda: self.request("GET", "/collections/코드/ingestion")["active"] == 1)

    def order(self) -> None:
        self.request("POST", "/generations", json={"specification": "fare를 쓰는 계산기", "repositories": ["코드"]})

    def settled(self) -> bool:
        return all(item["state"] == "done" for item in self.request("GET", "/generations")["generations"])

    def check(self) -> int:
        """Every program is whole; returns how many there are."""
        found = self.request("GET", "/generations")["generations"]
        for item in found:
            files = self.request("GET", f"/generations/{item['id']}/manifest")["files"]
            assert [(file["path"], file["syntax"], file["repaired"]) for file in files] == FILES, files
        return len(found)


@contextmanager
def service(folder: Path) -> Any:
    settings = settings_for(folder / "data", SETTINGS)
    ingest_bootstrap.ParseSandbox = lambda *_, **__: DirectSandbox(folder)  # type: ignore[misc, assignment]
    jobs._LOST_AFTER = timedelta(seconds=1)
    if not (folder / "data" / "seogo.sqlite").exists():
        upgrade_schema(settings)
    engine = Engine()
    generation = Generation(SingleModel(engine), {engine.name: engine})
    with both_lanes(settings, listen=True, local_operator=True, generation=generation) as services:
        yield services


def live(folder: Path, turn: int, point: str) -> None:
    """One life, as far as it comes."""
    with service(folder) as services:
        client = Client(services)
        if turn == 0:
            client.prepare()
        client.until(client.settled)
        report = {"programs": client.check()}
        note(folder, turn, report)
        kill_at(point)
        if point:
            client.order()
            client.until(client.settled)


if __name__ == "__main__":
    tell(live, Path(sys.argv[1]), sys.argv[2:] or sorted(fault_points.PROGRAM_POINTS))
