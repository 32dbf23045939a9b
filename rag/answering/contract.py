"""From drafts to the sentences that a reader may see: citations are built here, from retrieved passages only.

Whatever a model writes: a citation is a passage that was retrieved and that the model named, at the words that the sentence
stands on; a sentence that they do not hold is written anew, marked, or removed, and never given to another passage.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from typing import Literal

from anyio.to_thread import run_sync

from rag.answering.citing import Alignment, Claim, Unit, aligned, claim_of, squeeze, units_of, weights_for, word_share
from rag.answering.contract_citations import CitationBook
from rag.answering.contract_code import code_names, missing_code, telling_lines
from rag.answering.contract_conflicts import CONTRADICTION, Conflict, conflicts_of, sources_of
from rag.answering.contract_problems import REMOVED, UNSUPPORTED, Problem, ProblemKind
from rag.answering.contract_repairs import ReadAhead, Repairs, Said
from rag.answering.contract_support import OTHER_PASSAGE_MARGIN, SURE_WORDS, Judgement, SupportChecker, judge
from rag.answering.report import SECTION
from rag.domain.answer import Note, Sentence, Support
from rag.domain.errors import ModelUnavailable
from rag.domain.language import Language
from rag.domain.list_marks import without_list_marks
from rag.domain.passage import Passage
from rag.domain.told_places import without_places
from rag.generation.base import Draft, GenerationRequest, Generator, Span
from rag.generation.marks import without_stray_marks
from rag.settings import GenerationSettings
from rag.text.inert import defused

log = logging.getLogger(__name__)

_MAX_CITES = 8
"""Passages that one sentence may cite; who names more, names them all for the look of it."""
_MIN_SHARE_OF_CITATION = 0.25
"""Share of the sentence that each further passage must hold, or add, for its citation to stay."""
_TELLING_SHARE = 0.1
"""Under this share of a sentence words tell nothing about where it stands."""
_EXAMINED_CHARACTERS = 4_000
"""Of a sentence's words; its facts and names are read to the end."""


@dataclass(frozen=True, slots=True)
class ContractRules:
    """What becomes of a sentence that is not held.

    Attributes:
        repairs: times that it is written anew.
        unsupported: what becomes of it after that.
        superseded: whether versions that were replaced may be cited, which is so for a question as of a date.
    """

    repairs: int = 1
    unsupported: Literal["mark", "remove"] = "mark"
    superseded: bool = False

    @classmethod
    def of(cls, settings: GenerationSettings) -> ContractRules:
        """The rules of the settings."""
        return cls(settings.repairs, settings.unsupported)

    def for_question(self, as_of: datetime | None) -> ContractRules:
        """The same for a question as of a date, or about the present."""
        return replace(self, superseded=as_of is not None)


DEFAULT_RULES = ContractRules()


@dataclass(frozen=True, slots=True)
class Finding:
    """A draft as it may be shown, and what is wrong with it.

    Attributes:
        draft: with the spans that it stands on, without what may not be cited.
        invented, superseded, idle, contrary: citations that were dropped: of passages that were not retrieved, of replaced
            versions, of passages that hold nothing of the sentence, of documents that say otherwise.
        words: share of its words that the quotes hold.
        anew: whether it was written in the place of another.
    """

    draft: Draft
    problems: tuple[Problem, ...] = ()
    words: float = 1.0
    invented: int = 0
    superseded: int = 0
    idle: int = 0
    contrary: int = 0
    anew: bool = False

    @property
    def stands(self) -> bool:
        """Whether all checks were passed."""
        return not self.problems


