"""One ranking from the legs' raw hit lists, by scores.

    fused = (d·cosine + s·bm25 / best bm25 of the search) / (d + s)

Measured on the real engine with lists of 200 (nDCG@10; z-scores over the whole corpus, which no engine can give, as the
yardstick; RRF with k=60):

    set                    best leg   this     full z-scores   RRF
    en_scifact_train       .709       .742     .746            .722
    code_cosqa_dev         .604       .609     .610            .522

Both hold from lists of 50 to 1,000, and flat around the weights chosen (s/d from .3 to .7 for prose, .05 to .2 for code).

**A hit that one list lacks.** A list that is not full holds everything, so a hit missing from the lexical list has no term of
the question: 0. From a full list, the last score: the hit's own can only be lower. The exception are hits that *have* no
dense vector (language gate, for example a Korean chunk under an English question). Their dense score is not low but unknown,
and the last score would bury them: with half of en_scifact_train's vectors removed, questions whose answer had none fell
to .487 where the lexical leg alone has .721. They get what hits of the same lexical standing have on average, by a least-squares
line through the hits that are in both lists: .713, and .723 over all questions against .709 for the lexical leg alone. Callers
name these hits; without names, every hit missing from a dense list that is not full is one.
"""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from rag.domain.language import CollectionKind, Language
from rag.domain.passage import LegScore
from rag.index.base import DENSE, SPARSE, LegHit

Legs = Mapping[str, Sequence[LegHit]]
_MIN_FOR_LINE = 5
"""Hits in both lists that a line through them needs; with fewer, their mean is used."""


@dataclass(frozen=True, slots=True)
class FusionProfile:
    """Weights of the legs. Only their ratio matters.

    Attributes:
        dense: of the cosine.
        sparse: of the BM25 score, as a share of the best one: what being the best lexical hit is worth in cosines.
    """

    dense: float
    sparse: float


@dataclass(frozen=True, slots=True)
class FusedHit:
    """A hit of the fused ranking.

    Attributes:
        score: at most about 1, higher is better; comparable within one search only.
        legs: rank and raw score in every leg that found it.
        estimated: legs (names) whose score was filled in because the hit isn't in their list.
    """

    chunk_id: UUID
    score: float
    legs: dict[str, LegScore]
    estimated: tuple[str, ...] = ()


PROSE = FusionProfile(dense=1.0, sparse=0.5)
"""en_scifact_train: .742 (s/d = .5), flat from .3 to .7; s/d = .1 gives .705."""
CODE = FusionProfile(dense=1.0, sparse=0.1)
"""code_cosqa_dev: .608 (s/d = .1), flat from .05 to .2; s/d = .5 gives .56."""
PROFILES: dict[tuple[Language, CollectionKind], FusionProfile] = {
    (Language.KOREAN, CollectionKind.DOCUMENTS): PROSE,  # with a multilingual model; not measured, no such weights offline
    (Language.ENGLISH, CollectionKind.DOCUMENTS): PROSE,
    (Language.OTHER, CollectionKind.DOCUMENTS): PROSE,
    (Language.CODE, CollectionKind.DOCUMENTS): PROSE,
    (Language.KOREAN, CollectionKind.CODE): CODE,
    (Language.ENGLISH, CollectionKind.CODE): CODE,
    (Language.OTHER, CollectionKind.CODE): CODE,
    (Language.CODE, CollectionKind.CODE): CODE,
}


def profile_for(language: Language, kind: CollectionKind) -> FusionProfile:
    """Weights for a question's language and a kind of collection. A gated question has no dense list, whatever the weight."""
    return PROFILES[language, kind]


def best_score(legs: Legs) -> float:
    """The highest BM25 score in these lists, 0 when there is none."""
    return max((hit.score for hit in legs.get(SPARSE, ())), default=0.0)


