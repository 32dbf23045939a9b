from __future__ import annotations

import os
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given as generated
from hypothesis import strategies as st
from sqlalchemy import delete, insert, select, text, update
from sqlalchemy.exc import DBAPIError, IntegrityError
from sqlalchemy.orm import Session

from rag.access.audit import AuditTrail, open_seal_key, open_trail, outcome_of, who_of, whose
from rag.access.audit_kinds import KINDS, UNRECORDED, changes, kind_of, unrecorded
from rag.access.audit_words import without_identifiers
from rag.access.policy import Action
from rag.domain.audit import AuditKind, Outcome, Who, Whose, seal
from rag.domain.errors import AuditUnavailable, ConfigurationError, StoreUnavailable
from rag.domain.principal import Principal, Scope
from rag.settings import AuditSettings, RagSettings, StoreSettings
from rag.store import audit_event
from rag.store.audit_event import AuditCut, AuditedDocument, AuditHead, AuditRow, Wanted
from rag.store.session import Database
from tests.support.audit import DAY, KEY, OTHER, TENANT, a_day, checked, event


def rows(database: Database, tenant_id: UUID = TENANT) -> list[AuditRow]:
    with database.read() as session:
        return list(audit_event.oldest(session, tenant_id, Wanted()))


def test_entries_are_chained_per_tenant(database: Database) -> None:
    trail = AuditTrail(database, KEY)
    trail.record(*a_day(5))
    trail.record(event(tenant_id=OTHER), event(), event(tenant_id=OTHER))
    assert [row.seq for row in rows(database)] == [1, 2, 3, 4, 5, 6]
    assert [row.seq for row in rows(database, OTHER)] == [1, 2]
    found = checked(database, key=KEY)
    assert (found.whole, found.entries, found.first, found.last, found.sealed) == (True, 6, 1, 6, True)
    with database.read() as session:
        head = audit_event.head_of(session, TENANT)
        assert head is not None
        assert (head.seq, head.hash) == (6, found.last_hash)
        assert head.seal == seal(KEY, TENANT, 6, found.last_hash)
        assert audit_event.tenants(session) == [TENANT, OTHER]


def test_words_of_callers_tell_no_identifiers(database: Database) -> None:
    """Callers write addresses, names of programs and reasons; an entry can't be taken back, and goes to other systems."""
    told = {
        "reason": "고객 900101-1234567 요청",
        "nested": {"list": ["010-2345-6789", 3, True, None]},
        "key": "sgk_0123456789ab_" + "x" * 43,
        "account": "minji.kim@bank.co.kr",
        "digest": "11223344556f",
        "id": str(UUID(int=10**38)),
    }
    given = event(what="GET /api/v1/collections/홍길동900101-1234567", detail=told)
    given = replace(given, origin=replace(given.origin, client="bot 900101-1234567", request_id="900101-1234567"))
    AuditTrail(database, KEY).record(given)
    [row] = rows(database)
    assert row.what == "GET /api/v1/collections/홍길동900101-1******"
    assert row.client == "bot 900101-1******" and row.request_id == "900101-1******"
    assert row.detail["reason"] == "고객 900101-1****** 요청"
    assert row.detail["nested"] == {"list": ["010-****-6789", 3, True, None]}
    assert "x" * 43 not in row.detail["key"]
    # Who it was, and which, stays: that is what the trail is for.
    assert {name: row.detail[name] for name in ("account", "digest", "id")} == {
        name: told[name] for name in ("account", "digest", "id")
    }
    assert row.principal_name == "김민준"
    assert checked(database, key=KEY).whole


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("9001011234567", "9001011******"),
        ("01012345678", "010****5678"),
        ("4539148803436467", "453914******6467"),
        ("112233445566", "1122********"),  # a licence has twelve digits; beginnings of keys stand behind `sgk_`
        ("d12345678", "d********"),
    ],
)
def test_an_identifier_alone_is_no_digest(database: Database, value: str, shown: str) -> None:
    given = event(detail={"reason": value, "list": [value, {value: 1, "of": value}]})
    AuditTrail(database, KEY).record(replace(given, origin=replace(given.origin, request_id=value)))
    [row] = rows(database)
    assert row.detail == {"reason": shown, "list": [shown, {shown: 1, "of": shown}]}
    assert row.request_id == shown
    assert checked(database, key=KEY).whole


def test_digests_and_beginnings_of_keys_say_which_one_it_was() -> None:
    told = {"sha": "1a" + "9001011234567"[:10], "long": "9001011234567" + "a" * 51, "key": "sgk_010123456789"}
    given = event(detail=told)
    assert without_identifiers(given) == given


