"""Fusion inside the engine (`retrieval.fusion: rrf` or `dbsf`): one query over everything that the permit covers.

For installations whose index is far away or large: one request carries all legs, and late interaction where the space has token
vectors. The fusion here (`rag.retrieval.fusion`) stays the default, because it knows kinds of collection and the gate of
languages; reciprocal ranks lost 10 points to it on code (figures there).

**Code and documents together** are two rankings, since their legs weigh differently and a Korean question is put to code in
English words. Weighted reciprocal ranks of two queries can't be compared: with a lexical weight of 37 any hit of code has more
than the tenth of the documents. So each kind keeps its own order, and which kind takes the next place is told by scores that do
mean the same in both: those of one query where both kinds are asked the same, of DBSF where they are not (`fused_kinds`). MRR@10
over files or articles, 40 questions on code and 40 on documents, each asked of both kinds:

    questions, corpora                          scores here   by raw RRF   places in turn   this
    Korean: this project's code, ko_finlaw      .54 / .97     .80 / .05    .55 / .68        .80 / .64
    English: code_cosqa_dev, en_scifact_train   .92 / .89     .87 / .92*   .69 / .70        .93 / .90

    * one query with the weights of documents for both
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice, zip_longest
from typing import TYPE_CHECKING, TypeVar
from uuid import UUID

from rag.domain.filters import Selection
from rag.domain.passage import LegScore
from rag.domain.principal import Permit
from rag.index.base import DBSF, DENSE, LEARNED, RRF, SPARSE, HybridQuery, LegHit, LegQuery, VectorIndex
from rag.index.hybrid import RRF_K, best_first, fused_hits
from rag.retrieval.fusion import PROSE, FusedHit, FusionProfile
from rag.settings import RetrievalSettings

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

log = logging.getLogger(__name__)

IN_ENGINE = ("rrf", "dbsf")
"""Values of `retrieval.fusion` that this module answers for."""


_STEEPNESS, _LARGEST = 3, 100.0
"""`rank_weights`. nDCG@10 of 300 questions of code_cosqa_dev over 2,000 functions, by the weight of the lexical leg: .3 .632,
1 .666, 3.3 .708, 10 .723, 30 .742, 100 .746; the fusion by scores has .767. Of en_scifact_train over 1,300
abstracts: .3 .795, 1 .799, 2 .789, 10 .769."""


def rank_weights(profile: FusionProfile, legs: Container[str]) -> dict[str, float]:
    """Weights of the legs beside the dense one in the engine's formula, 1 / (rank / weight + 60), from what they are worth.

    In that formula a leg with a large weight has less to say: its ranks lie close together, so that the others decide the order
    of what it found. On prose the legs count alike, so the weight is 1: the best lexical hit stands as far above its list there
    (`PROSE` deviations of the cosines) as the best dense one.
    """
    if DENSE not in legs:
        return {}
    worth = {SPARSE: profile.lexical, LEARNED: profile.learned}
    return {
        leg: _rank_weight(PROSE / value if value > 0.0 else _LARGEST) for leg, value in worth.items() if leg in legs
    }


def _rank_weight(less: float) -> float:
    """The weight of a leg that is worth so many times less than the dense one."""
    return min(max(less**_STEEPNESS, 1.0 / _LARGEST), _LARGEST)


def warn_of_unread(multi: int | None, settings: RetrievalSettings) -> None:
    """Say it where vectors of every token are made and kept, and no search reads them."""
    if multi is not None and settings.fusion not in IN_ENGINE:
        log.warning(
            "embedding.token_vectors takes some 200 times the space, and retrieval.fusion %s never reads them: "
            "set it to rrf or dbsf, or migrate to a space without",
            settings.fusion,
        )


@dataclass(frozen=True, slots=True)
class Asked:
    """What is put to the engine of some collections.

    Attributes:
        profile: what the legs weigh there, for the fusion that knows weights; None leaves them alike.
    """

    permit: Permit
    legs: Mapping[str, LegQuery]
    profile: FusionProfile | None = None


@dataclass(frozen=True, slots=True)
class Listed:
    """What the legs of some collections found, to be fused again and again (`fused_lists`).

    Attributes:
        found: hits of each leg, best first.
        asked: what they were asked.
        profile: see `Asked`.
    """

    found: Mapping[str, Sequence[LegHit]]
    asked: Mapping[str, LegQuery]
    profile: FusionProfile | None = None


Part = TypeVar("Part", Asked, Listed)
Fuse = Callable[[Part, str], Sequence[FusedHit]]
"""Hits as the engine fuses them by a method (`IN_ENGINE`), best first."""


def fused_kinds(fuse: Fuse[Part], kinds: Sequence[Part], whole: Part | None, method: str) -> list[FusedHit]:
    """One ranking over several kinds of collection, best first; of one kind alone, what the engine says.

    Under RRF a hit keeps its place among its kind (`FusedHit.legs`), and its score is that of its place in all, 1 / (place + 60).

    Args:
        whole: all kinds as one, where they are asked the same; else None.
    """
    if len(kinds) == 1:
        return list(fuse(kinds[0], method))
    if method != RRF:  # how many deviations a score is above the mean says the same in every query
        found = [hit for item in ([whole] if whole is not None else kinds) for hit in fuse(item, method)]
        return sorted(found, key=lambda hit: -hit.score)
    rankings = [fuse(item, RRF) for item in kinds]
    turns = _turns_by_deviations(fuse, kinds) if whole is None else _turns_of(fuse(whole, RRF), rankings)
    return [
        FusedHit(hit.chunk_id, 1.0 / (place + RRF_K - 1), hit.legs)
        for place, hit in enumerate(_in_turn(rankings, turns), start=1)
    ]


def _turns_of(ranking: Sequence[FusedHit], rankings: Sequence[Sequence[FusedHit]]) -> list[int]:
    """Whose turn it is at each place of a ranking over all kinds."""
    kind_of = {hit.chunk_id: kind for kind, own in enumerate(rankings) for hit in own}
    return [kind_of[hit.chunk_id] for hit in ranking if hit.chunk_id in kind_of]


def _turns_by_deviations(fuse: Fuse[Part], kinds: Sequence[Part]) -> list[int]:
    """Whose turn it is at each place, by how far the hits of each kind stand out among those of their own query."""
    found = [(-hit.score, kind, place) for kind, item in enumerate(kinds) for place, hit in enumerate(fuse(item, DBSF))]
    return [kind for _, kind, _ in sorted(found)]


def _in_turn(rankings: Sequence[Sequence[FusedHit]], turns: Sequence[int]) -> Iterator[FusedHit]:
    """The hits of all rankings, each ranking in its order: as the turns say, then what they leave, in turn."""
    left = [iter(own) for own in rankings]
    for kind in turns:
        yield from islice(left[kind], 1)
    for hits in zip_longest(*left):
        yield from (hit for hit in hits if hit is not None)


def fused_in_engine(
    index: VectorIndex,
    permit: Permit,
    legs: Mapping[str, LegQuery],
    settings: RetrievalSettings,
    *,
    method: str | None = None,
    multi: NDArray[np.float32] | None = None,
    selection: Selection | None = None,
    profile: FusionProfile | None = None,
    without_dense: Callable[[Sequence[UUID]], Container[UUID]] | None = None,
) -> list[FusedHit]:
    """Hits as the engine fuses them, best first. The engine doesn't say where a hit stood in each leg, only in the whole.

    Args:
        method: one of `IN_ENGINE`; that of the settings where it is left out.
        multi: the question's token vectors, shape (t, m), float32, where the space has them.
        profile: what the legs weigh, for the fusion that knows weights; none leaves them alike.
        without_dense: tells which of these hits the model has made nothing of; they count as `_whole` says.
    """
    query = _query(legs, settings, method or settings.fusion, profile, multi)
    hits = index.hybrid(permit, query, selection)
    if without_dense is None or DENSE not in legs:
        return _placed(hits, query)
    return _placed(hits, query, without_dense([hit.chunk_id for hit in hits]))


def fused_lists(
    listed: Listed, settings: RetrievalSettings, *, method: str, without_dense: Container[UUID] = ()
) -> list[FusedHit]:
    """What `fused_in_engine` gives, from lists that were fetched before: other weights are tried so without asking again.

    Late interaction has no part in it: the lists have no vectors of tokens.
    """
    query = _query(listed.asked, settings, method, listed.profile)
    hits = fused_hits(listed.found, query)[: query.limit]
    return _placed(hits, query, without_dense if DENSE in listed.asked else ())


def _query(
    legs: Mapping[str, LegQuery],
    settings: RetrievalSettings,
    method: str,
    profile: FusionProfile | None,
    multi: NDArray[np.float32] | None = None,
) -> HybridQuery:
    weights = rank_weights(profile, legs) if profile is not None and method == RRF else {}
    return HybridQuery(legs, method, settings.candidates, weights, multi)


def _placed(hits: Sequence[LegHit], query: HybridQuery, lexical_only: Container[UUID] = ()) -> list[FusedHit]:
    if lexical_only:
        hits = best_first([_whole(hit, query) if hit.chunk_id in lexical_only else hit for hit in hits])
    return [
        FusedHit(hit.chunk_id, hit.score, {query.method: LegScore(rank, hit.score)})
        for rank, hit in enumerate(hits, start=1)
    ]


def _whole(hit: LegHit, query: HybridQuery) -> LegHit:
    """A hit that only the lexical leg can have found, as if the model's legs had it at the same place: without a vector its place
    there is unknown, not the last (`rag.retrieval.fusion`)."""
    if query.method != RRF:
        return LegHit(hit.chunk_id, hit.score * len(query.legs))
    rank = max(1.0, query.weights.get(SPARSE, 1.0) * (1.0 / hit.score - (RRF_K - 1)))
    places = (rank / query.weights.get(leg, 1.0) for leg in query.legs if leg != SPARSE)
    return LegHit(hit.chunk_id, hit.score + sum(1.0 / (place + RRF_K - 1) for place in places))
