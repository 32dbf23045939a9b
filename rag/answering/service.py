"""From a question under a permit to a cited answer, or a stated refusal."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, Callable, Collection, Mapping
from contextlib import aclosing
from copy import copy
from dataclasses import dataclass
from typing import Literal

from anyio.to_thread import run_sync

from rag.answering.code_answers import CodeAnswerer
from rag.answering.contract import DEFAULT_RULES, ContractRules, verified
from rag.answering.contract_problems import REMOVED, UNSUPPORTED
from rag.answering.contract_standing import standing
from rag.answering.contract_support import SupportChecker
from rag.answering.evidence import Evidence, weigh, with_alternatives
from rag.answering.prepared import Prepared
from rag.answering.privacy import without_hidden
from rag.answering.quoted import Quoting
from rag.answering.report import SECTION_TRUNCATED
from rag.answering.signals import RIVALS, QuestionTerms
from rag.answering.waiting import Silence, telling_of_silence
from rag.domain.answer import Abstention, AbstentionReason, Note, Sentence, Weakness
from rag.domain.errors import GeneratorMissing
from rag.domain.passage import Passage, SearchResult
from rag.domain.principal import Permit
from rag.generation.base import DEFAULT_STYLE, NO_ANSWER, TRUNCATED, AnswerStyle, GenerationRequest, Generator
from rag.generation.extractive import ExtractiveGenerator
from rag.inference.computing import compute
from rag.retrieval.service import Retriever
from rag.retrieval.understanding import QuestionContext
from rag.settings import AnswerSettings
from rag.text.question import QuestionReader

AnswerMode = Literal["answer", "steps", "deep"]
"""From one search; from as many as it takes; as a report."""

AnswerEvent = SearchResult | Note | Sentence | Abstention
"""What a stream is made of: the search first, then sentences as they are verified, or one refusal; notes in between.

