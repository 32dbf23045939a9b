"""Deleting: hidden in one transaction (`hiding`), purged by steps that can be repeated (`purging`), proven by a receipt.

The receipt is written with the deletion itself, so what is deleted is always accounted for; it is closed when a look at index,
chunks, derived files and originals finds nothing left.
"""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID, uuid4

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from ingest.pipeline.fault_points import reached
from ingest.pipeline.hiding import hide_many
from ingest.pipeline.purging import purge_as_far_as_possible
from ingest.pipeline.steps import Pipeline
from rag.domain.errors import CollectionNotFound, DocumentNotFound, PurgeIncomplete
from rag.domain.principal import Permit
from rag.store import (
    answer_record,
    client_file,
    connector,
    document,
    glossary,
    receipt,
    repository_rules,
    repository_work,
)
from rag.store.base import utc_now
from rag.store.collection import Collection
from rag.store.document import Document
from rag.store.receipt import Actor, DeletionReason, DeletionReceipt, ReceiptKind
from rag.store.session import Database

BATCH = 200
"""Documents hidden in one transaction while a collection is deleted."""
PURGED_TOGETHER = 500
"""Documents of a deleted collection that one step purges: what a step costs by itself, and the emptying of the store's log, is
the same for one. 10,000 documents took two thirds of the time that they take a hundred at once."""


def hide_document(database: Database, permit: Permit, document_id: UUID) -> DeletionReceipt:
    """Delete a document for every reader at commit; returns the receipt, still open.

    Raises:
        DocumentNotFound: the permit does not cover it.
    """
    with database.write() as session:
        row = document.get_permitted(session, permit, document_id)
        made = hide_many(session, [row.id], Actor.of(permit.principal), DeletionReason.REQUEST).receipts
        if not made:  # somebody was faster
            raise DocumentNotFound(name=str(document_id))
        reached("delete.row_written", document_id)
    reached("delete.row_committed", document_id)
    return made[0]


def hide_items(
    database: Database, permit: Permit, source_id: UUID, keys: Sequence[str], documents: Sequence[UUID] = ()
) -> list[DeletionReceipt]:
    """Delete these documents of items of a source, which has them no longer; returns the receipts, still open.

    Raises:
        NotFound: the permit does not cover the source.
    """
    with database.write() as session:
        source = connector.get_permitted(session, permit, source_id)
        items = connector.items_of(session, permit, source.id, keys, documents)
        ids = [item.document_id for item in items]
        inside = permit.narrowed([source.collection_id])
        found = document.with_versions(session, inside, ids)
        actor = Actor.of(permit.principal)
        hidden = hide_many(session, [row.id for row, _ in found], actor, DeletionReason.SOURCE)
        connector.forget_items(session, source.id, [item.key for item in items])
        reached("items.rows_written", source_id)
    reached("items.rows_committed", source_id)
    return hidden.receipts


def hide_collection(database: Database, permit: Permit) -> DeletionReceipt:
    """Delete the one collection of the permit for every reader at commit; returns the receipt, still open.

    Its name is free at once. Its documents follow in bounded steps (`hide_next`, `purge_next`).

    Raises:
        CollectionNotFound: somebody else has just deleted it.
    """
    (collection_id,) = permit.collections
    with database.write() as session:
        row = session.get_one(Collection, collection_id, with_for_update=True)
        if row.deleted_at is not None:
            raise CollectionNotFound(name=str(collection_id))
        visible = select(func.count()).where(Document.collection_id == row.id, Document.deleted_at.is_(None))
        actor = Actor.of(permit.principal)
        item = DeletionReceipt(
            id=uuid4(),
            tenant_id=row.tenant_id,
            collection_id=row.id,
            collection_name=row.name,
            kind=ReceiptKind.COLLECTION,
            reason=DeletionReason.REQUEST,
            actor_id=actor.id,
            actor_name=actor.name,
            documents=session.scalar(visible) or 0,
            deleted_at=utc_now(),
        )
        session.add(item)
        row.deleted_at, row.name, row.description = item.deleted_at, str(row.id), ""
        row.client_metadata = None
        client_file.forget_collection(session, row.id)
        answer_record.remove_quotes_of_collection(session, row.id)
        glossary.clear(session, row.id)
        repository_work.hide_of_collection(session, row.id, item.deleted_at)
        repository_rules.forget(session, row.id)
        reached("collection.row_written", collection_id)
    reached("collection.row_committed", collection_id)
    return item


def hide_next(database: Database, collection_id: UUID) -> list[UUID]:
    """Hide the next documents of a deleted collection, each with its receipt; empty when none is left."""
    with database.write() as session:
        session.get_one(Collection, collection_id, with_for_update=True)  # two workers must not hide the same ones
        parent = _receipt_of_collection(session, collection_id)
        query = select(Document.id).where(Document.collection_id == collection_id, Document.deleted_at.is_(None))
        ids = session.scalars(query.order_by(Document.id).limit(BATCH)).all()
        hide_many(session, ids, Actor(parent.actor_id, parent.actor_name), DeletionReason.COLLECTION, parent.id)
        reached("collection.batch_written", collection_id)
    reached("collection.batch_committed", collection_id)
    return list(ids)


def purge_next(pipeline: Pipeline, collection_id: UUID) -> int:
    """Purge the next hidden documents of a deleted collection; returns how many, those of which something is left among them."""
    with pipeline.database.read() as session:
        parent = _receipt_of_collection(session, collection_id)
        ids = receipt.open_children(session, parent.id, PURGED_TOGETHER)
    purge_as_far_as_possible(pipeline, ids)
    reached("collection.batch_purged", collection_id)
    return len(ids)


def close_collection(pipeline: Pipeline, collection_id: UUID) -> None:
    """Close the receipt of a deleted collection, when every document of it is accounted for.

    Raises:
        PurgeIncomplete: a document is left; the deletion begins again.
        StoreUnavailable: its description or glossary still stand in the database's log.
    """
    pipeline.database.empty_log()
    with pipeline.database.write() as session:
        parent = session.get_one(DeletionReceipt, _receipt_of_collection(session, collection_id).id)
        total, unfinished = receipt.totals_of_children(session, parent.id)
        visible = select(func.count()).where(Document.collection_id == collection_id, Document.deleted_at.is_(None))
        if unfinished or session.scalar(visible):
            raise PurgeIncomplete(name=parent.collection_name)
        if parent.purged_at is None:
            parent.documents = total
            parent.verified = {"documents": 0, "unfinished": unfinished}
            parent.purged_at = utc_now()
        session.get_one(Collection, collection_id).purged_at = parent.purged_at
        reached("collection.close_written", collection_id)
    reached("collection.closed", collection_id)


def _receipt_of_collection(session: Session, collection_id: UUID) -> DeletionReceipt:
    query = select(DeletionReceipt).where(
        DeletionReceipt.collection_id == collection_id, DeletionReceipt.kind == ReceiptKind.COLLECTION
    )
    return session.scalars(query).one()
