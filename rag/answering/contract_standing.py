"""What is an answer at all: sentences that do not hold are shown beside one that does, and not alone."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing

from rag.domain.answer import Note, Sentence, Support


async def standing(events: AsyncGenerator[Sentence | Note, None]) -> AsyncGenerator[Sentence | Note, None]:
    """The events, marked sentences held back until one that is held comes: a page of marks alone is no answer."""
    waiting: list[Sentence] | None = []
    async with aclosing(events):
        async for event in events:
            if waiting is not None and isinstance(event, Sentence):
                if event.support is Support.UNSUPPORTED:
                    waiting.append(event)
                    continue
                for held in waiting:
                    yield held
                waiting = None
            yield event
