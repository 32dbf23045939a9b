"""Tables of OpenDocument: repeated rows and cells are written out within bounds, merged ones repeat their text."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from ingest.parsing.merged import Merge, spread
from ingest.parsing.odf import TABLE

MAX_COLUMNS = 1_000
MAX_REPEATED_ROWS = 1_000
"""A row with text that is repeated more often than this was not typed by anybody."""

_GROUPS = frozenset(
    f"{TABLE}{name}" for name in ("table-rows", "table-row-group", "table-header-rows", "named-expressions")
)
_MAX_DEPTH = 50
_MAX_ROWS = 100_000


def rows_of(table: Any, nesting: int = 0) -> Iterator[Any]:
    """The `table:table-row` elements, in whatever groups they stand."""
    for child in table:
        if child.tag == f"{TABLE}table-row":
            yield child
        elif child.tag in _GROUPS and nesting < _MAX_DEPTH:
            yield from rows_of(child, nesting + 1)


def cells_of(row: Any) -> Iterator[tuple[Any, int]]:
    """Each cell with the number of times that it is repeated."""
    for cell in row:
        if cell.tag in (f"{TABLE}table-cell", f"{TABLE}covered-table-cell"):
            yield cell, count(cell, "number-columns-repeated")


def count(element: Any, name: str) -> int:
    """A repetition or a span; at least 1."""
    text = element.get(f"{TABLE}{name}", "1")
    return max(1, int(text)) if text.isdecimal() and len(text) < 9 else 1


def grid(table: Any, text_of: Callable[[Any], str], after_row: Callable[[], None] = lambda: None) -> list[list[str]]:
    """Cell texts of a table in a text or on a slide, merged cells repeated; a row for each row that was written."""
    rows: list[list[str]] = []
    merges: list[Merge] = []
    for row in rows_of(table):
        line: list[str] = []
        for cell, repeated in cells_of(row):
            text = "" if cell.tag == f"{TABLE}covered-table-cell" else text_of(cell)
            height, width = count(cell, "number-rows-spanned"), count(cell, "number-columns-spanned")
            if max(height, width) > 1:
                merges.append(Merge(len(rows), len(line), height, width))
            line += [text] * min(repeated, MAX_COLUMNS - len(line))
        rows.append(line)
        after_row()
        if len(rows) >= _MAX_ROWS:
            break
    width = max(map(len, rows), default=0)
    for line in rows:
        line += [""] * (width - len(line))
    spread(rows, merges)
    return rows
