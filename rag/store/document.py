"""Documents: the stable identity behind versions."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import (
    ColumnElement,
    ForeignKey,
    Index,
    String,
    UniqueConstraint,
    and_,
    exists,
    false,
    func,
    or_,
    select,
    text,
)
from sqlalchemy.orm import Mapped, Session, mapped_column

from rag.domain.errors import DocumentNotFound
from rag.domain.principal import Permit
from rag.store.base import Base, utc_now
from rag.store.collection import Collection
from rag.store.version import DocumentVersion

_PENDING = text("access_pending")
"""The index that every search asks holds only documents on their way."""


class Document(Base):
    """A document at `source_key` (its path or name) of a collection.

    Attributes:
        latest_version_id: the newest upload, whatever became of it.
        current_version_id: the version that answers questions; None until the first one is active.
        deleted_at: set at once when the document is deleted; from then on nobody sees it.
        purged_at: set when index, chunks and blobs are gone too.
        title, author, authored_at, revised_at: what the file of the version that answers says about itself.
        source_url: address of the web page that this is a snapshot of; empty for everything else.
        labels_pending: its labels changed on record, and its points may not know yet.
        parent_document_id: the document that this one lies in (a mail, an archive); None for what was uploaded.
        parent_version_id: the newest version of that one which holds it.
        owner_id: the principal that uploaded it first; None for what is older than owners.
        own_rule: its own `AccessRule` as JSON; None when it has none.
        access_rule_id: what holds for it, with the rules of the documents that it lies in; None when nobody is held back.
        access_pending: that changed on record, and its points may lie where the old rule put them.
    """

    __tablename__ = "document"
    __table_args__ = (
        UniqueConstraint("collection_id", "source_key"),
        Index("ix_document_counts", "collection_id", "deleted_at", "tenant_id", "access_rule_id"),
        Index("ix_document_access_pending", "tenant_id", sqlite_where=_PENDING, postgresql_where=_PENDING),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    tenant_id: Mapped[UUID] = mapped_column(ForeignKey("tenant.id"), index=True)
    collection_id: Mapped[UUID] = mapped_column(ForeignKey("collection.id"))
    source_key: Mapped[str] = mapped_column(String(2000))
    title: Mapped[str] = mapped_column(String(500), default="")
    author: Mapped[str] = mapped_column(String(500), default="", server_default=text("''"))
    authored_at: Mapped[datetime | None]
    revised_at: Mapped[datetime | None]
    source_url: Mapped[str] = mapped_column(String(2000), default="", server_default=text("''"))
    labels_pending: Mapped[bool] = mapped_column(default=False, server_default=false())
    latest_version_id: Mapped[UUID | None]
    current_version_id: Mapped[UUID | None]
    created_at: Mapped[datetime] = mapped_column(default=utc_now)
    deleted_at: Mapped[datetime | None]
    purged_at: Mapped[datetime | None]
    parent_document_id: Mapped[UUID | None] = mapped_column(index=True)
    parent_version_id: Mapped[UUID | None]
    owner_id: Mapped[UUID | None]
    own_rule: Mapped[dict[str, Any] | None]
    access_rule_id: Mapped[UUID | None] = mapped_column(index=True)
    access_pending: Mapped[bool] = mapped_column(default=False, server_default=false())


def key_begins(prefix: str) -> ColumnElement[bool]:
    """That a document's key begins so, letter for letter: LIKE of SQLite knows no case."""
    return func.substr(Document.source_key, 1, len(prefix)) == prefix


def visible(permit: Permit) -> tuple[ColumnElement[bool], ...]:
    """That the permit covers a document and nobody deleted it; the permit's filter is not part of it."""
    return (*covered(permit), Document.deleted_at.is_(None))


def covered(permit: Permit) -> tuple[ColumnElement[bool], ...]:
    """That the permit covers a document, deleted or not: its tenant, its collection, and the rule that holds for it."""
    passed: ColumnElement[bool] = Document.access_rule_id.is_(None)
    if rules := permit.rule_ids:
        passed = or_(passed, Document.access_rule_id.in_(rules))
    return (Document.tenant_id == permit.tenant_id, Document.collection_id.in_(permit.collections), passed)


def barred(permit: Permit) -> ColumnElement[bool]:
    """That a rule keeps the permit's principal out of a document, deleted or not: its own, or that of its collection.

    A collection with a rule that is not among the permit's may be closed by that rule: nobody tells, so it counts as closed.
    """
    own = and_(Document.access_rule_id.is_not(None), Document.access_rule_id.not_in([x.rule_id for x in permit.rules]))
    ruled = exists().where(Collection.id == Document.collection_id, Collection.access.is_not(None)).correlate(Document)
    return or_(own, and_(Document.collection_id.not_in(permit.collections), ruled))


def get_permitted(session: Session, permit: Permit, document_id: UUID) -> Document:
    """The document, if the permit covers it.

    Raises:
        DocumentNotFound: it does not exist, is deleted, or lies outside the permit: the caller can't tell which.
    """
    found = session.scalar(select(Document).where(Document.id == document_id, *visible(permit)))
    if found is None:
        raise DocumentNotFound(name=str(document_id))
    return found


def key_in(session: Session, permit: Permit, document_id: UUID) -> str:
    """The source key of a document of the permit's collections, whatever holds for it by now: a list goes on after it.

    Raises:
        DocumentNotFound: it lies in none of them, or there is none.
    """
    within = (Document.tenant_id == permit.tenant_id, Document.collection_id.in_(permit.collections))
    found = session.scalar(select(Document.source_key).where(Document.id == document_id, *within))
    if found is None:
        raise DocumentNotFound(name=str(document_id))
    return found


def key_covered(session: Session, permit: Permit, document_id: UUID) -> str:
    """The source key of a document that the permit covers, deleted or not.

    Raises:
        DocumentNotFound: it lies outside the permit, or there is none.
    """
    found = session.scalar(select(Document.source_key).where(Document.id == document_id, *covered(permit)))
    if found is None:
        raise DocumentNotFound(name=str(document_id))
    return found


def with_versions(
    session: Session, permit: Permit, ids: Sequence[UUID]
) -> Sequence[tuple[Document, DocumentVersion | None]]:
    """The documents among `ids` that the permit covers, with their latest versions."""
    query = (
        select(Document, DocumentVersion)
        .outerjoin(DocumentVersion, DocumentVersion.id == Document.latest_version_id)
        .where(Document.id.in_(ids), *visible(permit))
    )
    return [(row[0], row[1]) for row in session.execute(query)]


def counts_by_collection(session: Session, permit: Permit) -> dict[UUID, int]:
    """Number of visible documents per collection of the permit."""
    query = select(Document.collection_id, func.count()).where(*visible(permit))
    return {row[0]: row[1] for row in session.execute(query.group_by(Document.collection_id))}
