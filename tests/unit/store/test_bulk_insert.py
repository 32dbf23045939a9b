"""Rows that go to the driver a column at a time are the rows that SQLAlchemy's own statement makes."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import JSON, Boolean, Column, Integer, MetaData, String, Table, Uuid, event, insert, select
from sqlalchemy.exc import IntegrityError

from rag.store.base import UtcDateTime
from rag.store.bulk_insert import insert_all
from rag.store.session import Database

_SEOUL = timezone(timedelta(hours=9))
_COLUMNS = ("text", "at", "owner", "seen", "notes", "maybe")
_ROWS: list[tuple[Any, ...]] = [
    ("100 % %(text)s ? :text", datetime(2026, 3, 1, 9, tzinfo=_SEOUL), UUID(int=7), True, {"한도": [1, None]}, None),
    ("한도 승인", datetime(2026, 3, 2, tzinfo=_SEOUL), UUID(int=2**127 + 5), False, ("a", ("b",)), [1]),
    ("", datetime(1999, 12, 31, tzinfo=_SEOUL), UUID(int=0), True, [], {}),
]


def probe(name: str) -> Table:
    """A table that goes with its connection, its columns in another order than the rows have."""
    return Table(
        name,
        MetaData(),
        Column("id", Integer, primary_key=True, autoincrement=True),
        Column("owner", Uuid, nullable=False),
        Column("notes", JSON(none_as_null=True), nullable=False),
        Column("maybe", JSON(none_as_null=True)),
        Column("at", UtcDateTime, nullable=False),
        Column("seen", Boolean, nullable=False),
        Column("text", String(200), nullable=False),
        prefixes=["TEMPORARY"],
    )


def test_rows_are_those_of_sqlalchemy(database: Database) -> None:
    many = [*_ROWS, *[(f"row {n}", *_ROWS[n % 3][1:]) for n in range(2500)]]
    ours, theirs = probe("ours"), probe("theirs")
    with database.write() as session:
        for table in (ours, theirs):
            table.create(session.connection())

        insert_all(session, ours, _COLUMNS, many)

        session.execute(insert(theirs), [dict(zip(_COLUMNS, row, strict=True)) for row in many])
        made = session.execute(select(ours).order_by(ours.c.id)).all()
        assert [tuple(row) for row in made] == [tuple(row) for row in session.execute(select(theirs))]
        assert len(made) == len(many)
        for table in (ours, theirs):
            table.drop(session.connection())


def test_no_rows_are_no_statement(database: Database) -> None:
    with database.write() as session:
        insert_all(session, probe("never_made"), _COLUMNS, [])


def test_what_the_database_refuses_is_told_as_ever(database: Database) -> None:
    ours = probe("ours")
    with pytest.raises(IntegrityError), database.write() as session:
        ours.create(session.connection())
        insert_all(session, ours, _COLUMNS, [(None, *_ROWS[0][1:])])


def test_rows_are_asked_for_as_they_are_sent(database: Database) -> None:
    asked, sent = 0, []

    def rows() -> Iterator[tuple[Any, ...]]:
        nonlocal asked
        for n in range(5000):
            asked += 1
            yield (f"row {n}", *_ROWS[n % 3][1:])

    def note(*_: Any) -> None:
        sent.append(asked)

    table = probe("streamed")
    with database.write() as session:
        table.create(session.connection())
        event.listen(session.connection(), "before_cursor_execute", note)
        insert_all(session, table, _COLUMNS, rows())
        event.remove(session.connection(), "before_cursor_execute", note)
        assert len(session.execute(select(table)).all()) == 5000
        table.drop(session.connection())
    assert sent == [2000, 4000, 5000]
