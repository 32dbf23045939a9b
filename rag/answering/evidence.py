"""Is there enough to answer from? How likely it is that the passages hold the answer, and why not.

A logistic regression over four signals (`signals.py`). It was fitted on questions asked twice, with the passages that answer
them in the store and without: the 120 of `ko_finlaw`, the same joined in pairs, and the 200 two-step ones of `en_hotpotqa200`.
`python -m benchmarks.abstention --fit` prints it anew on other pairs, and what cross-validation by statute says of it (0.77 there
on the statutes' questions, 0.79 with the table as it is; decision 0025).
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from rag.answering.signals import CLOSE_RIVALS, NOTHING, QuestionTerms, Signals, read
from rag.domain.answer import Weakness
from rag.domain.language import CollectionKind, Language
from rag.domain.passage import Alternative, Passage


class _Term(NamedTuple):
    """One signal in the regression.

    Attributes:
        typical: its mean over the questions that can be answered.
        lacking: what it means when it is much worse than that.
    """

    weight: float
    typical: float
    lacking: Weakness


TABLE: dict[str, _Term] = {
    "lead": _Term(3.65, 0.52, Weakness.NOTHING_STANDS_OUT),
    "accord": _Term(2.33, 0.64, Weakness.SIGNS_DISAGREE),
    "linked": _Term(0.61, 0.15, Weakness.POINTS_ELSEWHERE),
    "scattered": _Term(-2.61, 0.03, Weakness.SCATTERED),
}
INTERCEPT = -2.72
_CODE_COVERAGE, _CODE_SLOPE = 0.5, 4.0
"""Code is judged by coverage alone, half of the question being worth a confidence of 0.6: on 120 questions of `code_cosqa_dev`
the signals told nothing more (AUROC .61, the coverage .62), and the regression would have refused two of three."""
_TRANSLATED_COVERAGE = 0.3
"""The same for a Korean question, of which code holds only what there are English words for: of 60 on this project 47 are then
answered, of 60 on statutes asked of it 3."""
_CODE_ODDS = math.log(0.6 / 0.4)
_RERANKED = 0.5
"""Weight of the reranker's own log-odds for the best passage. Not fitted: no trained reranker was at hand."""
_MOST_LOG_ODDS = 4.0
"""A reranker surer than 98 to 2 says no more than that."""

MIN_COVERAGE = 0.33
"""Share of the question's rarity-weighted terms that one passage must hold, however far it stands above the others: in a store of
a few pages the best of them stands out about any subject. Of the answerable questions it refuses 1 in 100 that joined two."""
MIN_COVERAGE_ALONE = 0.5
"""The same where fewer sections were found than the signals compare: to lead where there are hardly any rivals says little."""
MIN_COVERAGE_WITHOUT_NAME = 0.7
"""The same where no passage holds a name that the question gives (an acronym, or a word with a digit): `SWIFT`, `HPG-4102`.
What such a question asks about is most likely not there at all. Verbs and plain nouns may be put in other words."""
_NAME = re.compile(r"\d|[A-Z]{2}")
_WITHOUT_THESE = 0.05
"""The most confidence that is left then."""
_MUCH_WORSE = -0.4
"""Log-odds that a signal must cost to be named as a reason."""
_REASONS = 2


