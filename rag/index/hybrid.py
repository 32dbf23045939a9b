"""Fusion inside the engine: its arithmetic, what every backend checks, and how late interaction orders hits anew.

    RRF:  fused = Σ over legs 1 / (rank / weight + 60)          rank from 1 (Cormack, Clarke, Büttcher 2009)
    DBSF: fused = Σ over legs (score - (μ - 3σ)) / 6σ            μ, σ: mean and sample deviation of the leg's hits;
                                                                 0.5 where the leg has one hit, or σ is 0

Qdrant counts ranks from 0 and adds k - 1, so the literature's 60 is `RRF_K` there (read in its Python client, and compared
with Edge in `tests/contract`). Its own default of 2 makes the first hit of each leg nearly all that counts.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING
from uuid import UUID

from rag.domain.vectors import SparseVector
from rag.index.base import FUSIONS, LEGS, RRF, HybridQuery, IndexSchema, LegHit, LegQuery
from rag.index.layout import check_leg, check_multi

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

RRF_K = 61
POSITIVE = 1e-30
"""Least score of a hit in the sparse and the learned leg: above zero, and a number in 32 bits."""

Legs = Mapping[str, LegQuery]
Ask = Callable[[Legs], tuple[list[LegHit], list[LegHit]]]
"""Asks these legs; gives the fused hits and those of late interaction, empty where it was not asked."""


def asked_legs(schema: IndexSchema, query: HybridQuery) -> dict[str, LegQuery]:
    """The legs that ask for something, in the order of `LEGS`.

    Raises:
        ValueError: see `VectorIndex.hybrid`.
    """
    for leg, part in query.legs.items():
        check_leg(schema, leg, part)
    if query.method not in FUSIONS:
        raise ValueError(f"there is no fusion {query.method}")
    if unknown := sorted(query.weights.keys() - query.legs.keys()):
        raise ValueError(f"a weight for the leg {unknown[0]}, which is not asked")
    if any(not (math.isfinite(weight) and weight > 0.0) for weight in query.weights.values()):
        raise ValueError("the weight of a leg is above 0")
    if query.method != RRF and any(weight != 1.0 for weight in query.weights.values()):
        raise ValueError(f"the fusion {query.method} knows no weights of legs")
    if query.multi is not None:
        check_multi(schema, query.multi)
    found = {leg: query.legs[leg] for leg in LEGS if leg in query.legs}
    return {leg: part for leg, part in found.items() if part.limit > 0 and _asks_something(part)}


def weights_of(legs: Legs, query: HybridQuery) -> list[float] | None:
    """A weight per leg, in their order; None when all are 1."""
    weights = [float(query.weights.get(leg, 1.0)) for leg in legs]
    return weights if any(weight != 1.0 for weight in weights) else None


def answered_hybrid(schema: IndexSchema, query: HybridQuery, ask: Ask, *, nothing: bool) -> list[LegHit]:
    """Check `query`, run it through `ask` and rank what comes back. With `nothing` nothing is asked (`impossible`)."""
    legs = asked_legs(schema, query)
    if nothing or not legs or query.limit <= 0:
        return []
    fused, rescored = ask(legs)
    return reordered(best_first(fused), rescored)[: query.limit]


def best_first(hits: Sequence[LegHit]) -> list[LegHit]:
    """`hits` by score, ties by chunk id."""
    return sorted(hits, key=lambda hit: (-hit.score, hit.chunk_id))


def reordered(fused: Sequence[LegHit], rescored: Sequence[LegHit]) -> list[LegHit]:
    """The fused hits, those that were rescored in their new order on the ranks that they hold together."""
    ranks = {hit.chunk_id: rank for rank, hit in enumerate(fused)}
    order = [hit.chunk_id for hit in best_first(rescored) if hit.chunk_id in ranks]
    result = list(fused)
    for rank, chunk_id in zip(sorted(ranks[chunk_id] for chunk_id in order), order, strict=True):
        result[rank] = LegHit(chunk_id, fused[rank].score)
    return result


def fused_hits(found: Mapping[str, Sequence[LegHit]], query: HybridQuery) -> list[LegHit]:
    """The fusion of ranked legs, best first: what the engines do, in Python."""
    scores: dict[UUID, float] = defaultdict(float)
    for leg, hits in found.items():
        part = _reciprocal(hits, query.weights.get(leg, 1.0)) if query.method == RRF else _within_deviations(hits)
        for hit, score in zip(hits, part, strict=True):
            scores[hit.chunk_id] += score
    return best_first([LegHit(chunk_id, score) for chunk_id, score in scores.items()])


def max_sim(question: NDArray[np.float32], passage: NDArray[np.float32]) -> float:
    """Σ over the question's tokens of the best cosine among the passage's (Khattab & Zaharia 2020).

    Args:
        question: shape (t, m), unit rows.
        passage: shape (u, m), unit rows.
    """
    return float((question @ passage.T).max(axis=1).sum())


def _reciprocal(hits: Sequence[LegHit], weight: float) -> list[float]:
    return [1.0 / (rank / weight + RRF_K - 1) for rank in range(1, len(hits) + 1)]


def _within_deviations(hits: Sequence[LegHit]) -> list[float]:
    if len(hits) < 2:
        return [0.5] * len(hits)
    mean = sum(hit.score for hit in hits) / len(hits)
    deviation = math.sqrt(sum((hit.score - mean) ** 2 for hit in hits) / (len(hits) - 1))
    if deviation == 0.0:
        return [0.5] * len(hits)
    return [(hit.score - mean + 3 * deviation) / (6 * deviation) for hit in hits]


def _asks_something(query: LegQuery) -> bool:
    return not isinstance(query.vector, SparseVector) or bool(query.vector.indices)
