"""The citations of one answer: built from retrieved passages only, numbered as the answer cites them."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from rag.domain.answer import Citation, Sentence, Support, missing_facts
from rag.domain.passage import Passage
from rag.generation.base import Draft, Span

log = logging.getLogger(__name__)


class CitationBook:
    """Numbers passages in the order in which the answer first cites them."""

    def __init__(self, passages: Sequence[Passage]) -> None:
        self._passages = passages
        self._numbers: dict[int, int] = {}

    def sentence(self, draft: Draft, *, stands: bool = True) -> Sentence | None:
        """The draft as a sentence; None when nothing of it can be shown. Only a sentence that is shown uses up marks.

        Args:
            stands: False marks it as unsupported whatever its facts are.
        """
        numbers = dict(self._numbers)
        try:
            citations = tuple(self._cite(span, numbers) for span in draft.spans)
            sentence = _sentence(draft, citations, stands)
        except ValueError as error:
            log.warning("a proposed sentence was removed: %s", error)
            return None
        if not sentence.text.strip():
            return None
        self._numbers = numbers
        return sentence

    def number_of(self, index: int) -> int | None:
        """The mark of a passage that the answer has cited."""
        return self._numbers.get(index)

    def _cite(self, span: Span, numbers: dict[int, int]) -> Citation:
        if not 0 <= span.index < len(self._passages):
            raise ValueError("a passage that was not retrieved")
        number = numbers.setdefault(span.index, len(numbers) + 1)
        return Citation(number, self._passages[span.index], span.start, span.end)


def _sentence(draft: Draft, citations: tuple[Citation, ...], stands: bool) -> Sentence:
    quotes = "\n".join(item.quote for item in citations)
    if draft.text is None or (stands and citations and draft.text == quotes):
        return Sentence(quotes, citations, Support.VERBATIM, draft.gap)
    held = stands and citations and not missing_facts(draft.text, citations)
    return Sentence(draft.text, citations, Support.SUPPORTED if held else Support.UNSUPPORTED, draft.gap)
