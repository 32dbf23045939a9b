"""Who saw what: the entries of a chain that name documents, by person and document, for people who have to answer that."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy.orm import Session

from rag.domain.audit import AuditKind, Outcome
from rag.store import audit_event
from rag.store.audit_event import AuditRow, Wanted
from rag.store.document import Document

SHOWING = (
    AuditKind.SEARCHED,
    AuditKind.ASKED,
    AuditKind.ANSWERED,
    AuditKind.ANSWER_REPLAYED,
    AuditKind.DOCUMENTS_SHOWN,
    AuditKind.DOCUMENT_READ,
    AuditKind.DOCUMENT_PREVIEWED,
    AuditKind.DOCUMENT_DOWNLOADED,
    AuditKind.PROGRAM_READ,
    AuditKind.FEEDBACK_EXPORTED,
    AuditKind.EVALUATED,
    AuditKind.PERSONAL_DATA_REVEALED,
)
"""Kinds by which somebody gets to see something of a document."""


@dataclass(slots=True)
class Sight:
    """What one person saw of one document, by one kind of deed.

    Attributes:
        person: the principal's id, or `-`; `name` is the last that it had.
        title: of the document as it is now; empty when it is gone.
        times: entries; `first` and `last` are the moments of the first and the last.
        origins: addresses that they came from.
    """

    person: str
    name: str
    document_id: UUID
    kind: str
    times: int
    first: datetime
    last: datetime
    origins: set[str]
    source_key: str = ""
    title: str = ""


def sights(session: Session, tenant_id: UUID, wanted: Wanted) -> list[Sight]:
    """Who saw which documents, by name, document and kind; memory grows with what was seen, not with how often."""
    kinds = wanted.kinds or tuple(kind.value for kind in SHOWING)
    asked = Wanted(wanted.who, kinds, wanted.document_id, wanted.since, wanted.until)
    found = _collected(audit_event.oldest(session, tenant_id, asked), wanted.document_id)
    _name_documents(session, tenant_id, found)
    return sorted(found, key=lambda item: (item.name, item.person, item.source_key, str(item.document_id), item.kind))


def _collected(rows: Iterable[AuditRow], document_id: UUID | None) -> list[Sight]:
    found: dict[tuple[str, str, str], Sight] = {}
    for row in rows:
        if row.outcome != Outcome.DONE:
            continue
        person = "-" if row.principal_id is None else str(row.principal_id)
        for item in row.documents:
            if document_id is not None and item != str(document_id):
                continue
            key = (person, item, row.kind)
            sight = found.setdefault(
                key, Sight(person, row.principal_name, UUID(item), row.kind, 0, row.at, row.at, set())
            )
            sight.times += 1
            sight.name, sight.last = row.principal_name, row.at
            sight.origins.add(row.ip)
    return list(found.values())


def _name_documents(session: Session, tenant_id: UUID, found: Iterable[Sight]) -> None:
    known: dict[UUID, Document | None] = {}
    for sight in found:
        if sight.document_id not in known:
            known[sight.document_id] = session.get(Document, sight.document_id)
        row = known[sight.document_id]
        if row is not None and row.tenant_id == tenant_id and row.deleted_at is None:
            sight.source_key, sight.title = row.source_key, row.title
