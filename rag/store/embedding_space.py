"""Embedding spaces on record: which one answers, which one is being built beside it, which one can be gone back to."""

from __future__ import annotations

from collections.abc import Container, Sequence
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import Double, String, Text, select, text, update
from sqlalchemy.orm import Mapped, Session, mapped_column

from rag.domain.space_failure import SpaceFailure
from rag.store.base import Base, utc_now


class SpaceState(StrEnum):
    """Life of a space. BUILDING → READY → CURRENT → RETIRED → DROPPED.

    Going back makes a RETIRED space CURRENT again and the one that it replaces READY. FAILED is a build that can't go on, or a
    space beside the current one that can't be written to any more, since the files of its model were changed. It loses its index,
    and is BUILDING again when somebody migrates to it.
    """

    BUILDING = "building"
    READY = "ready"
    CURRENT = "current"
    RETIRED = "retired"
    FAILED = "failed"
    DROPPED = "dropped"


IN_STEP = (SpaceState.CURRENT, SpaceState.BUILDING, SpaceState.READY, SpaceState.RETIRED)
"""States in which every write of ingestion reaches a space."""


class EmbeddingSpaceRow(Base):
    """One embedding space.

    Attributes:
        id: its identity, 12 hex digits (`rag.embedding.identity`).
        fingerprint: of the files that its model computes with; empty where they are on a server, or not known yet.
        name: of models and analyzers, for people.
        settings: the embedding section that opens it.
        configured: the embedding section of the configuration when it became current by a switch: until the file changes,
            the record stands above it.
        place: which folder or collection holds its index; empty for one from before there were several.
        done, total: chunks built.
        cursor_at, cursor_id: the last version built, in order of (created_at, id).
        worked_s: seconds that building took so far, pauses of throttling included.
        comparison: what it found on the evaluation questions, against the space that was current then.
        previous: the space that it replaced, to which `seogo index rollback` goes back.
        forced: whether it was switched to against what the comparison said, or without one.
        error: why it failed, or what its build waits for: a `rag.domain.space_failure.SpaceFailure`; a sentence where an earlier
            release wrote it.
    """

    __tablename__ = "embedding_space"

    id: Mapped[str] = mapped_column(String(12), primary_key=True)
    name: Mapped[str] = mapped_column(Text)
    fingerprint: Mapped[str] = mapped_column(String(32), default="", server_default=text("''"))
    settings: Mapped[dict[str, Any]]
    configured: Mapped[dict[str, Any] | None]
    state: Mapped[str] = mapped_column(String(20))
    place: Mapped[str] = mapped_column(String(12))
    done: Mapped[int] = mapped_column(default=0)
    total: Mapped[int] = mapped_column(default=0)
    cursor_at: Mapped[datetime | None]
    cursor_id: Mapped[UUID | None]
    worked_s: Mapped[float] = mapped_column(Double, default=0.0)
    comparison: Mapped[dict[str, Any] | None]
    previous: Mapped[str | None] = mapped_column(String(12))
    forced: Mapped[bool] = mapped_column(default=False)
    error: Mapped[str] = mapped_column(Text, default="")
    created_at: Mapped[datetime] = mapped_column(default=utc_now)
    ready_at: Mapped[datetime | None]
    switched_at: Mapped[datetime | None]


def all_spaces(session: Session) -> Sequence[EmbeddingSpaceRow]:
    """Every space there ever was, oldest first."""
    return session.scalars(select(EmbeddingSpaceRow).order_by(EmbeddingSpaceRow.created_at, EmbeddingSpaceRow.id)).all()


def in_step(session: Session) -> Sequence[EmbeddingSpaceRow]:
    """The spaces that writes must reach, the current one first."""
    query = select(EmbeddingSpaceRow).where(EmbeddingSpaceRow.state.in_(IN_STEP))
    rows = session.scalars(query.order_by(EmbeddingSpaceRow.created_at, EmbeddingSpaceRow.id)).all()
    return sorted(rows, key=lambda row: row.state != SpaceState.CURRENT)


def current(session: Session) -> EmbeddingSpaceRow | None:
    """The space that answers; None before the first start."""
    return session.scalars(select(EmbeddingSpaceRow).where(EmbeddingSpaceRow.state == SpaceState.CURRENT)).one_or_none()


def locked(session: Session, space_id: str) -> EmbeddingSpaceRow | None:
    """A space, held until the end of the transaction."""
    return session.get(EmbeddingSpaceRow, space_id, with_for_update=True, populate_existing=True)


BESIDE = (SpaceState.BUILDING, SpaceState.READY, SpaceState.RETIRED)
"""States of a space that is kept in step and does not answer."""


def fail(session: Session, space_id: str, failure: SpaceFailure, of: Container[SpaceState] = BESIDE) -> bool:
    """Give up a space that is in one of these states; False where it is in none of them any more."""
    row = locked(session, space_id)
    if row is None or SpaceState(row.state) not in of:
        return False
    row.state, row.error = SpaceState.FAILED, failure.text()
    return True


def wait_for(session: Session, space_id: str, hindrance: SpaceFailure) -> None:
    """Note what a build waits for, until it advances."""
    own = (EmbeddingSpaceRow.id == space_id, EmbeddingSpaceRow.state == SpaceState.BUILDING)
    session.execute(update(EmbeddingSpaceRow).where(*own).values(error=hindrance.text()))


def advance(
    session: Session, space_id: str, cursor: tuple[datetime, UUID] | None, chunks: int, worked_s: float
) -> None:
    """Note that a build came so far; nothing happens to one that is not being built any more."""
    values: dict[str, Any] = {
        "done": EmbeddingSpaceRow.done + chunks,
        "worked_s": EmbeddingSpaceRow.worked_s + worked_s,
        "error": "",
    }
    if cursor is not None:
        values |= {"cursor_at": cursor[0], "cursor_id": cursor[1]}
    session.execute(
        update(EmbeddingSpaceRow)
        .where(EmbeddingSpaceRow.id == space_id, EmbeddingSpaceRow.state == SpaceState.BUILDING)
        .values(**values)
    )
