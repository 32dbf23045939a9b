"""A thousand ways to alter a trail behind the back of everything, each found.

Whoever does it has the database file, and the triggers are gone; it has neither the key of the seals nor what the outside was
told.
"""

from __future__ import annotations

import json
import random
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import Connection, text
from sqlalchemy.exc import DataError
from sqlalchemy.orm import Session

from rag.access.audit import AuditTrail
from rag.access.audit_anchors import Anchor
from rag.access.audit_retention import AuditRetention
from rag.access.audit_sealing import reseal
from rag.access.audit_verification import Problem
from rag.domain.audit import AuditKind, Origin, Who, genesis, key_name, link, seal, vouch, vouched
from rag.domain.errors import AuditUnavailable, ConfigurationError
from rag.settings import AuditSettings
from rag.store import audit_event
from rag.store.audit_event import HASHED, AuditHead, AuditRow, fields_of
from rag.store.session import Database
from tests.support.audit import DAY, KEY, OTHER, TENANT, a_day, checked, event, verified

ENTRIES = 20
TOLD = 14
"""The end that the outside was told of last; six entries were added since."""
SEED = 20261102


@pytest.fixture
def unguarded(database: Database) -> Iterator[Connection]:
    """A raw connection to a trail of twenty entries, without its triggers; what is done there is rolled back by each test."""
    trail = AuditTrail(database, KEY)
    trail.record(*a_day(ENTRIES, SEED))
    trail.record(*a_day(10, SEED, tenant_id=OTHER))
    with database.engine.connect() as connection:
        if database.is_sqlite:
            triggers = connection.execute(text("SELECT name FROM sqlite_master WHERE type = 'trigger'")).scalars().all()
            assert len(triggers) == 8
            for name in triggers:
                connection.exec_driver_sql(f"DROP TRIGGER {name}")
            connection.commit()
        else:
            connection.exec_driver_sql("SET session_replication_role = replica")
        yield connection
        connection.rollback()
        connection.invalidate()  # the role is the session's


