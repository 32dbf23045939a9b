"""Files that clients of the OpenAI surface keep here, in which collections they are, and batches of them.

A file lives by itself until it is put into a collection, where it becomes a document. A document that came in by another door
is a file as well, under its own id.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    ForeignKey,
    Index,
    Select,
    String,
    and_,
    delete,
    exists,
    func,
    literal,
    or_,
    select,
    union_all,
)
from sqlalchemy.orm import InstrumentedAttribute, Mapped, Session, mapped_column

from rag.domain.access import Role
from rag.domain.errors import DocumentNotFound
from rag.domain.principal import Permit
from rag.store import family
from rag.store.base import Base, in_groups, utc_now
from rag.store.collection import Collection
from rag.store.document import Document, barred, visible
from rag.store.version import DocumentVersion

Order = Literal["asc", "desc"]


class ClientFile(Base):
    """A file that a client uploaded, whether or not it is in a collection.

    Attributes:
        owner_id: the key that uploaded it.
        content_hash: SHA-256 of the original, in hex; names its blob.
        size: bytes of the original.
    """

    __tablename__ = "client_file"
    __table_args__ = (Index("ix_client_file_tenant_id_created_at", "tenant_id", "created_at"),)

    id: Mapped[UUID] = mapped_column(primary_key=True)
    tenant_id: Mapped[UUID] = mapped_column(ForeignKey("tenant.id"))
    owner_id: Mapped[UUID]
    filename: Mapped[str] = mapped_column(String(2000))
    purpose: Mapped[str] = mapped_column(String(20))
    content_hash: Mapped[str] = mapped_column(String(64), index=True)
    size: Mapped[int] = mapped_column(BigInteger)
    created_at: Mapped[datetime] = mapped_column(default=utc_now)


class StoredFile(Base):
    """That a client's file is the document `document_id` of a collection. The row may outlive the document."""

    __tablename__ = "stored_file"
    __table_args__ = (Index("ix_stored_file_file_id_collection_id", "file_id", "collection_id", unique=True),)

    document_id: Mapped[UUID] = mapped_column(primary_key=True)
    file_id: Mapped[UUID] = mapped_column(ForeignKey("client_file.id", ondelete="CASCADE"))
    tenant_id: Mapped[UUID] = mapped_column(ForeignKey("tenant.id"))
    collection_id: Mapped[UUID] = mapped_column(ForeignKey("collection.id"))


class FileBatch(Base):
    """Files that were put into a collection together.

    Attributes:
        entries: per file `file` and `document` (ids); where it was refused, `error` (code) and `params` instead of a document.
    """

    __tablename__ = "file_batch"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    tenant_id: Mapped[UUID] = mapped_column(ForeignKey("tenant.id"))
    collection_id: Mapped[UUID] = mapped_column(ForeignKey("collection.id"), index=True)
    entries: Mapped[list[Any]] = mapped_column(default=list)
    created_at: Mapped[datetime] = mapped_column(default=utc_now)
    cancelled_at: Mapped[datetime | None]


@dataclass(frozen=True, slots=True)
class KnownFile:
    """A file as it is listed: a client's, or a document that came in by another door (`document_id` is its id then)."""

    id: UUID
    created_at: datetime
    filename: str
    size: int
    purpose: str
    content_hash: str
    document_id: UUID | None


@dataclass(frozen=True, slots=True)
class Cursor:
    """Where a page begins or ends: a row's instant and id."""

    created_at: datetime
    id: UUID


def _own(permit: Permit) -> list[ColumnElement[bool]]:
    """The client files of the permit: its principal's own and those in its collections; of an administrator, all.

    A file that is a document somewhere, or was one until it was deleted, is as restricted as that one: also to whoever
    uploaded it.
    """
    linked = (StoredFile.file_id == ClientFile.id, Document.id == StoredFile.document_id)
    held_back = exists().where(*linked, barred(permit)).correlate(ClientFile)
    found = [ClientFile.tenant_id == permit.tenant_id, ~held_back]
    principal = permit.principal
    if principal.collections is not None or principal.tenant_role is not Role.ADMIN:
        inside = exists().where(*linked, *visible(permit)).correlate(ClientFile)
        found.append(or_(ClientFile.owner_id == principal.id, inside))
    return found


def _by_other_doors(permit: Permit) -> list[ColumnElement[bool]]:
    linked = exists().where(StoredFile.document_id == Document.id).correlate(Document)
    return [*visible(permit), ~linked]


def get_permitted(session: Session, permit: Permit, file_id: UUID, shown: str) -> KnownFile:
    """The file, if the permit covers it. `shown`: its id as the caller wrote it.

    Raises:
        DocumentNotFound: it does not exist or lies outside the permit: the caller can't tell which.
    """
    own = session.scalar(select(ClientFile).where(ClientFile.id == file_id, *_own(permit)))
    if own is not None:
        return KnownFile(own.id, own.created_at, own.filename, own.size, own.purpose, own.content_hash, None)
    row = session.execute(_documents(permit).where(Document.id == file_id)).first()
    if row is None:
        raise DocumentNotFound(name=shown)
    return KnownFile(*row)


