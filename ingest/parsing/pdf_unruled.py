"""Tables without rules: rows of values under each other make columns, what stands above them makes the heads.

Reports and statements are set this way: shading or nothing between rows, amounts aligned to the right. A block is
taken for a table only by its values, so prose in two columns never becomes one.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from ingest.parsing.pdf_heads import UNIT, Column, Heads
from ingest.parsing.pdf_page import rounded, union
from ingest.parsing.pdf_rows import Cell, Row
from ingest.parsing.pdf_tables import FoundTable, Rule
from rag.domain.anchor import Box, PageAnchor

_ROW_GAP = 2.2
"""Rows of one table are at most this many line heights apart, blank lines between groups of rows included."""

_HEAD_GAP = 1.6
_MAX_LABEL_ROWS = 3
"""So many rows without a value may follow each other inside a table: a section's name, a label on several lines."""

_MAX_HEAD_ROWS = 7
_MIN_DATA_ROWS = 2
_INDENT = 2.0
"""Points by which a row's label is indented below its section's name."""

_MAX_SECTION = 80
"""Characters of a section's name that are worth repeating in each of its rows."""

_TOTAL = re.compile(r"(?:sub)?total\b|net (?:cash|income|loss)\b|합\s?계|소\s?계|총\s?계|계$|총", re.I)
_SAME_HEIGHT = 1.2


def find_unruled(rows: Sequence[Row], rules: Sequence[Rule], page: int) -> list[FoundTable]:
    """Tables among a page's rows, from top to bottom; `rules` are the horizontal ones, which underline heads."""
    tables: list[FoundTable] = []
    taken = 0
    for start, end in _blocks(rows):
        for first, last in _divided(rows, start, end):
            found = _table(rows, rules, taken, first, last, page)
            if found:
                table, taken = found
                tables.append(table)
    return tables


def _blocks(rows: Sequence[Row]) -> list[tuple[int, int]]:
    """Runs of rows, as half-open ranges, that begin and end with data and have little else between."""
    blocks: list[tuple[int, int]] = []
    start, last = -1, -1
    for index, row in enumerate(rows):
        if start >= 0 and not _goes_on(rows, last, index):
            blocks.append((start, last + 1))
            start = -1
        if row.has_data:
            start = index if start < 0 else start
            last = index
    if start >= 0:
        blocks.append((start, last + 1))
    return blocks


def _goes_on(rows: Sequence[Row], last: int, index: int) -> bool:
    """Whether row `index` may be in the block whose last data row is `last`."""
    row, above = rows[index], rows[index - 1]
    if index - last > _MAX_LABEL_ROWS + 1:
        return False
    if row.box[1] - above.box[3] > _ROW_GAP * max(row.height, above.height):
        return False
    return row.has_data or row.is_years or not _is_prose(rows, last, row)


def _is_prose(rows: Sequence[Row], last: int, row: Row) -> bool:
    """A line of running text: it reaches over the values above it."""
    values = rows[last].values
    return len(row.cells) == 1 and row.box[2] > values[-1].box[0] and len(row.text) > 60


def _divided(rows: Sequence[Row], start: int, end: int) -> list[tuple[int, int]]:
    """A block cut where new heads begin: columns have other meanings from there on."""
    columns = _columns([row for row in rows[start:end] if row.has_data])
    left = columns[0].left if columns else 0.0
    parts: list[tuple[int, int]] = []
    first = start
    index = start
    while index < end:
        if not rows[index].has_data and _is_head(rows[index], left) and index > first:
            parts.append((first, index))
            while index < end and not rows[index].has_data:
                index += 1
            first = index
            continue
        index += 1
    parts.append((first, end))
    return [part for part in parts if part[0] < part[1]]


def _is_head(row: Row, left: float) -> bool:
    """Cells above the values, and not one line of text that begins where labels do."""
    over = [cell for cell in row.cells if cell.centre >= left - row.height and len(cell.text) <= 60]
    if not over:
        return False
    if len(row.cells) == 1:
        return row.cells[0].box[0] >= left - 4 * row.height
    return len(over) >= len(row.cells) - 1


