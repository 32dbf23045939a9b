"""The one Kiwi instance of a process: its model takes 2 s and 500 MB to load and is read-only afterwards."""

from __future__ import annotations

from threading import Lock
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from kiwipiepy import Kiwi

_LOCK = Lock()
_LOADED: list[Kiwi] = []
_THREADS: list[int] = []


def limit_threads(threads: int) -> None:
    """Let a batch be analysed by no more threads than these, where the analyser is not loaded yet. Usually it has as many as
    there are cores, each of which takes 8 MB of address space for its stack and up to 64 for its heap."""
    _THREADS[:] = [threads]


def shared_kiwi() -> Kiwi:
    """Kiwi with its default model, loaded at the first call. Thread-safe; so is `Kiwi.tokenize`."""
    with _LOCK:
        if not _LOADED:
            from kiwipiepy import Kiwi

            _LOADED.append(Kiwi(num_workers=_THREADS[0] if _THREADS else None))
        return _LOADED[0]
