"""Sentences that do not hold are asked for anew while the rest of the answer is read: nobody waits for the other.

A model that takes one generation at a time writes no repair as long as it writes the answer. What it says is therefore read
ahead, and a repair for which there is no room waits for the end of that.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import AsyncGenerator, Sequence
from typing import Any, Generic, TypeVar

from anyio import CancelScope

from rag.answering.citing import squeeze
from rag.answering.upcoming import END
from rag.domain.errors import ModelBusy
from rag.generation.base import Draft, GenerationRequest, Generator
from rag.generation.drafting import begins_section, statement_of

Item = TypeVar("Item")

MOST_REPAIRS = 8
"""Of one answer: one that needs more is no better for them."""
REPAIRS_S = 30.0
"""Together, for one answer, with the wait for a place: its reader sees nothing meanwhile."""
_MOST_SHARES = 3
"""Of these a report in sections has so many at most, one a section at most."""
_AHEAD = 500
"""Items that are read ahead; an answer of so many sentences has other faults."""


class ReadAhead(Generic[Item]):
    """Items of a generator, as they are asked for; from the first repair on it is read while they are dealt with."""

    def __init__(self, source: AsyncGenerator[Item, None]) -> None:
        self._source = source
        self._items: asyncio.Queue[Item] = asyncio.Queue()
        self._room = asyncio.Semaphore(_AHEAD)
        self._reader: asyncio.Task[None] | None = None

    async def items(self) -> AsyncGenerator[Item, None]:
        """The items, and what the generator raises behind them. Closing it closes the generator."""
        try:
            while (item := await self._next()) is not END:
                yield item
            if self._reader is not None:
                await self._reader
        finally:
            with CancelScope(shield=True):
                if self._reader is not None:
                    self._reader.cancel()
                    await asyncio.gather(self._reader, return_exceptions=True)
                await self._source.aclose()

    def begin(self) -> None:
        """From here on the generator is read whether or not its items are asked for. Called between two items."""
        if self._reader is None:
            self._reader = asyncio.create_task(self._read())

    @property
    def reading(self) -> bool:
        """Whether there is more of the generator, as far as is known."""
        return self._reader is not None and not self._reader.done()

    async def ended(self) -> None:
        """Wait for the end of the generator."""
        if self._reader is not None:
            await asyncio.wait({self._reader})

    async def _next(self) -> Item:
        if self._reader is None:
            return await anext(self._source, END)
        item = await self._items.get()
        self._room.release()
        return item

    async def _read(self) -> None:
        try:
            async for item in self._source:
                await self._room.acquire()
                self._items.put_nowait(item)
        finally:
            self._items.put_nowait(END)


class Repairs:
    """Asks for other wordings, within what one answer may cost; of a report, each section within an equal part of it."""

    def __init__(
        self, generator: Generator, request: GenerationRequest, ahead: ReadAhead[Any], sections: int = 1
    ) -> None:
        """`sections`: how many times `next_section` will be called, at most; an answer without any is one."""
        self._generator, self._request, self._ahead = generator, request, ahead
        shares = min(sections, _MOST_SHARES)
        self._part = (math.ceil(MOST_REPAIRS * shares / sections), REPAIRS_S * shares / sections)
        self._begun = 0
        self._left, self._seconds = self._part

    def next_section(self) -> None:
        """From here on another section is read. What those before have left is its own too."""
        if self._begun:
            self._left += self._part[0]
            self._seconds = max(0.0, self._seconds) + self._part[1]
        self._begun += 1

    async def asked(self, draft: Draft, problems: Sequence[str]) -> Draft | None:
        """Another wording; None where there is none, or none any more.

        Raises:
            ModelUnavailable, or one of its kinds: as the generator says.
        """
        if self._left == 0 or self._seconds <= 0:
            return None
        self._left -= 1
        self._ahead.begin()
        begun = time.monotonic()
        try:
            async with asyncio.timeout(self._seconds):
                return await self._with_room(draft, problems)
        except TimeoutError:
            return None
        finally:
            self._seconds -= time.monotonic() - begun

    async def _with_room(self, draft: Draft, problems: Sequence[str]) -> Draft | None:
        beside = self._ahead.reading
        try:
            return await self._generator.repair(self._request, draft, problems)
        except ModelBusy:
            if not beside:
                raise
        await self._ahead.ended()
        return await self._generator.repair(self._request, draft, problems)


class Said:
    """What an answer, or a section of it, says by now in sentences that stand: the same words under another heading say another
    thing."""

    def __init__(self) -> None:
        self._words: set[str] = set()
        self._anew: set[str] = set()

    def again(self, text: str, *, anew: bool) -> bool:
        """Whether a sentence that was written anew has become one that is there, or one is now that another has become: asked for
        a sentence that holds, models like to give the next one. What a model says twice by itself is its own.

        Args:
            anew: whether this one was written in the place of another.
        """
        if begins_section(text):
            self._words, self._anew = set(), set()
        words = squeeze(statement_of(text)).rstrip(".。")
        again = words in (self._words if anew else self._anew)
        self._words.add(words)
        if anew:
            self._anew.add(words)
        return again
