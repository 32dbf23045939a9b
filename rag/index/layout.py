"""How a point lies in an engine, and what every backend checks, merges and sorts in the same way.

Search has one condition, on `SCOPE`: the tenant and the collection in one value. It says the same as "this tenant and
one of these collections", and it can be answered from posting lists alone. Measured with 100,000 points of 384
dimensions, a permit for 70 % of them, Edge, not optimised: the dense leg took 27 ms instead of 82 ms with two
conditions, the sparse leg with the idf over the permitted points 11 ms instead of 40 ms.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from uuid import UUID

import numpy as np

from rag.domain.errors import ConfigurationError
from rag.domain.principal import Permit
from rag.domain.vectors import SparseVector
from rag.index.base import DENSE, SPARSE, IndexPoint, IndexSchema, LegHit, LegQuery

if TYPE_CHECKING:
    from numpy.typing import NDArray

LAYOUT = 1
"""Version of this layout; part of the record that an index is opened against."""

TENANT = "tenant"
COLLECTION = "collection"
DOCUMENT = "document"
VERSION = "version"
SCOPE = "scope"

TIE_MARGIN = 16
"""Hits fetched beyond the limit, so that a cut through equal scores is noticed."""
TIE_CAP = 10_000
"""Where widening stops: beyond it, which of the equal hits is kept is the engine's choice."""


@dataclass(frozen=True, slots=True)
class EngineQuery:
    """One search in one leg, `fetch` hits deep."""

    leg: str
    vector: NDArray[np.float32] | SparseVector
    fetch: int


Ask = Callable[[Sequence[EngineQuery]], list[list[LegHit]]]
"""Runs engine queries under the permit's condition, one list of hits for each, best first."""


def scope_of(tenant_id: UUID, collection_id: UUID) -> str:
    """The value of `SCOPE`: both ids, so that a collection id of another tenant can't match."""
    return f"{tenant_id}/{collection_id}"


def permitted_scopes(permit: Permit) -> list[str]:
    """The values of `SCOPE` that `permit` opens, sorted; empty when it permits nothing."""
    return sorted(scope_of(permit.tenant_id, collection) for collection in permit.collections)


def payload_of(point: IndexPoint) -> dict[str, Any]:
    """What is stored beside the vectors: ids only, never text."""
    return {
        TENANT: str(point.tenant_id),
        COLLECTION: str(point.collection_id),
        DOCUMENT: str(point.document_id),
        VERSION: str(point.version_id),
        SCOPE: scope_of(point.tenant_id, point.collection_id),
    }


def schema_record(schema: IndexSchema) -> dict[str, Any]:
    """What an index remembers about itself, as JSON."""
    return {"layout": LAYOUT, "space": schema.space, "dimensions": schema.dimensions}


def require_schema(found: object, schema: IndexSchema, where: str) -> None:
    """Compare an index's record with the schema it is opened with.

    Raises:
        ConfigurationError: they differ; its vectors and the question's would not be comparable.
    """
    if found == schema_record(schema):
        return
    built_for = found.get("space") if isinstance(found, Mapping) else None
    raise ConfigurationError(
        detail=f"the index in {where} was built for {_described(built_for, found)}, the settings ask for "
        f"{_described(schema.space, schema_record(schema))}. Run `seogo index rebuild`."
    )


def _described(space: object, record: object) -> str:
    if not isinstance(record, Mapping) or not isinstance(space, str):
        return "something else"
    dimensions = record.get("dimensions")
    return f"the embedding space {space} ({'no dense leg' if dimensions is None else f'{dimensions} dimensions'})"


def checked_points(schema: IndexSchema, points: Sequence[IndexPoint]) -> list[IndexPoint]:
    """`points` without repeated chunk ids (the last one counts), every vector checked.

    Checked here because engines answer a wrong vector differently: Edge keeps NaN and repeated terms without a word.

    Raises:
        ValueError: a vector doesn't fit the schema. Nothing was written.
    """
    distinct = {point.chunk_id: point for point in points}
    for point in distinct.values():
        _check_sparse(point.sparse)
        if point.dense is not None:
            _check_dense(schema, point.dense)
    return list(distinct.values())


def _check_sparse(vector: SparseVector) -> None:
    if len(set(vector.indices)) != len(vector.indices):
        raise ValueError("a sparse vector names a term twice")


def _check_dense(schema: IndexSchema, vector: NDArray[np.float32]) -> None:
    if schema.dimensions is None:
        raise ValueError(f"the space {schema.space} has no dense leg")
    if vector.shape != (schema.dimensions,):
        raise ValueError(f"a dense vector has shape {vector.shape}, the index has {schema.dimensions} dimensions")
    if not np.isfinite(vector).all():
        raise ValueError("a dense vector has a value that is not a number")


def check_leg(schema: IndexSchema, leg: str, query: LegQuery) -> None:
    """Raise ValueError when `query` doesn't fit leg `leg` of an index with this schema."""
    if leg == SPARSE and isinstance(query.vector, SparseVector):
        _check_sparse(query.vector)
    elif leg == DENSE and not isinstance(query.vector, SparseVector):
        _check_dense(schema, query.vector)
    else:
        raise ValueError(f"there is no leg {leg} for a {type(query.vector).__name__}")


def ranked(leg: str, hits: Sequence[LegHit], limit: int) -> list[LegHit]:
    """The first `limit` of `hits`: best first, ties by chunk id, sparse hits only with a score above zero."""
    kept = [hit for hit in hits if leg != SPARSE or hit.score > 0]
    return sorted(kept, key=lambda hit: (-hit.score, hit.chunk_id))[: max(limit, 0)]


def answered(
    schema: IndexSchema, permit: Permit, queries: Sequence[Mapping[str, LegQuery]], ask: Ask
) -> list[dict[str, list[LegHit]]]:
    """Run `queries` through `ask`, all legs of all queries in one call, and rank what comes back.

    Nothing is asked when the permit opens no collection. A leg whose limit cuts through equal scores is asked again,
    deeper, so that the same question gives the same hits on every engine and every day.

    Raises:
        ValueError: a query doesn't fit the schema.
    """
    answers: list[dict[str, list[LegHit]]] = [{leg: [] for leg in query} for query in queries]
    depth: dict[tuple[int, str], int] = {}
    for number, query in enumerate(queries):
        for leg, wanted in query.items():
            check_leg(schema, leg, wanted)
            if permit.collections and wanted.limit > 0 and _asks_something(wanted):
                depth[number, leg] = wanted.limit + TIE_MARGIN
    while depth:
        slots = list(depth.items())
        found = ask([EngineQuery(leg, queries[number][leg].vector, fetch) for (number, leg), fetch in slots])
        depth = {}
        for ((number, leg), fetch), hits in zip(slots, found, strict=True):
            limit = queries[number][leg].limit
            answers[number][leg] = ranked(leg, hits, limit)
            if fetch < TIE_CAP and _cut_through_tie(hits, limit, fetch):
                depth[number, leg] = min(fetch * 8, TIE_CAP)
    return answers


def _asks_something(query: LegQuery) -> bool:
    return not isinstance(query.vector, SparseVector) or bool(query.vector.indices)


def _cut_through_tie(hits: Sequence[LegHit], limit: int, fetch: int) -> bool:
    return len(hits) >= fetch and hits[limit - 1].score == hits[-1].score