def page_permitted(
    session: Session,
    permit: Permit,
    *,
    after: Cursor | None,
    limit: int,
    order: Order,
    purpose: str | None,
) -> Sequence[KnownFile]:
    """Files of the permit by the instant of their upload, the ids breaking ties."""
    own = select(
        ClientFile.id,
        ClientFile.created_at,
        ClientFile.filename,
        ClientFile.size,
        ClientFile.purpose,
        ClientFile.content_hash,
        literal(None, ClientFile.id.type).label("document_id"),
    ).where(*_own(permit))
    found = union_all(own, _documents(permit)).subquery()
    query = select(found)
    if purpose is not None:
        query = query.where(found.c.purpose == purpose)
    query = _paged(query, found.c.created_at, found.c.id, after=after, before=None, order=order)
    return [KnownFile(*row) for row in session.execute(query.limit(limit))]


def _documents(permit: Permit) -> Select[*tuple[Any, ...]]:
    return (
        select(
            Document.id,
            Document.created_at,
            DocumentVersion.filename,
            DocumentVersion.size,
            literal("assistants", ClientFile.purpose.type).label("purpose"),
            DocumentVersion.content_hash,
            Document.id.label("document_id"),
        )
        .join(DocumentVersion, DocumentVersion.id == Document.latest_version_id)
        .where(*_by_other_doors(permit))
    )


def _paged(
    query: Select[*tuple[Any, ...]],
    instant: ColumnElement[Any] | InstrumentedAttribute[Any],
    identity: ColumnElement[Any] | InstrumentedAttribute[Any],
    *,
    after: Cursor | None,
    before: Cursor | None,
    order: Order,
) -> Select[*tuple[Any, ...]]:
    ascending = order == "asc"
    for cursor, later in ((after, ascending), (before, not ascending)):
        if cursor is None:
            continue
        if later:
            beyond = or_(instant > cursor.created_at, and_(instant == cursor.created_at, identity > cursor.id))
        else:
            beyond = or_(instant < cursor.created_at, and_(instant == cursor.created_at, identity < cursor.id))
        query = query.where(beyond)
    # Going back from a place, the nearest rows come first; the caller turns them round.
    ascending = ascending if before is None or after is not None else not ascending
    if ascending:
        return query.order_by(instant, identity)
    return query.order_by(instant.desc(), identity.desc())


def documents_page(
    session: Session,
    permit: Permit,
    *,
    after: Cursor | None,
    before: Cursor | None,
    limit: int,
    order: Order,
    states: Sequence[str] | None,
    ids: Sequence[UUID] | None = None,
) -> list[tuple[Document, DocumentVersion, UUID]]:
    """Documents of the permit with their newest version and the id of their file, in `order`; of `states` and `ids` only."""
    query: Select[*tuple[Any, ...]] = (
        select(Document, DocumentVersion, func.coalesce(StoredFile.file_id, Document.id))
        .join(DocumentVersion, DocumentVersion.id == Document.latest_version_id)
        .outerjoin(StoredFile, StoredFile.document_id == Document.id)
        .where(*visible(permit))
    )
    if states is not None:
        query = query.where(DocumentVersion.state.in_(states))
    if ids is not None:
        query = query.where(Document.id.in_(ids))
    query = _paged(query, Document.created_at, Document.id, after=after, before=before, order=order).limit(limit)
    rows = [(row[0], row[1], row[2]) for row in session.execute(query)]
    return rows[::-1] if before is not None and after is None else rows


def document_of(session: Session, permit: Permit, file_id: UUID, shown: str) -> tuple[Document, DocumentVersion, UUID]:
    """The document that a file is in the one collection of the permit, its newest version, and the file's id.

    Raises:
        DocumentNotFound: it is not in there, or outside the permit.
    """
    query = (
        select(Document, DocumentVersion)
        .join(DocumentVersion, DocumentVersion.id == Document.latest_version_id)
        .outerjoin(StoredFile, StoredFile.document_id == Document.id)
        .where(func.coalesce(StoredFile.file_id, Document.id) == file_id, *visible(permit))
    )
    row = session.execute(query).first()
    if row is None:
        raise DocumentNotFound(name=shown)
    return row[0], row[1], file_id


def file_ids(session: Session, document_ids: Iterable[UUID]) -> dict[UUID, UUID]:
    """The id of the file that each of these documents is."""
    wanted = list(document_ids)
    found = {item: item for item in wanted}
    for group in in_groups(wanted):
        query = select(StoredFile.document_id, StoredFile.file_id).where(StoredFile.document_id.in_(group))
        found.update({row[0]: row[1] for row in session.execute(query)})
    return found


