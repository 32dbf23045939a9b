"""The generator of the embedded shape: it quotes. Every sentence is a span of a passage, so nothing can be invented.

Sentences are chosen by how much of the question's weight they cover, each next one by what it adds (maximal marginal
relevance over terms, Carbonell & Goldstein 1998); the heading path and the rank of the passage break the ties that short
sentences leave open.
"""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from uuid import UUID

from rag.domain.answer import Note
from rag.domain.language import CollectionKind, Language
from rag.domain.passage import Passage, Source
from rag.generation.base import Draft, GenerationRequest, Span
from rag.generation.code_quotes import quoted_lines
from rag.inference.computing import compute
from rag.inference.traffic import Traffic
from rag.text.sentences import split_sentences

TermsOf = Callable[[str], Mapping[str, float]]

_HEADING_SHARE = 0.6
"""What a term in the heading path counts against one in the sentence: an article's title speaks for all its sentences."""
_NEIGHBOUR_SHARE = 0.3
"""What a term elsewhere in the same section of the passage counts: it shows the subject, not the statement."""
_RANK_SHARE = 0.35
"""Weight of the retriever's own order, falling from the first passage to the last."""
_RANK_SHARE_OF_CODE = 1.2
"""The same for what is quoted first where collections of code alone are asked, whose words seldom are the question's."""
_FIRST_SHARE = 0.35
"""What a passage's relevance counts besides when the first sentence is chosen, where the evidence was weighed. Anything from 0 to
0.7 does as well on `ko_finlaw` (right article first .81 to .82); with it in the place of the rank other answers get worse."""
_QUANTITY_BONUS = 0.15
_MIN_GAIN = 0.12
"""A further sentence must add this share of the question's weight, or come from the best passage next to the best one."""
_OTHER_KIND_SHARE = 0.75
"""Of the best quotation's score, what the best one of the other kind (code beside documents) needs to stand beside it."""
_MORE_PLACES, _PLACE_SHARE = 2, 0.6
"""Files of a repository that are quoted beside the best one, and the share of its score that they need."""
_QUANTITY = re.compile(
    r"몇|얼마|언제|며칠|기간|기한|한도|금액|횟수|비율|how (?:many|much|long|often|old)|when\b"
    r"|what (?:time|date|percentage|port|version)|limit|maximum|minimum|timeout|default",
    re.IGNORECASE,
)
_BLOCK = re.compile(r"[^\n]+(?:\n[^\n]+)*")
_INNER_HEADING = re.compile(r"(?![-*+•·▪○●※|]|\d+[.)]|[가-하][.)]|[①-⑳])[^\n]{1,60}(?<![.?!:;…。다])")
"""A line of its own that is neither a list's item nor the end of a sentence."""
_DIGIT = re.compile(r"\d|[一二三四五六七八九十百]|하나|첫째")


@dataclass(frozen=True, slots=True)
class _Candidate:
    spans: tuple[Span, ...]
    covered: frozenset[str]
    score: float
    passage: int
    as_first: float


class ExtractiveGenerator:
    """Quotes the sentences that answer best."""

    name = "extractive/1"

    def __init__(self, terms_of: TermsOf, traffic: Traffic | None = None) -> None:
        """Prepare.

        Args:
            traffic: is told while sentences are chosen, so that ingestion gives way.
        """
        self._terms_of = terms_of
        self._traffic = traffic or Traffic()

    async def generate(self, request: GenerationRequest) -> AsyncGenerator[Draft | Note, None]:
        """Verbatim drafts, best evidence first."""
        for draft in await compute(lambda: self._chosen(request)):
            yield draft

    def _chosen(self, request: GenerationRequest) -> list[Draft]:
        with self._traffic.question():
            return list(self.drafts(request))

    async def repair(self, request: GenerationRequest, draft: Draft, problems: Sequence[str]) -> Draft | None:
        """None: what is quoted stands as it is, or not at all."""
        return None

    def drafts(self, request: GenerationRequest) -> Iterator[Draft]:
        """The drafts, in this thread."""
        total = sum(request.weights.values())
        if total <= 0:
            return
        candidates = [
            candidate
            for index, passage in enumerate(request.passages)
            for candidate in self._candidates(request, index, passage, total)
        ]
        for chosen in _choose(candidates, request, total):
            yield Draft(chosen.spans)

    def _candidates(
        self, request: GenerationRequest, index: int, passage: Passage, total: float
    ) -> Iterator[_Candidate]:
        weights = request.weights
        heading = self._terms_of("\n".join(passage.chunk.heading_path)).keys() & weights.keys()
        sections = [
            (end, self._terms_of(passage.chunk.text[start:end]).keys() & weights.keys())
            for start, end in _sections(passage.chunk.text)
        ]
        rank = 1.0 - index / max(1, len(request.passages))
        most = max(request.relevances, default=0.0)
        first = _FIRST_SHARE * request.relevances[index] / most if most else 0.0
        if all(item.source.collection_kind is CollectionKind.CODE for item in request.passages):
            first += (_RANK_SHARE_OF_CODE - _RANK_SHARE) * rank
        wants_quantity = bool(_QUANTITY.search(request.question))
        for spans in _units(passage, index, weights, self._terms_of):
            text = "\n".join(passage.chunk.text[span.start : span.end] for span in spans)
            # A sentence of 제24조제1항 holds that number, though it stands only in the heading or before the text.
            provision = passage.chunk.provision_of(spans[0].start, spans[-1].end)
            own = (self._terms_of(text).keys() | self._terms_of(provision).keys()) & weights.keys()
            whole = next(terms for end, terms in sections if spans[-1].start < end)
            score = _mass(own, weights) + _HEADING_SHARE * _mass(heading - own, weights)
            score = (score + _NEIGHBOUR_SHARE * _mass(whole - own - heading, weights)) / total + _RANK_SHARE * rank
            if wants_quantity and own and _DIGIT.search(text):
                score += _QUANTITY_BONUS
            if own or heading:
                yield _Candidate(spans, frozenset(own | heading), score, index, score + first)