def _table(
    rows: Sequence[Row], rules: Sequence[Rule], taken: int, first: int, last: int, page: int
) -> tuple[FoundTable, int] | None:
    body = list(rows[first:last])
    while body and not body[-1].has_data:
        body.pop()
    last = first + len(body)
    if len(body) > _MIN_DATA_ROWS and body[0].is_years and len(body[0].values) > 1:
        first += 1
        body.pop(0)
    data = [row for row in body if row.has_data]
    columns = _columns(data)
    if len(data) < _MIN_DATA_ROWS or not columns or (len(columns) == 1 and len(data) < _MIN_DATA_ROWS + 1):
        return None
    heads, sections = _above(rows, taken, first, columns, data)
    body = [*sections, *body]
    labels = [row.cells[0] for row in body if len(row.cells) > 1 and row.cells[0].box[0] < columns[0].left]
    labels_end = max((cell.box[2] for cell in labels), default=columns[0].left)
    head = Heads(columns, rules, labels_end).merged(heads)
    box = union([row.box for row in [*heads, *body]])
    head_anchor = _anchor(union([row.box for row in heads]), page) if heads else None
    edges = tuple((column.left, column.right) for column in columns)
    if head_anchor is None:
        head = ("",) * len(head)
    return FoundTable(box, head, head_anchor, tuple(_body(body, columns, labels_end, page)), edges), last


def _anchor(box: Box, page: int) -> PageAnchor:
    return PageAnchor(page, page, ((page, rounded(box)),))


def _columns(data: Sequence[Row]) -> list[Column]:
    """Columns of values and of text that recurs between them. What stands leftmost in most rows is their labels."""
    values = _clusters([cell for row in data for cell in row.values])
    rows_of = [sum(any(column.overlap(c.box) > 0 for c in row.values) for row in data) for column in values]
    lone = [column for column, count in zip(values, rows_of, strict=True) if count == 1]
    labels = [row.cells[0] for row in data if not row.cells[0].value]
    # `$136` at the start of a label's second line is no column.
    values = [column for column in values if column not in lone or not _under(column, labels)]
    if values and _leads(values[0], data):
        values = values[1:]
    if not values:
        return []
    texts = [
        cell
        for row in data
        for cell in row.cells[1:]
        if not cell.value and cell.box[0] > row.cells[0].box[2] and all(c.overlap(cell.box) <= 0 for c in values)
    ]
    recurring = [column for column in _clusters(texts) if sum(column.overlap(c.box) > 0 for c in texts) >= 2]
    apart = [column for column in recurring if not _under(column, labels) or column.left > values[0].left]
    return sorted([*values, *apart], key=lambda column: column.left)


def _under(column: Column, labels: Sequence[Cell]) -> bool:
    return any(column.overlap(cell.box) > 0 for cell in labels)


def _leads(column: Column, data: Sequence[Row]) -> bool:
    """The column stands where labels do: years or numbers name the rows."""
    first = sum(column.overlap(row.cells[0].box) > 0 for row in data)
    return first >= 0.7 * len(data) and len(data[0].cells) > 1


def _clusters(cells: Sequence[Cell]) -> list[Column]:
    """Extents of cells that stand above each other."""
    columns: list[Column] = []
    for cell in sorted(cells, key=lambda cell: cell.box[0]):
        if columns and columns[-1].right > cell.box[0] + 0.5:
            columns[-1] = Column(columns[-1].left, max(columns[-1].right, cell.box[2]))
        else:
            columns.append(Column(cell.box[0], cell.box[2]))
    return columns


def _above(
    rows: Sequence[Row], taken: int, first: int, columns: Sequence[Column], data: Sequence[Row]
) -> tuple[list[Row], list[Row]]:
    """Rows above the data that name the columns or the unit, and names of sections between them and the data."""
    heads: list[Row] = []
    sections: list[Row] = []
    height = data[0].height
    below = rows[first]
    for index in range(first - 1, max(taken, first - _MAX_HEAD_ROWS) - 1, -1):
        row = rows[index]
        if below.box[1] - row.box[3] > _HEAD_GAP * height or row.height > _SAME_HEIGHT * height:
            break
        if row.has_data and not row.is_years and 2 * len(row.values) > len(row.cells):
            break
        if UNIT.match(row.text) or _is_head(row, columns[0].left):
            heads.insert(0, row)
        elif not heads and len(sections) < _MAX_LABEL_ROWS and _is_section(row, columns, height):
            sections.insert(0, row)
        else:
            break
        below = row
    names_columns = any(not UNIT.fullmatch(row.text) for row in heads)
    return heads, sections if names_columns else []


