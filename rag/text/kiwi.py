"""The one Kiwi instance of a process: its model takes 2 s and 500 MB to load and is read-only afterwards."""

from __future__ import annotations

import ctypes
from functools import cache
from threading import Lock
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

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
            give_memory_back()
        return _LOADED[0]


def give_memory_back() -> None:
    """Return to the system what the analyser has freed in this thread. A tenth of a millisecond.

    It has an allocator of its own (mimalloc), with a heap for each thread that no other thread tidies: 5 to 12 MB stay in each
    that has read a long text, and 60 in the one that loaded the model. Does nothing before it is loaded.
    """
    if _LOADED and (collect := _collector()) is not None:
        collect(True)


@cache
def _collector() -> Callable[[bool], None] | None:
    """mimalloc's `mi_collect`; None in a build without it."""
    import _kiwipiepy

    collect = getattr(ctypes.CDLL(_kiwipiepy.__file__), "mi_collect", None)
    if collect is not None:
        collect.argtypes, collect.restype = [ctypes.c_bool], None
    return collect
