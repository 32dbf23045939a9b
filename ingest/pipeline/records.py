"""Accepting uploads: from a stored blob to a queued version, in one transaction."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from enum import StrEnum
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from ingest.connectors.upload import Details
from ingest.pipeline.custom_attributes import change_attributes, take_over
from ingest.pipeline.fault_points import reached
from rag.access import rules
from rag.blobs.store import BlobRef, BlobStore
from rag.domain.document import document_id, version_id
from rag.domain.errors import CollectionNotFound, InvalidRequest, NameTaken, StoreUnavailable
from rag.domain.principal import Permit
from rag.store import access_rule, lifecycle, queue
from rag.store.base import utc_now
from rag.store.collection import Collection
from rag.store.document import Document
from rag.store.session import Database
from rag.store.version import DocumentVersion, Priority, VersionState
from rag.text.invisible import visible

INTERACTIVE_FILES = 10
INTERACTIVE_BYTES = 20 << 20
"""An upload of so few files, so small together, is taken for somebody who waits for it."""
_MAX_KEY_BYTES = 2000
"""In UTF-8. PostgreSQL's index on the key takes 2,704 bytes at most."""
_INVISIBLE = {"Cc", "Cf", "Cs", "Cn", "Zl", "Zp"}
_FILLERS = frozenset("\u115f\u1160\u3164\uffa0")
"""Hangul letters that show nothing."""
_TRIES = 3
_NO_DETAILS = Details()


class Outcome(StrEnum):
    """What became of an upload at the door."""

    CREATED = "created"
    NEW_VERSION = "new_version"
    UNCHANGED = "unchanged"
    RETRIED = "retried"


@dataclass(frozen=True, slots=True)
class Accepted:
    """An upload that is on record. `relabel`: its points in the index have to learn of other attributes, or of another rule."""

    document_id: UUID
    version_id: UUID
    number: int
    source_key: str
    outcome: Outcome
    relabel: bool = False

    @property
    def queued(self) -> bool:
        """Whether ingestion has to run for it."""
        return self.outcome is not Outcome.UNCHANGED

    def moved(self, *, relabel: bool) -> Accepted:
        """The same, whose points have to learn of something if `relabel` says so."""
        settled = relabel or self.relabel
        return Accepted(self.document_id, self.version_id, self.number, self.source_key, self.outcome, settled)


def clean_source_key(name: str) -> str:
    """The name under which a document is kept. It is a label, never a path: NFC, forward slashes, nothing invisible.

    Raises:
        InvalidRequest: nothing is left, or it is too long.
    """
    if name.isascii() and name.isprintable():
        text = name.replace("\\", "/")
    else:
        shown = "".join(c for c in name if unicodedata.category(c) not in _INVISIBLE and c not in _FILLERS)
        text = unicodedata.normalize("NFC", visible(shown)).replace("\\", "/")
    key = "/".join(part for part in (raw.strip() for raw in text.split("/")) if part not in ("", ".", ".."))
    size = len(key.encode())
    if not 0 < size <= _MAX_KEY_BYTES:
        raise InvalidRequest(
            detail=f"file name of {size} bytes (1 to {_MAX_KEY_BYTES} allowed)",
            detail_ko=f"파일 이름이 {size}바이트입니다(1~{_MAX_KEY_BYTES}바이트까지 됩니다)",
        )
    return key


def accept(
    database: Database,
    blobs: BlobStore,
    tenant_id: UUID,
    collection_id: UUID,
    source_key: str,
    blob: BlobRef,
    job_id: str = "",
    priority: Priority = Priority.BULK,
    details: Details = _NO_DETAILS,
    permit: Permit | None = None,
) -> Accepted:
    """Record an upload. The content of the latest version again is `UNCHANGED`, or `RETRIED` when that one failed.

    Args:
        job_id: job that ingests it; empty lets it wait for one.
        details: what is said beside the content; it counts in either case.
        permit: of whoever uploads, who owns what is new; needed where `details` say who may read.

    Raises:
        NameTaken: a file inside another document has this key, or a document that the permit does not cover.
        NotPermitted, InvalidRequest, WouldLockOut, TooManyRules: the rule that `details` hold is refused.
        StoreUnavailable: the original is not held, and was purged by a deletion just now; uploading again helps.
        CollectionNotFound: the collection was deleted just now.
    """
    for attempt in range(1, _TRIES + 1):
        try:
            with database.write() as session:
                lifecycle.lock_contents(session, [blob.content_hash])
                _require_collection(session, collection_id)
                document = _document(session, tenant_id, collection_id, source_key, permit=permit)
                moved = _ruled(session, permit, document, details)
                taken = _repeat(session, document, blob, job_id, priority)
                taken = taken or new_version(session, document, blob, job_id, priority)
                taken = _described(session, document, taken, details)
                taken = taken.moved(relabel=moved)
                session.flush()
                # Last: a second try would find nothing held, and a purge may have come between the two.
                if not blobs.settle(blob):
                    raise StoreUnavailable
                reached("intake.row_written", taken.version_id)
            reached("intake.row_committed", taken.version_id)
            return taken
        except IntegrityError:  # two first uploads of one document at once: the second finds the first's row
            if attempt == _TRIES:
                raise
    raise AssertionError("unreachable")


