"""Tables of AsciiDoc: cells in `|===` blocks, and the comma and colon separated kinds."""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from ingest.parsing.tables import Row, table_element
from rag.domain.anchor import LineAnchor
from rag.domain.document import Element

_SPECIFIER = re.compile(r"(?:^|(?<=\s))(?:(\d{1,3})?(?:\.(\d{1,3}))?([+*]))?(?:[<^>])?(?:\.[<^>])?[aehlmsdv]?$")
_COLUMN_COUNT = re.compile(r"(\d{1,3})\*")
_MAX_COLUMNS = 200
_MAX_REPEATS = 50
_MAX_CELLS = 200_000
_NESTED = re.compile(r"^!===\s*$")


@dataclass(frozen=True, slots=True)
class _Cell:
    """Text, place in the file, and how far it reaches."""

    text: str
    first: int
    last: int
    columns: int = 1
    rows: int = 1


def table(
    lines: Sequence[str], first: int, delimiter: str, options: Mapping[str, str], shown: Callable[[str], str]
) -> Element | None:
    """The table whose `lines` (between the delimiters) begin at line `first`; None when it is empty.

    Args:
        delimiter: the line that opened the block: `|===`, `,===`, `:===` or `!===`.
        options: attributes of the block, of which `cols`, `format` and `separator` matter.
        shown: turns the source of a cell into what is read.
    """
    separator = options.get("separator", delimiter[0])
    kind = options.get("format", {",": "csv", ":": "dsv"}.get(delimiter[0], "psv"))
    if kind in ("csv", "tsv", "dsv"):
        separator = options.get("separator", {"csv": ",", "tsv": "\t", "dsv": ":"}[kind])
        rows = _separated(lines, first, separator[:1] or ",", shown)
    else:
        cells = _cells(lines, first, separator[:1] or "|", shown)
        rows = _rows(cells, _columns(options.get("cols", "")) or _first_line_columns(cells))
    if not rows:
        return None
    return table_element(rows, LineAnchor(first, first + max(len(lines), 1) - 1))


def _separated(lines: Sequence[str], first: int, separator: str, shown: Callable[[str], str]) -> list[Row]:
    rows: list[Row] = []
    reader = csv.reader((line + "\n" for line in lines), delimiter=separator)
    begin = 0
    try:
        for cells in reader:
            anchor = LineAnchor(first + begin, first + max(begin, reader.line_num - 1))
            rows.append((tuple(shown(cell) for cell in cells), anchor))
            begin = reader.line_num
    except csv.Error:
        rows += [((line,), LineAnchor(first + n, first + n)) for n, line in enumerate(lines[begin:], start=begin)]
    return rows


def _cells(lines: Sequence[str], first: int, separator: str, shown: Callable[[str], str]) -> list[_Cell]:
    """Cells in order. What stands right before a separator may be the specifier of the cell after it."""
    cells: list[_Cell] = []
    parts: list[str] = []
    begin, specifier = first, ""
    started = False

    def close(last: int) -> None:
        if started and len(cells) < _MAX_CELLS:
            columns, rows, repeats = _reach(specifier)
            text = shown(" ".join(part for part in parts if not _NESTED.match(part)))
            cells.extend([_Cell(text, begin, last, columns, rows)] * repeats)

    for number, line in enumerate(lines, start=first):
        pieces = line.replace(f"\\{separator}", "\0").split(separator)
        for place, piece in enumerate(pieces):
            text = piece.replace("\0", separator)
            if place == 0:
                parts.append(text)
                continue
            found = _SPECIFIER.search(parts[-1]) if parts else None
            next_specifier = found[0] if found and parts[-1].strip() != "" and (found[0] != "") else ""
            if next_specifier and _is_specifier(next_specifier, parts[-1], started):
                parts[-1] = parts[-1][: len(parts[-1]) - len(next_specifier)]
            else:
                next_specifier = ""
            close(number if place > 1 or parts[-1].strip() else max(begin, number - 1))
            started, parts, begin, specifier = True, [text], number, next_specifier
        if started and not line.strip():
            parts.append("")
    close(first + len(lines) - 1)
    return _without_odd_ends(cells, lines, first, separator)


def _is_specifier(found: str, before: str, started: bool) -> bool:
    """Whether `found` is a specifier and not the last word of the cell before: a lone letter is one only on its own.

    `| a | First` has a cell that says `a`; in `|===\\na|First` and `2+|First` nothing else stands before the separator.
    """
    if found.isalpha():
        return before.strip() == found and not before.startswith(" ") and not started
    return True


def _without_odd_ends(cells: list[_Cell], lines: Sequence[str], first: int, separator: str) -> list[_Cell]:
    """Leave out the empty cell that a line written `|a|b|` ends with, as in Markdown, when all full lines do."""
    ended = {
        first + n
        for n, line in enumerate(lines)
        if line.rstrip().endswith(separator) and line.count(separator) > 2 and line.lstrip().startswith(separator)
    }
    full = [n for n, line in enumerate(lines, start=first) if line.strip()]
    if not full or len(ended) < len(full):
        return cells
    last_of_line: dict[int, int] = {cell.first: index for index, cell in enumerate(cells)}
    dropped = {index for line, index in last_of_line.items() if line in ended and not cells[index].text}
    return [cell for index, cell in enumerate(cells) if index not in dropped]


def _reach(specifier: str) -> tuple[int, int, int]:
    """Columns, rows and repeats of a cell: `2+`, `.3+`, `2.3+`, `4*`."""
    found = _SPECIFIER.search(specifier)
    if not found or not found[3]:
        return 1, 1, 1
    across, down = int(found[1] or 1), int(found[2] or 1)
    if found[3] == "*":
        return 1, 1, min(max(across, 1), _MAX_REPEATS)
    return min(max(across, 1), _MAX_COLUMNS), min(max(down, 1), _MAX_COLUMNS), 1


def _columns(cols: str) -> int:
    """How many columns `cols` states: `1,2,1`, `3*`, `2*,1`; 0 when it does not."""
    if not cols.strip():
        return 0
    count = 0
    for part in cols.split(","):
        found = _COLUMN_COUNT.search(part)
        count += int(found[1]) if found else 1
    return min(count, _MAX_COLUMNS)


def _first_line_columns(cells: Sequence[_Cell]) -> int:
    """Without `cols`, the cells on the first line of the table are its columns."""
    return sum(cell.columns for cell in cells if cell.first == cells[0].first) if cells else 0


def _rows(cells: Sequence[_Cell], columns: int) -> list[Row]:
    """Cells in rows of `columns`, those that reach further repeated in each place, as a spreadsheet would be read."""
    rows: list[Row] = []
    texts: list[str] = []
    lines: list[int] = []
    pending: dict[int, tuple[int, str]] = {}

    def fill() -> None:
        while len(texts) in pending and len(texts) < columns:
            left, text = pending.pop(len(texts))
            if left > 1:
                pending[len(texts)] = (left - 1, text)
            texts.append(text)

    def end_row() -> None:
        if lines:
            rows.append((tuple(texts), LineAnchor(min(lines), max(lines))))
        texts.clear()
        lines.clear()

    for cell in cells:
        fill()
        if len(texts) >= columns:
            end_row()
            fill()
        across = min(cell.columns, max(columns - len(texts), 1))
        for offset in range(across):
            if cell.rows > 1:
                pending[len(texts)] = (cell.rows - 1, cell.text)
            texts.append(cell.text if offset == 0 or across < columns else "")
        lines += [cell.first, cell.last]
    fill()
    end_row()
    return rows
