"""Fusion weights learned on labelled questions.

For each kind of collection and language of the question, a grid of weights is tried on one half of the questions, and what
the best of them is worth is measured on the other half. The halves are told apart by a hash of the question, so they stay
the same when a sheet grows. The lists of the legs are fetched once; only the fusion is repeated: that of the settings, whose
weights mean the same (`FusionProfile`) and are worth something else in each.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import product
from uuid import UUID

import numpy as np
from numpy.typing import NDArray

from rag.domain.language import CollectionKind, Language
from rag.domain.passage import LocatedChunk
from rag.evaluation.intervals import Interval, bootstrap
from rag.evaluation.judging import JudgedQuestion
from rag.evaluation.measures import MAIN, per_question
from rag.evaluation.running import DEPTH, Progress, legs_of, read_lists
from rag.index.base import DBSF, DENSE, LEARNED, RRF
from rag.retrieval.fusion import LearnedWeights, Weights, profile_for
from rag.retrieval.service import RawLists, Retriever

LEXICAL_GRID = (0.0, 0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 5.0, 6.0, 8.0, 12.0)
"""In standard deviations of the cosines, as `FusionProfile.lexical`; the two shipped values, 1.5 and 5, are among them."""
LEARNED_GRID = (0.0, 1.0, 2.0, 3.0, 5.0)
MIN_QUESTIONS = 20
"""A group below this is left alone: ten questions to choose by and ten to measure on show nothing."""
TOLERATED = 0.01
"""Weights are taken when they are better on the held-out half and surely (95 %) lose no more than this."""
_SETTLED = 1e-9


@dataclass(frozen=True, slots=True)
class Listed:
    """A question with the legs' lists and what the record says about their hits."""

    judged: JudgedQuestion
    lists: RawLists
    read: Mapping[UUID, LocatedChunk] = field(repr=False)

    @property
    def group(self) -> tuple[Language, CollectionKind] | None:
        """Language and kind of collection; None where the expected documents are of both kinds."""
        if len(self.judged.kinds) != 1:
            return None
        return self.lists.language, CollectionKind(next(iter(self.judged.kinds)))

    @property
    def to_choose(self) -> bool:
        """Whether there is more than one list to fuse."""
        legs = legs_of(self.lists)
        return bool(legs.get(DENSE) or legs.get(LEARNED))


@dataclass(frozen=True, slots=True)
class Tuned:
    """What was learned for one group.

    Attributes:
        reason: why nothing was: `too_few` questions, `one_leg` only, an `unweighted` fusion (DBSF), hits that are `rescored` by
            vectors of tokens, or the chosen weights are `the_same`, `not_better`.
        before, after: held-out nDCG@10 with the weights in force, and with the chosen ones.
        gain: paired difference on the held-out half.
        chosen_gain: the same on the half that they were chosen on, which flatters them.
    """

    language: Language
    kind: CollectionKind
    questions: int
    reason: str = ""
    now: LearnedWeights | None = None
    chosen: LearnedWeights | None = None
    before: float = 0.0
    after: float = 0.0
    gain: Interval | None = None
    chosen_gain: float = 0.0

    @property
    def taken(self) -> bool:
        """Whether the chosen weights are worth storing."""
        return self.chosen is not None and not self.reason


def fetch(retriever: Retriever, judged: Sequence[JudgedQuestion], progress: Progress | None = None) -> list[Listed]:
    """The lists of every question."""
    found: list[Listed] = []
    for number, question in enumerate(judged, start=1):
        lists = retriever.raw_lists(question.permit, question.question.text)
        found.append(Listed(question, lists, read_lists(retriever, question, lists)))
        if progress is not None:
            progress(number, len(judged))
    return found


def tune(retriever: Retriever, listed: Sequence[Listed]) -> list[Tuned]:
    """What each group of questions teaches; groups by language, then kind."""
    groups: dict[tuple[Language, CollectionKind], list[Listed]] = {}
    for item in listed:
        if item.group is not None:
            groups.setdefault(item.group, []).append(item)
    return [_tuned(retriever, *group, groups[group]) for group in sorted(groups)]


