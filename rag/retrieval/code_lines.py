"""Lines of files, read under a permit: the one way from the symbol index to what a reader sees."""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from heapq import merge
from itertools import chain
from typing import TypeVar
from uuid import UUID

from sqlalchemy.orm import Session

from rag.access.personal_data.reading import names_masked, read_masked, shown_whole
from rag.domain.anchor import LineAnchor
from rag.domain.code import Symbol, SymbolKind
from rag.domain.code_places import Definition, Spot
from rag.domain.document import Chunk
from rag.domain.passage import LocatedChunk, Source
from rag.domain.principal import Permit
from rag.store import code_query
from rag.store.code_query import ChunkPlace, SymbolRow

CONTEXT = 2
"""Lines shown before and after a line."""
_HEAD = 60
"""Lines in which a definition is named: decorators and its comment may stand before."""
_ALIKE = 8

Span = tuple[int, int]
V = TypeVar("V")


class ByNumber(Mapping[int, V]):
    """What each line of a file has, by its number, in their order. The empty lines between two chunks, of which a file may have
    any number, are kept as ranges."""

    def __init__(self, written: Mapping[int, V], empty: Sequence[tuple[range, V]]) -> None:
        """`empty`: ranges that hold something, in order; none of their lines is written."""
        self._written = written
        self._empty = empty
        self._ends = [numbers.stop for numbers, _ in empty]

    def __getitem__(self, number: int) -> V:
        if number in self._written:
            return self._written[number]
        at = bisect_right(self._ends, number)
        if at < len(self._empty) and number in self._empty[at][0]:
            return self._empty[at][1]
        raise KeyError(number)

    def __iter__(self) -> Iterator[int]:
        return chain.from_iterable(numbers for numbers, _ in self.blocks())

    def __len__(self) -> int:
        return len(self._written) + sum(len(numbers) for numbers, _ in self._empty)

    def blocks(self) -> Iterator[tuple[range, V]]:
        """Lines that have the same, in order: one that is written, or all that are empty between two of them."""
        written = ((range(number, number + 1), self._written[number]) for number in sorted(self._written))
        return merge(written, self._empty, key=lambda block: block[0].start)


@dataclass(frozen=True, slots=True)
class FileLines:
    """What was read of one version: its lines by number, and the chunk of each.

    Attributes:
        parted: those of its lines that are several chunks.
    """

    source: Source
    lines: ByNumber[str]
    chunks: ByNumber[UUID]
    parted: frozenset[int] = frozenset()

    def spot(self, first: int, last: int, around: int = 0) -> Spot | None:
        """These lines; None when one of them was not read."""
        if any(number not in self.lines for number in range(first, last + 1)):
            return None
        return Spot(
            self.source,
            self.chunks[first],
            first,
            last,
            "\n".join(self.lines[number] for number in range(first, last + 1)),
            self._run(range(first - 1, max(0, first - around - 1), -1))[::-1],
            self._run(range(last + 1, last + around + 1)),
        )

    def _run(self, numbers: Iterable[int]) -> tuple[str, ...]:
        """Lines as far as they follow each other without a gap."""
        found = []
        for number in numbers:
            if number not in self.lines:
                break
            found.append(self.lines[number])
        return tuple(found)


def read_lines(
    session: Session, permit: Permit, wanted: Mapping[UUID, Sequence[Span]], *, around: int = 0
) -> dict[UUID, FileLines]:
    """The lines `wanted` of versions, with what stands around them, as the principal may see them: three statements for all.

    What the permit does not cover, and what is held back for personal data, is left out.
    """
    places = code_query.chunk_places(session, wanted)
    ids: dict[UUID, ChunkPlace] = {}
    for version_id, spans in wanted.items():
        for place in _touched(places.get(version_id, []), spans, around):
            ids[place.chunk_id] = place
    return _by_version(read_masked(session, permit, list(ids)).values())


def read_files(session: Session, permit: Permit, version_ids: Iterable[UUID]) -> dict[UUID, FileLines]:
    """All lines of these versions, as the principal may see them."""
    places = code_query.chunk_places(session, version_ids)
    ids = [place.chunk_id for found in places.values() for place in found]
    return _by_version(read_masked(session, permit, ids).values())


def lines_of(chunk: LocatedChunk) -> list[tuple[int, str]]:
    """The lines of a chunk with their numbers; none of a chunk that is no whole lines."""
    anchor, lines = chunk.chunk.anchor, chunk.chunk.text.split("\n")
    if not isinstance(anchor, LineAnchor) or anchor.last - anchor.first + 1 != len(lines):
        return []
    return list(enumerate(lines, anchor.first))


def defined(session: Session, permit: Permit, rows: Sequence[SymbolRow], *, around: int = 0) -> list[Definition | None]:
    """The definitions of these rows, in their order, each with the line that names it; None for one that may not be seen.

    Where a collection hides personal data, the signature is what the reader sees of that line, and there is no documentation.
    """
    wanted: dict[UUID, list[Span]] = {}
    for row in rows:
        wanted.setdefault(row.version_id, []).append((row.first, min(row.last, row.first + _HEAD)))
    read = read_lines(session, permit, wanted, around=around)
    whole = shown_whole(session, permit, {row.collection_id for row in rows})
    return [_defined(row, read.get(row.version_id), row.collection_id in whole, around) for row in rows]