class Tampering:
    """One connection, and a chance that chooses."""

    def __init__(self, connection: Connection, chance: random.Random) -> None:
        self.connection, self.chance = connection, chance
        self.tenant = TENANT.hex

    def run(self, statement: str, **values: Any) -> None:
        changed = self.connection.execute(text(statement), {"tenant": self.tenant, **values})
        assert changed.rowcount > 0, statement

    def edit(self) -> None:
        """One field of one entry, to something else that the database takes."""
        while True:
            try:
                with self.connection.begin_nested():
                    self._edit()
                return
            except DataError:  # no date, no JSON, too long: PostgreSQL knows its types
                continue

    def _edit(self) -> None:
        seq = self.chance.randint(1, ENTRIES)
        name = self.chance.choice((*HASHED, "hash", "prev_hash", "seq", "tenant_id"))
        old = self.connection.execute(
            text(f"SELECT CAST({name} AS TEXT) FROM audit_event WHERE tenant_id = :tenant AND seq = :seq"),
            {"tenant": self.tenant, "seq": seq},
        ).scalar_one()
        self.run(
            f"UPDATE audit_event SET {name} = :new WHERE tenant_id = :tenant AND seq = :seq",
            new=self._other(name, old),
            seq=seq,
        )

    def _other(self, name: str, old: Any) -> Any:
        if name == "at":
            return self.chance.choice(("2026-11-02 08:59:59.000000", "never", "2026-11-02 10:00:00.000001"))
        if name in ("principal_id", "credential", "tenant_id"):
            return self.chance.choice((UUID(int=77).hex, UUID(int=78).hex, old[::-1]))
        if name in ("collections", "documents", "subjects"):
            given = json.loads(old)
            fewer = given[1:] if given else [str(UUID(int=1))]
            return self.chance.choice((json.dumps(fewer), json.dumps([*given, str(UUID(int=2))]), "[", "{}"))
        if name == "detail":
            return self.chance.choice(('{"status": 0}', "{}", "[]", '{"reason": 1.5}', old.replace("status", "Status")))
        if name in ("hash", "prev_hash"):
            return self.chance.choice((old[::-1], "0" * 64, old.upper() + " ", ""))
        if name == "seq":
            return self.chance.choice((0, -1, ENTRIES + 1, 10**12))
        return self.chance.choice((f"{old} ", f"x{old}", old[1:] or "x", old.upper() if old.upper() != old else "y"))

    def delete(self) -> None:
        """Some entries from anywhere, with or without what they are found by."""
        first = self.chance.randint(1, ENTRIES)
        last = min(ENTRIES, first + self.chance.randint(0, 5))
        self.run("DELETE FROM audit_event WHERE tenant_id = :tenant AND seq BETWEEN :a AND :b", a=first, b=last)
        if self.chance.random() < 0.5:
            clean = "DELETE FROM audit_document WHERE tenant_id = :tenant AND seq BETWEEN :a AND :b"
            self.connection.execute(text(clean), {"tenant": self.tenant, "a": first, "b": last})
            if self.chance.random() < 0.5:  # close the gap
                moves = (  # by way of numbers that nobody has: PostgreSQL looks at each row by itself
                    "UPDATE {} SET seq = :n - seq WHERE tenant_id = :tenant AND seq > :b",
                    "UPDATE {} SET seq = -seq WHERE tenant_id = :tenant AND seq < 0",
                )
                for table in ("audit_event", "audit_document"):
                    self.connection.execute(
                        text(moves[0].format(table)), {"tenant": self.tenant, "n": last - first + 1, "b": last}
                    )
                    self.connection.execute(text(moves[1].format(table)), {"tenant": self.tenant})

    def delete_references(self) -> None:
        """What entries are found by: they would be there, and nobody would find them."""
        named = self.connection.execute(
            text("SELECT seq, document_id FROM audit_document WHERE tenant_id = :tenant ORDER BY seq, document_id"),
            {"tenant": self.tenant},
        ).all()
        seq, document = self.chance.choice(named)
        where = "WHERE tenant_id = :tenant AND seq = :seq AND document_id = :document"
        new = self.chance.choice(("", UUID(int=5).hex))
        if new:
            self.run(f"UPDATE audit_document SET document_id = :new {where}", seq=seq, document=document, new=new)
        else:
            self.run(f"DELETE FROM audit_document {where}", seq=seq, document=document)

    def reorder(self) -> None:
        """Two entries change places, with their old hashes or without."""
        one, other = sorted(self.chance.sample(range(1, ENTRIES + 1), 2))
        for table in ("audit_event", "audit_document"):
            for old, new in ((one, -1), (other, one), (-1, other)):
                moved = f"UPDATE {table} SET seq = :new WHERE tenant_id = :tenant AND seq = :old"
                self.connection.execute(text(moved), {"tenant": self.tenant, "old": old, "new": new})

    def truncate(self) -> None:
        """The end, or the beginning, or all; the head moved back with it, or gone, or a cut put in its place."""
        kept = self.chance.randint(0, ENTRIES - 1)
        backwards = self.chance.random() < 0.3
        after = "seq <= :kept" if backwards and kept else "seq > :kept"
        for table in ("audit_event", "audit_document"):
            gone = f"DELETE FROM {table} WHERE tenant_id = :tenant AND {after}"
            self.connection.execute(text(gone), {"tenant": self.tenant, "kept": kept})
        if after == "seq <= :kept":
            self._pretend_cut(kept)
        elif self.chance.random() < 0.2:
            self.run("DELETE FROM audit_head WHERE tenant_id = :tenant")
        else:
            self._move_head(kept)

    def _pretend_cut(self, through: int) -> None:
        if self.chance.random() < 0.5:
            return
        with Session(bind=self.connection, join_transaction_mode="create_savepoint") as session:
            first = session.get_one(AuditRow, (TENANT, through + 1))
            told = {"tenant": self.tenant, "through": through, "hash": first.prev_hash, "event": ENTRIES}
        made = (
            "INSERT INTO audit_cut (tenant_id, through_seq, hash, event_seq) VALUES (:tenant, :through, :hash, :event)"
        )
        self.connection.execute(text(made), told)

    def _move_head(self, seq: int) -> None:
        query = text("SELECT hash FROM audit_event WHERE tenant_id = :tenant AND seq = :seq")
        found = self.connection.execute(query, {"tenant": self.tenant, "seq": seq}).scalar()
        self.run(
            "UPDATE audit_head SET seq = :seq, hash = :hash WHERE tenant_id = :tenant",
            seq=seq,
            hash=found or genesis(TENANT),
        )

    def rewrite(self) -> None:
        """An entry is changed, left out or put in, and everything behind it gets the hashes that go with it, head included."""
        start = self.chance.randint(1, ENTRIES)
        how = self.chance.choice(("change", "remove", "insert", "forge seal"))
        with Session(bind=self.connection, join_transaction_mode="create_savepoint") as session:
            rows = session.query(AuditRow).filter_by(tenant_id=TENANT).order_by(AuditRow.seq).all()
            entries = [fields_of(row) for row in rows]
            session.execute(text("DELETE FROM audit_event WHERE tenant_id = :tenant"), {"tenant": self.tenant})
            session.execute(text("DELETE FROM audit_document WHERE tenant_id = :tenant"), {"tenant": self.tenant})
            session.expunge_all()
            if how == "remove":
                del entries[start - 1]
            elif how == "insert":
                entries.insert(start - 1, {**entries[start - 1], "what": "an alibi"})
            else:
                entries[start - 1] |= {"principal_name": "somebody else", "principal_id": UUID(int=99)}
            self._write(session, entries, b"a key that was guessed, and wrong" if how == "forge seal" else None)
            session.commit()

    def _write(self, session: Session, entries: list[dict[str, Any]], key: bytes | None) -> None:
        previous = genesis(TENANT)
        for seq, fields in enumerate(entries, 1):
            now = link(TENANT, seq, fields, previous)
            session.add(AuditRow(tenant_id=TENANT, seq=seq, prev_hash=previous, hash=now, **fields))
            for item in fields["documents"]:
                session.add(audit_event.AuditedDocument(tenant_id=TENANT, seq=seq, document_id=UUID(item)))
            previous = now
        head = session.get_one(AuditHead, TENANT)
        head.seq, head.hash = len(entries), previous
        if key is not None:
            head.seal = seal(key, TENANT, head.seq, head.hash)


