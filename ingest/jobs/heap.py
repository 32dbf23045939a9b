"""Free memory goes back to the system.

glibc keeps what a burst of ingestion freed, in an arena per thread: 100 to 130 MB in a service after 3,000 small documents
(`mallinfo2`, while `benchmarks/memory.py` ran), which a machine with one or two models to hold has better uses for.
"""

from __future__ import annotations

import ctypes
import logging

log = logging.getLogger(__name__)


def give_memory_back() -> bool:
    """Return the heap's free pages to the system; whether any went. Some milliseconds, without Python's global lock.

    Does nothing where the C library has no such call (musl, macOS).
    """
    try:
        trim = ctypes.CDLL(None).malloc_trim
    except (OSError, AttributeError):
        return False
    trim.argtypes, trim.restype = [ctypes.c_size_t], ctypes.c_int
    return bool(trim(0))
