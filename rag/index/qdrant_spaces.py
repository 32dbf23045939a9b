"""Collections of embedding spaces on a Qdrant server, and the alias that names the current one."""

from __future__ import annotations

import logging
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from rag.domain.errors import ConfigurationError, IndexUnavailable
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
    from qdrant_client import QdrantClient
    from qdrant_client.http.exceptions import ApiException

    if config.url is None:
        raise ConfigurationError(detail="the qdrant index needs the URL of a server")
    client = QdrantClient(
        url=config.url,
        api_key=config.api_key,
        timeout=max(1, round(config.timeout)),
        check_compatibility=False,
        trust_env=False,
        verify=ssl.create_default_context(),
    )
    try:
        yield client
    except ApiException as error:
        raise IndexUnavailable from error
    finally:
        client.close()
