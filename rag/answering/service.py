"""From a question under a permit to a cited answer, or a stated refusal."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain

from rag.answering.contract import verified
from rag.answering.evidence import weigh, with_alternatives
from rag.domain.answer import Abstention, AbstentionReason, Answer, Sentence
from rag.domain.passage import Alternative, SearchResult
from rag.domain.principal import Permit
from rag.generation.base import GenerationRequest, Generator
from rag.retrieval.service import Retriever
from rag.retrieval.understanding import QuestionContext
from rag.text.question import QuestionReader


@dataclass(frozen=True, slots=True)
class AnswerRun:
    """One question being answered: the search is done, the sentences come as they are read.

    Attributes:
        abstention: set instead of sentences when the evidence is too weak.
    """

    search: SearchResult
    generator: str
    sentences: Iterator[Sentence]
    abstention: Abstention | None = None

    def complete(self) -> Answer | Abstention:
        """All sentences at once, or the refusal."""
        return self.abstention or Answer(tuple(self.sentences))


class Answerer:
    """Answers questions from permitted passages."""

    def __init__(self, retriever: Retriever, reader: QuestionReader, generator: Generator, max_sentences: int) -> None:
        self._retriever = retriever
        self._reader = reader
        self._generator = generator
        self._max_sentences = max_sentences

    def answer(self, permit: Permit, question: str, passages: int, context: QuestionContext | None = None) -> AnswerRun:
        """Search, weigh the evidence, and begin the answer.

        Raises:
            QuestionTooLong, InvalidRequest: the question can't be asked.
            Unavailable: a part of the service is away; nothing is answered from the model alone.
        """
        with self._retriever.traffic.question():
            return self._answer(permit, question, passages, context)

    def _answer(self, permit: Permit, question: str, passages: int, context: QuestionContext | None) -> AnswerRun:
        search = self._retriever.search(permit, question, limit=passages, context=context)
        asked = search.asked or question
        weights = self._retriever.rarities(permit, self._reader.content_terms(asked))
        evidence = weigh(search.passages, weights, self._terms_with(search.alternatives))
        missing = self._reader.words_for(search.question, evidence.missing)
        if not search.passages or evidence.is_weak(missing):
            return self._abstain(permit, search, missing)
        drafts = self._generator.generate(
            GenerationRequest(
                asked,
                search.trace.language,
                with_alternatives(weights, search.alternatives),
                search.passages,
                self._max_sentences,
            )
        )
        sentences = verified(drafts, search.passages)
        first = next(sentences, None)
        if first is None:  # every proposal was removed: that is no answer
            return self._abstain(permit, search, missing)
        return AnswerRun(search, self._generator.name, chain([first], sentences))

    def _terms_with(self, alternatives: Sequence[Alternative]) -> Callable[[str], Mapping[str, float]]:
        """Terms of a text, and those of the question that it holds in other words."""

        def terms_of(text: str) -> Mapping[str, float]:
            terms = self._reader.terms_of(text)
            held = (item.terms for item in alternatives if item.by <= terms.keys())
            return terms | {term: 1.0 for found in held for term in found}

        return terms_of

    def _abstain(self, permit: Permit, search: SearchResult, missing: tuple[str, ...]) -> AnswerRun:
        reason = AbstentionReason.WEAK_EVIDENCE if search.passages else AbstentionReason.NOTHING_FOUND
        searched = self._retriever.collection_names(permit)
        return AnswerRun(search, self._generator.name, iter(()), Abstention(reason, searched, missing))
