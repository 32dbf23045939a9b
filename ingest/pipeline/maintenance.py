"""Purging, rebuilding and verifying: keeping the index equal to the record."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from uuid import UUID

from sqlalchemy import select

from ingest.pipeline.steps import Pipeline
from rag.blobs.store import BlobStore
from rag.store import chunk as chunks_table
from rag.store import family, lifecycle
from rag.store.base import utc_now
from rag.store.document import Document
from rag.store.session import Database
from rag.store.version import DocumentVersion, VersionState

Progress = Callable[[int, int], None]


def purge_document(pipeline: Pipeline, document_id: UUID) -> None:
    """Remove a document's deleted versions from index, chunks and blobs, and those of what lay in it.

    An original that is still needed stays.
    """
    with pipeline.database.read() as session:
        inside = family.hidden_below(session, document_id)
    for one in [*inside, document_id]:
        _purge_one(pipeline, one)


def _purge_one(pipeline: Pipeline, document_id: UUID) -> None:
    with pipeline.database.read() as session:
        versions = list(lifecycle.deleted_versions(session, document_id))
    ids = [version.id for version in versions]
    if ids:
        pipeline.index.delete_versions(ids)
        with pipeline.database.write() as session:
            chunks_table.delete_of_versions(session, ids)
    for version in versions:
        pipeline.blobs.delete_derived(version.id)
        drop_original(pipeline.database, pipeline.blobs, version.content_hash)
    with pipeline.database.write() as session:
        document = session.get_one(Document, document_id)
        if document.deleted_at is not None:
            document.purged_at = utc_now()


def drop_original(database: Database, blobs: BlobStore, content_hash: str) -> None:
    """Remove an original unless a version needs it; an upload of the same content waits meanwhile."""
    with database.write() as session:
        lifecycle.lock_content(session, content_hash)
        if not lifecycle.is_needed(session, content_hash):
            blobs.delete_original(content_hash)


def rebuild_index(pipeline: Pipeline, progress: Progress) -> int:
    """Empty the index and fill it from the database and the blobs alone; returns the number of points.

    `progress` gets versions done and versions in all.
    """
    with pipeline.database.read() as session:
        query = select(DocumentVersion).where(DocumentVersion.state == VersionState.ACTIVE)
        versions = list(session.scalars(query.order_by(DocumentVersion.created_at)))
    pipeline.index.clear()
    written = 0
    for done, version in enumerate(versions, start=1):
        with pipeline.database.read() as session:
            chunks = chunks_table.of_version(session, version.id)
        for points in pipeline.points(version, chunks):
            pipeline.index.upsert(points)
            written += len(points)
        progress(done, len(versions))
    return written


@dataclass(slots=True)
class Verification:
    """What `verify` found; every list is empty in a healthy store.

    Attributes:
        missing: chunks that the record holds and the index does not.
        orphaned: points in the index that the record does not want there.
        lost_originals: versions whose original is gone.
        stray_originals: originals that no version needs.
        unfinished: versions that are queued or running; normal during ingestion, a finding when nothing runs.
    """

    chunks: int = 0
    points: int = 0
    missing: list[UUID] = field(default_factory=list)
    orphaned: list[UUID] = field(default_factory=list)
    lost_originals: list[UUID] = field(default_factory=list)
    stray_originals: list[str] = field(default_factory=list)
    unfinished: list[UUID] = field(default_factory=list)

    @property
    def healthy(self) -> bool:
        """Whether record, index and blobs agree."""
        return not (self.missing or self.orphaned or self.lost_originals or self.stray_originals)


def verify(pipeline: Pipeline) -> Verification:
    """Compare record, index and blobs as sets."""
    with pipeline.database.read() as session:
        wanted = dict(chunks_table.active_ids(session))
        query = select(DocumentVersion.id, DocumentVersion.content_hash).where(
            DocumentVersion.state != VersionState.DELETED
        )
        originals = {row[0]: row[1] for row in session.execute(query)}
        unfinished = list(lifecycle.unfinished(session))
    found = dict(pipeline.index.versions_of())
    stored = set(pipeline.blobs.original_hashes())
    in_work = set(unfinished)
    return Verification(
        chunks=len(wanted),
        points=len(found),
        missing=sorted(wanted.keys() - found.keys()),
        orphaned=sorted(chunk for chunk, version in found.items() if chunk not in wanted and version not in in_work),
        lost_originals=sorted(version for version, digest in originals.items() if digest not in stored),
        stray_originals=sorted(stored - set(originals.values())),
        unfinished=unfinished,
    )
