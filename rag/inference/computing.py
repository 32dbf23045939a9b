"""Threads for work that computes, fewer than those for work that waits.

A hundred questions in a hundred threads are no faster than in eight, but each then takes as long as all of them, and the event
loop gets its turn among a hundred. With 100 questions at once on two busy cores, a request that needs no computing took 3 to
4.2 s (95th percentile), now 0.5 to 0.65 s; the questions themselves took as long as before.
"""

from __future__ import annotations

import asyncio
import math
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from typing import TypeVar

from anyio import CapacityLimiter
from anyio.lowlevel import RunVar
from anyio.to_thread import run_sync

from rag.inference.traffic import aside

Result = TypeVar("Result")

_PER_CORE = 4
"""Half as many left the others less to wait (0.25 s), but a search also waits: for index, models and reranker on other hosts."""
_LOOKS_S = 1.0
"""How often who waits for a place looks whether its event loop is still there."""
_limiter: RunVar[CapacityLimiter] = RunVar("computing")
_threads: RunVar[CapacityLimiter] = RunVar("computing_threads")
_PLACE: ContextVar[_Place | None] = ContextVar("PLACE", default=None)


async def compute(work: Callable[[], Result]) -> Result:
    """`work` in a thread, when one for computing is free; in the order of asking."""
    try:
        limiter = _limiter.get()
    except LookupError:
        limiter = CapacityLimiter(_PER_CORE * (os.cpu_count() or 1))
        _limiter.set(limiter)
    place = _Place(limiter, asyncio.get_running_loop())

    def placed() -> Result:
        _PLACE.set(place)  # in the thread's own copy of the context
        return work()

    await place.take()
    try:
        return await run_sync(placed, limiter=_unlimited())
    finally:
        place.give_back()


@contextmanager
def waiting() -> Iterator[None]:
    """For what waits for another machine: its place in `compute`, if any, is another's meanwhile, and ingestion goes on."""
    place = _PLACE.get()
    with aside():
        if place is None:
            yield
            return
        place.loop.call_soon_threadsafe(place.give_back)
        try:
            yield
        finally:
            place.take_from_thread()


class _Place:
    """One of the few, taken and given back on its event loop only."""

    def __init__(self, limiter: CapacityLimiter, loop: asyncio.AbstractEventLoop) -> None:
        self._limiter, self.loop = limiter, loop
        self._held = False

    async def take(self) -> None:
        """Wait for it."""
        await self._limiter.acquire_on_behalf_of(self)
        self._held = True

    def take_from_thread(self) -> None:
        """The same from a thread. Not by anyio's way into the loop: that ends with the caller's cancellation, and the thread goes
        on computing."""
        taken = asyncio.run_coroutine_threadsafe(self.take(), self.loop)
        while not taken.done() and not self.loop.is_closed():
            with suppress(TimeoutError):
                taken.result(_LOOKS_S)

    def give_back(self) -> None:
        """To the one that waits longest; nothing where it is not held, as after a loop that ended meanwhile."""
        if self._held:
            self._held = False
            self._limiter.release_on_behalf_of(self)


def _unlimited() -> CapacityLimiter:
    """For threads that have their place already: those of the default limiter are for work that waits."""
    try:
        limiter = _threads.get()
    except LookupError:
        limiter = CapacityLimiter(math.inf)
        _threads.set(limiter)
    return limiter
