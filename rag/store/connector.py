"""Sources that are synchronised into a collection, and what is known of their items."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID, uuid5

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    ForeignKey,
    Index,
    String,
    UniqueConstraint,
    delete,
    exists,
    func,
    or_,
    select,
)
from sqlalchemy.orm import Mapped, Session, mapped_column

from rag.domain.errors import InvalidRequest, NotFound
from rag.domain.principal import Permit
from rag.store.base import Base, utc_now
from rag.store.document import Document, covered, key_covered
from rag.store.version import DocumentVersion


class ConnectorSource(Base):
    """A folder, bucket or the like that feeds a collection. `location` is the client's name for it, never opened here.

    Attributes:
        access: `AccessRule` as JSON: what new documents of it get that come without a rule; None for nothing.
    """

    __tablename__ = "connector_source"
    __table_args__ = (UniqueConstraint("collection_id", "kind", "location"),)

    id: Mapped[UUID] = mapped_column(primary_key=True)
    tenant_id: Mapped[UUID] = mapped_column(ForeignKey("tenant.id"))
    collection_id: Mapped[UUID] = mapped_column(ForeignKey("collection.id"))
    kind: Mapped[str] = mapped_column(String(20))
    location: Mapped[str] = mapped_column(String(500))
    access: Mapped[dict[str, Any] | None]
    created_at: Mapped[datetime] = mapped_column(default=utc_now)
    synced_at: Mapped[datetime | None]


class ConnectorItem(Base):
    """One file of a source as it was when it was last taken.

    Attributes:
        key: its name in the source, which is also the document's source key.
        fingerprint: what tells cheaply whether it may have changed: size, times and inode, or an etag.
        content_hash: SHA-256 of its content, hex.
    """

    __tablename__ = "connector_item"
    __table_args__ = (Index("ix_connector_item_document_id", "document_id"),)

    source_id: Mapped[UUID] = mapped_column(ForeignKey("connector_source.id", ondelete="CASCADE"), primary_key=True)
    key: Mapped[str] = mapped_column(String(2000), primary_key=True)
    fingerprint: Mapped[str] = mapped_column(String(200))
    content_hash: Mapped[str] = mapped_column(String(64))
    size: Mapped[int] = mapped_column(BigInteger)
    document_id: Mapped[UUID]
    seen_at: Mapped[datetime] = mapped_column(default=utc_now)


def ensure_source(session: Session, tenant_id: UUID, collection_id: UUID, kind: str, location: str) -> ConnectorSource:
    """The source of this kind at this location, made when it is new."""
    source_id = uuid5(collection_id, f"source:{kind}:{location}")
    row = session.get(ConnectorSource, source_id)
    if row is None:
        row = ConnectorSource(
            id=source_id, tenant_id=tenant_id, collection_id=collection_id, kind=kind, location=location
        )
        session.add(row)
        session.flush()
    return row


def get_permitted(session: Session, permit: Permit, source_id: UUID) -> ConnectorSource:
    """The source, if the permit covers its collection.

    Raises:
        NotFound: it does not exist or lies outside the permit.
    """
    query = select(ConnectorSource).where(
        ConnectorSource.id == source_id,
        ConnectorSource.tenant_id == permit.tenant_id,
        ConnectorSource.collection_id.in_(permit.collections),
    )
    found = session.scalar(query)
    if found is None:
        raise NotFound
    return found


def of_permit(session: Session, permit: Permit) -> Sequence[ConnectorSource]:
    """The sources of the permit's collections, by location."""
    query = select(ConnectorSource).where(
        ConnectorSource.tenant_id == permit.tenant_id, ConnectorSource.collection_id.in_(permit.collections)
    )
    return session.scalars(query.order_by(ConnectorSource.location, ConnectorSource.id)).all()


