"""Answers that need several searches: plan, search, read, until the passages are enough or the steps are used up.

Every search runs under the permit that whoever asks has at that moment, as what takes minutes outlasts many a right; what may not
be read any more by then is not written from. What is written stands under the same contract as any answer. With a
planner that reads perfectly, both documents that a question of `en_hotpotqa200` needs are among its passages in 94 of 100
cases, 81 with one search, 89 with one search for as many passages (`benchmarks/steps.py`).
"""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, Awaitable, Mapping, Sequence
from contextlib import aclosing
from itertools import zip_longest

from anyio.to_thread import run_sync

from rag.answering.code_answers import CodeAnswerer
from rag.answering.contract import DEFAULT_RULES, ContractRules
from rag.answering.report import SECTION, STEP, SectionedGenerator, headed, source_notes
from rag.answering.service import Answerer, AnswerEvent, Asked, _Read, why_unanswered
from rag.answering.waiting import Silence, telling_of_silence
from rag.domain.answer import Abstention, Note, Sentence
from rag.domain.errors import (
    AccessEnded,
    InputError,
    InvalidRequest,
    ModelUnavailable,
    NotAuthenticated,
    NotFound,
    NotPermitted,
)
from rag.domain.language import Language
from rag.domain.passage import Passage
from rag.domain.principal import Permit
from rag.generation.base import GenerationRequest, Generator
from rag.generation.planning import Planner
from rag.generation.prompts.files import prompt_language
from rag.inference.computing import compute
from rag.retrieval.service import Retriever
from rag.retrieval.understanding import QuestionContext
from rag.settings import AnswerSettings
from rag.text.inert import inert
from rag.text.question import QuestionReader

_TEXTS: Mapping[str, tuple[str, str]] = {
    "search": (
        "검색 {number}: {question}: 구절 {passages}개, 새 구절 {new}개",
        "search {number}: {question}: {passages} passages, {new} of them new",
    ),
    "enough": ("더 찾을 것이 없음", "nothing more to look up"),
    "stopped": ("{rounds}차례 찾고 멈춤", "stopped after {rounds} rounds"),
    "unplanned": ("다음 검색을 정하지 못함: {code}", "planning failed: {code}"),
    "no_outline": ("목차를 만들지 못해 제목 없이 씀: {code}", "no outline, so no headings: {code}"),
}
"""What the notes of a step say, in Korean and English."""


class StepwiseAnswerer(Answerer):
    """Answers at once, in steps, or with a report, as it is asked.

    In the stream of the latter two the first search comes first, then what the steps did, then one search result with all
    passages that the answer may cite; sentences follow that.
    """

    def __init__(
        self,
        retriever: Retriever,
        reader: QuestionReader,
        generator: Generator,
        planner: Planner,
        settings: AnswerSettings,
        rules: ContractRules = DEFAULT_RULES,
        *,
        code: CodeAnswerer | None = None,
    ) -> None:
        """Prepare.

        Args:
            settings: also of the answer at once.
            rules: what becomes of sentences that are not held.
            code: as in `Answerer`; answers at once alone.
        """
        least = settings.min_confidence
        super().__init__(retriever, reader, generator, settings.sentences, rules, min_confidence=least, code=code)
        self._planner, self._settings = planner, settings

    async def stream(self, permit: Permit, asked: Asked) -> AsyncGenerator[AnswerEvent, None]:
        """The answer as it comes; raises what the answer at once raises."""
        events = super().stream(permit, asked) if asked.mode == "answer" else self._stepwise(permit, asked)
        async with aclosing(events):
            async for event in events:
                yield event

    async def _stepwise(self, permit: Permit, asked: Asked) -> AsyncGenerator[AnswerEvent, None]:
        begun = time.monotonic()
        read = await compute(lambda: self._read(permit, asked))
        silence = Silence(waited=time.monotonic() - begun)
        yield read.search
        request = self._request(permit, asked, read, begun).in_steps()
        gathered = _Gathered(self._settings.step_passages)
        # What one passage holds of a question that needs several is little: the first search is read all the same.
        gathered.add(request.question, read.search.passages, read.weak)
        async with aclosing(self._further(permit, asked, request, gathered, silence)) as notes:
            async for note in notes:
                yield note
        permit, passages = await run_sync(self._readable, permit, asked, gathered.passages())
        if gathered.weak or not passages:
            yield await run_sync(self._abstention, permit, read)
            return
        yield read.search.showing(passages)
        shown, kinds = 0, set[str]()
        async with aclosing(self._written(permit, request.over(passages), asked, silence)) as events:
            async for event in events:
                shown += isinstance(event, Sentence)
                kinds |= {event.kind} if isinstance(event, Note) else set()
                yield event
        if not shown:
            names = await run_sync(self._retriever.collection_names, permit)
            yield Abstention(why_unanswered(kinds), names, read.missing)

    async def _further(
        self, permit: Permit, asked: Asked, request: GenerationRequest, gathered: _Gathered, silence: Silence
    ) -> AsyncGenerator[Note, None]:
        """Search for what the planner wants, round by round; each search is a note as it happens."""
        yield gathered.told(request.language)
        for _ in range(self._settings.steps):
            request = request.over(gathered.passages())
            further = self._planner.further(request, gathered.questions, self._settings.step_questions)
            planned = _Planned(further, silence)
            try:
                async with aclosing(planned.notes()) as notes:
                    async for note in notes:
                        yield note
            except (ModelUnavailable, InvalidRequest) as error:
                yield _note(request.language, "unplanned", code=error.code)
                return
            if not planned.said:
                yield _note(request.language, "enough")
                return
            for question in planned.said:
                infer = asked.context.infer_filters if asked.context is not None else True
                part = Asked(question, asked.passages, QuestionContext(infer_filters=infer))
                read = await run_sync(self._read_now, permit, asked, part)
                gathered.add(question, () if read.weak else read.search.passages, read.weak)
                yield gathered.told(request.language)
        yield _note(request.language, "stopped", rounds=self._settings.steps)

    def _read_now(self, permit: Permit, asked: Asked, part: Asked) -> _Read:
        return self._read(_permit_now(permit, asked), part)

    def _readable(
        self, permit: Permit, asked: Asked, passages: Sequence[Passage]
    ) -> tuple[Permit, tuple[Passage, ...]]:
        """The permit as it is now, and those of the passages that it covers."""
        if asked.anew is None:
            return permit, tuple(passages)
        now = _permit_now(permit, asked)
        return now, self._retriever.readable(now, passages)

    async def _written(
        self, permit: Permit, request: GenerationRequest, asked: Asked, silence: Silence
    ) -> AsyncGenerator[Sentence | Note, None]:
        """The answer to what was gathered, verified; in the mode `deep` in sections, with its sources at the end."""
        generator, sections = self._generator, 1
        if asked.mode == "deep":
            planned = _Planned(self._planner.outline(request, self._settings.report_sections), silence)
            try:
                async with aclosing(planned.notes()) as notes:
                    async for note in notes:
                        yield note
            except (ModelUnavailable, InvalidRequest) as error:
                yield _note(request.language, "no_outline", code=error.code)
            generator, sections = SectionedGenerator(self._generator, planned.said), max(1, len(planned.said))
        sentences: list[Sentence] = []
        heading = ""
        verified = self._verified(permit, generator, request, sections)
        async with aclosing(telling_of_silence(verified, silence=silence)) as events:
            async for event in events:
                if isinstance(event, Sentence):
                    event, heading = headed(event, heading), ""
                    sentences.append(event)
                elif event.kind == SECTION:
                    heading = event.detail
                yield event
        if asked.mode == "deep":
            for note in source_notes(sentences, request.language):
                yield note


