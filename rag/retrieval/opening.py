"""Texts that are opened by what they are called, not found by a question: a passage, a document, a file of a repository."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple
from urllib.parse import quote, unquote
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from rag.access.personal_data.reading import names_masked, neighbours_masked, read_masked, version_masked
from rag.domain.anchor import Anchor, LineAnchor, merge_anchors, mergeable
from rag.domain.document import Chunk
from rag.domain.errors import DocumentNotFound, InvalidRequest, NotFound
from rag.domain.language import CollectionKind
from rag.domain.passage import Source
from rag.domain.principal import Permit
from rag.store import document as documents_table
from rag.store.collection import Collection
from rag.store.document import Document, visible

PART_CHARACTERS = 40_000
"""Of a document that is given in one piece; the next is asked for by name. Some 10,000 tokens: a quarter of a small context."""
DOC, REPO = "doc://", "repo://"
"""What the name of a document, and of a file in a repository, begins with."""
_NEIGHBOURS = 2
_EMPTY_TOGETHER = 100
_LINES = re.compile(r"L(\d{1,9})(?:-L?(\d{1,9}))?")
_PART = re.compile(r"(.+?)(?:\?part=([1-9]\d{0,5}))?", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Opened:
    """A text, as its reader may see it.

    Attributes:
        text: of a passage with its neighbours; of a document or file one part of it.
        anchor: where the text stands; of a passage, where that stands without its neighbours. None where no one anchor covers it.
        passage: whether it is a passage, and its chunk's id.
        part, parts: which of how many, counted from 1.
        following: the name by which the next part is opened; empty at the end.
        provision: of a passage that is one of a statute or rule.
        cut: whether a line is longer than a part may be, and the rest of it is left out.
    """

    source: Source
    text: str
    anchor: Anchor | None
    passage: UUID | None = None
    part: int = 1
    parts: int = 1
    following: str = ""
    provision: str = ""
    cut: bool = False


def opened(session: Session, permit: Permit, name: str) -> Opened:
    """What `name` stands for: the id of a passage or document, `doc://<id>`, or `repo://<repository>/<path>#L10-L20`.

    Raises:
        NotFound: there is nothing of this name that the permit covers.
        InvalidRequest: the lines are not written like lines.
    """
    if name.startswith(REPO):
        return _file(session, permit, name.removeprefix(REPO))
    plain, part = _parted(name.removeprefix(DOC))
    try:
        identity = UUID(plain)
    except ValueError:
        raise NotFound from None
    if not name.startswith(DOC) and (found := _passage(session, permit, identity)) is not None:
        return found
    row = documents_table.get_permitted(session, permit, identity)
    return _part_of(_whole(session, permit, row), f"{DOC}{identity}", part)


def repository_uri(source: Source, anchor: Anchor | None = None) -> str:
    """The name of a repository's file, with its lines: `repo://payments/src/login.py#L10-L24`; empty for any other document."""
    if not source.commit:
        return ""
    lines = f"#L{anchor.first}-L{anchor.last}" if isinstance(anchor, LineAnchor) else ""
    return f"{REPO}{quote(source.source_key)}{lines}"


@dataclass(frozen=True, slots=True)
class _Whole:
    source: Source
    chunks: Sequence[Chunk]


def _parted(name: str) -> tuple[str, int]:
    found = _PART.fullmatch(name)
    return (found[1], int(found[2] or 1)) if found else (name, 1)


def _passage(session: Session, permit: Permit, chunk_id: UUID) -> Opened | None:
    located = read_masked(session, permit, [chunk_id]).get(chunk_id)
    if located is None:
        return None
    chunk, source = located
    around = neighbours_masked(session, permit, located, _NEIGHBOURS)
    return Opened(source, _joined(around, source), chunk.anchor, chunk.id, provision=chunk.provision)


def _whole(session: Session, permit: Permit, row: Document) -> _Whole:
    """All that the permit's principal may see of a document, as it answers now.

    Raises:
        DocumentNotFound: nothing of it answers, or none of it may be seen.
    """
    if row.current_version_id is None:
        raise DocumentNotFound(name=str(row.id))
    chunks = version_masked(session, permit, row.collection_id, row.current_version_id)
    located = read_masked(session, permit, [item.id for item in chunks[:1]])
    if not located:
        raise DocumentNotFound(name=str(row.id))
    return _Whole(located[chunks[0].id].source, chunks)


def _part_of(whole: _Whole, name: str, part: int) -> Opened:
    """One part of a document: whole chunks, as many as fit."""
    parts: list[list[Chunk]] = []
    size = PART_CHARACTERS
    for chunk in whole.chunks:
        if size + len(chunk.text) > PART_CHARACTERS:
            parts.append([])
            size = 0
        parts[-1].append(chunk)
        size += len(chunk.text)
    if part > len(parts):
        raise NotFound
    chunks = parts[part - 1]
    following = f"{name}?part={part + 1}" if part < len(parts) else ""
    anchors = [item.anchor for item in chunks]
    anchor = merge_anchors(anchors) if all(mergeable(anchors[0], item) for item in anchors) else None
    return Opened(whole.source, _joined(chunks, whole.source), anchor, None, part, len(parts), following)


def _joined(chunks: Sequence[Chunk], source: Source) -> str:
    """Chunks as one text: those of code line by line, as their file has them, with the empty lines between; others below their
    headings."""
    headed = any(item.code is None and item.heading_path not in ((), (source.title,)) for item in chunks)
    placed = _placed(chunks) if source.collection_kind is CollectionKind.CODE and not headed else None
    if placed is None or not _ascending(placed):
        return "\n\n".join(_with_headings(chunks, source.title))
    return "\n".join(line.text for line in _with_empty_lines(placed, placed[0].first if placed else 0))


