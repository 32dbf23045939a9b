"""Many rows into one table, without what SQLAlchemy does for each of them.

For a row of eight columns its `executemany` takes longer than SQLite: it makes a dictionary of parameters, and asks for every
column whether it has to be changed for the driver. Here the statement is compiled by SQLAlchemy as well, and values go through
the same processors of their types, a column at a time.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import chain, islice
from typing import Any

from sqlalchemy import Table, insert
from sqlalchemy.engine import Dialect
from sqlalchemy.orm import Session

TOGETHER = 2000
"""Rows in one call of the driver."""


def insert_all(
    session: Session, table: Table, columns: Sequence[str], rows: Iterable[Sequence[Any]], together: int = TOGETHER
) -> None:
    """Insert rows in the transaction of `session`; what it holds and has not flushed is not flushed.

    Args:
        columns: names of those that `rows` have values for, in their order. The others have no default but the database's.
        rows: n of as many values each, as they are in Python; `together` are asked for, and held, at a time.
    """
    left = iter(rows)
    first = next(left, None)
    if first is None:
        return
    left = chain((first,), left)
    connection = session.connection()
    dialect = connection.dialect
    compiled = insert(table).inline().compile(dialect=dialect, column_keys=list(columns))
    statement, order = str(compiled), compiled.positiontup or list(columns)
    places = [columns.index(name) for name in order]
    processors = [table.c[name].type.dialect_impl(dialect).bind_processor(dialect) for name in order]
    while group := list(islice(left, together)):
        by_column = list(zip(*group, strict=True))
        sent = zip(
            *[
                by_column[place] if process is None else map(process, by_column[place])
                for place, process in zip(places, processors, strict=True)
            ],
            strict=True,
        )
        connection.exec_driver_sql(statement, _parameters(dialect, order, sent))


def _parameters(dialect: Dialect, names: Sequence[str], rows: Iterable[tuple[Any, ...]]) -> Any:
    """Rows as the driver takes them: by place, or by name."""
    if dialect.positional:
        return list(rows)
    return [dict(zip(names, row, strict=True)) for row in rows]
