"""Documents as routes show them: with attributes and the number of files inside, read for all rows together."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy.orm import Session

from api.schemas.documents import DocumentOut
from api.schemas.receipts import ReceiptOut
from rag.access.personal_data.reading import DocumentPrivacy, names_masked
from rag.domain.access import Label
from rag.domain.messages import UiLanguage
from rag.domain.principal import Permit
from rag.store import access_rule, attribute, collection, document, family
from rag.store.document import Document
from rag.store.receipt import DeletionReceipt
from rag.store.version import DocumentVersion


def documents_out(
    session: Session, permit: Permit, rows: Sequence[tuple[Document, DocumentVersion | None]], language: UiLanguage
) -> list[DocumentOut]:
    """Documents that the permit covers, each with its newest version."""
    ids = [row.id for row, _ in rows]
    attributes = attribute.of_documents(session, ids)
    inside = family.counts(session, permit, ids)
    labels = _labels(session, permit, [row for row, _ in rows])
    view = DocumentPrivacy.of(session, permit, [row for row, _ in rows])
    return [
        DocumentOut.of(
            row,
            newest,
            language,
            attributes.get(row.id, {}),
            inside.get(row.id, 0),
            labels[row.id],
            held_back=view.held_back(row),
            shown=view.names_of(row),
        )
        for row, newest in rows
    ]


def _labels(session: Session, permit: Permit, rows: Sequence[Document]) -> dict[UUID, Label]:
    """The highest label of each document, its collection and what it lies in."""
    of_rules = access_rule.labels_of(
        session, permit.tenant_id, {row.access_rule_id for row in rows if row.access_rule_id is not None}
    )
    around = {row.id: collection.label_of(row) for row in collection.permitted(session, permit)}
    return {
        row.id: max(
            around.get(row.collection_id, Label.OPEN),
            Label.OPEN if row.access_rule_id is None else of_rules[row.access_rule_id],
            key=lambda label: label.rank,
        )
        for row in rows
    }


def receipts_out(
    session: Session, permit: Permit, rows: Sequence[DeletionReceipt], language: UiLanguage
) -> list[ReceiptOut]:
    """Receipts that the permit covers, with names as its principal may see them."""
    names = names_masked(session, permit, [(row.collection_id, row.source_key) for row in rows])
    return [ReceiptOut.of(row, language, name) for row, name in zip(rows, names, strict=True)]


def one_document(session: Session, permit: Permit, document_id: UUID, language: UiLanguage) -> DocumentOut:
    """One document with its newest version.

    Raises:
        DocumentNotFound: the permit does not cover it.
    """
    row = document.get_permitted(session, permit, document_id)
    newest = session.get(DocumentVersion, row.latest_version_id) if row.latest_version_id else None
    return documents_out(session, permit, [(row, newest)], language)[0]
