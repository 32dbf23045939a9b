"""The door of ingestion: received files become versions on record and durable jobs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from ingest.connectors.upload import Received
from ingest.jobs.workflows import IngestJobs, new_job_id
from ingest.pipeline.maintenance import drop_original
from ingest.pipeline.records import Accepted, accept, change_attributes
from ingest.pipeline.removal import hide_collection, hide_document, hide_items
from rag.blobs.store import BlobRef, BlobStore
from rag.domain.errors import CollectionNotFound, InvalidRequest, SeogoError
from rag.domain.filters import MAX_ATTRIBUTES, AttributeValue
from rag.domain.principal import Permit
from rag.store import attribute, document
from rag.store.receipt import DeletionReceipt
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
            for accepted in batch:
                if isinstance(accepted, Accepted) and accepted.relabel:
                    self._jobs.upkeep.relabel(accepted.document_id)
            taken += batch
        return taken

    def discard(self, blobs: Sequence[BlobRef]) -> None:
        """Remove originals of an upload that failed half way, as far as no document needs them."""
        for blob in blobs:
            drop_original(self._database, self._blobs, blob.content_hash)

    def delete(self, permit: Permit, document_id: UUID) -> DeletionReceipt:
        """Delete a document: hidden at once, purged in the background. Returns the receipt, still open.

        Raises:
            DocumentNotFound: the permit does not cover it.
        """
        receipt = hide_document(self._database, permit, document_id)
        self._jobs.upkeep.purge(document_id)
        return receipt

    def delete_items(self, permit: Permit, source_id: UUID, keys: Sequence[str]) -> list[DeletionReceipt]:
        """Delete the documents of items that their source has no longer; unknown keys are left out.

        Raises:
            NotFound: the permit does not cover the source.
        """
        receipts = hide_items(self._database, permit, source_id, keys)
        self._jobs.upkeep.purge_many([item.document_id for item in receipts if item.document_id is not None])
        return receipts

    def change_attributes(
        self, permit: Permit, document_id: UUID, changes: Mapping[str, AttributeValue | None]
    ) -> None:
        """Set attributes of a document; None removes one. Filters know it a moment later.

        Raises:
            DocumentNotFound: the permit does not cover it.
            InvalidRequest: it would have too many.
        """
        with self._database.write() as session:
            row = document.get_permitted(session, permit, document_id)
            merged = {**attribute.of_documents(session, [row.id]).get(row.id, {}), **changes}
            kept = {name: value for name, value in merged.items() if value is not None}
            if len(kept) > MAX_ATTRIBUTES:
                raise InvalidRequest(detail=f"attributes: {len(kept)} in all, {MAX_ATTRIBUTES} allowed")
            changed = change_attributes(session, row, kept)
            pending = row.labels_pending
        if changed and pending:
            self._jobs.upkeep.relabel(document_id)

    def delete_collection(self, permit: Permit) -> DeletionReceipt:
        """Delete the one collection of the permit with all its documents, likewise.

        Raises:
            CollectionNotFound: somebody else has just deleted it.
        """
        receipt = hide_collection(self._database, permit)
        self._jobs.upkeep.delete_collection(receipt.collection_id)
        return receipt

    def _take_one(self, tenant_id: UUID, collection_id: UUID, item: Received, job_id: str) -> Accepted | Refused:
        if item.error is not None or item.blob is None:
            return Refused(item.name, item.error or SeogoError())
        try:
            return accept(
                self._database, self._blobs, tenant_id, collection_id, item.name, item.blob, job_id, item.details
            )
        except CollectionNotFound:  # deleted while the file was being received
            drop_original(self._database, self._blobs, item.blob.content_hash)
            raise
