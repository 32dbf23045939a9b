"""Labels that stand far from their numbers: the heads of a table's columns."""

from __future__ import annotations

import re
from bisect import bisect_right
from dataclasses import dataclass
from typing import NamedTuple

_LONGEST_HEAD = 60
_MOST_CELLS = 40
_LINE = re.compile(r"^\|[^\n]*$", re.MULTILINE)


class Cell(NamedTuple):
    """One cell below a head."""

    start: int
    end: int
    head: str


@dataclass(frozen=True, slots=True)
class Labels:
    """The cells of the tables of a text, in its order."""

    cells: tuple[Cell, ...] = ()
    starts: tuple[int, ...] = ()

    def of(self, place: int) -> str:
        """The head of the column in which the character at `place` stands, and a blank; empty outside tables."""
        found = bisect_right(self.starts, place) - 1
        if found < 0 or place >= self.cells[found].end:
            return ""
        return self.cells[found].head + " "


NO_LABELS = Labels()


def labels_of(text: str) -> Labels:
    """The cells of the Markdown tables of `text`: the first row of each is its head."""
    if "|" not in text:
        return NO_LABELS
    cells: list[Cell] = []
    heads: list[str] = []
    last_end = -2
    for line in _LINE.finditer(text):
        spans = _cells(text, line.start(), line.end())
        if line.start() != last_end + 1:
            heads = [text[start:end].strip()[:_LONGEST_HEAD] for start, end in spans]
        else:
            cells += [Cell(start, end, head) for (start, end), head in zip(spans, heads, strict=False)]
        last_end = line.end()
    return Labels(tuple(cells), tuple(cell.start for cell in cells))


def _cells(text: str, start: int, end: int) -> list[tuple[int, int]]:
    spans: list[tuple[int, int]] = []
    place = start + 1
    while place < end and len(spans) < _MOST_CELLS:
        bar = text.find("|", place, end)
        bar = end if bar < 0 else bar
        spans.append((place, bar))
        place = bar + 1
    return spans
