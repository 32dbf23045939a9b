"""When each directory was taken over last, and with what outcome."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import String, update
from sqlalchemy.orm import Mapped, Session, mapped_column

from rag.store.base import Base


class DirectoryRun(Base):
    """The last run of a directory.

    Attributes:
        name: of the directory in the settings.
        began_at: when a process took the run upon itself.
        ended_at: None while it runs, or when its process died.
        error: stable code of what went wrong; empty after a run to its end.
        outcome: what it changed, by counts.
    """

    __tablename__ = "directory_run"

    name: Mapped[str] = mapped_column(String(40), primary_key=True)
    began_at: Mapped[datetime]
    ended_at: Mapped[datetime | None]
    error: Mapped[str] = mapped_column(String(100), default="")
    outcome: Mapped[dict[str, Any] | None]


def claim(session: Session, name: str, now: datetime, every: timedelta) -> bool:
    """Take the next run of a directory; False when another process did, or it is not due."""
    due = update(DirectoryRun).where(DirectoryRun.name == name, DirectoryRun.began_at <= now - every)
    if session.execute(due.values(began_at=now, ended_at=None).returning(DirectoryRun.name)).first() is not None:
        return True
    if session.get(DirectoryRun, name) is not None:
        return False
    session.add(DirectoryRun(name=name, began_at=now))
    session.flush()
    return True


def note(session: Session, name: str, now: datetime, error: str, outcome: dict[str, Any] | None) -> None:
    """Write down how a run ended."""
    row = session.get(DirectoryRun, name)
    if row is None:
        row = DirectoryRun(name=name, began_at=now)
        session.add(row)
    row.ended_at, row.error, row.outcome = now, error, outcome
