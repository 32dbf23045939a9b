"""Document versions: one upload each, with the state of its ingestion."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, ColumnElement, ForeignKey, String, UniqueConstraint, func, select, update
from sqlalchemy.orm import Mapped, Session, mapped_column

from rag.domain.errors import SeogoError
from rag.store.base import Base, utc_now


class VersionState(StrEnum):
    """Life of a version. QUEUED → RUNNING → ACTIVE → RETIRED, or FAILED; DELETED with its document."""

    QUEUED = "queued"
    RUNNING = "running"
    ACTIVE = "active"
    RETIRED = "retired"
    FAILED = "failed"
    DELETED = "deleted"


class Stage(StrEnum):
    """Step of the ingestion that a running version is in."""

    IDENTIFY = "identify"
    PARSE = "parse"
    CHUNK = "chunk"
    EMBED = "embed"
    INDEX = "index"
    ACTIVATE = "activate"


class DocumentVersion(Base):
    """One upload of a document.

    Attributes:
        job_id: durable job that ingests the version; written with the row, so that a lost job can be found.
        content_hash: SHA-256 of the original, in hex; names its blob.
        size: bytes of the original.
        done, total: progress inside `stage`: chunks for embed and index, otherwise the document itself.
        error_code, error_params: why the version failed; `rag.domain.messages` turns them into a sentence.
        valid_from, valid_to: when this version answered questions.
        file_metadata: what the file says about itself (`DocumentMetadata` as JSON); None until it is parsed.
        fetched_at: when a web page was fetched, by the word of whoever sent its snapshot.
    """

    __tablename__ = "document_version"
    __table_args__ = (UniqueConstraint("document_id", "number"),)

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


def by_ids(session: Session, ids: Iterable[UUID]) -> Sequence[DocumentVersion]:
    """The versions with these ids, oldest first; unknown ids are left out."""
    query = select(DocumentVersion).where(DocumentVersion.id.in_(list(ids)))
    return session.scalars(query.order_by(DocumentVersion.created_at, DocumentVersion.id)).all()


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


def enter_stage(session: Session, ids: Iterable[UUID], stage: Stage) -> None:
    """Mark versions as running in `stage` from its beginning; finished ones are left alone."""
    session.execute(
        update(DocumentVersion)
        .where(
            DocumentVersion.id.in_(list(ids)), DocumentVersion.state.in_([VersionState.QUEUED, VersionState.RUNNING])
        )
        .values(
            state=VersionState.RUNNING,
            stage=stage,
            stage_started_at=utc_now(),
            done=0,
            started_at=func.coalesce(DocumentVersion.started_at, utc_now()),
        )
    )


def report_progress(session: Session, version_id: UUID, done: int, total: int) -> None:
    """Note how far the version is inside its stage."""
    session.execute(update(DocumentVersion).where(DocumentVersion.id == version_id).values(done=done, total=total))


def mark_failed(session: Session, version_id: UUID, error: SeogoError) -> None:
    """Record why the version failed; a version that is finished already keeps its state."""
    session.execute(
        update(DocumentVersion)
        .where(
            DocumentVersion.id == version_id,
            DocumentVersion.state.in_([VersionState.QUEUED, VersionState.RUNNING]),
        )
        .values(
            state=VersionState.FAILED,
            error_code=error.code,
            error_params=error.params,
            retryable=error.retryable,
            finished_at=utc_now(),
        )
    )
