"""A generator that proposes what a test says, and streams read to their end."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Iterable, Sequence
from contextlib import aclosing
from typing import TypeVar

from rag.answering.contract import verified
from rag.domain.answer import Note, Sentence
from rag.domain.language import Language
from rag.domain.passage import Passage
from rag.generation.base import Draft, GenerationRequest

Item = TypeVar("Item")


class Proposing:
    """Proposes the given drafts, and in their place, when asked for better ones, `repairs` in their order."""

    name = "proposing"

    def __init__(self, drafts: Iterable[Draft | Note], repairs: Sequence[Draft | None] = ()) -> None:
        self._drafts, self._repairs = drafts, list(repairs)
        self.problems: list[Sequence[str]] = []

    async def generate(self, request: GenerationRequest) -> AsyncGenerator[Draft | Note, None]:
        for draft in self._drafts:
            yield draft

    async def repair(self, request: GenerationRequest, draft: Draft, problems: Sequence[str]) -> Draft | None:
        self.problems.append(problems)
        return self._repairs.pop(0) if self._repairs else None


def request_for(passages: Sequence[Passage], question: str = "질문", sentences: int = 10) -> GenerationRequest:
    """A Korean request without weights."""
    return GenerationRequest(question, Language.KOREAN, {}, passages, sentences)


def collected(stream: AsyncGenerator[Item, None]) -> list[Item]:
    """All that the stream holds."""

    async def read() -> list[Item]:
        async with aclosing(stream):
            return [item async for item in stream]

    return asyncio.run(read())


def sentences_of(drafts: Iterable[Draft], passages: Sequence[Passage]) -> list[Sentence]:
    """What the contract makes of the drafts."""
    events = collected(verified(Proposing(drafts), request_for(passages)))
    return [item for item in events if isinstance(item, Sentence)]
