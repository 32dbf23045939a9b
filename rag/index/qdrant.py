"""The production index: a Qdrant server or cluster, one collection.

Server 1.19 or newer: older ones have no idf over the permitted points, and would ignore the request for it without a
word.
"""

from __future__ import annotations

import ssl
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from uuid import UUID

from rag.domain.errors import ConfigurationError, IndexUnavailable
from rag.domain.filters import Selection
from rag.domain.principal import Permit
from rag.domain.vectors import SparseVector
from rag.index.base import DENSE, LEARNED, MULTI, SPARSE, IndexPoint, IndexSchema, LegHit, LegQuery, Retirement
from rag.index.layout import (
    COLLECTION,
    DOCUMENT,
    LABELS,
    SCOPE,
    TENANT,
    VALID_FROM,
    VALID_TO,
    VERSION,
    AnyOf,
    Condition,
    Conditions,
    EngineQuery,
    answered,
    checked_points,
    conditions_of,
    impossible,
    payload_of,
    require_schema,
    retired_payload,
    schema_record,
)

if TYPE_CHECKING:
    from qdrant_client import QdrantClient, models

BATCH = 256
"""Points in one request: about 3 MB of JSON at 1,024 dimensions; the server's limit is 32 MB."""
PAGE = 1000
"""Points in one page of a scroll."""
RECORD = "seogo"
"""Key of the schema's record in the collection's metadata."""
OLDEST_SERVER = (1, 19)


class QdrantIndex:
    """`VectorIndex` on a collection of a Qdrant server; `open_qdrant` makes one."""

    def __init__(self, client: QdrantClient, collection: str, schema: IndexSchema, *, owns_client: bool) -> None:
        self._client: QdrantClient | None = client
        self._collection = collection
        self._schema = schema
        self._owns_client = owns_client

    @property
    def schema(self) -> IndexSchema:
        """The schema that the index was opened with."""
        return self._schema

    def upsert(self, points: Sequence[IndexPoint]) -> None:
        """Insert or replace by chunk id.

        Raises:
            IndexUnavailable: the server can't be reached or refused; what was written before that stays.
            ValueError: a vector doesn't fit the schema. Nothing was written.
        """
        checked = checked_points(self._schema, points)
        for start in range(0, len(checked), BATCH):
            batch = [_engine_point(point) for point in checked[start : start + BATCH]]
            with self._engine() as client:
                client.upsert(self._collection, batch, wait=True)

    def delete_versions(self, version_ids: Sequence[UUID]) -> None:
        """Remove every point of these versions; unknown ids are no error."""
        if version_ids:
            self._delete(_any_of(VERSION, [str(version) for version in version_ids]))

    def retire(self, retirements: Sequence[Retirement]) -> None:
        """Move the points of these versions into the archive; see `VectorIndex.retire`."""
        for item in retirements:
            self._set_payload(_any_of(VERSION, [str(item.version_id)]), retired_payload(item))

    def relabel(self, version_id: UUID, labels: Sequence[str]) -> None:
        """Put `labels` on every point of a version."""
        self._set_payload(_any_of(VERSION, [str(version_id)]), {LABELS: list(labels)})

    def count(self, version_id: UUID | None = None) -> int:
        """Exact number of points, of one version or of all."""
        condition = None if version_id is None else _any_of(VERSION, [str(version_id)])
        with self._engine() as client:
            return client.count(self._collection, count_filter=condition, exact=True).count

    def search(
        self, permit: Permit, legs: Mapping[str, LegQuery], selection: Selection | None = None
    ) -> dict[str, list[LegHit]]:
        """The best hits per leg; see `VectorIndex.search`."""
        return self.search_batch(permit, [legs], selection)[0]

    def search_batch(
        self, permit: Permit, queries: Sequence[Mapping[str, LegQuery]], selection: Selection | None = None
    ) -> list[dict[str, list[LegHit]]]:
        """`search` for several queries: all legs of all queries in one request."""
        conditions = conditions_of(permit, selection)
        nothing = impossible(permit, selection)
        return answered(self._schema, queries, lambda asked: self._ask(conditions, asked), nothing=nothing)

    def versions_of(self) -> Iterator[tuple[UUID, UUID]]:
        """Every (chunk id, version id), a page in memory at a time."""
        offset: Any = None
        while True:
            with self._engine() as client:
                records, offset = client.scroll(
                    self._collection, limit=PAGE, offset=offset, with_payload=[VERSION], with_vectors=False
                )
            for record in records:
                yield UUID(str(record.id)), UUID((record.payload or {})[VERSION])
            if offset is None:
                return

    def optimize(self) -> None:
        """Nothing to do: the server builds its search structures by itself, in the background."""

    def clear(self) -> None:
        """Remove every point; collection and payload indexes stay, so other processes need not notice."""
        from qdrant_client import models

        # every point of ours has a version; an empty filter would say the same, but reads like an oversight
        without = models.IsEmptyCondition(is_empty=models.PayloadField(key=VERSION))
        self._delete(models.Filter(must_not=[without]))

    def close(self) -> None:
        """Close the connections, if this index opened them. Closing twice is allowed."""
        client, self._client = self._client, None
        if client is not None and self._owns_client:
            client.close()

    @contextmanager
    def _engine(self) -> Iterator[QdrantClient]:
        client = self._client
        if client is None:
            raise IndexUnavailable
        with _server_errors():
            yield client

    def _delete(self, condition: models.Filter) -> None:
        from qdrant_client import models

        with self._engine() as client:
            client.delete(self._collection, models.FilterSelector(filter=condition), wait=True)

    def _set_payload(self, condition: models.Filter, payload: dict[str, Any]) -> None:
        with self._engine() as client:
            client.set_payload(self._collection, payload, points=condition, wait=True)

    def _ask(self, conditions: Conditions, asked: Sequence[EngineQuery]) -> list[list[LegHit]]:
        permitted, wanted = _filter(conditions.permitted), _filter(conditions.wanted)
        requests = [_engine_query(query, permitted, wanted) for query in asked]
        with self._engine() as client:
            found = client.query_batch_points(self._collection, requests)
        return [[LegHit(UUID(str(point.id)), point.score) for point in response.points] for response in found]