def page_of_items(
    session: Session, permit: Permit, source_id: UUID, *, after: str | None, limit: int
) -> Sequence[ConnectorItem]:
    """Items of a source by key, after the key `after`; those of documents that the permit does not cover are left out."""
    query = select(ConnectorItem).where(ConnectorItem.source_id == source_id, _of_covered(permit))
    if after is not None:
        query = query.where(ConnectorItem.key > after)
    return session.scalars(query.order_by(ConnectorItem.key).limit(limit)).all()


def failed_among(session: Session, items: Sequence[ConnectorItem]) -> list[UUID]:
    """The documents of these items whose newest version could not be ingested."""
    query = (
        select(Document.id)
        .join(DocumentVersion, DocumentVersion.id == Document.latest_version_id)
        .where(Document.id.in_({item.document_id for item in items}), DocumentVersion.error_code.is_not(None))
    )
    return list(session.scalars(query.order_by(Document.id)))


def cursor_behind(session: Session, row: ConnectorItem) -> str:
    """The place behind an item, which does not tell its key: its document, and the how manieth item of that it is."""
    before = (
        select(func.count())
        .select_from(ConnectorItem)
        .where(
            ConnectorItem.source_id == row.source_id,
            ConnectorItem.document_id == row.document_id,
            ConnectorItem.key < row.key,
        )
    )
    return f"{row.document_id}.{session.scalar(before)}"


def key_at(session: Session, permit: Permit, source_id: UUID, cursor: str) -> str:
    """The key at a place that `cursor_behind` gave; of an item that went meanwhile, that of its document.

    Raises:
        InvalidRequest: it is no such place.
        DocumentNotFound: of no document that the permit covers.
    """
    try:
        named, _, number = cursor.partition(".")
        document_id, before = UUID(named), int(number)
    except ValueError:
        raise InvalidRequest(
            detail="cursor", detail_ko="cursor: 목록이 알려 준 값이 아닙니다. 첫 쪽부터 다시 요청하세요"
        ) from None
    of_document = ConnectorItem.source_id == source_id, ConnectorItem.document_id == document_id, _of_covered(permit)
    keys = session.scalars(select(ConnectorItem.key).where(*of_document).order_by(ConnectorItem.key)).all()
    return keys[before] if 0 <= before < len(keys) else key_covered(session, permit, document_id)


def _of_covered(permit: Permit) -> ColumnElement[bool]:
    return exists().where(Document.id == ConnectorItem.document_id, *covered(permit))


def put_items(session: Session, items: Sequence[ConnectorItem]) -> None:
    """Note the state of items, in place of what was known of them."""
    for item in items:
        session.merge(item)


def items_of(
    session: Session, permit: Permit, source_id: UUID, keys: Sequence[str], documents: Sequence[UUID] = ()
) -> Sequence[ConnectorItem]:
    """The items with these keys or documents; unknown ones, and those that the permit does not cover, are left out."""
    named = or_(ConnectorItem.key.in_(keys), ConnectorItem.document_id.in_(documents))
    query = select(ConnectorItem).where(ConnectorItem.source_id == source_id, named, _of_covered(permit))
    return session.scalars(query).all()


def others_keys(session: Session, permit: Permit, source_id: UUID, keys: Sequence[str]) -> Sequence[str]:
    """Those of these keys under which a document is noted that the permit does not cover."""
    query = select(ConnectorItem.key).where(
        ConnectorItem.source_id == source_id, ConnectorItem.key.in_(keys), ~_of_covered(permit)
    )
    return session.scalars(query).all()


def forget_items(session: Session, source_id: UUID, keys: Sequence[str]) -> None:
    """Forget items of a source."""
    session.execute(delete(ConnectorItem).where(ConnectorItem.source_id == source_id, ConnectorItem.key.in_(keys)))


def forget_documents(session: Session, document_ids: Sequence[UUID]) -> None:
    """Forget the items behind deleted documents, so that a source that still has the file brings it back."""
    session.execute(delete(ConnectorItem).where(ConnectorItem.document_id.in_(list(document_ids))))