def outlined(session: Session, permit: Permit, rows: Sequence[SymbolRow]) -> list[Symbol | None]:
    """The symbols of these rows, as `defined` shows them; lines are read only where a collection hides something."""
    whole = shown_whole(session, permit, {row.collection_id for row in rows})
    hidden = [row for row in rows if row.collection_id not in whole]
    seen = {row: item.symbol for row, item in zip(hidden, defined(session, permit, hidden), strict=True) if item}
    return [_symbol(row) if row.collection_id in whole else seen.get(row) for row in rows]


def keys_shown(session: Session, permit: Permit, keys: Sequence[tuple[UUID, str]]) -> list[str]:
    """Source keys, each with its collection, as the principal may see them."""
    return names_masked(session, permit, keys)


def spoken(session: Session, permit: Permit, names: Iterable[tuple[UUID, str]]) -> Callable[[UUID, str], str]:
    """How to say names of the symbol index (paths of definitions, modules), each with its collection: where that hides personal
    data, as the principal may see them, for keys of a file of settings and names of modules can hold some."""
    wanted = {item for item in names if item[1]}
    whole = shown_whole(session, permit, {collection_id for collection_id, _ in wanted})
    hidden = sorted((item for item in wanted if item[0] not in whole), key=str)
    said = dict(zip(hidden, names_masked(session, permit, hidden), strict=True)) if hidden else {}
    return lambda collection_id, name: said.get((collection_id, name), name)


def _defined(row: SymbolRow, lines: FileLines | None, whole: bool, around: int) -> Definition | None:
    if lines is None:
        return None
    number = _named_in(row, lines)
    spot = None if number is None else lines.spot(number, number, around)
    if spot is None:
        return None
    if whole:
        return Definition(_symbol(row), row.language, spot)
    if not re.search(rf"(?<!\w){re.escape(row.name)}(?!\w)", spot.text):
        return None
    head = " ".join(spot.text.split())
    return Definition(
        Symbol(row.name, row.name, SymbolKind(row.kind), head, row.first, row.last, "", row.test), row.language, spot
    )


def _named_in(row: SymbolRow, lines: FileLines) -> int | None:
    """The line of the definition that names it: decorators and comments may stand before."""
    last = min(row.last, row.first + _HEAD)
    word = re.compile(rf"(?<!\w){re.escape(row.name)}(?!\w)")
    named = [number for number in range(row.first, last + 1) if word.search(lines.lines.get(number, ""))]
    beginning = row.signature[:_ALIKE]
    alike = (number for number in named if lines.lines[number].lstrip().startswith(beginning))
    found = next(alike, None) or next(iter(named), row.first)
    return found if found in lines.lines else None


def _symbol(row: SymbolRow) -> Symbol:
    return Symbol(row.name, row.path, SymbolKind(row.kind), row.signature, row.first, row.last, row.doc, row.test)


def _touched(places: Sequence[ChunkPlace], spans: Sequence[Span], around: int) -> list[ChunkPlace]:
    """The chunks that hold any of the lines; `places` are in the order of their lines."""
    ends = [place.last for place in places]
    found: dict[UUID, ChunkPlace] = {}
    for first, last in spans:
        at = bisect_left(ends, first - around)
        while at < len(places) and places[at].first <= last + around:
            found[places[at].chunk_id] = places[at]
            at += 1
    return list(found.values())


def _by_version(chunks: Iterable[LocatedChunk]) -> dict[UUID, FileLines]:
    by_version: dict[UUID, list[LocatedChunk]] = {}
    for item in chunks:
        by_version.setdefault(item.source.version_id, []).append(item)
    found: dict[UUID, FileLines] = {}
    for version_id, items in by_version.items():
        lines: dict[int, str] = {}
        homes: dict[int, UUID] = {}
        empty: list[tuple[range, UUID]] = []
        parted: set[int] = set()
        before: Chunk | None = None
        for item in sorted(items, key=lambda item: item.chunk.ordinal):
            numbered = lines_of(item)
            if between := _empty_before(item.chunk, before):
                empty.append((between, item.chunk.id if before is None else before.id))
            for number, text in numbered:
                if number in lines:  # one that is longer than a chunk may be is several
                    parted.add(number)
                lines[number] = lines.get(number, "") + text
                homes.setdefault(number, item.chunk.id)
            before = item.chunk
        if lines:
            texts = ByNumber(lines, [(numbers, "") for numbers, _ in empty])
            found[version_id] = FileLines(items[0].source, texts, ByNumber(homes, empty), frozenset(parted))
    return found


def _empty_before(chunk: Chunk, before: Chunk | None) -> range:
    """The lines between a chunk of code and the one before it, or the beginning of the file. Every character of a source file
    lies in a chunk, so they are empty; where a chunk between the two was not read, nothing is known of them."""
    at = chunk.anchor
    if chunk.code is None or not isinstance(at, LineAnchor) or chunk.ordinal != (before.ordinal + 1 if before else 0):
        return range(0)
    if before is None:
        return range(1, at.first)
    return range(before.anchor.last + 1, at.first) if isinstance(before.anchor, LineAnchor) else range(0)