def of_both_kinds(listed: Sequence[Listed]) -> int:
    """Questions that teach nothing, since what they expect is in collections of both kinds."""
    return sum(item.group is None for item in listed)


def learned(tuned: Sequence[Tuned]) -> Weights:
    """The weights worth storing."""
    return {(item.language, item.kind): item.chosen for item in tuned if item.taken and item.chosen is not None}


def first_half(question: str) -> bool:
    """Whether weights are chosen on this question; the others measure what was chosen."""
    return hashlib.sha256(question.encode()).digest()[0] % 2 == 0


def _tuned(retriever: Retriever, language: Language, kind: CollectionKind, items: Sequence[Listed]) -> Tuned:
    choosing = [item for item in items if first_half(item.judged.question.text)]
    measuring = [item for item in items if not first_half(item.judged.question.text)]
    if not any(item.to_choose for item in items):
        return Tuned(language, kind, len(items), "one_leg")
    if reason := _unweighted(retriever):
        return Tuned(language, kind, len(items), reason)
    if len(items) < MIN_QUESTIONS or min(len(choosing), len(measuring)) < MIN_QUESTIONS // 4:
        return Tuned(language, kind, len(items), "too_few")
    profile = profile_for(language, kind, retriever.space.dense_name, retriever.weights)
    now = LearnedWeights(profile.lexical, profile.learned)
    values = {
        weights: _values(retriever, choosing, language, kind, weights)
        for weights in _grid(now, retriever.space.learned)
    }
    best = max(float(found.mean()) for found in values.values())
    # The optimum is flat: among equals, what is nearest to the weights in force.
    chosen = min(
        (weights for weights, found in values.items() if found.mean() >= best - _SETTLED),
        key=lambda weights: (abs(weights.lexical - now.lexical) + abs(weights.learned - now.learned), weights),
    )
    before = _values(retriever, measuring, language, kind, now)
    after = _values(retriever, measuring, language, kind, chosen)
    gain = bootstrap(after - before)
    reason = "the_same" if chosen == now else "" if gain.mean > 0 and gain.low > -TOLERATED else "not_better"
    chosen_gain = float((values[chosen] - values[now]).mean())
    return Tuned(
        language, kind, len(items), reason, now, chosen, float(before.mean()), float(after.mean()), gain, chosen_gain
    )


def _unweighted(retriever: Retriever) -> str:
    """Why weights decide nothing in the fusion of the settings; empty where they do."""
    fusion = retriever.settings.fusion
    if fusion == DBSF:
        return "unweighted"
    return "rescored" if fusion == RRF and retriever.space.multi is not None else ""


def _grid(now: LearnedWeights, with_learned: bool) -> list[LearnedWeights]:
    """The weights in force, then the grid; a model without term weights leaves theirs as they are."""
    terms = LEARNED_GRID if with_learned else (now.learned,)
    return list(dict.fromkeys([now, *(LearnedWeights(*pair) for pair in product(LEXICAL_GRID, terms))]))


def _values(
    retriever: Retriever, items: Sequence[Listed], language: Language, kind: CollectionKind, weights: LearnedWeights
) -> NDArray[np.float64]:
    """nDCG@10 of each question with these weights for the group, shape (n,)."""
    tried = {**retriever.weights, (language, kind): weights}
    ranking: dict[str, dict[str, float]] = {}
    for item in items:
        ordered = (hit.chunk_id for hit in retriever.fused(item.lists, tried))
        units = item.judged.units(ordered, item.read)[:DEPTH]
        ranking[item.judged.question.id] = {unit: 1.0 / rank for rank, unit in enumerate(units, start=1)}
    qrels = {item.judged.question.id: item.judged.qrels for item in items}
    return per_question(qrels, ranking, list(qrels), (MAIN,))[MAIN]
