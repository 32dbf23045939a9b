"""Deletion receipts: what was deleted, by whom, and the proof that it is gone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, NamedTuple
from uuid import UUID, uuid4

from sqlalchemy import ColumnElement, ForeignKey, Index, String, exists, func, or_, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from rag.domain.errors import PurgeIncomplete, ReceiptNotFound, SeogoError, Unavailable
from rag.domain.principal import Permit, Principal
from rag.store.base import Base, in_groups, utc_now
from rag.store.document import Document, covered
from rag.store.version import DocumentVersion, VersionState

_FIRST_PAUSE = timedelta(seconds=10)
_LONGEST_PAUSE = timedelta(minutes=10)
_LONGEST_AWAY = timedelta(seconds=30)
"""Where a part of the service is away: what was deleted is to be gone within a minute of its return."""


class ReceiptKind(StrEnum):
    """What a receipt is about."""

    DOCUMENT = "document"
    VERSIONS = "versions"
    COLLECTION = "collection"
    REPOSITORY = "repository"


class DeletionReason(StrEnum):
    """Why something was deleted."""

    REQUEST = "request"
    COLLECTION = "collection"
    RETENTION = "retention"
    SOURCE = "source"


@dataclass(frozen=True, slots=True)
class Actor:
    """Who deletes. Retention acts in nobody's name: its id is None."""

    id: UUID | None
    name: str

    @classmethod
    def of(cls, principal: Principal) -> Actor:
        """The caller as an actor."""
        return cls(principal.id, principal.name)


class NamedVersion(NamedTuple):
    """What a receipt says of a version, and whose it is.

    Attributes:
        content_hash: SHA-256 of the original, in hex.
        size: bytes of the original.
    """

    id: UUID
    document_id: UUID
    number: int
    content_hash: str
    size: int


