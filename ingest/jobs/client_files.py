"""Files of clients of the OpenAI surface: kept by themselves, put into collections as documents, taken out again."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from uuid import UUID, uuid4

from sqlalchemy import select
from sqlalchemy.orm import Session

from ingest.connectors.upload import Details, Received
from ingest.jobs.intake import Intake, Refused
from ingest.pipeline.maintenance import drop_original
from rag.blobs.store import BlobRef, BlobStore
from rag.domain.document import document_id
from rag.domain.errors import NameTaken, NothingToCancel, StoreUnavailable
from rag.domain.filters import AttributeValue
from rag.domain.principal import Permit
from rag.store import client_file, lifecycle, version
from rag.store.base import utc_now
from rag.store.client_file import ClientFile, FileBatch, KnownFile, StoredFile
from rag.store.collection import Collection
from rag.store.document import Document
from rag.store.session import Database

_SAME_NAMES = 1000
"""Files of one name in a collection; beyond that the name counts as taken."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """A file that is to be put into a collection. `attributes`: None leaves those that its document has."""

    file: KnownFile
    attributes: Mapping[str, AttributeValue] | None = None


@dataclass(frozen=True, slots=True)
class Placed:
    """What became of it: the document that it is, or the code of the error that refused it."""

    file_id: UUID
    document_id: UUID | None
    error: str = ""


class ClientFiles:
    """Keeps, places and removes clients' files. Every method takes the permit that the policy gave for just that."""

    def __init__(self, database: Database, blobs: BlobStore, intake: Intake) -> None:
        self._database = database
        self._blobs = blobs
        self._intake = intake

    def keep(self, permit: Permit, name: str, blob: BlobRef, purpose: str) -> KnownFile:
        """Record a received original as a file of the permit's principal.

        Raises:
            StoreUnavailable: the original is not held, and was purged by a deletion just now; uploading again helps.
        """
        row = ClientFile(
            id=uuid4(),
            tenant_id=permit.tenant_id,
            owner_id=permit.principal.id,
            filename=name,
            purpose=purpose,
            content_hash=blob.content_hash,
            size=blob.size,
            created_at=utc_now(),
        )
        with self._database.write() as session:
            lifecycle.lock_contents(session, [blob.content_hash])
            if not self._blobs.settle(blob):
                raise StoreUnavailable
            session.add(row)
        return KnownFile(row.id, row.created_at, name, blob.size, purpose, blob.content_hash, None)

    def place(self, permit: Permit, wanted: Sequence[Wanted]) -> list[Placed]:
        """Put files into the one collection of the permit; ingestion follows. Doing so again changes their attributes only.

        Two files of one name stay two documents: the name of the second gets a number.
        """
        keys = [self._key_in(permit, item.file) for item in wanted]
        received = [
            Received(
                key or item.file.filename,
                BlobRef(item.file.content_hash, item.file.size),
                NameTaken(name=item.file.filename) if key is None else None,
                Details(item.attributes),
            )
            for item, key in zip(wanted, keys, strict=True)
        ]
        taken = self._intake.take(permit, received)
        return [
            Placed(item.file.id, None, result.error.code)
            if isinstance(result, Refused)
            else Placed(item.file.id, result.document_id)
            for item, result in zip(wanted, taken, strict=True)
        ]

    def place_batch(self, permit: Permit, wanted: Sequence[Wanted]) -> FileBatch:
        """Put files into the one collection of the permit, and remember them as a batch."""
        placed = self.place(permit, wanted)
        (collection_id,) = permit.collections
        row = FileBatch(
            id=uuid4(),
            tenant_id=permit.tenant_id,
            collection_id=collection_id,
            entries=[
                {"file": item.file_id.hex, "error": item.error}
                if item.document_id is None
                else {"file": item.file_id.hex, "document": item.document_id.hex}
                for item in placed
            ],
            created_at=utc_now(),
        )
        with self._database.write() as session:
            session.add(row)
        return row

    def cancel(self, permit: Permit, document_ids: Sequence[UUID], batch_id: UUID) -> None:
        """Stop the ingestion of what has not ended of a batch."""
        for identity in document_ids:
            try:
                self._intake.cancel(permit, identity)
            except NothingToCancel:  # it ended a moment ago
                continue
        with self._database.write() as session:
            row = session.get_one(FileBatch, batch_id)
            row.cancelled_at = row.cancelled_at or utc_now()

    def delete(self, permit: Permit, file: KnownFile) -> None:
        """Remove a file, and the documents that it is in collections of the permit; others go on by themselves."""
        with self._database.read() as session:
            documents = [item.document_id for item in client_file.links_of(session, permit, file.id)]
        if file.document_id is not None:
            documents.append(file.document_id)
        for identity in documents:
            self._intake.delete(permit, identity)
        with self._database.write() as session:
            row = session.get(ClientFile, file.id)
            # To others who may see it only its documents here are theirs: the owner's file stays, as in other collections.
            whole = permit.principal.whole_tenant
            if row is not None and (whole or row.owner_id == permit.principal.id):
                session.delete(row)
        drop_original(self._database, self._blobs, file.content_hash)

    def _key_in(self, permit: Permit, file: KnownFile) -> str | None:
        """The key of the file's document in the permit's collection, held for it from now on; None where all are taken."""
        (collection_id,) = permit.collections
        with self._database.write() as session:
            return _reserve(session, permit, collection_id, file)


def _reserve(session: Session, permit: Permit, collection_id: UUID, file: KnownFile) -> str | None:
    # One after the other in a collection: of two of one name at once, the second has to find what the first holds.
    session.get(Collection, collection_id, with_for_update={"key_share": True})
    if file.document_id is not None:
        row = session.get(Document, file.document_id)
        if row is not None and row.collection_id == collection_id:
            return row.source_key
    held = session.scalar(
        select(StoredFile).where(StoredFile.file_id == file.id, StoredFile.collection_id == collection_id)
    )
    if held is not None:
        row = session.get(Document, held.document_id)
        if row is not None:
            return row.source_key
        session.delete(held)  # a crash came between the name and its document
        session.flush()
    for key in _names(file.filename):
        identity = document_id(collection_id, key)
        link, row = session.get(StoredFile, identity), session.get(Document, identity)
        if file.document_id is not None and row is not None and _is_copy(session, row, file):
            return key  # what came in by another door was put in here before
        free = row is None or (row.deleted_at is not None and row.parent_document_id is None)
        if not free or (row is None and link is not None):
            continue
        if link is not None:  # what another file was in here before it was deleted
            session.delete(link)
            session.flush()
        if file.document_id is None:
            session.add(
                StoredFile(
                    document_id=identity, file_id=file.id, tenant_id=permit.tenant_id, collection_id=collection_id
                )
            )
        return key
    return None


def _is_copy(session: Session, row: Document, file: KnownFile) -> bool:
    """Whether a document's latest version is the file's very content."""
    versions = version.of_document(session, row.id)
    newest = max(versions, key=lambda item: item.number, default=None)
    return row.deleted_at is None and newest is not None and newest.content_hash == file.content_hash


def _names(filename: str) -> Iterator[str]:
    """`규정.md`, `규정 (2).md`, `규정 (3).md` …"""
    yield filename
    path = PurePosixPath(filename)
    for number in range(2, _SAME_NAMES + 1):
        yield str(path.with_name(f"{path.stem} ({number}){path.suffix}"))
