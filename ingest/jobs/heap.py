"""Free memory goes back to the system.

glibc keeps what a burst of ingestion freed, in an arena per thread: 100 to 130 MB in a service after 3,000 small documents
(`mallinfo2`, while `benchmarks/memory.py` ran), which a machine with one or two models to hold has better uses for. Python gives
a megabyte back when nothing at all is left in it; what is remembered of words while a large document goes in lies all over what
that document took, and keeps it (`tests/hostile`). The analyser has an allocator of its own (`rag.text.kiwi`).
"""

from __future__ import annotations

import ctypes
import logging
import os
from collections.abc import Callable
from pathlib import Path

from rag.embedding.bm25 import forget_ids
from rag.text import kiwi
from rag.text.identifiers import forget_terms

log = logging.getLogger(__name__)

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3
"""Parameters of mallopt(3)."""
_TRIGGER_BYTES = 128 << 10
"""Freeing 64 KB and more makes glibc look at the end of its heap; this is twice that."""
_LARGEST_IN_HEAP = 32 << 20
"""Where glibc's `M_MMAP_THRESHOLD` comes to by itself in a process that has freed a large block. It stays once it was set."""
_KEPT_AT_END = 16 << 20
"""Free bytes at the end of a thread's heap from which on a `free` returns them; by itself glibc comes to 64 MB."""
_OF_THE_OPERATOR = ("MALLOC_TRIM_THRESHOLD_", "MALLOC_MMAP_THRESHOLD_", "GLIBC_TUNABLES")
"""Environment variables by which somebody has chosen these numbers."""
_LARGE = 16 * 2**20
"""Bytes by which a job lets this process grow for the caches to be worth less than what they hold down. To fill them again takes
a fraction of a second."""


def resident_bytes() -> int:
    """Memory of this process that no file stands behind; 0 where the system does not tell (macOS)."""
    try:
        resident, shared = Path("/proc/self/statm").read_text(encoding="ascii").split()[1:3]
    except OSError:
        return 0
    return (int(resident) - int(shared)) * os.sysconf("SC_PAGESIZE")


def tidy_after(job: Callable[[], None]) -> None:
    """Run `job`, whose texts are read in the analyser's own threads; where this process has grown much by then, forget what is
    remembered of words and give free memory back."""
    before = resident_bytes()
    with kiwi.read_apart():
        job()
    kiwi.give_memory_back()
    if resident_bytes() - before >= _LARGE:
        forget_terms()
        forget_ids()
        give_memory_back()


def give_memory_back() -> bool:
    """Return the heap's free pages to the system; whether any went. Some milliseconds, without Python's global lock.

    Does nothing where the C library has no such call (musl, macOS).
    """
    kiwi.give_memory_back()
    try:
        libc = ctypes.CDLL(None)
        trim = libc.malloc_trim
    except (OSError, AttributeError):
        return False
    trim.argtypes, trim.restype = [ctypes.c_size_t], ctypes.c_int
    if not any(name in os.environ for name in _OF_THE_OPERATOR):
        _trim_end(libc)
    return bool(trim(0))


def _trim_end(libc: ctypes.CDLL) -> None:
    """Return the free end of the heap that this thread allocates from. `malloc_trim` does that for the main heap alone, and a
    `free` only where the end is longer than a threshold, which is low for one here."""
    libc.malloc.argtypes, libc.malloc.restype = [ctypes.c_size_t], ctypes.c_void_p
    libc.free.argtypes, libc.free.restype = [ctypes.c_void_p], None
    libc.mallopt(_M_TRIM_THRESHOLD, _TRIGGER_BYTES)
    libc.free(libc.malloc(_TRIGGER_BYTES))
    libc.mallopt(_M_TRIM_THRESHOLD, _KEPT_AT_END)
    libc.mallopt(_M_MMAP_THRESHOLD, _LARGEST_IN_HEAP)
