"""Fusion inside the engine (`retrieval.fusion: rrf` or `dbsf`): one query over everything that the permit covers.

For installations whose index is far away or large: one request carries all legs, and late interaction where the space has token
vectors. The fusion here (`rag.retrieval.fusion`) stays the default, because it knows kinds of collection and the gate of
languages; reciprocal ranks lost 10 points to it on code (figures there).
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import TYPE_CHECKING

from rag.domain.filters import Selection
from rag.domain.passage import LegScore
from rag.domain.principal import Permit
from rag.index.base import HybridQuery, LegQuery, VectorIndex
from rag.retrieval.fusion import FusedHit
from rag.settings import RetrievalSettings

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

log = logging.getLogger(__name__)

IN_ENGINE = ("rrf", "dbsf")
"""Values of `retrieval.fusion` that this module answers for."""


def warn_of_unread(multi: int | None, settings: RetrievalSettings) -> None:
    """Say it where vectors of every token are made and kept, and no search reads them."""
    if multi is not None and settings.fusion not in IN_ENGINE:
        log.warning(
            "embedding.token_vectors takes some 200 times the space, and retrieval.fusion %s never reads them: "
            "set it to rrf or dbsf, or migrate to a space without",
            settings.fusion,
        )


def fused_in_engine(
    index: VectorIndex,
    permit: Permit,
    legs: Mapping[str, LegQuery],
    settings: RetrievalSettings,
    *,
    multi: NDArray[np.float32] | None = None,
    selection: Selection | None = None,
) -> list[FusedHit]:
    """Hits as the engine fuses them, best first. The engine doesn't say where a hit stood in each leg, only in the whole.

    Args:
        multi: the question's token vectors, shape (t, m), float32, where the space has them.
    """
    query = HybridQuery(legs, settings.fusion, settings.candidates, multi=multi)
    hits = index.hybrid(permit, query, selection)
    return [
        FusedHit(hit.chunk_id, hit.score, {settings.fusion: LegScore(rank, hit.score)})
        for rank, hit in enumerate(hits, start=1)
    ]
