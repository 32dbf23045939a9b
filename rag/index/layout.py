"""How a point lies in an engine, and what every backend checks, merges and sorts in the same way.

Search has one condition, on `SCOPE`: the tenant, the collection, and the rule that says who may read, in one value. It says
the same as "this tenant and one of these collections and no rule or one of these", and it can be answered from posting lists
alone. Measured with 100,000 points of 384
dimensions, a permit for 70 % of them, Edge, not optimised: the dense leg took 27 ms instead of 82 ms with two
conditions, the sparse leg with the idf over the permitted points 11 ms instead of 40 ms.

A version that a newer one replaced lies under another scope, the archive's: a question about the present has the same one
condition whatever lies there. A question as of a date asks for both scopes and for validity, two numbers on every point.

Engines that lay points of one tenant side by side (`is_tenant`) do so by `SCOPE`: a search reads whole scopes, and never the
archive's with the present's. By `TENANT` the archive would lie between what is searched.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from uuid import UUID

import numpy as np

from rag.domain.errors import ConfigurationError
from rag.domain.filters import Selection
from rag.domain.principal import Permit
from rag.domain.vectors import SparseVector
from rag.index.base import DENSE, LEARNED, SPARSE, IndexPoint, IndexSchema, LegHit, LegQuery, Placement, Retirement

if TYPE_CHECKING:
    from numpy.typing import NDArray

LAYOUT = 2
"""Version of this layout; part of the record that an index is opened against."""

TENANT = "tenant"
COLLECTION = "collection"
DOCUMENT = "document"
VERSION = "version"
SCOPE = "scope"
LABELS = "labels"
VALID_FROM = "valid_from"
VALID_TO = "valid_to"

ALWAYS = 253_402_300_800_000
"""The end of what has no end: the year 10000, in milliseconds since 1970."""
_MILLISECOND = timedelta(milliseconds=1)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

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


@dataclass(frozen=True, slots=True)
class AnyOf:
    """The field has one of these values."""

    field: str
    values: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Between:
    """The number in the field is at most `most`, or above `above`; None is open."""

    field: str
    most: int | None = None
    above: int | None = None


@dataclass(frozen=True, slots=True)
class NoneOf:
    """The field has none of these values."""

    field: str
    values: tuple[str, ...]


Condition = AnyOf | Between | NoneOf


@dataclass(frozen=True, slots=True)
class Conditions:
    """What an engine's query carries; every condition must hold.

    Attributes:
        permitted: what the permit says; the corpus of the idf.
        wanted: the permit and the filter together; what may be a hit.
    """

    permitted: tuple[Condition, ...]
    wanted: tuple[Condition, ...]


Ask = Callable[[Sequence[EngineQuery]], list[list[LegHit]]]
"""Runs engine queries under the permit's condition, one list of hits for each, best first."""


def scope_of(tenant_id: UUID, collection_id: UUID, access: UUID | None = None) -> str:
    """The value of `SCOPE`: all ids, so that a collection id of another tenant can't match, nor a rule elsewhere."""
    scope = f"{tenant_id}/{collection_id}"
    return scope if access is None else f"{scope}/{access}"


def permitted_scopes(permit: Permit) -> list[str]:
    """The values of `SCOPE` that `permit` opens, sorted; empty when it permits nothing."""
    open_scopes = (scope_of(permit.tenant_id, collection) for collection in permit.collections)
    ruled = (
        scope_of(permit.tenant_id, item.collection_id, item.rule_id)
        for item in permit.rules
        if item.collection_id in permit.collections
    )
    return sorted([*open_scopes, *ruled])


def archive_of(scope: str) -> str:
    """The scope of what is archived under `scope`."""
    return f"archive/{scope}"


