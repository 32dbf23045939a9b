"""From a question under a permit to a cited answer, or a stated refusal."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import Literal

from anyio.to_thread import run_sync

from rag.answering.contract import DEFAULT_RULES, ContractRules, standing, verified
from rag.answering.contract_support import SupportChecker
from rag.answering.evidence import weigh, with_alternatives
from rag.domain.answer import Abstention, AbstentionReason, Note, Sentence
from rag.domain.errors import GeneratorMissing
from rag.domain.passage import Alternative, SearchResult
from rag.domain.principal import Permit
from rag.generation.base import DEFAULT_STYLE, AnswerStyle, GenerationRequest, Generator
from rag.inference.computing import compute
from rag.retrieval.service import Retriever
from rag.retrieval.understanding import QuestionContext
from rag.text.question import QuestionReader

AnswerMode = Literal["answer", "steps", "deep"]
"""From one search; from as many as it takes; as a report."""

AnswerEvent = SearchResult | Note | Sentence | Abstention
"""What a stream is made of: the search first, then sentences as they are verified, or one refusal; notes in between.

In steps, a second search result before the sentences holds the passages of all searches.
"""


@dataclass(frozen=True, slots=True)
class Asked:
    """One question, as the caller put it.

    Attributes:
        passages: how many the answer may draw on.
        style: takes the place of that of the collections where it is not the default.
        model: name of a configured generator; empty leaves the choice to the router.
        thinking: None leaves it to the router.
        mode: other than `answer` only where a model writes.
    """

    question: str
    passages: int
    context: QuestionContext | None = None
    style: AnswerStyle = DEFAULT_STYLE
    model: str = ""
    thinking: bool | None = None
    mode: AnswerMode = "answer"


@dataclass(frozen=True, slots=True)
class AnswerOutcome:
    """A stream at its end: sentences, or the refusal."""

    search: SearchResult
    generator: str
    sentences: tuple[Sentence, ...]
    abstention: Abstention | None
    notes: tuple[Note, ...]


@dataclass(frozen=True, slots=True)
class _Read:
    """What is known before a word is written."""

    search: SearchResult
    weights: Mapping[str, float]
    missing: tuple[str, ...]
    weak: bool
    style: AnswerStyle


class Answerer:
    """Answers questions from permitted passages."""

    def __init__(
        self,
        retriever: Retriever,
        reader: QuestionReader,
        generator: Generator,
        max_sentences: int,
        rules: ContractRules = DEFAULT_RULES,
    ) -> None:
        self._rules = rules
        self._checker = SupportChecker(reader, retriever.second_look.reranker)
        self._retriever = retriever
        self._reader = reader
        self._generator = generator
        self._max_sentences = max_sentences

    @property
    def generator_name(self) -> str:
        """Which generator writes."""
        return self._generator.name

    async def stream(self, permit: Permit, asked: Asked) -> AsyncGenerator[AnswerEvent, None]:
        """The answer as it comes. The search runs in a thread; closing the generator stops the engine.

        Raises:
            QuestionTooLong, InvalidRequest: the question can't be asked.
            Unavailable: a part of the service is away; nothing is answered from the model alone.
            GeneratorMissing: this mode needs a model.
        """
        if asked.mode != "answer":
            raise GeneratorMissing
        read = await compute(lambda: self._read(permit, asked))
        yield read.search
        if read.weak:
            yield await run_sync(self._abstention, permit, read)
            return
        shown = 0
        async with aclosing(self._verified(permit, self._generator, self._request(permit, asked, read))) as events:
            async for event in events:
                shown += isinstance(event, Sentence)
                yield event
        if not shown:  # nothing that was proposed is held: that is no answer
            yield await run_sync(self._abstention, permit, read)

    async def complete(
        self, permit: Permit, asked: Asked, on_search: Callable[[SearchResult], None] | None = None
    ) -> AnswerOutcome:
        """The whole answer at once; raises what `stream` raises.

        Args:
            on_search: told what was found, before a word is written: it can be shown even if writing fails.
        """
        search: SearchResult | None = None
        abstention: Abstention | None = None
        sentences: list[Sentence] = []
        notes: list[Note] = []
        async with aclosing(self.stream(permit, asked)) as events:
            async for event in events:
                if isinstance(event, SearchResult):
                    search = event
                    if on_search is not None:
                        on_search(event)
                elif isinstance(event, Abstention):
                    abstention = event
                elif isinstance(event, Sentence):
                    sentences.append(event)
                else:
                    notes.append(event)
        if search is None:
            raise AssertionError("a stream begins with its search")
        return AnswerOutcome(search, self._generator.name, tuple(sentences), abstention, tuple(notes))

    def _read(self, permit: Permit, asked: Asked) -> _Read:
        with self._retriever.traffic.question():
            search = self._retriever.search(permit, asked.question, limit=asked.passages, context=asked.context)
            weights = self._retriever.rarities(permit, self._reader.content_terms(search.asked or asked.question))
        evidence = weigh(search.passages, weights, self._terms_with(search.alternatives))
        missing = self._reader.words_for(search.question, evidence.missing)
        style = asked.style if asked.style != DEFAULT_STYLE else self._retriever.answer_style(permit)
        return _Read(search, weights, missing, not search.passages or evidence.is_weak(missing), style)

    def _verified(
        self, permit: Permit, generator: Generator, request: GenerationRequest
    ) -> AsyncGenerator[Sentence | Note, None]:
        """What `generator` proposes, under the contract that all answers stand under."""
        rules = self._rules.for_question(permit.as_of)
        return standing(verified(generator, request, checker=self._checker, rules=rules))

    def _request(self, permit: Permit, asked: Asked, read: _Read) -> GenerationRequest:
        search = read.search
        return GenerationRequest(
            search.asked or asked.question,
            search.trace.language,
            with_alternatives(read.weights, search.alternatives),
            search.passages,
            self._max_sentences,
            history=asked.context.history if asked.context is not None else (),
            style=read.style,
            model=asked.model,
            thinking=asked.thinking,
            tenant=str(permit.tenant_id),
        )

    def _terms_with(self, alternatives: Sequence[Alternative]) -> Callable[[str], Mapping[str, float]]:
        """Terms of a text, and those of the question that it holds in other words."""

        def terms_of(text: str) -> Mapping[str, float]:
            terms = self._reader.terms_of(text)
            held = (item.terms for item in alternatives if item.by <= terms.keys())
            return terms | {term: 1.0 for found in held for term in found}

        return terms_of

    def _abstention(self, permit: Permit, read: _Read) -> Abstention:
        reason = AbstentionReason.WEAK_EVIDENCE if read.search.passages else AbstentionReason.NOTHING_FOUND
        return Abstention(reason, self._retriever.collection_names(permit), read.missing)
