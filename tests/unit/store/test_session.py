from __future__ import annotations

import threading
from contextlib import suppress
from datetime import UTC, datetime, timedelta, timezone
from functools import partial
from pathlib import Path
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import func, select, text
from sqlalchemy.dialects import sqlite as sqlite_dialect
from sqlalchemy.exc import IntegrityError, StatementError
from sqlalchemy.orm import Session

from rag.domain.errors import StoreDamaged, StoreFull, StoreReadOnly, StoreUnavailable
from rag.store import session as session_module
from rag.store.base import UtcDateTime
from rag.store.collection import Collection
from rag.store.session import Database
from rag.store.tenant import Tenant, ensure_tenant
from tests.support.threads import at_once

KST = timezone(timedelta(hours=9))


def tenant(name: str, created_at: datetime | None = None) -> Tenant:
    return Tenant(id=uuid4(), name=name, created_at=created_at or datetime.now(UTC))


def names(database: Database) -> list[str]:
    with database.read() as session:
        return list(session.scalars(select(Tenant.name).order_by(Tenant.name)))


@pytest.mark.parametrize(
    ("pragma", "value"), [("journal_mode", "wal"), ("foreign_keys", 1), ("synchronous", 1), ("busy_timeout", 30_000)]
)
def test_every_sqlite_connection_is_configured(sqlite: Database, pragma: str, value: object) -> None:
    with sqlite.engine.connect() as first, sqlite.engine.connect() as second:
        assert [c.exec_driver_sql(f"PRAGMA {pragma}").scalar() for c in (first, second)] == [value, value]


def cache_size(session: Session) -> int:
    """As SQLite tells it: pages, or KiB where it is negative."""
    return int(session.connection().exec_driver_sql("PRAGMA cache_size").scalar_one())


@pytest.mark.parametrize("fails", [False, True])
def test_a_bulk_write_has_more_memory_and_gives_it_back(sqlite: Database, fails: bool) -> None:
    with sqlite.write() as session:
        usual = cache_size(session)
    with suppress(KeyError), sqlite.write(bulk=True) as session:
        assert cache_size(session) == -16_384
        if fails:
            raise KeyError
    with sqlite.read() as session:  # by the same connection: no two were wanted at once
        assert cache_size(session) == usual


