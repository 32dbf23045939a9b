"""Workers: the processes that ingest, each with a lease that it renews while it lives."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy import String, delete, func, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from rag.store.base import Base, utc_now


class Worker(Base):
    """A process that works on the queue.

    Attributes:
        id: its executor id in the queue; unique among the living.
        seen_at: when it last renewed its lease, by the database's clock where that is a server.
    """

    __tablename__ = "worker"

    id: Mapped[str] = mapped_column(String(200), primary_key=True)
    started_at: Mapped[datetime]
    seen_at: Mapped[datetime]


def renew(session: Session, worker_id: str) -> None:
    """Say that this worker lives."""
    now = _now(session)
    row = session.get(Worker, worker_id)
    if row is None:
        session.add(Worker(id=worker_id, started_at=now, seen_at=now))
    else:
        row.seen_at = now


def living(session: Session, lease: timedelta) -> Sequence[str]:
    """The workers whose lease is good."""
    return session.scalars(select(Worker.id).where(Worker.seen_at >= _now(session) - lease).order_by(Worker.id)).all()


def expired(session: Session, lease: timedelta) -> Sequence[str]:
    """The workers whose lease has run out without their saying good-bye."""
    return session.scalars(select(Worker.id).where(Worker.seen_at < _now(session) - lease).order_by(Worker.id)).all()


def forget(session: Session, worker_ids: Sequence[str]) -> None:
    """Remove workers that have ended."""
    session.execute(delete(Worker).where(Worker.id.in_(worker_ids)))


def _now(session: Session) -> datetime:
    """One clock for all workers: the server's. SQLite is in this process, so is its clock."""
    if session.get_bind().dialect.name != "postgresql":
        return utc_now()
    now: datetime = session.scalars(select(func.clock_timestamp())).one()
    return now
