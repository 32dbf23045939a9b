"""How long one try at an engine may take: until the headers of its response, its first token, and its end."""

from __future__ import annotations

import asyncio
import math
import time
from dataclasses import dataclass

PROBE_S = 2.0
"""How long a replica that was passed over has for its first token, while another can take the call after that."""
_LEAST_SHARE_S = 0.5
"""What the headers of each try may take at least, however many replicas are still to be asked: they come in milliseconds."""
_LEAST_HEADERS_S = 1.0
"""What the headers of a later try may take at least: with that, who sees nothing hears within 5 s of the call."""
_LEAST_CONNECT_S = 0.1


@dataclass(frozen=True, slots=True)
class Waits:
    """How long one try may take; `end`, `last_try` and `headed` as instants of `time.monotonic`.

    Attributes:
        end: by which the whole answer is wanted.
        last_try: by which the last replica is to be asked.
        headed: by which the headers are wanted of the last replica that can be asked: who sees a stream is told that nothing
            comes, and waits for them as for the first token (infinite).
        headers_s: seconds in which the headers of such an engine are there.
    """

    first_token_s: float
    end: float
    last_try: float
    headed: float
    headers_s: float

    def headed_by(self, connected: float, *, others: int) -> float:
        """The instant by which the headers are wanted of a try whose connection was made at `connected`.

        Args:
            others: how many replicas can be asked after this one; each has an equal share of what is left of the time.
        """
        if others and self.headers_s < math.inf:
            share = max((self.last_try - connected) / (others + 1), _LEAST_SHARE_S)
            return connected + min(self.headers_s, PROBE_S, share)
        return max(self.headed, connected + min(self.headers_s, _LEAST_HEADERS_S))

    def connect_s(self, others: int) -> float:
        """Seconds that a connection may take which is not the first of the call."""
        return max((self.last_try - time.monotonic()) / (others + 1), _LEAST_CONNECT_S)


def on_loop(instant: float) -> float | None:
    """An instant of `time.monotonic` by the clock of the running loop; None for one that never comes."""
    if instant == math.inf:
        return None
    return asyncio.get_running_loop().time() + max(0.0, instant - time.monotonic())
