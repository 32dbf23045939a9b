"""Refusals of callers that nobody knows: on the audit trail, but not so often that they fill it.

Whoever has no credential must not be able to make the service write to disk as often as it likes. Each address has an entry at
once and then one a minute at most; those in between are counted, and the next entry tells how many they were.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from ipaddress import IPv6Address, ip_address, ip_network

_EVERY_S = 60.0
_MOST_ADDRESSES = 10_000
_MOST_ENTRIES = 600
"""Of all addresses together within `_EVERY_S`: who has many addresses is held to this."""
_NETWORK_BITS = 64
"""Of an IPv6 address: the rest is the caller's to choose."""


@dataclass(slots=True)
class _Address:
    """When an address had an entry last, in seconds of the clock, and how many refusals it had since."""

    told_at: float
    untold: int = 0


@dataclass(slots=True)
class Refusals:
    """Which refusals get an entry of their own. Thread-safe; memory is bounded.

    Attributes:
        clock: seconds that never go back.
    """

    clock: Callable[[], float] = time.monotonic
    _addresses: OrderedDict[str, _Address] = field(default_factory=OrderedDict)
    _elsewhere: int = 0
    _began: float = float("-inf")
    _entries: int = 0
    _guard: threading.Lock = field(default_factory=threading.Lock)

    def told(self, address: str) -> dict[str, int] | None:
        """What the entry of a refusal says of those before it; None where it is only counted."""
        with self._guard:
            now, key = self.clock(), network_of(address)
            known = self._addresses.get(key)
            quiet = known is None or now - known.told_at >= _EVERY_S
            if not (quiet and self._room(now)):
                self._count(key, known)
                return None
            self._addresses[key] = _Address(now)
            self._addresses.move_to_end(key)
            before = {"refused_before": known.untold if known is not None else 0, "refused_elsewhere": self._elsewhere}
            self._elsewhere = 0
            self._forget(now)
            return {name: count for name, count in before.items() if count}

    def rest(self) -> int:
        """How many were counted and not told of yet, which now they are."""
        with self._guard:
            count = self._elsewhere + sum(item.untold for item in self._addresses.values())
            self._elsewhere = 0
            self._addresses.clear()
            return count

    def _room(self, now: float) -> bool:
        if now - self._began >= _EVERY_S:
            self._began, self._entries = now, 0
        self._entries += 1
        return self._entries <= _MOST_ENTRIES

    def _count(self, key: str, known: _Address | None) -> None:
        if known is None:
            self._elsewhere += 1
        else:
            known.untold += 1

    def _forget(self, now: float) -> None:
        """Let go of addresses that have been quiet, and of the oldest where there are too many; their counts stay."""
        while self._addresses:
            key, oldest = next(iter(self._addresses.items()))
            if now - oldest.told_at < _EVERY_S and len(self._addresses) <= _MOST_ADDRESSES:
                return
            self._elsewhere += oldest.untold
            del self._addresses[key]


def network_of(address: str) -> str:
    """What callers are told apart by."""
    try:
        found = ip_address(address)
    except ValueError:
        return address
    if not isinstance(found, IPv6Address) or found.ipv4_mapped is not None:
        return address
    return str(ip_network((found, _NETWORK_BITS), strict=False))
