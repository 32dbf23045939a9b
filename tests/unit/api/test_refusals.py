"""Whoever nobody knows can't fill the trail, and none of its attempts is lost."""

from __future__ import annotations

from dataclasses import dataclass

from api import refusals
from api.refusals import Refusals


@dataclass
class Clock:
    """Seconds that tests move."""

    at: float = 0.0

    def __call__(self) -> float:
        return self.at


def test_an_address_has_an_entry_a_minute_with_the_count_of_those_between() -> None:
    clock = Clock()
    kept = Refusals(clock)
    assert kept.told("10.0.0.1") == {}
    for _ in range(99):
        clock.at += 0.5
        assert kept.told("10.0.0.1") is None
    assert kept.told("10.0.0.2") == {}
    clock.at = 60
    assert kept.told("10.0.0.1") == {"refused_before": 99}
    assert kept.told("10.0.0.1") is None
    assert kept.rest() == 1
    assert kept.rest() == 0


def test_what_an_address_was_refused_that_never_comes_again_is_told_by_another() -> None:
    clock = Clock()
    kept = Refusals(clock)
    for _ in range(5):
        kept.told("10.0.0.1")
    clock.at = 61
    assert kept.told("10.0.0.2") == {}
    assert kept.told("10.0.0.3") == {"refused_elsewhere": 4}


def test_one_network_is_one_caller() -> None:
    kept = Refusals(Clock())
    assert kept.told("2001:db8::1") == {}
    assert kept.told("2001:db8::ffff:2") is None
    assert kept.told("2001:db8:0:1::1") == {}
    assert kept.told("local") == {}
    assert kept.told("local") is None
    assert kept.told("::ffff:10.0.0.1") == {} == kept.told("::ffff:10.0.0.2")


def test_memory_and_entries_are_bounded_and_every_refusal_is_counted() -> None:
    clock = Clock()
    kept = Refusals(clock)
    refused = entries = counted = 0
    for minute in range(3):
        clock.at = 61.0 * minute
        for number in range(2000):
            refused += 1
            told = kept.told(f"10.{minute}.{number // 250}.{number % 250}")
            if told is not None:
                entries += 1
                counted += sum(told.values())
    assert entries == 3 * refusals._MOST_ENTRIES
    assert len(kept._addresses) <= refusals._MOST_ENTRIES
    assert entries + counted + kept.rest() == refused
