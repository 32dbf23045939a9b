"""The one Kiwi instance of a process: its model takes 2 s and 500 MB to load and is read-only afterwards."""

from __future__ import annotations

import ctypes
from contextlib import contextmanager
from functools import cache
from threading import Lock, local
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from kiwipiepy import Kiwi

_LONG = 2000
"""Characters, which take some 8 ms to read."""
_LOCK = Lock()
_HERE = local()
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

            kiwi = Kiwi(num_workers=_THREADS[0] if _THREADS else None)
            kiwi.tokenize("가")  # builds the model, which leaves 60 MB free
            _LOADED.append(kiwi)
            give_memory_back()
        return _LOADED[0]


@contextmanager
def read_apart() -> Iterator[None]:
    """For the length of the block, have what this thread reads be read by the analyser's own threads, as it is with many texts
    at once. For work in the background: a text that is read in a thread leaves 4 to 8 MB in it, 2 to 6 of them for as long as
    the thread lives, and keeps Python's lock meanwhile. A question would only queue there behind such work."""
    before = getattr(_HERE, "apart", False)
    _HERE.apart = True
    try:
        yield
    finally:
        _HERE.apart = before


def is_read_apart(text: str) -> bool:
    """Whether a text that is alone is to be handed over in a list, for the analyser's own threads."""
    return len(text) > _LONG or getattr(_HERE, "apart", False)


def give_memory_back() -> None:
    """Return to the system what the analyser has freed in this thread. Less than a millisecond.

    It has an allocator of its own (mimalloc), with a heap for each thread that no other thread tidies. Does nothing before it is
    loaded.
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
