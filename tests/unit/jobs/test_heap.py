from __future__ import annotations

import ctypes
import os
import subprocess
import sys
from pathlib import Path

import pytest

from ingest.jobs.heap import give_memory_back, tidy_after
from rag.text import kiwi
from rag.text.identifiers import forget_terms, identifier_counts, remembered_terms

ROOT = Path(__file__).resolve().parents[3]


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


_BURST = """
import ctypes, threading
from ingest.jobs.heap import give_memory_back, resident_bytes

libc = ctypes.CDLL(None)
libc.malloc.restype, libc.malloc.argtypes, libc.free.argtypes = ctypes.c_void_p, [ctypes.c_size_t], [ctypes.c_void_p]
libc.mallopt(-1, 64 << 20)  # M_TRIM_THRESHOLD where it comes to by itself in a process that has freed a large block

def burst():
    blocks = [0] * 8_000  # made first, so that it does not lie behind them
    for place in range(len(blocks)):
        blocks[place] = libc.malloc(4096)
        ctypes.memset(blocks[place], 1, 4096)
    for block in blocks:
        libc.free(block)
    libc.malloc_trim(0)
    return resident_bytes()

def run():
    before = burst()
    give_memory_back()
    given = before - resident_bytes()
    before = resident_bytes()
    print(given, burst() - before)  # the second time a `free` sees to it

thread = threading.Thread(target=run)
thread.start()
thread.join()
"""


@pytest.mark.skipif(not hasattr(ctypes.CDLL(None), "malloc_trim"), reason="a C library of another kind")
def test_the_free_end_of_a_threads_heap_goes_back_too() -> None:
    """In a process of its own, where the thread has a heap that nobody else has been in."""
    command = [sys.executable, "-c", _BURST]
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("MALLOC_", "GLIBC_"))}
    told = subprocess.run(command, cwd=ROOT, env=environment, check=True, capture_output=True, text=True).stdout
    given, kept = map(int, told.split())
    assert given > 20 << 20, "of 32 MB"
    assert kept < 20 << 20, "of 32 MB"


def test_a_job_reads_in_the_analysers_own_threads() -> None:
    seen: list[bool] = []
    tidy_after(lambda: seen.append(kiwi.is_read_apart("가")))
    assert (seen, kiwi.is_read_apart("가")) == ([True], False)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
@pytest.mark.parametrize(("megabytes", "forgotten"), [(96, True), (32, True), (4, False)])
def test_after_a_large_job_words_are_forgotten(megabytes: int, forgotten: bool) -> None:
    held: list[bytearray] = []

    def job() -> None:
        identifier_counts("a_word_of_this_job and another")
        held.append(bytearray(b"x") * (megabytes << 20))

    forget_terms()
    tidy_after(job)
    assert (remembered_terms() == 0) is forgotten


def test_what_a_job_raises_goes_on() -> None:
    def job() -> None:
        raise KeyError("job")

    with pytest.raises(KeyError, match="job"):
        tidy_after(job)
