"""The door of ingestion: received files become versions on record, which wait for the queue."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any
from uuid import UUID

from sqlalchemy.orm import Session

from ingest.chunking.base import go_on
from ingest.connectors.upload import Received
from ingest.jobs.workflows import IngestJobs
from ingest.pipeline import privacy
from ingest.pipeline.custom_attributes import change_attributes
from ingest.pipeline.fault_points import reached
from ingest.pipeline.maintenance import drop_original
from ingest.pipeline.read_in_part import read_again, read_all_again
from ingest.pipeline.records import INTERACTIVE_BYTES, INTERACTIVE_FILES, Accepted, accept
from ingest.pipeline.removal import hide_collection, hide_document, hide_items
from rag.access.personal_data.reading import names_masked
from rag.blobs.store import BlobRef, BlobStore
from rag.domain.errors import (
    BlobsUnavailable,
    DocumentNotFound,
    InputError,
    InvalidRequest,
    NothingToCancel,
    NothingToRetry,
    NotPermitted,
    SeogoError,
)
from rag.domain.filters import MAX_ATTRIBUTES, AttributeValue
from rag.domain.principal import Permit
from rag.store import attribute, collection, document, queue
from rag.store.document import Document
from rag.store.receipt import DeletionReceipt
from rag.store.session import Database
from rag.store.version import DocumentVersion, Priority, VersionState

log = logging.getLogger(__name__)

_RETRIED_TOGETHER = 1000
_PATIENCE_S = 1.0
"""Of one upload with questions, and the wait that then has begun: whoever sent it waits for its answer, and what stands between
them gives up after a minute."""


@dataclass(frozen=True, slots=True)
class Refused:
    """A file that was not taken, and why."""

    source_key: str
    error: SeogoError


class Intake:
    """Accepts, retries, cancels and deletes documents. Every method takes the permit that the policy gave for just that."""

    def __init__(
        self, database: Database, blobs: BlobStore, jobs: IngestJobs, give_way: Callable[[], None] = go_on
    ) -> None:
        """Prepare.

        Args:
            give_way: called between two files that nobody waits for; waits a moment while somebody's question is answered.
        """
        self._database = database
        self._blobs = blobs
        self._jobs = jobs
        self._give_way = give_way

    def take(
        self, permit: Permit, files: Sequence[Received], priority: Priority | None = None
    ) -> list[Accepted | Refused]:
        """Record files for the one collection of the permit; ingestion follows.

        When one can't be recorded, those after it are dropped: the error says that, and nobody would take them up.

        Args:
            priority: the lane; none chooses by the size of the upload.
        """
        (collection_id,) = permit.collections
        lane = priority or _lane_of(files)
        taken: list[Accepted | Refused] = []
        try:
            patient_until = time.monotonic() + _PATIENCE_S
            for item in files:
                if lane is not Priority.INTERACTIVE and time.monotonic() < patient_until:
                    self._give_way()
                taken.append(self._take_one(permit, collection_id, item, lane))
        except BaseException:
            self._drop([item.blob for item in files[len(taken) :] if item.blob is not None])
            raise
        finally:
            self._jobs.wake()
        for accepted in taken:
            if isinstance(accepted, Accepted) and accepted.relabel:
                self._jobs.upkeep.relabel(accepted.document_id)
        return taken

    def discard(self, blobs: Sequence[BlobRef]) -> None:
        """Remove originals of an upload that failed half way, as far as no document needs them.

        Where their storage is away they stay until they are swept: that the upload failed is what its sender has to be told.
        """
        try:
            for blob in [blob for blob in blobs if not self._blobs.let_go(blob)]:
                drop_original(self._database, self._blobs, blob.content_hash)
        except BlobsUnavailable:
            log.warning(
                "%d originals of an upload that failed are left to the sweep: their storage is away", len(blobs)
            )

    def delete(self, permit: Permit, document_id: UUID) -> DeletionReceipt:
        """Delete a document: hidden at once, purged in the background. Returns the receipt, still open.

        Raises:
            DocumentNotFound: the permit does not cover it.
        """
        receipt = hide_document(self._database, permit, document_id)
        self._jobs.upkeep.purge(document_id)
        reached("delete.queued", document_id)
        return receipt

    def delete_items(
        self, permit: Permit, source_id: UUID, keys: Sequence[str], documents: Sequence[UUID] = ()
    ) -> list[DeletionReceipt]:
        """Delete the documents of items that their source has no longer, by key or id; unknown ones are left out.

        Raises:
            NotFound: the permit does not cover the source.
        """
        receipts = hide_items(self._database, permit, source_id, keys, documents)
        self._jobs.upkeep.purge_many([item.document_id for item in receipts if item.document_id is not None])
        reached("items.queued", source_id)
        return receipts

    def change_attributes(
        self, permit: Permit, document_id: UUID, changes: Mapping[str, AttributeValue | None]
    ) -> None:
        """Set attributes of a document and of what lies in it; None removes one. Filters know it a moment later.

        Raises:
            DocumentNotFound: the permit does not cover it.
            InvalidRequest: it would have too many.
        """
        with self._database.write() as session:
            row = document.get_permitted(session, permit, document_id)
            session.refresh(row, with_for_update=True)
            merged = {**attribute.of_documents(session, [row.id]).get(row.id, {}), **changes}
            kept = {name: value for name, value in merged.items() if value is not None}
            if len(kept) > MAX_ATTRIBUTES:
                raise InvalidRequest(
                    detail=f"attributes: {len(kept)} in all, {MAX_ATTRIBUTES} allowed",
                    detail_ko=f"attributes: 모두 {len(kept)}개입니다. {MAX_ATTRIBUTES}개까지 됩니다",
                )
            pending = change_attributes(session, row, kept)
        if pending:
            self._jobs.upkeep.relabel(document_id)

    def delete_collection(self, permit: Permit) -> DeletionReceipt:
        """Delete the one collection of the permit with all its documents, likewise.

        Raises:
            CollectionNotFound: somebody else has just deleted it.
        """
        receipt = hide_collection(self._database, permit)
        self._jobs.upkeep.delete_collection(receipt.collection_id)
        reached("collection.queued", receipt.collection_id)
        return receipt

    def retry(self, permit: Permit, document_id: UUID) -> None:
        """Try the newest version again, which failed, was set aside or was cancelled; one that was read in part is read anew.

        Raises:
            DocumentNotFound: the permit does not cover it.
            NothingToRetry: nothing of that is so.
        """
        with self._database.write() as session:
            row = document.get_permitted(session, permit, document_id)
            newest = _newest(row, session.get(DocumentVersion, row.latest_version_id))
            retried = queue.retry(session, newest, Priority.INTERACTIVE)
            if not retried and not read_again(session, newest, Priority.BULK):
                raise NothingToRetry(name=_name(session, permit, row))
        reached("retry.row_committed", document_id)
        self._jobs.wake()

    def release(self, permit: Permit, document_id: UUID, reason: str) -> None:
        """Let a document be searched that is held back for personal data; who did it, when and why stays on record.

        Raises:
            DocumentNotFound: the permit does not cover it.
            NothingToRelease: it is not held back.
        """
        with self._database.write() as session:
            privacy.release(session, permit, document_id, reason)
        self._jobs.wake()

    def retry_all(self, permit: Permit, states: Sequence[VersionState], *, in_part: bool = False) -> int:
        """Try everything in the permit's collections again that ended in one of `states`; returns how many.

        Args:
            in_part: what answers, but was read only in part, is read anew too.
        """
        total = 0
        for collection_id in sorted(permit.collections):
            where: dict[str, Any] = {"collection_id": collection_id, "limit": _RETRIED_TOGETHER, "permit": permit}
            if states:
                total += self._until_few_are_left(partial(queue.retry_all, states=states, **where))
            if in_part:
                total += self._until_few_are_left(partial(read_all_again, **where))
        self._jobs.wake()
        return total

    def _until_few_are_left(self, some: Callable[[Session], int]) -> int:
        """Call `some` in transactions of its own until it finds few; returns how many it found in all."""
        total = 0
        while True:
            with self._database.write() as session:
                found = some(session)
            total += found
            if found < _RETRIED_TOGETHER:
                return total

    def cancel(self, permit: Permit, document_id: UUID) -> None:
        """Stop the ingestion of the newest version, and of the files that it brought; the one before it goes on answering.

        Raises:
            DocumentNotFound: the permit does not cover it.
            NothingToCancel: its ingestion has ended.
        """
        with self._database.write() as session:
            row = document.get_permitted(session, permit, document_id)
            newest = _newest(row, session.get(DocumentVersion, row.latest_version_id))
            if not queue.cancel(session, newest):
                raise NothingToCancel(name=_name(session, permit, row))
            queue.cancel_brought(session, newest)
        reached("cancel.row_committed", document_id)
        if not newest.job_id and newest.cleaned_at is None:
            self._jobs.submit_purge(document_id)  # it waited for its next try; the job of the one before is over

    def cancel_waiting(self, permit: Permit) -> int:
        """Cancel everything in the permit's collections that no job has taken up; returns how many."""
        with self._database.write() as session:
            return queue.cancel_waiting(session, permit)

    def pause(self, permit: Permit, *, whole_tenant: bool = False) -> None:
        """Begin no new ingestion in the permit's collections, or in any of its tenant; what is in work is finished."""
        with self._database.write() as session:
            collection.set_paused(session, permit, paused=True, whole_tenant=whole_tenant)

    def resume(self, permit: Permit, *, whole_tenant: bool = False) -> None:
        """End the pause of the permit's collections, or that of its tenant."""
        with self._database.write() as session:
            collection.set_paused(session, permit, paused=False, whole_tenant=whole_tenant)
        self._jobs.wake()

    def _drop(self, blobs: Sequence[BlobRef]) -> None:
        try:
            self.discard(blobs)
        except Exception:  # a part of the service that is away: the sweeps find them later
            log.warning("%d originals of an upload that failed could not be removed", len(blobs), exc_info=True)

    def _take_one(self, permit: Permit, collection_id: UUID, item: Received, lane: Priority) -> Accepted | Refused:
        if item.error is not None or item.blob is None:
            return Refused(item.name, item.error or SeogoError())
        try:
            return accept(
                self._database,
                self._blobs,
                permit.tenant_id,
                collection_id,
                item.name,
                item.blob,
                priority=lane,
                details=item.details,
                permit=permit,
            )
        except (InputError, NotPermitted) as error:  # its name is taken, or the rule that came with it is refused
            self.discard([item.blob])
            return Refused(item.name, error)


def _lane_of(files: Sequence[Received]) -> Priority:
    size = sum(item.blob.size for item in files if item.blob is not None)
    return Priority.INTERACTIVE if len(files) <= INTERACTIVE_FILES and size <= INTERACTIVE_BYTES else Priority.BULK


def _name(session: Session, permit: Permit, row: Document) -> str:
    """What a document is called, as whoever asks may see it."""
    return names_masked(session, permit, [(row.collection_id, row.source_key)])[0]


def _newest(row: Document, version: DocumentVersion | None) -> DocumentVersion:
    if version is None:
        raise DocumentNotFound(name=str(row.id))
    return version