def states_of(session: Session, permit: Permit, files: Sequence[KnownFile]) -> dict[UUID, set[str]]:
    """The states of the newest versions that each file has in collections of the permit."""
    ids = [item.id for item in files]
    identity = func.coalesce(StoredFile.file_id, Document.id)
    query = (
        select(identity, DocumentVersion.state)
        .select_from(Document)
        .join(DocumentVersion, DocumentVersion.id == Document.latest_version_id)
        .outerjoin(StoredFile, StoredFile.document_id == Document.id)
        .where(or_(StoredFile.file_id.in_(ids), Document.id.in_(ids)), *visible(permit))
    )
    found: dict[UUID, set[str]] = {}
    for file_id, state in session.execute(query):
        found.setdefault(file_id, set()).add(state)
    return found


def links_of(session: Session, permit: Permit, file_id: UUID) -> Sequence[StoredFile]:
    """Where a client's file is a document, as far as the permit covers that."""
    query = (
        select(StoredFile)
        .join(Document, Document.id == StoredFile.document_id)
        .where(StoredFile.file_id == file_id, *visible(permit))
    )
    return session.scalars(query).all()


def documents_of(session: Session, files: Sequence[KnownFile]) -> dict[UUID, list[Document]]:
    """The documents that each of these files is, or was until they were deleted; whoever sees the file is barred from none."""
    found: dict[UUID, list[Document]] = {item.id: [] for item in files}
    for ids in in_groups(found):
        linked = select(StoredFile.file_id, Document).join(Document, Document.id == StoredFile.document_id)
        by_id = select(Document.id, Document).where(Document.id.in_(ids))
        for query in (linked.where(StoredFile.file_id.in_(ids)), by_id):
            for file_id, row in session.execute(query):
                found[file_id].append(row)
    return found


def loses_rules(session: Session, file: KnownFile, collection_id: UUID | None) -> bool:
    """Whether a rule holds for what the file is that would not hold for it as a document of this collection (None: a new one)."""
    rows = [row for row in documents_of(session, [file])[file.id] if row.collection_id != collection_id]
    inside = [row.id for row in rows] + list(family.below(session, [row.id for row in rows])) if rows else []
    for ids in in_groups(inside):
        if session.scalar(select(exists().where(Document.id.in_(ids), Document.access_rule_id.is_not(None)))):
            return True
    target = session.get_one(Collection, collection_id).access if collection_id is not None else None
    rules = [session.get_one(Collection, row.collection_id).access for row in rows]
    return any(rule is not None and rule != target for rule in rules)


def counts(session: Session, permit: Permit) -> dict[UUID, dict[str, tuple[int, int]]]:
    """Per collection of the permit and state of the newest version: documents, and bytes of their originals."""
    query = (
        select(Document.collection_id, DocumentVersion.state, func.count(), func.sum(DocumentVersion.size))
        .join(DocumentVersion, DocumentVersion.id == Document.latest_version_id)
        .where(*visible(permit))
        .group_by(Document.collection_id, DocumentVersion.state)
    )
    found: dict[UUID, dict[str, tuple[int, int]]] = {}
    for collection_id, state, number, size in session.execute(query):
        found.setdefault(collection_id, {})[state] = (int(number), int(size or 0))
    return found


def batch_permitted(session: Session, permit: Permit, batch_id: UUID, shown: str) -> FileBatch:
    """The batch, if it went into a collection of the permit.

    Raises:
        DocumentNotFound: it does not exist or lies outside the permit.
    """
    query = select(FileBatch).where(
        FileBatch.id == batch_id,
        FileBatch.tenant_id == permit.tenant_id,
        FileBatch.collection_id.in_(permit.collections),
    )
    found = session.scalar(query)
    if found is None:
        raise DocumentNotFound(name=shown)
    return found


def kept_among(session: Session, content_hashes: Sequence[str]) -> set[str]:
    """Those of these originals that a client's file has."""
    query = select(ClientFile.content_hash).where(ClientFile.content_hash.in_(content_hashes))
    return set(session.scalars(query.distinct()))


def originals(session: Session) -> dict[UUID, str]:
    """The hash of the original of every client's file."""
    return {row[0]: row[1] for row in session.execute(select(ClientFile.id, ClientFile.content_hash))}


def forget_collection(session: Session, collection_id: UUID) -> None:
    """Remove what says which files are in a collection, and its batches."""
    session.execute(delete(StoredFile).where(StoredFile.collection_id == collection_id))
    session.execute(delete(FileBatch).where(FileBatch.collection_id == collection_id))


def forget_documents(session: Session, document_ids: Sequence[UUID]) -> None:
    """Remove that files were these documents; the files themselves stay. Where a rule held for one, that is not forgotten:
    the file is as restricted as before."""
    ruled = (
        exists()
        .where(Document.id == StoredFile.document_id, Collection.id == Document.collection_id)
        .where(or_(Document.access_rule_id.is_not(None), Collection.access.is_not(None)))
        .correlate(StoredFile)
    )
    for group in in_groups(document_ids):
        session.execute(delete(StoredFile).where(StoredFile.document_id.in_(group), ~ruled))
