"""Deleting many documents at once: hidden in one transaction, each with its receipt, and purged in steps."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID, uuid4

from sqlalchemy import select
from sqlalchemy.orm import Session

from ingest.pipeline import removal
from ingest.pipeline.steps import Pipeline
from rag.domain.principal import Permit
from rag.store import (
    answer_record,
    client_file,
    connector,
    lifecycle,
    receipt,
    repository,
    repository_rules,
    repository_work,
)
from rag.store.base import in_groups, utc_now
from rag.store.collection import Collection
from rag.store.document import Document
from rag.store.receipt import Actor, DeletionReason, DeletionReceipt, ReceiptKind
from rag.store.repository import Repository
from rag.store.session import Database
from rag.store.version import DocumentVersion, VersionState

_WITH_IT = DeletionReason.SOURCE
"""Why a repository's documents go with it."""


def hide_many(
    session: Session,
    document_ids: Sequence[UUID],
    actor: Actor,
    reason: DeletionReason,
    parent_id: UUID | None = None,
) -> list[UUID]:
    """Hide documents and write a receipt for each, in the caller's transaction; returns those that were there.

    The same as `removal.hide` for each of them, with as many statements for a thousand as for one.
    """
    hidden: list[UUID] = []
    for group in in_groups(document_ids):
        query = select(Document).where(Document.id.in_(group), Document.deleted_at.is_(None)).order_by(Document.id)
        rows = session.scalars(query.with_for_update()).all()
        holding = _holding(session, [row.id for row in rows])
        for row in rows:
            if row.id in holding:  # few files of a repository hold others
                removal.hide(session, row, actor, reason, parent_id)
        _hide_plain(session, [row for row in rows if row.id not in holding], actor, reason, parent_id)
        hidden += [row.id for row in rows]
    return hidden


def _holding(session: Session, document_ids: Sequence[UUID]) -> frozenset[UUID]:
    """Those of these documents that hold others."""
    query = select(Document.parent_document_id).where(Document.parent_document_id.in_(document_ids)).distinct()
    return frozenset(item for item in session.scalars(query) if item is not None)


def _hide_plain(
    session: Session, rows: Sequence[Document], actor: Actor, reason: DeletionReason, parent_id: UUID | None
) -> None:
    if not rows:
        return
    ids = [row.id for row in rows]
    query = select(DocumentVersion).where(
        DocumentVersion.document_id.in_(ids), DocumentVersion.state != VersionState.DELETED
    )
    versions: dict[UUID, list[DocumentVersion]] = {}
    for item in session.scalars(query.order_by(DocumentVersion.number)):
        versions.setdefault(item.document_id, []).append(item)
    lifecycle.hide_plain(session, ids)
    answer_record.remove_quotes_of_documents(session, ids)
    connector.forget_documents(session, ids)
    client_file.forget_documents(session, ids)
    names = {row.collection_id: "" for row in rows}
    names = {item: removal.name_of_collection(session, item) for item in names}
    for row in rows:
        receipt.issue(
            session,
            row,
            versions.get(row.id, []),
            actor,
            kind=ReceiptKind.DOCUMENT,
            reason=reason,
            collection_name=names[row.collection_id],
            parent_id=parent_id,
        )


def hide_repository(database: Database, permit: Permit, repository_id: UUID) -> DeletionReceipt:
    """Delete a repository with all its documents for every reader at commit; returns the receipt, still open.

    Its path rules stay on record under its name: whoever adds it again is not to open by that what they kept.

    Raises:
        RepositoryNotFound: the permit does not cover it.
    """
    with database.write() as session:
        found = repository.get_permitted(session, permit, repository_id)
        row = session.get_one(Repository, found.id, with_for_update=True, populate_existing=True)
        now = utc_now()
        actor = Actor.of(permit.principal)
        item = DeletionReceipt(
            id=uuid4(),
            tenant_id=row.tenant_id,
            collection_id=row.collection_id,
            collection_name=session.get_one(Collection, row.collection_id).name,
            kind=ReceiptKind.REPOSITORY,
            reason=DeletionReason.REQUEST,
            actor_id=actor.id,
            actor_name=actor.name,
            source_key=row.name,
            deleted_at=now,
        )
        session.add(item)
        session.flush()
        item.documents = len(
            hide_many(session, repository_work.own_documents(session, row.id), actor, _WITH_IT, item.id)
        )
        row.receipt_id = item.id
        repository_rules.keep(session, row, now)  # before its name is free
        repository_work.hide(row, now)
    return item


def hide_rest(database: Database, repository_id: UUID) -> None:
    """Hide what a job that was in work made after its repository was deleted."""
    with database.write() as session:
        row = session.get(Repository, repository_id)
        if row is None or row.receipt_id is None:
            return
        parent = session.get_one(DeletionReceipt, row.receipt_id)
        actor = Actor(parent.actor_id, parent.actor_name)
        parent.documents += len(
            hide_many(session, repository_work.own_documents(session, row.id), actor, _WITH_IT, parent.id)
        )


def purge_some(pipeline: Pipeline, repository_id: UUID) -> int:
    """Purge the next hidden documents of a deleted repository; returns how many.

    Raises:
        PurgeIncomplete: something was left of at least one of them.
    """
    with pipeline.database.read() as session:
        row = session.get(Repository, repository_id)
        ids = (
            []
            if row is None or row.receipt_id is None
            else receipt.open_children(session, row.receipt_id, removal.BATCH)
        )
    removal.purge_documents(pipeline, ids)
    return len(ids)


def forget_repository(database: Database, repository_id: UUID) -> bool:
    """Close the receipt of a deleted repository, and remove what is on record of it; False while a receipt is open."""
    with database.write() as session:
        row = session.get(Repository, repository_id, with_for_update=True)
        if row is None or row.deleted_at is None:
            return True
        if row.receipt_id is not None:
            parent = session.get_one(DeletionReceipt, row.receipt_id)
            _, unfinished = receipt.totals_of_children(session, parent.id)
            if unfinished or repository_work.visible_among(session, repository_work.own_documents(session, row.id)):
                return False
            parent.verified, parent.purged_at = {"documents": 0}, utc_now()
        session.delete(row)
    return True
