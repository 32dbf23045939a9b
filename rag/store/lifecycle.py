"""What happens to versions over time: activation, retirement, deletion."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import ColumnElement, case, func, select, text, update
from sqlalchemy.orm import Session

from rag.store import client_file, family
from rag.store.base import in_groups, utc_now
from rag.store.document import Document
from rag.store.version import RETRYABLE, DocumentVersion, VersionState, at_end, in_index

_V = DocumentVersion
_NOT_SEARCHED = (VersionState.RETIRED, VersionState.DELETED, *RETRYABLE)
_SETTLED_AT_ONCE = 5


def activate(session: Session, version_id: UUID) -> None:
    """Let a running version answer questions and retire the one before it.

    A version that a newer one has overtaken retires at once; one that was deleted meanwhile stays deleted.
    """
    version = session.get_one(DocumentVersion, version_id)
    document = session.get_one(Document, version.document_id, with_for_update=True)
    session.refresh(version, with_for_update=True)
    if version.state != VersionState.RUNNING:
        return
    now = utc_now()
    current = session.get(DocumentVersion, document.current_version_id) if document.current_version_id else None
    version.finished_at, version.error_code, version.error_params = now, None, None
    version.priority = version.priority_at_end
    if current is not None and current.number > version.number:
        version.state = VersionState.RETIRED
        return
    if current is not None and current.id != version.id:
        current.state, current.valid_to = VersionState.RETIRED, now
    version.state, version.valid_from = VersionState.ACTIVE, now
    document.current_version_id = version.id
    family.retire_vanished(session, version)


def not_active_siblings(session: Session, version_ids: Sequence[UUID]) -> Sequence[UUID]:
    """Versions of the same documents (these versions among them) that no question about the present may find.

    So must those of files not be found that were inside an earlier version and are in none that answers.
    """
    documents = select(DocumentVersion.document_id).where(DocumentVersion.id.in_(version_ids))
    query = select(DocumentVersion.id).where(
        DocumentVersion.document_id.in_(documents), DocumentVersion.state.in_(_NOT_SEARCHED)
    )
    return [*session.scalars(query), *family.vanished_versions(session, version_ids)]


def archived_among(session: Session, version_ids: Sequence[UUID]) -> Sequence[DocumentVersion]:
    """Those of these versions that belong into the index's archive, newest first, at most five of each document.

    Of a document's versions only the latest ones can have been retired and not moved yet.
    """
    found: list[DocumentVersion] = []
    for group in in_groups(version_ids):
        place = func.row_number().over(partition_by=_V.document_id, order_by=_V.number.desc())
        ranked = (
            select(_V.id, place.label("place"))
            .where(_V.id.in_(group), _V.state == VersionState.RETIRED, in_index())
            .subquery()
        )
        newest = select(ranked.c.id).where(ranked.c.place <= _SETTLED_AT_ONCE)
        found += session.scalars(select(_V).where(_V.id.in_(newest)))
    return sorted(found, key=lambda version: version.number, reverse=True)


def not_in_index_among(session: Session, version_ids: Sequence[UUID]) -> Sequence[UUID]:
    """Those of these versions that must have no point in the index, not even in its archive."""
    unwanted = select(DocumentVersion.id).where(DocumentVersion.state.in_(_NOT_SEARCHED), ~in_index_or_unknown())
    return [
        found
        for group in in_groups(version_ids)
        for found in session.scalars(unwanted.where(DocumentVersion.id.in_(group)))
    ]


def in_index_or_unknown() -> ColumnElement[bool]:
    """`in_index`, false where a validity is missing: its negation would be neither true nor false in SQL."""
    return func.coalesce(in_index(), False)


def hide(session: Session, document_ids: Iterable[UUID]) -> int:
    """Delete documents for every reader at this transaction's commit; purging follows. Returns how many versions.

    What lies in them the caller names as well, once it has locked what that lies in.
    """
    now = utc_now()
    return sum(_hide(session, group, now) for group in in_groups(document_ids))


def _hide(session: Session, document_ids: Sequence[UUID], now: datetime) -> int:
    session.execute(
        update(Document)
        .where(Document.id.in_(document_ids), Document.deleted_at.is_(None))
        .values(deleted_at=now, purged_at=None, current_version_id=None)
    )
    change = (
        update(DocumentVersion)
        .where(DocumentVersion.document_id.in_(document_ids), DocumentVersion.state != VersionState.DELETED)
        .values(state=VersionState.DELETED, valid_to=_end_of_validity(now), cleaned_at=None, priority=at_end())
        .returning(DocumentVersion.id)
    )
    return len(session.execute(change).all())


def _end_of_validity(now: datetime) -> ColumnElement[datetime | None]:
    """`now` for the version that answers; what ended before, or never began, keeps what it has."""
    still_valid = DocumentVersion.valid_from.is_not(None) & DocumentVersion.valid_to.is_(None)
    return case((still_valid, now), else_=DocumentVersion.valid_to)


def uncleaned_versions(session: Session, document_ids: Sequence[UUID]) -> Sequence[DocumentVersion]:
    """Versions of these documents that were deleted or ended without answering, and may have left something behind."""
    uncleaned = select(_V).where(_V.state.in_([*RETRYABLE, VersionState.DELETED]), _V.cleaned_at.is_(None))
    return [
        version
        for group in in_groups(document_ids)
        for version in session.scalars(uncleaned.where(_V.document_id.in_(group)))
    ]


def lock_contents(session: Session, content_hashes: Iterable[str]) -> None:
    """Until the end of this transaction, let nobody else accept or delete the originals with these hashes.

    They are taken in one order, so that nobody waits crosswise. SQLite has one writer at a time anyway.
    """
    if session.get_bind().dialect.name == "postgresql":
        keys = json.dumps(sorted({int(item[:15], 16) for item in content_hashes}))
        taking = text(
            "SELECT pg_advisory_xact_lock(value::bigint) FROM (SELECT value FROM json_array_elements_text(:keys)) AS each"
        )
        session.execute(taking, {"keys": keys})


def needed_among(session: Session, content_hashes: Iterable[str], collection_id: UUID | None = None) -> set[str]:
    """Those of these originals that a version has which is not deleted, or a client's file that is in no collection yet.

    Where `collection_id` is given: those that a version of that collection has.
    """
    needed: set[str] = set()
    for group in in_groups(content_hashes):
        query = select(_V.content_hash).where(_V.content_hash.in_(group), _V.state != VersionState.DELETED)
        if collection_id is None:
            needed |= client_file.kept_among(session, group)
        else:
            query = query.where(_V.collection_id == collection_id)
        needed.update(session.scalars(query.distinct()))
    return needed


def is_needed(session: Session, content_hash: str) -> bool:
    """Whether `needed_among` finds this one original."""
    return bool(needed_among(session, [content_hash]))


def unfinished(session: Session) -> Sequence[UUID]:
    """Versions that are queued or running."""
    query = select(DocumentVersion.id).where(DocumentVersion.state.in_([VersionState.QUEUED, VersionState.RUNNING]))
    return session.scalars(query.order_by(DocumentVersion.created_at)).all()
