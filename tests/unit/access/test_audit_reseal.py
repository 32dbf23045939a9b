"""A long chain is sealed anew beside those who add to it: they wait for what came last, not for all of it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from datetime import timedelta
from uuid import UUID

import pytest
from sqlalchemy import select, text
from sqlalchemy.orm import Session

from rag.access.audit import AuditTrail
from rag.access.audit_retention import AuditRetention
from rag.access.audit_sealing import reseal
from rag.access.audit_verification import Problem, Verification
from rag.domain.audit import Origin, Who
from rag.settings import AuditSettings
from rag.store import audit_event
from rag.store.audit_event import AuditRow
from rag.store.session import Database
from tests.support.audit import DAY, KEY, TENANT, a_day, checked, event

NEW = b"fedcba9876543210fedcba9876543210"
ENTRIES, BATCH, PATIENCE_S = 20, 6, 10.0


class Looking:
    """Sees the numbers of the entries that are read, batch by batch; after the second batch somebody else does something."""

    def __init__(self, patched: pytest.MonkeyPatch, meanwhile: Callable[[], object]) -> None:
        self.read: list[list[int]] = []
        self.in_time = False
        self._meanwhile, self._after = meanwhile, audit_event._after
        patched.setattr(audit_event, "_BATCH", BATCH)
        patched.setattr(audit_event, "_after", self._batch)

    def _batch(self, session: Session, tenant_id: UUID, last: int | None) -> Sequence[AuditRow]:
        rows = self._after(session, tenant_id, last)
        self.read.append([row.seq for row in rows])
        if len(self.read) == 2:
            other = threading.Thread(target=self._meanwhile, daemon=True)
            other.start()
            other.join(PATIENCE_S)
            self.in_time = not other.is_alive()
        return rows


def sealed_anew(database: Database) -> Verification:
    trail = AuditTrail(database, NEW, older_keys=(KEY,), now=lambda: DAY)
    return reseal(trail, TENANT, Who(None, "operator"), Origin(), "해마다")


def test_others_add_to_a_chain_while_it_is_followed(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    trail = AuditTrail(database, KEY)
    trail.record(*a_day(ENTRIES))
    looking = Looking(monkeypatch, lambda: trail.record(event(documents=(UUID(int=7),)), event()))
    found = sealed_anew(database)
    assert looking.in_time
    assert (found.whole, found.first, found.entries, found.last) == (True, 1, ENTRIES + 2, ENTRIES + 2)
    assert looking.read[-2:] == [[ENTRIES + 1, ENTRIES + 2], []]  # all that was read while the chain was held
    after = checked(database, key=NEW)
    assert (after.whole, after.entries) == (True, ENTRIES + 3)


@pytest.mark.parametrize(
    ("statement", "problem"),
    [
        ("UPDATE audit_event SET what = 'x' WHERE seq = 21 AND tenant_id = :tenant", Problem.CHANGED),
        ("UPDATE audit_event SET prev_hash = hash WHERE seq = 21 AND tenant_id = :tenant", Problem.MOVED),
        ("DELETE FROM audit_event WHERE seq = 21 AND tenant_id = :tenant", Problem.HEAD),
        ("DELETE FROM audit_document WHERE seq = 21 AND tenant_id = :tenant", Problem.REFERENCES),
        ("UPDATE audit_document SET seq = 22 WHERE seq = 21 AND tenant_id = :tenant", Problem.REFERENCES),
        ("UPDATE audit_head SET seq = 20, hash = 'x' WHERE tenant_id = :tenant", Problem.HEAD),
        ("UPDATE audit_head SET seal = 'x' WHERE tenant_id = :tenant", Problem.SEAL),
    ],
)
def test_what_was_added_meanwhile_is_looked_at_as_well(
    sqlite: Database, monkeypatch: pytest.MonkeyPatch, statement: str, problem: Problem
) -> None:
    trail = AuditTrail(sqlite, KEY)
    trail.record(*a_day(ENTRIES))

    def meanwhile() -> None:
        trail.record(event(documents=(UUID(int=7),)))
        with sqlite.engine.begin() as connection:
            names = connection.execute(text("SELECT name FROM sqlite_master WHERE type = 'trigger'")).scalars().all()
            for name in names:
                connection.exec_driver_sql(f"DROP TRIGGER {name}")
            assert connection.execute(text(statement), {"tenant": TENANT.hex}).rowcount

    looking = Looking(monkeypatch, meanwhile)
    assert (sealed_anew(sqlite).problem, looking.in_time) == (problem, True)
    with sqlite.read() as session:  # and nothing was sealed
        assert "audit.resealed" not in session.scalars(select(AuditRow.kind).where(AuditRow.seq > ENTRIES)).all()


def test_a_chain_that_was_cut_meanwhile_is_followed_anew(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    later = DAY + timedelta(days=3 * 366)
    trail = AuditTrail(database, KEY, now=lambda: later)
    trail.record(*a_day(ENTRIES))
    trail.record(event(at=later))
    retention = AuditRetention(trail, AuditSettings(retention_years=1), lambda: later)
    looking = Looking(monkeypatch, retention.cut_due)
    found = sealed_anew(database)
    assert looking.in_time
    assert (found.whole, found.cut_through, found.entries) == (True, ENTRIES, 2)
    assert checked(database, key=NEW).entries == 3
