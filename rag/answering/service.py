"""From a question under a permit to a cited answer, or a stated refusal."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from rag.answering.contract import verified
from rag.answering.evidence import weigh
from rag.domain.answer import Abstention, AbstentionReason, Sentence
from rag.domain.passage import Passage, SearchResult
from rag.domain.principal import Permit
from rag.generation.base import GenerationRequest, Generator
from rag.retrieval.service import Retriever
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


class Answerer:
    """Answers questions from permitted passages."""

    def __init__(self, retriever: Retriever, reader: QuestionReader, generator: Generator, max_sentences: int) -> None:
        self._retriever = retriever
        self._reader = reader
        self._generator = generator
        self._max_sentences = max_sentences

    def answer(self, permit: Permit, question: str, passages: int) -> AnswerRun:
        """Search, weigh the evidence, and begin the answer.

        Raises:
            QuestionTooLong, InvalidRequest: the question can't be asked.
            Unavailable: a part of the service is away; nothing is answered from the model alone.
        """
        search = self._retriever.search(permit, question, limit=passages)
        weights = self._retriever.rarities(permit, self._reader.content_terms(question))
        evidence = weigh(search.passages, weights, self._reader.terms_of)
        if not search.passages or evidence.weak:
            reason = AbstentionReason.WEAK_EVIDENCE if search.passages else AbstentionReason.NOTHING_FOUND
            searched = self._retriever.collection_names(permit)
            return AnswerRun(search, self._generator.name, iter(()), Abstention(reason, searched, evidence.missing))
        drafts = self._generator.generate(
            GenerationRequest(question, search.trace.language, weights, search.passages, self._max_sentences)
        )
        return AnswerRun(search, self._generator.name, verified(drafts, search.passages))


def cited_passages(sentences: list[Sentence]) -> list[Passage]:
    """The passages that the sentences cite, by their marks."""
    cited = {item.number: item.passage for sentence in sentences for item in sentence.citations}
    return [cited[number] for number in sorted(cited)]
