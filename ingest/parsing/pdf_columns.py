"""Running text in columns: where the gutters are, and what is read first."""

from __future__ import annotations

import bisect
import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from ingest.parsing.pdf_page import Line, Word, union
from ingest.parsing.pdf_rows import Cell, Row, cell_of
from rag.domain.anchor import Box

_MIN_ROWS = 6
"""Fewer rows side by side are a letterhead or a signature block."""

_MIN_BAND_ROWS = 3
_CENTRE = (0.3, 0.7)
"""Shares of the text's width between which the gutter of two columns lies, which may be of two widths."""

_IN_GAP = 0.85
"""Of the rows that have a gap where a gutter may be, so many have it there; some lines reach over."""

_RIVAL = 0.8
"""Where so many of them have another gap, there are more columns than that."""

_MOST_COLUMNS = 4
_SLACK = 0.08
"""How far from its place the gutter of three columns or more may lie, in shares of the text's width: those are of one width."""

_NARROWEST = 8.0
"""Width of one of three columns or more, in line heights: lists of names and of codes are narrower."""

_MIN_WORDS = 2.0
"""In a line of such a column, on average."""

_SAME_WIDTH = 1.3

_FULL = 0.8
"""A line of a column reaches this far across it, unless it ends a paragraph."""

_FULL_SHARE = 0.55
_MIN_GUTTER = 0.8
"""In line heights."""

_JITTER = 0.3
_INDENT = 2.5
"""Line heights: how far a line of a column may begin from those beside it; the first column has paragraphs that are set in."""

_HEADING_GAP = 0.5
"""In line heights: so much more white is above the heading of what follows than below it."""


@dataclass(frozen=True, slots=True)
class Columns:
    """Bands of a page that are set in columns: top, bottom, middles of the gutters from left to right."""

    bands: tuple[tuple[float, float, tuple[float, ...]], ...] = ()

    def key(self, box: Box) -> tuple[int, int, float]:
        """Sorts boxes as they are read."""
        middle = (box[1] + box[3]) / 2
        for number, (top, bottom, gutters) in enumerate(self.bands):
            if middle < top:
                return (2 * number, 0, box[1])
            if middle <= bottom:
                return (2 * number + 1, bisect.bisect_left(gutters, (box[0] + box[2]) / 2), box[1])
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
        for top, bottom, gutters in self.bands:
            crossed = [gutter for gutter in gutters if line.box[0] < gutter < line.box[2]]
            if top <= middle <= bottom and crossed:
                pieces: dict[int, list[Word]] = {}
                for word in line.words:
                    pieces.setdefault(_column_of(word, gutters), []).append(word)
                boxes = [(tuple(words), union([word.box for word in words])) for _, words in sorted(pieces.items())]
                return [replace(line, words=words, box=box) for words, box in boxes]
        return [line]


def find_columns(rows: Sequence[Row]) -> Columns:
    """The columns of a page of running text; none on other pages."""
    split = [row for row in rows if len(row.cells) >= 2 and not row.has_data]
    if len(split) < _MIN_ROWS:
        return Columns()
    for count in range(_MOST_COLUMNS, 1, -1):
        if (gutters := _gutters(split, rows, count)) and (found := _columns(rows, gutters)):
            return found
    return Columns()


def _columns(rows: Sequence[Row], gutters: tuple[float, ...]) -> Columns | None:
    """The bands with these gutters, where what stands between them is running text."""
    bands = [band for band in _bands(rows, gutters) if len(band) >= _MIN_BAND_ROWS]
    beside = [row for band in bands for row in band if _spans(row, gutters)]
    if len(beside) < _MIN_ROWS or not _is_prose(beside, gutters):
        return None
    return Columns(tuple((band[0].box[1], band[-1].box[3], gutters) for band in bands))


def _gutters(split: Sequence[Row], rows: Sequence[Row], count: int) -> tuple[float, ...]:
    """The gutters of so many columns; none where one of them is missing."""
    left, right = min(row.box[0] for row in rows), max(row.box[2] for row in rows)
    places = [number / count for number in range(1, count)]
    zones = [_CENTRE] if count == 2 else [(place - _SLACK, place + _SLACK) for place in places]
    found = [_gutter(split, left + low * (right - left), left + high * (right - left)) for low, high in zones]
    return tuple(gutter for gutter in found if gutter is not None) if None not in found else ()


def _gutter(rows: Sequence[Row], low: float, high: float) -> float | None:
    """The x between these two that lies in a gap of most rows that reach over both and have one there."""
    gaps_of_rows = [
        [
            (before.box[2], after.box[0])
            for before, after in itertools.pairwise(row.cells)
            if after.box[0] - before.box[2] >= _MIN_GUTTER * row.height and before.box[2] < high and after.box[0] > low
        ]
        for row in rows
        if row.box[0] < low and row.box[2] > high
    ]
    having = sum(bool(gaps) for gaps in gaps_of_rows)
    if having < _MIN_ROWS:
        return None
    gaps = [gap for gaps in gaps_of_rows for gap in gaps]
    # Justified lines have wide gaps elsewhere too, but not above each other: the gutter is where most lie.
    deepest = {start: sum(begin <= start < end for begin, end in gaps) for start, _ in gaps}
    start = max(deepest, key=lambda x: (deepest[x], x))
    end = min(end for begin, end in gaps if begin <= start < end)
    rivals = (deepest[other] for other, stop in gaps if other >= end or stop <= start)
    if deepest[start] < _IN_GAP * having or max(rivals, default=0) >= _RIVAL * having:
        return None
    return (start + end) / 2