KINDS: dict[str, Callable[[Tampering], None]] = {
    "edit": Tampering.edit,
    "delete": Tampering.delete,
    "references": Tampering.delete_references,
    "reorder": Tampering.reorder,
    "truncate": Tampering.truncate,
    "rewrite": Tampering.rewrite,
}


def told_of(connection: Connection, seq: int = TOLD) -> tuple[Anchor, ...]:
    """What the outside was told when the chain was so long."""
    query = text("SELECT hash FROM audit_event WHERE tenant_id = :tenant AND seq = :seq")
    found = connection.execute(query, {"tenant": TENANT.hex, "seq": seq}).scalar_one()
    return (Anchor(TENANT, seq, found, DAY, seq),)


def looked_at(connection: Connection, anchors: tuple[Anchor, ...], key: bytes | None = KEY) -> Problem | None:
    with Session(bind=connection, join_transaction_mode="create_savepoint") as session:
        return verified(session, key=key, anchors=anchors).problem


def test_a_thousand_tamperings_are_found(unguarded: Connection) -> None:
    """A thousand where whoever does it has the file; on PostgreSQL, which takes longer over each, two hundred."""
    anchors = told_of(unguarded)
    assert looked_at(unguarded, anchors) is None
    chance = random.Random(SEED)
    tampering = Tampering(unguarded, chance)
    found: Counter[tuple[str, Problem | None]] = Counter()
    on_sqlite = unguarded.dialect.name == "sqlite"
    for number in range(1000 if on_sqlite else 200):
        kind = list(KINDS)[number % len(KINDS)]
        undo = unguarded.begin_nested()
        KINDS[kind](tampering)
        found[kind, looked_at(unguarded, anchors)] += 1
        undo.rollback()
    assert [key for key in found if key[1] is None] == []
    assert {kind for kind, _ in found} == set(KINDS)
    unreadable = {Problem.UNREADABLE} if on_sqlite else set()  # what PostgreSQL lets in, it can read
    assert {problem for _, problem in found} >= unreadable | {
        Problem.CHANGED,
        Problem.MISSING,
        Problem.MOVED,
        Problem.REFERENCES,
        Problem.HEAD,
        Problem.SEAL,
        Problem.ANCHOR,
        Problem.CUT,
    }
    assert looked_at(unguarded, anchors) is None  # everything was undone


def test_what_each_kind_of_evidence_is_for(unguarded: Connection) -> None:
    """A tail that is rewritten whole: within what was told the anchor shows it, behind it the seal; neither, nothing."""
    anchors = told_of(unguarded)
    for start, with_anchor, with_seal in ((5, Problem.ANCHOR, Problem.SEAL), (TOLD + 2, None, Problem.SEAL)):
        undo = unguarded.begin_nested()
        tampering = Tampering(unguarded, FixedChoice(start))
        tampering.rewrite()
        assert looked_at(unguarded, anchors, key=None) is with_anchor
        assert looked_at(unguarded, (), key=KEY) is with_seal
        assert looked_at(unguarded, (), key=None) is None
        undo.rollback()


