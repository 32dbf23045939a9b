"""Vectors of earlier versions, taken over for chunks that did not change.

Looked for in the latest versions of the same document, and in one other document of the tenant with the same content:
so a renamed or copied file is not embedded again either. Bounded by versions and by chunks; what lies beyond is embedded.
"""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from ingest.pipeline import vectors as vector_file
from ingest.pipeline.chunks_to_index import ChunksToIndex
from rag.blobs.store import BlobStore
from rag.embedding.known import KnownVectors
from rag.store.session import Database
from rag.store.version import DocumentVersion, VersionState

_EARLIER_VERSIONS = 2
_MOST_CHUNKS = 20_000
"""Chunks of earlier versions looked through for one group: about 30 MB of vectors at 384 dimensions."""
_WITH_VECTORS = (VersionState.ACTIVE, VersionState.RETIRED)


def known_vectors(
    database: Database,
    blobs: BlobStore,
    space: str,
    versions: Sequence[DocumentVersion],
    identity: str = "",
    most: int = _MOST_CHUNKS,
) -> KnownVectors:
    """What may be known already of the chunks of `versions`, in the embedding space with this name and identity.

    Args:
        most: chunks of earlier versions whose vectors are read; see `chunks_in_memory`.
    """
    known = KnownVectors()
    with database.read() as session:
        sources = _sources(session, versions)
    left = min(most, _MOST_CHUNKS)
    for source_id, chunk_count in sources:
        left -= chunk_count
        if left < 0:
            break
        stored = vector_file.load(blobs, source_id, space, identity)
        if stored is not None and len(stored) == len(chunks := ChunksToIndex(database, source_id)):
            known.learn(chunks, stored)
    return known


def _sources(session: Session, versions: Sequence[DocumentVersion]) -> list[tuple[UUID, int]]:
    """Versions to look into with their number of chunks, the likeliest first."""
    found: dict[UUID, int] = {}
    for version in versions:
        if version.number == 1:
            continue
        query = select(DocumentVersion.id, DocumentVersion.chunk_count).where(
            DocumentVersion.document_id == version.document_id,
            DocumentVersion.number < version.number,
            DocumentVersion.state.in_(_WITH_VECTORS),
        )
        rows = session.execute(query.order_by(DocumentVersion.number.desc()).limit(_EARLIER_VERSIONS))
        found.update((row[0], row[1]) for row in rows)
    return [*found.items(), *_twins(session, versions, set(found))]


def _twins(session: Session, versions: Sequence[DocumentVersion], seen: set[UUID]) -> list[tuple[UUID, int]]:
    """For each content one version of another document with the same content, of the same tenant."""
    if not versions:
        return []
    query = select(DocumentVersion.content_hash, DocumentVersion.id, DocumentVersion.chunk_count).where(
        DocumentVersion.content_hash.in_({version.content_hash for version in versions}),
        DocumentVersion.tenant_id.in_({version.tenant_id for version in versions}),
        DocumentVersion.id.not_in([version.id for version in versions]),
        DocumentVersion.state.in_(_WITH_VECTORS),
    )
    one_each: dict[str, tuple[UUID, int]] = {}
    for content_hash, version_id, chunk_count in session.execute(query.limit(4 * len(versions))):
        if version_id not in seen:
            one_each.setdefault(content_hash, (version_id, chunk_count))
    return list(one_each.values())
