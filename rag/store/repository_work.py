"""The record of keeping repositories in step: whose turn it is, who works on it, what of its files stands in the index."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import case, delete, func, insert, or_, select, update
from sqlalchemy.orm import Session, aliased

from rag.domain.principal import Permit
from rag.store.base import in_groups
from rag.store.document import Document, covered
from rag.store.repository import Repository, RepositoryFile, RepositoryState
from rag.store.version import DocumentVersion

_TOGETHER = 1000
"""Rows of one statement: SQLite takes 32,766 parameters."""


class KnownFile(NamedTuple):
    """A file on record. `standing`: its document is there, nobody has deleted it."""

    blob: str
    size: int
    reason: str
    document_id: UUID | None
    standing: bool


class NotedFile(NamedTuple):
    """A file to be put on record (see `RepositoryFile`)."""

    path: str
    blob: str
    size: int
    reason: str = ""
    document_id: UUID | None = None


class Pending(NamedTuple):
    """A repository with work to do, and the job that it was given to, if any."""

    id: UUID
    job_id: str
    deleted: bool


def locked(session: Session, repository_id: UUID) -> Repository | None:
    """The row, deleted or not, held until commit; None when there is none."""
    return session.get(Repository, repository_id, with_for_update=True, populate_existing=True)


def due(session: Session, now: datetime, limit: int) -> Sequence[UUID]:
    """Repositories that nobody works on and that are due a look: somebody wants it, or the time has come."""
    query = select(Repository.id).where(
        Repository.deleted_at.is_(None),
        Repository.job_id == "",
        or_(Repository.wanted_at.is_not(None), Repository.due_at <= now),
    )
    return session.scalars(query.order_by(Repository.wanted_at, Repository.due_at).limit(limit)).all()


def held(session: Session) -> list[Pending]:
    """Repositories that a job has, and all that are deleted and not gone yet."""
    query = select(Repository.id, Repository.job_id, Repository.deleted_at).where(
        or_(Repository.job_id != "", Repository.deleted_at.is_not(None))
    )
    return [Pending(row[0], row[1], row[2] is not None) for row in session.execute(query)]


def known_files(session: Session, repository_id: UUID) -> dict[str, KnownFile]:
    """What is on record of every file, by path."""
    query = (
        select(
            RepositoryFile.path,
            RepositoryFile.blob,
            RepositoryFile.size,
            RepositoryFile.reason,
            RepositoryFile.document_id,
            Document.deleted_at,
            Document.id,
        )
        .outerjoin(Document, Document.id == RepositoryFile.document_id)
        .where(RepositoryFile.repository_id == repository_id)
    )
    return {
        path: KnownFile(blob, size, reason, document_id, found is not None and deleted_at is None)
        for path, blob, size, reason, document_id, deleted_at, found in session.execute(query)
    }


def note_files(session: Session, repository_id: UUID, files: Sequence[NotedFile]) -> None:
    """Put files on record in place of what was there under their paths."""
    for group in in_groups([item.path for item in files]):
        session.execute(
            delete(RepositoryFile).where(RepositoryFile.repository_id == repository_id, RepositoryFile.path.in_(group))
        )
    rows = [{"repository_id": repository_id, **item._asdict()} for item in files]
    for start in range(0, len(rows), _TOGETHER):
        session.execute(insert(RepositoryFile), rows[start : start + _TOGETHER])


def forget_failed(session: Session, repository_id: UUID) -> None:
    """Have files tried again that are not in the index, as if they were new."""
    session.execute(
        delete(RepositoryFile).where(
            RepositoryFile.repository_id == repository_id,
            RepositoryFile.reason != "",
            RepositoryFile.document_id.is_(None),
        )
    )


def documents_at(session: Session, document_ids: Iterable[UUID]) -> frozenset[UUID]:
    """Those of these documents that are there and that no repository has put there."""
    found: set[UUID] = set()
    for group in in_groups(document_ids):
        ours = select(RepositoryFile.document_id).where(RepositoryFile.document_id.in_(group))
        query = select(Document.id).where(
            Document.id.in_(group), Document.deleted_at.is_(None), Document.id.not_in(ours)
        )
        found.update(session.scalars(query))
    return frozenset(found)


def own_documents(session: Session, repository_id: UUID) -> list[UUID]:
    """Documents of a repository that no other has taken up since it was deleted: one of its name makes the same again."""
    other = aliased(RepositoryFile)
    taken_up = (
        select(other.path)
        .join(Repository, Repository.id == other.repository_id)
        .where(
            other.document_id == RepositoryFile.document_id,
            other.repository_id != repository_id,
            Repository.deleted_at.is_(None),
        )
    )
    query = select(RepositoryFile.document_id).where(
        RepositoryFile.repository_id == repository_id, RepositoryFile.document_id.is_not(None), ~taken_up.exists()
    )
    return [item for item in session.scalars(query) if item is not None]


def visible_among(session: Session, document_ids: Iterable[UUID]) -> list[UUID]:
    """Those of these documents that are there."""
    found: list[UUID] = []
    for group in in_groups(document_ids):
        found += session.scalars(select(Document.id).where(Document.id.in_(group), Document.deleted_at.is_(None)))
    return found


def waiting_for_vectors(session: Session, repository_id: UUID, permit: Permit | None = None) -> int:
    """Files that are searched by words already and not by meaning yet; with a permit, of those that it covers."""
    query = (
        select(func.count())
        .select_from(RepositoryFile)
        .join(Document, Document.id == RepositoryFile.document_id)
        .join(DocumentVersion, DocumentVersion.id == Document.current_version_id)
        .where(RepositoryFile.repository_id == repository_id, DocumentVersion.dense_pending)
        .where(*([] if permit is None else covered(permit)))
    )
    return session.scalar(query) or 0


def is_indexing(session: Session) -> bool:
    """Whether a job is bringing files of some repository into the index."""
    at_work = (Repository.state == RepositoryState.INDEXING, Repository.job_id != "", Repository.deleted_at.is_(None))
    return session.scalar(select(Repository.id).where(*at_work).limit(1)) is not None


def filling(session: Session) -> Sequence[UUID]:
    """Repositories whose vectors are being filled in."""
    query = select(Repository.id).where(
        Repository.state == RepositoryState.FILLING, Repository.deleted_at.is_(None), Repository.job_id == ""
    )
    return session.scalars(query).all()


def counts(session: Session, repository_ids: Sequence[UUID]) -> dict[UUID, tuple[int, int]]:
    """Files in the index, and files that are not, by repository."""
    indexed = case((RepositoryFile.reason == "", 1), else_=0)
    query = (
        select(RepositoryFile.repository_id, func.sum(indexed), func.count())
        .where(RepositoryFile.repository_id.in_(repository_ids))
        .group_by(RepositoryFile.repository_id)
    )
    return {row[0]: (int(row[1]), row[2] - int(row[1])) for row in session.execute(query)}


def readable(session: Session, permit: Permit, repository_ids: Sequence[UUID]) -> dict[UUID, int]:
    """Files in the index that the permit covers, by repository."""
    query = (
        select(RepositoryFile.repository_id, func.count())
        .join(Document, Document.id == RepositoryFile.document_id)
        .where(RepositoryFile.repository_id.in_(repository_ids), RepositoryFile.reason == "", *covered(permit))
        .where(Document.deleted_at.is_(None))
        .group_by(RepositoryFile.repository_id)
    )
    return {row[0]: row[1] for row in session.execute(query)}


def set_progress(session: Session, repository_id: UUID, job_id: str, done: int) -> bool:
    """Note how far a job is; False when the repository is not its own any more."""
    change = (
        update(Repository)
        .where(Repository.id == repository_id, Repository.job_id == job_id, Repository.deleted_at.is_(None))
        .values(done=done)
        .returning(Repository.id)
    )
    return session.scalar(change) is not None


def hide_of_collection(session: Session, collection_id: UUID, now: datetime) -> None:
    """Delete the repositories of a collection that is being deleted; their documents go with it."""
    query = select(Repository).where(Repository.collection_id == collection_id, Repository.deleted_at.is_(None))
    for row in session.scalars(query.with_for_update()):
        hide(row, now)


def hide(row: Repository, now: datetime) -> None:
    """Delete a repository for everybody; its name is free from commit on, and nothing of its address stays."""
    row.deleted_at, row.state = now, RepositoryState.DELETED
    row.name, row.url, row.credential, row.webhook_secret = str(row.id), "", "", None
    row.wanted_at = row.due_at = None
    row.error_code = row.error_params = None
