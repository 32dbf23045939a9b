"""Running text in two columns: where the gutter is, and what is read first."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from ingest.parsing.pdf_page import Line, union
from ingest.parsing.pdf_rows import Row
from rag.domain.anchor import Box

_MIN_ROWS = 6
"""Fewer rows side by side are a letterhead or a signature block."""

_MIN_BAND_ROWS = 3
_CENTRE = (0.3, 0.7)
"""Shares of the text's width between which a gutter lies."""

_FULL = 0.8
"""A line of a column reaches this far across it, unless it ends a paragraph."""

_FULL_SHARE = 0.55
_MIN_GUTTER = 0.8
"""In line heights."""


@dataclass(frozen=True, slots=True)
class Columns:
    """Bands of a page that are set in two columns: top, bottom, middle of the gutter."""

    bands: tuple[tuple[float, float, float], ...] = ()

    def key(self, box: Box) -> tuple[int, int, float]:
        """Sorts boxes as they are read."""
        middle = (box[1] + box[3]) / 2
        for number, (top, bottom, gutter) in enumerate(self.bands):
            if middle < top:
                return (2 * number, 0, box[1])
            if middle <= bottom:
                return (2 * number + 1, int((box[0] + box[2]) / 2 > gutter), box[1])
        return (2 * len(self.bands), 0, box[1])

    def parts(self, lines: Iterable[Line]) -> list[list[Line]]:
        """Lines by column, in reading order; those that reach over a gutter are cut there."""
        if not self.bands:
            return [list(lines)]
        cut = [part for line in lines for part in self._cut(line)]
        placed = sorted(cut, key=lambda line: self.key(line.box)[:2])  # stable: the order inside a column is kept
        return [list(group) for _, group in itertools.groupby(placed, key=lambda line: self.key(line.box)[:2])]

    def _cut(self, line: Line) -> list[Line]:
        middle = (line.box[1] + line.box[3]) / 2
        for top, bottom, gutter in self.bands:
            if top <= middle <= bottom and line.box[0] < gutter < line.box[2]:
                left = tuple(word for word in line.words if word.box[2] <= gutter + 1)
                right = tuple(word for word in line.words if word.box[2] > gutter + 1)
                halves = [words for words in (left, right) if words]
                return [replace(line, words=words, box=union([word.box for word in words])) for words in halves]
        return [line]


def find_columns(rows: Sequence[Row]) -> Columns:
    """The columns of a page of running text; none on other pages."""
    split = [row for row in rows if len(row.cells) >= 2 and not row.has_data]
    if len(split) < _MIN_ROWS:
        return Columns()
    left, right = min(row.box[0] for row in rows), max(row.box[2] for row in rows)
    gutter = _gutter(split, left, right)
    if gutter is None:
        return Columns()
    bands = [band for band in _bands(rows, gutter) if len(band) >= _MIN_BAND_ROWS]
    both = [row for band in bands for row in band if row.box[0] < gutter < row.box[2]]
    if len(both) < _MIN_ROWS or not _is_prose(both, gutter):
        return Columns()
    return Columns(tuple((band[0].box[1], band[-1].box[3], gutter) for band in bands))


def _gutter(rows: Sequence[Row], left: float, right: float) -> float | None:
    """The x that lies in a gap of most rows."""
    low, high = (left + share * (right - left) for share in _CENTRE)
    gaps = [
        (before.box[2], after.box[0])
        for row in rows
        for before, after in itertools.pairwise(row.cells)
        if after.box[0] - before.box[2] >= _MIN_GUTTER * row.height and before.box[2] < high and after.box[0] > low
    ]
    if len(gaps) < _MIN_ROWS:
        return None
    # The rows' longest lines bound the gutter: nine in ten may not reach into it.
    ends, starts = sorted(end for end, _ in gaps), sorted(start for _, start in gaps)
    end, start = ends[int(0.9 * (len(ends) - 1))], starts[int(0.1 * len(starts))]
    return (end + start) / 2 if start > end else None


def _bands(rows: Sequence[Row], gutter: float) -> list[list[Row]]:
    """Runs of rows that nothing crosses the gutter in, one-sided rows at their ends included."""
    bands: list[list[Row]] = [[]]
    for row in rows:
        if any(cell.box[0] < gutter - 1 and cell.box[2] > gutter + 1 for cell in row.cells):
            bands.append([])
        else:
            bands[-1].append(row)
    return [band for band in bands if any(row.box[0] < gutter < row.box[2] for row in band)]


def _is_prose(rows: Sequence[Row], gutter: float) -> bool:
    """Lines of both sides are as long as their column; a table's cells are not."""
    for side in (-1, 1):
        halves = [
            union([cell.box for cell in row.cells if (cell.centre > gutter) == (side > 0)])
            for row in rows
            if any((cell.centre > gutter) == (side > 0) for cell in row.cells)
        ]
        if not halves:
            return False
        left, right = min(box[0] for box in halves), max(box[2] for box in halves)
        full = sum(box[2] - box[0] >= _FULL * (right - left) for box in halves)
        if full < _FULL_SHARE * len(halves):
            return False
    return True
