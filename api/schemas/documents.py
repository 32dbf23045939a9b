"""Bodies of the document routes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from pydantic import BaseModel, Field, StrictFloat, StrictInt, StrictStr, WrapValidator

from api.schemas.common import Body, one_value
from api.schemas.privacy import PersonalDataOut
from rag.domain.access import Label
from rag.domain.filters import MAX_ATTRIBUTES, AttributeValue, attribute_value, checked_name
from rag.domain.messages import UiLanguage, message_for, warning_for
from rag.domain.personal_data import record_from_json
from rag.store.base import utc_now
from rag.store.document import Document
from rag.store.version import UNFINISHED, DocumentVersion, Priority, VersionState


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
    done: int = Field(description="inside the stage: pages for parse, chunks for embed and index")
    total: int
    eta_s: float | None = Field(description="seconds that the stage may still take, at its speed so far")


class FlagOut(BaseModel):
    """Why a curator should look at a document."""

    code: str = Field(examples=["injection"])
    message: str
    score: float = Field(description="0 to 1")
    signs: list[str] = Field(examples=[["override", "send", "hidden_text"]])

    @classmethod
    def all_of(cls, row: DocumentVersion | None, language: UiLanguage) -> list[FlagOut]:
        """Those of a version."""
        if row is None or not row.flagged:
            return []
        message = _INJECTION[language]
        return [
            cls(code="injection", message=message, score=row.injection_score or 0.0, signs=row.injection_signs or [])
        ]


class ReviewOut(BaseModel):
    """That a curator has cleared a version."""

    at: datetime
    by: str
    reason: str


class ReviewIn(Body):
    """What a curator found."""

    reason: str = Field(min_length=1, max_length=1000, description="why the document is no danger; kept on record")


class VersionOut(BaseModel):
    """One upload of a document."""

    id: UUID
    number: int
    state: str = Field(examples=["queued", "running", "active", "retired", "failed", "quarantined", "cancelled"])
    priority: str = Field(description="lane of its ingestion", examples=["interactive", "bulk", "long", "suspect"])
    tries: int = Field(description="tries that went wrong; after the last one it is quarantined")
    next_try_at: datetime | None = Field(description="while it waits for its next try")
    size: int = Field(description="bytes")
    content_hash: str = Field(description="SHA-256 of the original, hex")
    media_type: str
    parser: str
    pages: int
    chunks: int
    warnings: list[Warned]
    created_at: datetime
    finished_at: datetime | None
    valid_from: datetime | None = Field(description="since when it answers questions")
    valid_to: datetime | None = Field(description="until when it did")
    fetched_at: datetime | None = Field(description="when a web page was fetched")
    personal_data: PersonalDataOut | None = Field(description="what was found in it; null while nobody looked")
    file_metadata: dict[str, Any] | None = Field(description="what the file says about itself; unchecked")
    injection_score: float | None = Field(description="how much it looks as if it spoke to a model, 0 to 1")
    review: ReviewOut | None = Field(description="when a curator has cleared its flag")
    progress: ProgressOut | None = Field(description="while queued or running")
    failure: Failure | None = Field(description="why it failed, or why its last try did")

    @classmethod
    def of(cls, row: DocumentVersion, language: UiLanguage, shown: Callable[[str], str] = str) -> VersionOut:
        """The version as JSON; `shown` hides what the reader may not see in what the file says about itself."""
        return cls(
            id=row.id,
            number=row.number,
            state=row.state,
            priority=Priority(row.priority).lane.name.lower(),
            tries=row.tries + row.crashes,
            next_try_at=row.retry_at if row.state == VersionState.QUEUED else None,
            size=row.size,
            content_hash=row.content_hash,
            media_type=row.media_type,
            parser=row.parser,
            pages=row.pages,
            chunks=row.chunk_count,
            warnings=[
                Warned(code=item.partition(":")[0], message=warning_for(item, language)) for item in row.warnings
            ],
            created_at=row.created_at,
            finished_at=row.finished_at,
            valid_from=row.valid_from,
            valid_to=row.valid_to,
            fetched_at=row.fetched_at,
            personal_data=PersonalDataOut.of(record_from_json(row.personal_data)),
            file_metadata=_told(row.file_metadata, shown),
            injection_score=row.injection_score,
            review=_review(row),
            progress=_progress(row),
            failure=_failure(row, language, shown),
        )


class DocumentOut(BaseModel):
    """A document and its newest version."""

    id: UUID
    collection_id: UUID
    source_key: str = Field(description="path or name under which it was uploaded")
    title: str
    author: str
    created: datetime | None = Field(description="when the file says that it was made")
    modified: datetime | None = Field(description="when the file says that it was last changed")
    source_url: str | None = Field(description="address of the web page, for a snapshot of one")
    attributes: dict[str, str | int | float]
    searchable: bool = Field(description="whether a version answers questions now")
    held_back_for: list[str] = Field(description="kinds of personal data for which it waits for a release")
    parent_id: UUID | None = Field(description="the mail or archive that it lies in; none for what was uploaded")
    children: int = Field(description="documents directly inside it; list them by `parent`")
    label: Label = Field(description="C confidential, S sensitive, O open: the highest of all that holds for it")
    flags: list[FlagOut] = Field(
        description="why a curator should look at its newest version; it is searched all the same"
    )
    created_at: datetime
    version: VersionOut | None

    @classmethod
    def of(
        cls,
        row: Document,
        version: DocumentVersion | None,
        language: UiLanguage,
        attributes: Mapping[str, AttributeValue],
        children: int,
        label: Label,
        *,
        held_back: tuple[str, ...] = (),
        shown: Callable[[str], str] = str,
    ) -> DocumentOut:
        """The document as JSON; `shown` hides in its names what the reader may not see."""
        return cls(
            id=row.id,
            collection_id=row.collection_id,
            source_key=shown(row.source_key),
            title=shown(row.title or row.source_key),
            author=shown(row.author),
            created=row.authored_at,
            modified=row.revised_at,
            source_url=row.source_url or None,
            attributes={name: value.plain for name, value in attributes.items()},
            searchable=row.current_version_id is not None and not held_back,
            held_back_for=list(held_back),
            parent_id=row.parent_document_id,
            children=children,
            label=label,
            flags=FlagOut.all_of(version, language),
            created_at=row.created_at,
            version=None if version is None else VersionOut.of(version, language, shown),
        )


class VersionList(BaseModel):
    """Versions of a document, the newest first."""

    versions: list[VersionOut]


class DocumentChange(Body):
    """What is to change about a document."""

    attributes: dict[str, Annotated[StrictStr | StrictInt | StrictFloat | None, WrapValidator(one_value)]] = Field(
        min_length=1, max_length=2 * MAX_ATTRIBUTES, description="a value sets an attribute, null removes it"
    )

    def changes(self) -> dict[str, AttributeValue | None]:
        """The attributes by name; None removes one.

        Raises:
            InvalidRequest: a name or a value is not valid.
        """
        return {
            checked_name(name): None if value is None else attribute_value(name, value)
            for name, value in self.attributes.items()
        }


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


_INJECTION: dict[UiLanguage, str] = {
    "ko": "독자가 아니라 모델에게 지시하는 것으로 보이는 글이 있습니다. 담당자의 검토가 필요합니다.",
    "en": "Some of it seems to give orders to a model and not to speak to a reader; a curator should look at it.",
}
_STAGES = ("identify", "parse", "chunk", "embed", "index", "activate")


def _review(row: DocumentVersion) -> ReviewOut | None:
    if row.reviewed_at is None:
        return None
    return ReviewOut(at=row.reviewed_at, by=row.reviewed_by or "", reason=row.review_reason or "")


def _progress(row: DocumentVersion) -> ProgressOut | None:
    if row.state not in UNFINISHED:
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


def _told(value: Any, shown: Callable[[str], str]) -> Any:
    """A JSON value with its texts as they may be shown."""
    if isinstance(value, str):
        return shown(value)
    if isinstance(value, dict):
        return {name: _told(item, shown) for name, item in value.items()}
    return [_told(item, shown) for item in value] if isinstance(value, list) else value


def _failure(row: DocumentVersion, language: UiLanguage, shown: Callable[[str], str]) -> Failure | None:
    if row.error_code is None:
        return None
    message = shown(message_for(row.error_code, row.error_params or {}, language))
    return Failure(code=row.error_code, message=message, retryable=row.retryable)
