"""Heads of a table without rules: which text above the values names which columns."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from ingest.parsing.pdf_rows import Cell, Row
from ingest.parsing.pdf_tables import Rule
from rag.domain.anchor import Box

UNIT = re.compile(
    r"[(\[（【]\s*(?:단위|기준|(?:dollars |amounts |figures )?in\s+(?:thousands|millions|billions|won|krw|us)|unaudited|units?)"
    r"\b.*|단위\s?[:：].*",
    re.I,
)
"""What a table's amounts are counted in, where it stands above the table."""

_UNDERLINE_REACH = 2.5
"""A rule belongs to a head if it is at most this many line heights below it: heads have up to two lines above it."""

_OFF_CENTRE = 0.4
_UNNAMED = 0.2
"""In column pitches: how far a head may be from the middle of its columns, and what a column without a head costs."""

_MAX_COLUMNS = 24
"""Wider tables have a head for each column; the search for the best spread grows with the third power."""


@dataclass(frozen=True, slots=True)
class Column:
    """Horizontal extent of a column's values."""

    left: float
    right: float

    @property
    def centre(self) -> float:
        """Middle."""
        return (self.left + self.right) / 2

    def overlap(self, box: Box) -> float:
        """Points that a box has in common with it; negative: the distance."""
        return min(self.right, box[2]) - max(self.left, box[0])


@dataclass(frozen=True, slots=True)
class Heads:
    """Columns to be named, with the page's horizontal rules and where the labels end."""

    columns: Sequence[Column]
    rules: Sequence[Rule]
    labels_end: float

    def merged(self, rows: Sequence[Row]) -> tuple[str, ...]:
        """One text for the labels, the unit included, and one for each column, from top to bottom."""
        parts: list[list[str]] = [[] for _ in range(len(self.columns) + 1)]
        underlined = self._underlined(rows)
        for row in rows:
            cells = list(row.cells)
            if UNIT.match(cells[0].text) and (len(cells) == 1 or cells[0].box[2] <= self.columns[0].left + row.height):
                parts[0].append(cells.pop(0).text)
            elif self._names_labels(cells):
                parts[0].append(cells.pop(0).text)
            units = [cell for cell in cells if UNIT.match(cell.text)]
            parts[0] += [cell.text for cell in units]
            for number, cell in self._spread([cell for cell in cells if cell not in units], underlined).items():
                parts[number + 1].append(cell.text)
        return tuple(" ".join(part) for part in parts)

    def _names_labels(self, cells: Sequence[Cell]) -> bool:
        first = cells[0]
        if len(cells) > len(self.columns):
            return True
        return first.box[2] <= self.columns[0].left and first.centre < self.labels_end and not first.value

    def _underlined(self, rows: Sequence[Row]) -> dict[Cell, list[int]]:
        """Columns that the rule below a head spans."""
        found: dict[Cell, list[int]] = {}
        for row in rows:
            for cell in row.cells:
                below = [
                    rule
                    for rule in self.rules
                    if -1 <= rule.at - cell.box[3] <= _UNDERLINE_REACH * row.height
                    and rule.start <= cell.centre <= rule.end
                ]
                if below:
                    rule = min(below, key=lambda rule: rule.at)
                    span = [n for n, column in enumerate(self.columns) if rule.start <= column.centre <= rule.end]
                    found[cell] = span
        return found

    def _spread(self, cells: Sequence[Cell], underlined: dict[Cell, list[int]]) -> dict[int, Cell]:
        """Which head stands above which column; one that spans several goes to each of them."""
        if not cells:
            return {}
        wide = [cell for cell in cells if len(underlined.get(cell, ())) > 1]
        if not any(cell in underlined for cell in cells) and len(self.columns) <= _MAX_COLUMNS:
            if best := self._centred(cells):
                return best
        spread = self._overlapping([cell for cell in cells if cell not in wide])
        return spread | {number: cell for cell in wide for number in underlined[cell]}

    def _centred(self, cells: Sequence[Cell]) -> dict[int, Cell]:
        """The spread in which every head is in the middle of its columns and the fewest columns have none."""
        columns = self.columns
        pitch = max((columns[-1].right - columns[0].left) / len(columns), 1.0)
        # best[k][n]: cost and groups with the first k heads on the first n columns
        best: list[list[tuple[float, dict[int, Cell]] | None]] = [[(n * _UNNAMED, {}) for n in range(len(columns) + 1)]]
        for cell in cells:
            above, row = best[-1], [None] * (len(columns) + 1)  # type: list, list
            for end in range(1, len(columns) + 1):
                options = [(row[end - 1][0] + _UNNAMED, row[end - 1][1])] if row[end - 1] else []
                for start in range(end):
                    off = abs((columns[start].left + columns[end - 1].right) / 2 - cell.centre) / pitch
                    if above[start] and off <= _OFF_CENTRE:
                        groups = above[start][1] | dict.fromkeys(range(start, end), cell)
                        options.append((above[start][0] + off, groups))
                row[end] = min(options, key=lambda option: option[0], default=None)
            best.append(row)
        last = best[-1][-1]
        return last[1] if last else {}

    def _overlapping(self, cells: Sequence[Cell]) -> dict[int, Cell]:
        spread: dict[int, Cell] = {}
        for cell in cells:
            over = [number for number, column in enumerate(self.columns) if column.overlap(cell.box) > 0]
            for number in over or [self._nearest(cell)]:
                known = spread.get(number)
                column = self.columns[number]
                if known is None or column.overlap(cell.box) > column.overlap(known.box):
                    spread[number] = cell
        return spread

    def _nearest(self, cell: Cell) -> int:
        return max(range(len(self.columns)), key=lambda number: self.columns[number].overlap(cell.box))
