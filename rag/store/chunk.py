"""Chunks: the text that the index points to."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, cast
from uuid import UUID

from sqlalchemy import (
    ColumnElement,
    ForeignKey,
    Index,
    Row,
    String,
    Text,
    bindparam,
    delete,
    func,
    select,
    update,
)
from sqlalchemy.orm import InstrumentedAttribute, Mapped, Session, aliased, mapped_column

from rag.domain.anchor import Anchor, anchor_from_json, anchor_to_json
from rag.domain.code import CodeContext
from rag.domain.document import Chunk, ElementKind
from rag.domain.findings import ChunkFindings
from rag.domain.language import CollectionKind, Language
from rag.domain.passage import LocatedChunk, Parent, Source
from rag.domain.personal_data import record_from_json
from rag.domain.principal import Permit
from rag.domain.provision import ProvisionMark
from rag.store.base import Base, in_groups
from rag.store.bulk_insert import insert_all
from rag.store.collection import Collection
from rag.store.document import Document
from rag.store.family import CHILD_MARK
from rag.store.filtering import conditions
from rag.store.version import DocumentVersion, VersionState, in_index

if TYPE_CHECKING:
    from sqlalchemy import Table

_MAX_LABEL = 200


class ChunkRow(Base):
    """One chunk of a version. `anchor`, `line_anchors` and `heading_path` are JSON (`rag.domain.anchor`).

    `findings` says where personal data stands (`rag.domain.findings`); None while nobody looked for any.
    `code` is `CodeContext` as JSON; None for what is no source code.
    `provisions` are pairs of offset and path (`rag.domain.provision`), `provision` the label that covers them all.
    """

    __tablename__ = "chunk"
    __table_args__ = (Index("ix_chunk_version_id_ordinal", "version_id", "ordinal", unique=True),)

    id: Mapped[UUID] = mapped_column(primary_key=True)
    version_id: Mapped[UUID] = mapped_column(ForeignKey("document_version.id", ondelete="CASCADE"))
    ordinal: Mapped[int]
    text: Mapped[str] = mapped_column(Text)
    heading_path: Mapped[list[Any]]
    anchor: Mapped[dict[str, Any]]
    line_anchors: Mapped[list[Any]]
    language: Mapped[str] = mapped_column(String(10))
    kind: Mapped[str] = mapped_column(String(20))
    tokens: Mapped[int]
    provision: Mapped[str] = mapped_column(String(_MAX_LABEL))
    provisions: Mapped[list[Any]]
    cross_references: Mapped[list[Any]]
    findings: Mapped[list[Any] | None]
    code: Mapped[dict[str, Any] | None]


_TABLE = cast("Table", ChunkRow.__table__)
_COLUMNS = (
    *("id", "version_id", "ordinal", "text", "heading_path", "anchor", "line_anchors", "language", "kind", "tokens"),
    *("provision", "provisions", "cross_references", "code", "findings"),
)
_PARENT = aliased(Document)
_SOURCE_COLUMNS: tuple[ColumnElement[Any] | InstrumentedAttribute[Any], ...] = (
    Document.access_rule_id,
    DocumentVersion.id.label("version_id"),
    DocumentVersion.number,
    DocumentVersion.media_type,
    DocumentVersion.fetched_at,
    DocumentVersion.valid_from,
    DocumentVersion.valid_to,
    DocumentVersion.flagged,
    DocumentVersion.commit,
    Document.id.label("document_id"),
    Document.source_key,
    Document.title,
    Document.author,
    Document.source_url,
    Collection.id.label("collection_id"),
    Collection.name.label("collection_name"),
    Collection.kind.label("collection_kind"),
    _PARENT.id.label("parent_id"),
    _PARENT.source_key.label("parent_key"),
    _PARENT.title.label("parent_title"),
)
"""What a `Source` is made of. Columns: rows of four tables cost more than the query itself (`benchmarks/search_overhead.py`)."""


def to_domain(row: ChunkRow | Row[Any], *, lines: bool = True) -> Chunk:
    """The chunk that `row` stores; where `lines` is False without an anchor for each line, which then need not be in `row`."""
    return Chunk(
        id=row.id,
        ordinal=row.ordinal,
        text=row.text,
        anchor=anchor_from_json(row.anchor),
        heading_path=tuple(row.heading_path),
        language=Language(row.language),
        kind=ElementKind(row.kind),
        tokens=row.tokens,
        line_anchors=tuple(anchor_from_json(item) for item in row.line_anchors) if lines else (),
        provisions=tuple(ProvisionMark(int(start), tuple(path)) for start, path in row.provisions),
        references=tuple(row.cross_references),
        code=None if row.code is None else CodeContext.from_json(row.code),
    )


def _line_anchors_json(anchors: Sequence[Anchor]) -> list[dict[str, Any]]:
    return [anchor_to_json(anchor) for anchor in anchors]


_OF_ONE_VERSION = 64
"""Chunks that are held as rows at once. Those of a table or a list know an anchor for each line, of which they have hundreds."""


def replace_chunks(
    session: Session, version_id: UUID, chunks: Iterable[Chunk], found: Sequence[ChunkFindings] | None = None
) -> None:
    """Store the chunks of a version in place of what was there, with what was found in each of them; replaying the step
    changes nothing."""
    session.execute(delete(ChunkRow).where(ChunkRow.version_id == version_id))
    insert_all(session, _TABLE, _COLUMNS, _rows(version_id, chunks, found), _OF_ONE_VERSION)


def insert_chunks(
    session: Session, versions: Iterable[tuple[UUID, Iterable[Chunk], Sequence[ChunkFindings] | None]]
) -> None:
    """Store the chunks of versions of which there are none, with what was found in each of them."""
    insert_all(session, _TABLE, _COLUMNS, (row for version in versions for row in _rows(*version)))


def _rows(
    version_id: UUID, chunks: Iterable[Chunk], found: Sequence[ChunkFindings] | None
) -> Iterator[tuple[Any, ...]]:
    """Values of `_COLUMNS`, a row at a time: as rows the lines of a large table take many times what they do as chunks."""
    return (
        (
            chunk.id,
            version_id,
            chunk.ordinal,
            chunk.text,
            chunk.heading_path,
            anchor_to_json(chunk.anchor),
            _line_anchors_json(chunk.line_anchors),
            chunk.language,
            chunk.kind,
            chunk.tokens,
            chunk.provision[:_MAX_LABEL],
            [(mark.start, mark.path) for mark in chunk.provisions],
            chunk.references,
            None if chunk.code is None else chunk.code.to_json(),
            None if found is None else found[place].to_json(),
        )
        for place, chunk in enumerate(chunks)
    )


_TOGETHER = 500
"""Rows that are read at once: those of a large document take many times what is made of them."""
_OF_VERSION = (
    select(*_TABLE.columns)
    .where(ChunkRow.version_id == bindparam("version"))
    .order_by(ChunkRow.ordinal)
    .execution_options(yield_per=_TOGETHER)
)
_TO_BE_INDEXED = (
    _OF_VERSION.with_only_columns(
        *(column for column in _TABLE.columns if column.name not in ("line_anchors", "findings"))
    )
    .where(ChunkRow.ordinal > bindparam("after"))
    .limit(bindparam("most"))
)
_ALL = 2**31 - 1


def of_version(session: Session, version_id: UUID) -> list[Chunk]:
    """All chunks of a version in document order, as they are. For ingestion, which acts for no principal."""
    return [to_domain(row) for row in session.execute(_OF_VERSION, {"version": version_id})]


def for_index(session: Session, version_id: UUID, after: int = -1, most: int = _ALL) -> list[Chunk]:
    """The first `most` chunks of a version after the ordinal `after`, in document order, as the index and its models may read
    them: without what is on record as hidden from them, and without an anchor for each line, of which a large table has hundreds
    of thousands. Vectors that are stored for a version belong to these texts."""
    record = record_from_json(
        session.scalar(select(DocumentVersion.personal_data).where(DocumentVersion.id == version_id))
    )
    asked = {"version": version_id, "after": after, "most": most}
    chunks = [to_domain(row, lines=False) for row in session.execute(_TO_BE_INDEXED, asked)]
    if record is None or not record.hidden:
        return chunks
    found = findings_of(session, [chunk.id for chunk in chunks])
    return [chunk.masked(found[chunk.id].only(record.hidden)) for chunk in chunks]


_LANGUAGES = select(ChunkRow.language).where(ChunkRow.version_id == bindparam("version")).order_by(ChunkRow.ordinal)


def languages(session: Session, version_id: UUID) -> list[Language]:
    """The language of each chunk of a version, in document order."""
    return [Language(item) for item in session.scalars(_LANGUAGES, {"version": version_id})]


_OF_LANGUAGES = select(ChunkRow.id).where(
    ChunkRow.id.in_(bindparam("ids", expanding=True)), ChunkRow.language.in_(bindparam("languages", expanding=True))
)


def of_languages(session: Session, chunk_ids: Iterable[UUID], languages: Sequence[Language]) -> frozenset[UUID]:
    """Those of these chunks that are in one of the languages. The caller has the ids from a search under its permit."""
    if not languages:
        return frozenset()
    return frozenset(
        key
        for ids in in_groups(chunk_ids)
        for key in session.scalars(_OF_LANGUAGES, {"ids": ids, "languages": list(languages)})
    )


def findings_of(session: Session, chunk_ids: Iterable[UUID]) -> dict[UUID, ChunkFindings]:
    """What was found in these chunks; those that nobody looked through are left out."""
    found: dict[UUID, ChunkFindings] = {}
    for group in in_groups(chunk_ids):
        query = select(ChunkRow.id, ChunkRow.findings).where(ChunkRow.id.in_(group), ChunkRow.findings.is_not(None))
        found |= {row[0]: ChunkFindings.from_json(row[1]) for row in session.execute(query)}
    return found


def set_findings(session: Session, found: Mapping[UUID, ChunkFindings]) -> None:
    """Put on record what was found in chunks."""
    rows = [{"id": key, "findings": item.to_json()} for key, item in found.items()]
    if rows:
        session.execute(update(ChunkRow), rows)


def set_contexts(session: Session, contexts: Mapping[UUID, CodeContext]) -> None:
    """Put on record what chunks of code know of themselves."""
    rows = [{"id": key, "code": item.to_json()} for key, item in contexts.items()]
    if rows:
        session.execute(update(ChunkRow), rows)


def counts(session: Session, version_ids: Iterable[UUID]) -> dict[UUID, int]:
    """Number of chunks of each of these versions; those without any are left out."""
    query = select(ChunkRow.version_id, func.count()).group_by(ChunkRow.version_id)
    groups = (query.where(ChunkRow.version_id.in_(group)) for group in in_groups(version_ids))
    return {row[0]: row[1] for group in groups for row in session.execute(group)}


def delete_of_versions(session: Session, version_ids: Iterable[UUID]) -> None:
    """Remove the chunks of these versions."""
    session.execute(delete(ChunkRow).where(ChunkRow.version_id.in_(list(version_ids))))


_CHUNKS = select(*ChunkRow.__table__.columns).where(ChunkRow.id.in_(bindparam("ids", expanding=True)))
_SOURCES = (
    select(*_SOURCE_COLUMNS)
    .join(Document, Document.id == DocumentVersion.document_id)
    .join(Collection, Collection.id == Document.collection_id)
    .outerjoin(_PARENT, _PARENT.id == Document.parent_document_id)
    .where(
        DocumentVersion.id.in_(bindparam("versions", expanding=True)),
        Document.tenant_id == bindparam("tenant"),
        Document.collection_id.in_(bindparam("collections", expanding=True)),
        Document.deleted_at.is_(None),
        Collection.deleted_at.is_(None),
    )
)
_CURRENT = _SOURCES.where(
    Document.current_version_id == DocumentVersion.id, DocumentVersion.state == VersionState.ACTIVE
)
"""Built once: putting such a statement together takes as long as running it.