def _ruled(session: Session, permit: Permit | None, document: Document, details: Details) -> bool:
    """Put the rule that came with a file on its document; returns whether points have to follow."""
    fresh = details.default_access if document.latest_version_id is None else None
    given = details.access or fresh
    if permit is None or given is None:
        return False
    return bool(rules.set_at_upload(session, permit, document, given))


def _require_collection(session: Session, collection_id: UUID) -> None:
    """Held until commit, so that a deletion of the collection sees this document or this upload sees the deletion."""
    row = session.get(Collection, collection_id, with_for_update={"read": True}, populate_existing=True)
    if row is None or row.deleted_at is not None:
        raise CollectionNotFound(name=str(collection_id))


def accept_child(
    session: Session,
    parent: Document,
    parent_version_id: UUID,
    source_key: str,
    blob: BlobRef,
    job_id: str,
    priority: Priority,
) -> Accepted | None:
    """Record a file found inside a version of `parent`; None when the key belongs to a document from elsewhere.

    It waits under the name `job_id`, which no job has, until its original is stored and it is released. What this version
    brought before and somebody deleted since stays deleted when the step is repeated.
    """
    known = session.get(Document, document_id(parent.collection_id, source_key), with_for_update=True)
    if known is not None and known.parent_document_id != parent.id:
        return None
    document = known or _document(session, parent.tenant_id, parent.collection_id, source_key, parent)
    accepted = _repeat(session, document, blob, job_id, priority)
    if accepted is None and document.parent_version_id == parent_version_id and document.latest_version_id is not None:
        version = session.get_one(DocumentVersion, document.latest_version_id)
        if version.content_hash == blob.content_hash:
            accepted = Accepted(document.id, version.id, version.number, source_key, Outcome.UNCHANGED)
    document.parent_version_id = parent_version_id
    accepted = accepted or new_version(session, document, blob, job_id, priority)
    if accepted.queued:
        session.flush()
        session.get_one(DocumentVersion, accepted.version_id).claimed_at = utc_now()
    if document.deleted_at is None:
        take_over(session, document, parent.id)
    return accepted


def _document(
    session: Session,
    tenant_id: UUID,
    collection_id: UUID,
    source_key: str,
    parent: Document | None = None,
    permit: Permit | None = None,
) -> Document:
    doc_id = document_id(collection_id, source_key)
    document = session.get(Document, doc_id, with_for_update=True)
    parent_id = None if parent is None else parent.id
    if document is None:
        owner = permit.principal.id if permit is not None else None
        document = Document(
            id=doc_id,
            tenant_id=tenant_id,
            collection_id=collection_id,
            source_key=source_key,
            parent_document_id=parent_id,
            owner_id=owner if parent is None else parent.owner_id,
        )
        session.add(document)
        access_rule.settle_new(session, document)
    elif document.parent_document_id != parent_id:
        raise NameTaken(name=source_key)
    elif permit is not None:
        rules.require_writable(permit, document)
    return document


def _described(session: Session, document: Document, taken: Accepted, details: Details) -> Accepted:
    """Note what is said about the file."""
    session.flush()
    if details.source_url:
        document.source_url = details.source_url
        session.get_one(DocumentVersion, taken.version_id).fetched_at = details.fetched_at
    if details.commit and taken.outcome in (Outcome.CREATED, Outcome.NEW_VERSION):
        session.get_one(DocumentVersion, taken.version_id).commit = details.commit
    if details.attributes is None:
        return taken
    return taken.moved(relabel=change_attributes(session, document, details.attributes))


def _repeat(session: Session, document: Document, blob: BlobRef, job_id: str, priority: Priority) -> Accepted | None:
    latest = session.get(DocumentVersion, document.latest_version_id) if document.latest_version_id else None
    if latest is None or latest.content_hash != blob.content_hash or document.deleted_at is not None:
        return None
    # It had vanished from its container and is back, whether or not retention has removed that version since.
    if latest.state in (VersionState.RETIRED, VersionState.DELETED):
        return None
    outcome = Outcome.UNCHANGED
    if queue.retry(session, latest, priority):
        latest.job_id = job_id
        outcome = Outcome.RETRIED
    return Accepted(document.id, latest.id, latest.number, document.source_key, outcome)


def new_version(session: Session, document: Document, blob: BlobRef, job_id: str, priority: Priority) -> Accepted:
    """The next version of a document, which is locked, with this original; it waits for `job_id`, or for any job."""
    taken = session.scalar(select(func.max(DocumentVersion.number)).where(DocumentVersion.document_id == document.id))
    number = (taken or 0) + 1
    version = DocumentVersion(
        id=version_id(document.id, number, blob.content_hash),
        tenant_id=document.tenant_id,
        collection_id=document.collection_id,
        document_id=document.id,
        number=number,
        content_hash=blob.content_hash,
        size=blob.size,
        filename=document.source_key.rsplit("/", 1)[-1],
        job_id=job_id,
        priority=priority,
    )
    session.add(version)
    document.latest_version_id = version.id
    document.deleted_at, document.purged_at = None, None
    outcome = Outcome.CREATED if number == 1 else Outcome.NEW_VERSION
    return Accepted(document.id, version.id, number, document.source_key, outcome)
