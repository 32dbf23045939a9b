"""Rows of HTML tables, and which tables are none: Korean groupware still lays out pages with them."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from typing import Any

from ingest.parsing.characters import squeeze
from ingest.parsing.html_style import Look
from ingest.parsing.html_text import SKIPPED, Sight
from ingest.parsing.merged import Merge
from ingest.parsing.table_heads import MAX_HEAD_ROWS, head_depth

_MAX_SPAN = 200
_MAX_COLUMNS = 1_000
_LAYOUT_CELL_CHARACTERS = 3_000
"""A cell this long is a column of a page laid out by a table."""

_REPEATED_CHARACTERS = 200
"""A spanning cell is repeated so that each row and column can be understood alone; a longer one is no label."""

_SECTIONS = ("thead", "tbody", "tfoot")
_HEADINGS = ("h1", "h2", "h3")
_NAMING = ("th", "caption", "thead")


def is_layout(table: Any) -> bool:
    """A table that only places things: it says so, it holds headings or tables, or one cell is a page of text.

    Tables in a table that has header cells or a caption are data all the same, and so is what stands in a few cells of a
    grid of short ones.
    """
    if table.get("role") in ("presentation", "none"):
        return True
    rows = [_cells(row) for row in _own_rows(table)]
    cells = [cell for row in rows for cell in row]
    if len(cells) < 2 or any(_is_long(cell, _LAYOUT_CELL_CHARACTERS) for cell in cells):
        return True
    headings = next(table.iterdescendants(*_HEADINGS), None) is not None
    if not headings and next(table.iterdescendants("table"), None) is None:
        return False
    named = any(part.tag in _NAMING for part in [*cells, *table])
    return not (named and not headings) and not _is_grid(rows)


def _is_grid(rows: list[list[Any]]) -> bool:
    """Whether rows and columns hold short texts, of which less than half are headings or tables.

    Neither several headings in one cell nor a table that is one by itself is a text of a cell.
    """
    widths = {len(row) for row in rows}
    if len(rows) < 2 or len(widths) > 1 or widths == {1}:
        return False
    cells = [cell for row in rows for cell in row]
    if any(_is_long(cell, _REPEATED_CHARACTERS) or _is_laid_out(cell) for cell in cells):
        return False
    plain = [cell for cell in cells if next(cell.iterdescendants(*_HEADINGS, "table"), None) is None]
    return 2 * sum(any(text.strip() for text in cell.itertext()) for cell in plain) > len(cells)


def _is_laid_out(cell: Any) -> bool:
    """Whether a cell holds a piece of a page: several headings, or a table of columns."""
    if sum(1 for _ in itertools.islice(cell.iterdescendants(*_HEADINGS), 2)) > 1:
        return True
    return any(_has_columns(inner) for inner in cell.iterdescendants("table"))


def _has_columns(table: Any) -> bool:
    rows = [_cells(row) for row in _own_rows(table)]
    named = any(part.tag in _NAMING for part in itertools.chain(table, *rows))
    return named or sum(len(cells) > 1 for cells in rows) > 1


def rows_of(table: Any, look: Look, sight: Sight) -> Iterator[tuple[str, ...]]:
    """Texts by column. A cell that spans rows or columns is repeated in each, unless it spans the whole table and is not the
    heading; one of the heading is repeated above columns that rows below it have, whatever number it asks for."""
    pending: dict[int, tuple[int, str]] = {}
    rows = [(row, _cells(row)) for row in _own_rows(table)]
    width = max((sum(_span(cell, "colspan") for cell in cells) for _, cells in rows), default=0)
    for number, (row, cells) in enumerate(rows):
        texts: list[str] = []
        is_heading = number == 0 and _names_columns(row, cells) and heading_rows(table) == 1
        end = _end_of_columns([cells for _, cells in rows]) if is_heading else _MAX_COLUMNS
        row_look = _look_of_row(row, table, look)
        for cell in cells:
            _take_pending(texts, pending)
            inner = row_look.inside(cell) if row_look else None
            if inner is None:
                sight.note_hidden(cell)
            text = squeeze("".join(sight.visible_text(cell, inner))) if inner else ""
            column = len(texts)
            columns = min(_span(cell, "colspan"), _MAX_COLUMNS - column)
            if columns < 1:
                break
            again = text if len(text) <= _REPEATED_CHARACTERS else ""
            across = again if columns < width or is_heading else ""
            texts += [text, *(across if place < end else "" for place in range(column + 1, column + columns))]
            left = _span(cell, "rowspan") - 1
            if left:
                for offset in range(columns):
                    pending[column + offset] = (left, texts[column + offset] if offset else again)
        _take_pending(texts, pending)
        yield tuple(texts)


def _end_of_columns(rows: Sequence[Sequence[Any]]) -> int:
    """The number of columns up to the last one in which a cell below the first row begins."""
    covered: dict[int, int] = {}
    end = 0
    for number, cells in enumerate(rows):
        column = 0
        for cell in cells:
            while covered.get(column, 0) > number:
                column += 1
            if column >= _MAX_COLUMNS:
                break
            end = max(end, column + 1) if number else end
            columns, height = _span(cell, "colspan"), _span(cell, "rowspan")
            if height > 1:
                covered.update(dict.fromkeys(range(column, column + columns), number + height))
            column += columns
    return end


def heading_rows(table: Any) -> int:
    """How many of the first rows are the heading: those in `thead`, those of `th` alone, or by the cells that they share."""
    rows = [(row, _cells(row)) for row in _own_rows(table)]
    named = 0
    for row, cells in rows[: MAX_HEAD_ROWS + 1]:
        if not _names_columns(row, cells):
            break
        named += 1
    placed: list[Merge] = []
    taken: set[tuple[int, int]] = set()
    for number, (_, cells) in enumerate(rows[:MAX_HEAD_ROWS]):
        column = 0
        for cell in cells:
            while (number, column) in taken:
                column += 1
            if column >= _MAX_COLUMNS:
                break
            height, width = min(_span(cell, "rowspan"), MAX_HEAD_ROWS + 1), _span(cell, "colspan")
            placed.append(Merge(number, column, height, width))
            taken.update((number + down, column + across) for down in range(height) for across in range(width))
            column += width
    return head_depth(placed, len(rows), named)


def _names_columns(row: Any, cells: list[Any]) -> bool:
    return row.getparent().tag == "thead" or (bool(cells) and all(cell.tag == "th" for cell in cells))


def _look_of_row(row: Any, table: Any, look: Look) -> Look | None:
    section = row.getparent()
    inner = look.inside(section) if section is not table else look
    return inner.inside(row) if inner else None


def _own_rows(table: Any) -> Iterator[Any]:
    """Rows of `table`, not those of tables in its cells."""
    for part in table:
        if part.tag == "tr":
            yield part
        elif part.tag in _SECTIONS:
            yield from part.iterchildren("tr")


def _cells(row: Any) -> list[Any]:
    return [cell for cell in row if cell.tag in ("td", "th")]


def _is_long(cell: Any, limit: int) -> bool:
    """Whether a cell's text is longer; white space that only lays out the source does not count."""
    length = 0
    for part in cell.iter():
        if part.tag not in SKIPPED and isinstance(part.tag, str):
            length += len((part.text or "").strip())
        if part is not cell:
            length += len((part.tail or "").strip())
        if length > limit:
            return True
    return False


def _take_pending(texts: list[str], pending: dict[int, tuple[int, str]]) -> None:
    """Fill the columns that cells from above still cover."""
    while len(texts) in pending:
        column = len(texts)
        left, text = pending[column]
        texts.append(text)
        if left > 1:
            pending[column] = (left - 1, text)
        else:
            del pending[column]


def _span(cell: Any, name: str) -> int:
    value = cell.get(name, "1").strip()
    return min(max(int(value), 1), _MAX_SPAN) if value.isdecimal() and len(value) < 6 else 1
