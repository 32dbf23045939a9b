"""Deleting: hidden in one transaction, purged by steps that can be repeated, proven by a receipt.

The receipt is written with the deletion itself, so what is deleted is always accounted for; it is closed when a look at index,
chunks, derived files and originals finds nothing left.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from ingest.pipeline.fault_points import reached
from ingest.pipeline.leftovers import remove_leftovers
from ingest.pipeline.maintenance import drop_original
from ingest.pipeline.steps import ENDED_BADLY, Pipeline
from rag.domain.errors import CollectionNotFound, DocumentNotFound, PurgeIncomplete
from rag.domain.principal import Permit
from rag.store import (
    answer_record,
    attribute,
    client_file,
    connector,
    document,
    family,
    glossary,
    lifecycle,
    receipt,
    repository_rules,
    repository_work,
)
from rag.store import version as versions_table
from rag.store.base import in_groups, utc_now
from rag.store.chunk import ChunkRow
from rag.store.collection import Collection
from rag.store.document import Document
from rag.store.receipt import Actor, DeletionReason, DeletionReceipt, ReceiptKind
from rag.store.session import Database
from rag.store.version import DocumentVersion, VersionState

log = logging.getLogger(__name__)

_REMOVED_TOGETHER = 500
"""Versions that leave the index in one call: an archive may hold thousands, and a call costs the same for one."""
BATCH = 100
"""Documents hidden in one transaction while a collection is deleted."""


def hide_document(database: Database, permit: Permit, document_id: UUID) -> DeletionReceipt:
    """Delete a document for every reader at commit; returns the receipt, still open.

    Raises:
        DocumentNotFound: the permit does not cover it.
    """
    with database.write() as session:
        row = document.get_permitted(session, permit, document_id)
        made = hide(session, row, Actor.of(permit.principal), DeletionReason.REQUEST)
        if made is None:
            raise DocumentNotFound(name=str(document_id))
        reached("delete.row_written", document_id)
    reached("delete.row_committed", document_id)
    return made


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
        receipts = [hide(session, row, actor, DeletionReason.SOURCE) for row, _ in found]
        connector.forget_items(session, source.id, [item.key for item in items])
        return [item for item in receipts if item is not None]


def hide(
    session: Session, row: Document, actor: Actor, reason: DeletionReason, parent_id: UUID | None = None
) -> DeletionReceipt | None:
    """Hide a document and write its receipt, in the caller's transaction; None when somebody was faster."""
    session.refresh(row, with_for_update=True)
    if row.deleted_at is not None:
        return None
    versions = [item for item in _versions(session, row.id) if item.state != VersionState.DELETED]
    lifecycle.hide(session, row)
    answer_record.remove_quotes_of_documents(session, {row.id, *(item.document_id for item in versions)})
    connector.forget_documents(session, [row.id])
    client_file.forget_documents(session, [row.id])
    return receipt.issue(
        session,
        row,
        versions,
        actor,
        kind=ReceiptKind.DOCUMENT,
        reason=reason,
        collection_name=name_of_collection(session, row.collection_id),
        parent_id=parent_id,
    )


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
        versions,
        actor,
        kind=ReceiptKind.VERSIONS,
        reason=reason,
        collection_name=name_of_collection(session, row.collection_id),
    )


def _versions(session: Session, document_id: UUID) -> Sequence[DocumentVersion]:
    """Of the document and of what lies in it."""
    found: list[DocumentVersion] = []
    for ids in in_groups([document_id, *family.below(session, [document_id])]):
        found += session.scalars(select(DocumentVersion).where(DocumentVersion.document_id.in_(ids)))
    return sorted(found, key=lambda version: (version.document_id != document_id, version.number))


def name_of_collection(session: Session, collection_id: UUID) -> str:
    """The name of a collection, also of one that is deleted."""
    row = session.get_one(Collection, collection_id)
    if row.deleted_at is None:
        return row.name
    query = select(DeletionReceipt.collection_name).where(
        DeletionReceipt.collection_id == collection_id, DeletionReceipt.kind == ReceiptKind.COLLECTION
    )
    return session.scalar(query) or row.name


def purge_document(pipeline: Pipeline, document_id: UUID) -> None:
    """Remove what a document's deleted versions, those of what lay in it, and those that ended without answering left in
    index, chunks and blobs; look again, close receipts.

    An original that is still needed stays: by another document, or for the retry of a failed version.

    Raises:
        PurgeIncomplete: something was left even so; the step is repeated.
    """
    reached("purge.begin", document_id)
    with pipeline.database.read() as session:
        ids = [*family.hidden_below(session, document_id), document_id]
        left = lifecycle.uncleaned_versions(session, ids)
    for start in range(0, len(left), _REMOVED_TOGETHER):
        group = [version.id for version in left[start : start + _REMOVED_TOGETHER]]
        remove_leftovers(pipeline.database, pipeline.blobs, pipeline.index, group)
    by_document: dict[UUID, list[DocumentVersion]] = {one: [] for one in ids}
    for version in left:
        by_document[version.document_id].append(version)
    for one, versions in by_document.items():
        _purge_one(pipeline, one, versions)
    reached("purge.end", document_id)
    _close_receipts(pipeline, document_id)


def _purge_one(pipeline: Pipeline, document_id: UUID, left: Sequence[DocumentVersion]) -> None:
    """The originals of one document whose versions left nothing else any more, and its record."""
    for content_hash in {version.content_hash for version in left if version.state == VersionState.DELETED}:
        drop_original(pipeline.database, pipeline.blobs, content_hash)
        reached("purge.original_removed", document_id)
    _record_removal(pipeline, document_id, left)


