"""What keys and tenants have used in each minute, told by all processes of an installation to each other."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from uuid import UUID

from sqlalchemy import BigInteger, String, delete, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Mapped, Session, mapped_column

from rag.store.base import Base, in_groups

RateKey = tuple[UUID, str, int]
"""Subject (a key or tenant), measure, and minute since the epoch."""


class RateCount(Base):
    """Requests or tokens of one subject in one minute.

    Attributes:
        measure: `requests`, `tokens_in` or `tokens_out`.
        minute: minutes since the epoch.
    """

    __tablename__ = "rate_count"

    subject: Mapped[UUID] = mapped_column(primary_key=True)
    measure: Mapped[str] = mapped_column(String(12), primary_key=True)
    minute: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    amount: Mapped[int] = mapped_column(BigInteger)


def add(session: Session, amounts: Mapping[RateKey, int]) -> None:
    """Add to the counts; in one order, so that processes that tell the same at once do not wait for each other in a ring."""
    if not amounts:
        return
    on_sqlite = session.get_bind().dialect.name == "sqlite"
    rows = [
        {"subject": subject, "measure": measure, "minute": minute, "amount": amount}
        for (subject, measure, minute), amount in sorted(amounts.items())
    ]
    insert = (sqlite.insert if on_sqlite else postgresql.insert)(RateCount)
    total = RateCount.amount + insert.excluded.amount
    session.execute(
        insert.on_conflict_do_update(index_elements=["subject", "measure", "minute"], set_={"amount": total}), rows
    )


def totals(session: Session, subjects: Iterable[UUID], since: int) -> dict[RateKey, int]:
    """The counts of these subjects from that minute on."""
    found: dict[RateKey, int] = {}
    for group in in_groups(subjects):
        query = select(RateCount).where(RateCount.subject.in_(group), RateCount.minute >= since)
        for row in session.scalars(query):
            found[row.subject, row.measure, row.minute] = row.amount
    return found


def forget(session: Session, before: int) -> None:
    """Remove counts of minutes before this one."""
    session.execute(delete(RateCount).where(RateCount.minute < before))