def open_qdrant(
    url: str | None,
    schema: IndexSchema,
    *,
    collection_name: str = "seogo",
    api_key: str | None = None,
    timeout: float = 30.0,
    client: QdrantClient | None = None,
    recreate: bool = False,
) -> QdrantIndex:
    """Open a collection, or make an empty one.

    Args:
        url: such as `http://qdrant.internal:6333`; without a port, 6333 is taken.
        timeout: seconds for one request.
        client: takes the place of `url`, `api_key` and `timeout`, and stays the caller's to close.
        recreate: drop the collection first, whatever it was built for.

    Raises:
        IndexUnavailable: the server can't be reached.
        ConfigurationError: the collection was built for another schema, the server is too old or refuses the key.
    """
    connected = _connected(url, api_key, timeout) if client is None else client
    try:
        with _server_errors():
            _require_server(connected)
            if recreate:
                connected.delete_collection(collection_name)
            if not connected.collection_exists(collection_name):
                _create(connected, collection_name, schema)
            metadata = connected.get_collection(collection_name).config.metadata or {}
            require_schema(metadata.get(RECORD), schema, f"the Qdrant collection {collection_name}")
            _create_payload_indexes(connected, collection_name)
    except BaseException:
        if client is None:
            connected.close()
        raise
    return QdrantIndex(connected, collection_name, schema, owns_client=client is None)


def _connected(url: str | None, api_key: str | None, timeout: float) -> QdrantClient:
    from qdrant_client import QdrantClient

    if url is None:
        raise ConfigurationError(detail="the qdrant index needs the URL of a server")
    # No proxies from the environment: the server is inside the network. The system's certificates, because a company's
    # own authority is installed there. No compatibility check: it is a thread that only warns, see `_require_server`.
    return QdrantClient(
        url=url,
        api_key=api_key,
        timeout=max(1, round(timeout)),
        check_compatibility=False,
        trust_env=False,
        verify=ssl.create_default_context(),
    )


def _require_server(client: QdrantClient) -> None:
    version = client.info().version
    numbers = tuple(int(part) for part in version.split(".")[:2] if part.isdigit())
    if numbers < OLDEST_SERVER:
        oldest = ".".join(map(str, OLDEST_SERVER))
        raise ConfigurationError(detail=f"the Qdrant server has version {version}; {oldest} or newer is needed")


