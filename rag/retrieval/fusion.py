"""One ranking from the legs' raw hit lists, by scores.

    fused = (cosine + w·bm25 / best bm25 + v·learned / best learned) / (1 + w + v)
    w, v: what the best hit of BM25, and of a model's own term weights where there are any, is worth in cosines

nDCG@10 with lists of 200, whole documents as they stand; z-scores over the whole corpus, which no engine can give, are the
yardstick (each formula but RRF at its own best weight):

    set                 best leg   this   full z-scores   DBSF   RRF (k=60, 1:1)
    en_scifact_train    .709       .744   .746            .741   .722
    code_cosqa_dev      .604       .609   .610            .608   .522

Lists of 50 to 1,000 give the same within .003, and the optimum is flat: w from .3 to .8 for prose, from .05 to .2 for code.
The best weights of min-max, list z-scores and DBSF move with the length of the list. With the texts that the product
indexes (chunks of 256 tokens; the names that code defines as words above it) the engine gives .751 and .614.

**A hit that one list lacks.** A list that is not full holds everything, so a hit missing from the lexical list has no term
of the question: 0. From a full list the last score is taken: the hit's own can only be lower. The exception are hits that
*have* no dense vector (language gate: a Korean chunk under an English question). Their dense score is not low but unknown,
and the last score would bury them: with half of en_scifact_train's vectors removed, questions whose answer had lost its
vector fell to .487, where the lexical leg alone has .721. They get what hits of the same lexical standing have on average,
by a line fitted through the hits in both lists: .713 (the other questions pay .039 for it), and over all questions .723
against .617 with the last score and .709 for the lexical leg alone. Callers name these hits; unnamed, every hit missing
from a dense list that is not full is one.

A model's own term weights go the same way: 0 where their list holds everything, the last score of a full list, and for hits
that have no vectors of the model what goes with their lexical standing.
"""

from __future__ import annotations

import math
from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import NamedTuple
from uuid import UUID

from rag.domain.language import CollectionKind, Language
from rag.domain.passage import LegScore
from rag.index.base import DENSE, LEARNED, SPARSE, LegHit

Legs = Mapping[str, Sequence[LegHit]]
_MIN_FOR_LINE = 5
"""Hits in both lists that a line through them needs; with fewer, their mean cosine is used."""


LEARNED_WEIGHT = 2.0
"""Not measured: no model with term weights is at hand offline. bge-m3's authors add .3 of its lexical score to its cosine
(Chen et al. 2024, table 1), and its best lexical scores are about .3: .1 in cosines, some two deviations. `seogo eval tune` finds
a collection's own."""


@dataclass(frozen=True, slots=True)
class FusionProfile:
    """How much the lexical leg counts beside the dense one.

    Attributes:
        lexical: what being the best lexical hit is worth, in standard deviations of the dense scores.
        spread: standard deviation of the dense model's cosines over a corpus, a constant of its embedding space; None for a
            model that was not measured: then each list's own deviation stands in (at most .004 worse on both sets).
        learned: the same as `lexical` for a model's own term weights; counts only where that leg was asked.
    """

    lexical: float
    spread: float | None
    learned: float = LEARNED_WEIGHT


@dataclass(frozen=True, slots=True)
class FusedHit:
    """A hit of the fused ranking.

    Attributes:
        score: at most about 1, higher is better; comparable within one search only.
        legs: rank and raw score in every leg that found it.
        estimated: legs (names) whose score was filled in because the hit isn't in their list.
        boosts: what lifted it besides the legs, by name; part of its score already.
    """

    chunk_id: UUID
    score: float
    legs: dict[str, LegScore]
    estimated: tuple[str, ...] = ()
    boosts: dict[str, float] = field(default_factory=dict)


MINILM = "all-MiniLM-L6-v2"
SPREADS = {MINILM: 0.1}
"""By name of the dense model: .102 on en_scifact_train, .089 on code_cosqa_dev (mean over questions, whole corpus)."""
_LIST_TO_CORPUS = 1.75
"""Spread over the corpus against that of the best 200: 1.9 on en_scifact_train, 1.5 on code_cosqa_dev, all-MiniLM-L6-v2."""
PROSE, CODE = 5.0, 1.5
"""`FusionProfile.lexical`. Chunks of en_scifact_train: 3 .749, 4 .750, 5 .751, 6 .746, 8 .744 (whole: 1 .707, 3 .741, 5 .743).
code_cosqa_dev, names as words for the dense model: .5 .603, 1 .610, 1.5 .614, 2 .616, 2.5 .609 (plain code: 5 .561)."""
_LEXICAL = {CollectionKind.DOCUMENTS: PROSE, CollectionKind.CODE: CODE}
_BY_LANGUAGE: dict[tuple[Language, CollectionKind], float] = {}
"""Exceptions from `_LEXICAL`. None so far: Korean with a multilingual dense model could not be measured offline."""


