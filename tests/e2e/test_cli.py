"""The command line as a new user runs it, in processes of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import pytest

from tests.support import command_line as forked
from tests.support.running import SAMPLES


def seogo(data: Path, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
    """Run a command on a data folder, in an interpreter that was started for it."""
    environment = {**os.environ, "SEOGO_LANG": "en", "COLUMNS": "160"}
    command = [sys.executable, "-m", "api.cli.main", "--data-dir", str(data), *arguments]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert not check or done.returncode == 0, done.stderr + done.stdout
    return done


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder with two samples."""
    data = tmp_path_factory.mktemp("cli")
    files = [str(SAMPLES / "정보보호_정책.pdf"), str(SAMPLES / "hanbit-gateway-manual.md")]
    report = json.loads(seogo(data, "ingest", *files, "-c", "docs", "--json").stdout)
    assert [item["state"] for item in report["documents"]] == ["active", "active"]
    return data


def test_help_answers_at_once() -> None:
    # Not a timing: what makes it slow is importing the heavy libraries, so that is what is looked at.
    code = (
        "import sys; sys.argv=['seogo','--help']\ntry:\n import api.cli.main as m; m.run()\nexcept SystemExit: pass\n"
    )
    code += "print([n for n in ('torch','transformers','fastapi','sqlalchemy','pydantic','qdrant_edge') if n in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip().endswith("[]")


def test_search_shows_file_and_place(filled: Path) -> None:
    found = json.loads(seogo(filled, "search", "특권 계정 비밀번호의 최소 길이", "--json").stdout)
    assert found["passages"][0]["source_key"] == "정보보호_정책.pdf"
    assert found["passages"][0]["anchor"]["kind"] == "page"


def test_ask_prints_the_answer_and_its_sources(filled: Path) -> None:
    shown = seogo(filled, "ask", "How long after it is issued does a gateway signing key expire?").stdout
    assert "180 days" in shown
    assert shown.count("\n[1] hanbit-gateway-manual.md, line") == 1


def test_a_failed_file_makes_the_exit_code_1_and_the_others_go_in(filled: Path, tmp_path: Path) -> None:
    (tmp_path / "good.txt").write_text("perfectly fine words\n")
    (tmp_path / "bad.pdf").write_bytes(b"%PDF-1.4 cut off")
    done = forked.seogo(filled, "ingest", str(tmp_path), "-c", "mixed", "--json", check=False)
    assert done.returncode == 1
    states = {Path(item["source_key"]).name: item["state"] for item in json.loads(done.stdout)["documents"]}
    assert states == {"good.txt": "active", "bad.pdf": "failed"}
    table = forked.seogo(filled, "documents", "list", "mixed").stdout
    assert "good.txt" in table and "failed" in table


def test_a_missing_path_is_said_before_anything_happens(filled: Path) -> None:
    done = forked.seogo(filled, "ingest", "/no/such/folder", "-c", "docs", check=False)
    assert done.returncode == 1
    assert "no such file" in done.stderr and "Traceback" not in done.stderr


def test_keys_are_made_listed_and_revoked(filled: Path) -> None:
    secret = forked.seogo(filled, "keys", "create", "portal", "--scope", "read", "--collection", "docs").stdout.strip()
    prefix = "_".join(secret.split("_", 2)[:2])
    listed = forked.seogo(filled, "keys", "list").stdout
    assert prefix in listed and secret not in listed
    assert forked.seogo(filled, "keys", "revoke", prefix).returncode == 0
    assert forked.seogo(filled, "keys", "revoke", prefix, check=False).returncode == 1


def test_index_verify_rebuild_and_optimize(filled: Path) -> None:
    before = json.loads(forked.seogo(filled, "index", "verify", "--json").stdout)
    assert before["healthy"] and before["settled"]
    assert before["chunks"] == before["points"] > 50
    assert str(before["chunks"]) in forked.seogo(filled, "index", "rebuild").stdout
    forked.seogo(filled, "index", "optimize")
    assert json.loads(forked.seogo(filled, "index", "verify", "--json").stdout) == before


def test_doctor_finds_a_healthy_installation_fit(filled: Path) -> None:
    findings = json.loads(seogo(filled, "doctor", "--json").stdout)
    assert {item["check"] for item in findings} >= {"configuration", "store", "models", "index", "parsers"}
    assert not [item for item in findings if item["status"] == "error"]


def test_doctor_says_what_to_do_about_an_old_schema(tmp_path: Path) -> None:
    done = forked.seogo(tmp_path, "doctor", "--json", check=False)
    assert done.returncode == 1
    [store] = [item for item in json.loads(done.stdout) if item["check"] == "store"]
    assert store["status"] == "error" and "seogo db upgrade" in store["advice"]


