"""Keeping the index's copy of what filters ask for, of who may read, and of validity, equal to the record."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from uuid import UUID

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from ingest.pipeline.chunks_to_index import ChunksToIndex
from ingest.pipeline.metadata import own_dates, own_words
from rag.domain.errors import IndexWriteMismatch
from rag.domain.filters import AttributeValue, document_labels
from rag.index.base import Placement, PointTags, Retirement
from rag.index.in_step import IndexWriter
from rag.retrieval.spaces import LiveSpace
from rag.store import attribute, family, lifecycle
from rag.store.document import Document
from rag.store.session import Database
from rag.store.version import UNFINISHED, DocumentVersion, VersionState

_CARRIES_POINTS = (VersionState.RUNNING, VersionState.ACTIVE, VersionState.RETIRED)


def tags_of(session: Session, version: DocumentVersion) -> PointTags:
    """What a version's points carry, as the record has it now."""
    document = session.get_one(Document, version.document_id)
    return _tags(session, document, version)


def tags_of_many(session: Session, versions: Sequence[DocumentVersion]) -> dict[UUID, PointTags]:
    """`tags_of` by version."""
    ids = [version.document_id for version in versions]
    documents = {row.id: row for row in session.scalars(select(Document).where(Document.id.in_(ids)))}
    attributes = attribute.of_documents(session, ids)
    return {
        item.id: _made(documents[item.document_id], item, attributes.get(item.document_id, {})) for item in versions
    }


def _tags(session: Session, document: Document, version: DocumentVersion) -> PointTags:
    return _made(document, version, attribute.of_documents(session, [document.id]).get(document.id, {}))


def _made(document: Document, version: DocumentVersion, attributes: Mapping[str, AttributeValue]) -> PointTags:
    dates = document.authored_at, document.revised_at
    if version.state in UNFINISHED and (said := own_words(version)) is not None:
        dates = own_dates(said)  # its document has another version's until this one answers
    labels = document_labels(attributes, version.media_type, document.created_at, *dates)
    return PointTags(labels, document.access_rule_id)


def settle_written(database: Database, index: IndexWriter, version: DocumentVersion, written: PointTags) -> None:
    """After points were written with the tags `written`: what changed on record meanwhile is made good.

    The record is read after the write. A deletion, or a change of attributes or of who may read, that commits later than this
    look has its own job, which then finds the points.
    """
    with database.read() as session:
        now = session.get_one(DocumentVersion, version.id)
        tags = tags_of(session, now)
    if now.state == VersionState.DELETED:
        index.delete_versions([version.id])
    elif tags != written:
        _tag(index, now, tags)


def _tag(index: IndexWriter, version: DocumentVersion, tags: PointTags) -> None:
    """Bring what a version's points carry to `tags`."""
    index.relabel(version.id, tags.labels)
    archived = version.state == VersionState.RETIRED
    index.place(Placement(version.id, version.tenant_id, version.collection_id, tags.access, archived))


Write = Callable[[LiveSpace, DocumentVersion, ChunksToIndex, PointTags], None]


def write_settled(database: Database, target: LiveSpace, version: DocumentVersion, write: Write) -> None:
    """Write a version that answers, or once did, to one space; then make good what changed on record meanwhile.

    What commits after the second look reaches the space by itself: it is in step.

    Raises:
        IndexWriteMismatch: the engine holds fewer or more points than the version has, which is still wanted.
    """
    with database.read() as session:
        tags = tags_of(session, version)
    chunks = ChunksToIndex(database, version.id)
    missed: IndexWriteMismatch | None = None
    try:
        write(target, version, chunks, tags)
    except IndexWriteMismatch as error:
        missed = error
    with database.read() as session:
        now = session.get_one(DocumentVersion, version.id)
        wanted = not lifecycle.not_in_index_among(session, [version.id])
        tags_now = tags_of(session, now)
    if not wanted:
        target.index.delete_versions([version.id])
        return
    if missed is not None:
        raise missed
    if now.state == VersionState.RETIRED:
        target.index.retire([_retirement(now, tags_now.access)])
    if tags_now != tags:
        _tag(target.index, now, tags_now)


