"""How many children of the sandbox run at once, and for whom: what somebody waits for never waits for a thousand other files."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager


class ParseSlots:
    """One slot more than `count`. Urgent work and other work may each hold `count` of them: one is always kept for either kind.

    Where both wait for the next free slot, urgent work takes it. Thread-safe.
    """

    def __init__(self, count: int) -> None:
        self._count = count
        self._held = {True: 0, False: 0}
        self._urgent_waiting = 0
        self._changed = threading.Condition()

    @contextmanager
    def held(self, *, urgent: bool = False) -> Iterator[None]:
        """Wait for a slot, and hold it inside of the block."""
        with self._changed:
            self._urgent_waiting += urgent
            try:
                self._changed.wait_for(lambda: self._may_begin(urgent=urgent))
            finally:
                self._urgent_waiting -= urgent
                self._changed.notify_all()  # a second free slot may be for somebody who stood back
            self._held[urgent] += 1
        try:
            yield
        finally:
            with self._changed:
                self._held[urgent] -= 1
                self._changed.notify_all()

    def _may_begin(self, *, urgent: bool) -> bool:
        if self._held[urgent] >= self._count or sum(self._held.values()) > self._count:
            return False
        # Urgent work that waits has all that it may hold, or takes this slot; the last one for other work it can't have.
        return urgent or not self._urgent_waiting or self._held[True] >= self._count
