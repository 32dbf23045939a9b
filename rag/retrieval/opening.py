"""Texts that are opened by what they are called, not found by a question: a passage, a document, a file of a repository."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
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
    """

    source: Source
    text: str
    anchor: Anchor | None
    passage: UUID | None = None
    part: int = 1
    parts: int = 1
    following: str = ""
    provision: str = ""


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
    """Chunks as one text: those of code line by line, as their file has them, with the empty lines between."""
    if source.collection_kind is not CollectionKind.CODE:
        return "\n\n".join(item.text for item in chunks)
    numbered = _numbered(chunks)
    return "\n".join(item.text for item in chunks) if numbered is None else "\n".join(_lines(numbered))


def _numbered(chunks: Sequence[Chunk]) -> dict[int, str] | None:
    """Lines by number; None where a chunk does not say which lines it is."""
    found: dict[int, str] = {}
    for chunk in chunks:
        texts = chunk.text.split("\n")
        if not isinstance(chunk.anchor, LineAnchor):
            return None
        if chunk.line_anchors:
            anchors = [item.first for item in chunk.line_anchors if isinstance(item, LineAnchor)]
        else:
            anchors = list(range(chunk.anchor.first, chunk.anchor.first + len(texts)))
        if len(anchors) != len(texts):
            return None
        found |= dict(zip(anchors, texts, strict=True))
    return found


def _lines(numbered: dict[int, str]) -> Iterator[str]:
    for number in range(min(numbered), max(numbered) + 1):
        yield numbered.get(number, "")


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
    numbered = _numbered(whole.chunks)
    if numbered is None:
        raise InvalidRequest(detail="this document has no lines", detail_ko="이 문서에는 줄이 없습니다")
    inside = {number: text for number, text in numbered.items() if first <= number <= last}
    if not inside:
        raise NotFound
    text = "\n".join(_lines(inside))[:PART_CHARACTERS]
    until = min(inside) + text.count("\n")
    following = f"{REPO}{path}#L{until + 1}-L{max(inside)}" if until < max(inside) else ""
    return Opened(whole.source, text, LineAnchor(min(inside), until), following=following)


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