The sources have a statement of their own, by primary key: in one join with the chunks, SQLite starts from the tenant's
documents and reads the whole corpus (80 ms instead of 2 at 100,000 chunks).
"""


def read_permitted(session: Session, permit: Permit, chunk_ids: Sequence[UUID]) -> dict[UUID, LocatedChunk]:
    """The chunks among `chunk_ids` that the permit covers right now: the re-check against the record.

    A chunk is readable when its document is not deleted, its version is the active one (or was, at the date of the
    permit), its collection and its rule are in the permit, and the permit's filter holds. Everything else is left out
    without a word.
    """
    if not chunk_ids or not permit.collections:
        return {}
    rows = session.execute(_CHUNKS, {"ids": list(chunk_ids)}).all()
    sources = permitted_sources(session, permit, {row.version_id for row in rows})
    return {row.id: LocatedChunk(to_domain(row), sources[row.version_id]) for row in rows if row.version_id in sources}


def permitted_sources(session: Session, permit: Permit, version_ids: Iterable[UUID]) -> dict[UUID, Source]:
    """Where these versions come from, as far as the permit covers them now."""
    query = (_CURRENT if permit.as_of is None else _SOURCES).where(*_valid_then(permit), *conditions(permit.where))
    named = {"versions": list(version_ids), "tenant": permit.tenant_id, "collections": list(permit.collections)}
    rows, rules = session.execute(query, named), permit.rule_ids
    passed = (row for row in rows if row.access_rule_id is None or row.access_rule_id in rules)
    return {row.version_id: _source(row) for row in passed}


def _valid_then(permit: Permit) -> list[ColumnElement[bool]]:
    """That a version answered at the permit's date (from `valid_from`, until `valid_to`); nothing without a date."""
    if permit.as_of is None:
        return []
    return [
        DocumentVersion.state.in_([VersionState.ACTIVE, VersionState.RETIRED]),
        DocumentVersion.valid_from <= permit.as_of,
        DocumentVersion.valid_to.is_(None) | (DocumentVersion.valid_to > permit.as_of),
    ]


