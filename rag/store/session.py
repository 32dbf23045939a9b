"""Connections and transactions, on SQLite and PostgreSQL alike."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

import orjson
from sqlalchemy import Connection, Engine, create_engine, event, make_url, text
from sqlalchemy.exc import DatabaseError, IntegrityError, OperationalError
from sqlalchemy.orm import Session, sessionmaker

from rag.domain.errors import NameTaken, SeogoError, StoreDamaged, StoreFull, StoreReadOnly, StoreUnavailable
from rag.store import checkpoints
from rag.store.checkpoints import IN_COMMIT_PAGES, Checkpoints
from rag.store.turns import Turns

_BUSY_TIMEOUT_MS = 30_000
_WRITE = "seogo_write"
_DURABLE = "seogo_durable"
_BULK = "seogo_bulk"
_BULK_CACHE, _USUAL_CACHE = "PRAGMA cache_size=-16384", "PRAGMA cache_size=-2000"
"""KiB of pages that a bulk transaction keeps in memory. SQLite's own 2 MB don't hold what it changes in the indexes of symbols
and uses: pages are written out and read in again within one transaction. For 420,000 uses, 6.7 CPU seconds in place of 7.4, 1.4
of them the kernel's in place of 2.3; to keep the pages from one transaction to the next brought nothing more."""
_PRIMARY = 0xFF
"""Bits of an SQLite error that name its kind; those above tell more of it (https://sqlite.org/rescode.html)."""


class Database:
    """The relational store of one process. Thread-safe; sessions are not."""

    def __init__(self, url: str, pool_size: int = 10) -> None:
        self.url = make_url(url)
        self.engine = _engine(url, pool_size)
        self._sessions = sessionmaker(self.engine, expire_on_commit=False)
        self._turns = Turns()
        self._checkpoints = Checkpoints(self.url.database) if self.is_sqlite and self.url.database else None

    @property
    def is_sqlite(self) -> bool:
        """Whether the store is the embedded one."""
        return self.url.get_backend_name() == "sqlite"

    @contextmanager
    def read(self) -> Iterator[Session]:
        """A session for reading; nothing is committed.

        Raises:
            StoreUnavailable: the database can't be reached.
        """
        with self.guarded(), self._sessions() as session:
            yield session

    @contextmanager
    def snapshot(self) -> Iterator[Session]:
        """A session that sees the store as it is at its first read, to the end of the block.

        Raises:
            StoreUnavailable: the database can't be reached.
        """
        with self.guarded(), self._sessions() as session:
            if not self.is_sqlite:  # which reads so by itself
                session.connection(execution_options={"isolation_level": "REPEATABLE READ"})
            yield session

    @contextmanager
    def write(self, *, durable: bool = False, bulk: bool = False) -> Iterator[Session]:
        """A session that commits at the end of the block, or rolls back on any error.

        A committed transaction outlives the process in any case; a `durable` one outlives a loss of power on SQLite too.
        A `bulk` one is of many thousand rows: it is given more memory for the time that it takes.

        On SQLite the write lock is taken at once: a transaction that reads first and writes later would fail at the
        upgrade instead of waiting its turn. There the writers of this process come one after the other, the `durable` ones before
        others: a reader waits for them.

        Raises:
            StoreUnavailable: the database can't be reached or stays locked.
        """
        with self._turn(durable), self.guarded(), self._sessions() as session:
            session.connection(execution_options={_WRITE: True, _DURABLE: durable, _BULK: bulk})
            with _committing(session):
                yield session
        if self._checkpoints is not None:
            self._checkpoints.after_commit()

    def _turn(self, durable: bool) -> AbstractContextManager[None]:
        if not self.is_sqlite:
            return nullcontext()
        return self._turns.turn(urgent=durable, within_s=_BUSY_TIMEOUT_MS / 1000)

    @contextmanager
    def connection(self) -> Iterator[Connection]:
        """A plain connection, for what stands below the tables.

        Raises:
            StoreUnavailable: the database can't be reached.
        """
        with self.guarded(), self.engine.connect() as connection:
            yield connection

    def empty_log(self) -> None:
        """Let nothing of what was overwritten stand in SQLite's write-ahead log. Other engines keep theirs to themselves.

        Raises:
            StoreLogKept: others were busy with it all the time.
            StoreUnavailable: the database can't be read or written.
        """
        if self.is_sqlite and self.url.database:
            checkpoints.empty(self.url.database, lambda: self._turn(False))

    def ping(self) -> None:
        """Raise StoreUnavailable unless the database answers."""
        with self.read() as session:
            session.execute(text("SELECT 1"))

    def close(self) -> None:
        """Return every connection."""
        if self._checkpoints is not None:
            self._checkpoints.close()
        self.engine.dispose()

    @contextmanager
    def guarded(self) -> Iterator[None]:
        """What goes wrong with the database itself in the block, as errors of ours.

        Raises:
            StoreFull: the disk is full.
            StoreDamaged: the file is damaged, or no database. Its path is in `params`, not in what callers are shown.
            StoreReadOnly: the file can't be written to; its path as before.
            StoreUnavailable: anything else by which it can't be reached.
        """
        try:
            yield
        except DatabaseError as error:
            told = self._told(error)
            if told is None:
                raise
            raise told from error

    def _told(self, error: DatabaseError) -> SeogoError | None:
        """The error that `error` is to a user; None for what the caller did, such as a name that is taken."""
        path = self.url.database or ""
        match getattr(error.orig, "sqlite_errorcode", 0) & _PRIMARY:
            case sqlite3.SQLITE_FULL:
                return StoreFull()
            case sqlite3.SQLITE_CORRUPT | sqlite3.SQLITE_NOTADB:
                return StoreDamaged(path=path)
            case sqlite3.SQLITE_READONLY | sqlite3.SQLITE_PERM:
                return StoreReadOnly(path=path)
            case _:
                return StoreUnavailable() if isinstance(error, OperationalError) else None