def _close_receipts(pipeline: Pipeline, document_id: UUID) -> None:
    with pipeline.database.read() as session:
        receipts = list(receipt.open_of_document(session, document_id))
    for item in receipts:
        with pipeline.database.read() as session:
            named = versions_table.by_ids(session, [UUID(entry["id"]) for entry in item.versions])
        own = [version for version in named if version.state == VersionState.DELETED]
        found = _verified(pipeline, own, item.collection_id)
        if _anything(found):  # such as what a step in work has written meanwhile
            remove_leftovers(pipeline.database, pipeline.blobs, pipeline.index, [version.id for version in own])
            found = _verified(pipeline, own, item.collection_id)
        if _anything(found):
            raise PurgeIncomplete(name=item.source_key)
        with pipeline.database.write() as session:
            stored = session.get_one(DeletionReceipt, item.id)
            stored.verified, stored.purged_at = found, utc_now()


def _anything(found: Mapping[str, int]) -> bool:
    return any(count for name, count in found.items() if name != "originals_shared")


def _record_removal(pipeline: Pipeline, document_id: UUID, versions: Sequence[DocumentVersion]) -> None:
    ids = [version.id for version in versions]
    with pipeline.database.write() as session:
        row = session.get_one(Document, document_id, with_for_update=True)
        versions_table.mark_cleaned(session, ids, ENDED_BADLY)
        if row.deleted_at is not None:
            attribute.delete_of_documents(session, [document_id])
            row.title, row.author, row.source_url = "", "", ""
            # Deleted again meanwhile, after a new upload: the next purge says so.
            if not lifecycle.uncleaned_versions(session, [document_id]):
                row.purged_at = utc_now()
        query = select(DocumentVersion).where(
            DocumentVersion.id.in_(ids), DocumentVersion.state == VersionState.DELETED
        )
        for item in session.scalars(query):
            item.file_metadata = None


def _verified(pipeline: Pipeline, versions: Sequence[DocumentVersion], collection_id: UUID) -> dict[str, Any]:
    """What is left of these versions, counted where it would be.

    An original that another collection has stays as well, but is not told of: who reads the receipt may not know it.
    """
    ids = [version.id for version in versions]
    with pipeline.database.read() as session:
        chunks = sum(
            session.scalar(select(func.count()).select_from(ChunkRow).where(ChunkRow.version_id.in_(group))) or 0
            for group in in_groups(ids)
        )
        hashes = {version.content_hash for version in versions}
        needed = {item for item in hashes if lifecycle.is_needed(session, item)}
        shared = {item for item in needed if lifecycle.is_needed(session, item, collection_id)}
    return {
        "points": sum(pipeline.index.count(version_id) for version_id in ids),
        "chunks": chunks,
        "derived": sum(pipeline.blobs.count_derived(version_id) for version_id in ids),
        "originals": sum(pipeline.blobs.exists(item) for item in hashes - needed),
        "originals_shared": len(shared),
    }


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
    return item


def hide_next(database: Database, collection_id: UUID) -> list[UUID]:
    """Hide the next documents of a deleted collection, each with its receipt; empty when none is left."""
    with database.write() as session:
        session.get_one(Collection, collection_id, with_for_update=True)  # two workers must not hide the same ones
        parent = _receipt_of_collection(session, collection_id)
        query = select(Document).where(Document.collection_id == collection_id, Document.deleted_at.is_(None))
        rows = session.scalars(query.order_by(Document.id).limit(BATCH)).all()
        actor = Actor(parent.actor_id, parent.actor_name)
        for row in rows:
            hide(session, row, actor, DeletionReason.COLLECTION, parent.id)
        return [row.id for row in rows]


def purge_next(pipeline: Pipeline, collection_id: UUID) -> int:
    """Purge the next hidden documents of a deleted collection; returns how many."""
    with pipeline.database.read() as session:
        parent = _receipt_of_collection(session, collection_id)
        ids = receipt.open_children(session, parent.id, BATCH)
    purge_documents(pipeline, ids)
    return len(ids)


def purge_documents(pipeline: Pipeline, document_ids: Sequence[UUID]) -> None:
    """Purge several documents. One that resists does not keep the others: it stays open.

    Raises:
        PurgeIncomplete: something was left of at least one of them.
    """
    with pipeline.database.read() as session:
        query = select(DocumentVersion.id).where(
            DocumentVersion.document_id.in_(document_ids), DocumentVersion.state == VersionState.DELETED
        )
        points_of = session.scalars(query).all()
    if points_of:
        pipeline.index.delete_versions(points_of)  # one call for all; what follows finds little left to do
    resisting: PurgeIncomplete | None = None
    for document_id in document_ids:
        try:
            purge_document(pipeline, document_id)
        except PurgeIncomplete as error:
            log.warning("something of document %s was left after its deletion", document_id)
            resisting = error
    if resisting is not None:
        raise resisting


def close_collection(pipeline: Pipeline, collection_id: UUID) -> None:
    """Close the receipt of a deleted collection, when every document of it is accounted for.

    Raises:
        PurgeIncomplete: a document is left; the deletion begins again.
    """
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


def _receipt_of_collection(session: Session, collection_id: UUID) -> DeletionReceipt:
    query = select(DeletionReceipt).where(
        DeletionReceipt.collection_id == collection_id, DeletionReceipt.kind == ReceiptKind.COLLECTION
    )
    return session.scalars(query).one()