def test_a_second_process_on_the_same_folder_is_told_so(filled: Path) -> None:
    command = [sys.executable, "-m", "api.cli.main", "--data-dir", str(filled), "serve", "--port", "0"]
    server = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env={**os.environ, "SEOGO_LANG": "en"})
    try:
        assert server.stderr is not None
        while "Serving at" not in server.stderr.readline():
            assert server.poll() is None
        done = seogo(filled, "search", "x", check=False)
        assert done.returncode == 1
        assert "store_in_use" in done.stderr and "--server" in done.stderr
    finally:
        server.terminate()
        assert server.wait(timeout=30) == 0
        server.stderr.close()


@pytest.mark.slow
@pytest.mark.parametrize("stage", ["identify", "parse", "chunk", "embed", "index", "activate"])
def test_kill_9_in_the_middle_loses_and_doubles_nothing(tmp_path: Path, stage: str) -> None:
    data = tmp_path / "data"
    seogo(data, "db", "upgrade")
    files = [str(path) for path in SAMPLES.iterdir() if path.is_file()]
    command = [sys.executable, "-m", "api.cli.main", "--data-dir", str(data), "ingest", *files, "-c", "docs", "--json"]
    victim = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    _wait_for_stage(data / "seogo.sqlite", stage, victim)
    victim.kill()
    victim.wait()
    report = json.loads(seogo(data, "ingest", *files, "-c", "docs", "--json").stdout)
    assert {item["state"] for item in report["documents"]} == {"active"}
    assert len(report["documents"]) == len(files)
    found = json.loads(seogo(data, "index", "verify", "--json").stdout)
    assert found["chunks"] == found["points"] > 0
    assert not found["unfinished"]


@pytest.mark.slow
@pytest.mark.parametrize("stage", ["parse", "embed"])
def test_kill_9_while_an_archive_is_taken_in_loses_and_doubles_nothing(tmp_path: Path, stage: str) -> None:
    data, archive = tmp_path / "data", tmp_path / "samples.zip"
    seogo(data, "db", "upgrade")
    with zipfile.ZipFile(archive, "w") as whole:
        for number in range(40):
            whole.writestr(f"{number}.md", f"# Note {number}\n\nThe locker number {number} is on floor {number % 7}.\n")
    command = [
        sys.executable,
        "-m",
        "api.cli.main",
        "--data-dir",
        str(data),
        "ingest",
        str(archive),
        "-c",
        "docs",
        "--json",
    ]
    victim = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    _wait_for_stage(data / "seogo.sqlite", stage, victim)
    victim.kill()
    victim.wait()
    report = json.loads(seogo(data, "ingest", str(archive), "-c", "docs", "--json").stdout)
    assert {item["state"] for item in report["documents"]} == {"active"}
    assert len(report["documents"]) == 1 + 40
    found = json.loads(seogo(data, "index", "verify", "--json").stdout)
    assert found["chunks"] == found["points"] == 40
    assert not found["unfinished"] and not found["stray_originals"] and not found["lost_originals"]


def _wait_for_stage(store: Path, stage: str, victim: subprocess.Popen[bytes]) -> None:
    """Until a version is in `stage`, or past it: the stages are short."""
    import sqlite3

    order = ["identify", "parse", "chunk", "embed", "index", "activate"]
    deadline = time.monotonic() + 60
    connection = sqlite3.connect(f"file:{store}?mode=ro", uri=True)
    try:
        while time.monotonic() < deadline and victim.poll() is None:
            rows = connection.execute("select stage, state from document_version").fetchall()
            if any(order.index(row[0]) >= order.index(stage) and row[1] == "running" for row in rows):
                return
            time.sleep(0.005)
    finally:
        connection.close()


def test_an_id_is_never_cut_short_and_a_collection_keeps_its_whole_name(filled: Path, tmp_path: Path) -> None:
    file = tmp_path / "아주_긴_이름의_취업_규칙_문서_2026년_개정판_최종본_진짜_최종.md"
    file.write_text("# 규칙\n\n제1조 연차는 15일이다.\n")
    forked.seogo(filled, "ingest", str(file), "-c", "docs#1?")
    for words, key in ((("documents", "list", "docs#1?"), "documents"), (("collections", "list"), "collections")):
        found = [item["id"] for item in json.loads(forked.seogo(filled, *words, "--json").stdout)[key]]
        shown = forked.seogo(filled, *words, columns=60).stdout
        assert found and all(identity in shown for identity in found), shown
    assert not [
        item
        for item in json.loads(forked.seogo(filled, "documents", "list", "docs", "--json").stdout)["documents"]
        if item["source_key"] == file.name
    ]
