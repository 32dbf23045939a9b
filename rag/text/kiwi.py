"""The one Kiwi instance of a process: its model takes 2 s and 500 MB to load and is read-only afterwards."""

from __future__ import annotations

from threading import Lock
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from kiwipiepy import Kiwi

_LOCK = Lock()
_LOADED: list[Kiwi] = []


def shared_kiwi(threads: int = 0) -> Kiwi:
    """Kiwi with its default model, loaded at the first call. Thread-safe; so is `Kiwi.tokenize`.

    Args:
        threads: what a batch is analysed by, for whoever comes first; 0: as many as there are cores, each of which takes 8 MB of
            address space for its stack and up to 64 for its heap.
    """
    with _LOCK:
        if not _LOADED:
            from kiwipiepy import Kiwi

            _LOADED.append(Kiwi(num_workers=threads or None))
        return _LOADED[0]
