"""What comes back through the pipes of a child."""

from __future__ import annotations

import os
import threading
import time

import pytest

from ingest.parsing.outcome import Outcome


def collected(outcome: Outcome, answers: int, pause_s: float) -> float:
    """Let a child of sorts write so many answers, and end; seconds from its end until that was heard."""
    result, result_writer = os.pipe()
    status, status_writer = os.pipe()
    ended: list[float] = []

    def work() -> None:
        for _ in range(answers):
            os.write(result_writer, b"x" * 1000)
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
    collected(outcome, 300, 0.001)
    assert len(outcome.frame) == 300_000
    assert outcome.status == {"pid": 1, "status": 0}
    assert len(reads) < 100  # one by one they were 303


def test_the_end_is_heard_while_it_rests(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ingest.parsing.outcome._REST_S", 30.0)
    assert collected(Outcome(), 1, 0.05) < 5


def test_a_large_answer_is_read_whole() -> None:
    outcome = Outcome()
    begun = time.monotonic()
    collected(outcome, 3000, 0.0)
    assert len(outcome.frame) == 3_000_000
    assert time.monotonic() - begun < 5
