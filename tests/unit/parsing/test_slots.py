"""Slots of the sandbox: urgent work and other work, each with a share that the other can't take."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextlib import ExitStack

import pytest

from ingest.parsing.slots import ParseSlots


class Waiting:
    """Somebody in a thread who takes a slot and keeps it until `leave`."""

    def __init__(self, slots: ParseSlots, *, urgent: bool) -> None:
        self.entered, self._left = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._run, args=(slots, urgent), daemon=True)
        self._thread.start()

    def _run(self, slots: ParseSlots, urgent: bool) -> None:
        with slots.held(urgent=urgent):
            self.entered.set()
            self._left.wait(30)

    @property
    def waits(self) -> bool:
        return not self.entered.wait(0.05)

    def let_go(self) -> None:
        self._left.set()

    def leave(self) -> None:
        self.let_go()
        self._thread.join(30)


@pytest.fixture
def somebody():
    """Makes people who wait; sends them home in the end."""
    people: list[Waiting] = []
    with ExitStack() as home:

        def come(slots: ParseSlots, *, urgent: bool = False) -> Waiting:
            person = Waiting(slots, urgent=urgent)
            home.callback(person.leave)
            people.append(person)
            return person

        yield come
        # All at once, then one after the other: whoever waits for a slot goes only when its holder does.
        for person in people:
            person.let_go()


Come = Callable[..., Waiting]


@pytest.mark.parametrize("urgent", [True, False])
@pytest.mark.parametrize("count", [1, 2, 4])
def test_each_kind_holds_so_many_and_leaves_one_to_the_other(somebody: Come, count: int, urgent: bool) -> None:
    slots = ParseSlots(count)
    crowd = [somebody(slots, urgent=urgent) for _ in range(count)]
    assert all(person.entered.wait(10) for person in crowd)
    late = somebody(slots, urgent=urgent)
    assert late.waits
    assert somebody(slots, urgent=not urgent).entered.wait(10)
    assert late.waits
    crowd[0].leave()
    assert late.entered.wait(10)


def test_the_next_free_slot_is_for_urgent_work_and_the_one_after_it_for_whoever_stood_back(somebody: Come) -> None:
    slots = ParseSlots(2)
    plain = [somebody(slots), somebody(slots)]
    urgent = somebody(slots, urgent=True)
    assert all(person.entered.wait(10) for person in (*plain, urgent))
    stood_back, hurried = somebody(slots), somebody(slots, urgent=True)
    assert stood_back.waits
    assert hurried.waits
    plain[0].leave()
    assert hurried.entered.wait(10)
    assert stood_back.waits
    urgent.leave()
    assert stood_back.entered.wait(10)


def test_a_slot_is_free_again_after_a_failure() -> None:
    slots = ParseSlots(1)
    for _ in range(3):
        with pytest.raises(ZeroDivisionError), slots.held(urgent=True):
            raise ZeroDivisionError


def test_how_long_urgent_work_has_waited_is_known_while_it_waits(somebody: Come) -> None:
    slots = ParseSlots(1)
    holder, plain = somebody(slots, urgent=True), somebody(slots)
    assert holder.entered.wait(10)
    assert plain.entered.wait(10)
    assert somebody(slots).waits
    assert slots.urgent_waits_s() == 0, "only what nobody waits for has to wait"
    first, before = somebody(slots, urgent=True), time.monotonic()
    assert first.waits
    second = somebody(slots, urgent=True)
    assert second.waits
    assert 0.05 < slots.urgent_waits_s() < time.monotonic() - before + 1, "the first of them"
    holder.leave()
    for person in (first, second):  # either may be next, and the other waits until it goes
        person.let_go()
    for person in (first, second):
        person.leave()
    assert slots.urgent_waits_s() == 0
