"""A circuit breaker: while a server is known to be down, callers fail at once instead of each waiting for it."""

from __future__ import annotations

import math
import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum


class State(StrEnum):
    """What the breaker lets through: everything, nothing, or one probe."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half_open"


@dataclass(frozen=True, slots=True)
class Tolerance:
    """When a breaker opens, and for how long.

    Attributes:
        failures: within the window that open it.
        window_s: seconds after which a failure is forgotten.
        rest_s: seconds for which an open breaker lets nothing through.
    """

    failures: int = 5
    window_s: float = 30.0
    rest_s: float = 10.0


class CircuitBreaker:
    """Closed, open after `failures` in the window, half open after the rest: one probe decides. Thread-safe.

    Every `admit` that said yes must be followed by exactly one of `succeeded`, `failed`, `abandoned`.
    """

    def __init__(self, tolerance: Tolerance, clock: Callable[[], float]) -> None:
        self._tolerance = tolerance
        self._clock = clock
        self._guard = threading.Lock()
        self._failures: deque[float] = deque()
        self._opened: float | None = None
        self._probing = False

    @property
    def state(self) -> State:
        """The state now."""
        with self._guard:
            return self._state()

    def _state(self) -> State:
        if self._opened is None:
            return State.CLOSED
        rested = self._clock() - self._opened >= self._tolerance.rest_s
        return State.HALF_OPEN if rested else State.OPEN

    def admit(self) -> bool:
        """Whether a request may go out now; in the half-open state only one, until its outcome is told."""
        with self._guard:
            state = self._state()
            if state is State.HALF_OPEN and not self._probing:
                self._probing = True
                return True
            return state is State.CLOSED

    def succeeded(self) -> None:
        """The server answered: everything may go through."""
        with self._guard:
            self._probing = False
            self._opened = None
            self._failures.clear()

    def failed(self, share: float = 0.0) -> None:
        """The server did not answer, or with nothing of use.

        Args:
            share: of the failures that open it, what this one counts, where it took so long that others will not come in time.
        """
        with self._guard:
            now = self._clock()
            if self._opened is not None:  # the probe failed, or a request that went out before the others did
                if self._probing:
                    self._opened = now
                self._probing = False
                return
            self._failures.extend([now] * max(1, math.ceil(share * self._tolerance.failures)))
            while now - self._failures[0] > self._tolerance.window_s:
                self._failures.popleft()
            if len(self._failures) >= self._tolerance.failures:
                self._opened = now
                self._failures.clear()

    def abandoned(self) -> None:
        """The caller gave up before the server could be judged."""
        with self._guard:
            self._probing = False
