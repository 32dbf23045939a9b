"""Documents that answer though they were read only in part, for want of time or of Tesseract: reading them once more.

The original is queued again as a new version. What was read so far answers until that one does, and stays if it fails. What a
curator decided about it goes with it, for as much as the curator was shown: where the pages that are read now hold more, it is
asked about anew (`privacy.examine`, `review.note_score`), and so is another original.
"""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import Text, or_, select
from sqlalchemy.orm import Session

from ingest.pipeline.records import new_version
from rag.blobs.store import BlobRef
from rag.domain.personal_data import record_from_json
from rag.domain.principal import Permit
from rag.store.document import Document, visible
from rag.store.version import DocumentVersion, Priority, VersionState

MENDABLE = ("ocr_out_of_time", "ocr_unavailable")
"""Warnings of pages that another reading may get: on a quieter machine, or once Tesseract is installed. Pages without text are
not among them: a blank one stays blank however often it is read."""

_V = DocumentVersion


def was_read_in_part(version: DocumentVersion) -> bool:
    """Whether a version answers and says that pages of it were not read."""
    said = {str(warning).partition(":")[0] for warning in version.warnings}
    return version.state == VersionState.ACTIVE and not said.isdisjoint(MENDABLE)


def read_again(session: Session, version: DocumentVersion, priority: Priority) -> bool:
    """Queue the original of a document's newest version as another version; False where nothing was left out of it."""
    document = session.get_one(Document, version.document_id, with_for_update=True, populate_existing=True)
    session.refresh(version, with_for_update=True)
    newest = document.latest_version_id == version.id and document.deleted_at is None
    if not newest or not was_read_in_part(version):
        return False
    taken = new_version(session, document, BlobRef(version.content_hash, version.size), "", priority)
    session.flush()
    again = session.get_one(DocumentVersion, taken.version_id)
    again.commit, again.fetched_at = version.commit, version.fetched_at
    _decided(version, again)
    return True


def _decided(before: DocumentVersion, again: DocumentVersion) -> None:
    """Hand on what was released and cleared, with what was known then; the text itself is looked through like any other."""
    record = record_from_json(before.personal_data)
    if record is not None and record.release is not None:
        again.personal_data = before.personal_data
    again.reviewed_at, again.reviewed_by = before.reviewed_at, before.reviewed_by
    again.review_reason = before.review_reason
    again.injection_score, again.injection_signs = before.injection_score, before.injection_signs


def read_all_again(session: Session, collection_id: UUID, limit: int, permit: Permit) -> int:
    """`read_again` for the documents of a collection that the permit covers, at most `limit`; returns how many."""
    said = _V.warnings.cast(Text)
    query = (
        select(_V)
        .join(Document, Document.latest_version_id == _V.id)
        .where(_V.collection_id == collection_id, _V.state == VersionState.ACTIVE, *visible(permit))
        .where(or_(*(said.contains(f'"{code}') for code in MENDABLE)))
        .order_by(_V.created_at)
        .limit(limit)
    )
    return sum(read_again(session, version, Priority.BULK) for version in session.scalars(query).all())
