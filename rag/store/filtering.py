"""Filters on documents, asked of the record: for the re-check of hits, for lists, and where labels can't tell."""

from __future__ import annotations

from sqlalchemy import ColumnElement, exists, func, select
from sqlalchemy.orm import InstrumentedAttribute, Session

from rag.domain.errors import FilterTooWide
from rag.domain.filters import AttributeCondition, DocumentFilter, Period, Selection, label_groups
from rag.domain.principal import Permit
from rag.store import access_rule
from rag.store.attribute import DocumentAttribute
from rag.store.document import Document, visible
from rag.store.version import DocumentVersion

MAX_DOCUMENTS = 10_000
"""Documents that a filter by prefix may hold for. A search of 100,000 points on Edge takes 26 ms of CPU without a filter, 31 ms
with 1,000 ids, 114 ms with 5,000 and 202 ms with 10,000, which were all there are (`benchmarks/filters.py`)."""


def conditions(where: DocumentFilter | None) -> list[ColumnElement[bool]]:
    """`where` on `Document`, joined with the `DocumentVersion` that is read."""
    if where is None:
        return []
    found = document_conditions(where)
    if where.media_types:
        found.append(DocumentVersion.media_type.in_(where.media_types))
    return found


def document_conditions(where: DocumentFilter) -> list[ColumnElement[bool]]:
    """The part of `where` that `Document` alone answers."""
    found = [attribute_condition(item) for item in where.attributes]
    for column, prefix in (
        (Document.title, where.title),
        (Document.author, where.author),
        (Document.source_key, where.source_key),
    ):
        if prefix:
            # not LIKE: SQLite ignores the case of ASCII letters there, PostgreSQL does not
            found.append(func.substr(column, 1, len(prefix)) == prefix)
    for instant, period in (
        (Document.authored_at, where.created),
        (Document.revised_at, where.modified),
        (Document.created_at, where.uploaded),
    ):
        if period is not None:
            found += _period(instant, period)
    if where.document_ids is not None:
        found.append(Document.id.in_(where.document_ids))
    return found


def attribute_condition(item: AttributeCondition) -> ColumnElement[bool]:
    """That a `Document` has the attribute as wanted."""
    wanted = [
        DocumentAttribute.document_id == Document.id,
        DocumentAttribute.name == item.name,
        DocumentAttribute.kind == item.kind,
    ]
    if item.span is not None:
        if item.span.low is not None:
            wanted.append(DocumentAttribute.number >= item.span.low)
        if item.span.high is not None:
            wanted.append(DocumentAttribute.number <= item.span.high)
    elif item.kind == "number":
        wanted.append(DocumentAttribute.number.in_([value.number for value in item.any_of]))
    else:
        wanted.append(DocumentAttribute.text.in_([value.text for value in item.any_of]))
    return exists().where(*wanted)


def _period(column: InstrumentedAttribute[object], period: Period) -> list[ColumnElement[bool]]:
    found: list[ColumnElement[bool]] = [column.is_not(None)]
    if period.start is not None:
        found.append(column >= period.start)
    if period.end is not None:
        found.append(column < period.end)
    return found


def selection_of(session: Session, permit: Permit) -> Selection | None:
    """The permit's filter as the index understands it, and what it must leave out; None where there is neither.

    The database is asked only for prefixes of text, which labels can't tell.

    Raises:
        FilterTooWide: the prefixes hold for more than `MAX_DOCUMENTS` documents.
        AccessSettling: too many documents are on their way to another rule.
    """
    where, excluded = permit.where, access_rule.pending(session, permit)
    if where is None:
        return Selection(excluded=excluded) if excluded else None
    groups = label_groups(where)
    if not where.needs_record:
        return Selection(groups, None if where.document_ids is None else frozenset(where.document_ids), excluded)
    query = select(Document.id).where(*visible(permit), *document_conditions(where)).limit(MAX_DOCUMENTS + 1)
    ids = frozenset(session.scalars(query))
    if len(ids) > MAX_DOCUMENTS:
        raise FilterTooWide(limit=MAX_DOCUMENTS)
    return Selection(groups, ids, excluded)
