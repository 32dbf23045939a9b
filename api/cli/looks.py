"""How often a command looks whether what it waits for is done.

Each look keeps the service from that very work for a moment, and is an entry on the trail: somebody who waits an hour need not be
told at once.
"""

from __future__ import annotations

LEAST_S = 0.25
_OF_A_LOOK = 9.0
"""Pauses are this many times as long as a look took: to be asked about hundreds of files keeps the service from reading them."""
_OF_THE_WAIT = 1 / 60
_MOST_S = 5.0
_MOST_OF_THE_WAIT_S = 2.0
"""A bar that stands still for longer looks as if nothing happened."""


def pause_after(look_s: float, waited_s: float) -> float:
    """Seconds until the next look, after one that took `look_s`, in a wait that has lasted `waited_s`."""
    grown = min(_OF_THE_WAIT * waited_s, _MOST_OF_THE_WAIT_S)
    return min(max(LEAST_S, _OF_A_LOOK * look_s, grown), _MOST_S)