class Examiner:
    """Examines the drafts of one answer. What it reads of a passage it keeps for the next sentence. Not thread-safe."""

    def __init__(self, passages: Sequence[Passage], checker: SupportChecker, rules: ContractRules) -> None:
        self._passages = passages
        self._checker = checker
        self._rules = rules
        self._units: dict[int, tuple[Unit, ...]] = {}

    def examine(self, draft: Draft) -> Finding:
        """A draft with its words: which spans it stands on, and whether it does."""
        text = without_stray_marks(draft.text or "").strip()
        known, finding = self._citable(replace(draft, text=text))
        if not text:
            return finding
        if quoted := self._quoted(text, known):
            return replace(finding, draft=replace(finding.draft, spans=quoted))
        return self._aligned(text, known, finding)

    def conflicts(self, sentence: Sentence) -> list[Conflict]:
        """Other passages that state other values for what the sentence's quotes say."""
        return conflicts_of(sentence, self._passages, self._units_of, allow_superseded=self._rules.superseded)

    def _citable(self, draft: Draft) -> tuple[list[int], Finding]:
        """The passages that the draft may cite, each once, and the count of those that it may not."""
        named = list(dict.fromkeys(draft.cites))
        retrieved = [index for index in named if 0 <= index < len(self._passages)]
        current = [index for index in retrieved if self._may_cite(index)]
        invented, superseded = len(named) - len(retrieved), len(retrieved) - len(current)
        kept = current[:_MAX_CITES]
        return kept, Finding(draft, invented=invented, superseded=superseded, idle=len(current) - len(kept))

    def _may_cite(self, index: int) -> bool:
        return self._rules.superseded or self._passages[index].source.valid_to is None

    def _units_of(self, index: int) -> tuple[Unit, ...]:
        if index not in self._units:
            self._units[index] = units_of(self._passages[index], self._checker.terms_of)
        return self._units[index]

    def _quoted(self, text: str, known: Sequence[int]) -> tuple[Span, ...]:
        """The span of a text that is whole sentences of one of the passages, word for word."""
        for index in known:
            start = self._passages[index].chunk.text.find(text)
            if start < 0:
                continue
            spans = [span for unit in self._units_of(index) for span in unit.spans]
            if start in (first for first, _ in spans) and start + len(text) in (last for _, last in spans):
                return (Span(index, start, start + len(text)),)
        return ()

    def _aligned(self, text: str, known: Sequence[int], finding: Finding) -> Finding:
        given = finding.draft.spans
        indexes = list(dict.fromkeys([*(span.index for span in given if self._is_span(span)), *known]))
        claim = self._claim(text, indexes)
        units = [unit for index in indexes for unit in self._units_of(index)]
        if not units:
            return replace(finding, problems=(Problem(ProblemKind.UNCITED),))
        weights = weights_for(claim, units)
        found = [self._given(index, given) or self._alignment(claim, index, weights) for index in indexes]
        useful = _useful(found)
        judged = partial(judge, claim, units=units, checker=self._checker)
        kept, judgement = sources_of(claim, useful, self._passages, judged)
        problems = judgement.problems or self._held_elsewhere(claim, indexes, weights, judgement)
        problems = problems or self._code_missing(text, indexes, kept)
        spans = given or tuple(Span(item.index, *span) for item in kept for span in self._quote(item, claim))
        draft = replace(finding.draft, spans=spans)
        idle, contrary = finding.idle + len(found) - len(useful), len(useful) - len(kept)
        return replace(finding, draft=draft, problems=problems, idle=idle, contrary=contrary, words=judgement.words)

    def _claim(self, text: str, indexes: Sequence[int]) -> Claim:
        """A draft's words, read; about source code what is in backticks is a name, and a place of the code is none."""
        cited = [self._passages[index] for index in indexes]
        text = without_list_marks(without_places(text, cited))
        claim = claim_of(text, lambda words: self._checker.terms_of(words[:_EXAMINED_CHARACTERS]))
        if not any(item.chunk.language is Language.CODE for item in cited):
            return claim
        return replace(claim, names=tuple(dict.fromkeys((*claim.names, *code_names(text)))))

    def _code_missing(self, text: str, indexes: Sequence[int], kept: Sequence[Alignment]) -> tuple[Problem, ...]:
        """Whether the sentence has something in backticks that the quoted code has not."""
        if not any(self._passages[index].chunk.language is Language.CODE for index in indexes):
            return ()
        named = code_names(without_places(text, [self._passages[index] for index in indexes]))
        missing = missing_code(named, [unit for item in kept for unit in item.units])
        return (Problem(ProblemKind.NAMES, tuple(missing)),) if missing else ()

    def _quote(self, found: Alignment, claim: Claim) -> tuple[tuple[int, int], ...]:
        """The places of an alignment, each once; of code only the lines that tell."""
        text = self._passages[found.index].chunk.text
        return tuple(dict.fromkeys(span for unit in found.units for span in telling_lines(unit, text, claim)))

    def _alignment(self, claim: Claim, index: int, weights: dict[str, float]) -> Alignment:
        """By words; where those tell nothing, as across languages, by the reranker."""
        units = self._units_of(index)
        found = aligned(claim, index, units, weights)
        if found.score >= _TELLING_SHARE:
            return found
        best = self._checker.best(claim.text, [unit.text for unit in units])
        return found if best is None else Alignment(index, (units[best[0]],), best[1])

    def _held_elsewhere(
        self, claim: Claim, cited: Sequence[int], weights: dict[str, float], judgement: Judgement
    ) -> tuple[Problem, ...]:
        """Whether a passage that is not cited holds so much more that the citation must be a mistake."""
        if judgement.words >= SURE_WORDS or not weights:
            return ()
        for index in range(len(self._passages)):
            if index in cited or not self._may_cite(index):
                continue
            whole = squeeze(self._passages[index].chunk.search_text)
            if sum(weight for term, weight in weights.items() if term in whole) < judgement.words * sum(
                weights.values()
            ):
                continue  # not even all of it holds as much
            other = aligned(claim, index, self._units_of(index), weights)
            if word_share(other.units, weights) >= judgement.words + OTHER_PASSAGE_MARGIN:
                return (Problem(ProblemKind.OTHER_PASSAGE),)
        return ()

    def _is_span(self, span: Span) -> bool:
        return 0 <= span.index < len(self._passages)

    def _given(self, index: int, spans: Sequence[Span]) -> Alignment | None:
        """What the generator itself says that the sentence stands on, in one passage."""
        own = [(span.start, span.end) for span in spans if span.index == index]
        if not own:
            return None
        units = [
            unit for unit in self._units_of(index) if any(_overlap(span, part) for span in own for part in unit.spans)
        ]
        return Alignment(index, tuple(units), 1.0)


