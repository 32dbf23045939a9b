"""What comes back through the pipes of a child."""

from __future__ import annotations

import os
import select
import threading
import time

import pytest

from ingest.parsing.frames import write_all
from ingest.parsing.outcome import Outcome

POLL = select.poll


def collected(outcome: Outcome, answers: int, pause_s: float, *, size: int = 1000) -> float:
    """Let a child of sorts write so many answers, and end; seconds from its end until that was heard."""
    result, result_writer = os.pipe()
    status, status_writer = os.pipe()
    ended: list[float] = []

    def work() -> None:
        for _ in range(answers):
            write_all(result_writer, b"x" * size)
            time.sleep(pause_s)
        os.close(result_writer)
        os.write(status_writer, b'{"pid": 1}\n{"status": 0}\n')
        os.close(status_writer)
        ended.append(time.monotonic())

    child = threading.Thread(target=work)
    child.start()
    try:
        outcome.collect(result, status, time.monotonic() + 60, 1 << 24, None)
        heard = time.monotonic()
    finally:
        os.close(result)
        os.close(status)
        child.join()
    return heard - ended[0]


def test_many_small_answers_are_taken_a_few_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    reads: list[int] = []
    read = os.read

    def counted(descriptor: int, size: int) -> bytes:
        found = read(descriptor, size)
        reads.append(len(found))
        return found

    monkeypatch.setattr("ingest.parsing.outcome.os.read", counted)
    outcome = Outcome()
    begun = time.monotonic()
    collected(outcome, 300, 0.001)
    assert len(outcome.frame) == 300_000
    assert outcome.status == {"pid": 1, "status": 0}
    # One by one they were 303; where the machine is busy, and each takes longer than a rest, there is nothing to be gained.
    assert len(reads) < 3 * (time.monotonic() - begun) / 0.02 + 20


def test_the_end_is_heard_while_it_rests(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ingest.parsing.outcome._REST_S", 30.0)
    assert collected(Outcome(), 1, 0.05) < 5


@pytest.mark.parametrize("pipe", [1 << 18, 1 << 12], ids=["as_wanted", "small"])
def test_a_large_answer_comes_without_rests(monkeypatch: pytest.MonkeyPatch, pipe: int) -> None:
    monkeypatch.setattr("ingest.parsing.outcome._PIPE_BYTES", pipe)
    rests: list[float] = []
    monkeypatch.setattr("ingest.parsing.outcome._REST_S", 0.0)
    monkeypatch.setattr("ingest.parsing.outcome.select.poll", lambda: CountedPoll(rests))
    outcome = Outcome()
    collected(outcome, 1, 0.0, size=8_000_000)
    assert len(outcome.frame) == 8_000_000
    assert len(rests) <= 20, "a pipe that was full is read again at once"


class CountedPoll:
    """`select.poll`, which notes how often it was asked to rest."""

    def __init__(self, rests: list[float]) -> None:
        self._poll, self._rests = POLL(), rests

    def register(self, descriptor: int, events: int) -> None:
        self._poll.register(descriptor, events)

    def unregister(self, descriptor: int) -> None:
        self._poll.unregister(descriptor)

    def poll(self, wait_ms: float) -> list[tuple[int, int]]:
        if wait_ms == 0.0:
            self._rests.append(wait_ms)
        return self._poll.poll(wait_ms)
