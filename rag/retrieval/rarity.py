"""How rare the terms of a question are in what may be searched, asked of the index itself.

The idf lives inside the engine. A query of one term, limited to one hit, returns idf times that hit's saturated frequency,
which is enough to tell a rare word from a common one; a term without any hit is the rarest there is.
"""

from __future__ import annotations

from collections.abc import Sequence

from rag.domain.filters import Selection
from rag.domain.principal import Permit
from rag.domain.vectors import SparseVector
from rag.embedding.bm25 import term_id
from rag.index.base import SPARSE, LegQuery, VectorIndex

_UNKNOWN = 1.5
"""Weight of a term that occurs nowhere, against the rarest term that does."""


def rarities(
    index: VectorIndex, permit: Permit, terms: Sequence[str], selection: Selection | None = None
) -> dict[str, float]:
    """Weight by term, above 0. One batch of cheap lookups, whatever the size of the corpus."""
    scores = term_scores(index, permit, terms, selection)
    highest = max(scores.values(), default=0.0) or 1.0
    return {term: score or _UNKNOWN * highest for term, score in scores.items()}


def term_scores(
    index: VectorIndex, permit: Permit, terms: Sequence[str], selection: Selection | None = None
) -> dict[str, float]:
    """Best score of each term alone; 0 for one that occurs nowhere in what the permit covers."""
    queries = [{SPARSE: LegQuery(SparseVector((term_id(term),), (1.0,)), limit=1, scores_alone=True)} for term in terms]
    found = index.search_batch(permit, queries, selection)
    return {term: legs[SPARSE][0].score if legs[SPARSE] else 0.0 for term, legs in zip(terms, found, strict=True)}
