"""Document versions: one upload each, with the state of its ingestion."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from enum import IntEnum, StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    ForeignKey,
    Index,
    SmallInteger,
    String,
    UniqueConstraint,
    case,
    false,
    func,
    select,
    text,
    update,
)
from sqlalchemy.orm import Mapped, Session, mapped_column

from rag.domain.personal_data import PersonalDataRecord, record_from_json
from rag.store.base import Base, in_groups, utc_now


class VersionState(StrEnum):
    """Life of a version. QUEUED → RUNNING → ACTIVE → RETIRED; DELETED with its document.

    It ends as FAILED when its file can't be read, as QUARANTINED when reading it went wrong three times, as CANCELLED
    when somebody wished so. Retrying puts each of the three back to QUEUED.
    """

    QUEUED = "queued"
    RUNNING = "running"
    ACTIVE = "active"
    RETIRED = "retired"
    FAILED = "failed"
    QUARANTINED = "quarantined"
    CANCELLED = "cancelled"
    DELETED = "deleted"


UNFINISHED = (VersionState.QUEUED, VersionState.RUNNING)
RETRYABLE = (VersionState.FAILED, VersionState.QUARANTINED, VersionState.CANCELLED)
"""Ended without becoming searchable; the original is kept, so that a retry can begin."""


class Priority(IntEnum):
    """Lane of a version in the queue; every lane has workers of its own. The values are kept in the database.

    A release that does not know 6 and 7 can't show such a version: `at_end` lets none keep them.
    """

    INTERACTIVE = 1
    BULK = 5
    LONG_AWAITED = 6
    """In the lane LONG, in which it goes first: it came in interactively."""
    LONG = 7
    """Takes minutes to read: it goes alone, so that no other document waits for it."""
    SUSPECT = 9
    """Was in work when a worker died, twice: it goes alone, so that the next death names the culprit."""

    @property
    def lane(self) -> Priority:
        """Whose workers take it."""
        return Priority.LONG if self is Priority.LONG_AWAITED else self


IN_LONG = (Priority.LONG_AWAITED, Priority.LONG)
"""What the lane LONG holds, first things first."""
_CAME_WITH: dict[int, int] = {Priority.LONG_AWAITED: Priority.INTERACTIVE, Priority.LONG: Priority.BULK}


class Stage(StrEnum):
    """Step of the ingestion that a running version is in."""

    IDENTIFY = "identify"
    PARSE = "parse"
    CHUNK = "chunk"
    EMBED = "embed"
    INDEX = "index"
    ACTIVATE = "activate"


_DENSE_PENDING = text("dense_pending")


class DocumentVersion(Base):
    """One upload of a document.

    Attributes:
        job_id: durable job that ingests the version; empty while it waits for one.
        priority: its lane, a `Priority`.
        tries: how often its ingestion ended in an error that a retry can mend.
        crashes: how often a worker died while it was in work.
        retry_at: not to be tried before.
        claimed_at: when it was given to its job, or began to wait for one in the lane LONG.
        content_hash: SHA-256 of the original, in hex; names its blob.
        size: bytes of the original.
        done, total: progress inside `stage`: chunks for embed and index, otherwise the document itself.
        error_code, error_params: why the version failed; `rag.domain.messages` turns them into a sentence.
        valid_from, valid_to: when this version answered questions.
        file_metadata: what the file says about itself (title and `DocumentMetadata` as JSON); None until it is parsed.
        fetched_at: when a web page was fetched, by the word of whoever sent its snapshot.
        personal_data: `PersonalDataRecord` as JSON; None while nobody looked for any.
        privacy_key: for which policy and detector it was looked through, and its points made; None while for none.
        injection_score, injection_signs: how much it seems to speak to a model (`rag.text.injection`); None until it is read.
        flagged: a curator should look at it; a passage of it says so.
        reviewed_at, reviewed_by, review_reason: who cleared the flag, when and why.
        commit: of a repository's file, the commit at which this content was first taken; None for everything else.
        dense_pending: it is searched by words already, and waits for the vectors of a model.
        cleaned_at: when index, chunks and derived files were rid of a version that ended without answering.
    """

    __tablename__ = "document_version"
    __table_args__ = (
        UniqueConstraint("document_id", "number"),
        Index("ix_document_version_queue", "state", "job_id", "priority", "collection_id", "created_at"),
        Index("ix_document_version_progress", "collection_id", "state", "finished_at"),
        Index("ix_document_version_ended", "tenant_id", "finished_at"),
        Index("ix_document_version_cleaning", "state", "cleaned_at"),
        Index(
            "ix_document_version_dense_pending",
            "collection_id",
            sqlite_where=_DENSE_PENDING,
            postgresql_where=_DENSE_PENDING,
        ),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    tenant_id: Mapped[UUID] = mapped_column(ForeignKey("tenant.id"))
    collection_id: Mapped[UUID] = mapped_column(ForeignKey("collection.id"))
    document_id: Mapped[UUID] = mapped_column(ForeignKey("document.id"), index=True)
    number: Mapped[int]
    content_hash: Mapped[str] = mapped_column(String(64), index=True)
    size: Mapped[int] = mapped_column(BigInteger)
    filename: Mapped[str] = mapped_column(String(2000))
    media_type: Mapped[str] = mapped_column(String(200), default="")
    parser: Mapped[str] = mapped_column(String(100), default="")
    job_id: Mapped[str] = mapped_column(String(100), default="")
    priority: Mapped[int] = mapped_column(SmallInteger, default=Priority.BULK, server_default="5")
    tries: Mapped[int] = mapped_column(SmallInteger, default=0, server_default="0")
    crashes: Mapped[int] = mapped_column(SmallInteger, default=0, server_default="0")
    retry_at: Mapped[datetime | None]
    claimed_at: Mapped[datetime | None]
    state: Mapped[str] = mapped_column(String(20), default=VersionState.QUEUED, index=True)
    stage: Mapped[str] = mapped_column(String(20), default=Stage.IDENTIFY)
    stage_started_at: Mapped[datetime | None]
    done: Mapped[int] = mapped_column(default=0)
    total: Mapped[int] = mapped_column(default=0)
    pages: Mapped[int] = mapped_column(default=0)
    chunk_count: Mapped[int] = mapped_column(default=0)
    warnings: Mapped[list[Any]] = mapped_column(default=list)
    error_code: Mapped[str | None] = mapped_column(String(100))
    error_params: Mapped[dict[str, Any] | None]
    retryable: Mapped[bool] = mapped_column(default=False)
    created_at: Mapped[datetime] = mapped_column(default=utc_now)
    started_at: Mapped[datetime | None]
    finished_at: Mapped[datetime | None]
    valid_from: Mapped[datetime | None]
    valid_to: Mapped[datetime | None]
    file_metadata: Mapped[dict[str, Any] | None]
    fetched_at: Mapped[datetime | None]
    personal_data: Mapped[dict[str, Any] | None]
    privacy_key: Mapped[str | None] = mapped_column(String(40))
    cleaned_at: Mapped[datetime | None]
    injection_score: Mapped[float | None]
    injection_signs: Mapped[list[Any] | None]
    flagged: Mapped[bool] = mapped_column(default=False, server_default=false())
    reviewed_at: Mapped[datetime | None]
    reviewed_by: Mapped[str | None] = mapped_column(String(100))
    review_reason: Mapped[str | None] = mapped_column(String(1000))
    commit: Mapped[str | None] = mapped_column(String(64))
    dense_pending: Mapped[bool] = mapped_column(default=False, server_default=false())

    @property
    def priority_at_end(self) -> int:
        """`at_end` for a row in memory."""
        return _CAME_WITH.get(self.priority, self.priority)


def at_end() -> ColumnElement[int]:
    """The priority of a version that ends, in an update: that with which it came, for what took long."""
    return case(_CAME_WITH, value=DocumentVersion.priority, else_=DocumentVersion.priority)


def by_ids(session: Session, ids: Iterable[UUID]) -> Sequence[DocumentVersion]:
    """The versions with these ids, oldest first; unknown ids are left out."""
    found: list[DocumentVersion] = []
    for group in in_groups(ids):
        found += session.scalars(select(DocumentVersion).where(DocumentVersion.id.in_(group)))
    return sorted(found, key=lambda version: (version.created_at, version.id))


def deleted_among(session: Session, ids: Iterable[UUID]) -> list[UUID]:
    """Those of these versions that are deleted."""
    deleted = DocumentVersion.state == VersionState.DELETED
    groups = (select(DocumentVersion.id).where(DocumentVersion.id.in_(group), deleted) for group in in_groups(ids))
    return [key for query in groups for key in session.scalars(query)]


def in_index() -> ColumnElement[bool]:
    """The versions that the index holds: those that answer, and in its archive those that once did."""
    answered_once = DocumentVersion.valid_from < DocumentVersion.valid_to
    return (DocumentVersion.state == VersionState.ACTIVE) | (
        (DocumentVersion.state == VersionState.RETIRED) & answered_once
    )


def of_index(session: Session) -> Sequence[DocumentVersion]:
    """Every version that the index holds, oldest first."""
    query = select(DocumentVersion).where(in_index())
    return session.scalars(query.order_by(DocumentVersion.created_at, DocumentVersion.id)).all()


def of_document(session: Session, document_id: UUID) -> Sequence[DocumentVersion]:
    """All versions of a document, newest first."""
    query = select(DocumentVersion).where(DocumentVersion.document_id == document_id)
    return session.scalars(query.order_by(DocumentVersion.number.desc())).all()


def enter_stage(session: Session, ids: Iterable[UUID], stage: Stage, job_id: str | None = None) -> None:
    """Mark versions (of this job) as running in `stage` from its beginning; finished ones are left alone."""
    query = update(DocumentVersion).where(DocumentVersion.id.in_(list(ids)), DocumentVersion.state.in_(UNFINISHED))
    if job_id is not None:
        query = query.where(DocumentVersion.job_id == job_id)
    session.execute(
        query.values(
            state=VersionState.RUNNING,
            stage=stage,
            stage_started_at=utc_now(),
            done=0,
            started_at=func.coalesce(DocumentVersion.started_at, utc_now()),
        )
    )


def report_progress(session: Session, version_id: UUID, done: int, total: int) -> bool:
    """Note how far the version is inside its stage; False when it is not in work any more."""
    change = (
        update(DocumentVersion)
        .where(DocumentVersion.id == version_id, DocumentVersion.state == VersionState.RUNNING)
        .values(done=done, total=total)
        .returning(DocumentVersion.id)
    )
    return session.execute(change).first() is not None


def mark_cleaned(session: Session, ids: Iterable[UUID], states: Sequence[VersionState] = RETRYABLE) -> None:
    """Note that of those of these versions in one of `states` nothing is left but what a retry needs."""
    session.execute(
        update(DocumentVersion)
        .where(DocumentVersion.id.in_(list(ids)), DocumentVersion.state.in_(states))
        .values(cleaned_at=utc_now())
    )


def looked_through(session: Session, ids: Iterable[UUID]) -> dict[UUID, tuple[PersonalDataRecord | None, str | None]]:
    """What is on record about personal data in these versions, and for which policy and detector."""
    found: dict[UUID, tuple[PersonalDataRecord | None, str | None]] = {}
    for group in in_groups(ids):
        query = select(DocumentVersion.id, DocumentVersion.personal_data, DocumentVersion.privacy_key)
        for row in session.execute(query.where(DocumentVersion.id.in_(group))):
            found[row[0]] = (record_from_json(row[1]), row[2])
    return found
