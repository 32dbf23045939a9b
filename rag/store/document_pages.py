"""Lists of documents, filtered as a question can be."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import false, func, select
from sqlalchemy.orm import Session

from rag.domain.principal import Permit
from rag.store.document import Document, visible
from rag.store.filtering import conditions
from rag.store.version import DocumentVersion


def page_permitted(
    session: Session,
    permit: Permit,
    *,
    after: str | None,
    limit: int,
    parent: UUID | None = None,
    flagged: bool | None = None,
) -> Sequence[tuple[Document, DocumentVersion | None]]:
    """Documents of the permit (its filter included) with their latest version, by (source key, id), after the key `after`.

    With `parent` only the files inside that document, with `flagged` only those that are (not) flagged for a curator.
    """
    query = (
        select(Document, DocumentVersion)
        .outerjoin(DocumentVersion, DocumentVersion.id == Document.latest_version_id)
        .where(*visible(permit), *conditions(permit.where))
    )
    if parent is not None:
        query = query.where(Document.parent_document_id == parent)
    if flagged is not None:
        query = query.where(func.coalesce(DocumentVersion.flagged, false()) == flagged)
    if after is not None:
        query = query.where(Document.source_key > after)
    rows = session.execute(query.order_by(Document.source_key, Document.id).limit(limit)).all()
    return [(row[0], row[1]) for row in rows]
