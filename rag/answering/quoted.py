"""A generator of quotations that are chosen already: what the syntax or a comparison of code says needs nobody to write it."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence

from rag.domain.answer import Note
from rag.generation.base import Draft, GenerationRequest


class Quoting:
    """Proposes the given drafts."""

    name = "quoting/1"

    def __init__(self, drafts: Sequence[Draft]) -> None:
        self._drafts = drafts

    async def generate(self, request: GenerationRequest) -> AsyncGenerator[Draft | Note, None]:
        """The drafts, in their order."""
        for draft in self._drafts:
            yield draft

    async def repair(self, request: GenerationRequest, draft: Draft, problems: Sequence[str]) -> Draft | None:
        """None: what is quoted stands as it is, or not at all."""
        return None
