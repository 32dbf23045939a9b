"""Embedding spaces that failed leave no index behind: no deletion would reach it any more. A build that can't go on is one, and
one that was built, the files of whose model were changed.

The files of vectors stay: they lie with their versions and go with them, and another try takes them over.
"""

from __future__ import annotations

import logging
import threading
from datetime import datetime

from sqlalchemy import select

from rag.index import spaces as places
from rag.retrieval.spaces import Spaces
from rag.store import embedding_space as record
from rag.store.embedding_space import EmbeddingSpaceRow, SpaceState

log = logging.getLogger(__name__)


class FailedSpaces:
    """Drops the indexes of failed spaces: at once when a build fails, otherwise with the chores, and once more after a start,
    where a crash came between."""

    def __init__(self, spaces: Spaces) -> None:
        self._spaces = spaces
        self._guard = threading.Lock()
        self._dropped: set[tuple[str, datetime]] = set()

    def drop(self) -> None:
        """Drop those that are there.

        Raises:
            IndexUnavailable: the engine is away; the next call goes on.
        """
        with self._guard:
            with self._spaces.database.read() as session:
                query = select(EmbeddingSpaceRow).where(EmbeddingSpaceRow.state == SpaceState.FAILED)
                failed = [(row.id, row.created_at) for row in session.scalars(query)]
            new = [item for item in failed if item not in self._dropped]
            if new:
                self._spaces.in_step()  # lets go of what is open here
            for item in new:
                self._drop(item[0])
                self._dropped.add(item)

    def _drop(self, space_id: str) -> None:
        """With its row held: it may be begun anew at any moment, in the same place."""
        with self._spaces.database.write() as session:
            row = record.locked(session, space_id)
            if row is None or row.state != SpaceState.FAILED:
                return
            places.drop(self._spaces.config, row.place)
        log.info("the index of the embedding space %s, which failed, is removed", row.name)
