"""The last look at an answer: what a model writes by itself is read like any other text."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing

from anyio.to_thread import run_sync

from rag.access.personal_data.reading import answer_filter
from rag.domain.answer import Note, Sentence, Support
from rag.domain.passage import Passage
from rag.domain.principal import Permit
from rag.store.session import Database

HIDDEN = "hidden"
"""Kind of the note that says that something was."""
_LONG = 2000
"""Characters from which on a text is looked through beside the event loop: other answers are not to stand still."""


async def without_hidden(
    events: AsyncGenerator[Sentence | Note, None], database: Database, permit: Permit, passages: Sequence[Passage]
) -> AsyncGenerator[Sentence | Note, None]:
    """The events, with identifiers hidden that the principal may not see and that none of `passages` shows.

    A sentence in which something was hidden is marked unsupported: what it said stood in none of its passages.
    """
    async with aclosing(events):
        hide = await run_sync(answer_filter, database, permit, passages)
        async for event in events:
            if hide is None or isinstance(event, Note):
                yield event
                continue
            text = hide(event.text) if len(event.text) < _LONG else await run_sync(hide, event.text)
            if text == event.text:
                yield event
                continue
            yield Note(HIDDEN, f"{sum(map(str.__ne__, text, event.text))} characters")
            yield Sentence(text, event.citations, Support.UNSUPPORTED, event.gap)
