"""What a vector index is. One file per backend beside this one; `registry.py` names them.

The index is derived: everything in it can be rebuilt from the database. It holds vectors and the few payload fields
that filters need, never text.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Protocol
from uuid import UUID

from rag.domain.filters import Selection
from rag.domain.principal import Permit
from rag.domain.vectors import SparseVector

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

DENSE = "dense"
SPARSE = "sparse"
LEARNED = "learned"
MULTI = "multi"
LEGS = (DENSE, SPARSE, LEARNED)
"""What a search can ask. `MULTI` is no leg: its vectors rescore what the legs found."""

RRF = "rrf"
DBSF = "dbsf"
FUSIONS = (RRF, DBSF)
"""How an engine can fuse legs: reciprocal ranks (Cormack et al. 2009), or scores within three deviations of their mean."""


@dataclass(frozen=True, slots=True)
class IndexSchema:
    """What an index folder or collection is built for; a change means a rebuild.

    Attributes:
        space: name of the embedding space (models and analyzer versions) that the vectors come from.
        dimensions: width of the dense leg; None when the space has no dense leg. The sparse leg always exists and
            its query weights are multiplied by the engine's own idf.
        learned: whether there is a leg of a model's own term weights, which stand as they are (no idf).
        multi: width of the token vectors for late interaction; None when there are none.
    """

    space: str
    dimensions: int | None
    learned: bool = False
    multi: int | None = None


@dataclass(frozen=True, slots=True)
class IndexPoint:
    """One chunk as the index holds it. `dense` has shape (d,), float32, unit length, or is None (language gate).

    Attributes:
        learned: a model's own term weights; None like `dense`.
        multi: shape (t, m), float32, unit rows; None like `dense`.
        labels: what filters ask for (`rag.domain.filters`), the same on all points of a version.
        access: id of the rule that says who may read; None when nobody is held back.
        valid_from, valid_to: when the version answers questions, as far as known: an earlier beginning does no harm,
            since the record is asked again. A point with an end is archived: only questions as of a date see it.
    """

    chunk_id: UUID
    tenant_id: UUID
    collection_id: UUID
    document_id: UUID
    version_id: UUID
    sparse: SparseVector
    dense: NDArray[np.float32] | None = None
    labels: tuple[str, ...] = ()
    valid_from: datetime | None = None
    valid_to: datetime | None = None
    learned: SparseVector | None = None
    multi: NDArray[np.float32] | None = None
    access: UUID | None = None


@dataclass(frozen=True, slots=True)
class PointTags:
    """What the points of a version carry besides vectors and ids: what filters ask for, and who may read."""

    labels: tuple[str, ...] = ()
    access: UUID | None = None


@dataclass(frozen=True, slots=True)
class Placement:
    """Where the points of a version have to lie."""

    version_id: UUID
    tenant_id: UUID
    collection_id: UUID
    access: UUID | None
    archived: bool


@dataclass(frozen=True, slots=True)
class Retirement:
    """A version that a newer one has replaced, and when it answered questions."""

    version_id: UUID
    tenant_id: UUID
    collection_id: UUID
    valid_from: datetime
    valid_to: datetime
    access: UUID | None = None


@dataclass(frozen=True, slots=True)
class LegQuery:
    """The query's vector in one leg, and how many hits to fetch from it.

    Attributes:
        scores_alone: only scores are read, so that it is of no matter which of equally good hits come.
    """

    vector: NDArray[np.float32] | SparseVector
    limit: int
    scores_alone: bool = False


@dataclass(frozen=True, slots=True)
class LegHit:
    """A chunk and its raw score in one leg (cosine, or BM25), higher is better."""

    chunk_id: UUID
    score: float


@dataclass(frozen=True, slots=True)
class HybridQuery:
    """Several legs, fused inside the engine (arithmetic: `rag.index.hybrid`).

    Attributes:
        legs: what each leg is asked, and how many of its hits are fused.
        method: one of `FUSIONS`.
        limit: hits wanted.
        weights: of legs under RRF, above 0; 1 where a leg has none. DBSF knows no weights.
        multi: the question's token vectors, shape (t, m), float32, unit rows: late interaction orders the best
            `rescored` fused hits anew.
        rescored: how many. Their token vectors are read from disk, at 1,024 dimensions 4 KB for each token.
    """

    legs: Mapping[str, LegQuery]
    method: str
    limit: int
    weights: Mapping[str, float] = field(default_factory=dict)
    multi: NDArray[np.float32] | None = None
    rescored: int = 50


class VectorIndex(Protocol):
    """Stores points and searches them under a permit. Thread-safe."""

    @property
    def schema(self) -> IndexSchema:
        """The schema that the index was opened with."""

    def upsert(self, points: Sequence[IndexPoint]) -> None:
        """Insert or replace by chunk id; returns when a search sees the points.

        Raises:
            IndexUnavailable: nothing is known about how much was written; repeating the call is safe.
            ValueError: a vector doesn't fit the schema; nothing was written.
        """

    def insert(self, points: Sequence[IndexPoint]) -> None:
        """`upsert` of points of versions that no answer comes from yet, which may cost less: when the process is killed in the
        middle, some of them may be there, under their version, without being found before the call is repeated."""

    def delete_versions(self, version_ids: Sequence[UUID]) -> None:
        """Remove every point of these versions; unknown ids are no error."""

    def retire(self, retirements: Sequence[Retirement]) -> None:
        """Move the points of these versions into the archive; unknown versions are no error, repeating is safe.

        Questions about the present find and count them no longer; questions as of a date inside their validity do.
        """

    def place(self, placement: Placement) -> None:
        """Move the points of a version under another rule; unknown versions are no error, repeating is safe."""

    def relabel(self, version_id: UUID, labels: Sequence[str]) -> None:
        """Put `labels` in place of those that the points of a version have, archived or not; repeating is safe."""

    def count(self, *version_ids: UUID) -> int:
        """Exact number of points of these versions; of all where none is named."""

    def search(
        self, permit: Permit, legs: Mapping[str, LegQuery], selection: Selection | None = None
    ) -> dict[str, list[LegHit]]:
        """The best hits per leg (`LEGS`), best first, ties by chunk id.

        Tenant, collections and date of the permit are conditions inside the engine's query, and the idf of the sparse
        leg is that of the permitted points: scores tell nothing about the others. Points without a dense vector never
        appear in the dense leg; hits of the sparse and the learned leg have score > 0. A permit with a date
        reads the archive too.

        Args:
            selection: more conditions inside the engine's query. The idf does not depend on it: a filter says what
                is looked for, not what there is.

        Raises:
            IndexUnavailable: the engine can't be reached.
            ValueError: a query's vector doesn't fit the schema.
        """

    def search_batch(
        self, permit: Permit, queries: Sequence[Mapping[str, LegQuery]], selection: Selection | None = None
    ) -> list[dict[str, list[LegHit]]]:
        """`search` for several queries under one permit in one engine call where the engine can."""

    def hybrid(self, permit: Permit, query: HybridQuery, selection: Selection | None = None) -> list[LegHit]:
        """The best hits of all legs together, in one request to the engine; best first, ties by chunk id.

        Permit and selection are conditions of every leg and of the whole, and the idf is that of `search`. Scores are
        those of the fusion; with `multi` they stay with the ranks, and only who stands on which rank changes: hits
        without token vectors keep the rank that the fusion gave them. Ranks fuse into many equal scores: which of the
        equal hits a cut leaves out is the engine's choice.

        Raises:
            IndexUnavailable: the engine can't be reached.
            ValueError: a vector doesn't fit the schema, the method is unknown, a weight is not above 0 or has no use.
        """

    def versions_of(self) -> Iterator[tuple[UUID, UUID]]:
        """Every (chunk id, version id) in the index, each once, in bounded memory.

        `seogo index verify` compares them with the database.
        """

    def optimize(self) -> None:
        """Build the engine's search structures. May block for minutes; never called in the serving process."""

    def clear(self) -> None:
        """Remove every point; the payload indexes stay."""

    def close(self) -> None:
        """Flush and release. Closing twice is allowed."""
