"""What is sent to a Qdrant server about points, in its client's types."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from rag.domain.vectors import SparseVector
from rag.index.base import DENSE, LEARNED, MULTI, RRF, SPARSE, HybridQuery, IndexPoint
from rag.index.hybrid import POSITIVE, RRF_K, Legs, weights_of
from rag.index.layout import TIE_MARGIN, AnyOf, Between, Condition, EngineQuery, NoneOf, payload_of
from rag.settings import QdrantSettings

if TYPE_CHECKING:
    from qdrant_client import models

BATCH = 256
"""Points in one request: about 3 MB of JSON at 1,024 dimensions; the server's limit is 32 MB."""
BATCH_NUMBERS = 1_000_000
"""Numbers in one request: 12 to 20 MB of JSON. Token vectors fill a request with few points."""


def batches(points: Sequence[IndexPoint]) -> Iterator[list[models.PointStruct]]:
    """`points` in requests of bounded size; a point that alone is beyond it goes alone."""
    batch: list[models.PointStruct] = []
    numbers = 0
    for point in points:
        more = _numbers(point)
        if batch and (len(batch) == BATCH or numbers + more > BATCH_NUMBERS):
            yield batch
            batch, numbers = [], 0
        batch.append(_engine_point(point))
        numbers += more
    if batch:
        yield batch


def _numbers(point: IndexPoint) -> int:
    sparse = sum(len(vector.indices) for vector in (point.sparse, point.learned) if vector is not None)
    return 2 * sparse + sum(vector.size for vector in (point.dense, point.multi) if vector is not None)


def _engine_point(point: IndexPoint) -> models.PointStruct:
    from qdrant_client import models

    vectors: dict[str, Any] = {}
    # an empty vector is left out: the engines don't agree on whether it counts in the idf
    if point.sparse.indices:
        vectors[SPARSE] = _engine_sparse(point.sparse)
    if point.dense is not None:
        vectors[DENSE] = point.dense.tolist()
    if point.learned is not None and point.learned.indices:
        vectors[LEARNED] = _engine_sparse(point.learned)
    if point.multi is not None:
        vectors[MULTI] = point.multi.tolist()
    return models.PointStruct(id=str(point.chunk_id), vector=vectors, payload=payload_of(point))


def _engine_sparse(vector: SparseVector) -> models.SparseVector:
    from qdrant_client import models

    return models.SparseVector(indices=list(vector.indices), values=list(vector.values))


def engine_query(
    query: EngineQuery, permitted: models.Filter, wanted: models.Filter, settings: QdrantSettings
) -> models.QueryRequest:
    """One search in one leg; the idf is that of the permitted points."""
    from qdrant_client import models

    vector, params = _leg(query, permitted, settings)
    return models.QueryRequest(query=vector, using=query.leg, filter=wanted, limit=query.fetch, params=params)


def hybrid_requests(
    query: HybridQuery, legs: Legs, permitted: models.Filter, wanted: models.Filter, settings: QdrantSettings
) -> list[models.QueryRequest]:
    """The fused query, and with token vectors a second one that has it inside; `wanted` stands in every part."""
    from qdrant_client import models

    prefetches = []
    for leg, part in legs.items():
        vector, params = _leg(EngineQuery(leg, part.vector, part.limit), permitted, settings)
        least = None if leg == DENSE else POSITIVE
        prefetches.append(
            models.Prefetch(
                query=vector, using=leg, filter=wanted, limit=part.limit, params=params, score_threshold=least
            )
        )
    fusion: models.RrfQuery | models.FusionQuery = models.FusionQuery(fusion=models.Fusion.DBSF)
    if query.method == RRF:
        fusion = models.RrfQuery(rrf=models.Rrf(k=RRF_K, weights=weights_of(legs, query)))
    limit = query.limit + TIE_MARGIN
    requests = [models.QueryRequest(prefetch=prefetches, query=fusion, filter=wanted, limit=limit)]
    if query.multi is not None:
        inner = models.Prefetch(prefetch=prefetches, query=fusion, filter=wanted, limit=query.rescored)
        requests.append(
            models.QueryRequest(
                prefetch=[inner], query=query.multi.tolist(), using=MULTI, filter=wanted, limit=query.rescored
            )
        )
    return requests


def _leg(
    query: EngineQuery, permitted: models.Filter, settings: QdrantSettings
) -> tuple[models.SparseVector | list[float], models.SearchParams | None]:
    from qdrant_client import models

    if not isinstance(query.vector, SparseVector):
        return query.vector.tolist(), _dense_params(settings)
    # only BM25 needs the engine's idf; a model's own weights stand as they are
    params = models.SearchParams(idf=models.IdfCorpusParams(corpus=permitted)) if query.leg == SPARSE else None
    return _engine_sparse(query.vector), params


def _dense_params(settings: QdrantSettings) -> models.SearchParams | None:
    from qdrant_client import models

    quantised = None
    if settings.quantisation != "none":
        # said rather than left to the server, which rescores or not by the kind of quantisation
        quantised = models.QuantizationSearchParams(rescore=True, oversampling=settings.oversampling)
    if quantised is None and settings.hnsw_ef is None:
        return None
    return models.SearchParams(hnsw_ef=settings.hnsw_ef, quantization=quantised)


def field_is_any_of(field: str, values: list[str]) -> models.Filter:
    """Points whose `field` has one of `values`."""
    return filter_of([AnyOf(field, tuple(values))])


def filter_of(conditions: Sequence[Condition]) -> models.Filter:
    """Points that meet every condition."""
    from qdrant_client import models

    refused = [_any_of(item) for item in conditions if isinstance(item, NoneOf)]
    held = [_engine_condition(item) for item in conditions if not isinstance(item, NoneOf)]
    return models.Filter(must=held, must_not=refused or None)


def _engine_condition(item: AnyOf | Between) -> models.FieldCondition:
    from qdrant_client import models

    if isinstance(item, AnyOf):
        return _any_of(item)
    return models.FieldCondition(key=item.field, range=models.Range(lte=item.most, gt=item.above))


def _any_of(item: AnyOf | NoneOf) -> models.FieldCondition:
    from qdrant_client import models

    return models.FieldCondition(key=item.field, match=models.MatchAny(any=list(item.values)))
