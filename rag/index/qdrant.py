"""The production index: a Qdrant server or cluster, one collection for each embedding space.

The class answers for one collection; beside it, `qdrant_collections.py` knows what collections and aliases are like,
`qdrant_requests.py` what is asked, and `qdrant_connection.py` how it gets there.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar
from uuid import UUID

from rag.domain.errors import IndexUnavailable
from rag.domain.filters import Selection
from rag.domain.principal import Permit
from rag.index import qdrant_collections
from rag.index.base import HybridQuery, IndexPoint, IndexSchema, LegHit, LegQuery, Placement, Retirement
from rag.index.hybrid import Legs, answered_hybrid
from rag.index.layout import (
    LABELS,
    VERSION,
    Conditions,
    EngineQuery,
    answered,
    checked_points,
    conditions_of,
    impossible,
    placed_payload,
    retired_payload,
)
from rag.index.qdrant_collections import SpaceCollection
from rag.index.qdrant_connection import Address, Tries, connect, require_server, server_errors
from rag.index.qdrant_requests import batches, engine_query, field_is_any_of, filter_of, hybrid_requests
from rag.settings import QdrantSettings

if TYPE_CHECKING:
    from qdrant_client import QdrantClient, models

    from rag.index.registry import IndexConfig

log = logging.getLogger(__name__)
T = TypeVar("T")

PAGE = 1000
"""Points in one page of a scroll."""


class QdrantIndex:
    """`VectorIndex` on a collection of a Qdrant server; `open_qdrant` makes one."""

    def __init__(
        self,
        client: QdrantClient,
        collection: str,
        schema: IndexSchema,
        settings: QdrantSettings,
        tries: Tries,
        *,
        owns_client: bool,
        differences: tuple[str, ...] = (),
    ) -> None:
        self._client: QdrantClient | None = client
        self._collection = collection
        self._schema = schema
        self._settings = settings
        self._tries = tries
        self._owns_client = owns_client
        self._differences = differences

    @property
    def schema(self) -> IndexSchema:
        """The schema that the index was opened with."""
        return self._schema

    @property
    def collection(self) -> str:
        """The collection that this index works on."""
        return self._collection

    @property
    def differences(self) -> tuple[str, ...]:
        """How the collection stands otherwise than the settings ask, as found when it was opened."""
        return self._differences

    def upsert(self, points: Sequence[IndexPoint]) -> None:
        """Insert or replace by chunk id.

        Raises:
            IndexUnavailable: the server can't be reached or refused; what was written before that stays.
            ValueError: a vector doesn't fit the schema. Nothing was written.
        """
        for batch in batches(checked_points(self._schema, points)):
            self._run(partial(self._put, batch))

    def insert(self, points: Sequence[IndexPoint]) -> None:
        """`upsert`; see `VectorIndex.insert`."""
        self.upsert(points)

    def delete_versions(self, version_ids: Sequence[UUID]) -> None:
        """Remove every point of these versions; unknown ids are no error."""
        if version_ids:
            self._delete(field_is_any_of(VERSION, [str(version) for version in version_ids]))

    def retire(self, retirements: Sequence[Retirement]) -> None:
        """Move the points of these versions into the archive; see `VectorIndex.retire`."""
        for item in retirements:
            self._set_payload(field_is_any_of(VERSION, [str(item.version_id)]), retired_payload(item))

    def place(self, placement: Placement) -> None:
        """Move the points of a version under another rule; see `VectorIndex.place`."""
        self._set_payload(field_is_any_of(VERSION, [str(placement.version_id)]), placed_payload(placement))

    def relabel(self, version_id: UUID, labels: Sequence[str]) -> None:
        """Put `labels` on every point of a version."""
        self._set_payload(field_is_any_of(VERSION, [str(version_id)]), {LABELS: list(labels)})

    def count(self, *version_ids: UUID) -> int:
        """Exact number of points of these versions; of all where none is named."""
        condition = field_is_any_of(VERSION, list(map(str, version_ids))) if version_ids else None
        return self._run(lambda client: client.count(self._collection, count_filter=condition, exact=True).count)

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

    def hybrid(self, permit: Permit, query: HybridQuery, selection: Selection | None = None) -> list[LegHit]:
        """The best hits of all legs together, in one request; see `VectorIndex.hybrid`."""
        conditions = conditions_of(permit, selection)

        def ask(legs: Legs) -> tuple[list[LegHit], list[LegHit]]:
            permitted, wanted = filter_of(conditions.permitted), filter_of(conditions.wanted)
            fused, *rescored = self._queried(hybrid_requests(query, legs, permitted, wanted, self._settings))
            return fused, rescored[0] if rescored else []

        return answered_hybrid(self._schema, query, ask, nothing=impossible(permit, selection))

    def versions_of(self) -> Iterator[tuple[UUID, UUID]]:
        """Every (chunk id, version id), a page in memory at a time."""
        offset: Any = None
        while True:
            records, offset = self._run(partial(self._page, offset))
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

    def _run(self, request: Callable[[QdrantClient], T]) -> T:
        client = self._client
        if client is None:
            raise IndexUnavailable
        return self._tries.run(lambda: request(client))

    def _order(self) -> dict[str, Any]:
        """With copies, writes to a point go through one of its peers, or the copies could end up different."""
        from qdrant_client import models

        return {"ordering": models.WriteOrdering.MEDIUM} if self._settings.replicas > 1 else {}

    def _delete(self, condition: models.Filter) -> None:
        from qdrant_client import models

        chosen = models.FilterSelector(filter=condition)
        self._run(lambda client: client.delete(self._collection, chosen, wait=True, **self._order()))

    def _set_payload(self, condition: models.Filter, payload: dict[str, Any]) -> None:
        self._run(
            lambda client: client.set_payload(self._collection, payload, points=condition, wait=True, **self._order())
        )

    def _put(self, batch: list[models.PointStruct], client: QdrantClient) -> None:
        client.upsert(self._collection, batch, wait=True, **self._order())

    def _page(self, after: Any, client: QdrantClient) -> tuple[list[models.Record], Any]:
        return client.scroll(self._collection, limit=PAGE, offset=after, with_payload=[VERSION], with_vectors=False)

    def _ask(self, conditions: Conditions, asked: Sequence[EngineQuery]) -> list[list[LegHit]]:
        permitted, wanted = filter_of(conditions.permitted), filter_of(conditions.wanted)
        return self._queried([engine_query(query, permitted, wanted, self._settings) for query in asked])

    def _queried(self, requests: list[models.QueryRequest]) -> list[list[LegHit]]:
        found = self._run(lambda client: client.query_batch_points(self._collection, requests))
        return [[LegHit(UUID(str(point.id)), point.score) for point in response.points] for response in found]


def open_qdrant(
    url: str | None,
    schema: IndexSchema,
    *,
    collection_name: str = "seogo",
    api_key: str | None = None,
    timeout: float = 30.0,
    settings: QdrantSettings | None = None,
    client: QdrantClient | None = None,
    recreate: bool = False,
    space_collection: bool = False,
) -> QdrantIndex:
    """Open what answers under an alias, or make an empty collection for this space and point the alias to it.

    Args:
        url: such as `http://qdrant.internal:6333`; without a port, 6333 is taken.
        collection_name: the alias; in older installations the collection itself.
        timeout: seconds for one request.
        client: takes the place of `url`, `api_key`, `timeout` and the gRPC port, and stays the caller's to close.
        recreate: drop what is there first, whatever it was built for.
        space_collection: open, or make, the collection of this space and leave the alias where it is.

    Raises:
        IndexUnavailable: the server can't be reached.
        ConfigurationError: what answers was built for another schema, the server is too old or refuses the key.
    """
    settings = settings or QdrantSettings()
    address = Address(url, api_key, timeout, settings.grpc_port)
    connected = connect(address) if client is None else client
    points = connected
    try:
        with server_errors():
            require_server(connected)
            name = qdrant_collections.prepare(
                connected, collection_name, schema, settings, recreate=recreate, space_collection=space_collection
            )
            found = qdrant_collections.differences(connected, name, settings)
        if client is None and settings.grpc_port is not None:
            points = connect(address, grpc=True)
            connected.close()
    except BaseException:
        if client is None:
            connected.close()
        raise
    for item in found:
        log.warning("the Qdrant collection %s stands otherwise than the settings ask: %s", name, item)
    tries = Tries(settings.tries, timeout)
    return QdrantIndex(points, name, schema, settings, tries, owns_client=client is None, differences=found)


def point_alias(config: IndexConfig, schema: IndexSchema) -> None:
    """Let the alias of `config` name the collection of `schema`; see `qdrant_collections.point_alias`."""
    with _server(config) as client:
        qdrant_collections.point_alias(client, config.collection, schema)


def drop_space(config: IndexConfig, schema: IndexSchema) -> None:
    """Delete the collection of a space that does not answer; see `qdrant_collections.drop_space`."""
    with _server(config) as client:
        qdrant_collections.drop_space(client, config.collection, schema)


def spaces_of(config: IndexConfig) -> list[SpaceCollection]:
    """The collections behind and beside the alias of `config`."""
    with _server(config) as client:
        return qdrant_collections.spaces_of(client, config.collection)


@contextmanager
def _server(config: IndexConfig) -> Iterator[QdrantClient]:
    client = connect(Address(config.url, config.api_key, config.timeout))
    try:
        with server_errors():
            yield client
    finally:
        client.close()