def test_hidden_names_do_not_take_each_other_s_place() -> None:
    detail = {"kinds": {"900101-1234567": "mask", "900101-1234568": "tag"}}
    assert without_identifiers(event(detail=detail)).detail["kinds"] == {
        "900101-1******": "mask",
        "900101-1*******": "tag",
    }


def test_what_callers_send_is_read_as_far_as_it_may_be_shown() -> None:
    long = event(what="GET /" + "%41&" * 20_000)
    long = replace(long, origin=replace(long.origin, client="bot/1 " + "word " * 20_000))
    shown = without_identifiers(long)
    assert shown.what == long.what[:4_000] + "…" and shown.origin.client == long.origin.client[:4_000] + "…"


def test_of_what_callers_send_nothing_is_shown_that_may_be_the_beginning_of_a_token() -> None:
    long = event(what="GET /api/v1/search?limit=5&token=" + "eyJh" * 2_000)
    long = replace(long, origin=replace(long.origin, client="portal/2.1 (batch) " + "eyJh" * 2_000))
    shown = without_identifiers(long)
    assert (shown.what, shown.origin.client) == ("GET /api/v1/search?limit=5&…", "portal/2.1 (batch) …")


@generated(st.lists(st.uuids(), max_size=20))
def test_ids_in_addresses_stay(ids: list[UUID]) -> None:
    for one in ids:
        given = event(what=f"DELETE /api/v1/documents/{one}", detail={"key_id": str(one), "hash": one.hex})
        assert without_identifiers(given) == given


def test_nothing_is_recorded_as_nothing(database: Database) -> None:
    AuditTrail(database).record()
    assert rows(database) == []


def test_a_store_without_a_key_seals_nothing(database: Database) -> None:
    AuditTrail(database).record(event())
    assert not checked(database).sealed
    with database.read() as session:
        assert session.scalars(select(AuditHead.seal)).one() == ""


def test_many_callers_share_transactions_and_each_finds_its_entry(database: Database) -> None:
    commits = 0
    real = database.write

    @contextmanager
    def counting(**options: Any) -> Any:
        nonlocal commits
        commits += 1
        with real(**options) as session:
            yield session

    database.write = counting  # type: ignore[method-assign,assignment]
    try:
        trail = AuditTrail(database, KEY)
        barrier = threading.Barrier(16)

        def one(number: int) -> None:
            if number < 16:
                barrier.wait()
            trail.record(event(what=f"n{number}"))
            with database.read() as session:  # acknowledged means committed
                found = session.scalars(select(AuditRow.what).where(AuditRow.what == f"n{number}")).all()
            assert found == [f"n{number}"]

        with ThreadPoolExecutor(16) as pool:
            list(pool.map(one, range(160)))
    finally:
        database.write = real  # type: ignore[method-assign]
    assert commits < 160
    assert sorted(row.what for row in rows(database)) == sorted(f"n{number}" for number in range(160))
    assert checked(database, key=KEY).whole


def test_two_processes_add_to_one_chain(database: Database) -> None:
    trails = [AuditTrail(database, KEY), AuditTrail(database, KEY)]
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(lambda trail: [trail.record(*a_day(3, tenant_id=t)) for t in (TENANT, OTHER) * 10], trails))
    assert (checked(database, key=KEY).whole, len(rows(database)), len(rows(database, OTHER))) == (True, 60, 60)


def test_one_that_cannot_be_written_takes_no_other_with_it(database: Database) -> None:
    trail = AuditTrail(database, KEY)
    outcomes: dict[str, str] = {}
    with trail._writing:  # all of them wait, so they go together
        threads = [
            threading.Thread(target=record_into, args=(trail, outcomes, what)) for what in ("good", "bad", "fine")
        ]
        for thread in threads:
            thread.start()
        while len(trail._waiting) < 3:
            threading.Event().wait(0.001)
    for thread in threads:
        thread.join()
    assert outcomes == {"good": "", "fine": "", "bad": "AuditUnavailable"}
    assert sorted(row.what for row in rows(database)) == ["fine", "good"]
    assert checked(database, key=KEY).whole


def test_one_alone_that_cannot_be_written_is_refused(database: Database) -> None:
    with pytest.raises(AuditUnavailable) as refused:
        AuditTrail(database).record(event(detail={"share": 0.5}))
    assert isinstance(refused.value.__cause__, ValueError)
    assert rows(database) == []


def test_whose_data_it_was_is_named_once() -> None:
    one, other = UUID(int=1), UUID(int=2)
    assert whose([one, one], [other, one, other], ["가", "가"]) == Whose((one,), (other, one), ("가",))


def record_into(trail: AuditTrail, outcomes: dict[str, str], what: str) -> None:
    try:
        trail.record(event(what=what, detail={"share": 0.5} if what == "bad" else {}))
        outcomes[what] = ""
    except AuditUnavailable as error:
        outcomes[what] = type(error).__name__


