"""Looking around and chores: neither waits for the other, and none is lost by another that fails."""

from __future__ import annotations

import logging
import threading

import pytest

from ingest.jobs.upkeep import Upkeep

_LONG_S = 10.0


class Looks:
    """Counts how often somebody looked around."""

    def __init__(self) -> None:
        self.enough = threading.Event()
        self.times = 0

    def look_around(self) -> None:
        self.times += 1
        if self.times == 3:
            self.enough.set()


def test_lost_work_is_found_while_a_chore_waits_for_others() -> None:
    looks, held, begun = Looks(), threading.Event(), threading.Event()

    def ask_a_directory() -> None:
        begun.set()
        held.wait(_LONG_S)

    upkeep = Upkeep(looks, 0.01, [ask_a_directory])
    upkeep.start()
    assert begun.wait(_LONG_S)
    assert looks.enough.wait(_LONG_S)
    upkeep.stop(patience_s=0.01)
    assert not held.is_set()  # the end did not wait for it
    held.set()


def test_a_chore_that_fails_is_named_and_keeps_no_other_from_being_done(caplog: pytest.LogCaptureFixture) -> None:
    done = threading.Event()

    def cut_old_entries() -> None:
        raise ZeroDivisionError

    with caplog.at_level(logging.WARNING, "ingest.jobs.upkeep"):
        upkeep = Upkeep([], 60, [cut_old_entries, done.set])
        upkeep.start()
        assert done.wait(_LONG_S)
        upkeep.stop()
    assert caplog.messages == ["the chore cut_old_entries failed"]


def test_no_chore_begins_once_the_process_ends() -> None:
    begun, goes_on = threading.Event(), threading.Event()
    late: list[str] = []

    def first() -> None:
        begun.set()
        goes_on.wait(_LONG_S)

    upkeep = Upkeep([], 0.01, [first, lambda: late.append("late")])
    upkeep.start()
    assert begun.wait(_LONG_S)
    threading.Timer(0.1, goes_on.set).start()
    upkeep.stop()
    assert late == []
