"""The limits that a caller sets to an answer: its length, and words at which it ends.

An answer is made of whole sentences, each with its citations: a limit ends it before the sentence that would pass it.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing

from anyio.to_thread import run_sync

from rag.answering.contract_problems import REMOVED, UNSUPPORTED
from rag.answering.rendering import render
from rag.answering.service import AnswerEvent
from rag.domain.answer import Abstention, Note, Sentence
from rag.generation.base import LIMITED, NO_ANSWER, TRUNCATED


async def limited(
    events: AsyncGenerator[AnswerEvent, None],
    count: Callable[[str], int],
    *,
    most_tokens: int | None = None,
    stop: Sequence[str] = (),
) -> AsyncGenerator[AnswerEvent, None]:
    """The events up to the sentence that would make the answer longer than `most_tokens`, or that holds one of `stop`.

    What comes after is not waited for: the model is stopped. A refusal stands for no model's words, and is given whole; but an
    answer that the caller's limit alone ended before its first sentence is no refusal. One that the limit of the settings
    ended, in which the model said that it had none, or of which no sentence held, is.

    Args:
        count: tokens of a text, in the terms in which the caller is told what it used.
    """
    offset, tokens, limited, refused = 0, 0, False, False
    async with aclosing(events):
        async for event in events:
            if isinstance(event, Sentence):
                rendered = render(event, offset)
                offset = rendered.end
                if any(word in rendered.text for word in stop if word):
                    return
                tokens += await run_sync(count, rendered.text) if most_tokens is not None else 0
                if most_tokens is not None and tokens > most_tokens:
                    yield Note(TRUNCATED, f"ended before it was longer than {most_tokens} tokens, as the caller wishes")
                    return
            elif isinstance(event, Note):
                limited = limited or event.kind == LIMITED
                refused = refused or event.kind in (NO_ANSWER, REMOVED, UNSUPPORTED)
            elif isinstance(event, Abstention) and limited and not refused:
                return
            yield event
