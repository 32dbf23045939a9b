"""Bodies of the document routes."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from pydantic import BaseModel, Field

from api.schemas.common import Body
from rag.domain.messages import UiLanguage, message_for, warning_for
from rag.store.base import utc_now
from rag.store.document import Document
from rag.store.version import DocumentVersion, VersionState


class Failure(BaseModel):
    """Why a file was refused or its ingestion failed."""

    code: str
    message: str
    retryable: bool


class Warned(BaseModel):
    """What was read only in part."""

    code: str
    message: str


class ProgressOut(BaseModel):
    """How far the ingestion of a version is."""

    stage: str = Field(examples=["identify", "parse", "chunk", "embed", "index", "activate"])
    stage_number: int = Field(description="from 1")
    stages: int
    done: int = Field(description="inside the stage: chunks for embed and index")
    total: int
    eta_s: float | None = Field(description="seconds that the stage may still take, at its speed so far")


class VersionOut(BaseModel):
    """One upload of a document."""

    id: UUID
    number: int
    state: str = Field(examples=["queued", "running", "active", "retired", "failed"])
    size: int = Field(description="bytes")
    content_hash: str = Field(description="SHA-256 of the original, hex")
    media_type: str
    parser: str
    pages: int
    chunks: int
    warnings: list[Warned]
    created_at: datetime
    finished_at: datetime | None
    progress: ProgressOut | None = Field(description="while queued or running")
    failure: Failure | None = Field(description="when failed")

    @classmethod
    def of(cls, row: DocumentVersion, language: UiLanguage) -> VersionOut:
        """The version as JSON."""
        return cls(
            id=row.id,
            number=row.number,
            state=row.state,
            size=row.size,
            content_hash=row.content_hash,
            media_type=row.media_type,
            parser=row.parser,
            pages=row.pages,
            chunks=row.chunk_count,
            warnings=[Warned(code=item, message=warning_for(item, language)) for item in row.warnings],
            created_at=row.created_at,
            finished_at=row.finished_at,
            progress=_progress(row),
            failure=_failure(row, language),
        )


class DocumentOut(BaseModel):
    """A document and its newest version."""

    id: UUID
    collection_id: UUID
    source_key: str = Field(description="path or name under which it was uploaded")
    title: str
    searchable: bool = Field(description="whether a version answers questions now")
    parent_id: UUID | None = Field(description="the mail or archive that it lies in; none for what was uploaded")
    children: int = Field(description="documents directly inside it; list them by `parent`")
    created_at: datetime
    version: VersionOut | None

    @classmethod
    def of(cls, row: Document, version: DocumentVersion | None, language: UiLanguage, children: int) -> DocumentOut:
        """The document as JSON."""
        return cls(
            id=row.id,
            collection_id=row.collection_id,
            source_key=row.source_key,
            title=row.title or row.source_key,
            searchable=row.current_version_id is not None,
            parent_id=row.parent_document_id,
            children=children,
            created_at=row.created_at,
            version=None if version is None else VersionOut.of(version, language),
        )


class DocumentPage(BaseModel):
    """A page of documents by source key."""

    documents: list[DocumentOut]
    next_cursor: str | None = Field(description="give it as `cursor` for the next page; none on the last")


class StatusIn(Body):
    """Documents to look at."""

    ids: list[UUID] = Field(min_length=1, max_length=500)


class DocumentStatus(BaseModel):
    """The documents among those asked for that the key may see."""

    documents: list[DocumentOut]


class UploadOut(BaseModel):
    """What became of one uploaded file."""

    source_key: str
    outcome: str = Field(examples=["created", "new_version", "unchanged", "retried", "refused"])
    document_id: UUID | None = None
    version_id: UUID | None = None
    version: int | None = None
    failure: Failure | None = Field(None, description="when refused")


class UploadResult(BaseModel):
    """What became of an upload; ingestion goes on in the background."""

    documents: list[UploadOut]


class DeletionReceipt(BaseModel):
    """A document was deleted: invisible from `deleted_at` on; index, chunks and blobs follow within a minute."""

    document_id: UUID
    source_key: str
    versions: int
    deleted_at: datetime


_STAGES = ("identify", "parse", "chunk", "embed", "index", "activate")


def _progress(row: DocumentVersion) -> ProgressOut | None:
    if row.state not in (VersionState.QUEUED, VersionState.RUNNING):
        return None
    return ProgressOut(
        stage=row.stage,
        stage_number=_STAGES.index(row.stage) + 1,
        stages=len(_STAGES),
        done=row.done,
        total=row.total,
        eta_s=_eta(row),
    )


def _eta(row: DocumentVersion) -> float | None:
    if not row.done or not row.total or row.stage_started_at is None:
        return None
    elapsed = (utc_now() - row.stage_started_at).total_seconds()
    return round(elapsed / row.done * (row.total - row.done), 1)


def _failure(row: DocumentVersion, language: UiLanguage) -> Failure | None:
    if row.error_code is None:
        return None
    message = message_for(row.error_code, row.error_params or {}, language)
    return Failure(code=row.error_code, message=message, retryable=row.retryable)