def _is_section(row: Row, columns: Sequence[Column], height: float) -> bool:
    return len(row.cells) == 1 and row.box[2] <= columns[0].left + height and len(row.text) < 60


@dataclass(slots=True)
class _BodyRow:
    """A row being put together: a label on several lines counts as one."""

    label: str
    left: float
    right: float
    texts: list[str]
    box: Box
    filled: bool


def _body(
    rows: Sequence[Row], columns: Sequence[Column], labels_end: float, page: int
) -> list[tuple[tuple[str, ...], PageAnchor]]:
    built: list[_BodyRow] = []
    for row in rows:
        new = _body_row(row, columns)
        if built and _wraps(built[-1], new, row, labels_end):
            before = built[-1]
            before.label = f"{before.label} {new.label}".strip()
            before.texts = [f"{one} {other}".strip() for one, other in zip(before.texts, new.texts, strict=True)]
            before.right, before.box = new.right, union([before.box, new.box])
            before.filled = before.filled or new.filled
        else:
            built.append(new)
    _name_sections(built)
    return [((row.label, *row.texts), _anchor(row.box, page)) for row in built]


def _body_row(row: Row, columns: Sequence[Column]) -> _BodyRow:
    label: list[Cell] = []
    texts = [""] * len(columns)
    for position, cell in enumerate(row.cells):
        at = max(range(len(columns)), key=lambda number: columns[number].overlap(cell.box))
        in_label = columns[at].overlap(cell.box) <= 0 and cell.centre < columns[0].left
        if in_label or (position == 0 and not cell.value and cell.box[0] < columns[0].left):
            label.append(cell)
        else:
            texts[at] = f"{texts[at]} {cell.text}".strip()
    box = union([cell.box for cell in label]) if label else row.box
    return _BodyRow(" ".join(cell.text for cell in label), box[0], box[2], texts, row.box, any(texts))


def _wraps(before: _BodyRow, new: _BodyRow, row: Row, labels_end: float) -> bool:
    """The label of the row before goes on here: its next word had no room left."""
    if not before.label or before.label.endswith((":", "：")):
        return False
    gap = new.box[1] - before.box[3]
    if gap > 0.6 * row.height:
        return False
    if not new.label:
        return not before.filled and new.filled and gap <= 0.2 * row.height
    if before.filled and new.filled:
        return False
    if not before.filled and _names_a_part(before, new):
        return False
    first = row.cells[0].words[0]
    no_room = before.right + (first.box[2] - first.box[0]) + 0.2 * row.height > labels_end
    goes_on = new.label[0].islower() or not new.label[0].isalpha()
    if before.filled:
        return no_room and goes_on
    return no_room


def _names_a_part(before: _BodyRow, new: _BodyRow) -> bool:
    """A name in capitals, or a name of its own further in: both stand above what follows."""
    if before.label.isupper() != new.label.isupper():
        return True
    return not new.filled and new.label[0].isupper() and new.left > before.left + _INDENT


def _name_sections(rows: Sequence[_BodyRow]) -> None:
    """Rows indented below a row without values get its name: `Cost of sales: Products` can be understood alone."""
    sections: list[tuple[float, str]] = []
    for row in rows:
        own = row.label
        while sections and own and row.left < sections[-1][0] + _INDENT:
            sections.pop()
        if sections and _TOTAL.match(own):
            sections.pop()  # what comes after a total is about something else
        elif sections and row.filled and own:
            row.label = f"{sections[-1][1]} {own}"
        if own and not row.filled and len(own) <= _MAX_SECTION:
            sections.append((row.left, own if own.endswith((":", "：")) else own + ":"))
