"""What is sent to the embedded engine (qdrant-edge-py), in its own types."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any
from uuid import UUID

from rag.domain.vectors import SparseVector
from rag.index.base import DENSE, LEARNED, MULTI, RRF, SPARSE, HybridQuery, IndexPoint
from rag.index.hybrid import POSITIVE, RRF_K, Legs, weights_of
from rag.index.layout import TIE_MARGIN, VERSION, AnyOf, Between, Condition, EngineQuery, NoneOf, payload_of

if TYPE_CHECKING:
    import qdrant_edge


OVERSAMPLING = 2.0
"""Candidates of the quantised scan per hit wanted, whose full vectors are then compared."""
_SHARED_FROM = 3
"""Points with the same payload from which on it is handed over once, in an operation of its own."""
VALUES_ALONE = 256
"""Values up to which an only condition is asked value by value. The engine reads the points of a list of values through a hash
set, 10 to 13 ms for 200,000 points even where it has one value; value by value it reads posting lists, 2 ms for one value and 4
for 256. A point that is found is held against the values one by one, so that at 1,024 a list is as fast (decision 0054)."""
VALUES_BESIDE_OTHERS = 16
"""The same for a condition beside others: at 16 values 17 ms instead of 28, at 64 no less, at 256 108 instead of 30."""


def upsert_of(points: Sequence[IndexPoint]) -> qdrant_edge.UpdateOperation:
    """What puts these points in, or in the place of others."""
    import qdrant_edge

    return qdrant_edge.UpdateOperation.upsert_points([_engine_point(point, payload_of(point)) for point in points])


def inserts_of(points: Sequence[IndexPoint]) -> list[qdrant_edge.UpdateOperation]:
    """What puts these points in, to be applied together and in this order.

    Half of what a point costs is its payload, which the engine's binding takes apart word by word. Chunks of a version share it:
    they come with the version alone, by which whoever cleans up after a killed process finds them, and get the rest in one go.
    Until then no search sees them, as they have no scope.
    """
    import qdrant_edge

    sharing: dict[Any, list[IndexPoint]] = {}
    for point in points:
        sharing.setdefault(_payload_key(point), []).append(point)
    put: list[qdrant_edge.Point] = []
    completed: list[qdrant_edge.UpdateOperation] = []
    for group in sharing.values():
        payload = payload_of(group[0])
        if len(group) < _SHARED_FROM:
            put += [_engine_point(point, payload) for point in group]
            continue
        put += [_engine_point(point, {VERSION: payload[VERSION]}) for point in group]
        completed.append(qdrant_edge.UpdateOperation.set_payload([point.chunk_id for point in group], payload))
    return [qdrant_edge.UpdateOperation.upsert_points(put), *completed]


def _payload_key(point: IndexPoint) -> tuple[Any, ...]:
    """Points with the same one have the same `payload_of`."""
    place = point.tenant_id, point.collection_id, point.document_id, point.version_id, point.access
    return *place, point.labels, point.valid_from, point.valid_to


def _engine_point(point: IndexPoint, payload: dict[str, Any]) -> qdrant_edge.Point:
    import qdrant_edge

    vectors: dict[str, qdrant_edge.NamedVector] = {}
    # an empty vector is left out: the engines don't agree on whether it counts in the idf
    if point.sparse.indices:
        vectors[SPARSE] = engine_sparse(point.sparse)
    if point.dense is not None:
        vectors[DENSE] = point.dense.tolist()
    if point.learned is not None and point.learned.indices:
        vectors[LEARNED] = engine_sparse(point.learned)
    if point.multi is not None:
        vectors[MULTI] = point.multi.tolist()
    return qdrant_edge.Point(point.chunk_id, vectors, payload)


def engine_sparse(vector: SparseVector) -> qdrant_edge.SparseVector:
    """The engine's form of a sparse vector."""
    import qdrant_edge

    return qdrant_edge.SparseVector(list(vector.indices), list(vector.values))