def conditions_of(permit: Permit, selection: Selection | None) -> Conditions:
    """What `permit` opens, and what `selection` wants of it."""
    scopes = permitted_scopes(permit)
    permitted: list[Condition] = [AnyOf(SCOPE, tuple(scopes))]
    if permit.as_of is not None:
        # rounded so that nothing valid is left out: the record knows the instants exactly and is asked again
        permitted = [
            AnyOf(SCOPE, (*scopes, *map(archive_of, scopes))),
            Between(VALID_FROM, most=_milliseconds(permit.as_of) + 1),
            Between(VALID_TO, above=_milliseconds(permit.as_of)),
        ]
    if selection is not None and selection.excluded:
        # These count for no idf either: where their points lie says nothing about who may read them.
        permitted.append(NoneOf(DOCUMENT, tuple(sorted(map(str, selection.excluded)))))
    wanted = list(permitted)
    if selection is not None:
        wanted += [AnyOf(LABELS, group) for group in selection.label_groups]
        if selection.documents is not None:
            wanted.append(AnyOf(DOCUMENT, tuple(sorted(map(str, selection.documents)))))
    return Conditions(tuple(permitted), tuple(wanted))


def impossible(permit: Permit, selection: Selection | None) -> bool:
    """Whether nothing can match, so that no engine has to be asked (they differ about an empty list of values)."""
    if not permit.collections:
        return True
    return selection is not None and (selection.documents == frozenset() or not all(selection.label_groups))


def _milliseconds(instant: datetime) -> int:
    """Milliseconds since 1970, rounded down. Division of integers: a float would not be exact."""
    return (instant - _EPOCH) // _MILLISECOND


def validity_of(valid_from: datetime | None, valid_to: datetime | None) -> dict[str, int]:
    """The two numbers of a validity; the end is rounded up."""
    return {
        VALID_FROM: 0 if valid_from is None else _milliseconds(valid_from),
        VALID_TO: ALWAYS if valid_to is None else _milliseconds(valid_to) + 1,
    }


def retired_payload(item: Retirement) -> dict[str, Any]:
    """What changes on the points of a version that moves into the archive."""
    scope = scope_of(item.tenant_id, item.collection_id, item.access)
    return {SCOPE: archive_of(scope), **validity_of(item.valid_from, item.valid_to)}


def placed_payload(item: Placement) -> dict[str, Any]:
    """What changes on the points of a version that moves under another rule."""
    scope = scope_of(item.tenant_id, item.collection_id, item.access)
    return {SCOPE: archive_of(scope) if item.archived else scope}


def payload_of(point: IndexPoint) -> dict[str, Any]:
    """What is stored beside the vectors: ids, validity and labels, never text."""
    scope = scope_of(point.tenant_id, point.collection_id, point.access)
    return {
        TENANT: str(point.tenant_id),
        COLLECTION: str(point.collection_id),
        DOCUMENT: str(point.document_id),
        VERSION: str(point.version_id),
        SCOPE: scope if point.valid_to is None else archive_of(scope),
        LABELS: list(point.labels),
        **validity_of(point.valid_from, point.valid_to),
    }


def schema_record(schema: IndexSchema) -> dict[str, Any]:
    """What an index remembers about itself, as JSON."""
    record = {"layout": LAYOUT, "space": schema.space, "dimensions": schema.dimensions}
    # left out where there are none, so that an index from before there were any still opens
    return record | ({"learned": True} if schema.learned else {}) | ({"multi": schema.multi} if schema.multi else {})


def space_identity(schema: IndexSchema) -> str:
    """12 hex digits that name the embedding space and layout of `schema` in collections and folders."""
    record = json.dumps(schema_record(schema), sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(record.encode("utf-8")).hexdigest()[:12]


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
        f"{_described(schema.space, schema_record(schema))}. Run `seogo index rebuild`.",
        detail_ko=f"{where}의 색인은 {_described_ko(built_for, found)}에 맞춰 만든 것인데 설정은 "
        f"{_described_ko(schema.space, schema_record(schema))}을(를) 가리킵니다. `seogo index rebuild`를 실행하세요.",
    )


def _described(space: object, record: object) -> str:
    if not isinstance(record, Mapping) or not isinstance(space, str):
        return "something else"
    dimensions = record.get("dimensions")
    return f"the embedding space {space} ({'no dense leg' if dimensions is None else f'{dimensions} dimensions'})"