def test_a_connection_that_can_not_give_it_back_leaves_the_pool(
    sqlite: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(session_module, "_USUAL_CACHE", "PRAGMA no such thing")
    for _ in range(30):  # more than the pool holds
        with sqlite.write(bulk=True) as session:
            cache_size(session)

    assert names(sqlite) == []
    assert sqlite.engine.pool.checkedout() == 0  # type: ignore[attr-defined]


def test_a_foreign_key_is_held(database: Database) -> None:
    with pytest.raises(IntegrityError), database.write() as session:
        session.add(Collection(id=uuid4(), tenant_id=uuid4(), name="규정", kind="documents"))


def test_a_write_commits_and_a_read_does_not(database: Database) -> None:
    with database.write() as session:
        session.add(tenant("은행"))
    with database.read() as session:
        session.add(tenant("병원"))
        session.flush()
    assert names(database) == ["은행"]


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_a_write_that_fails_leaves_nothing(database: Database, error: type[BaseException]) -> None:
    with pytest.raises(error), database.write() as session:
        session.add(tenant("은행"))
        session.flush()
        raise error
    assert names(database) == []


def test_two_writers_that_read_first_both_succeed(sqlite: Database) -> None:
    inside = threading.Event()

    def second() -> None:
        with sqlite.write() as session:
            inside.set()
            session.add(tenant(f"둘째 뒤에 {session.scalar(select(func.count(Tenant.id)))}"))

    thread = threading.Thread(target=second)
    with sqlite.write() as session:
        count = session.scalar(select(func.count(Tenant.id)))
        thread.start()
        assert not inside.wait(0.3), "the write lock was not taken at once"
        session.add(tenant(f"첫째 뒤에 {count}"))
    thread.join(timeout=20)
    assert names(sqlite) == ["둘째 뒤에 1", "첫째 뒤에 0"]


def test_many_writers_take_turns(database: Database) -> None:
    def add(number: int) -> None:
        for turn in range(5):
            with database.write() as session:
                session.add(tenant(f"{number}-{turn}"))

    at_once([partial(add, number) for number in range(4)])
    assert len(names(database)) == 20


def test_readers_are_not_held_up_by_a_writer(database: Database) -> None:
    with database.write() as session:
        session.add(tenant("은행"))
        session.flush()
        assert names(database) == []
    assert names(database) == ["은행"]


def test_a_read_sees_one_state_on_sqlite(sqlite: Database) -> None:
    with sqlite.read() as session:
        before = session.scalar(select(func.count(Tenant.id)))
        with sqlite.write() as other:
            other.add(tenant("은행"))
        assert session.scalar(select(func.count(Tenant.id))) == before == 0


def test_a_naive_datetime_is_refused(database: Database) -> None:
    with pytest.raises(StatementError, match="naive datetime"), database.write() as session:
        session.add(tenant("은행", datetime(2026, 1, 1)))
    assert names(database) == []


def test_an_instant_comes_back_aware_and_the_same(database: Database) -> None:
    moment = datetime(2026, 3, 1, 8, 30, 0, 123456, tzinfo=KST)
    with database.write() as session:
        session.add(tenant("은행", moment))
    with database.read() as session:
        [stored] = session.scalars(select(Tenant.created_at))
        [later] = session.scalars(select(func.count()).where(Tenant.created_at < moment + timedelta(microseconds=1)))
        [earlier] = session.scalars(select(func.count()).where(Tenant.created_at < moment))
    assert stored == moment
    assert stored.tzinfo is not None
    assert (earlier, later) == (0, 1)


def test_an_instant_comes_back_in_utc_whatever_the_servers_zone(database: Database) -> None:
    with database.write() as session:
        session.add(tenant("은행"))
    with database.read() as session:
        if not database.is_sqlite:
            session.execute(text("SET TIME ZONE 'Asia/Seoul'"))
        [stored] = session.scalars(select(Tenant.created_at))
    assert stored.utcoffset() == timedelta(0)


zones = st.timedeltas(timedelta(hours=-23), timedelta(hours=23)).map(timezone)


@given(st.datetimes(datetime(1900, 1, 2), datetime(9999, 12, 30), timezones=zones))
def test_what_sqlite_stores_is_utc(moment: datetime) -> None:
    column, dialect = UtcDateTime(), sqlite_dialect.dialect()
    bound = column.process_bind_param(moment, dialect)
    assert bound is not None
    assert bound.utcoffset() == timedelta(0)
    assert column.process_result_value(bound.replace(tzinfo=None), dialect) == moment


def test_no_instant_stays_none() -> None:
    column, dialect = UtcDateTime(), sqlite_dialect.dialect()
    assert column.process_bind_param(None, dialect) is column.process_result_value(None, dialect) is None


def test_a_store_that_cannot_be_reached_is_unavailable(tmp_path: Path) -> None:
    unreachable = ("postgresql+psycopg://seogo@127.0.0.1:1/seogo", f"sqlite:///{tmp_path / 'no' / 'folder.sqlite'}")
    for url in unreachable:
        database = Database(url)
        for work in (database.ping, lambda database=database: database.write().__enter__()):
            with pytest.raises(StoreUnavailable) as caught:
                work()
            assert caught.value.retryable
        database.close()


def test_a_store_that_answers_is_fine(database: Database) -> None:
    database.ping()
    assert database.is_sqlite == database.url.drivername.startswith("sqlite")
    with database.read() as session:
        assert session.execute(text("SELECT 1")).scalar() == 1


def test_a_tenant_is_made_once(database: Database) -> None:
    ids = set()
    for _ in range(2):
        with database.write() as session:
            ids.add(ensure_tenant(session, "은행").id)
    assert len(ids) == 1
    assert names(database) == ["은행"]


def test_a_full_disk_is_told_from_a_store_that_is_away(sqlite: Database) -> None:
    with pytest.raises(StoreFull), sqlite.write() as session:
        session.execute(text("PRAGMA max_page_count=1"))  # no page more than there are now: what a full disk does
        session.add_all([tenant(f"은행 {number} {'가' * 500}") for number in range(500)])
        session.flush()
    assert names(sqlite) == []


@pytest.mark.parametrize("spoiled", ["no database", "torn"])
def test_a_damaged_store_says_so(migrated_file: Path, tmp_path: Path, spoiled: str) -> None:
    file = tmp_path / "seogo.sqlite"
    whole = migrated_file.read_bytes()
    file.write_bytes(
        b"not a database, but a text" * 100 if spoiled == "no database" else whole[:4096] + b"\xff" * 40_000
    )
    database = Database(f"sqlite:///{file}")
    with pytest.raises(StoreDamaged) as told:
        names(database)
    assert told.value.params["path"] == str(file) and str(file) not in str(told.value), "callers are shown the message"
    database.close()


def test_a_store_that_may_not_be_written_says_where(migrated_file: Path, tmp_path: Path) -> None:
    file = tmp_path / "seogo.sqlite"
    file.write_bytes(migrated_file.read_bytes())
    database = Database(f"sqlite:///file:{file}?mode=ro&uri=true")
    with pytest.raises(StoreReadOnly) as told, database.write() as session:
        session.add(tenant("은행"))
    assert isinstance(told.value, StoreUnavailable), "an outage, which is waited for, and nobody's fault"
    assert str(file) in told.value.params["path"] and str(file) not in str(told.value)
    database.close()
