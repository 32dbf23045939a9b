"""Bodies about deletions."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from pydantic import BaseModel, Field

from rag.domain.messages import UiLanguage, message_for
from rag.store.receipt import DeletionReceipt


class DeletedVersion(BaseModel):
    """A version that was deleted."""

    id: UUID
    number: int
    content_hash: str = Field(description="SHA-256 of the original, hex")
    size: int = Field(description="bytes")


class Verified(BaseModel):
    """What was counted after the purge, where it would be."""

    points: int = Field(0, description="in the index, its archive included")
    chunks: int = Field(0, description="in the database")
    derived: int = Field(0, description="parse results and vectors")
    originals: int = Field(0, description="in the blob store")
    originals_shared: int = Field(0, description="that stay: another document of the collection has the same content")
    documents: int = Field(0, description="of a deleted collection: documents that are still there")


class PurgeTrouble(BaseModel):
    """Why a deletion, which no reader sees any more, is not finished."""

    code: str = Field(description="of the last error", examples=["index_unavailable"])
    message: str
    tries: int = Field(description="purges that did not remove everything")
    retry_at: datetime | None = Field(description="when the next one is due")


class ReceiptOut(BaseModel):
    """A deletion: what is gone for every reader since `deleted_at`, and since `purged_at` from everywhere."""

    id: UUID
    kind: str = Field(examples=["document", "versions", "collection", "repository"])
    reason: str = Field(examples=["request", "collection", "retention", "source"])
    parent_id: UUID | None = Field(
        description="receipt of the collection's or repository's deletion that this one belongs to"
    )
    deleted_by: UUID | None = Field(description="id of the key; none when a retention rule did it")
    deleted_by_name: str
    collection_id: UUID
    collection: str
    document_id: UUID | None
    source_key: str
    documents: int = Field(description="documents deleted with it")
    versions: list[DeletedVersion]
    deleted_at: datetime
    purged_at: datetime | None = Field(description="none while the purge runs")
    verified: Verified | None
    trouble: PurgeTrouble | None = Field(description="what keeps `purged_at` open; none while nothing has failed")

    @classmethod
    def of(cls, row: DeletionReceipt, language: UiLanguage, source_key: str = "") -> ReceiptOut:
        """The receipt as JSON; `source_key`: the name of its document, where it is about one, as the caller may see it."""
        return cls(
            id=row.id,
            kind=row.kind,
            reason=row.reason,
            parent_id=row.parent_id,
            deleted_by=row.actor_id,
            deleted_by_name=row.actor_name,
            collection_id=row.collection_id,
            collection=row.collection_name,
            document_id=row.document_id,
            source_key=source_key,
            documents=row.documents,
            versions=[DeletedVersion(**item) for item in row.versions],
            deleted_at=row.deleted_at,
            purged_at=row.purged_at,
            verified=None if row.verified is None else Verified(**row.verified),
            trouble=_trouble(row, language, source_key),
        )


def _trouble(row: DeletionReceipt, language: UiLanguage, source_key: str) -> PurgeTrouble | None:
    if row.purge_error is None or row.purged_at is not None:
        return None
    message = message_for(row.purge_error, {"name": source_key}, language)
    return PurgeTrouble(code=row.purge_error, message=message, tries=row.purge_tries, retry_at=row.purge_retry_at)


class ReceiptPage(BaseModel):
    """Receipts, the newest first."""

    receipts: list[ReceiptOut]