class FixedChoice(random.Random):
    """Changes the entry that it is given."""

    def __init__(self, start: int) -> None:
        super().__init__()
        self._start = start

    def randint(self, a: int, b: int) -> int:
        return self._start

    def choice(self, seq: Any) -> Any:
        return seq[0]


def test_a_chain_of_another_tenant_is_none_of_this_one(unguarded: Connection) -> None:
    unguarded.execute(text("UPDATE audit_event SET what = 'x' WHERE tenant_id = :other"), {"other": OTHER.hex})
    assert looked_at(unguarded, told_of(unguarded)) is None
    for table in ("audit_event", "audit_document", "audit_head"):
        for old, new in ((TENANT, UUID(int=9)), (OTHER, TENANT), (UUID(int=9), OTHER)):
            swap = f"UPDATE {table} SET tenant_id = :new WHERE tenant_id = :old"
            unguarded.execute(text(swap), {"old": old.hex, "new": new.hex})
    assert looked_at(unguarded, ()) is Problem.MOVED  # its beginning is not this tenant's


def test_an_emptied_trail_is_found_by_what_was_told(unguarded: Connection) -> None:
    anchors = told_of(unguarded)
    for table in ("audit_event", "audit_document", "audit_head"):
        unguarded.execute(text(f"DELETE FROM {table}"))
    assert looked_at(unguarded, ()) is None
    assert looked_at(unguarded, anchors) is Problem.ANCHOR


def test_a_reader_of_a_document_that_was_made_up_is_found(unguarded: Connection) -> None:
    made = "INSERT INTO audit_document (tenant_id, document_id, seq) VALUES (:tenant, :document, :seq)"
    unguarded.execute(text(made), {"tenant": TENANT.hex, "document": UUID(int=1).hex, "seq": ENTRIES + 9})
    assert looked_at(unguarded, ()) is Problem.REFERENCES


def test_a_cut_that_took_what_was_young_is_found(unguarded: Connection, database: Database) -> None:
    """Even one that the chain tells of, written by the holder of the key."""
    trail = AuditTrail(database, KEY)
    for before in ((DAY - timedelta(days=364)).isoformat(), "never", None):
        undo = unguarded.begin_nested()
        with Session(bind=unguarded, join_transaction_mode="create_savepoint") as session:
            through = session.get_one(AuditRow, (TENANT, 3))
            head = audit_event.locked_head(session, TENANT)
            detail = {"through": 3, "hash": through.hash, "before": before}
            audit_event.append(session, head, [event(AuditKind.AUDIT_CUT, detail=detail)])
            head.seal = trail.sealed(TENANT, head.seq, head.hash)
            assert audit_event.cut(session, through, head.seq) == 3
            session.commit()
        assert looked_at(unguarded, ()) is Problem.CUT
        undo.rollback()


def test_a_forged_cut_is_found_by_what_was_told_before_it(unguarded: Connection) -> None:
    """It says of itself that what it took was old. The outside was told of those entries this year."""
    anchors = told_of(unguarded)
    forged(unguarded, ENTRIES)
    assert looked_at(unguarded, anchors, key=None) is Problem.CUT
    assert looked_at(unguarded, (), key=KEY) is Problem.SEAL
    assert looked_at(unguarded, (), key=None) is None


def test_a_cut_that_is_dated_into_the_future_is_found_by_what_was_told_with_it(unguarded: Connection) -> None:
    anchors = told_of(unguarded)
    forged(unguarded, ENTRIES, at=DAY + timedelta(days=400))
    assert (
        looked_at(unguarded, anchors, key=None) is None
    )  # nothing was told since: an end that is not there can't be compared
    with Session(bind=unguarded, join_transaction_mode="create_savepoint") as session:
        head = session.get_one(AuditHead, TENANT)
        later = Anchor(TENANT, head.seq, head.hash, DAY + timedelta(minutes=5), 1)
    assert looked_at(unguarded, (*anchors, later), key=None) is Problem.CUT


