"""Another process that is in a checkpoint of the embedded store: SQLite gives way to it at once, whatever the timeout."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rag.store.session import Database

_HOLDER = """
import fcntl, sys
with open(sys.argv[1], "r+b") as shared:
    fcntl.lockf(shared, fcntl.LOCK_EX, 1, 121)  # WAL_CKPT_LOCK, https://sqlite.org/walformat.html#wal_locks
    print("held", flush=True)
    sys.stdin.readline()
"""


@contextmanager
def checkpoint_elsewhere(database: Database) -> Iterator[Callable[[], object]]:
    """It is in it until what is given is called, or the block ends. The store must be open, and written to."""
    arguments = [sys.executable, "-c", _HOLDER, f"{database.url.database}-shm"]
    with subprocess.Popen(arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin is not None and process.stdout is not None
        assert process.stdout.readline() == b"held\n"
        try:
            yield process.stdin.close
        finally:
            process.stdin.close()
