"""Logic on custom attributes, answered by the record: labels of the index know conditions that must all hold, and no others."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import ColumnElement, and_, not_, or_, select
from sqlalchemy.orm import Session

from rag.domain.attribute_logic import AllOf, AnyOf, AttributeLogic, Not, conjunction_of
from rag.domain.errors import FilterTooWide
from rag.domain.filters import DocumentFilter
from rag.domain.principal import Permit
from rag.store.document import Document, visible
from rag.store.filtering import MAX_DOCUMENTS, attribute_condition


def filter_of(session: Session, permit: Permit, logic: AttributeLogic) -> DocumentFilter:
    """The filter that holds for the documents of the permit for which `logic` does.

    Raises:
        FilterTooWide: it needs the record, and holds for more than `MAX_DOCUMENTS` documents.
    """
    conditions = conjunction_of(logic)
    if conditions is not None:
        return DocumentFilter(attributes=conditions)
    query = select(Document.id).where(*visible(permit), _clause(logic)).limit(MAX_DOCUMENTS + 1)
    ids: tuple[UUID, ...] = tuple(session.scalars(query))
    if len(ids) > MAX_DOCUMENTS:
        raise FilterTooWide(limit=MAX_DOCUMENTS)
    return DocumentFilter(document_ids=ids)


def _clause(logic: AttributeLogic) -> ColumnElement[bool]:
    if isinstance(logic, AllOf):
        return and_(*(_clause(part) for part in logic.parts))
    if isinstance(logic, AnyOf):
        return or_(*(_clause(part) for part in logic.parts))
    if isinstance(logic, Not):
        return not_(_clause(logic.part))
    return attribute_condition(logic)
