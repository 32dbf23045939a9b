"""A version's chunks for the index and its models, of which a large table has tens of thousands: never all of them at once."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from uuid import UUID

from rag.domain.document import Chunk
from rag.domain.language import Language
from rag.store import chunk as chunks_table
from rag.store.session import Database

_PAGE = 500
"""Chunks that are read together."""


class ChunksToIndex:
    """The chunks of a version in document order, as `rag.store.chunk.for_index` gives them. The first page is kept, the others
    are read anew each time; of a version that is purged meanwhile they are missing."""

    def __init__(self, database: Database, version_id: UUID) -> None:
        self._database = database
        self._version_id = version_id
        with database.read() as session:
            self._first = chunks_table.for_index(session, version_id, most=_PAGE)
            self._is_whole = len(self._first) < _PAGE
            counted = {} if self._is_whole else chunks_table.counts(session, [version_id])
        self._count = counted.get(version_id, len(self._first))

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[Chunk]:
        page = self._first
        yield from page
        while len(page) == _PAGE:
            page = self._page(page[-1].ordinal)
            yield from page

    def languages(self) -> list[Language]:
        """The language of each."""
        if self._is_whole:
            return [chunk.language for chunk in self._first]
        with self._database.read() as session:
            return chunks_table.languages(session, self._version_id)

    def _page(self, after: int) -> list[Chunk]:
        with self._database.read() as session:
            return chunks_table.for_index(session, self._version_id, after, _PAGE)


class Counted:
    """The chunks of several versions in a row, to be gone through once.

    Attributes:
        found: how many came of each so far; in the end, of one that was purged meanwhile, fewer than it says.
    """

    def __init__(self, versions: Sequence[ChunksToIndex]) -> None:
        self._versions = versions
        self.found = [0] * len(versions)

    def __iter__(self) -> Iterator[Chunk]:
        for place, chunks in enumerate(self._versions):
            for chunk in chunks:
                self.found[place] += 1
                yield chunk


def in_groups_of(size: int, chunks: Iterable[Chunk]) -> Iterator[list[Chunk]]:
    """`chunks` in order, so many at a time."""
    left = iter(chunks)
    while group := list(islice(left, size)):
        yield group