class LearnedWeights(NamedTuple):
    """`FusionProfile.lexical` and `.learned` as learned on labelled questions (`seogo eval tune`)."""

    lexical: float
    learned: float


Weights = Mapping[tuple[Language, CollectionKind], LearnedWeights]
NO_WEIGHTS: Weights = MappingProxyType({})


def profile_for(
    language: Language, kind: CollectionKind, model: str = MINILM, weights: Weights = NO_WEIGHTS
) -> FusionProfile:
    """Weights for a question's language, a kind of collection and a dense model; `weights` that were learned come first.

    A question that the gate kept from the dense model has no dense list, so the lexical leg ranks alone whatever the weight.
    """
    if (language, kind) in weights:
        own = weights[language, kind]
        return FusionProfile(own.lexical, SPREADS.get(model), own.learned)
    return FusionProfile(_BY_LANGUAGE.get((language, kind), _LEXICAL[kind]), SPREADS.get(model))


def fuse(
    legs: Legs, profile: FusionProfile, *, limit: int | None = None, without_dense: Container[UUID] = ()
) -> list[FusedHit]:
    """One ranking of all hits, best first, ties by chunk id.

    Args:
        legs: lists by leg, each best first. A leg that was not asked is missing or empty.
        limit: hits asked of each leg; tells a full list from one that holds everything. Without it the longer one is full.
        without_dense: hits known to have no dense vector.
    """
    found = _Lists.of(legs, limit)
    return _fused(found, profile, _Standing([found]), without_dense)


def fuse_kinds(
    found: Mapping[CollectionKind, Legs],
    language: Language,
    *,
    model: str = MINILM,
    limit: int | None = None,
    without_dense: Container[UUID] = (),
    weights: Weights = NO_WEIGHTS,
) -> list[FusedHit]:
    """One ranking over several kinds of collection, each fused with its own weights; other arguments as for `fuse`.

    Their scores are comparable: cosines are absolute, and BM25 scores are shares of the best one over all kinds, so the
    best lexical hit of a collection that has nothing on the question doesn't count like one that answers it.
    """
    lists = {kind: _Lists.of(legs, limit) for kind, legs in found.items()}
    standing = _Standing(list(lists.values()))
    fused: list[FusedHit] = []
    for kind, part in lists.items():
        fused += _fused(part, profile_for(language, kind, model, weights), standing, without_dense)
    return sorted(fused, key=_order)


@dataclass(frozen=True, slots=True)
class _Lists:
    """The legs' hits by chunk, in their order, and whether each list was cut off at the limit."""

    dense: dict[UUID, LegScore]
    sparse: dict[UUID, LegScore]
    learned: dict[UUID, LegScore]
    dense_full: bool
    sparse_full: bool
    learned_full: bool

    @classmethod
    def of(cls, legs: Legs, limit: int | None) -> _Lists:
        dense, sparse, learned = (_ranked(legs.get(leg, ())) for leg in (DENSE, SPARSE, LEARNED))
        full = limit or max(len(dense), len(sparse))
        return cls(dense, sparse, learned, len(dense) >= full, len(sparse) >= full, len(learned) >= full)


class _Line:
    """Which score of the model goes with which lexical standing: a line fitted by least squares through the hits that are in both
    lists, within the range of the model's."""

    def __init__(self, both: Sequence[tuple[float, float]], scores: Sequence[float]) -> None:
        """`both`: lexical standing and the model's score of a hit; `scores`: all of the model's."""
        self._lowest, self._highest = min(scores, default=0.0), max(scores, default=0.0)
        count = len(both) or 1
        self._x = sum(x for x, _ in both) / count
        self._y = sum(y for _, y in both) / count if both else self._lowest
        square = sum((x - self._x) ** 2 for x, _ in both)
        product = sum((x - self._x) * (y - self._y) for x, y in both)
        self._slope = product / square if count >= _MIN_FOR_LINE and square > 0.0 else 0.0

    def at(self, lexical: float) -> float:
        """The score to expect at this lexical standing."""
        return min(max(self._y + self._slope * (lexical - self._x), self._lowest), self._highest)


