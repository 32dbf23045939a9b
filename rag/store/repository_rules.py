"""Path rules that outlive their repository: one that gets its name in the same collection would else show all readers of the
collection what the one before kept from them."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ForeignKey, String, delete
from sqlalchemy.orm import Mapped, Session, mapped_column

from rag.store.base import Base
from rag.store.repository import Repository


class KeptPathRules(Base):
    """The rules of a repository that was deleted; they go with the collection, or to the next repository of the name.

    Attributes:
        name: that the repository had: the first part of the source key of each of its files.
        path_rules: as in `Repository.options`; never empty.
    """

    __tablename__ = "kept_path_rules"

    collection_id: Mapped[UUID] = mapped_column(ForeignKey("collection.id"), primary_key=True)
    name: Mapped[str] = mapped_column(String(200), primary_key=True)
    path_rules: Mapped[list[Any]]
    kept_at: Mapped[datetime]


def keep(session: Session, row: Repository, now: datetime) -> None:
    """Put the path rules of a repository that is being deleted on record under its name, in the caller's transaction."""
    rules = list(row.options.get("path_rules") or [])
    forget(session, row.collection_id, row.name)
    if rules:
        session.add(KeptPathRules(collection_id=row.collection_id, name=row.name, path_rules=rules, kept_at=now))


def kept(session: Session, collection_id: UUID, name: str) -> list[Any]:
    """The path rules that the last repository of this name had when it was deleted; empty when it had none."""
    found = session.get(KeptPathRules, (collection_id, name), with_for_update=True)
    return [] if found is None else list(found.path_rules)


def forget(session: Session, collection_id: UUID, name: str | None = None) -> None:
    """Give up what is kept for a name, or for all names of a collection."""
    query = delete(KeptPathRules).where(KeptPathRules.collection_id == collection_id)
    session.execute(query if name is None else query.where(KeptPathRules.name == name))
