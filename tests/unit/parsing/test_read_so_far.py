"""How long a document will take is told by the pace of late, and by nothing that came before its first page."""

from __future__ import annotations

import os
import time

import pytest

from ingest.parsing import frames, read_so_far
from ingest.parsing.outcome import Outcome
from ingest.parsing.read_so_far import Listener, ReadSoFar, is_long


class Clock:
    """Time that passes when it is told to."""

    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(read_so_far, "time", clock)
    return clock


def heard(clock: Clock, total: int, pages: list[tuple[float, int]]) -> list[ReadSoFar]:
    """What a listener passes on of pages that a child tells of after so many more seconds."""
    said: list[ReadSoFar] = []
    listener = Listener(said.append)
    with listener.at_work():
        for seconds, number in pages:
            clock.now += seconds
            listener.has_read(number, total)
    return said


def test_a_scanned_annex_is_found_behind_a_body_of_text(clock: Clock) -> None:
    said = heard(clock, 360, [(1, 100), (1, 200), (1, 300), *((2, n) for n in range(301, 312))])
    assert not any(map(is_long, said[:3]))
    assert is_long(said[-1])
    assert said[-1].left_s == pytest.approx(2 * 49)


def test_a_few_scans_before_many_pages_of_text_are_forgotten_soon(clock: Clock) -> None:
    said = heard(clock, 2000, [(1, 1), (1, 2), (1, 3), *((1, n) for n in range(103, 1103, 100))])
    assert said[-1].left_s == pytest.approx(9.97)
    assert not any(map(is_long, said))


def test_what_comes_before_the_first_page_tells_of_no_pace(clock: Clock) -> None:
    """The start of the zygote and the import of a library on a cold machine."""
    said = heard(clock, 7, [(9, 1), (0.1, 2), (0.1, 3)])
    assert not any(map(is_long, said))
    assert said[-1].seconds == pytest.approx(0.2)


def test_parts_of_one_page_each_count_with_all_their_time(clock: Clock) -> None:
    said: list[ReadSoFar] = []
    listener = Listener(said.append)
    for page in (1, 2):
        with listener.at_work():
            clock.now += 100
            listener.has_read(page, 40)
        clock.now += 5000  # it waits for its turn
    assert (said[1].seconds, said[1].left_s) == (100, 3800)
    assert is_long(said[1])
    listener.has_read(1, 40)  # a part that ran out of time gives pages back
    assert not is_long(said[2])


def test_the_first_second_is_not_told_of() -> None:
    """Small documents are read in less: nobody should write to the database for them."""
    told: list[tuple[int, int]] = []
    result, result_writer = os.pipe()
    status, status_writer = os.pipe()
    os.close(status_writer)
    os.write(result_writer, frames.pack_pages(1, 9) + frames.pack_json("E", {}))
    os.close(result_writer)
    outcome = Outcome()
    outcome.collect(result, status, time.monotonic() + 10, 1000, lambda *pages: told.append(pages))
    os.close(result)
    os.close(status)
    assert (told, bytes(outcome.frame)) == ([], frames.pack_json("E", {}))