def _spans(row: Row, gutters: Sequence[float]) -> bool:
    """It has text on both sides of a gutter."""
    return any(row.box[0] < gutter < row.box[2] for gutter in gutters)


def _bands(rows: Sequence[Row], gutters: Sequence[float]) -> list[list[Row]]:
    """Runs of rows that nothing crosses a gutter in, one-sided rows at their ends included."""
    bands: list[list[Row]] = [[]]
    clear = [not any(_crosses(cell.box, gutters) for cell in row.cells) for row in rows]
    beside = [is_clear and _spans(row, gutters) for row, is_clear in zip(rows, clear, strict=True)]
    for place, row in enumerate(rows):
        is_between = 0 < place < len(rows) - 1 and beside[place - 1] and beside[place + 1]
        if clear[place]:
            bands[-1].append(row)
        elif is_between and (parted := _parted(row, rows[place - 1], rows[place + 1], gutters)):
            bands[-1].append(parted)
        else:
            if len(bands[-1]) > 1 and _heads(bands[-1], row):
                bands[-1].pop()
            bands.append([])
    return [band for band in bands if any(_spans(row, gutters) for row in band)]


def _parted(row: Row, above: Row, below: Row, gutters: Sequence[float]) -> Row | None:
    """A row as two lines side by side that became one, for dirt stands in the gutter or one reaches far into it; None for a line
    across the page. No word crosses a gutter then, and each line begins where those above and below it do."""
    words = [word for cell in row.cells for word in cell.words]
    if any(_crosses(word.box, gutters) and not _is_dirt(word, row) for word in words):
        return None
    if max(row.box[1] - above.box[3], below.box[1] - row.box[3]) > row.height:
        return None
    starts, others = _starts(row, gutters), [_starts(other, gutters) for other in (above, below)]
    for column, start in starts.items():
        reach = row.height * (_JITTER if column else _INDENT)
        if not any(column in other and abs(other[column] - start) <= reach for other in others):
            return None
    if len(starts) < 2:
        return None
    placed = [(_column_of(word, gutters), number, word) for number, cell in enumerate(row.cells) for word in cell.words]
    parts = itertools.groupby(placed, key=lambda item: item[:2])
    return replace(row, cells=tuple(cell_of([word for *_, word in part]) for _, part in parts))


def _starts(row: Row, gutters: Sequence[float]) -> dict[int, float]:
    """Where the first word of each column begins, dirt left out."""
    starts: dict[int, float] = {}
    for cell in row.cells:
        for word in cell.words:
            if not _is_dirt(word, row):
                starts.setdefault(_column_of(word, gutters), word.box[0])
    return starts


def _column_of(word: Word, gutters: Sequence[float]) -> int:
    """A word that reaches a little over a gutter ends the column before it."""
    return bisect.bisect_left(gutters, word.box[2] - 1)


def _is_dirt(word: Word, row: Row) -> bool:
    return not any(map(str.isalnum, word.text)) and word.box[2] - word.box[0] <= row.height


def _crosses(box: Box, gutters: Sequence[float]) -> bool:
    return any(box[0] < gutter - 1 and box[2] > gutter + 1 for gutter in gutters)


def _heads(band: Sequence[Row], below: Row) -> bool:
    """Whether the last row of a band stands close to what follows it across the page, and away from the columns."""
    before, last = band[-2:]
    to_band, to_text = last.box[1] - before.box[3], below.box[1] - last.box[3]
    return len(last.cells) == 1 and to_band > to_text + _HEADING_GAP * last.height


def _is_prose(rows: Sequence[Row], gutters: Sequence[float]) -> bool:
    """Lines of every column are as long as it; a table's cells are not. More than two columns are of one width, and wide."""
    columns: list[list[tuple[Cell, ...]]] = [[] for _ in range(len(gutters) + 1)]
    for row in rows:
        for column, cells in itertools.groupby(row.cells, key=lambda cell: bisect.bisect_left(gutters, cell.centre)):
            columns[column].append(tuple(cells))
    widths = []
    for lines in columns:
        boxes = [union([cell.box for cell in cells]) for cells in lines]
        if not boxes:
            return False
        widths.append(max(box[2] for box in boxes) - min(box[0] for box in boxes))
        full = sum(box[2] - box[0] >= _FULL * widths[-1] for box in boxes)
        if full < _FULL_SHARE * len(boxes):
            return False
    if len(columns) == 2:
        return True
    words = [sum(len(cell.words) for cell in cells) for lines in columns for cells in lines]
    return (
        max(widths) <= _SAME_WIDTH * min(widths)
        and min(widths) >= _NARROWEST * max(row.height for row in rows)
        and sum(words) >= _MIN_WORDS * len(words)
    )
