"""From drafts to the sentences that a reader may see: citations are built here, from retrieved passages only."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Sequence

from rag.domain.answer import Citation, Sentence, Support, missing_facts
from rag.domain.passage import Passage
from rag.generation.base import Draft

log = logging.getLogger(__name__)


class CitationBook:
    """Numbers passages in the order in which the answer first cites them."""

    def __init__(self, passages: Sequence[Passage]) -> None:
        self._passages = passages
        self._numbers: dict[int, int] = {}

    def cite(self, index: int, start: int, end: int) -> Citation:
        """A citation of the passage at `index`.

        Raises:
            ValueError: there is no such passage, or the span lies outside it.
        """
        if not 0 <= index < len(self._passages):
            raise ValueError("a passage that was not retrieved")
        number = self._numbers.get(index, len(self._numbers) + 1)
        citation = Citation(number, self._passages[index], start, end)
        self._numbers[index] = number  # only now: a citation that can't be built must not use up a mark
        return citation


def verified(drafts: Iterable[Draft], passages: Sequence[Passage]) -> Iterator[Sentence]:
    """The drafts as sentences. One that does not stand on its passages is marked or, when empty, left out."""
    book = CitationBook(passages)
    for draft in drafts:
        try:
            sentence = _sentence(draft, book)
        except ValueError as error:
            log.warning("a proposed sentence was removed: %s", error)
            continue
        if sentence.text.strip():
            yield sentence


def _sentence(draft: Draft, book: CitationBook) -> Sentence:
    citations = tuple(book.cite(span.index, span.start, span.end) for span in draft.spans)
    if draft.text is None:
        return Sentence("\n".join(item.quote for item in citations), citations, Support.VERBATIM)
    stands = citations and not missing_facts(draft.text, citations)
    return Sentence(draft.text, citations, Support.SUPPORTED if stands else Support.UNSUPPORTED)