def _overlap(one: tuple[int, int], other: tuple[int, int]) -> bool:
    return one[0] < other[1] and other[0] < one[1]


def _useful(found: Sequence[Alignment]) -> list[Alignment]:
    """The passage that holds most, and those others that hold something worth a citation."""
    best = max(found, key=lambda item: item.score)
    return [item for item in found if item.units and (item is best or item.score >= _MIN_SHARE_OF_CITATION)]


async def verified(
    generator: Generator,
    request: GenerationRequest,
    *,
    checker: SupportChecker | None = None,
    rules: ContractRules = DEFAULT_RULES,
    sections: int = 1,
) -> AsyncGenerator[Sentence | Note, None]:
    """What the generator proposes, as sentences, each examined as it comes.

    A sentence that does not stand on its passages is written anew, then marked or removed. Notes say what was done.

    Args:
        checker: None goes by words alone.
        sections: how many the answer has; each may have its share of sentences written anew.

    Raises:
        What the generator raises.
    """
    ahead = ReadAhead(generator.generate(request))
    repairs = Repairs(generator, request, ahead, sections)
    lane = _Lane(repairs, request, checker or SupportChecker.lexical(), rules)
    async with aclosing(ahead.items()) as proposals:
        async for item in proposals:
            if isinstance(item, Note):
                if item.kind == SECTION:
                    repairs.next_section()
                    lane.said = Said()
                yield item
                continue
            for event in await lane.settle(item):
                yield event


