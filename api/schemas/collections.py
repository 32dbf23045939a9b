"""Bodies of the collection routes."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from pydantic import BaseModel, Field

from api.schemas.common import Body
from rag.domain.language import CollectionKind
from rag.store.collection import Collection


class CollectionIn(Body):
    """A collection to be made."""

    name: str = Field(min_length=1, max_length=100, pattern=r"^[^\s/\\][^/\\\x00-\x1f]*$", examples=["인사규정"])
    kind: CollectionKind = CollectionKind.DOCUMENTS
    description: str = Field("", max_length=2000)


class CollectionOut(BaseModel):
    """A collection."""

    id: UUID
    name: str
    kind: CollectionKind
    description: str
    documents: int = Field(description="documents that are visible in it")
    created_at: datetime

    @classmethod
    def of(cls, row: Collection, documents: int) -> CollectionOut:
        """The collection as JSON."""
        return cls(
            id=row.id,
            name=row.name,
            kind=CollectionKind(row.kind),
            description=row.description,
            documents=documents,
            created_at=row.created_at,
        )


class CollectionList(BaseModel):
    """All collections that the key may see, by name."""

    collections: list[CollectionOut]