def fuse(
    legs: Legs,
    profile: FusionProfile,
    *,
    limit: int | None = None,
    without_dense: Container[UUID] = (),
    best_lexical: float | None = None,
) -> list[FusedHit]:
    """One ranking of all hits, best first, ties by chunk id.

    Args:
        legs: lists by leg, each best first. A leg that was not asked is missing or empty.
        limit: hits asked of each leg; tells a full list from one that holds everything. Without it the longer one is full.
        without_dense: hits known to have no dense vector.
        best_lexical: BM25 score that counts 1, where lists of several searches are to be comparable; else the best here.
    """
    dense, sparse = _ranked(legs.get(DENSE, ())), _ranked(legs.get(SPARSE, ()))
    full = limit or max(len(dense), len(sparse))
    top = best_lexical or best_score(legs) or 1.0
    if not dense or not sparse:
        scores = {key: leg.score / (1.0 if dense else top) for key, leg in (dense or sparse).items()}
        return _sorted(scores, dense, sparse)
    floor = min(leg.score for leg in sparse.values()) / top if len(sparse) >= full else 0.0
    lexical = {key: sparse[key].score / top if key in sparse else floor for key in (*dense, *sparse)}
    ungated = _Ungated(dense, lexical, [key for key in dense if key in sparse])
    semantic = {
        key: dense[key].score if key in dense
        else ungated.expected(lexical[key]) if len(dense) < full or key in without_dense
        else ungated.lowest
        for key in lexical
    }  # fmt: skip
    total = profile.dense + profile.sparse
    return _sorted(
        {key: (profile.dense * semantic[key] + profile.sparse * lexical[key]) / total for key in lexical}, dense, sparse
    )


def fuse_kinds(
    found: Mapping[CollectionKind, Legs],
    language: Language,
    *,
    limit: int | None = None,
    without_dense: Container[UUID] = (),
) -> list[FusedHit]:
    """One ranking over several kinds of collection, each fused with its own weights.

    Their scores are comparable: cosines are absolute, and BM25 scores are shares of the best one over all kinds, so the
    best lexical hit of a collection that has nothing on the question doesn't count like one that answers it.
    """
    best = max((best_score(legs) for legs in found.values()), default=0.0)
    fused = [
        hit
        for kind, legs in found.items()
        for hit in fuse(
            legs, profile_for(language, kind), limit=limit, without_dense=without_dense, best_lexical=best or None
        )
    ]
    return sorted(fused, key=_order)


class _Ungated:
    """Dense scores by lexical standing, as far as both are known: a line fitted by least squares."""

    def __init__(self, dense: Mapping[UUID, LegScore], lexical: Mapping[UUID, float], both: Sequence[UUID]) -> None:
        scores = [leg.score for leg in dense.values()]
        self.lowest, self._highest = min(scores), max(scores)
        xs, ys = [lexical[key] for key in both], [dense[key].score for key in both]
        self._mean_x = sum(xs) / len(xs) if xs else 0.0
        self._mean_y = sum(ys) / len(ys) if ys else self.lowest
        spread = sum((x - self._mean_x) ** 2 for x in xs)
        common = sum((x - self._mean_x) * (y - self._mean_y) for x, y in zip(xs, ys, strict=True))
        self._slope = common / spread if len(xs) >= _MIN_FOR_LINE and spread > 0.0 else 0.0

    def expected(self, lexical: float) -> float:
        """The dense score to expect at this lexical standing, within the range seen."""
        expected = self._mean_y + self._slope * (lexical - self._mean_x)
        return min(max(expected, self.lowest), self._highest)


def _ranked(hits: Sequence[LegHit]) -> dict[UUID, LegScore]:
    """Rank from 1 and score by chunk."""
    return {hit.chunk_id: LegScore(rank, hit.score) for rank, hit in enumerate(hits, start=1)}


def _order(hit: FusedHit) -> tuple[float, UUID]:
    return (-hit.score, hit.chunk_id)


def _sorted(
    scores: Mapping[UUID, float], dense: Mapping[UUID, LegScore], sparse: Mapping[UUID, LegScore]
) -> list[FusedHit]:
    """Hits with the legs that found them, best first."""
    asked = {name: leg for name, leg in ((DENSE, dense), (SPARSE, sparse)) if leg}
    hits = [
        FusedHit(
            key,
            score,
            {name: leg[key] for name, leg in asked.items() if key in leg},
            tuple(name for name, leg in asked.items() if key not in leg),
        )
        for key, score in scores.items()
    ]
    return sorted(hits, key=_order)
