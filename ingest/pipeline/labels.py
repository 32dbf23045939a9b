"""Keeping the index's copy of what filters ask for, and of validity, equal to the record."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from uuid import UUID

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from rag.domain.document import Chunk
from rag.domain.filters import document_labels
from rag.index.base import Retirement
from rag.index.in_step import IndexWriter
from rag.retrieval.spaces import LiveSpace
from rag.store import attribute, family, lifecycle
from rag.store import chunk as chunks_table
from rag.store.document import Document
from rag.store.session import Database
from rag.store.version import DocumentVersion, VersionState

_CARRIES_POINTS = (VersionState.RUNNING, VersionState.ACTIVE, VersionState.RETIRED)


def labels_of(session: Session, version: DocumentVersion) -> tuple[str, ...]:
    """The labels of a version's points, as the record has them now."""
    document = session.get_one(Document, version.document_id)
    return _labels(session, document, version)


def _labels(session: Session, document: Document, version: DocumentVersion) -> tuple[str, ...]:
    attributes = attribute.of_documents(session, [document.id]).get(document.id, {})
    return document_labels(
        attributes, version.media_type, document.created_at, document.authored_at, document.revised_at
    )


def settle_written(database: Database, index: IndexWriter, version: DocumentVersion, written: Sequence[str]) -> None:
    """After points were written with the labels `written`: what changed on record meanwhile is made good.

    The record is read after the write. A deletion or a change of attributes that commits later than this look has its
    own job, which then finds the points.
    """
    with database.read() as session:
        now = session.get_one(DocumentVersion, version.id)
        labels = labels_of(session, now)
    if now.state == VersionState.DELETED:
        index.delete_versions([version.id])
    elif labels != tuple(written):
        index.relabel(version.id, labels)


Write = Callable[[LiveSpace, DocumentVersion, Sequence[Chunk], tuple[str, ...]], None]


def write_settled(database: Database, target: LiveSpace, version: DocumentVersion, write: Write) -> None:
    """Write a version that answers, or once did, to one space; then make good what changed on record meanwhile.

    What commits after the second look reaches the space by itself: it is in step.
    """
    with database.read() as session:
        chunks = chunks_table.of_version(session, version.id)
        labels = labels_of(session, version)
    write(target, version, chunks, labels)
    with database.read() as session:
        now = session.get_one(DocumentVersion, version.id)
        wanted = not lifecycle.not_in_index_among(session, [version.id])
        labels_now = labels_of(session, now)
    if not wanted:
        target.index.delete_versions([version.id])
        return
    if now.state == VersionState.RETIRED:
        target.index.retire([_retirement(now)])
    if labels_now != labels:
        target.index.relabel(version.id, labels_now)


def settle_siblings(database: Database, index: IndexWriter, version_ids: Sequence[UUID]) -> None:
    """Take from the present index whatever no longer answers beside these versions: into its archive, or away.

    What has to move is read from the record, not remembered: a crash in between is made good by the replay.
    """
    with database.read() as session:
        replaced = lifecycle.not_active_siblings(session, version_ids)
        archived = lifecycle.archived_among(session, replaced)
        unwanted = lifecycle.not_in_index_among(session, replaced)
        documents = select(DocumentVersion.document_id).where(DocumentVersion.id.in_(version_ids))
        pending = session.scalars(select(Document.id).where(Document.id.in_(documents), Document.labels_pending)).all()
    index.retire([_retirement(item) for item in archived])
    if unwanted:
        index.delete_versions(unwanted)
    for document_id in pending:
        relabel_document(database, index, document_id)


def _retirement(version: DocumentVersion) -> Retirement:
    if version.valid_from is None or version.valid_to is None:
        raise ValueError("a version without validity is no part of the archive")
    return Retirement(version.id, version.tenant_id, version.collection_id, version.valid_from, version.valid_to)


def relabel_document(database: Database, index: IndexWriter, document_id: UUID) -> None:
    """Bring the labels of all points of a document to what the record says, archived ones among them."""
    while True:
        with database.read() as session:
            wanted = _labels_by_version(session, document_id)
        for version_id, labels in wanted.items():
            index.relabel(version_id, labels)
        with database.write() as session:
            if _labels_by_version(session, document_id) == wanted:
                session.execute(update(Document).where(Document.id == document_id).values(labels_pending=False))
                return


def relabel_family(database: Database, index: IndexWriter, document_id: UUID) -> None:
    """`relabel_document` for a document, and for those inside it whose points may not know their labels yet."""
    relabel_document(database, index, document_id)
    with database.read() as session:
        pending = family.pending_below(session, document_id)
    for child in pending:
        relabel_document(database, index, child)


def _labels_by_version(session: Session, document_id: UUID) -> dict[UUID, tuple[str, ...]]:
    document = session.get(Document, document_id, populate_existing=True, with_for_update=True)
    if document is None:
        return {}
    query = select(DocumentVersion).where(
        DocumentVersion.document_id == document_id, DocumentVersion.state.in_(_CARRIES_POINTS)
    )
    return {version.id: _labels(session, document, version) for version in session.scalars(query)}
