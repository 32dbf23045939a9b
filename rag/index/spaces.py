"""Where the index of each embedding space lies, for every backend: folders of Edge, collections of Qdrant.

A *place* is the identity of a space (12 hex digits), or empty for the one index of an installation from before there were
several: that stays where it is.
"""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

from rag.domain.errors import ConfigurationError
from rag.index.registry import IndexConfig

_OF_EDGE = ("shard", "shard.new", "shard.old")


def at_place(config: IndexConfig, place: str) -> IndexConfig:
    """`config` for the index of one space."""
    if not place:
        return config
    folder = None if config.folder is None else config.folder / place
    return replace(config, folder=folder, collection=f"{config.collection}_{place}")


def first_place(config: IndexConfig, identity: str) -> str:
    """Where the first space on record lies: where an index is already, or in a place of its own."""
    if config.backend == "edge":
        there = config.folder is not None and ((config.folder / "shard").exists() or _record(config).exists())
        return "" if there else identity
    if config.backend == "qdrant":
        from rag.index.qdrant_spaces import has_collection

        return "" if has_collection(config) else identity
    return identity


def announce(config: IndexConfig, place: str) -> None:
    """Tell the engine which space is current, for others who look there. Readers of ours go by the record, not by this."""
    if config.backend == "qdrant" and place:
        from rag.index.qdrant_spaces import point_alias

        point_alias(config, at_place(config, place).collection)


def drop(config: IndexConfig, place: str) -> None:
    """Give the disk space of a closed index back; one that is gone is no error."""
    if config.backend == "qdrant":
        from rag.index.qdrant_spaces import drop_collection

        drop_collection(config, at_place(config, place).collection)
    elif config.backend == "edge":
        _drop_folder(at_place(config, place), whole=bool(place))


def _drop_folder(config: IndexConfig, *, whole: bool) -> None:
    if config.folder is None:
        raise ConfigurationError(detail="the edge index needs a folder", detail_ko="edge 색인에는 폴더가 필요합니다")
    _record(config).unlink(missing_ok=True)
    for name in _OF_EDGE:
        shutil.rmtree(config.folder / name, ignore_errors=True)
    if whole:  # otherwise the folders of the other spaces are in it
        shutil.rmtree(config.folder, ignore_errors=True)


def _record(config: IndexConfig) -> Path:
    if config.folder is None:
        raise ConfigurationError(detail="the edge index needs a folder", detail_ko="edge 색인에는 폴더가 필요합니다")
    return config.folder / "index.json"
