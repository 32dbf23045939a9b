"""Hiding: what is deleted is gone for every reader at commit, each document with a receipt, a batch as cheaply as one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from rag.store import answer_record, client_file, connector, family, lifecycle, receipt
from rag.store.base import in_groups
from rag.store.collection import Collection
from rag.store.document import Document
from rag.store.receipt import Actor, DeletionReason, DeletionReceipt, NamedVersion, ReceiptKind
from rag.store.version import DocumentVersion, VersionState


class Hidden(NamedTuple):
    """What was hidden.

    Attributes:
        documents: those that were asked for and were there.
        receipts: one for each, still open; not for what went with another one of them that it lies in.
    """

    documents: list[UUID]
    receipts: list[DeletionReceipt]


def hide_many(
    session: Session,
    document_ids: Sequence[UUID],
    actor: Actor,
    reason: DeletionReason,
    parent_id: UUID | None = None,
) -> Hidden:
    """Hide documents, with all that lies in them, and write their receipts, in the caller's transaction.

    As many statements for a thousand documents as for one. Those that somebody else has deleted already are left out.
    """
    hidden = Hidden([], [])
    for group in in_groups(document_ids):
        query = select(Document).where(Document.id.in_(group), Document.deleted_at.is_(None)).order_by(Document.id)
        rows = session.scalars(query.with_for_update().execution_options(populate_existing=True)).all()
        if rows:
            hidden.documents.extend(row.id for row in rows)
            hidden.receipts.extend(_hide_locked(session, rows, actor, reason, parent_id))
    return hidden


def _hide_locked(
    session: Session, rows: Sequence[Document], actor: Actor, reason: DeletionReason, parent_id: UUID | None
) -> list[DeletionReceipt]:
    """The same for rows that are locked: what is being unpacked from them now has come, or will not."""
    ids = [row.id for row in rows]
    taken = family.taken_along(session, ids)
    versions: dict[UUID, list[NamedVersion]] = {}
    for item in receipt.versions_of(session, list(taken)):
        versions.setdefault(taken[item.document_id], []).append(item)
    lifecycle.hide(session, taken)
    answer_record.remove_quotes_of_documents(session, taken)
    connector.forget_documents(session, ids)
    client_file.forget_documents(session, ids)
    names = _names_of_collections(session, rows)
    return [
        receipt.issue(
            session,
            row,
            sorted(versions.get(row.id, ()), key=lambda item, own=row.id: item.document_id != own),
            actor,
            kind=ReceiptKind.DOCUMENT,
            reason=reason,
            collection_name=names[row.collection_id],
            parent_id=parent_id,
        )
        for row in rows
        if taken[row.id] == row.id
    ]


def hide_versions(
    session: Session, row: Document, versions: Sequence[DocumentVersion], actor: Actor, reason: DeletionReason
) -> DeletionReceipt:
    """Give up retired versions of a document that stays, in the caller's transaction."""
    for item in versions:
        item.state = VersionState.DELETED
    answer_record.remove_quotes_of_versions(session, [item.id for item in versions])
    return receipt.issue(
        session,
        row,
        [NamedVersion(item.id, item.document_id, item.number, item.content_hash, item.size) for item in versions],
        actor,
        kind=ReceiptKind.VERSIONS,
        reason=reason,
        collection_name=_name_of_collection(session, row.collection_id),
    )


def _names_of_collections(session: Session, rows: Sequence[Document]) -> Mapping[UUID, str]:
    return {item: _name_of_collection(session, item) for item in {row.collection_id for row in rows}}


def _name_of_collection(session: Session, collection_id: UUID) -> str:
    """The name of a collection, also of one that is deleted."""
    row = session.get_one(Collection, collection_id)
    if row.deleted_at is None:
        return row.name
    query = select(DeletionReceipt.collection_name).where(
        DeletionReceipt.collection_id == collection_id, DeletionReceipt.kind == ReceiptKind.COLLECTION
    )
    return session.scalar(query) or row.name
