from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

_READING = """
import random, threading
from pathlib import Path
from rag.text import kiwi

def resident_kb():
    fields = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in fields if line.startswith("RssAnon:"))

kiwi.give_memory_back()
assert not kiwi._LOADED, "nothing is loaded for it"
kiwi.shared_kiwi().tokenize("연차휴가를 쓴다")
loaded = resident_kb()
kiwi.give_memory_back()
words = Path("README.ko.md").read_text(encoding="utf-8").split()
chosen = random.Random(1)
texts = [" ".join(chosen.choice(words) for _ in range(3000)) for _ in range(8)]
read, told, gone = [threading.Barrier(9) for _ in range(3)]

def work(text):
    kiwi.shared_kiwi().tokenize(text)
    read.wait()
    told.wait()
    kiwi.give_memory_back()
    gone.wait()

threads = [threading.Thread(target=work, args=(text,)) for text in texts]
for thread in threads:
    thread.start()
read.wait()
before = resident_kb()
told.wait()
gone.wait()
print(before - resident_kb())
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
def test_what_the_analyser_freed_in_a_thread_goes_back() -> None:
    folder = Path(__file__).resolve().parents[3]
    told = subprocess.run(
        [sys.executable, "-c", _READING], cwd=folder, check=True, capture_output=True, text=True
    ).stdout
    assert int(told) > 8_000, "KB, of eight threads"
