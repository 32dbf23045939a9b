"""Collections of embedding spaces on a Qdrant server, and the alias that names the current one."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from rag.index.qdrant_connection import Address, connect, server_errors
from rag.index.registry import IndexConfig

if TYPE_CHECKING:
    from qdrant_client import QdrantClient

log = logging.getLogger(__name__)


def has_collection(config: IndexConfig) -> bool:
    """Whether a collection itself, not an alias, has the configured name: it is from before there were several spaces."""
    with _client(config) as client:
        return _is_collection(client, config.collection)


def point_alias(config: IndexConfig, collection: str) -> None:
    """Let the alias `config.collection` name this collection, in one request: it is never without one in between."""
    from qdrant_client import models

    with _client(config) as client:
        if _is_collection(client, config.collection):
            log.warning("%s is a collection, so it can't become the alias of %s", config.collection, collection)
            return
        create = models.CreateAlias(collection_name=collection, alias_name=config.collection)
        operations: list[models.AliasOperations] = [models.CreateAliasOperation(create_alias=create)]
        if _is_alias(client, config.collection):
            gone = models.DeleteAlias(alias_name=config.collection)
            operations.insert(0, models.DeleteAliasOperation(delete_alias=gone))
        client.update_collection_aliases(operations)


def drop_collection(config: IndexConfig, collection: str) -> None:
    """Remove a collection with its points; one that is gone is no error."""
    with _client(config) as client:
        client.delete_collection(collection)


def _is_collection(client: QdrantClient, name: str) -> bool:
    """A server says that an alias exists as well, so both are asked."""
    return client.collection_exists(name) and not _is_alias(client, name)


def _is_alias(client: QdrantClient, name: str) -> bool:
    return any(item.alias_name == name for item in client.get_aliases().aliases)


@contextmanager
def _client(config: IndexConfig) -> Iterator[QdrantClient]:
    client = connect(Address(config.url, config.api_key, config.timeout))
    try:
        with server_errors():
            yield client
    finally:
        client.close()
