"""Collections of embedding spaces on a Qdrant server, and the alias that names the current one.

A place is opened like any other index (`qdrant_collections.prepare`): its name is an alias, and the collection behind it has
the schema's digits at the end. So whoever names or drops a collection here looks behind the place's alias first: an alias
can't name another one, and a server answers "there was none" where an alias is to be deleted.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from rag.index.qdrant_collections import behind_alias
from rag.index.qdrant_connection import Address, connect, server_errors
from rag.index.registry import IndexConfig

if TYPE_CHECKING:
    from qdrant_client import QdrantClient

log = logging.getLogger(__name__)

_OF_A_PLACE = re.compile(r"_[0-9a-f]{12}_[0-9a-f]{12}\Z")
"""End of the name of a collection that lies at a place with a name of its own."""


def has_collection(config: IndexConfig) -> bool:
    """Whether a collection itself, not an alias, has the configured name: it is from before there were several spaces."""
    with _client(config) as client:
        return _is_collection(client, config.collection)


def point_alias(config: IndexConfig, place: str) -> None:
    """Let the alias `config.collection` name the collection at this place, in one request: it is never without one in between."""
    from qdrant_client import models

    with _client(config) as client:
        if _is_collection(client, config.collection):
            log.warning("%s is a collection, so it can't become the alias of %s", config.collection, place)
            return
        collection, now = behind_alias(client, place) or place, behind_alias(client, config.collection)
        if now == collection:
            return
        create = models.CreateAlias(collection_name=collection, alias_name=config.collection)
        operations: list[models.AliasOperations] = [models.CreateAliasOperation(create_alias=create)]
        if now is not None:
            gone = models.DeleteAlias(alias_name=config.collection)
            operations.insert(0, models.DeleteAliasOperation(delete_alias=gone))
        client.update_collection_aliases(operations)


def drop_collection(config: IndexConfig, place: str) -> None:
    """Remove the collection at this place with its points and the aliases that name it; one that is gone is no error."""
    with _client(config) as client:
        collection = behind_alias(client, place) or place
        if place == config.collection and _OF_A_PLACE.search(collection):
            return  # the oldest index is gone, and its name is the alias of what answers now
        client.delete_collection(collection)


def _is_collection(client: QdrantClient, name: str) -> bool:
    """A server says that an alias exists as well, so both are asked."""
    return client.collection_exists(name) and behind_alias(client, name) is None


@contextmanager
def _client(config: IndexConfig) -> Iterator[QdrantClient]:
    client = connect(Address(config.url, config.api_key, config.timeout))
    try:
        with server_errors():
            yield client
    finally:
        client.close()