def _with_headings(chunks: Sequence[Chunk], title: str) -> Iterator[str]:
    """The texts of chunks, each below those of its headings that the one before does not stand below; without the title, which
    is told beside the text."""
    before: tuple[str, ...] = (title,)
    for chunk in chunks:
        path = chunk.heading_path
        known = next((n for n, pair in enumerate(zip(path, before, strict=False)) if pair[0] != pair[1]), len(before))
        yield from (f"{'#' * min(level + 1, 6)} {path[level]}" for level in range(min(known, len(path)), len(path)))
        yield chunk.text
        before = path


class _Line(NamedTuple):
    """A line of a chunk and those of its file that it stands for: a page of Markdown joins lines, and parts them."""

    first: int
    last: int
    text: str


def _placed(chunks: Sequence[Chunk]) -> list[_Line] | None:
    """The lines of chunks with their places, in order; a line of code that is several chunks is put together. None where a chunk
    does not say which lines it is."""
    found: list[_Line] = []
    for chunk in chunks:
        texts = chunk.text.split("\n")
        if not isinstance(chunk.anchor, LineAnchor):
            return None
        first = chunk.anchor.first
        anchors = chunk.line_anchors or [LineAnchor(first + n, first + n) for n in range(len(texts))]
        lines = [item for item in anchors if isinstance(item, LineAnchor)]
        if len(lines) != len(texts):
            return None
        for place, (at, text) in enumerate(zip(lines, texts, strict=True)):
            if not place and chunk.code is not None and found and found[-1].last == at.first:
                found[-1] = found[-1]._replace(text=found[-1].text + text)
            else:
                found.append(_Line(at.first, at.last, text))
    return found


def _ascending(placed: Sequence[_Line]) -> bool:
    """Whether each is one line of the file, and they follow each other."""
    single = all(line.first == line.last for line in placed)
    return single and all(one.last < other.first for one, other in pairwise(placed))


def _with_empty_lines(placed: Sequence[_Line], after: int) -> Iterator[_Line]:
    """Lines that follow each other, with those between and from `after` on, which no chunk has because they are empty: many
    of them together."""
    for line in placed:
        for first in range(after, line.first, _EMPTY_TOGETHER):
            last = min(first + _EMPTY_TOGETHER, line.first) - 1
            yield _Line(first, last, "\n" * (last - first))
        yield line
        after = line.last + 1


def _file(session: Session, permit: Permit, name: str) -> Opened:
    path, _, fragment = name.partition("#")
    path, part = _parted(path)
    whole = _whole(session, permit, _file_at(session, permit, unquote(path)))
    if not fragment:
        return _part_of(whole, f"{REPO}{path}", part)
    wanted = _LINES.fullmatch(fragment)
    if wanted is None:
        raise InvalidRequest(
            detail="the lines of a file are written #L10 or #L10-L20",
            detail_ko="파일의 줄은 #L10 또는 #L10-L20으로 적으세요",
        )
    first, last = int(wanted[1]), int(wanted[2] or wanted[1])
    placed = _placed(whole.chunks)
    if placed is None:
        raise InvalidRequest(detail="this document has no lines", detail_ko="이 문서에는 줄이 없습니다")
    inside = [line for line in placed if line.first <= last and first <= line.last]
    if not inside:
        raise NotFound
    if _ascending(inside):
        before = [line for line in placed[:1] if line.first < first <= inside[0].first]
        lines: Sequence[_Line] = list(_with_empty_lines(inside, first if before else inside[0].first))
    else:
        lines = _without_ends(inside)
    shown = _fitting(lines)
    until = shown[-1].last
    following = f"{REPO}{path}#L{lines[len(shown)].first}-L{inside[-1].last}" if len(shown) < len(lines) else ""
    text = "\n".join(line.text for line in shown)
    cut = len(text) > PART_CHARACTERS
    anchor = LineAnchor(shown[0].first, until)
    return Opened(whole.source, text[:PART_CHARACTERS], anchor, following=following, cut=cut)


def _without_ends(lines: Sequence[_Line]) -> Sequence[_Line]:
    """Without the empty lines at both ends, which only part a page's paragraphs."""
    written = [number for number, line in enumerate(lines) if line.text.strip()]
    return lines[written[0] : written[-1] + 1] if written else lines[:1]


def _fitting(lines: Sequence[_Line]) -> Sequence[_Line]:
    """As many as fit into a part: at least one, and no break between such as stand on the same line."""
    size = 0
    for count, line in enumerate(lines):
        size += len(line.text) + 1
        if count and size > PART_CHARACTERS and line.first > lines[count - 1].last:
            return lines[:count]
    return lines


def _file_at(session: Session, permit: Permit, key: str) -> Document:
    """The document of a repository's file; of several collections that hold it (another branch each), the first by name.

    Raises:
        DocumentNotFound: there is none that the permit covers.
    """
    if "\0" in key:  # which a name may say as %00, and no database takes
        raise DocumentNotFound(name=key.replace("\0", "?"))
    query = (
        select(Document)
        .join(Collection, Collection.id == Document.collection_id)
        .where(
            Document.source_key == key,
            Document.current_version_id.is_not(None),
            Collection.kind == CollectionKind.CODE,
            *visible(permit),
        )
    )
    for row in session.scalars(query.order_by(Collection.name, Document.id)):
        if names_masked(session, permit, [(row.collection_id, key)]) == [key]:  # else the name itself is hidden
            return row
    raise DocumentNotFound(name=key)
