"""The lock of a folder that holds an embedded index: one process at a time. Says whether it is taken without any engine."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

from rag.domain.errors import StoreInUse

_NAME = "lock"


def locked(folder: Path) -> int:
    """A descriptor that holds the folder until it is closed or the process ends, however it ends.

    Raises:
        StoreInUse: another process, or this one, has the folder open.
    """
    lock = os.open(folder / _NAME, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        _take(lock, fcntl.LOCK_EX, folder)
    except BaseException:
        os.close(lock)
        raise
    return lock


def require_free(root: Path) -> None:
    """Look whether a process has an index in `root` open, or in a folder right below it, where each space has its own.

    Nothing is kept: another process can still come before us, and then `locked` says so.

    Raises:
        StoreInUse: one has.
    """
    for path in (root / _NAME, *root.glob(f"*/{_NAME}")):
        try:
            lock = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        except OSError:  # there is none, or it is another user's: opening it in earnest says which
            continue
        try:
            _take(lock, fcntl.LOCK_SH, path.parent)
        finally:
            os.close(lock)


def _take(lock: int, kind: int, folder: Path) -> None:
    try:
        fcntl.flock(lock, kind | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise StoreInUse(path=str(folder)) from error
