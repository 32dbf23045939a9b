"""The twin of the engines, shipped for tests and trials: exact, in plain dictionaries, nothing on disk.

It keeps to the engines' arithmetic: a sparse score is Σ query weight · idf · stored weight, with
idf = ln((N - n + 0.5) / (n + 0.5) + 1), where N is the number of permitted points with a sparse vector and n those of
them with the term (Qdrant's documentation of the IDF modifier; compared with Edge in `tests/contract`).
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from threading import RLock
from typing import TYPE_CHECKING, Any
from uuid import UUID

import numpy as np

from rag.domain.errors import IndexUnavailable
from rag.domain.filters import Selection
from rag.domain.principal import Permit
from rag.domain.vectors import SparseVector
from rag.index.base import LEARNED, HybridQuery, IndexPoint, IndexSchema, LegHit, LegQuery, Placement, Retirement
from rag.index.hybrid import Legs, answered_hybrid, fused_hits, max_sim
from rag.index.layout import (
    LABELS,
    SCOPE,
    AnyOf,
    Condition,
    NoneOf,
    check_leg,
    checked_points,
    conditions_of,
    impossible,
    payload_of,
    placed_payload,
    ranked,
    retired_payload,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(slots=True)
class _Scope:
    """The points of one collection of one tenant, or of its archive: `postings` maps term to chunk to weight."""

    dense: dict[UUID, NDArray[np.float32]] = field(default_factory=dict)
    sparse: set[UUID] = field(default_factory=set)
    postings: dict[int, dict[UUID, float]] = field(default_factory=lambda: defaultdict(dict))
    learned: dict[UUID, SparseVector] = field(default_factory=dict)


class MemoryIndex:
    """`VectorIndex` in memory."""

    def __init__(self, schema: IndexSchema) -> None:
        self._schema = schema
        self._points: dict[UUID, IndexPoint] = {}
        self._payloads: dict[UUID, dict[str, Any]] = {}
        self._scopes: dict[str, _Scope] = defaultdict(_Scope)
        self._guard = RLock()
        self._closed = False

    @property
    def schema(self) -> IndexSchema:
        """The schema that the index was opened with."""
        return self._schema

    def upsert(self, points: Sequence[IndexPoint]) -> None:
        """Insert or replace by chunk id.

        Raises:
            IndexUnavailable: the index is closed.
            ValueError: a vector doesn't fit the schema. Nothing was written.
        """
        with self._open():
            for point in checked_points(self._schema, points):
                self._remove(point.chunk_id)
                self._insert(point, payload_of(point))

    def insert(self, points: Sequence[IndexPoint]) -> None:
        """`upsert`; see `VectorIndex.insert`."""
        self.upsert(points)

    def delete_versions(self, version_ids: Sequence[UUID]) -> None:
        """Remove every point of these versions; unknown ids are no error."""
        gone = set(version_ids)
        with self._open():
            for chunk_id in [point.chunk_id for point in self._points.values() if point.version_id in gone]:
                self._remove(chunk_id)

    def retire(self, retirements: Sequence[Retirement]) -> None:
        """Move the points of these versions into the archive; see `VectorIndex.retire`."""
        with self._open():
            for item in retirements:
                self._set_payload(item.version_id, retired_payload(item))

    def place(self, placement: Placement) -> None:
        """Move the points of a version under another rule; see `VectorIndex.place`."""
        with self._open():
            self._set_payload(placement.version_id, placed_payload(placement))

    def relabel(self, version_id: UUID, labels: Sequence[str]) -> None:
        """Put `labels` on every point of a version."""
        with self._open():
            self._set_payload(version_id, {LABELS: list(labels)})

    def count(self, *version_ids: UUID) -> int:
        """Exact number of points of these versions; of all where none is named."""
        with self._open():
            if not version_ids:
                return len(self._points)
            return sum(point.version_id in version_ids for point in self._points.values())

    def search(
        self, permit: Permit, legs: Mapping[str, LegQuery], selection: Selection | None = None
    ) -> dict[str, list[LegHit]]:
        """The best hits per leg; see `VectorIndex.search`."""
        hits: dict[str, list[LegHit]] = {}
        with self._open():
            conditions = conditions_of(permit, selection)
            permitted, wanted = self._test(conditions.permitted), self._test(conditions.wanted)
            nothing = impossible(permit, selection)
            scopes = [] if nothing else self._open_scopes(conditions.permitted[0])
            for leg, query in legs.items():
                check_leg(self._schema, leg, query)
                if isinstance(query.vector, SparseVector) and leg == LEARNED:
                    found = _learned_hits(scopes, query.vector)
                elif isinstance(query.vector, SparseVector):
                    found = _sparse_hits(scopes, query.vector, permitted)
                else:
                    found = _dense_hits(scopes, query.vector)
                hits[leg] = ranked(leg, [hit for hit in found if wanted(hit.chunk_id)], query.limit)
        return hits

    def search_batch(
        self, permit: Permit, queries: Sequence[Mapping[str, LegQuery]], selection: Selection | None = None
    ) -> list[dict[str, list[LegHit]]]:
        """`search` for several queries."""
        return [self.search(permit, query, selection) for query in queries]

    def hybrid(self, permit: Permit, query: HybridQuery, selection: Selection | None = None) -> list[LegHit]:
        """The best hits of all legs together; see `VectorIndex.hybrid`."""

        def ask(legs: Legs) -> tuple[list[LegHit], list[LegHit]]:
            fused = fused_hits(self.search(permit, legs, selection), query)
            return fused, self._rescored(fused[: query.rescored], query.multi)

        with self._open():
            return answered_hybrid(self._schema, query, ask, nothing=impossible(permit, selection))

    def versions_of(self) -> Iterator[tuple[UUID, UUID]]:
        """Every (chunk id, version id), as it was at the first step."""
        with self._open():
            pairs = [(point.chunk_id, point.version_id) for point in self._points.values()]
        yield from pairs

    def optimize(self) -> None:
        """Nothing to build."""
        with self._open():
            pass

    def clear(self) -> None:
        """Remove every point."""
        with self._open():
            self._points.clear()
            self._payloads.clear()
            self._scopes.clear()

    def close(self) -> None:
        """Let go of the points. Closing twice is allowed."""
        with self._guard:
            self._closed = True
            self._points.clear()
            self._payloads.clear()
            self._scopes.clear()

    def _open(self) -> RLock:
        if self._closed:
            raise IndexUnavailable
        return self._guard

    def _rescored(self, hits: Sequence[LegHit], question: NDArray[np.float32] | None) -> list[LegHit]:
        if question is None:
            return []
        stored = ((hit.chunk_id, self._points[hit.chunk_id].multi) for hit in hits)
        return [LegHit(chunk_id, max_sim(question, multi)) for chunk_id, multi in stored if multi is not None]

    def _open_scopes(self, condition: Condition) -> list[_Scope]:
        keys = condition.values if isinstance(condition, AnyOf) else ()
        return [self._scopes[key] for key in keys if key in self._scopes]

    def _test(self, conditions: Sequence[Condition]) -> Callable[[UUID], bool]:
        return lambda chunk_id: all(_holds(item, self._payloads[chunk_id]) for item in conditions)

    def _set_payload(self, version_id: UUID, changes: Mapping[str, Any]) -> None:
        for chunk_id in [point.chunk_id for point in self._points.values() if point.version_id == version_id]:
            point, payload = self._points[chunk_id], {**self._payloads[chunk_id], **changes}
            self._remove(chunk_id)
            self._insert(point, payload)

    def _insert(self, point: IndexPoint, payload: dict[str, Any]) -> None:
        self._points[point.chunk_id] = point
        self._payloads[point.chunk_id] = payload
        scope = self._scopes[payload[SCOPE]]
        if point.dense is not None:
            scope.dense[point.chunk_id] = point.dense
        if point.learned is not None:
            scope.learned[point.chunk_id] = point.learned
        if point.sparse.indices:
            scope.sparse.add(point.chunk_id)
        for term, weight in zip(point.sparse.indices, point.sparse.values, strict=True):
            scope.postings[term][point.chunk_id] = weight

    def _remove(self, chunk_id: UUID) -> None:
        point = self._points.pop(chunk_id, None)
        if point is None:
            return
        scope = self._scopes[self._payloads.pop(chunk_id)[SCOPE]]
        scope.dense.pop(chunk_id, None)
        scope.learned.pop(chunk_id, None)
        scope.sparse.discard(chunk_id)
        for term in point.sparse.indices:
            del scope.postings[term][chunk_id]


def open_memory(schema: IndexSchema) -> MemoryIndex:
    """An empty index that lives as long as the object."""
    return MemoryIndex(schema)


def _dense_hits(scopes: Sequence[_Scope], query: NDArray[np.float32]) -> list[LegHit]:
    chunk_ids = [chunk_id for scope in scopes for chunk_id in scope.dense]
    if not chunk_ids:
        return []
    matrix = np.stack([vector for scope in scopes for vector in scope.dense.values()])
    norms = np.linalg.norm(matrix, axis=1) * np.linalg.norm(query)
    cosines = matrix @ query / np.maximum(norms, np.finfo(np.float32).tiny)
    return [LegHit(chunk_id, float(cosine)) for chunk_id, cosine in zip(chunk_ids, cosines, strict=True)]


def _learned_hits(scopes: Sequence[_Scope], query: SparseVector) -> list[LegHit]:
    """Dot products of the weights as they stand."""
    wanted = dict(zip(query.indices, query.values, strict=True))
    return [
        LegHit(chunk_id, sum(wanted.get(i, 0.0) * v for i, v in zip(stored.indices, stored.values, strict=True)))
        for scope in scopes
        for chunk_id, stored in scope.learned.items()
    ]


def _holds(condition: Condition, payload: Mapping[str, Any]) -> bool:
    value = payload[condition.field]
    if isinstance(condition, AnyOf | NoneOf):
        apart = set(condition.values).isdisjoint(value if isinstance(value, list) else [value])
        return apart if isinstance(condition, NoneOf) else not apart
    return (condition.most is None or value <= condition.most) and (condition.above is None or value > condition.above)


def _sparse_hits(scopes: Sequence[_Scope], query: SparseVector, permitted: Callable[[UUID], bool]) -> list[LegHit]:
    """Hits and scores; points that are not permitted (not valid at the date asked for) count nowhere."""
    population = sum(permitted(chunk_id) for scope in scopes for chunk_id in scope.sparse)
    scores: dict[UUID, float] = defaultdict(float)
    for term, weight in zip(query.indices, query.values, strict=True):
        found = (scope.postings[term] for scope in scopes if term in scope.postings)
        postings = [{chunk: stored for chunk, stored in item.items() if permitted(chunk)} for item in found]
        frequency = sum(len(posting) for posting in postings)
        idf = math.log((population - frequency + 0.5) / (frequency + 0.5) + 1)
        for posting in postings:
            for chunk_id, stored in posting.items():
                scores[chunk_id] += weight * idf * stored
    return [LegHit(chunk_id, score) for chunk_id, score in scores.items()]
