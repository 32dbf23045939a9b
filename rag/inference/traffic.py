"""Who goes first when questions and ingestion want the same processor, and the interpreter's one lock."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

LONGEST_WAIT_S = 1.0
"""Ingestion yields so long at most, however many questions come: it must never stand still."""
TURN_S = 0.2
"""After so long a wait it goes on for this long without another. Its pieces may so be as small as they like: what a question
waits for is one of them, what ingestion gets in the worst case is a sixth of the time."""
LINGER_S = 0.03
"""A question counts so long after its end: what follows is its record and, often, the next one."""
EXPECTED_S = 0.1
"""What was said to be coming counts so long, should it not come."""


class Traffic:
    """Counts the questions that are being answered; background work waits for a gap between two pieces. Thread-safe."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._open = 0
        self._counts_until = float("-inf")
        self._turn_until = float("-inf")

    @contextmanager
    def question(self) -> Iterator[None]:
        """While the block runs, somebody waits for an answer. May be nested."""
        with self._changed:
            self._open += 1
        try:
            yield
        finally:
            with self._changed:
                self._open -= 1
                if not self._open:
                    self._counts_until = max(self._counts_until, time.monotonic() + LINGER_S)
                    self._changed.notify_all()

    def expect(self) -> None:
        """A question is about to come, as soon as it is known whose it is."""
        with self._changed:
            self._counts_until = max(self._counts_until, time.monotonic() + EXPECTED_S)

    def give_way(self) -> None:
        """Return when nobody waits for an answer, or after `LONGEST_WAIT_S`."""
        if not self._open and time.monotonic() >= self._counts_until:  # a look without the lock: most of the time so
            return
        with self._changed:
            deadline = time.monotonic() + LONGEST_WAIT_S
            while (now := time.monotonic()) >= self._turn_until and (self._open or now < self._counts_until):
                if now >= deadline:
                    self._turn_until = now + TURN_S
                    self._changed.notify_all()
                else:
                    self._changed.wait((deadline if self._open else min(deadline, self._counts_until)) - now)