class DeletionReceipt(Base):
    """One deletion. It names no text: what it keeps are ids, the name of the document, sizes and hashes.

    Attributes:
        parent_id: receipt of the collection's or repository's deletion that this one is part of.
        actor_id: id of the key that asked; None when a retention rule did.
        versions: per version `id`, `number`, `content_hash` (SHA-256, hex) and `size` (bytes).
        documents: how many documents went: those of a collection or repository, or a document with what lies in it.
        purged_at: when nothing was left; None until then.
        verified: what was counted after the purge: `points`, `chunks`, `derived`, `originals` (all zero),
            `originals_shared` (kept, since another document of the collection has the same content).
        purge_tries: purges that did not remove everything.
        purge_error: code of the error of the last of them; None once nothing is left.
        purge_retry_at: when a purge that failed is taken up again.
    """

    __tablename__ = "deletion_receipt"
    __table_args__ = (
        Index("ix_deletion_receipt_purged_at_deleted_at", "purged_at", "deleted_at"),
        Index("ix_deletion_receipt_document_id", "document_id"),
        Index("ix_deletion_receipt_parent_id", "parent_id"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    tenant_id: Mapped[UUID] = mapped_column(ForeignKey("tenant.id"), index=True)
    collection_id: Mapped[UUID] = mapped_column(ForeignKey("collection.id"), index=True)
    collection_name: Mapped[str] = mapped_column(String(100))
    parent_id: Mapped[UUID | None]
    kind: Mapped[str] = mapped_column(String(20))
    reason: Mapped[str] = mapped_column(String(20))
    actor_id: Mapped[UUID | None]
    actor_name: Mapped[str] = mapped_column(String(200))
    document_id: Mapped[UUID | None]
    source_key: Mapped[str] = mapped_column(String(2000), default="")
    documents: Mapped[int] = mapped_column(default=0)
    versions: Mapped[list[Any]] = mapped_column(default=list)
    deleted_at: Mapped[datetime] = mapped_column(default=utc_now)
    purged_at: Mapped[datetime | None]
    verified: Mapped[dict[str, Any] | None]
    purge_tries: Mapped[int] = mapped_column(default=0, server_default="0")
    purge_error: Mapped[str | None] = mapped_column(String(64))
    purge_retry_at: Mapped[datetime | None]


def issue(
    session: Session,
    document: Document,
    versions: Sequence[NamedVersion],
    actor: Actor,
    *,
    kind: ReceiptKind,
    reason: DeletionReason,
    collection_name: str,
    parent_id: UUID | None = None,
) -> DeletionReceipt:
    """The receipt for deleting `versions` of a document, in the transaction that hides them."""
    row = DeletionReceipt(
        id=uuid4(),
        tenant_id=document.tenant_id,
        collection_id=document.collection_id,
        collection_name=collection_name,
        parent_id=parent_id,
        kind=kind,
        reason=reason,
        actor_id=actor.id,
        actor_name=actor.name,
        document_id=document.id,
        source_key=document.source_key,
        documents=len({item.document_id for item in versions} | {document.id}) if kind is ReceiptKind.DOCUMENT else 0,
        versions=[
            {"id": str(item.id), "number": item.number, "content_hash": item.content_hash, "size": item.size}
            for item in versions
        ],
        deleted_at=utc_now(),
    )
    session.add(row)
    return row


def get_permitted(session: Session, permit: Permit, receipt_id: UUID) -> DeletionReceipt:
    """The receipt, if the permit covers its collection, and the document that it names.

    Raises:
        ReceiptNotFound: it does not exist or lies outside the permit: the caller can't tell which.
    """
    query = select(DeletionReceipt).where(
        DeletionReceipt.id == receipt_id,
        DeletionReceipt.tenant_id == permit.tenant_id,
        DeletionReceipt.collection_id.in_(permit.collections),
        _of_covered(permit),
    )
    found = session.scalar(query)
    if found is None:
        raise ReceiptNotFound(name=str(receipt_id))
    return found


def newest_permitted(
    session: Session, permit: Permit, *, document_id: UUID | None, parent_id: UUID | None, limit: int
) -> Sequence[DeletionReceipt]:
    """Receipts of the permit's collections, newest first; those that name a document outside the permit are left out."""
    query = select(DeletionReceipt).where(
        DeletionReceipt.tenant_id == permit.tenant_id,
        DeletionReceipt.collection_id.in_(permit.collections),
        _of_covered(permit),
    )
    if document_id is not None:
        query = query.where(DeletionReceipt.document_id == document_id)
    if parent_id is not None:
        query = query.where(DeletionReceipt.parent_id == parent_id)
    return session.scalars(query.order_by(DeletionReceipt.deleted_at.desc(), DeletionReceipt.id).limit(limit)).all()


def _of_covered(permit: Permit) -> ColumnElement[bool]:
    """That a receipt is about no single document, or about one that the rules of today permit: its row outlives it."""
    named = exists().where(Document.id == DeletionReceipt.document_id, *covered(permit))
    return or_(DeletionReceipt.document_id.is_(None), named)


def versions_of(session: Session, document_ids: Sequence[UUID]) -> list[NamedVersion]:
    """What receipts say of the versions of these documents that are not deleted, by number."""
    found: list[NamedVersion] = []
    columns = (getattr(DocumentVersion, name) for name in NamedVersion._fields)
    query = select(*columns).where(DocumentVersion.state != VersionState.DELETED)
    for group in in_groups(document_ids):
        found += [NamedVersion(*row) for row in session.execute(query.where(DocumentVersion.document_id.in_(group)))]
    return sorted(found, key=lambda version: version.number)


def open_of_documents(session: Session, document_ids: Sequence[UUID]) -> list[tuple[UUID, int]]:
    """Ids of the receipts of these documents whose purge is not finished, and of how many documents each one tells."""
    query = select(DeletionReceipt.id, DeletionReceipt.documents).where(DeletionReceipt.purged_at.is_(None))
    groups = (query.where(DeletionReceipt.document_id.in_(group)) for group in in_groups(document_ids))
    return [(row[0], row[1]) for group in groups for row in session.execute(group)]


def by_ids(session: Session, ids: Sequence[UUID]) -> Sequence[DeletionReceipt]:
    """The receipts with these ids."""
    return session.scalars(select(DeletionReceipt).where(DeletionReceipt.id.in_(ids))).all()


def note_failures(session: Session, causes: Mapping[UUID, SeogoError]) -> None:
    """Note for these receipts that a purge left something, with the code of the error, and when the next one is due.

    A second try follows at once; then the pauses grow from 10 seconds fourfold to ten minutes, or to half a minute where what
    failed is away. A step repeats itself some times: a try before it was due counts for nothing.
    """
    now = utc_now()
    query = select(DeletionReceipt).where(DeletionReceipt.id.in_(list(causes)), DeletionReceipt.purged_at.is_(None))
    for row in session.scalars(query.order_by(DeletionReceipt.id).with_for_update()):
        row.purge_error = causes[row.id].code
        if row.purge_retry_at is None or row.purge_retry_at <= now:
            row.purge_tries += 1
            row.purge_retry_at = now + _pause_after(row.purge_tries, causes[row.id])


def _pause_after(tries: int, error: SeogoError) -> timedelta:
    away = isinstance(error, Unavailable) and not isinstance(error, PurgeIncomplete)
    pause = timedelta(0) if tries < 2 else _FIRST_PAUSE * 4 ** min(tries - 2, 8)
    return min(pause, _LONGEST_AWAY if away else _LONGEST_PAUSE)


def is_due() -> ColumnElement[bool]:
    """That a purge that is not finished need not wait for its next try."""
    return or_(DeletionReceipt.purge_retry_at.is_(None), DeletionReceipt.purge_retry_at <= utc_now())


def failing(session: Session, at_least: int, limit: int) -> tuple[int, Sequence[DeletionReceipt]]:
    """How many deletions could not be finished in so many tries, and those with the most tries."""
    stuck = (DeletionReceipt.purged_at.is_(None), DeletionReceipt.purge_tries >= at_least)
    total = session.scalar(select(func.count()).where(*stuck)) or 0
    query = select(DeletionReceipt).where(*stuck).order_by(DeletionReceipt.purge_tries.desc(), DeletionReceipt.id)
    return total, session.scalars(query.limit(limit)).all()


def open_documents(session: Session, deleted_before: datetime, limit: int) -> Sequence[UUID]:
    """Documents with an unfinished purge that began before this moment and is due, those that failed least
    first, then the oldest: where five fail and none goes well, a purge ends. Not those of collections."""
    query = (
        select(DeletionReceipt.document_id)
        .where(
            DeletionReceipt.purged_at.is_(None),
            DeletionReceipt.deleted_at < deleted_before,
            DeletionReceipt.document_id.is_not(None),
            DeletionReceipt.parent_id.is_(None),
            is_due(),
        )
        .order_by(DeletionReceipt.purge_tries, DeletionReceipt.deleted_at)
        .limit(limit)
    )
    return [item for item in session.scalars(query) if item is not None]


def open_collections(session: Session, deleted_before: datetime) -> Sequence[UUID]:
    """Deleted collections whose purge began before this moment and is not finished."""
    query = select(DeletionReceipt.collection_id).where(
        DeletionReceipt.purged_at.is_(None),
        DeletionReceipt.kind == ReceiptKind.COLLECTION,
        DeletionReceipt.deleted_at < deleted_before,
    )
    return session.scalars(query).all()


def open_children(session: Session, parent_id: UUID, limit: int) -> Sequence[UUID]:
    """Documents of a collection's deletion that are hidden and not purged yet; those that wait for a next try left out."""
    query = select(DeletionReceipt.document_id).where(
        DeletionReceipt.parent_id == parent_id, DeletionReceipt.purged_at.is_(None), is_due()
    )
    found = session.scalars(query.order_by(DeletionReceipt.purge_tries).limit(limit))
    return [item for item in found if item is not None]


def totals_of_children(session: Session, parent_id: UUID) -> tuple[int, int]:
    """Documents and unfinished ones among the receipts of a collection's deletion."""
    query = select(func.count(), func.count(DeletionReceipt.purged_at)).where(DeletionReceipt.parent_id == parent_id)
    total, finished = session.execute(query).one()
    return int(total), int(total) - int(finished)
