"""Custom attributes of documents."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import get_args
from uuid import UUID

from sqlalchemy import ForeignKey, Index, String, delete, insert, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from rag.domain.filters import AttributeValue, Kind
from rag.store.base import Base

_KINDS: dict[str, Kind] = {kind: kind for kind in get_args(Kind)}


class DocumentAttribute(Base):
    """One attribute of one document. `number` is set for numbers, and for dates (their ordinal)."""

    __tablename__ = "document_attribute"
    __table_args__ = (
        Index("ix_document_attribute_name_text", "name", "text"),
        Index("ix_document_attribute_name_number", "name", "number"),
    )

    document_id: Mapped[UUID] = mapped_column(ForeignKey("document.id", ondelete="CASCADE"), primary_key=True)
    name: Mapped[str] = mapped_column(String(40), primary_key=True)
    kind: Mapped[str] = mapped_column(String(10))
    text: Mapped[str] = mapped_column(String(200))
    number: Mapped[float | None]


def of_documents(session: Session, document_ids: Iterable[UUID]) -> dict[UUID, dict[str, AttributeValue]]:
    """The attributes of these documents, by name; documents without any are left out."""
    query = select(DocumentAttribute).where(DocumentAttribute.document_id.in_(list(document_ids)))
    found: dict[UUID, dict[str, AttributeValue]] = {}
    for row in session.scalars(query.order_by(DocumentAttribute.name)):
        value = AttributeValue(_KINDS[row.kind], row.text, row.number)
        found.setdefault(row.document_id, {})[row.name] = value
    return found


def replace_attributes(session: Session, document_id: UUID, attributes: Mapping[str, AttributeValue]) -> None:
    """Store these attributes of a document in place of those that it had."""
    replace_of_documents(session, {document_id: attributes})


def replace_of_documents(session: Session, wanted: Mapping[UUID, Mapping[str, AttributeValue]]) -> None:
    """`replace_attributes` for several documents."""
    delete_of_documents(session, list(wanted))
    rows = [
        {"document_id": document_id, "name": name, "kind": item.kind, "text": item.text, "number": item.number}
        for document_id, attributes in wanted.items()
        for name, item in attributes.items()
    ]
    if rows:
        session.execute(insert(DocumentAttribute), rows)


def delete_of_documents(session: Session, document_ids: Sequence[UUID]) -> None:
    """Remove every attribute of these documents."""
    session.execute(delete(DocumentAttribute).where(DocumentAttribute.document_id.in_(list(document_ids))))