def test_a_store_that_is_away_refuses_or_is_put_up_with(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    @contextmanager
    def away(**_: Any) -> Any:
        raise StoreUnavailable
        yield

    monkeypatch.setattr(database, "write", away)
    with pytest.raises(AuditUnavailable) as refused:
        AuditTrail(database).record(event())
    assert refused.value.retryable
    AuditTrail(database, required=False).record(event())
    monkeypatch.undo()
    assert rows(database) == []


def test_an_interrupted_writer_leaves_nobody_waiting(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    @contextmanager
    def interrupted(**_: Any) -> Any:
        raise KeyboardInterrupt
        yield

    trail = AuditTrail(database)
    monkeypatch.setattr(database, "write", interrupted)
    with pytest.raises(KeyboardInterrupt):
        trail.record(event())
    monkeypatch.undo()
    trail.record(event())
    assert len(rows(database)) == 1


def test_what_was_acknowledged_outlives_a_kill(tmp_path: Path) -> None:
    from tests.support.stores import migrated

    path = tmp_path / "seogo.sqlite"
    migrated(f"sqlite:///{path}").close()
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:  # the child: write until it is killed, telling each number once it is acknowledged
        os.close(reader)
        trail = AuditTrail(Database(f"sqlite:///{path}"), KEY)
        for number in range(10_000):
            trail.record(event(what=f"n{number}"))
            os.write(writer, f"{number}\n".encode())
        os._exit(0)
    os.close(writer)
    told = b""
    while told.count(b"\n") < 25:
        told += os.read(reader, 4096)
    os.kill(child, 9)
    os.waitpid(child, 0)
    while more := os.read(reader, 4096):
        told += more
    os.close(reader)
    database = Database(f"sqlite:///{path}")
    try:
        kept = {row.what for row in rows(database)}
        assert {f"n{number.decode()}" for number in told.split(b"\n")[:-1]} <= kept
        assert checked(database, key=KEY).whole
    finally:
        database.close()


@pytest.mark.parametrize("table", [AuditRow, AuditedDocument, AuditHead, AuditCut])
def test_the_database_refuses_to_change_or_remove(database: Database, table: Any) -> None:
    AuditTrail(database).record(*a_day(4), event(documents=(UUID(int=7),)))
    with database.write() as session:
        session.execute(insert(AuditCut).values(tenant_id=OTHER, through_seq=3, hash="0" * 64, event_seq=4))
    changes: list[Any] = [delete(table)]
    if table is AuditHead:
        changes += [update(table).values(seq=1), update(table).values(tenant_id=OTHER)]
    elif table is AuditedDocument:
        changes.append(update(table).values(document_id=UUID(int=8)))
    else:
        changes.append(update(table).values(hash="1" * 64))
    if not database.is_sqlite:
        changes.append(text(f"TRUNCATE {table.__tablename__}"))
    for change in changes:
        with pytest.raises((IntegrityError, DBAPIError), match="append-only"), database.write() as session:
            session.execute(change)
    assert checked(database).whole


def test_the_session_of_another_write_is_not_slowed_down(tmp_path: Path) -> None:
    """Only what must outlive a loss of power waits for the disk."""
    database = Database(f"sqlite:///{tmp_path / 'a.sqlite'}", pool_size=1)

    def synchronous(session: Session) -> int:
        return int(session.execute(text("PRAGMA synchronous")).scalar_one())

    with database.write(durable=True) as session:
        assert synchronous(session) == 2
    with database.write() as session:
        assert synchronous(session) == 1
    database.close()


def test_entries_are_found_by_who_kind_document_and_time(database: Database) -> None:
    AuditTrail(database).record(
        event(AuditKind.ASKED, what="a", documents=(UUID(int=7),)),
        event(AuditKind.DOCUMENT_READ, what="b", who=Who(UUID(int=3), "이서연", "user", UUID(int=4))),
        event(AuditKind.DOCUMENT_DOWNLOADED, what="c", documents=(UUID(int=7), UUID(int=8)), at=DAY.replace(day=5)),
        event(AuditKind.ASKED, what="d", tenant_id=OTHER, documents=(UUID(int=7),)),
    )

    def found(**wanted: Any) -> str:
        with database.read() as session:
            listed = audit_event.newest(session, TENANT, Wanted(**wanted), before=None, limit=10)
        return "".join(row.what for row in listed)

    assert found() == "cba"
    assert found(who=str(UUID(int=3))) == found(who=str(UUID(int=4))) == found(who="서연") == "b"
    assert found(who="%") == ""
    assert found(kinds=("document",)) == "cb"
    assert found(kinds=("question.asked",)) == "a"
    assert found(document_id=UUID(int=7)) == "ca"
    assert found(since=DAY.replace(day=3)) == "c"
    assert found(until=DAY.replace(day=3)) == "ba"
    with database.read() as session:
        [older] = audit_event.newest(session, TENANT, Wanted(), before=2, limit=10)
        assert older.what == "a"


def test_a_walk_goes_on_from_batch_to_batch(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(audit_event, "_BATCH", 3)
    AuditTrail(database).record(*a_day(10))
    assert checked(database).entries == 10
    assert [row.seq for row in rows(database)] == list(range(1, 11))


def test_the_key_of_an_embedded_store_is_made_once(tmp_path: Path) -> None:
    settings = RagSettings(data_dir=tmp_path)
    key = open_seal_key(settings)
    assert key is not None
    assert len(key) >= 32
    assert open_seal_key(settings) == key
    assert (tmp_path / "audit-seal.key").stat().st_mode & 0o077 == 0


def test_the_key_of_many_processes_is_that_of_the_settings(tmp_path: Path) -> None:
    shared = StoreSettings(url="postgresql+psycopg://db/seogo")
    assert open_seal_key(RagSettings(data_dir=tmp_path, store=shared)) is None
    path = tmp_path / "seal.key"
    settings = RagSettings(data_dir=tmp_path, store=shared, audit=AuditSettings(seal_key_file=path))
    with pytest.raises(ConfigurationError, match="No such file"):
        open_seal_key(settings)
    path.write_bytes(b"short")
    with pytest.raises(ConfigurationError, match="chmod 600"):
        open_seal_key(settings)
    path.chmod(0o600)
    with pytest.raises(ConfigurationError, match="at least 32"):
        open_seal_key(settings)
    path.write_bytes(KEY)
    assert open_seal_key(settings) == KEY


def test_the_trail_is_as_the_settings_have_it(tmp_path: Path, database: Database) -> None:
    for required in (True, False):
        trail = open_trail(RagSettings(data_dir=tmp_path, audit=AuditSettings(required=required)), database)
        assert trail.seal_key == (tmp_path / "audit-seal.key").read_bytes() and trail.required is required
    trail.record(event(AuditKind.SEARCHED))
    assert [row.kind for row in rows(database)] == [AuditKind.SEARCHED]


def test_the_operator_is_recorded_with_the_user_of_the_machine(database: Database) -> None:
    AuditTrail(database).by_operator(AuditKind.AUDIT_VERIFIED, TENANT, "seogo audit verify", Who(None, "operator"))
    [row] = rows(database)
    assert (row.surface, row.principal_name, row.detail) == ("cli", "operator", {})
    assert f"uid {os.getuid()}" in row.client


def test_every_action_has_a_kind_or_a_reason_to_have_none() -> None:
    assert set(Action) == set(KINDS) | set(UNRECORDED)
    assert not set(KINDS) & set(UNRECORDED)
    assert all(len(reason) > 20 for reason in UNRECORDED.values())
    assert not any(changes(action, "GET") for action in UNRECORDED)


def test_what_a_route_is_on_the_trail() -> None:
    assert kind_of(Action.READ_DOCUMENTS, "GET", "/api/v1/documents/{document_id}/content") == "document.downloaded"
    assert kind_of(Action.READ_DOCUMENTS, "GET", "/documents/{document_id}") == "document.read"
    assert (
        kind_of(Action.READ_OWN_IDENTITY, "DELETE", "/api/v1/me/sessions/{session_id}")
        == "authentication.session_ended"
    )
    assert unrecorded(Action.READ_OWN_IDENTITY, "GET")
    assert not unrecorded(Action.READ_OWN_IDENTITY, "DELETE")
    assert kind_of(Action.LIST_MODELS, "GET", "/v1/models") == "refusal.denied"
    assert kind_of(Action.MANAGE_KEYS, "POST", "/keys") == "credential.created"
    assert kind_of(Action.MANAGE_KEYS, "DELETE", "/keys/{key}") == "credential.revoked"
    assert changes(Action.MANAGE_KEYS, "DELETE")
    assert not changes(Action.MANAGE_KEYS, "GET")
    assert not changes(Action.SEARCH, "POST")


@pytest.mark.parametrize(
    ("status", "outcome"),
    [
        *((status, "done") for status in (200, 202)),
        *((status, "denied") for status in (401, 403, 429)),
        *((status, "rejected") for status in (422, 499)),
        *((status, "failed") for status in (500, 503)),
        (404, "not_found"),
    ],
)
def test_a_status_is_an_outcome(status: int, outcome: str) -> None:
    assert outcome_of(status) == Outcome(outcome)


def test_who_is_named_as_the_principal() -> None:
    principal = Principal(UUID(int=1), "감사실", TENANT, frozenset({Scope.READ}))
    assert who_of(principal) == Who(UUID(int=1), "감사실", "key", UUID(int=1))
