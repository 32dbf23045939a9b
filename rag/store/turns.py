"""Whose turn it is to write where one may write at a time: first come, first served, and the urgent before the others.

SQLite lets whoever waits for its lock try again after sleeps that grow to a tenth of a second, and gives it to whoever happens to
try. Whoever put an event on record beside four busy writers waited 1.4 to 2.2 s so (95th percentile), in turn 38 to 54 ms
(`benchmarks/audit.py --beside`).
"""

from __future__ import annotations

import heapq
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from rag.domain.errors import StoreUnavailable

_Entry = tuple[bool, int, threading.Event]


class Turns:
    """Turns of the threads of one process. Not reentrant: whoever has the turn must not ask for another."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._waiting: list[_Entry] = []
        self._taken = False
        self._number = 0

    @property
    def waiting(self) -> int:
        """How many wait."""
        with self._guard:
            return len(self._waiting)

    @contextmanager
    def turn(self, *, urgent: bool, within_s: float) -> Iterator[None]:
        """Have the turn for the length of the block.

        Raises:
            StoreUnavailable: it did not come within that time.
        """
        self._take(urgent, within_s)
        try:
            yield
        finally:
            with self._guard:
                self._pass_on()

    def _take(self, urgent: bool, within_s: float) -> None:
        with self._guard:
            if not self._taken:
                self._taken = True
                return
            self._number += 1
            entry: _Entry = (not urgent, self._number, threading.Event())
            heapq.heappush(self._waiting, entry)
        try:
            came = entry[2].wait(within_s)
        except BaseException:  # such as an interrupt: the turn may have come all the same
            if self._leave(entry):
                with self._guard:
                    self._pass_on()
            raise
        if not came and not self._leave(entry):
            raise StoreUnavailable

    def _leave(self, entry: _Entry) -> bool:
        """Wait no longer; whether the turn had come a moment before."""
        with self._guard:
            if entry[2].is_set():
                return True
            self._waiting.remove(entry)
            heapq.heapify(self._waiting)
            return False

    def _pass_on(self) -> None:
        if self._waiting:
            heapq.heappop(self._waiting)[2].set()
        else:
            self._taken = False