In steps, a second search result before the sentences holds the passages of all searches.
"""
_NOT_HELD = frozenset({REMOVED, UNSUPPORTED})
_CUT = frozenset({TRUNCATED, SECTION_TRUNCATED})


@dataclass(frozen=True, slots=True)
class Asked:
    """One question, as the caller put it.

    Attributes:
        passages: how many the answer may draw on.
        style: takes the place of that of the collections where it is not the default.
        model: name of a configured generator; empty leaves the choice to the router.
        thinking: None leaves it to the router.
        most_tokens, temperature: what the caller wants of whoever writes, where a model does; None leaves it to the settings.
        mode: other than `answer` only where a model writes.
        hides: passages that are to be as if they were not in the store; for evaluation only, no caller's wish.
        anew: the permit of the caller at another moment; without, that of the beginning holds to the end.
        unseen: whether the caller sees nothing before the answer is complete, and waits less long for its first token.
    """

    question: str
    passages: int
    context: QuestionContext | None = None
    style: AnswerStyle = DEFAULT_STYLE
    model: str = ""
    thinking: bool | None = None
    mode: AnswerMode = "answer"
    most_tokens: int | None = None
    temperature: float | None = None
    hides: Callable[[Passage], bool] | None = None
    anew: Callable[[], Permit] | None = None
    unseen: bool = False


@dataclass(frozen=True, slots=True)
class AnswerOutcome:
    """A stream at its end: sentences, or the refusal.

    Attributes:
        search: all that was found.
        first: what the question itself found, where more was searched for after it.
    """

    search: SearchResult
    generator: str
    sentences: tuple[Sentence, ...]
    abstention: Abstention | None
    notes: tuple[Note, ...]
    first: SearchResult | None = None


@dataclass(frozen=True, slots=True)
class _Read:
    """What is known before a word is written."""

    search: SearchResult
    weights: Mapping[str, float]
    missing: tuple[str, ...]
    evidence: Evidence
    weaknesses: tuple[Weakness, ...]
    weak: bool
    style: AnswerStyle
    prepared: Prepared | None = None


class Answerer:
    """Answers questions from permitted passages."""

    def __init__(
        self,
        retriever: Retriever,
        reader: QuestionReader,
        generator: Generator,
        max_sentences: int,
        rules: ContractRules = DEFAULT_RULES,
        *,
        min_confidence: float = AnswerSettings().min_confidence,
        code: CodeAnswerer | None = None,
    ) -> None:
        """Prepare.

        Args:
            rules: what becomes of sentences that are not held.
            min_confidence: what the evidence must reach; no caller can ask for less.
            code: answers questions about code that its syntax and its history answer better than a search.
        """
        self._rules = rules
        self._checker = SupportChecker(reader, retriever.second_look.reranker)
        self._retriever = retriever
        self._reader = reader
        self._generator = generator
        self._max_sentences = max_sentences
        self._min_confidence = min_confidence
        self._refuses = True
        self.code = code

    def refusing_nothing(self) -> Answerer:
        """The same, which answers from whatever it finds and says only what it doubts: for evaluation."""
        other = copy(self)
        other._refuses = False
        return other

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
        begun = time.monotonic()
        read = await compute(lambda: self._read(permit, asked))
        silence = Silence(waited=time.monotonic() - begun)
        yield read.search
        if read.weak:
            yield await run_sync(self._abstention, permit, read)
            return
        kinds: set[str] = set()
        for note in read.prepared.notes if read.prepared is not None else ():
            yield note
        shown = 0
        writer = self._writing(read)
        written = self._verified(permit, writer, self._request(permit, asked, read, begun))
        quotes = isinstance(writer, ExtractiveGenerator | Quoting)  # and no model is waited for
        async with aclosing(written if quotes else telling_of_silence(written, silence=silence)) as events:
            async for event in events:
                shown += isinstance(event, Sentence)
                kinds |= {event.kind} if isinstance(event, Note) else set()
                yield event
        if not shown:  # nothing that was proposed is held: that is no answer
            yield await run_sync(self._abstention, permit, read, kinds)

    async def complete(
        self, permit: Permit, asked: Asked, on_search: Callable[[SearchResult], None] | None = None
    ) -> AnswerOutcome:
        """The whole answer at once; raises what `stream` raises.

        Args:
            on_search: told what was found, before a word is written: it can be shown even if writing fails.
        """
        search: SearchResult | None = None
        first: SearchResult | None = None
        abstention: Abstention | None = None
        sentences: list[Sentence] = []
        notes: list[Note] = []
        async with aclosing(self.stream(permit, asked)) as events:
            async for event in events:
                if isinstance(event, SearchResult):
                    search, first = event, first or event
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
        return AnswerOutcome(search, self._generator.name, tuple(sentences), abstention, tuple(notes), first)

    def _writing(self, read: _Read) -> Generator:
        """Who writes: what was chosen to be quoted is, unless a model can say it better."""
        prepared = read.prepared
        if prepared is not None and (prepared.listing or isinstance(self._generator, ExtractiveGenerator)):
            return Quoting(prepared.drafts)
        return self._generator

    def _read(self, permit: Permit, asked: Asked) -> _Read:
        prepared = self._prepared(permit, asked)
        if prepared is not None:
            return self._read_prepared(permit, asked, prepared)
        with self._retriever.traffic.question():
            # The evidence is held against as many rivals however few passages the caller wants.
            limit = max(asked.passages, RIVALS)
            search = self._search(permit, asked, limit)
            text = search.asked or asked.question
            weights = self._retriever.rarities(permit, self._reader.content_terms(text))
            bigrams = self._retriever.rarities(permit, self._reader.bigrams_of(text))
        terms = QuestionTerms(text, weights, bigrams, self._reader.terms_of, search.alternatives)
        evidence = weigh(terms, search.passages, asked.passages)
        missing = self._reader.words_for(search.question, evidence.missing)
        style = asked.style if asked.style != DEFAULT_STYLE else self._retriever.answer_style(permit)
        weaknesses = evidence.weaknesses(self._min_confidence)
        search = search.first(asked.passages).weighed(evidence.confidence, weaknesses)
        weak = not search.passages or (self._refuses and bool(weaknesses))
        return _Read(search, weights, missing, evidence, weaknesses, weak, style)

    def _prepared(self, permit: Permit, asked: Asked) -> Prepared | None:
        if self.code is None or asked.hides is not None or asked.mode != "answer":
            return None
        with self._retriever.traffic.question():
            return self.code.prepared(permit, asked.question, asked.passages, asked.context)

    def _read_prepared(self, permit: Permit, asked: Asked, prepared: Prepared) -> _Read:
        search, evidence = prepared.search, prepared.evidence
        weights = self._retriever.rarities(permit, self._reader.content_terms(search.asked))
        missing = self._reader.words_for(search.question, evidence.missing)
        style = asked.style if asked.style != DEFAULT_STYLE else self._retriever.answer_style(permit)
        weaknesses = evidence.weaknesses(self._min_confidence)
        search = search.weighed(evidence.confidence, weaknesses)
        weak = not search.passages or (self._refuses and bool(weaknesses))
        return _Read(search, weights, missing, evidence, weaknesses, weak, style, prepared)

    def _search(self, permit: Permit, asked: Asked, limit: int) -> SearchResult:
        if asked.hides is None:
            return self._retriever.search(permit, asked.question, limit=limit, context=asked.context)
        search = self._retriever.search(permit, asked.question, limit=2 * limit, context=asked.context)
        left = tuple(passage for passage in search.passages if not asked.hides(passage))
        return search.showing(left[:limit])

    def _verified(
        self, permit: Permit, generator: Generator, request: GenerationRequest, sections: int = 1
    ) -> AsyncGenerator[Sentence | Note, None]:
        """What `generator` proposes, under the contract that all answers stand under."""
        rules = self._rules.for_question(permit.as_of)
        events = standing(verified(generator, request, checker=self._checker, rules=rules, sections=sections))
        return without_hidden(events, self._retriever.database, permit, request.passages)

    def _request(self, permit: Permit, asked: Asked, read: _Read, begun: float) -> GenerationRequest:
        """`begun`: instant of `time.monotonic` at which the question came."""
        search = read.search
        return GenerationRequest(
            asked.question if read.prepared is not None else search.asked or asked.question,
            search.trace.language,
            with_alternatives(read.weights, search.alternatives),
            search.passages,
            self._max_sentences,
            history=asked.context.history if asked.context is not None else (),
            style=read.style,
            model=asked.model,
            thinking=asked.thinking,
            tenant=str(permit.tenant_id),
            relevances=read.evidence.relevances[: len(search.passages)],
            most_tokens=asked.most_tokens,
            temperature=asked.temperature,
            unseen_since=begun if asked.unseen else None,
        )

    def _abstention(self, permit: Permit, read: _Read, kinds: Collection[str] = ()) -> Abstention:
        """The refusal; `kinds` are those of the notes of a model that wrote nothing to be shown."""
        reason = why_unanswered(kinds) if read.search.passages else AbstentionReason.NOTHING_FOUND
        names = self._retriever.collection_names(permit)
        because = read.weaknesses if read.search.passages else ()
        return Abstention(reason, names, read.missing, because, read.evidence.confidence)


def why_unanswered(kinds: Collection[str]) -> AbstentionReason:
    """Why a generator that was asked has given no sentence to be shown, by the kinds of its notes.

    That it found no answer counts most: then what is not there, or is cut off, is no loss.
    """
    if NO_ANSWER in kinds:
        return AbstentionReason.WEAK_EVIDENCE
    if not _NOT_HELD.isdisjoint(kinds):
        return AbstentionReason.NOT_HELD
    return AbstentionReason.WEAK_EVIDENCE if _CUT.isdisjoint(kinds) else AbstentionReason.CUT_SHORT
