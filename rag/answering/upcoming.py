"""The next event of a stream, waited for no longer than somebody wants; what was begun goes on meanwhile."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from typing import Any, Generic, Self, TypeVar

from anyio import CancelScope

Item = TypeVar("Item")

END: Any = object()
"""What stands for the end of a stream where an event could."""


class Upcoming(Generic[Item]):
    """Iterates over `events`, which belong to it from then on. Not safe for several tasks."""

    def __init__(self, events: AsyncGenerator[Item, None]) -> None:
        self._events = events
        self._coming: asyncio.Task[Item] | None = None

    async def comes_within(self, seconds: float) -> bool:
        """Whether the next event, the end or an error is there; the iteration gives it, also when it comes later."""
        if self._coming is None:
            self._coming = asyncio.create_task(_next(self._events))
        await asyncio.wait({self._coming}, timeout=max(0.0, seconds))
        return self._coming.done()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Item:
        if self._coming is None:
            item = await _next(self._events)
        else:
            # Waited for, not awaited: a scope of anyio cancels whoever awaits again and again, and each time would cut short how
            # the events end: they are in a task of their own, which their shields do not cover. `aclose` cancels it once.
            await asyncio.wait({self._coming})
            item, self._coming = self._coming.result(), None
        if item is END:
            raise StopAsyncIteration
        return item

    async def aclose(self) -> None:
        """Stop what is on its way, and close the events, whoever is cancelled meanwhile."""
        with CancelScope(shield=True):
            if self._coming is not None:
                self._coming.cancel()
                await asyncio.gather(self._coming, return_exceptions=True)
            await self._events.aclose()


async def _next(events: AsyncGenerator[Item, None]) -> Item:
    return await anext(events, END)