def _permit_now(permit: Permit, asked: Asked) -> Permit:
    """What whoever asks may read at this moment.

    Raises:
        AccessEnded: nothing of what was asked for any more, whichever way that is found out.
    """
    try:
        return permit if asked.anew is None else asked.anew()
    except (NotAuthenticated, NotPermitted, NotFound, InputError) as error:
        raise AccessEnded from error


class _Planned:
    """What a planner is asked for.

    Attributes:
        said: once `notes` have come to their end; nothing where it fails.
    """

    def __init__(self, work: Awaitable[tuple[str, ...]], silence: Silence) -> None:
        self.said: tuple[str, ...] = ()
        self._work = work
        self._silence = silence

    async def notes(self) -> AsyncGenerator[Note, None]:
        """Wait for it: a note where it takes long and that was not told yet. Raises what the planner raises."""
        async with aclosing(telling_of_silence(self._asked(), silence=self._silence)) as coming:
            async for item in coming:
                if isinstance(item, Note):
                    yield item
                else:
                    self.said = item

    async def _asked(self) -> AsyncGenerator[tuple[str, ...], None]:
        yield await self._work


def _note(language: Language, key: str, /, **values: object) -> Note:
    """The text called `key`, in the language of the question."""
    korean, english = _TEXTS[key]
    return Note(STEP, (korean if prompt_language(language) == "ko" else english).format(**values))


class _Gathered:
    """What the searches of one question found.

    Attributes:
        weak: whether none of them found enough to answer what it was for.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._found: list[tuple[str, Sequence[Passage]]] = []
        self._new = 0
        self.weak = True

    @property
    def questions(self) -> tuple[str, ...]:
        """What was searched for, in order."""
        return tuple(question for question, _ in self._found)

    def add(self, question: str, passages: Sequence[Passage], weak: bool) -> None:
        """What a search found that may be read."""
        self.weak = self.weak and weak
        known = {passage.chunk.id for _, found in self._found for passage in found}
        self._new = sum(passage.chunk.id not in known for passage in passages)
        self._found.append((question, passages))

    def told(self, language: Language) -> Note:
        """The last search in words of that language."""
        question, passages = self._found[-1]
        number = len(self._found)
        return _note(language, "search", number=number, question=inert(question), passages=len(passages), new=self._new)

    def passages(self) -> tuple[Passage, ...]:
        """Each passage once: the best of every search, then the second of every search, and so on."""
        rows = zip_longest(*(passages for _, passages in self._found))
        each = {passage.chunk.id: passage for row in rows for passage in row if passage is not None}
        return tuple(passage.at(rank) for rank, passage in enumerate(list(each.values())[: self._most], 1))