@contextmanager
def naming(database: Database, name: str) -> Iterator[Session]:
    """A transaction in which something may get `name`, which only one thing of its kind in the tenant has.

    Raises:
        NameTaken: another one has it.
    """
    try:
        with database.write() as session:
            yield session
    except IntegrityError as error:
        raise NameTaken(name=name) from error


@contextmanager
def _committing(session: Session) -> Iterator[None]:
    try:
        yield
        session.commit()
    except BaseException:
        session.rollback()
        raise


def to_json(value: Any) -> str:
    """A JSON column's text. Most of what a row costs on its way into the store is this."""
    try:
        return orjson.dumps(value, option=orjson.OPT_PASSTHROUGH_DATACLASS | orjson.OPT_PASSTHROUGH_DATETIME).decode()
    except (TypeError, ValueError):
        return json.dumps(value)  # keys that are numbers, numbers beyond 64 bits, half characters


def from_json(stored: str | bytes) -> Any:
    """The inverse of `to_json`, also of what the standard library wrote."""
    try:
        return orjson.loads(stored)
    except ValueError:
        return json.loads(stored)


_COMMON: dict[str, Any] = {
    "hide_parameters": True,  # they are texts of users and documents, and errors go to the log
    "json_serializer": to_json,
    "json_deserializer": from_json,
}


def _engine(url: str, pool_size: int) -> Engine:
    if make_url(url).get_backend_name() != "sqlite":
        return create_engine(url, pool_size=pool_size, max_overflow=pool_size, pool_pre_ping=True, **_COMMON)
    engine = create_engine(
        url, pool_size=pool_size, max_overflow=pool_size, connect_args={"check_same_thread": False}, **_COMMON
    )
    event.listen(engine, "connect", _configure_sqlite)
    event.listen(engine, "begin", _begin_sqlite)
    event.listen(engine, "checkin", _give_memory_back)
    return engine


def _configure_sqlite(connection: Any, _record: Any) -> None:
    # The driver's own transaction handling would commit behind our back; BEGIN is sent in _begin_sqlite.
    connection.isolation_level = None
    cursor = connection.cursor()
    pragmas = ("journal_mode=WAL", "foreign_keys=ON", f"busy_timeout={_BUSY_TIMEOUT_MS}", "synchronous=NORMAL")
    # What is deleted is overwritten: some builds of SQLite do so by themselves.
    for pragma in (*pragmas, "secure_delete=ON", f"wal_autocheckpoint={IN_COMMIT_PAGES}"):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


_SYNCHRONOUS = {True: "PRAGMA synchronous=FULL", False: "PRAGMA synchronous=NORMAL"}


def _begin_sqlite(connection: Connection) -> None:
    options = connection.get_execution_options()
    writing, durable = options.get(_WRITE, False), options.get(_DURABLE, False)
    if writing and connection.info.get(_DURABLE, False) != durable:  # can't be changed once the transaction has begun
        connection.exec_driver_sql(_SYNCHRONOUS[durable])
        connection.info[_DURABLE] = durable
    if options.get(_BULK, False):
        connection.exec_driver_sql(_BULK_CACHE)
        connection.info[_BULK] = True
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writing else "BEGIN")


def _give_memory_back(connection: Any, record: Any) -> None:
    """A connection waits for its next use without what a bulk transaction was given."""
    if record.info.pop(_BULK, False) and connection is not None:
        try:
            connection.execute(_USUAL_CACHE)
        except sqlite3.Error:  # raised from here, it would keep the pool's place for good
            record.invalidate()
