"""Deleting a repository: its documents are hidden in one transaction, each with its receipt, and purged in steps."""

from __future__ import annotations

from uuid import UUID, uuid4

from sqlalchemy.orm import Session

from ingest.pipeline import removal
from ingest.pipeline.hiding import hide_many
from ingest.pipeline.purging import purge_as_far_as_possible
from ingest.pipeline.steps import Pipeline
from rag.domain.principal import Permit
from rag.store import (
    receipt,
    repository,
    repository_rules,
    repository_work,
)
from rag.store.base import utc_now
from rag.store.collection import Collection
from rag.store.receipt import Actor, DeletionReason, DeletionReceipt, ReceiptKind
from rag.store.repository import Repository
from rag.store.session import Database

_WITH_IT = DeletionReason.SOURCE
"""Why a repository's documents go with it."""


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
        item.documents = _hide_own(session, row, actor, item.id)
        row.receipt_id = item.id
        repository_rules.keep(session, row, now)  # before its name is free
        repository_work.hide(row, now)
    return item


def _hide_own(session: Session, row: Repository, actor: Actor, receipt_id: UUID) -> int:
    """Hide the repository's documents; returns how many."""
    ids = repository_work.own_documents(session, row.id)
    return len(hide_many(session, ids, actor, _WITH_IT, receipt_id).documents)


def hide_rest(database: Database, repository_id: UUID) -> None:
    """Hide what a job that was in work made after its repository was deleted."""
    with database.write() as session:
        row = session.get(Repository, repository_id)
        if row is None or row.receipt_id is None:
            return
        parent = session.get_one(DeletionReceipt, row.receipt_id)
        actor = Actor(parent.actor_id, parent.actor_name)
        parent.documents += _hide_own(session, row, actor, parent.id)


def purge_some(pipeline: Pipeline, repository_id: UUID) -> int:
    """Purge the next hidden documents of a deleted repository; returns how many, those of which something is left among them."""
    with pipeline.database.read() as session:
        row = session.get(Repository, repository_id)
        ids = (
            []
            if row is None or row.receipt_id is None
            else receipt.open_children(session, row.receipt_id, removal.BATCH)
        )
    purge_as_far_as_possible(pipeline, ids)
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
