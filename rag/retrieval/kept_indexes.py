"""Indexes of embedding spaces that failed when they were built already: one host with other files in a folder must not take from
all the others what they could go back to, so these stay until somebody drops the space or builds it anew.

They get no vectors any more. What is deleted, archived or gets other labels changes there as everywhere, without the model:
the schema is on record.
"""

from __future__ import annotations

from collections.abc import Sequence

from rag.domain.errors import ConfigurationError, IndexUnavailable
from rag.index import spaces as places
from rag.index.base import IndexSchema, VectorIndex
from rag.index.registry import IndexConfig, open_index
from rag.store import embedding_space as record
from rag.store.session import Database


class KeptIndexes:
    """Opens them and lets go of them. Not thread-safe: `Spaces` calls it with its guard held."""

    def __init__(self, database: Database, config: IndexConfig) -> None:
        self._database = database
        self._config = config
        self._open: dict[str, VectorIndex] = {}

    def indexes(self) -> Sequence[VectorIndex]:
        """Those on record of this moment.

        Raises:
            IndexUnavailable: one can't be opened here, such as while it is still read.
        """
        with self._database.read() as session:
            kept = record.kept_indexes(session)
        for space_id, (place, schema) in kept.items():
            if space_id in self._open:
                continue
            try:
                self._open[space_id] = open_index(places.at_place(self._config, place), IndexSchema(**schema))
            except ConfigurationError as error:
                raise IndexUnavailable from error
        return [self._open[space_id] for space_id in kept]

    def let_go(self) -> None:
        """Close those that are not kept any more: they are dropped, or opened again with their models."""
        with self._database.read() as session:
            kept = record.kept_indexes(session)
        for space_id in self._open.keys() - kept.keys():
            self._open.pop(space_id).close()

    def close(self) -> None:
        """Close all."""
        for index in self._open.values():
            index.close()
        self._open.clear()
