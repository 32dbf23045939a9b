"""Bodies of the routes by which a connector keeps a collection in step with a folder or bucket."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal, Self
from uuid import UUID

from pydantic import BaseModel, Field, model_validator

from api.schemas.access import AccessIn
from api.schemas.common import Body
from rag.domain.access import Label
from rag.store.connector import ConnectorItem, ConnectorSource

Key = Annotated[str, Field(min_length=1, max_length=2000)]


class SourceIn(Body):
    """A source, by the client's own name for it; the server never opens it."""

    kind: Literal["folder", "bucket"]
    location: str = Field(min_length=1, max_length=500, examples=["/srv/share/규정", "s3://docs/rules"])
    access: AccessIn | None = Field(
        None, description="rule of new documents that come without one; left out, the source keeps the rule that it has"
    )


class StoredRule(BaseModel):
    """A rule with its subjects by id."""

    allow: list[str]
    deny: list[str]
    label: Label


class SourceOut(BaseModel):
    """A source of a collection."""

    id: UUID
    collection_id: UUID
    kind: str
    location: str
    access: StoredRule | None = Field(description="rule of new documents that come without one")
    created_at: datetime
    synced_at: datetime | None = Field(description="when its items were last noted")

    @classmethod
    def of(cls, row: ConnectorSource, location: str) -> SourceOut:
        """The source as JSON. `location`: as the caller may see it."""
        return cls(
            id=row.id,
            collection_id=row.collection_id,
            kind=row.kind,
            location=location,
            access=None if row.access is None else StoredRule(**row.access),
            created_at=row.created_at,
            synced_at=row.synced_at,
        )


class SourceList(BaseModel):
    """The sources of a collection."""

    sources: list[SourceOut]


class ItemState(Body):
    """One file of a source as it was when it was taken."""

    key: Key
    fingerprint: str = Field(max_length=200, description="size, times and inode, or an etag")
    content_hash: str = Field(pattern=r"^[0-9a-f]{64}$", description="SHA-256, hex")
    size: int = Field(ge=0)
    document_id: UUID


class NotedItem(ItemState):
    """The same with the rule that the source has for it."""

    access: AccessIn | None = Field(None, description="who may read its document; left out, that stays as it is")


class ItemsIn(Body):
    """States to note."""

    items: list[NotedItem] = Field(min_length=1, max_length=500)


class ItemPage(BaseModel):
    """Known items of a source by key."""

    items: list[ItemState]
    hidden: list[UUID] = Field(description="documents of those whose key is not shown whole, for personal data in it")
    failed: list[UUID] = Field(description="documents of those whose newest version could not be ingested")
    next_cursor: str | None


class ItemsKnown(BaseModel):
    """Items of the keys that were asked for."""

    items: list[ItemState]
    failed: list[UUID] = Field(description="documents of those whose newest version could not be ingested")


class KeysIn(Body):
    """Items of a source."""

    keys: list[Key] = Field(min_length=1, max_length=500)


class GoneItems(Body):
    """Items that a source has no longer: by their keys, or by their documents where the keys are not known."""

    keys: list[Key] = Field(default_factory=list, max_length=500)
    documents: list[UUID] = Field(default_factory=list, max_length=500)

    @model_validator(mode="after")
    def _named(self) -> Self:
        if not self.keys and not self.documents:
            raise ValueError("keys or documents")
        return self


class ItemsDeleted(BaseModel):
    """Documents that were deleted with their items."""

    receipts: list[UUID]


def item_state(row: ConnectorItem, key: str) -> ItemState:
    """The item as JSON. `key`: as the caller may see it."""
    return ItemState(
        key=key,
        fingerprint=row.fingerprint,
        content_hash=row.content_hash,
        size=row.size,
        document_id=row.document_id,
    )