@dataclass(frozen=True, slots=True)
class Evidence:
    """How well the passages answer the question.

    Attributes:
        confidence: that they hold the answer, 0 to 1.
        signals: what it comes from.
        missing: terms of the question in none of the passages, heaviest first.
        name_missing: whether one of them belongs to a name, of which too little else is left.
        little_covered: whether the best passage holds too little of the question.
        relevances: of the passages weighed, in their order.
    """

    confidence: float
    signals: Signals
    missing: tuple[str, ...] = ()
    name_missing: bool = False
    little_covered: bool = False
    relevances: tuple[float, ...] = ()

    @property
    def coverage(self) -> float:
        """Share of the question's weight in the best passage, 0 to 1."""
        return self.signals.coverage

    def weaknesses(self, least: float) -> tuple[Weakness, ...]:
        """Why an answer would be a guess, the weightiest first; empty where the confidence is `least` or more."""
        if self.confidence >= least:
            return ()
        if self.signals == NOTHING:
            return (Weakness.LITTLE_COVERED,)
        found = [Weakness.NAME_MISSING] if self.name_missing else []
        found += [Weakness.LITTLE_COVERED] if self.little_covered else []
        order, much = self._lacking()
        return tuple((found + much or order)[: _REASONS if found or much else 1])

    def _lacking(self) -> tuple[list[Weakness], list[Weakness]]:
        """What the signals lack, worst first, and what of it costs much."""
        costs = {
            term.lacking: term.weight * (getattr(self.signals, name) - term.typical) for name, term in TABLE.items()
        }
        order = sorted(costs, key=lambda item: costs[item])
        return order, [item for item in order if costs[item] <= _MUCH_WORSE]


def weigh(question: QuestionTerms, passages: Sequence[Passage], shown: int) -> Evidence:
    """The evidence that `passages`, best first, hold for a question. An answer may draw on the first `shown`; the others are what
    those are held against."""
    found = read(question, passages, shown)
    reranked = max((passage.rerank for passage in passages if passage.rerank is not None), default=None)
    code_coverage = _code_coverage(question, passages[0]) if passages else None
    confidence = confidence_of(found.signals, reranked, code_coverage) if passages else 0.0
    named = any(_NAME.search(word) for word in found.missing_words)
    name_missing = named and found.signals.coverage < MIN_COVERAGE_WITHOUT_NAME
    least = MIN_COVERAGE if found.sections >= CLOSE_RIVALS else MIN_COVERAGE_ALONE
    little = found.signals.coverage < min(least, code_coverage or least)
    if name_missing or little:
        confidence = min(confidence, _WITHOUT_THESE)
    return Evidence(confidence, found.signals, found.missing, name_missing, little, found.relevances)


def _code_coverage(question: QuestionTerms, best: Passage) -> float | None:
    """What is worth a confidence of 0.6 in program text, and beside it: what is written in a repository is held against programs.
    None for prose."""
    if best.chunk.language is Language.CODE:
        return _TRANSLATED_COVERAGE if question.is_korean else _CODE_COVERAGE
    return _CODE_COVERAGE if best.source.collection_kind is CollectionKind.CODE else None


def confidence_of(signals: Signals, reranked: float | None = None, code_coverage: float | None = None) -> float:
    """The regression; for code the coverage alone.

    Args:
        reranked: the best score that a reranker gave, 0 to 1; None without one.
        code_coverage: what is worth a confidence of 0.6 in code; None for prose.
    """
    if code_coverage is not None:
        odds = _CODE_ODDS + _CODE_SLOPE * (signals.coverage - code_coverage)
    else:
        odds = INTERCEPT + sum(term.weight * getattr(signals, name) for name, term in TABLE.items())
    if reranked is not None:
        odds += _RERANKED * _log_odds(reranked)
    return 1.0 / (1.0 + math.exp(-odds))


def _log_odds(share: float) -> float:
    least = 1.0 / (1.0 + math.exp(_MOST_LOG_ODDS))
    share = min(max(share, least), 1.0 - least)
    return math.log(share / (1.0 - share))


def with_alternatives(weights: Mapping[str, float], alternatives: Sequence[Alternative]) -> dict[str, float]:
    """The weights, and those of other words for terms among them: together as much as what they stand for.

    For choosing sentences; the evidence is weighed by the question's own terms.
    """
    found = dict(weights)
    for item in alternatives:
        share = sum(weights.get(term, 0.0) for term in item.terms) / len(item.by)
        for term in item.by:
            found[term] = max(found.get(term, 0.0), share)
    return {term: weight for term, weight in found.items() if weight > 0.0}
