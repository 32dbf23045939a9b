"""How often webhooks may call: anybody can reach their routes, and a flood must cost nobody else anything."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable

from api.refusals import network_of
from rag.domain.errors import RateLimited

A_MINUTE = 120
"""Calls of one address, or of one IPv6 network of 64 bits. A server that pushes for hundreds of repositories sends fewer, and may
send again."""
_MINUTE_S = 60.0
_MOST = 10_000
"""Addresses that are remembered; of more, those unseen for the longest are forgotten."""


class WebhookLimit:
    """Counts calls by address, in this process. Thread-safe.

    Args:
        clock: seconds that never go back.
        who: what calls, for the error.
    """

    def __init__(
        self, a_minute: int = A_MINUTE, clock: Callable[[], float] = time.monotonic, who: str = "webhook"
    ) -> None:
        self._a_minute, self._clock, self._who = a_minute, clock, who
        self._lock = threading.Lock()
        self._seen: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def enter(self, address: str) -> None:
        """Count a call.

        Raises:
            RateLimited: the address has used up what comes back evenly over a minute.
        """
        now, rate, address = self._clock(), self._a_minute / _MINUTE_S, network_of(address)
        with self._lock:
            left, before = self._seen.pop(address, (float(self._a_minute), now))
            left = min(self._a_minute, left + (now - before) * rate)
            refused = left < 1
            self._seen[address] = (left if refused else left - 1, now)
            while len(self._seen) > _MOST:
                self._seen.popitem(last=False)
        if refused:
            raise RateLimited(
                who=self._who, what="requests", limit=self._a_minute, retry_after_s=int((1 - left) / rate) + 1
            )
