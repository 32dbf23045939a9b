"""A circuit breaker: a server that fails again and again is left alone for a while, so that nobody waits for it."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from threading import Lock

FAILURES = 5
WINDOW_S = 30.0
OPEN_S = 10.0
"""Five failures within half a minute are no accident; ten seconds later one call tries again (Nygard, Release It!, 2018, 5.2)."""


class CircuitBreaker:
    """Closed, open, half-open. Thread-safe.

    Closed: every call may go. After `failures` failures within `window_s` it opens: none may, for `open_s`. Then it is
    half-open: one call may try; its success closes the breaker, its failure opens it again.
    """

    def __init__(
        self,
        failures: int = FAILURES,
        window_s: float = WINDOW_S,
        open_s: float = OPEN_S,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._most = failures
        self._window_s = window_s
        self._open_s = open_s
        self._clock = clock
        self._failed: deque[float] = deque(maxlen=failures)
        self._opened: float | None = None
        self._trying = False
        self._lock = Lock()

    def allows(self) -> bool:
        """Whether a call may go now. Who gets True has to report `succeeded`, `failed` or `abandoned`."""
        with self._lock:
            if self._opened is None:
                return True
            if self._trying or self._clock() - self._opened < self._open_s:
                return False
            self._trying = True
            return True

    def succeeded(self) -> None:
        """The server answered: whatever it said, it lives."""
        with self._lock:
            self._opened, self._trying = None, False
            self._failed.clear()

    def failed(self) -> None:
        """The server did not answer, or said that it can't."""
        with self._lock:
            now = self._clock()
            self._failed.append(now)
            often = len(self._failed) == self._most and now - self._failed[0] <= self._window_s
            if self._trying or often:
                self._opened = now
            self._trying = False

    def abandoned(self) -> None:
        """The caller ran out of time: that says nothing about the server, but somebody else may try now."""
        with self._lock:
            self._trying = False