class _Standing:
    """What the lists of one search have in common: the best scores, and what of the model's goes with which lexical standing."""

    def __init__(self, lists: Sequence[_Lists]) -> None:
        self.best = max((hit.score for part in lists for hit in part.sparse.values()), default=0.0) or 1.0
        self.best_learned = max((hit.score for part in lists for hit in part.learned.values()), default=0.0)
        self.has_dense = any(part.dense for part in lists)
        self.cosine = self._line((part.sparse, part.dense) for part in lists)
        self.term_weight = self._line((part.sparse, part.learned) for part in lists)

    def _line(self, pairs: Iterable[tuple[Mapping[UUID, LegScore], Mapping[UUID, LegScore]]]) -> _Line:
        both: list[tuple[float, float]] = []
        scores: list[float] = []
        for sparse, model in pairs:
            scores += [hit.score for hit in model.values()]
            both += [(sparse[key].score / self.best, hit.score) for key, hit in model.items() if key in sparse]
        return _Line(both, scores)

    def lexical(self, score: float) -> float:
        """A BM25 score as a share of the best one."""
        return score / self.best


def _fused(
    found: _Lists, profile: FusionProfile, standing: _Standing, without_dense: Container[UUID]
) -> list[FusedHit]:
    """One ranking of the hits of one kind of collection.

    One pass over the hits, since hashing ids is what it costs: 2.0 ms with a table per part of the formula, .9 ms so.
    """
    score = _Mix(found, profile, standing, without_dense).score
    asked = [(name, leg) for name, leg in _by_name(found) if leg]
    hits = []
    for key in dict.fromkeys((*found.dense, *found.sparse, *found.learned)):
        legs, missing = {}, []
        for name, leg in asked:
            place = leg.get(key)
            if place is None:
                missing.append(name)
            else:
                legs[name] = place
        hits.append(FusedHit(key, score(key, legs), legs, tuple(missing)))
    return sorted(hits, key=_order)


class _Mix:
    """The formula for the hits of one kind of collection."""

    def __init__(
        self, found: _Lists, profile: FusionProfile, standing: _Standing, without_dense: Container[UUID]
    ) -> None:
        self._standing = standing
        self._without_dense = without_dense
        self._floor = standing.lexical(_last(found.sparse)) if found.sparse_full else 0.0
        self._lowest = _last(found.dense)
        self._least_weight = _last(found.learned) if found.learned_full else 0.0
        self._dense_full = found.dense_full
        spread = profile.spread or _LIST_TO_CORPUS * _deviation([hit.score for hit in found.dense.values()])
        self._lexical = profile.lexical * spread
        learned = profile.learned * spread if standing.best_learned > 0.0 else 0.0
        self._learned = learned / standing.best_learned if learned else 0.0
        self._total = 1.0 + self._lexical + learned

    def score(self, key: UUID, legs: Mapping[str, LegScore]) -> float:
        """The fused score of a hit with these places."""
        lexical = self._standing.lexical(legs[SPARSE].score) if SPARSE in legs else self._floor
        if not self._standing.has_dense:
            return lexical
        unknown = DENSE not in legs and (not self._dense_full or key in self._without_dense)
        cosine, weight = self._of_model(legs, lexical, unknown=unknown)
        return (cosine + self._lexical * lexical + self._learned * weight) / self._total

    def _of_model(self, legs: Mapping[str, LegScore], lexical: float, *, unknown: bool) -> tuple[float, float]:
        """Cosine and term weights; expected ones for a hit of which the model has made nothing."""
        cosine, weight = self._lowest, self._least_weight
        if unknown:
            cosine, weight = self._standing.cosine.at(lexical), self._standing.term_weight.at(lexical)
        if DENSE in legs:
            cosine = legs[DENSE].score
        if LEARNED in legs:
            weight = legs[LEARNED].score
        return cosine, weight


def _last(ranked: Mapping[UUID, LegScore]) -> float:
    return min((hit.score for hit in ranked.values()), default=0.0)


def _deviation(values: Sequence[float]) -> float:
    """Standard deviation; 0 without values."""
    if not values:
        return 0.0
    mean = sum(values) / len(values)
    return math.sqrt(sum((value - mean) ** 2 for value in values) / len(values))


def _ranked(hits: Sequence[LegHit]) -> dict[UUID, LegScore]:
    """Rank from 1 and score by chunk."""
    return {hit.chunk_id: LegScore(rank, hit.score) for rank, hit in enumerate(hits, start=1)}


def _by_name(found: _Lists) -> tuple[tuple[str, dict[UUID, LegScore]], ...]:
    return (DENSE, found.dense), (SPARSE, found.sparse), (LEARNED, found.learned)


def _order(hit: FusedHit) -> tuple[float, UUID]:
    return (-hit.score, hit.chunk_id)
