"""Documents inside documents: attachments of a mail and members of an archive, below the document that holds them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import ColumnElement, Select, exists, func, literal, select, update
from sqlalchemy.orm import Session, aliased

from rag.domain.principal import Permit
from rag.store.base import in_groups, utc_now
from rag.store.document import Document, visible
from rag.store.version import RETRYABLE, DocumentVersion, VersionState, at_end

CHILD_MARK = "!/"
"""Between the key of a document and the name of a file inside it, as in `자료.zip!/규정/취업규칙.docx`."""

_LIVE = (VersionState.QUEUED, VersionState.RUNNING, VersionState.ACTIVE)
_GIVEN_UP = (VersionState.DELETED, *RETRYABLE)
_DEEPEST = 64
"""Beyond any depth that the settings allow; ends the walk should the rows ever form a circle."""


class Usage(NamedTuple):
    """What a family of documents takes: documents below its root, and the bytes of their newest originals."""

    documents: int
    size: int


def below(session: Session, document_ids: Sequence[UUID]) -> Sequence[UUID]:
    """Every document below these ones, at any depth, deleted ones included; they themselves are not among them."""
    return session.scalars(_below(document_ids)).all()


def _below(document_ids: Sequence[UUID]) -> Select[UUID]:
    return _downwards(Document.parent_document_id.in_(document_ids))


def _downwards(first: ColumnElement[bool]) -> Select[UUID]:
    """The documents of this condition, and every one below them."""
    tree = select(Document.id.label("id"), literal(1).label("depth")).where(first).cte("tree", recursive=True)
    child = aliased(Document)
    step = select(child.id, tree.c.depth + 1).join(tree, child.parent_document_id == tree.c.id)
    tree = tree.union(step.where(tree.c.depth < _DEEPEST))
    return select(tree.c.id)


def with_below(documents: Select[UUID | None]) -> Select[UUID]:
    """The documents that a query finds, and every one below them."""
    return _downwards(Document.id.in_(documents))


def taken_along(session: Session, document_ids: Sequence[UUID]) -> dict[UUID, UUID]:
    """These documents and every one below them, each with the one of these that takes it along when they go in this order:
    the first that it lies in, or that it is."""
    below_each: dict[UUID, list[UUID]] = {}
    for group in in_groups(document_ids):
        start = select(Document.id.label("id"), Document.parent_document_id.label("root"), literal(1).label("depth"))
        tree = start.where(Document.parent_document_id.in_(group)).cte("tree", recursive=True)
        child = aliased(Document)
        step = select(child.id, tree.c.root, tree.c.depth + 1).join(tree, child.parent_document_id == tree.c.id)
        tree = tree.union(step.where(tree.c.depth < _DEEPEST))
        for found, root in session.execute(select(tree.c.id, tree.c.root)):
            below_each.setdefault(root, []).append(found)
    taken: dict[UUID, UUID] = {}
    for root in document_ids:
        for one in (root, *below_each.get(root, ())):
            taken.setdefault(one, root)
    return taken


def above(session: Session, document: Document) -> list[Document]:
    """The documents that this one lies in, nearest first."""
    found: list[Document] = []
    while document.parent_document_id is not None and len(found) < _DEEPEST:
        document = session.get_one(Document, document.parent_document_id)
        found.append(document)
    return found


def usage(session: Session, root_id: UUID, without: UUID) -> Usage:
    """What the family of `root_id` takes, leaving out what lies below the document `without`."""
    query = (
        select(func.count(), func.coalesce(func.sum(DocumentVersion.size), 0))
        .select_from(Document)
        .join(DocumentVersion, DocumentVersion.id == Document.latest_version_id)
        .where(
            Document.id.in_(_below([root_id])),
            Document.deleted_at.is_(None),
            DocumentVersion.state != VersionState.RETIRED,
        )
    )
    if without == root_id:
        return Usage(0, 0)
    own = set(below(session, [without]))
    query = query.where(Document.id.not_in(own)) if own else query
    count, size = session.execute(query).one()
    return Usage(int(count), int(size))


def has_children(session: Session, version: DocumentVersion) -> bool:
    """Whether files inside this version, or inside a newer one of its document, became documents."""
    return _brought(session, version.document_id, DocumentVersion.number >= version.number)


def is_overtaken(session: Session, version: DocumentVersion) -> bool:
    """Whether a newer version of the same document answers already or has brought files: those are not to become older.

    One that was given up afterwards counts no longer.
    """
    newer = (DocumentVersion.number > version.number, DocumentVersion.state.not_in(_GIVEN_UP))
    answers = exists().where(
        Document.id == version.document_id, DocumentVersion.id == Document.current_version_id, newer[0]
    )
    return bool(session.scalar(select(answers))) or _brought(session, version.document_id, *newer)


def _brought(session: Session, document_id: UUID, *bringer: ColumnElement[bool]) -> bool:
    """Whether a version of this document, one for which `bringer` holds, is the last that brought one of its files."""
    found = exists().where(
        Document.parent_document_id == document_id, DocumentVersion.id == Document.parent_version_id, *bringer
    )
    return bool(session.scalar(select(found)))


def retire_vanished(session: Session, version: DocumentVersion) -> None:
    """Take what this version of a document no longer holds out of the answers; it stays on record, as old versions do.

    So does what had failed, been set aside or been cancelled of it: there is nothing to be tried again. What a newer
    version brought, still on its way, is left alone.
    """
    bringer = aliased(DocumentVersion)
    vanished = (
        select(Document.id)
        .join(bringer, bringer.id == Document.parent_version_id)
        .where(Document.parent_document_id == version.document_id, bringer.number < version.number)
    )
    ids = list(session.scalars(vanished))
    if not ids:
        return
    now = utc_now()
    for group in in_groups([*ids, *below(session, ids)]):
        _retire(session, group, now)


def _retire(session: Session, document_ids: Sequence[UUID], now: datetime) -> None:
    of_these = DocumentVersion.document_id.in_(document_ids)
    session.execute(
        update(DocumentVersion)
        .where(of_these, DocumentVersion.state.in_(_LIVE), DocumentVersion.valid_from.is_not(None))
        .values(state=VersionState.RETIRED, valid_to=now)
    )
    session.execute(
        update(DocumentVersion)
        .where(of_these, DocumentVersion.state.in_((*_LIVE, *RETRYABLE)))
        .values(state=VersionState.RETIRED, finished_at=now, retryable=False, priority=at_end())
    )
    session.execute(update(Document).where(Document.id.in_(document_ids)).values(current_version_id=None))


def vanished_versions(session: Session, version_ids: Sequence[UUID]) -> Sequence[UUID]:
    """Versions below the documents of these versions that retired since the first of these became active.

    What retired before is none of this activation's business: there would be more of it with every upload.
    """
    active = (DocumentVersion.id.in_(version_ids), DocumentVersion.valid_from.is_not(None))
    since = session.scalar(select(func.min(DocumentVersion.valid_from)).where(*active))
    if since is None:
        return []
    parents = session.scalars(select(DocumentVersion.document_id).where(*active)).all()
    query = (
        select(DocumentVersion.id)
        .join(Document, Document.id == DocumentVersion.document_id)
        .where(
            Document.id.in_(_below(parents)),
            Document.current_version_id.is_(None),
            DocumentVersion.state == VersionState.RETIRED,
            func.coalesce(DocumentVersion.valid_to, DocumentVersion.finished_at) >= since,
        )
    )
    return session.scalars(query).all()


def hidden_below(session: Session, document_ids: Sequence[UUID]) -> Sequence[UUID]:
    """Documents below these ones that are deleted and not purged yet."""
    query = select(Document.id).where(
        Document.id.in_(_below(document_ids)), Document.deleted_at.is_not(None), Document.purged_at.is_(None)
    )
    return session.scalars(query).all()


def pending_below(session: Session, document_id: UUID) -> Sequence[UUID]:
    """Documents below this one whose points may not know their labels yet."""
    query = select(Document.id).where(Document.id.in_(_below([document_id])), Document.labels_pending)
    return session.scalars(query).all()


def counts(session: Session, permit: Permit, document_ids: Sequence[UUID]) -> dict[UUID, int]:
    """Number of visible documents directly inside each of these ones, as far as the permit covers them."""
    query = select(Document.parent_document_id, func.count()).where(
        Document.parent_document_id.in_(document_ids), *visible(permit)
    )
    rows = session.execute(query.group_by(Document.parent_document_id))
    return {row[0]: row[1] for row in rows if row[0] is not None}
