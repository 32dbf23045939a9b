"""How often one address may call what anybody can reach: a flood must cost nobody else anything."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable

from api.refusals import network_of
from rag.domain.errors import RateLimited
from rag.settings_identity import SessionSettings
from rag.store.sign_in import MAX_PENDING

_WEBHOOKS = 120
"""A minute. A server that pushes for hundreds of repositories sends fewer, and may send again."""
_SIGN_INS = 600
"""A minute. Behind one address can be a house of thousands that comes to work at nine."""
_MINUTE_S = 60.0
_MOST = 10_000
"""Addresses that are remembered; of more, those unseen for the longest are forgotten."""


class AddressLimit:
    """Counts calls by address, in this process. Thread-safe.

    Args:
        a_minute: calls of one address, or of one IPv6 network of 64 bits.
        who: what calls, for the error.
        clock: seconds that never go back.
    """

    def __init__(self, a_minute: int, who: str, clock: Callable[[], float] = time.monotonic) -> None:
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


def webhook_limit() -> AddressLimit:
    """The limit of a process for webhooks of repositories."""
    return AddressLimit(_WEBHOOKS, "webhook")


def sign_in_limit(settings: SessionSettings | None) -> AddressLimit:
    """The limit of a process for sign-ins that begin, each of which is kept until it ends or is too late: no address alone fills
    more than half of the places for them."""
    patience_s = (settings or SessionSettings()).sign_in_s
    return AddressLimit(min(_SIGN_INS, MAX_PENDING // 2 * 60 // (patience_s + 60)), "sign-in")
