"""Fusion weights that were learned on labelled questions."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import String, delete, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from rag.store.base import Base, utc_now


class FusionWeight(Base):
    """What a leg's best hit is worth in one embedding space, for one kind of collection and language of the question.

    Attributes:
        lexical, learned: as in `rag.retrieval.fusion.FusionProfile`.
        learned_on: the questions they were learned on: name of the sheet, and how many.
    """

    __tablename__ = "fusion_weight"

    space: Mapped[str] = mapped_column(String(500), primary_key=True)
    kind: Mapped[str] = mapped_column(String(20), primary_key=True)
    language: Mapped[str] = mapped_column(String(10), primary_key=True)
    lexical: Mapped[float]
    learned: Mapped[float]
    learned_on: Mapped[str] = mapped_column(String(500))
    measured_at: Mapped[datetime] = mapped_column(default=utc_now)


def all_weights(session: Session) -> Sequence[FusionWeight]:
    """The weights of every space."""
    query = select(FusionWeight).order_by(FusionWeight.space, FusionWeight.kind, FusionWeight.language)
    return session.scalars(query).all()


def of_space(session: Session, space: str) -> Sequence[FusionWeight]:
    """The weights of one space."""
    return session.scalars(select(FusionWeight).where(FusionWeight.space == space)).all()


def put(session: Session, rows: Sequence[FusionWeight]) -> None:
    """Store these weights in place of those for the same space, kind and language."""
    for row in rows:
        session.merge(row)


def reset(session: Session, space: str) -> int:
    """Forget the weights of a space; how many there were."""
    count = len(of_space(session, space))
    session.execute(delete(FusionWeight).where(FusionWeight.space == space))
    return count