def settle_siblings(database: Database, index: IndexWriter, version_ids: Sequence[UUID]) -> None:
    """Take from the present index whatever no longer answers beside these versions: into its archive, or away.

    What has to move is read from the record, not remembered: a crash in between is made good by the replay.
    """
    with database.read() as session:
        replaced = lifecycle.not_active_siblings(session, version_ids)
        archived = _retirements(session, replaced)
        unwanted = lifecycle.not_in_index_among(session, replaced)
        documents = select(DocumentVersion.document_id).where(DocumentVersion.id.in_(version_ids))
        pending = session.scalars(select(Document.id).where(Document.id.in_(documents), Document.labels_pending)).all()
    _retire(database, index, archived)
    if unwanted:
        index.delete_versions(unwanted)
    for document_id in pending:
        relabel_document(database, index, document_id)


def _retire(database: Database, index: IndexWriter, wanted: Sequence[Retirement]) -> None:
    """Move versions into the archive, under the rule that the record has when the move is done."""
    while wanted:
        index.retire(wanted)
        with database.read() as session:
            now = _retirements(session, [item.version_id for item in wanted])
        wanted = [item for item in now if item not in wanted]


def _retirements(session: Session, version_ids: Sequence[UUID]) -> list[Retirement]:
    versions = lifecycle.archived_among(session, version_ids)
    query = select(Document.id, Document.access_rule_id).where(Document.id.in_({item.document_id for item in versions}))
    rules = {row[0]: row[1] for row in session.execute(query)}
    return [_retirement(item, rules[item.document_id]) for item in versions]


def _retirement(version: DocumentVersion, access: UUID | None) -> Retirement:
    if version.valid_from is None or version.valid_to is None:
        raise ValueError("a version without validity is no part of the archive")
    return Retirement(
        version.id, version.tenant_id, version.collection_id, version.valid_from, version.valid_to, access
    )


def relabel_document(database: Database, index: IndexWriter, document_id: UUID) -> None:
    """Bring what all points of a document carry to what the record says, archived ones among them."""
    while True:
        with database.read() as session:
            wanted = _tags_by_version(session, document_id)
        for version, tags in wanted.values():
            _tag(index, version, tags)
        with database.write() as session:
            if _comparable(_tags_by_version(session, document_id)) == _comparable(wanted):
                settled = update(Document).where(Document.id == document_id)
                session.execute(settled.values(labels_pending=False, access_pending=False))
                return


def relabel_documents(database: Database, index: IndexWriter, document_ids: Sequence[UUID]) -> None:
    """`relabel_document` for each of these."""
    for document_id in document_ids:
        relabel_document(database, index, document_id)


def relabel_family(database: Database, index: IndexWriter, document_id: UUID) -> None:
    """`relabel_document` for a document, and for those inside it whose points may not know their labels yet."""
    relabel_document(database, index, document_id)
    with database.read() as session:
        pending = family.pending_below(session, document_id)
    for child in pending:
        relabel_document(database, index, child)


def _tags_by_version(session: Session, document_id: UUID) -> dict[UUID, tuple[DocumentVersion, PointTags]]:
    document = session.get(Document, document_id, populate_existing=True, with_for_update=True)
    if document is None:
        return {}
    query = select(DocumentVersion).where(
        DocumentVersion.document_id == document_id, DocumentVersion.state.in_(_CARRIES_POINTS)
    )
    return {version.id: (version, _tags(session, document, version)) for version in session.scalars(query)}


def _comparable(found: Mapping[UUID, tuple[DocumentVersion, PointTags]]) -> dict[UUID, tuple[bool, PointTags]]:
    """What decides where points lie: retired or not, and the tags."""
    return {key: (version.state == VersionState.RETIRED, tags) for key, (version, tags) in found.items()}
