"""Which index backends there are. A new one: its file here, one line in `FACTORIES`, one in `tests/contract`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from rag.domain.errors import ConfigurationError
from rag.index.base import IndexSchema, VectorIndex
from rag.settings import QdrantSettings


@dataclass(frozen=True, slots=True)
class IndexConfig:
    """Where the index is.

    Attributes:
        backend: a key of `FACTORIES`.
        folder: of `edge`.
        url, api_key, collection, timeout: of `qdrant`; seconds for one request.
        server: how collections are laid out there.
    """

    backend: str = "edge"
    folder: Path | None = None
    url: str | None = None
    api_key: str | None = field(default=None, repr=False)
    collection: str = "seogo"
    timeout: float = 30.0
    server: QdrantSettings = field(default_factory=QdrantSettings)


Factory = Callable[[IndexConfig, IndexSchema, bool], VectorIndex]


def _edge(config: IndexConfig, schema: IndexSchema, recreate: bool) -> VectorIndex:
    from rag.index.edge import open_edge

    if config.folder is None:
        raise ConfigurationError(detail="the edge index needs a folder", detail_ko="edge 색인에는 폴더가 필요합니다")
    return open_edge(config.folder, schema, recreate=recreate)


def _qdrant(config: IndexConfig, schema: IndexSchema, recreate: bool) -> VectorIndex:
    from rag.index.qdrant import open_qdrant

    return open_qdrant(
        config.url,
        schema,
        collection_name=config.collection,
        api_key=config.api_key,
        timeout=config.timeout,
        settings=config.server,
        recreate=recreate,
    )


def _memory(config: IndexConfig, schema: IndexSchema, recreate: bool) -> VectorIndex:
    from rag.index.memory import open_memory

    return open_memory(schema)


FACTORIES: dict[str, Factory] = {"edge": _edge, "qdrant": _qdrant, "memory": _memory}


def open_index(config: IndexConfig, schema: IndexSchema, *, recreate: bool = False) -> VectorIndex:
    """Open the configured index for `schema`.

    Args:
        recreate: drop what is there, whatever it was built for; the first step of `seogo index rebuild`.

    Raises:
        ConfigurationError: the backend is unknown or its settings are incomplete, or the index has another schema.
        StoreInUse: another process has the folder.
        IndexUnavailable: the server can't be reached.
    """
    factory = FACTORIES.get(config.backend)
    if factory is None:
        raise ConfigurationError(
            detail=f"there is no index {config.backend}; there are {', '.join(sorted(FACTORIES))}",
            detail_ko=f"색인 {config.backend}은(는) 없습니다. 쓸 수 있는 것: {', '.join(sorted(FACTORIES))}",
        )
    return factory(config, schema, recreate)
