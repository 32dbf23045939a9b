"""From the cells of a spreadsheet to elements: what XLSX, XLS, XLSB and ODS have in common.

A sheet's name is a heading. Below it, runs of rows are cut where a row is empty, and tables that stand side by side where
a column is. Rows with one cell above a table are its captions. Header rows are those that the sheet itself names (an
autofilter, a table, frozen panes) or the first one, with the rows that merged cells tie to it; they are put together
into one line and repeated in every part of a long table. A first row that is data like the rest is no header.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from ingest.parsing.cell_ranges import cell_position, cell_range
from ingest.parsing.characters import one_line
from ingest.parsing.merged import MAX_SPREAD
from ingest.parsing.table_heads import is_data
from ingest.parsing.tables import Row, table_element
from rag.domain.anchor import SheetAnchor
from rag.domain.document import Element, ElementKind

HIDDEN_SHEETS = "hidden_sheets"
"""Sheets that a reader of the workbook doesn't see were left out."""

HIDDEN_ROWS = "hidden_rows"
"""Some rows or columns are hidden (a filter may have done that); they were read."""

CELLS_LEFT_OUT = "cells_left_out"
"""Columns beyond `MAX_COLUMNS` were left out."""

ROWS_PER_ELEMENT = 500
"""A long table is several elements, each with the header repeated."""

MAX_COLUMNS = 1_000
MAX_CELLS = 2_000_000
"""Some 400 MB of short texts; the sandbox allows 1 GiB."""

MAX_CHARACTERS = 60_000_000
"""Above the sandbox's output cap, for the sum of all cells."""

_MAX_HEADER_ROWS = 4

Cells = dict[int, str]
"""Texts of a row by column, from 1; empty cells are left out."""

NumberedRow = tuple[int, Cells]


@dataclass(frozen=True, slots=True)
class Area:
    """A range of cells, all four counted from 1 and included."""

    first_row: int
    first_column: int
    last_row: int
    last_column: int


def area_of(reference: str) -> Area | None:
    """The area that `B2:D9` or `B2` names; None for anything else."""
    first, _, last = reference.partition(":")
    start, end = cell_position(first), cell_position(last or first)
    if start is None or end is None:
        return None
    return Area(min(start[0], end[0]), min(start[1], end[1]), max(start[0], end[0]), max(start[1], end[1]))


@dataclass
class Sheet:
    """What was read of one sheet.

    Attributes:
        rows: those with something in them, in order.
        merges: merged cells; the text stands in the first.
        headers: areas whose first row is named a header by the file: autofilters and tables.
        frozen_rows: rows that stay in view when one scrolls.
        remarks: comments, charts and text boxes, each with its anchor; shown after the cells.
    """

    name: str
    rows: list[NumberedRow] = field(default_factory=list)
    merges: list[Area] = field(default_factory=list)
    headers: list[Area] = field(default_factory=list)
    frozen_rows: int = 0
    remarks: list[Element] = field(default_factory=list)


def sheet_elements(sheet: Sheet) -> Iterator[Element]:
    """Everything on the sheet, in reading order."""
    if not sheet.rows and not sheet.remarks:
        return
    title = one_line(sheet.name)
    if title:
        used = _anchor(sheet.name, sheet.rows) if sheet.rows else SheetAnchor(sheet.name, "A1")
        yield Element(ElementKind.HEADING, title, used, level=1)
    single = _spread(sheet)
    for run in _runs(sheet.rows):
        for block in _side_by_side(run):
            yield from _block_elements(sheet, block, single)
    yield from sheet.remarks


def _spread(sheet: Sheet) -> set[int]:
    """Repeat merged cells' texts where there are rows; the rows whose only content is one merged cell.

    Such a row is a caption: its text is said once.
    """
    single = {number for number, cells in sheet.rows if len(cells) == 1}
    if not sheet.merges:
        return single
    by_number = dict(sheet.rows)
    left = MAX_SPREAD
    for area in sheet.merges:
        text = by_number.get(area.first_row, {}).get(area.first_column)
        if not text:
            continue
        last_column = min(area.last_column, MAX_COLUMNS)
        size = (area.last_row - area.first_row + 1) * (last_column - area.first_column + 1)
        if size > left:
            continue
        left -= size
        for number in range(area.first_row, area.last_row + 1):
            cells = by_number.get(number)
            if cells is None or (number in single and number == area.first_row):
                continue
            for column in range(area.first_column, last_column + 1):
                cells.setdefault(column, text)
    sheet.rows[:] = [(number, dict(sorted(cells.items()))) for number, cells in sheet.rows]
    return single


def _runs(rows: Sequence[NumberedRow]) -> Iterator[list[NumberedRow]]:
    """Runs of rows without an empty row between them."""
    run: list[NumberedRow] = []
    for row in rows:
        if run and row[0] > run[-1][0] + 1:
            yield run
            run = []
        run.append(row)
    if run:
        yield run


def _side_by_side(run: list[NumberedRow]) -> list[list[NumberedRow]]:
    """Tables beside each other with an empty column between; the run itself where that is no more than spacing."""
    used = sorted({column for _, cells in run for column in cells})
    spans: list[list[int]] = []
    for column in used:
        if spans and column == spans[-1][1] + 1:
            spans[-1][1] = column
        else:
            spans.append([column, column])
    if len(spans) < 2:
        return [run]
    blocks = []
    for left, right in spans:
        kept = ((number, {c: text for c, text in cells.items() if left <= c <= right}) for number, cells in run)
        blocks.append([row for row in kept if row[1]])
    return blocks if all(_is_table(block) for block in blocks) else [run]


