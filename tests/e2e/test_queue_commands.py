"""The queue from the command line, against a server."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import uvicorn

from api.app import create_app
from tests.support.running import running, settings_for

Seogo = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="module")
def seogo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Seogo]:
    """Runs the command against a server with one good and one empty document."""
    folder: Path = tmp_path_factory.mktemp("queue")
    with running(settings_for(folder, {"rag": {"embedding": {"dense": "none"}}})) as service:
        caller = service.caller()
        caller.collection("규정")
        caller.ingest("규정", {"좋은.md": "# 규정\n\n문이 여덟 시에 열립니다.\n", "나쁜.md": " \n"})
        with socket.socket() as listening:
            listening.bind(("127.0.0.1", 0))
            config = uvicorn.Config(create_app(service.services), log_level="warning", lifespan="off")
            server = uvicorn.Server(config)
            thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
            thread.start()
            address = f"http://127.0.0.1:{listening.getsockname()[1]}"
            key = caller.headers["Authorization"].split()[1]

            def call(*arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
                environment = {**os.environ, "SEOGO_LANG": "en", "SEOGO_SERVER": address, "SEOGO_API_KEY": key}
                command = [sys.executable, "-m", "api.cli.main", *arguments]
                return subprocess.run(command, env=environment, capture_output=True, text=True, check=check)

            while not server.started:
                time.sleep(0.01)
            yield call
            server.should_exit = True
            thread.join()


def test_status_pause_and_resume(seogo: Seogo) -> None:
    assert "queued 0" in seogo("ingestion", "status").stdout
    assert "paused" in seogo("ingestion", "pause", "규정").stdout
    status = json.loads(seogo("ingestion", "status", "규정", "--json").stdout)
    assert (status["paused"], status["active"], status["failed"]) == (True, 1, 1)
    assert "paused" not in seogo("ingestion", "resume", "규정").stdout


def test_retry_and_cancel_say_what_became_of_it(seogo: Seogo) -> None:
    rows = json.loads(seogo("documents", "list", "규정", "--watch", "--json").stdout)["documents"]
    found = {row["source_key"]: row for row in rows}
    assert {key: row["version"]["state"] for key, row in found.items()} == {"좋은.md": "active", "나쁜.md": "failed"}
    again = json.loads(seogo("documents", "retry", found["나쁜.md"]["id"]).stdout)
    assert again["version"]["state"] == "queued"
    refused = seogo("documents", "cancel", found["좋은.md"]["id"], check=False)
    assert refused.returncode == 1 and "nothing_to_cancel" in refused.stderr
    seogo("documents", "list", "규정", "--watch")
    assert seogo("ingestion", "retry", "규정", "--state", "failed").stdout == "Documents: 1\n"
    assert seogo("ingestion", "retry", "규정", "--state", "in_part").stdout == "Documents: 0\n"
    assert seogo("ingestion", "cancel", "규정").stdout.startswith("Documents: ")


def test_an_upload_says_its_lane(seogo: Seogo, tmp_path: Path) -> None:
    (tmp_path / "새.md").write_text("# 새 규정\n\n창이 아홉 시에 닫힙니다.\n")
    done = seogo("ingest", str(tmp_path / "새.md"), "-c", "규정", "--priority", "bulk", "--json")
    [document] = json.loads(done.stdout)["documents"]
    shown = json.loads(seogo("documents", "show", document["document_id"]).stdout)
    assert (document["state"], shown["version"]["priority"]) == ("active", "bulk")