def _sections(text: str) -> list[tuple[int, int]]:
    """Where the small sections begin and end that share a passage: each at a line that stands alone and ends no sentence."""
    starts = [0]
    for block in _BLOCK.finditer(text):
        if _INNER_HEADING.fullmatch(block[0]) and block.start() > 0:
            starts.append(block.start())
    return list(pairwise([*starts, len(text)]))


def _mass(terms: frozenset[str] | set[str], weights: Mapping[str, float]) -> float:
    return sum(weights[term] for term in terms)


def _choose(candidates: Sequence[_Candidate], request: GenerationRequest, total: float) -> Iterator[_Candidate]:
    remaining = sorted(candidates, key=lambda item: (-item.as_first, item.passage, item.spans[-1].start))
    if not remaining:
        return
    best = remaining.pop(0)
    chosen, covered = [best], set(best.covered)
    yield best
    if request.max_sentences > 1 and (other := _of_other_kind(remaining, best, request)) is not None:
        remaining.remove(other)
        chosen.append(other)
        covered |= other.covered
        yield other
    for place in _next_places(remaining, chosen, request)[: request.max_sentences - len(chosen)]:
        remaining.remove(place)
        chosen.append(place)
        covered |= place.covered
        yield place
    while remaining and len(chosen) < request.max_sentences:
        remaining.sort(key=lambda item: -_gain(item, best, covered, request.weights, total))
        candidate = remaining.pop(0)
        if _gain(candidate, best, covered, request.weights, total) < _MIN_GAIN:
            return
        chosen.append(candidate)
        covered |= candidate.covered
        yield candidate


def _of_other_kind(remaining: Sequence[_Candidate], best: _Candidate, request: GenerationRequest) -> _Candidate | None:
    """What code does about something that a document rules, or the other way round: both are quoted, as they may disagree."""

    def is_code(item: _Candidate) -> bool:
        return request.passages[item.passage].chunk.language is Language.CODE

    others = (item for item in remaining if is_code(item) is not is_code(best))
    found = max(others, key=lambda item: (item.score, -item.passage), default=None)
    return found if found is not None and found.score >= _OTHER_KIND_SHARE * best.score else None


def _next_places(
    remaining: Sequence[_Candidate], chosen: Sequence[_Candidate], request: GenerationRequest
) -> list[_Candidate]:
    """Of a collection of code, what two more files say that are nearly as good: a developer sees which place was meant."""

    def source(item: _Candidate) -> Source:
        return request.passages[item.passage].source

    if source(chosen[0]).collection_kind is not CollectionKind.CODE:
        return []
    seen = {source(item).document_id for item in chosen}
    found: dict[UUID, _Candidate] = {}
    for item in sorted(remaining, key=lambda each: (-each.as_first, each.passage)):
        if source(item).document_id not in seen and item.as_first >= _PLACE_SHARE * chosen[0].as_first:
            found.setdefault(source(item).document_id, item)
    return list(found.values())[:_MORE_PLACES]


def _gain(item: _Candidate, best: _Candidate, covered: set[str], weights: Mapping[str, float], total: float) -> float:
    added = _mass(item.covered - covered, weights) / total
    # A sentence as good as the best one, from the same passage, is part of the same answer.
    companion = 0.5 * item.score if item.passage == best.passage and item.score >= 0.75 * best.score else 0.0
    return added + companion


def _units(passage: Passage, index: int, weights: Mapping[str, float], terms_of: TermsOf) -> Iterator[tuple[Span, ...]]:
    """What can be quoted from a passage: sentences; table rows with their header; a window of code lines."""
    text = passage.chunk.text
    if passage.chunk.language is Language.CODE:
        yield _code_spans(passage, index, weights, terms_of)
        return
    table: list[Span] = []
    for start, end in split_sentences(text, passage.chunk.language):
        span = Span(index, start, end)
        if table and (not _is_row(text[start:end]) or text.count("\n", table[-1].end, start) > 1):
            yield from _rows(table, text)
            table = []
        if _is_row(text[start:end]):
            table.append(span)
        else:
            yield (span,)
    yield from _rows(table, text)


def _rows(table: Sequence[Span], text: str) -> Iterator[tuple[Span, ...]]:
    """Each row with its header; the header alone when there is nothing below it, the row alone where the header is empty."""
    rows = [span for span in table if not set(text[span.start : span.end]) <= set("|-: ")]
    if rows and set(text[table[0].start : table[0].end]) <= set("| "):
        yield from ((row,) for row in rows)
    elif rows:
        header, *rest = rows
        yield from ((header, row) for row in rest)
        if not rest:
            yield (header,)


def _is_row(line: str) -> bool:
    return line.startswith("|") and line.endswith("|") and line.count("|") > 2


def _code_spans(passage: Passage, index: int, weights: Mapping[str, float], terms_of: TermsOf) -> tuple[Span, ...]:
    """The head of a definition and the lines of it that matter; one run of lines where that is enough."""
    starts = [0]
    for line in passage.chunk.text.split("\n"):
        starts.append(starts[-1] + len(line) + 1)
    return tuple(
        Span(index, starts[first], starts[last] - 1) for first, last in quoted_lines(passage, weights, terms_of)
    )