def _is_table(block: list[NumberedRow]) -> bool:
    """At least two columns and two rows, the first full row as wide as any."""
    widest = max(len(cells) for _, cells in block)
    wide_rows = sum(len(cells) > 1 for _, cells in block)
    first = next((cells for _, cells in block if len(cells) > 1), {})
    return widest > 1 and wide_rows > 1 and len(first) == widest


def _block_elements(sheet: Sheet, block: list[NumberedRow], single: set[int]) -> Iterator[Element]:
    start = next(
        (at for at, (number, cells) in enumerate(block) if len(cells) > 1 and number not in single), len(block)
    )
    start = _named_header(sheet, block, start)
    for row in block[:start]:
        yield Element(ElementKind.TEXT, "\n".join(dict.fromkeys(row[1].values())), _anchor(sheet.name, [row]))
    table = block[start:]
    if not table:
        return
    depth = _header_depth(sheet, table)
    if depth == 1 and not _is_named(sheet, table[0][0]) and _begins_with_data(table):
        depth = 0
    header, body = table[:depth], table[depth:]
    for at in range(0, max(len(body), 1), ROWS_PER_ELEMENT):
        yield from _table(sheet.name, header, body[at : at + ROWS_PER_ELEMENT], repeated=at > 0)


def _named_header(sheet: Sheet, block: list[NumberedRow], start: int) -> int:
    """The place of the first header row that the file names, if what stands above it may be captions."""
    for area in sheet.headers:
        for at, (number, cells) in enumerate(block):
            if number == area.first_row and at >= start and area.first_column in cells:
                above = block[start:at]
                if all(len(row) < len(cells) for _, row in above) and not _tied(sheet, above, number):
                    return at
    return start


def _tied(sheet: Sheet, above: list[NumberedRow], header: int) -> bool:
    """Whether merged cells make these rows a part of the header."""
    numbers = {number for number, _ in above}
    return any(area.first_row in numbers and area.last_row >= header for area in sheet.merges)


def _header_depth(sheet: Sheet, table: list[NumberedRow]) -> int:
    """How many rows the header has: down to the named header row, the frozen rows, or what is merged with the first."""
    first = table[0][0]
    numbers = [number for number, _ in table]
    last = first
    for area in sheet.headers:
        if first <= area.first_row < first + _MAX_HEADER_ROWS:
            last = max(last, area.first_row)
    if first <= sheet.frozen_rows < first + _MAX_HEADER_ROWS:
        last = max(last, sheet.frozen_rows)
    if last == first:
        last = max(
            (area.last_row for area in sheet.merges if area.first_row == first and _ties_header(sheet, area)),
            default=first,
        )
    depth = sum(number <= last for number in numbers)
    return depth if 1 <= depth <= min(_MAX_HEADER_ROWS, len(table)) else 1


def _is_named(sheet: Sheet, row: int) -> bool:
    """Whether the file itself calls this row a header."""
    return row <= sheet.frozen_rows or any(area.first_row == row for area in sheet.headers)


def _begins_with_data(table: list[NumberedRow]) -> bool:
    columns = _columns(table)
    first, *below = ([one_line(cells.get(column, "")) for column in columns] for _, cells in table)
    return is_data(first, below)


def _columns(rows: list[NumberedRow]) -> range:
    return range(min(min(cells) for _, cells in rows), max(max(cells) for _, cells in rows) + 1)


def _ties_header(sheet: Sheet, area: Area) -> bool:
    """A cell over two header rows, beside one over several columns: `구분` next to `매출 (1분기, 2분기)`."""
    beside = (other for other in sheet.merges if other.first_row == area.first_row and other != area)
    return area.last_row > area.first_row and any(other.last_column > other.first_column for other in beside)


def _table(sheet: str, header: list[NumberedRow], body: list[NumberedRow], *, repeated: bool) -> Iterator[Element]:
    rows = [*header, *body]
    columns = _columns(rows)
    anchored: list[Row] = []
    if header:
        anchored.append((tuple(_together(header, column) for column in columns), _anchor(sheet, header)))
    anchored += [(tuple(cells.get(c, "") for c in columns), _anchor(sheet, [(n, cells)])) for n, cells in body]
    element = table_element(anchored, _anchor(sheet, body if repeated else rows, over=rows), headed=bool(header))
    if element:
        yield element


def _together(header: list[NumberedRow], column: int) -> str:
    """A column's heading from all header rows: `매출 / 1분기`."""
    return " / ".join(dict.fromkeys(one_line(cells[column]) for _, cells in header if column in cells))


def _anchor(sheet: str, rows: Sequence[NumberedRow], over: Sequence[NumberedRow] = ()) -> SheetAnchor:
    """From the first to the last of the rows, and the columns that they (or the rows of `over`) use."""
    columns: Iterable[int] = [column for _, cells in over or rows for column in (min(cells), max(cells))]
    return SheetAnchor(sheet, cell_range(rows[0][0], min(columns), rows[-1][0], max(columns)))