def engine_query(
    query: EngineQuery, permitted: qdrant_edge.Filter, wanted: qdrant_edge.Filter
) -> qdrant_edge.QueryRequest:
    """One search in one leg; the idf is that of the permitted points."""
    import qdrant_edge as edge

    if isinstance(query.vector, SparseVector):
        nearest = edge.Query.Nearest(engine_sparse(query.vector), using=query.leg)
        params = edge.SearchParams(idf=edge.IdfParams(corpus=permitted)) if query.leg == SPARSE else None
        return edge.QueryRequest(limit=query.fetch, query=nearest, filter=wanted, params=params)
    nearest = edge.Query.Nearest(query.vector.tolist(), using=query.leg)
    exact = edge.QuantizationSearchParams(
        rescore=True, oversampling=OVERSAMPLING
    )  # scores are those of the full vectors
    return edge.QueryRequest(
        limit=query.fetch, query=nearest, filter=wanted, params=edge.SearchParams(quantization=exact)
    )


def hybrid_requests(
    query: HybridQuery, legs: Legs, permitted: qdrant_edge.Filter, wanted: qdrant_edge.Filter
) -> list[qdrant_edge.QueryRequest]:
    """The fused query, and with token vectors a second one that has it inside."""
    import qdrant_edge as edge

    prefetches = [_prefetch(EngineQuery(leg, part.vector, part.limit), permitted, wanted) for leg, part in legs.items()]
    # Any: the stubs nest these classes in Fusion, but don't derive them from it
    fusion: Any = edge.Fusion.Rrf(RRF_K, weights_of(legs, query)) if query.method == RRF else edge.Fusion.Dbsf()
    limit = query.limit + TIE_MARGIN
    requests = [edge.QueryRequest(limit=limit, query=fusion, prefetches=prefetches, filter=wanted)]
    if query.multi is not None:
        inner = edge.Prefetch(limit=query.rescored, query=fusion, prefetches=prefetches, filter=wanted)
        nearest = edge.Query.Nearest(query.multi.tolist(), using=MULTI)
        requests.append(edge.QueryRequest(limit=query.rescored, query=nearest, prefetches=[inner], filter=wanted))
    return requests


def _prefetch(query: EngineQuery, permitted: qdrant_edge.Filter, wanted: qdrant_edge.Filter) -> qdrant_edge.Prefetch:
    import qdrant_edge as edge

    request = engine_query(query, permitted, wanted)
    least = None if query.leg == DENSE else POSITIVE
    return edge.Prefetch(
        limit=query.fetch, query=request.query, params=request.params, filter=wanted, score_threshold=least
    )


def field_is_any_of(field: str, values: list[str]) -> qdrant_edge.Filter:
    """Points whose `field` has one of `values`."""
    return filter_of([AnyOf(field, tuple(values))])


def filter_of(conditions: Sequence[Condition]) -> qdrant_edge.Filter:
    """Points that meet every condition. One list of values may stand value by value, as alternatives (`VALUES_ALONE`)."""
    import qdrant_edge

    held = [item for item in conditions if not isinstance(item, NoneOf)]
    most = VALUES_ALONE if len(held) == 1 else VALUES_BESIDE_OTHERS
    apart = next((item for item in held if isinstance(item, AnyOf) and 1 < len(item.values) <= most), None)
    return qdrant_edge.Filter(
        must=[_engine_condition(item) for item in held if item is not apart],
        should=None if apart is None else [_is(apart.field, value) for value in apart.values],
        must_not=[_any_of(item) for item in conditions if isinstance(item, NoneOf)],
    )


def _engine_condition(item: AnyOf | Between) -> qdrant_edge.FieldCondition:
    import qdrant_edge as edge

    if isinstance(item, AnyOf):
        return _is(item.field, item.values[0]) if len(item.values) == 1 else _any_of(item)
    return edge.FieldCondition(key=item.field, range=edge.RangeFloat(lte=item.most, gt=item.above))


def _is(field: str, value: str) -> qdrant_edge.FieldCondition:
    import qdrant_edge as edge

    return edge.FieldCondition(key=field, match=edge.MatchValue(value))


def _any_of(item: AnyOf | NoneOf) -> qdrant_edge.FieldCondition:
    import qdrant_edge as edge

    return edge.FieldCondition(key=item.field, match=edge.MatchAny(list(item.values)))


def uuid(point_id: qdrant_edge.PointId) -> UUID:
    """The chunk id behind an engine's id."""
    return point_id if isinstance(point_id, UUID) else UUID(str(point_id))
