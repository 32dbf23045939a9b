"""Custom attributes of documents: what is said of a mail or an archive holds for what lies in it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from uuid import UUID

from sqlalchemy import exists, or_, select, update
from sqlalchemy.orm import Session

from rag.domain.filters import MAX_ATTRIBUTES, AttributeValue
from rag.store import attribute, family
from rag.store.base import in_groups
from rag.store.document import Document
from rag.store.version import DocumentVersion, VersionState

Attributes = Mapping[str, AttributeValue]


def change_attributes(session: Session, document: Document, attributes: Attributes) -> bool:
    """Give a document, whose row is locked, these attributes, and what lies in it those that changed.

    Returns whether points carry others now; their documents are marked.
    """
    before = _of(session, document.id)
    if before == dict(attributes):
        return False
    attribute.replace_attributes(session, document.id, attributes)
    session.flush()
    pending = _mark(session, [document.id])
    for ids in in_groups(family.below(session, [document.id])):
        own = attribute.of_documents(session, ids)
        wanted = {child: _followed(own.get(child, {}), before, attributes) for child in ids}
        changed = {child: values for child, values in wanted.items() if values != own.get(child, {})}
        attribute.replace_of_documents(session, changed)
        pending += _mark(session, list(changed))
    return pending > 0


def take_over(session: Session, child: Document, parent_id: UUID) -> None:
    """Give a file inside a document the attributes of that one which it lacks."""
    inherited = _of(session, parent_id)
    if not inherited:
        return
    own = _of(session, child.id)
    wanted = _bounded({**own, **{name: value for name, value in inherited.items() if name not in own}})
    if wanted != own:
        attribute.replace_attributes(session, child.id, wanted)
        session.flush()
        _mark(session, [child.id])


def _of(session: Session, document_id: UUID) -> dict[str, AttributeValue]:
    return attribute.of_documents(session, [document_id]).get(document_id, {})


def _followed(own: Attributes, before: Attributes, after: Attributes) -> dict[str, AttributeValue]:
    """`own` with the change from `before` to `after`; what was said of the file alone stays."""
    removed = {name for name, value in before.items() if name not in after and own.get(name) == value}
    changed = {name: value for name, value in after.items() if before.get(name) != value}
    return _bounded({**{name: value for name, value in own.items() if name not in removed}, **changed})


def _bounded(attributes: Attributes) -> dict[str, AttributeValue]:
    return dict(list(attributes.items())[:MAX_ATTRIBUTES])


def _mark(session: Session, document_ids: Sequence[UUID]) -> int:
    """Mark those of these documents whose points carry other labels now; returns how many."""
    in_work = exists().where(DocumentVersion.document_id == Document.id, DocumentVersion.state == VersionState.RUNNING)
    marked = 0
    for ids in in_groups(document_ids):
        has_points = select(Document.id).where(
            Document.id.in_(ids), or_(Document.current_version_id.is_not(None), in_work)
        )
        found = session.scalars(has_points).all()
        session.execute(update(Document).where(Document.id.in_(found)).values(labels_pending=True))
        marked += len(found)
    return marked
