"""What a permit covers, listed whole: for evaluation, which has to know what can be found at all."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from rag.domain.principal import Permit
from rag.store.chunk import ChunkRow
from rag.store.collection import Collection
from rag.store.document import Document, visible
from rag.store.filtering import conditions
from rag.store.version import DocumentVersion, VersionState


class ListedDocument(NamedTuple):
    """A document that answers questions."""

    id: UUID
    version_id: UUID
    source_key: str
    title: str
    collection_id: UUID
    collection_name: str
    kind: str


def answering_documents(session: Session, permit: Permit) -> Sequence[ListedDocument]:
    """Every document of the permit that answers questions now, by collection and key."""
    query = (
        select(
            Document.id,
            DocumentVersion.id,
            Document.source_key,
            Document.title,
            Collection.id,
            Collection.name,
            Collection.kind,
        )
        .join(DocumentVersion, DocumentVersion.id == Document.current_version_id)
        .join(Collection, Collection.id == Document.collection_id)
        .where(
            *visible(permit),
            *conditions(permit.where),
            DocumentVersion.state == VersionState.ACTIVE,
            Collection.deleted_at.is_(None),
        )
        .order_by(Collection.name, Document.source_key)
    )
    return [ListedDocument(*row) for row in session.execute(query)]


def chunk_ids(session: Session, permit: Permit, version_ids: Sequence[UUID]) -> dict[UUID, list[UUID]]:
    """Ids of the chunks of these versions in document order, as far as the permit covers them now."""
    query = (
        select(ChunkRow.version_id, ChunkRow.id)
        .join(DocumentVersion, DocumentVersion.id == ChunkRow.version_id)
        .join(Document, Document.current_version_id == DocumentVersion.id)
        .where(ChunkRow.version_id.in_(version_ids), *visible(permit), *conditions(permit.where))
        .order_by(ChunkRow.version_id, ChunkRow.ordinal)
    )
    found: dict[UUID, list[UUID]] = {}
    for version, chunk in session.execute(query):
        found.setdefault(version, []).append(chunk)
    return found
