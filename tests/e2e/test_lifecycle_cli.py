"""The life of documents from the command line, in processes of its own."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import pytest

from tests.e2e.test_cli import seogo
from tests.support import command_line as forked


def fees(amount: int) -> str:
    return f"# 수수료\n\n타행 이체 수수료는 {amount}원이다.\n"


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("life")


@pytest.mark.slow
def test_a_folder_from_first_sync_to_deletion(data: Path, tmp_path: Path) -> None:
    root = tmp_path / "공유"
    root.mkdir()
    (root / "수수료.md").write_text(fees(500))
    (root / "그대로.md").write_text("# 그대로\n\n바뀌지 않는 문서이다.\n")
    first = json.loads(seogo(data, "sync", str(root), "-c", "규정", "--json").stdout)
    assert (sorted(first["new"]), first["failed"]) == (["그대로.md", "수수료.md"], [])
    between = datetime.now().astimezone().isoformat()
    (root / "수수료.md").write_text(fees(700))
    second = json.loads(seogo(data, "sync", str(root), "-c", "규정", "--json").stdout)
    assert (second["changed"], second["unchanged"]) == (["수수료.md"], 1)

    question = ("search", "타행 이체 수수료", "-c", "규정", "--json")
    texts = [item["text"] for item in json.loads(seogo(data, *question).stdout)["passages"]]
    assert texts == ["타행 이체 수수료는 700원이다."]
    then = json.loads(seogo(data, *question, "--as-of", between).stdout)["passages"]
    assert [item["text"] for item in then] == ["타행 이체 수수료는 500원이다."]
    wanted = json.dumps({"source_key": "그대로"})
    narrowed = json.loads(seogo(data, "search", "문서", "--filter", wanted, "--json").stdout)["passages"]
    assert {item["source_key"] for item in narrowed} == {"그대로.md"}

    document_id = then[0]["document_id"]
    shown = json.loads(seogo(data, "documents", "set", document_id, "dept=인사", "year=2024").stdout)
    assert shown["attributes"] == {"dept": "인사", "year": 2024}
    rules = json.loads(seogo(data, "collections", "retention", "규정", "--set", '{"retired_days": 90}').stdout)
    assert rules["rules"]["retired_days"] == 90 and rules["due"] == {"documents": [], "versions": []}
    assert len(json.loads(seogo(data, "documents", "versions", document_id).stdout)["versions"]) == 2

    receipt = json.loads(seogo(data, "collections", "delete", "규정").stdout)
    assert receipt["purged_at"] and receipt["documents"] == 2
    assert json.loads(seogo(data, "documents", "receipt", receipt["id"]).stdout) == receipt
    found = json.loads(seogo(data, "index", "verify", "--json").stdout)
    assert found["points"] == found["chunks"] == 0 and not found["stray_originals"]


def test_bad_options_are_said_before_anything_happens(data: Path, tmp_path: Path) -> None:
    for arguments in (
        ("search", "x", "--as-of", "gestern"),
        ("search", "x", "--filter", "{"),
        ("sync", str(tmp_path / "nichts"), "-c", "규정"),
        ("documents", "set", "00000000-0000-0000-0000-000000000000", "dept"),
    ):
        done = forked.seogo(data, *arguments, check=False)
        assert done.returncode == 1, arguments
        assert "Traceback" not in done.stderr


@pytest.fixture
def interruptible() -> Iterator[None]:
    """What is started here heeds SIGINT, also where a script's background job, which ignores it, runs the tests."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.slow
@pytest.mark.usefixtures("interruptible")
def test_watching_takes_what_appears_and_ends_on_a_signal(data: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "api.cli.main", "--data-dir", str(data), "sync", str(tmp_path), "-c", "watched"]
    environment = {**os.environ, "SEOGO_LANG": "en"}
    with subprocess.Popen(
        [*command, "--watch", "--interval", "0.5", "--json"], stdout=subprocess.PIPE, text=True, env=environment
    ) as watcher:
        try:
            assert watcher.stdout is not None
            (tmp_path / "neu.md").write_text("# Neu\n\nplötzlich da\n")
            report = json.loads(watcher.stdout.readline())
            assert report["new"] == ["neu.md"]
            watcher.send_signal(signal.SIGINT)
            watcher.wait(timeout=60)
        finally:
            watcher.kill()
    again = json.loads(seogo(data, "sync", str(tmp_path), "-c", "watched", "--json").stdout)
    assert again["unchanged"] == 1


@pytest.mark.slow
@pytest.mark.parametrize("purged", [1, 15])
def test_kill_9_while_a_collection_is_deleted_leaves_nothing(tmp_path: Path, purged: int) -> None:
    data, root = tmp_path / "data", tmp_path / "docs"
    root.mkdir()
    for number in range(30):
        (root / f"{number}.md").write_text(f"# 문서 {number}\n\n{number}번째 문서의 내용이다.\n")
    seogo(data, "ingest", str(root), "-c", "doomed", "--json")
    command = [sys.executable, "-m", "api.cli.main", "--data-dir", str(data), "collections", "delete", "doomed"]
    victim = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    connection = sqlite3.connect(f"file:{data / 'seogo.sqlite'}?mode=ro", uri=True)
    try:
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline and victim.poll() is None:
            rows = connection.execute("SELECT purged_at FROM deletion_receipt").fetchall()
            if rows and sum(row[0] is not None for row in rows) >= purged:
                break
            time.sleep(0.002)
        victim.kill()
        victim.wait()
        [(identity,)] = connection.execute("SELECT id FROM deletion_receipt WHERE kind = 'collection'").fetchall()
    finally:
        connection.close()
    environment = {**os.environ, "SEOGO_INGEST__UPKEEP_EVERY_S": "1", "SEOGO_LANG": "en"}
    server = subprocess.Popen(
        [sys.executable, "-m", "api.cli.main", "--data-dir", str(data), "worker"], env=environment
    )
    try:
        _wait_purged(data / "seogo.sqlite", identity)
    finally:
        server.terminate()
        assert server.wait(timeout=60) == 0
    found = json.loads(seogo(data, "index", "verify", "--json").stdout)
    assert found["points"] == found["chunks"] == 0
    assert not found["stray_originals"] and not found["orphaned"]
    connection = sqlite3.connect(f"file:{data / 'seogo.sqlite'}?mode=ro", uri=True)
    receipts = connection.execute(
        "SELECT kind, count(*), count(purged_at) FROM deletion_receipt GROUP BY kind"
    ).fetchall()
    connection.close()
    assert sorted(receipts) == [("collection", 1, 1), ("document", 30, 30)], "each document has one receipt, closed"


def _wait_purged(store: Path, identity: str) -> None:
    connection = sqlite3.connect(f"file:{store}?mode=ro", uri=True)
    try:
        deadline = time.monotonic() + 90
        query = "SELECT purged_at FROM deletion_receipt WHERE id = ?"
        while connection.execute(query, (identity,)).fetchone()[0] is None:
            assert time.monotonic() < deadline
            time.sleep(0.1)
    finally:
        connection.close()