def test_a_cut_that_nobody_vouches_for_is_found_under_a_seal_that_holds(
    unguarded: Connection, database: Database
) -> None:
    """As one that was made before there was a key, or whose chain was sealed anew; whoever does that looks at it."""
    forged(unguarded, ENTRIES)
    unguarded.commit()
    trail = AuditTrail(database, KEY, now=lambda: DAY)
    found = reseal(trail, TENANT, Who(None, "operator"), Origin(), "점검")
    assert found.problem is Problem.SEAL
    with database.write() as session:
        head = audit_event.locked_head(session, TENANT)
        head.seal = trail.sealed(TENANT, head.seq, head.hash)
    assert looked_at(unguarded, ()) is Problem.CUT_UNSEALED
    assert reseal(trail, TENANT, Who(None, "operator"), Origin(), "점검").problem is Problem.CUT_UNSEALED
    assert reseal(trail, TENANT, Who(None, "operator"), Origin(), "점검", accept=True).problem is Problem.CUT_UNSEALED
    unguarded.rollback()
    assert looked_at(unguarded, ()) is None


def forged(connection: Connection, through: int, at: datetime = DAY) -> None:
    """Everything up to `through` is gone, by a cut that the database's holder wrote; the seal is what it was."""
    with Session(bind=connection, join_transaction_mode="create_savepoint") as session:
        last = session.get_one(AuditRow, (TENANT, through))
        detail = {"through": through, "hash": last.hash, "before": (at - timedelta(days=366)).isoformat(), "years": 1}
        head = audit_event.locked_head(session, TENANT)
        audit_event.append(session, head, [event(AuditKind.AUDIT_CUT, at=at, detail=detail)])
        assert audit_event.cut(session, last, head.seq) == through
        session.commit()


def rewritten(connection: Connection) -> None:
    """The last entry, with the hashes that go with it; kept by the database, unlike what other tests do."""
    Tampering(connection, FixedChoice(ENTRIES)).rewrite()
    connection.commit()


def kinds_of(connection: Connection, after: int = ENTRIES) -> list[tuple[str, str]]:
    query = text("SELECT kind, outcome FROM audit_event WHERE tenant_id = :tenant AND seq > :seq ORDER BY seq")
    return [(row.kind, row.outcome) for row in connection.execute(query, {"tenant": TENANT.hex, "seq": after})]


def test_nothing_that_is_added_makes_good_a_seal_that_did_not_hold(unguarded: Connection, database: Database) -> None:
    """An altered chain stays one, however much comes behind it, and says so itself, once for each process."""
    rewritten(unguarded)
    trail = AuditTrail(database, KEY, now=lambda: DAY)
    trail.record(event())
    trail.record(event(), event(tenant_id=OTHER))
    with database.read() as session:
        assert audit_event.head_of(session, OTHER) is not None
    assert looked_at(unguarded, ()) is Problem.SEAL
    unguarded.rollback()
    read = ("document.read", "done")
    assert kinds_of(unguarded) == [("audit.seal_broken", "failed"), read, read]
    unguarded.rollback()
    AuditTrail(database, KEY).record(event())
    assert looked_at(unguarded, ()) is Problem.SEAL
    later = DAY + timedelta(days=5 * 366)
    with database.read() as session:
        assert audit_event.due_for_cut(session, TENANT, later - timedelta(days=365)) is not None
    AuditRetention(AuditTrail(database, KEY), AuditSettings(retention_years=1), lambda: later).cut_due()
    with database.read() as session:
        assert audit_event.last_cut(session, TENANT) is None  # what was altered is kept
        assert audit_event.last_cut(session, OTHER) is not None


