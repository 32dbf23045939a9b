"""Glossaries: what abbreviations and synonyms stand for in a collection."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ForeignKey, Index, String, delete, func, insert, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from rag.domain.glossary import GlossaryEntry
from rag.domain.principal import Permit
from rag.store.base import Base, utc_now

_TOGETHER = 500
"""Rows in one INSERT."""


class GlossaryTerm(Base):
    """One entry of a collection's glossary. `created_at` is the instant at which the whole glossary was put."""

    __tablename__ = "glossary_term"
    __table_args__ = (Index("ix_glossary_term_revision", "collection_id", "created_at"),)

    collection_id: Mapped[UUID] = mapped_column(ForeignKey("collection.id"), primary_key=True)
    term: Mapped[str] = mapped_column(String(100), primary_key=True)
    tenant_id: Mapped[UUID] = mapped_column(ForeignKey("tenant.id"))
    expansions: Mapped[list[Any]]
    note: Mapped[str] = mapped_column(String(500), default="")
    created_at: Mapped[datetime] = mapped_column(default=utc_now)


def replace_all(session: Session, tenant_id: UUID, collection_id: UUID, entries: Sequence[GlossaryEntry]) -> datetime:
    """Put `entries` in the place of a collection's glossary; returns the instant that they bear."""
    clear(session, collection_id)
    now = utc_now()
    rows = [
        {
            "collection_id": collection_id,
            "term": entry.term,
            "tenant_id": tenant_id,
            "expansions": list(entry.expansions),
            "note": entry.note,
            "created_at": now,
        }
        for entry in entries
    ]
    for start in range(0, len(rows), _TOGETHER):
        session.execute(insert(GlossaryTerm), rows[start : start + _TOGETHER])
    return now


def clear(session: Session, collection_id: UUID) -> None:
    """Remove a collection's glossary."""
    session.execute(delete(GlossaryTerm).where(GlossaryTerm.collection_id == collection_id))


def revisions(session: Session, permit: Permit) -> dict[UUID, datetime]:
    """When the glossary of each collection of the permit was put; collections without one are left out."""
    query = select(GlossaryTerm.collection_id, func.max(GlossaryTerm.created_at)).where(
        GlossaryTerm.tenant_id == permit.tenant_id, GlossaryTerm.collection_id.in_(permit.collections)
    )
    return {row[0]: row[1] for row in session.execute(query.group_by(GlossaryTerm.collection_id))}


def entries_of(session: Session, permit: Permit, collection_id: UUID) -> list[GlossaryEntry]:
    """The glossary of one collection of the permit, by term; empty for any other."""
    query = select(GlossaryTerm.term, GlossaryTerm.expansions, GlossaryTerm.note).where(
        GlossaryTerm.tenant_id == permit.tenant_id,
        GlossaryTerm.collection_id == collection_id,
        GlossaryTerm.collection_id.in_(permit.collections),
    )
    rows = session.execute(query.order_by(GlossaryTerm.term))
    return [GlossaryEntry(row.term, tuple(row.expansions), row.note) for row in rows]
