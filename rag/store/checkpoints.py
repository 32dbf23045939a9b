"""What SQLite's write-ahead log holds is brought into the database behind its writers, not by them.

By itself SQLite does it in the commit that finds the log long: after a bulk transaction that is some seconds of scattered writes,
in which no other writer of the process has its turn.
"""

from __future__ import annotations

import logging
import sqlite3
import threading
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, closing, nullcontext
from pathlib import Path

from rag.domain.errors import StoreLogKept, StoreUnavailable

log = logging.getLogger(__name__)

FROM_BYTES = 4 << 20
"""Of the log, from which on it is brought in: SQLite's own measure, 1,000 pages."""
IN_COMMIT_PAGES = 32_768
"""Of 4 KiB, from which on a commit does it all the same: writers that never pause would let the log grow without end."""
_PAUSE_S = 1.0
"""Between two times: the log's file keeps its length when it is begun anew, so its length says only that there may be much."""

TRIES = 40
"""To empty a log: beside the thread of another process, or a server at work, some seconds are enough."""
_AGAIN_S = 0.1
"""Before the next of them: to another checkpoint SQLite gives way at once (https://sqlite.org/pragma.html#pragma_wal_checkpoint)."""
_PATIENT_EVERY = 8
_WAITING = {False: "PRAGMA busy_timeout=100", True: "PRAGMA busy_timeout=1500"}
"""How long a try waits for readers and writers. Each eighth waits longer: writers stand still meanwhile, so that whoever begins
to read reads the database alone, and only who reads already is waited for. Readers of a third of a second that never pause would
let no shorter wait come to an end."""


class Checkpoints:
    """Brings in the log of one database, in a thread that starts with the first long log. Thread-safe; `close` when done.

    Args:
        path: of the database file.
    """

    def __init__(self, path: str) -> None:
        self._path = path
        self._log = Path(f"{path}-wal")
        self._lock = threading.Lock()
        self._wanted = threading.Event()
        self._closed = threading.Event()
        self._thread: threading.Thread | None = None

    def after_commit(self) -> None:
        """Something was written: a look at how long the log is."""
        if self._wanted.is_set():
            return
        try:
            size = self._log.stat().st_size
        except OSError:  # no log yet, or no more
            return
        if size >= FROM_BYTES:
            self._wanted.set()
            self._start()

    def close(self) -> None:
        """End the thread; what is still in the log is brought in by the last connection, or by the next process."""
        with self._lock:
            self._closed.set()
            self._wanted.set()
            thread, self._thread = self._thread, None
        if thread is not None:
            thread.join()

    def _start(self) -> None:
        with self._lock:
            if self._thread is None and not self._closed.is_set():
                self._thread = threading.Thread(target=self._run, name="checkpoints", daemon=True)
                self._thread.start()

    def _run(self) -> None:
        while self._wanted.wait() and not self._closed.is_set():
            self._wanted.clear()
            try:
                bring_in(self._path)
            except sqlite3.Error as error:
                log.warning("the write-ahead log was not brought in: %s", error)
            self._closed.wait(_PAUSE_S)


def bring_in(path: str) -> None:
    """Copy what can be copied of the log into the database, without waiting for readers or writers.

    Raises:
        sqlite3.Error: the database can't be read or written.
    """
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("PRAGMA wal_checkpoint(PASSIVE)")


def empty(path: str, turn: Callable[[], AbstractContextManager[None]] = nullcontext) -> None:
    """Copy all of the log into the database and cut it to nothing, so that what was overwritten stands in neither.

    Args:
        turn: of a writer among those of this process; each try is one.

    Raises:
        StoreLogKept: readers, writers or other checkpoints left no time for it.
        StoreUnavailable: the database can't be read or written.
    """
    try:
        with closing(sqlite3.connect(path, isolation_level=None)) as connection:
            for number in range(1, TRIES + 1):
                connection.execute(_WAITING[number % _PATIENT_EVERY == 0])
                with turn():
                    busy, _log_pages, _copied = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
                if not busy:
                    return
                time.sleep(_AGAIN_S)
    except sqlite3.Error as error:
        raise StoreUnavailable() from error
    raise StoreLogKept()