def _create(client: QdrantClient, collection: str, schema: IndexSchema) -> None:
    from qdrant_client import models
    from qdrant_client.http.exceptions import UnexpectedResponse

    vectors = {}
    if schema.dimensions is not None:
        vectors[DENSE] = models.VectorParams(size=schema.dimensions, distance=models.Distance.COSINE)
    if schema.multi is not None:
        vectors[MULTI] = models.VectorParams(
            size=schema.multi,
            distance=models.Distance.COSINE,
            multivector_config=models.MultiVectorConfig(comparator=models.MultiVectorComparator.MAX_SIM),
            hnsw_config=models.HnswConfigDiff(m=0),  # it rescores what the legs found, and is never searched
        )
    sparse = {SPARSE: models.SparseVectorParams(modifier=models.Modifier.IDF)}
    if schema.learned:
        sparse[LEARNED] = models.SparseVectorParams()
    try:
        client.create_collection(
            collection,
            vectors_config=vectors,
            sparse_vectors_config=sparse,
            metadata={RECORD: schema_record(schema)},
        )
    except UnexpectedResponse as error:
        if error.status_code != 409:  # another process was faster; its schema is compared next
            raise


def _create_payload_indexes(client: QdrantClient, collection: str) -> None:
    """Repeated at every start: changes nothing on a complete collection, completes one whose maker was killed."""
    from qdrant_client import models

    keyword = models.KeywordIndexType.KEYWORD
    integer = models.IntegerIndexType.INTEGER
    instant = models.IntegerIndexParams(type=integer, lookup=False, range=True, enable_hnsw=False)
    # only scopes are searched by, so only they deserve links of their own in the HNSW graph
    fields: dict[str, models.KeywordIndexParams | models.IntegerIndexParams] = {
        SCOPE: models.KeywordIndexParams(type=keyword),
        TENANT: models.KeywordIndexParams(type=keyword, is_tenant=True, enable_hnsw=False),
        COLLECTION: models.KeywordIndexParams(type=keyword, enable_hnsw=False),
        VERSION: models.KeywordIndexParams(type=keyword, enable_hnsw=False),
        DOCUMENT: models.KeywordIndexParams(type=keyword, enable_hnsw=False),
        LABELS: models.KeywordIndexParams(type=keyword, enable_hnsw=False),
        VALID_FROM: instant,
        VALID_TO: instant,
    }
    with warnings.catch_warnings():
        # the client's local mode (tests) warns that it has no payload indexes
        warnings.simplefilter("ignore", UserWarning)
        for field, params in fields.items():
            client.create_payload_index(collection, field, params, wait=True)


@contextmanager
def _server_errors() -> Iterator[None]:
    from qdrant_client.common.client_exceptions import QdrantException
    from qdrant_client.http.exceptions import ApiException, UnexpectedResponse

    try:
        yield
    except UnexpectedResponse as error:
        if error.status_code in (401, 403):
            raise ConfigurationError(detail="the Qdrant server refuses the API key") from error
        raise IndexUnavailable from error
    except (ApiException, QdrantException) as error:
        raise IndexUnavailable from error


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


def _engine_query(query: EngineQuery, permitted: models.Filter, wanted: models.Filter) -> models.QueryRequest:
    from qdrant_client import models

    if isinstance(query.vector, SparseVector):
        # only BM25 needs the engine's idf; a model's own weights stand as they are
        params = models.SearchParams(idf=models.IdfCorpusParams(corpus=permitted)) if query.leg == SPARSE else None
        sparse = _engine_sparse(query.vector)
        return models.QueryRequest(query=sparse, using=query.leg, filter=wanted, limit=query.fetch, params=params)
    return models.QueryRequest(query=query.vector.tolist(), using=DENSE, filter=wanted, limit=query.fetch)


def _any_of(field: str, values: list[str]) -> models.Filter:
    return _filter([AnyOf(field, tuple(values))])


def _filter(conditions: Sequence[Condition]) -> models.Filter:
    from qdrant_client import models

    return models.Filter(must=[_engine_condition(item) for item in conditions])


def _engine_condition(item: Condition) -> models.FieldCondition:
    from qdrant_client import models

    if isinstance(item, AnyOf):
        return models.FieldCondition(key=item.field, match=models.MatchAny(any=list(item.values)))
    return models.FieldCondition(key=item.field, range=models.Range(lte=item.most, gt=item.above))
