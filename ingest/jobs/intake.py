"""The door of ingestion: received files become versions on record and durable jobs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from ingest.connectors.upload import Received
from ingest.jobs.workflows import IngestJobs, new_job_id
from ingest.pipeline.maintenance import drop_original
from ingest.pipeline.records import Accepted, accept
from rag.blobs.store import BlobRef, BlobStore
from rag.domain.errors import NameTaken, SeogoError
from rag.domain.principal import Permit
from rag.store import document, lifecycle
from rag.store.document import Document
from rag.store.session import Database


@dataclass(frozen=True, slots=True)
class Refused:
    """A file that was not taken, and why."""

    source_key: str
    error: SeogoError


class Intake:
    """Accepts and deletes documents. Every method takes the permit that the policy gave for just that."""

    def __init__(self, database: Database, blobs: BlobStore, jobs: IngestJobs, batch_documents: int) -> None:
        self._database = database
        self._blobs = blobs
        self._jobs = jobs
        self._batch_documents = batch_documents

    def take(self, permit: Permit, files: Sequence[Received]) -> list[Accepted | Refused]:
        """Record files for the one collection of the permit and queue their ingestion in batches."""
        (collection_id,) = permit.collections
        taken: list[Accepted | Refused] = []
        for start in range(0, len(files), self._batch_documents):
            job_id = new_job_id()
            batch = [
                self._take_one(permit.tenant_id, collection_id, item, job_id)
                for item in files[start : start + self._batch_documents]
            ]
            queued = [item.version_id for item in batch if isinstance(item, Accepted) and item.queued]
            if queued:
                self._jobs.submit(job_id, queued)
            taken += batch
        return taken

    def discard(self, blobs: Sequence[BlobRef]) -> None:
        """Remove originals of an upload that failed half way, as far as no document needs them."""
        for blob in blobs:
            drop_original(self._database, self._blobs, blob.content_hash)

    def delete(self, permit: Permit, document_id: UUID) -> tuple[Document, int]:
        """Delete a document: hidden at once, purged in the background. Returns it and its number of versions.

        Raises:
            DocumentNotFound: the permit does not cover it.
        """
        with self._database.write() as session:
            row = document.get_permitted(session, permit, document_id)
            versions = lifecycle.hide(session, row)
        self._jobs.submit_purge(document_id)
        return row, versions

    def _take_one(self, tenant_id: UUID, collection_id: UUID, item: Received, job_id: str) -> Accepted | Refused:
        if item.error is not None or item.blob is None:
            return Refused(item.name, item.error or SeogoError())
        try:
            return accept(self._database, self._blobs, tenant_id, collection_id, item.name, item.blob, job_id)
        except NameTaken as error:
            self.discard([item.blob])
            return Refused(item.name, error)
