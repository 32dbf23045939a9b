"""Heads of a table without rules: which text above the values names which columns."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from ingest.parsing.pdf_page import union
from ingest.parsing.pdf_rows import Cell, Row
from ingest.parsing.pdf_tables import Rule
from rag.domain.anchor import Box

UNIT = re.compile(
    r"[(\[（【]\s*(?:단위|기준|(?:dollars |amounts |figures |\$ ?)?in\s+(?:thousands|millions|billions|won|krw|us)|"
    r"unaudited|units?)\b.*|단위\s?[:：].*",
    re.I,
)
"""What a table's amounts are counted in, where it stands above the table."""

_CLOSED = re.compile(r"[)\]）】]")
_OFF_CENTRE = 0.4
_UNNAMED = 0.2
"""In column pitches: how far a head may be from the middle of its columns, and what a column without a head costs."""

_NO_SPREAD = 1.0
"""What a head costs in a column that has no rule below it while others have."""

_SAME_MIDDLE = 4.0
"""Points between the middles of two lines of one head, which is centred."""

_HEAD_DEPTH = 6.0
"""Line heights in which a table's heads end."""

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
class _Spread:
    """Some heads on some columns, and how badly they fit."""

    cost: float
    heads: dict[int, Cell]


@dataclass(frozen=True, slots=True)
class Heads:
    """Columns to be named, with the page's horizontal rules and where the labels end."""

    columns: Sequence[Column]
    rules: Sequence[Rule]
    labels_end: float

    def merged(self, rows: Sequence[Row]) -> tuple[str, ...]:
        """One text for the labels, the unit included, and one for each column, from top to bottom."""
        parts: list[list[str]] = [[] for _ in range(len(self.columns) + 1)]
        ends = [row.box[1] for row in rows[1:]] + [rows[-1].box[3] + rows[-1].height] if rows else []
        below: dict[int, Cell] = {}
        for row, end in zip(reversed(rows), reversed(ends), strict=True):
            labels, cells = self._without_labels(row)
            parts[0][:0] = labels
            below = self._spread(cells, self._underlined(row, end), below) if cells else below
            for number, cell in below.items() if cells else ():
                parts[number + 1].insert(0, cell.text)
        return tuple(" ".join(part) for part in parts)

    def _without_labels(self, row: Row) -> tuple[list[str], list[Cell]]:
        """What names the labels or says the unit, and the rest of the row."""
        cells = _with_whole_units(row.cells)
        names: list[Cell] = []
        if self._names_labels(cells) or UNIT.match(cells[0].text):
            names.append(cells.pop(0))
        names += [cell for cell in cells if UNIT.match(cell.text)]
        return [cell.text for cell in names], [cell for cell in cells if cell not in names]

    def _names_labels(self, cells: Sequence[Cell]) -> bool:
        first = cells[0]
        if len(cells) > len(self.columns):
            return True
        return first.box[2] <= self.columns[0].left and first.centre < self.labels_end and not first.value

    def _underlined(self, row: Row, end: float) -> list[list[int]]:
        """Columns above each of the rules between a row and the next one at `end`."""
        below = [rule for rule in self.rules if row.box[3] - 2 <= rule.at <= end + 2]
        spans = [[n for n, column in enumerate(self.columns) if r.start <= column.centre <= r.end] for r in below]
        return [span for span in spans if span]

    def _spread(self, cells: Sequence[Cell], ruled: list[list[int]], below: dict[int, Cell]) -> dict[int, Cell]:
        """Which head stands above which column; one that spans several goes to each of them.

        A rule below a head says how far it reaches. Where only some heads have one, lines without are the upper lines
        of those that follow. Otherwise a head is in the middle of its columns.
        """
        if wide := self._by_rules(cells, ruled):
            return wide
        ruled_columns = {number for span in ruled for number in span}
        searchable = len(self.columns) <= _MAX_COLUMNS and (ruled_columns or not self._any_rules(cells))
        centred = self._centred(cells, ruled_columns) if searchable else {}
        spans = len(cells) < len(set(below.values())) and (ruled_columns or len(centred) == len(self.columns))
        if spans and centred:
            return centred
        return self._as_below(cells, below) or centred or self._overlapping(cells)

    def _by_rules(self, cells: Sequence[Cell], ruled: list[list[int]]) -> dict[int, Cell]:
        """Each rule under exactly one head, one of them at least over several columns; empty if that is not so."""
        if not any(len(span) > 1 for span in ruled):
            return {}
        found: dict[int, Cell] = {}
        for span in ruled:
            left, right = self.columns[span[0]].left, self.columns[span[-1]].right
            over = [cell for cell in cells if left - 2 <= cell.centre <= right + 2]
            if len(over) > 1:
                return {}
            found |= dict.fromkeys(span, over[0]) if over else {}
        return found if set(found.values()) == set(cells) else {}

    def _as_below(self, cells: Sequence[Cell], below: dict[int, Cell]) -> dict[int, Cell]:
        """The upper lines of heads on several lines; empty if one of the cells is none."""
        found: dict[int, Cell] = {}
        for cell in cells:
            same = [n for n, other in below.items() if abs(other.centre - cell.centre) <= _SAME_MIDDLE]
            if not same:
                return {}
            found |= dict.fromkeys(same, cell)
        return found if len(set(below.values())) == len(cells) or len(cells) > 1 else {}

    def _any_rules(self, cells: Sequence[Cell]) -> bool:
        """Some head of this table is underlined."""
        top = min(cell.box[1] for cell in cells)
        left, right = self.columns[0].left, self.columns[-1].right
        reach = _HEAD_DEPTH * (cells[0].box[3] - cells[0].box[1])
        return any(top < r.at < top + reach and r.start < right and r.end > left for r in self.rules)

    def _centred(self, cells: Sequence[Cell], ruled: set[int]) -> dict[int, Cell]:
        """The spread in which every head is in the middle of its columns and the fewest columns have none."""
        columns = self.columns
        pitch = max((columns[-1].right - columns[0].left) / len(columns), 1.0)
        bare = [_NO_SPREAD if ruled and number not in ruled else 0.0 for number in range(len(columns))]
        best: list[_Spread | None] = [_Spread(n * _UNNAMED, {}) for n in range(len(columns) + 1)]
        for cell in cells:
            row: list[_Spread | None] = [None] * (len(columns) + 1)
            for end in range(1, len(columns) + 1):
                before = row[end - 1]
                options = [_Spread(before.cost + _UNNAMED, before.heads)] if before else []
                for start in range(end):
                    above = best[start]
                    off = abs((columns[start].left + columns[end - 1].right) / 2 - cell.centre) / pitch
                    if above and off <= _OFF_CENTRE:
                        heads = above.heads | dict.fromkeys(range(start, end), cell)
                        options.append(_Spread(above.cost + off + sum(bare[start:end]), heads))
                row[end] = min(options, key=lambda option: option.cost, default=None)
            best = row
        return best[-1].heads if best[-1] else {}

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


def _with_whole_units(cells: Sequence[Cell]) -> list[Cell]:
    """`(단위:` and `백만원)` are one, however wide the space between them is set."""
    result: list[Cell] = []
    for cell in cells:
        if result and UNIT.match(result[-1].text) and not _CLOSED.search(result[-1].text) and _CLOSED.search(cell.text):
            whole = result.pop()
            cell = Cell((*whole.words, *cell.words), union([whole.box, cell.box]), False)
        result.append(cell)
    return result
