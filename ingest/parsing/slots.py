"""How many children of the sandbox run at once, and for whom: what somebody waits for never waits for a thousand other files."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager


class ParseSlots:
    """One slot more than `count`. Urgent work and other work may each hold `count` of them: one is always kept for either kind.

    Where both wait for the next free slot, urgent work takes it. Thread-safe.
    """

    def __init__(self, count: int) -> None:
        self._count = count
        self._held = {True: 0, False: 0}
        self._urgent_since: list[float] = []
        self._changed = threading.Condition()

    @contextmanager
    def held(self, *, urgent: bool = False) -> Iterator[None]:
        """Wait for a slot, and hold it inside of the block."""
        with self._changed:
            came = time.monotonic()
            if urgent:
                self._urgent_since.append(came)
            try:
                self._changed.wait_for(lambda: self._may_begin(urgent=urgent))
            finally:
                if urgent:
                    self._urgent_since.remove(came)
                self._changed.notify_all()  # a second free slot may be for somebody who stood back
            self._held[urgent] += 1
        try:
            yield
        finally:
            with self._changed:
                self._held[urgent] -= 1
                self._changed.notify_all()

    def urgent_waits_s(self) -> float:
        """Seconds for which urgent work has waited for a slot, the longest of it; 0 where none waits."""
        with self._changed:
            return time.monotonic() - min(self._urgent_since) if self._urgent_since else 0.0

    def _may_begin(self, *, urgent: bool) -> bool:
        if self._held[urgent] >= self._count or sum(self._held.values()) > self._count:
            return False
        # Urgent work that waits has all that it may hold, or takes this slot; the last one for other work it can't have.
        return urgent or not self._urgent_since or self._held[True] >= self._count
