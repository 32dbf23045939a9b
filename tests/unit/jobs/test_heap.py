from __future__ import annotations

import ctypes
import sys
from pathlib import Path

import pytest

from ingest.jobs.heap import give_memory_back


def resident_kb() -> int:
    fields = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in fields if line.startswith("RssAnon:"))


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
def test_what_a_burst_freed_goes_back_to_the_system() -> None:
    libc = ctypes.CDLL(None)
    if not hasattr(libc, "malloc_trim"):
        assert give_memory_back() is False
        return
    libc.malloc.restype, libc.malloc.argtypes, libc.free.argtypes = (
        ctypes.c_void_p,
        [ctypes.c_size_t],
        [ctypes.c_void_p],
    )
    blocks = [libc.malloc(4096) for _ in range(20_000)]  # 80 MB in pieces below the mmap threshold
    for block in blocks:
        ctypes.memset(block, 1, 4096)
    pin = libc.malloc(4096)  # the last block stays, so that the top of the heap can't simply shrink
    for block in blocks:
        libc.free(block)
    before = resident_kb()
    assert give_memory_back() is True
    assert before - resident_kb() > 40_000
    libc.free(pin)
