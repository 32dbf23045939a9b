"""From drafts to the sentences that a reader may see: citations are built here, from retrieved passages only."""

from __future__ import annotations

import logging
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing

from rag.domain.answer import Citation, Note, Sentence, Support, missing_facts
from rag.domain.passage import Passage
from rag.generation.base import Draft, GenerationRequest, Generator, Span

log = logging.getLogger(__name__)


class CitationBook:
    """Numbers passages in the order in which the answer first cites them."""

    def __init__(self, passages: Sequence[Passage]) -> None:
        self._passages = passages
        self._numbers: dict[int, int] = {}

    def sentence(self, draft: Draft) -> Sentence | None:
        """The draft as a sentence; None when nothing of it can be shown. Only a sentence that is shown uses up marks."""
        numbers = dict(self._numbers)
        try:
            citations = tuple(self._cite(span, numbers) for span in draft.spans)
            sentence = _sentence(draft, citations)
        except ValueError as error:
            log.warning("a proposed sentence was removed: %s", error)
            return None
        if not sentence.text.strip():
            return None
        self._numbers = numbers
        return sentence

    def _cite(self, span: Span, numbers: dict[int, int]) -> Citation:
        if not 0 <= span.index < len(self._passages):
            raise ValueError("a passage that was not retrieved")
        number = numbers.setdefault(span.index, len(numbers) + 1)
        return Citation(number, self._passages[span.index], span.start, span.end)


async def verified(generator: Generator, request: GenerationRequest) -> AsyncGenerator[Sentence | Note, None]:
    """What the generator proposes, as sentences. One that does not stand on its passages is marked or, when empty, left out."""
    book = CitationBook(request.passages)
    async with aclosing(generator.generate(request)) as proposals:
        async for item in proposals:
            if isinstance(item, Note):
                yield item
                continue
            sentence = book.sentence(item)
            if sentence is not None:
                yield sentence


def _sentence(draft: Draft, citations: tuple[Citation, ...]) -> Sentence:
    if draft.text is None:
        return Sentence("\n".join(item.quote for item in citations), citations, Support.VERBATIM)
    stands = citations and not missing_facts(draft.text, citations)
    return Sentence(draft.text, citations, Support.SUPPORTED if stands else Support.UNSUPPORTED)