def _described_ko(space: object, record: object) -> str:
    if not isinstance(record, Mapping) or not isinstance(space, str):
        return "알 수 없는 구성"
    dimensions = record.get("dimensions")
    return f"임베딩 공간 {space}({'벡터 없음' if dimensions is None else f'{dimensions}차원'})"


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
        if point.learned is not None:
            _check_learned(schema, point.learned)
        if point.multi is not None:
            check_multi(schema, point.multi)
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


def _check_learned(schema: IndexSchema, vector: SparseVector) -> None:
    if not schema.learned:
        raise ValueError(f"the space {schema.space} has no learned leg")
    _check_sparse(vector)


def check_multi(schema: IndexSchema, vectors: NDArray[np.float32]) -> None:
    """Raise ValueError when these token vectors don't fit an index with this schema."""
    if schema.multi is None:
        raise ValueError(f"the space {schema.space} has no token vectors")
    if vectors.ndim != 2 or vectors.shape[1] != schema.multi or not len(vectors):
        raise ValueError(f"token vectors have shape {vectors.shape}, the index has {schema.multi} dimensions")
    if not np.isfinite(vectors).all():
        raise ValueError("a token vector has a value that is not a number")


def check_leg(schema: IndexSchema, leg: str, query: LegQuery) -> None:
    """Raise ValueError when `query` doesn't fit leg `leg` of an index with this schema."""
    if leg == SPARSE and isinstance(query.vector, SparseVector):
        _check_sparse(query.vector)
    elif leg == LEARNED and isinstance(query.vector, SparseVector):
        _check_learned(schema, query.vector)
    elif leg == DENSE and not isinstance(query.vector, SparseVector):
        _check_dense(schema, query.vector)
    else:
        raise ValueError(f"there is no leg {leg} for a {type(query.vector).__name__}")


def ranked(leg: str, hits: Sequence[LegHit], limit: int) -> list[LegHit]:
    """The first `limit` of `hits`: best first, ties by chunk id, sparse and learned hits only with a score above zero."""
    kept = [hit for hit in hits if leg == DENSE or hit.score > 0]
    return sorted(kept, key=lambda hit: (-hit.score, hit.chunk_id))[: max(limit, 0)]


def answered(
    schema: IndexSchema, queries: Sequence[Mapping[str, LegQuery]], ask: Ask, *, nothing: bool
) -> list[dict[str, list[LegHit]]]:
    """Run `queries` through `ask`, all legs of all queries in one call, and rank what comes back.

    With `nothing`, queries are checked, but nothing is asked (`impossible`). A leg whose limit cuts through equal scores
    is asked again, deeper, so that the same question gives the same hits on every engine and every day; one of which
    scores alone are read is not.

    Raises:
        ValueError: a query doesn't fit the schema.
    """
    answers: list[dict[str, list[LegHit]]] = [{leg: [] for leg in query} for query in queries]
    depth: dict[tuple[int, str], int] = {}
    for number, query in enumerate(queries):
        for leg, wanted in query.items():
            check_leg(schema, leg, wanted)
            if not nothing and wanted.limit > 0 and _asks_something(wanted):
                depth[number, leg] = wanted.limit + (0 if wanted.scores_alone else TIE_MARGIN)
    while depth:
        slots = list(depth.items())
        found = ask([EngineQuery(leg, queries[number][leg].vector, fetch) for (number, leg), fetch in slots])
        depth = {}
        for ((number, leg), fetch), hits in zip(slots, found, strict=True):
            limit, scores_alone = queries[number][leg].limit, queries[number][leg].scores_alone
            answers[number][leg] = ranked(leg, hits, limit)
            if not scores_alone and fetch < TIE_CAP and _cut_through_tie(hits, limit, fetch):
                depth[number, leg] = min(fetch * 8, TIE_CAP)
    return answers


def _asks_something(query: LegQuery) -> bool:
    return not isinstance(query.vector, SparseVector) or bool(query.vector.indices)


def _cut_through_tie(hits: Sequence[LegHit], limit: int, fetch: int) -> bool:
    return len(hits) >= fetch and hits[limit - 1].score == hits[-1].score