class _Lane:
    """One answer on its way: its repairs, its examiner, its marks."""

    def __init__(
        self, repairs: Repairs, request: GenerationRequest, checker: SupportChecker, rules: ContractRules
    ) -> None:
        self._repairs, self._request, self._rules = repairs, request, rules
        self._examiner = Examiner(request.passages, checker, rules)
        self._book = CitationBook(request.passages)
        self._dated: set[int] = set()
        self._flagged: set[int] = set()
        self._shown: set[tuple[int, int, int]] = set()
        self.said = Said()

    async def settle(self, draft: Draft) -> list[Sentence | Note]:
        """What a reader sees of a draft."""
        if draft.text is None:
            return self._quotation(draft)
        finding = await run_sync(self._examiner.examine, draft)
        notes = [*_dropped(finding), *_defused(draft)]
        if not finding.stands:
            finding, more = await self._repaired(finding)
            notes += more
        if not (finding.draft.text or "").strip():
            return list(notes)
        if finding.stands and self.said.again(finding.draft.text or "", anew=finding.anew):
            return [*notes, Note(REMOVED, "1 sentence: said already")]
        shown = finding.stands or self._rules.unsupported == "mark"
        sentence = self._book.sentence(finding.draft, stands=finding.stands) if shown else None
        if sentence is None:
            return [*notes, Note(REMOVED, f"1 sentence: {_kinds(finding) or 'broken spans'}")]
        if sentence.support is Support.UNSUPPORTED:
            unsupported = Note(UNSUPPORTED, _kinds(finding) or ProblemKind.FACTS.value)
            return [*notes, unsupported, sentence, *self._versions(sentence)]
        return [*notes, sentence, *self._versions(sentence), *await self._contradicted(sentence)]

    def _quotation(self, draft: Draft) -> list[Sentence | Note]:
        sentence = self._book.sentence(draft)
        if sentence is None:
            return [Note(REMOVED, "1 quotation: broken spans")]
        return [sentence, *self._versions(sentence)]

    async def _repaired(self, finding: Finding) -> tuple[Finding, list[Note]]:
        """The sentence written anew as often as the rules allow, until it stands; else as it was."""
        best = finding
        for _ in range(self._rules.repairs):
            problems = [problem.said(self._request.language) for problem in best.problems]
            try:
                draft = await self._repairs.asked(best.draft, problems)
            except ModelUnavailable as error:
                log.warning("a sentence was not written anew: %s", error)
                break
            if draft is None or draft.text is None:
                break
            again = await run_sync(self._examiner.examine, replace(draft, gap=finding.draft.gap))
            if again.stands and again.draft.text:
                return replace(again, anew=True), [*_dropped(again), Note("repaired", _kinds(finding))]
            if again.draft.text and len(again.problems) < len(best.problems):
                best = again
        return best, []

    def _versions(self, sentence: Sentence) -> list[Note]:
        """Says once of each replaced version that it was one, and until when it held; of each flagged one that it is."""
        notes = []
        for item in sentence.citations:
            if item.passage.source.flagged and item.number not in self._flagged:
                self._flagged.add(item.number)
                notes.append(Note("flagged", f"[{item.number}] waits for a review: it seems to speak to a model"))
            until = item.passage.source.valid_to
            if until is not None and item.number not in self._dated:
                self._dated.add(item.number)
                notes.append(Note("superseded", f"[{item.number}] until {until.date().isoformat()}"))
        return notes

    async def _contradicted(self, sentence: Sentence) -> list[Sentence | Note]:
        """What other documents state otherwise, beside the sentence: both are shown, and which is right is not for code."""
        events: list[Sentence | Note] = []
        for conflict in await run_sync(self._examiner.conflicts, sentence):
            place = (conflict.index, *conflict.spans[-1])
            own = next(
                item.number for item in sentence.citations if item.passage is self._request.passages[conflict.cited]
            )
            new = place not in self._shown and conflict.index not in self._indexes_of(sentence)
            self._shown.add(place)
            other = (
                self._book.sentence(Draft(tuple(Span(conflict.index, *span) for span in conflict.spans)))
                if new
                else None
            )
            number = self._book.number_of(conflict.index)
            if number is not None and Note(CONTRADICTION, f"[{number}] [{own}]") not in events:  # both may be cited
                events.append(Note(CONTRADICTION, f"[{own}] [{number}]"))
            if other is not None:
                events.append(other)
        return events

    def _indexes_of(self, sentence: Sentence) -> set[int]:
        cited = {id(item.passage) for item in sentence.citations}
        return {index for index, passage in enumerate(self._request.passages) if id(passage) in cited}


def _dropped(finding: Finding) -> list[Note]:
    """Notes about citations that are not shown."""
    counts = (
        (finding.invented, "never retrieved"),
        (finding.superseded, "superseded version"),
        (finding.idle, "holds nothing of the sentence"),
        (finding.contrary, "says otherwise"),
    )
    return [Note(REMOVED, f"{count} citation{'s' if count > 1 else ''}: {why}") for count, why in counts if count]


def _defused(draft: Draft) -> list[Note]:
    """A note about what a sentence would have shown besides words (`rag.answering.rendering` shows words alone)."""
    removed = defused(draft.text or "").removed
    return [Note("links", f"of the model, not shown: {removed}")] if removed else []


def _kinds(finding: Finding) -> str:
    return ", ".join(problem.kind.value for problem in finding.problems)
