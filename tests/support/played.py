"""A stream that plays what a test wrote down."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from typing import Generic, TypeVar

Item = TypeVar("Item")


class Played(Generic[Item]):
    """Plays items and pauses, raises errors; says whether it was closed.

    Args:
        steps: items, seconds as floats, errors.
    """

    def __init__(self, *steps: Item | float | Exception) -> None:
        self._steps = steps
        self.closed = False

    async def play(self) -> AsyncGenerator[Item, None]:
        try:
            for step in self._steps:
                if isinstance(step, Exception):
                    raise step
                if isinstance(step, float):
                    await asyncio.sleep(step)
                else:
                    yield step
        finally:
            self.closed = True
