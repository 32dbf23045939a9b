"""Threads for work that computes, fewer than those for work that waits.

A hundred questions in a hundred threads are no faster than in eight, but each then takes as long as all of them, and the event
loop gets its turn among a hundred. With 100 questions at once on two busy cores, a request that needs no computing took 3 to
4.2 s (95th percentile), now 0.5 to 0.65 s; the questions themselves took as long as before.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TypeVar

from anyio import CapacityLimiter, from_thread
from anyio.lowlevel import RunVar
from anyio.to_thread import run_sync

Result = TypeVar("Result")

_PER_CORE = 4
"""Half as many left the others less to wait (0.25 s), but a search also waits: for index, models and reranker on other hosts."""
_limiter: RunVar[CapacityLimiter] = RunVar("computing")
_threads: RunVar[CapacityLimiter] = RunVar("computing_threads")
_PLACE: ContextVar[tuple[CapacityLimiter, object] | None] = ContextVar("PLACE", default=None)


async def compute(work: Callable[[], Result]) -> Result:
    """`work` in a thread, when one for computing is free; in the order of asking."""
    try:
        limiter = _limiter.get()
    except LookupError:
        limiter = CapacityLimiter(_PER_CORE * (os.cpu_count() or 1))
        _limiter.set(limiter)
    place = object()

    def placed() -> Result:
        _PLACE.set((limiter, place))  # in the thread's own copy of the context
        return work()

    await limiter.acquire_on_behalf_of(place)
    try:
        return await run_sync(placed, limiter=_unlimited())
    finally:
        limiter.release_on_behalf_of(place)


@contextmanager
def waiting() -> Iterator[None]:
    """For what waits for another machine within `compute`: its place is another's meanwhile. Elsewhere nothing happens."""
    placed = _PLACE.get()
    if placed is None:
        yield
        return
    limiter, place = placed
    from_thread.run_sync(limiter.release_on_behalf_of, place)
    try:
        yield
    finally:
        from_thread.run(limiter.acquire_on_behalf_of, place)


def _unlimited() -> CapacityLimiter:
    """For threads that have their place already: those of the default limiter are for work that waits."""
    try:
        limiter = _threads.get()
    except LookupError:
        limiter = CapacityLimiter(math.inf)
        _threads.set(limiter)
    return limiter