def test_a_chain_that_got_shorter_is_not_gone_on_with(unguarded: Connection, database: Database) -> None:
    """With its old end and the seal that was right then; and with nothing at all."""
    trail = AuditTrail(database, KEY, now=lambda: DAY)
    with database.read() as session:
        head = audit_event.head_of(session, TENANT)
        assert head is not None
    trail.record(event())
    back = "UPDATE audit_head SET seq = :seq, hash = :hash, seal = :seal WHERE tenant_id = :tenant"
    unguarded.execute(text("DELETE FROM audit_event WHERE seq > :seq"), {"seq": head.seq})
    told = {"seq": head.seq, "hash": head.hash, "seal": head.seal, "tenant": TENANT.hex}
    unguarded.execute(text(back), told)
    unguarded.commit()
    assert looked_at(unguarded, ()) is None
    unguarded.rollback()
    trail.record(event())
    assert looked_at(unguarded, ()) is Problem.SEAL
    unguarded.rollback()
    elsewhere = AuditTrail(database, KEY, now=lambda: DAY)
    assert (
        reseal(elsewhere, TENANT, Who(None, "operator"), Origin(), "조사를 마침", accept=True).problem is Problem.SEAL
    )
    trail.record(event())
    assert looked_at(unguarded, ()) is None  # who went on with the shorter chain goes on with the seal that it got
    for table in ("audit_event", "audit_document", "audit_head"):
        unguarded.execute(text(f"DELETE FROM {table}"))
    unguarded.commit()
    trail.record(event())
    assert looked_at(unguarded, ()) is Problem.SEAL
    unguarded.rollback()
    assert [kind for kind, _ in kinds_of(unguarded, 0)] == ["audit.seal_broken", "document.read"]


def test_a_chain_that_was_altered_is_sealed_anew_by_who_accepts_it_and_says_so(
    unguarded: Connection, database: Database
) -> None:
    rewritten(unguarded)
    trail = AuditTrail(database, KEY, now=lambda: DAY)
    who, origin = Who(None, "operator"), Origin(surface="cli")
    trail.record(event())
    assert reseal(trail, TENANT, who, origin, "조사를 마침").problem is Problem.SEAL
    assert reseal(trail, TENANT, who, origin, "조사를 마침", accept=True).problem is Problem.SEAL
    trail.record(event())
    assert looked_at(unguarded, ()) is None
    unguarded.rollback()
    assert [kind for kind, _ in kinds_of(unguarded)][-2:] == ["audit.resealed", "document.read"]
    unguarded.execute(
        text("UPDATE audit_event SET what = 'x' WHERE seq = 3 AND tenant_id = :tenant"), {"tenant": TENANT.hex}
    )
    unguarded.commit()
    assert reseal(trail, TENANT, who, origin, "조사를 마침", accept=True).problem is Problem.CHANGED
    assert looked_at(unguarded, ()) is Problem.CHANGED


def test_the_key_of_seals_is_exchanged_while_processes_know_both(database: Database) -> None:
    """Who knows the old key alone goes on until the chain is sealed with the new one."""
    new = b"fedcba9876543210fedcba9876543210"
    old, both = AuditTrail(database, KEY), AuditTrail(database, new, older_keys=(KEY,), now=lambda: DAY)
    old.record(event())
    both.record(event())
    old.record(event())
    assert checked(database, key=KEY).whole
    assert checked(database, key=new).problem is Problem.SEAL
    found = reseal(both, TENANT, Who(None, "operator"), Origin(), "해마다")
    assert (found.whole, found.entries, found.proven) == (True, 3, True)
    both.record(event())
    assert checked(database, key=new).whole and checked(database, key=KEY).problem is Problem.SEAL
    with database.read() as session:
        row = session.get_one(AuditRow, (TENANT, 4))
        assert (row.detail["before"], row.detail["key"]) == (key_name(KEY), key_name(new))
    with pytest.raises(ConfigurationError, match="no key"):
        reseal(AuditTrail(database), TENANT, Who(None, "operator"), Origin(), "해마다")


def test_a_sealed_chain_takes_nothing_from_who_has_no_key(database: Database) -> None:
    AuditTrail(database, KEY).record(event())
    with pytest.raises(AuditUnavailable):
        AuditTrail(database).record(event())
    assert checked(database, key=KEY).entries == 1


def test_a_chain_without_a_seal_gets_one_from_who_accepts_it(database: Database) -> None:
    AuditTrail(database).record(event())
    assert not checked(database).proven
    trail = AuditTrail(database, KEY, now=lambda: DAY)
    who = Who(None, "operator")
    assert reseal(trail, TENANT, who, Origin(), "열쇠를 둠").problem is Problem.SEAL
    reseal(trail, TENANT, who, Origin(), "열쇠를 둠", accept=True)
    trail.record(event())
    assert checked(database, key=KEY).proven


def test_what_is_no_sign_of_a_key_vouches_for_nothing() -> None:
    sign = vouch(KEY, TENANT, "cut", 3)
    assert vouched(KEY, sign, TENANT, "cut", 3)
    for given, told in ((sign, 4), (None, 3), (sign, None), ("é", 3)):
        assert not vouched(KEY, given, TENANT, "cut", told)
