"""Retention rules: what is due, and carrying it out in bounded steps."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import ColumnElement, exists, func, or_, select
from sqlalchemy.orm import Session

from ingest.pipeline.fault_points import reached
from ingest.pipeline.hiding import hide_many, hide_versions
from ingest.pipeline.removal import BATCH
from rag.domain.principal import Permit
from rag.domain.retention import RetentionRules, rules_from_json
from rag.store.base import utc_now
from rag.store.collection import Collection
from rag.store.document import Document, covered
from rag.store.receipt import Actor, DeletionReason
from rag.store.session import Database
from rag.store.version import DocumentVersion, VersionState

ACTOR = Actor(None, "retention")


@dataclass(frozen=True, slots=True)
class Due:
    """What the rules say must go now: whole documents, and retired versions of documents that stay."""

    documents: tuple[Document, ...]
    versions: tuple[tuple[Document, DocumentVersion], ...]


def due(
    session: Session,
    collection_id: UUID,
    rules: RetentionRules,
    now: datetime,
    limit: int,
    permit: Permit | None = None,
) -> Due:
    """What is due in a collection, at most `limit` documents and `limit` versions.

    Args:
        permit: of whoever is to see it; None for the rules themselves, which act for no principal.
    """
    shown = () if permit is None else covered(permit)
    documents = _due_documents(session, collection_id, rules, now, limit, shown)
    going = {row.id for row in documents}
    versions = [
        (row, version)
        for row, version in _due_versions(session, collection_id, rules, now, limit, shown)
        if row.id not in going
    ]
    return Due(tuple(documents), tuple(versions))


def expire_next(database: Database, collection_id: UUID) -> list[UUID]:
    """Hide the next batch of what is due, with receipts; returns the documents to purge, empty when nothing is due."""
    with database.write() as session:
        row = session.get(Collection, collection_id, with_for_update=True)  # two workers must not take the same
        if row is None or row.deleted_at is not None:
            return []
        found = due(session, collection_id, rules_from_json(row.retention), utc_now(), BATCH)
        hide_many(session, [item.id for item in found.documents], ACTOR, DeletionReason.RETENTION)
        by_document: dict[UUID, tuple[Document, list[DocumentVersion]]] = {}
        for document, version in found.versions:
            by_document.setdefault(document.id, (document, []))[1].append(version)
        for document, versions in by_document.values():
            _give_up(session, document, versions)
        reached("retention.batch_written", collection_id)
    reached("retention.batch_committed", collection_id)
    return [*(item.id for item in found.documents), *by_document]


def _give_up(session: Session, document: Document, versions: Sequence[DocumentVersion]) -> None:
    """Hide these versions; with the last one the document, as of one that vanished from its container."""
    session.refresh(document, with_for_update=True)
    if document.deleted_at is not None:  # with what it lay in, a moment ago
        return
    others = exists().where(
        DocumentVersion.document_id == document.id,
        DocumentVersion.state != VersionState.DELETED,
        DocumentVersion.id.not_in([item.id for item in versions]),
    )
    if session.scalar(select(others)):
        hide_versions(session, document, versions, ACTOR, DeletionReason.RETENTION)
    else:
        hide_many(session, [document.id], ACTOR, DeletionReason.RETENTION)


def _due_documents(
    session: Session,
    collection_id: UUID,
    rules: RetentionRules,
    now: datetime,
    limit: int,
    shown: Sequence[ColumnElement[bool]],
) -> Sequence[Document]:
    conditions: list[ColumnElement[bool]] = []
    if rules.document_days is not None:
        conditions.append(DocumentVersion.created_at < _before(now, rules.document_days))
    if rules.dated_days is not None:
        own_date = func.coalesce(Document.revised_at, Document.authored_at)
        conditions.append(own_date < _before(now, rules.dated_days))
    if not conditions:
        return []
    query = (
        select(Document)
        .join(DocumentVersion, DocumentVersion.id == Document.latest_version_id)
        .where(Document.collection_id == collection_id, Document.deleted_at.is_(None), or_(*conditions), *shown)
    )
    return session.scalars(query.order_by(Document.id).limit(limit)).all()


def _due_versions(
    session: Session,
    collection_id: UUID,
    rules: RetentionRules,
    now: datetime,
    limit: int,
    shown: Sequence[ColumnElement[bool]],
) -> list[tuple[Document, DocumentVersion]]:
    place = func.row_number().over(partition_by=DocumentVersion.document_id, order_by=DocumentVersion.number.desc())
    retired = (
        select(DocumentVersion.id, DocumentVersion.valid_to, DocumentVersion.finished_at, place.label("place"))
        .where(DocumentVersion.collection_id == collection_id, DocumentVersion.state == VersionState.RETIRED)
        .subquery()
    )
    conditions: list[ColumnElement[bool]] = []
    if rules.retired_days is not None:
        ended = func.coalesce(retired.c.valid_to, retired.c.finished_at)
        conditions.append(ended < _before(now, rules.retired_days))
    if rules.retired_versions is not None:
        conditions.append(retired.c.place > rules.retired_versions)
    if not conditions:
        return []
    query = (
        select(Document, DocumentVersion)
        .join(DocumentVersion, DocumentVersion.document_id == Document.id)
        .join(retired, retired.c.id == DocumentVersion.id)
        .where(Document.deleted_at.is_(None), or_(*conditions), *shown)
    )
    rows = session.execute(query.order_by(DocumentVersion.document_id, DocumentVersion.number).limit(limit))
    return [(row[0], row[1]) for row in rows]


def _before(now: datetime, days: int) -> datetime:
    return now - timedelta(days=days)
