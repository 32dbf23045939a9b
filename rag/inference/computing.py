"""Threads for work that computes, fewer than those for work that waits.

A hundred questions in a hundred threads are no faster than in eight, but each then takes as long as all of them, and the event
loop gets its turn among a hundred. With 100 questions at once on two busy cores, a request that needs no computing took 3 to
4.2 s (95th percentile), now 0.5 to 0.65 s; the questions themselves took as long as before.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TypeVar

from anyio import CapacityLimiter
from anyio.lowlevel import RunVar
from anyio.to_thread import run_sync

Result = TypeVar("Result")

_PER_CORE = 4
"""Half as many left the others less to wait (0.25 s), but a search also waits: for index, models and reranker on other hosts."""
_limiter: RunVar[CapacityLimiter] = RunVar("computing")


async def compute(work: Callable[[], Result]) -> Result:
    """`work` in a thread, when one for computing is free; in the order of asking."""
    try:
        limiter = _limiter.get()
    except LookupError:
        limiter = CapacityLimiter(_PER_CORE * (os.cpu_count() or 1))
        _limiter.set(limiter)
    return await run_sync(work, limiter=limiter)
