"""Who goes first when questions and ingestion want the same processor, and the interpreter's one lock."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

LONGEST_WAIT_S = 1.0
"""Ingestion yields so long at most, however many questions come: it must never stand still."""
TURN_S = 0.2
"""After so long a wait it goes on for as much of the processor's time without another wait, all its threads together. Its pieces
may so be as small as they like: what a question waits for is one of them."""
LONGEST_TURN_S = 0.5
"""The end of a turn in which ingestion waits for something else, or has it done in another thread or process, as vectors are."""
LINGER_S = 0.03
"""A question counts so long after its end: what follows is its record and, often, the next one."""
EXPECTED_S = 0.1
"""What was said to be coming counts so long, should it not come."""

_ASKED: ContextVar[Traffic | None] = ContextVar("ASKED", default=None)


class Traffic:
    """Counts the questions that are being answered; background work waits for a gap between two pieces. Thread-safe."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._open = 0
        self._counts_until = float("-inf")
        self._turn_left = 0.0
        self._turn_until = float("-inf")
        self._worked = threading.local()

    @contextmanager
    def question(self) -> Iterator[None]:
        """While the block runs, in this thread, somebody waits for an answer. May be nested."""
        if _ASKED.get() is self:
            yield
            return
        token = _ASKED.set(self)
        self._begin()
        try:
            yield
        finally:
            self._end()
            _ASKED.reset(token)

    def expect(self) -> None:
        """A question is about to come, as soon as what it may read is known."""
        with self._changed:
            self._counts_until = max(self._counts_until, time.monotonic() + EXPECTED_S)

    def give_way(self) -> None:
        """Return when nobody waits for an answer, or after `LONGEST_WAIT_S`."""
        # A look without the lock: most of the time nobody does.
        if self._open or time.monotonic() < self._counts_until:
            with self._changed:
                self._wait()
        self._worked.since = (time.monotonic(), time.thread_time())

    def _wait(self) -> None:
        self._turn_left -= self._worked_in_turn()
        deadline = time.monotonic() + LONGEST_WAIT_S
        while not self._has_turn(now := time.monotonic()) and (self._open or now < self._counts_until):
            if now >= deadline:
                self._turn_left, self._turn_until = TURN_S, now + LONGEST_TURN_S
                self._changed.notify_all()
            else:
                self._changed.wait((deadline if self._open else min(deadline, self._counts_until)) - now)

    def _worked_in_turn(self) -> float:
        """Seconds that this thread has worked since it last gave way; what began before the turn, such as an answer, is none."""
        at, worked = getattr(self._worked, "since", (float("-inf"), 0.0))
        return time.thread_time() - worked if at >= self._turn_until - LONGEST_TURN_S else 0.0

    def _has_turn(self, now: float) -> bool:
        return self._turn_left > 0 and now < self._turn_until

    def _begin(self) -> None:
        with self._changed:
            self._open += 1

    def _end(self) -> None:
        with self._changed:
            self._open -= 1
            if not self._open:
                self._counts_until = max(self._counts_until, time.monotonic() + LINGER_S)
                self._changed.notify_all()


@contextmanager
def aside() -> Iterator[None]:
    """While the block runs, the question of this thread waits for another machine: ingestion need not wait for it."""
    traffic = _ASKED.get()
    if traffic is None:
        yield
        return
    token = _ASKED.set(None)
    traffic._end()
    try:
        yield
    finally:
        traffic._begin()
        _ASKED.reset(token)
