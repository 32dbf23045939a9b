"""SQLite's write-ahead log is brought in behind its writers."""

from __future__ import annotations

import logging
import sqlite3
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import text

from rag.store import checkpoints, session
from rag.store.session import Database

MUCH = 8 << 20


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "store.sqlite"


@pytest.fixture
def database(path: Path) -> Iterator[Database]:
    opened = Database(f"sqlite:///{path}")
    with opened.write() as writing:
        writing.execute(text("CREATE TABLE held (content BLOB)"))
    yield opened
    opened.close()


def write_much(database: Database) -> None:
    with database.write() as writing:
        for _ in range(MUCH >> 20):
            writing.execute(text("INSERT INTO held VALUES (zeroblob(:size))"), {"size": 1 << 20})


def wait_until_held(path: Path) -> bool:
    deadline = time.monotonic() + 20
    while path.stat().st_size < MUCH and time.monotonic() < deadline:
        time.sleep(0.02)
    return path.stat().st_size >= MUCH


def log_of(path: Path) -> Path:
    return path.with_name(f"{path.name}-wal")


def test_a_long_log_is_brought_in_without_anybody_asking(database: Database, path: Path) -> None:
    write_much(database)
    assert wait_until_held(path)


def test_the_commit_of_much_does_not_bring_it_in(
    database: Database, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = threading.Event()
    monkeypatch.setattr(checkpoints, "bring_in", lambda _path: asked.set())
    write_much(database)
    assert asked.wait(10)
    assert log_of(path).stat().st_size > MUCH
    assert path.stat().st_size < 1 << 20


def test_a_log_without_end_is_brought_in_by_a_commit_all_the_same(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session, "IN_COMMIT_PAGES", 1000)
    monkeypatch.setattr(checkpoints, "bring_in", lambda _path: None)
    opened = Database(f"sqlite:///{path}")
    with opened.write() as writing:
        writing.execute(text("CREATE TABLE held (content BLOB)"))
    write_much(opened)
    assert path.stat().st_size > MUCH
    opened.close()


def test_a_short_log_starts_no_thread(database: Database) -> None:
    with database.write() as writing:
        writing.execute(text("INSERT INTO held VALUES ('x')"))
    assert "checkpoints" not in {thread.name for thread in threading.enumerate()}


def test_what_goes_wrong_is_told_and_tried_again(
    database: Database, path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    really, failed = checkpoints.bring_in, threading.Event()

    def bring_in(place: str) -> None:
        if not failed.is_set():
            failed.set()
            raise sqlite3.OperationalError("disk I/O error")
        really(place)

    monkeypatch.setattr(checkpoints, "bring_in", bring_in)
    with caplog.at_level(logging.WARNING, checkpoints.__name__):
        write_much(database)
        assert failed.wait(10)
        write_much(database)
        assert wait_until_held(path)
    assert "disk I/O error" in caplog.text


def test_closing_ends_the_thread_and_leaves_nothing_out(database: Database, path: Path) -> None:
    write_much(database)
    database.close()
    assert "checkpoints" not in {thread.name for thread in threading.enumerate()}
    assert not log_of(path).exists() or log_of(path).stat().st_size == 0
    assert path.stat().st_size > MUCH
