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
kiwi.shared_kiwi()
loaded = resident_kb()
kiwi.shared_kiwi().tokenize("연차휴가를 쓴다")
assert abs(resident_kb() - loaded) < 20_000, "the model is there, and what building it took is not"
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
_ASIDE = """
import threading
from pathlib import Path
from rag.text import kiwi, sentences
from rag.text.analysis import Analyzer

def resident_kb():
    fields = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in fields if line.startswith("RssAnon:"))

texts = [line for line in Path("README.ko.md").read_text(encoding="utf-8").splitlines() if 100 < len(line) < 1000][:8]
analyze, split = Analyzer().analyze, lambda text: sentences._starts(text)
plain = [(analyze(text), split(text)) for text in texts]
read, gone = [threading.Barrier(9) for _ in range(2)]

def work(apart, text, wanted):
    if apart:
        with kiwi.read_apart():
            assert (analyze(text), split(text)) == wanted
            assert kiwi.is_read_apart(text)
    else:
        assert (analyze(text), split(text)) == wanted
        with kiwi.read_apart(), kiwi.read_apart():
            pass
    assert not kiwi.is_read_apart(text) and kiwi.is_read_apart(text * 20)
    read.wait()
    gone.wait()

def grown(apart):
    kiwi.give_memory_back()
    before = resident_kb()
    threads = [threading.Thread(target=work, args=(apart, *given)) for given in zip(texts, plain)]
    for thread in threads:
        thread.start()
    read.wait()
    found = resident_kb() - before
    gone.wait()
    for thread in threads:
        thread.join()
    return found

grown(True)  # the analyser's own threads begin
apart = grown(True)
print(apart, grown(False))
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
def test_what_the_analyser_freed_in_a_thread_goes_back() -> None:
    folder = Path(__file__).resolve().parents[3]
    told = subprocess.run(
        [sys.executable, "-c", _READING], cwd=folder, check=True, capture_output=True, text=True
    ).stdout
    assert int(told) > 8_000, "KB, of eight threads"


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
def test_what_is_read_apart_is_the_same_and_leaves_nothing_in_the_thread() -> None:
    folder = Path(__file__).resolve().parents[3]
    told = subprocess.run([sys.executable, "-c", _ASIDE], cwd=folder, check=True, capture_output=True, text=True).stdout
    apart, plain = map(int, told.split())
    assert apart < 8_000 < 20_000 < plain, "KB, of eight threads"
