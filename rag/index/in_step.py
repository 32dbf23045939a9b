"""Several indexes that hold the same versions, each in its own embedding space, written as one.

Ingestion never searches, so this is the writing half of an index. What concerns versions as a whole (they go, move into the
archive, get other labels) reaches every index; vectors are of one space, so points are written to each index by itself.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Protocol
from uuid import UUID

from rag.index.base import IndexPoint, Placement, Retirement


class IndexWriter(Protocol):
    """What ingestion needs of a `VectorIndex`; see there."""

    def upsert(self, points: Sequence[IndexPoint]) -> None:
        """Insert or replace by chunk id."""

    def delete_versions(self, version_ids: Sequence[UUID]) -> None:
        """Remove every point of these versions."""

    def retire(self, retirements: Sequence[Retirement]) -> None:
        """Move the points of these versions into the archive."""

    def place(self, placement: Placement) -> None:
        """Move the points of a version under another rule."""

    def relabel(self, version_id: UUID, labels: Sequence[str]) -> None:
        """Put `labels` on every point of a version."""

    def count(self, *version_ids: UUID) -> int:
        """Exact number of points of these versions; of all where none is named."""

    def versions_of(self) -> Iterator[tuple[UUID, UUID]]:
        """Every (chunk id, version id)."""

    def optimize(self) -> None:
        """Build the engine's search structures."""

    def clear(self) -> None:
        """Remove every point."""


class IndexesInStep:
    """An `IndexWriter` over the indexes that `targets` gives at each call, the current one first.

    A call that fails half-way is repeated by whoever made it: every one of them may be.
    """

    def __init__(self, targets: Callable[[], Sequence[IndexWriter]]) -> None:
        self._targets = targets

    def upsert(self, points: Sequence[IndexPoint]) -> None:
        """Insert or replace in the current index: points carry the vectors of its space."""
        self._targets()[0].upsert(points)

    def delete_versions(self, version_ids: Sequence[UUID]) -> None:
        """Remove these versions from every index."""
        for index in self._targets():
            index.delete_versions(version_ids)

    def retire(self, retirements: Sequence[Retirement]) -> None:
        """Move these versions into the archive of every index."""
        for index in self._targets():
            index.retire(retirements)

    def place(self, placement: Placement) -> None:
        """Move the points of a version under another rule in every index."""
        for index in self._targets():
            index.place(placement)

    def relabel(self, version_id: UUID, labels: Sequence[str]) -> None:
        """Put `labels` on the points of a version in every index."""
        for index in self._targets():
            index.relabel(version_id, labels)

    def count(self, *version_ids: UUID) -> int:
        """Points in the current index; those of named versions in all of them together, so that zero means gone."""
        if not version_ids:
            return self._targets()[0].count()
        return sum(index.count(*version_ids) for index in self._targets())

    def versions_of(self) -> Iterator[tuple[UUID, UUID]]:
        """Every (chunk id, version id) of the current index."""
        return self._targets()[0].versions_of()

    def optimize(self) -> None:
        """Build the search structures of every index."""
        for index in self._targets():
            index.optimize()

    def clear(self) -> None:
        """Empty the current index."""
        self._targets()[0].clear()
