"""Two workers on PostgreSQL: one is killed, the other takes its jobs over. And a poison file that kills every worker."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.conftest import new_database
from tests.contract.qdrant_stub import QdrantStub
from tests.support.direct_sandbox import POISON
from tests.support.running import Caller, Running, running, settings_for

ROOT = Path(__file__).parents[2]
WORKER = """
import sys
from pathlib import Path
from api.cli.options import Options
from api.cli.serving import work
from ingest import bootstrap as ingest_bootstrap
from rag import bootstrap as rag_bootstrap
from tests.support.direct_sandbox import DirectSandbox
from tests.support.hash_embedder import hash_space

rag_bootstrap.build_space = lambda *_: hash_space()
ingest_bootstrap.ParseSandbox = lambda *_, **__: DirectSandbox(Path(sys.argv[2]))
work(Options(config=Path(sys.argv[1])))
"""


@contextmanager
def worker(config: Path, scratch: Path) -> Iterator[subprocess.Popen[bytes]]:
    """`seogo worker` with a light embedder, on the configuration file."""
    command = [sys.executable, "-c", WORKER, str(config), str(scratch)]
    environment = {**os.environ, "OPENBLAS_NUM_THREADS": "1", "SEOGO_LANG": "en"}
    process = subprocess.Popen(command, cwd=ROOT, env=environment)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


@pytest.fixture
def serving(tmp_path: Path, postgres_cluster: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Running, Path]]:
    """`seogo serve --no-ingest` on PostgreSQL and a Qdrant server, and the configuration file that workers share."""
    from rag import bootstrap as rag_bootstrap
    from tests.support.hash_embedder import hash_space

    monkeypatch.setattr(rag_bootstrap, "build_space", lambda *_: hash_space())
    with QdrantStub() as qdrant:
        overrides: dict[str, Any] = {
            "rag": {
                "store": {"url": new_database(postgres_cluster)},
                "index": {"backend": "qdrant", "url": qdrant.url},
                "blobs": {"url": (tmp_path / "blobs").as_uri()},
            },
            "ingest": {
                "queue_database_url": new_database(postgres_cluster),
                "lease_s": 3,
                "concurrency": 1,
                "batch_documents": 4,
                "retry_pause_s": 0.1,
            },
        }
        settings = settings_for(tmp_path / "data", overrides)
        config = tmp_path / "seogo.yaml"
        shown = settings.model_dump(mode="json", include={"rag", "ingest"})
        config.write_text(yaml.safe_dump(shown, allow_unicode=True))
        with running(settings, listen=False) as started:
            yield started, config


def states(caller: Caller, collection: str) -> dict[str, int]:
    found = caller.get(f"/api/v1/collections/{collection}/ingestion").json()
    return {name: count for name, count in found.items() if isinstance(count, int) and count}


def wait_for(caller: Caller, collection: str, state: str, count: int, timeout_s: float = 120) -> None:
    deadline = time.monotonic() + timeout_s
    while states(caller, collection).get(state, 0) < count:
        assert time.monotonic() < deadline, states(caller, collection)
        time.sleep(0.1)


def verified(config: Path) -> dict[str, Any]:
    """`seogo index verify` as an operator would call it, with the light embedder's index."""
    code = WORKER.replace("work(Options(config=Path(sys.argv[1])))", "").replace(
        "from api.cli.serving import work", "from api.cli.administration import verify_index"
    )
    code += "verify_index(Options(config=Path(sys.argv[1])), True)"
    command = [sys.executable, "-c", code, str(config), str(config.parent)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return dict(json.loads(done.stdout))


@pytest.mark.slow
@pytest.mark.postgres
def test_the_jobs_of_a_killed_worker_are_taken_over(serving: tuple[Running, Path], tmp_path: Path) -> None:
    service, config = serving
    caller = service.caller()
    name = caller.collection()
    files = {f"{n:03}.md": f"# 문서 {n}\n\n낱말 {n} 하나.\n" for n in range(60)}
    with worker(config, tmp_path) as victim, worker(config, tmp_path):
        caller.upload(name, files)
        wait_for(caller, name, "active", 8)
        victim.send_signal(signal.SIGKILL)
        wait_for(caller, name, "active", len(files))
        settle(config)
    found = verified(config)
    assert found["chunks"] == found["points"] == len(files)
    assert not any(found[key] for key in ("unfinished", "endless_jobs"))


def settle(config: Path) -> None:
    """Until neither a job nor a dead worker's lease is left."""
    deadline = time.monotonic() + 60
    while True:
        found = verified(config)
        if not any(found[key] for key in ("unfinished", "uncleaned", "endless_jobs", "dead_leases")):
            return
        assert time.monotonic() < deadline, found
        time.sleep(0.5)


@pytest.mark.slow
@pytest.mark.postgres
def test_a_poison_file_is_set_aside_after_three_dead_workers_and_the_others_go_in(
    serving: tuple[Running, Path], tmp_path: Path
) -> None:
    service, config = serving
    caller = service.caller()
    name = caller.collection()
    files = {f"{n:02}.md": f"# 문서 {n}\n\n낱말 {n} 하나.\n" for n in range(10)}
    caller.upload(name, {**files, "독.md": f"# 독\n\n{POISON}\n"})
    for _ in range(4):  # an operator's service manager: it starts a worker again whenever one dies
        with worker(config, tmp_path) as process:
            deadline = time.monotonic() + 60
            while process.poll() is None and not states(caller, name).get("quarantined"):
                assert time.monotonic() < deadline, states(caller, name)
                time.sleep(0.1)
            if process.poll() is None:
                wait_for(caller, name, "active", len(files))
                break
    [bad] = [
        item
        for item in caller.get(f"/api/v1/collections/{name}/documents").json()["documents"]
        if item["source_key"] == "독.md"
    ]
    assert (bad["version"]["state"], bad["version"]["failure"]["code"]) == ("quarantined", "worker_lost")
    assert bad["version"]["tries"] == 3
    assert states(caller, name)["active"] == len(files)