def _source(row: Row[Any]) -> Source:
    """The source that one row of `_SOURCE_COLUMNS` describes."""
    parent = None if row.parent_id is None else _parent(row)
    return Source(
        document_id=row.document_id,
        version_id=row.version_id,
        version_number=row.number,
        collection_id=row.collection_id,
        collection_name=row.collection_name,
        collection_kind=CollectionKind(row.collection_kind),
        source_key=row.source_key,
        title=row.title or row.source_key,
        media_type=row.media_type,
        author=row.author,
        source_url=row.source_url,
        fetched_at=row.fetched_at,
        valid_from=row.valid_from,
        valid_to=row.valid_to,
        parent=parent,
        flagged=row.flagged,
        commit=row.commit or "",
    )


def _parent(row: Row[Any]) -> Parent:
    member = row.source_key.removeprefix(row.parent_key + CHILD_MARK)
    return Parent(row.parent_id, row.parent_key, row.parent_title or row.parent_key, member)


def neighbours(session: Session, version_id: UUID, ordinal: int, reach: int) -> list[Chunk]:
    """Chunks at most `reach` away from `ordinal`. The caller has checked the permit for the version."""
    query = select(ChunkRow).where(
        ChunkRow.version_id == version_id, ChunkRow.ordinal.between(ordinal - reach, ordinal + reach)
    )
    return [to_domain(row) for row in session.scalars(query.order_by(ChunkRow.ordinal))]


def active_ids(session: Session) -> Iterator[tuple[UUID, UUID]]:
    """Every (chunk id, version id) that the index must hold, streamed."""
    query = (
        select(ChunkRow.id, ChunkRow.version_id)
        .join(DocumentVersion, DocumentVersion.id == ChunkRow.version_id)
        .where(in_index())
        .execution_options(yield_per=5000)
    )
    for row in session.execute(query):
        yield row[0], row[1]


def active_ids_of(session: Session, version_ids: Iterable[UUID]) -> Iterator[UUID]:
    """The chunk ids among `active_ids` that are of these versions."""
    for group in in_groups(version_ids):
        query = select(ChunkRow.id).join(DocumentVersion, DocumentVersion.id == ChunkRow.version_id)
        yield from session.scalars(query.where(in_index(), ChunkRow.version_id.in_(group)))


def count_active(session: Session) -> int:
    """Number of chunks that the index must hold."""
    query = select(func.coalesce(func.sum(DocumentVersion.chunk_count), 0)).where(in_index())
    return int(session.scalar(query) or 0)
