"""Merged cells of a table: the text stands in every row and column that the cell covers, so that each can be read alone."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

MAX_SPREAD = 200_000
"""Cells filled by merging in one table; beyond it merged cells keep their text in the first place only."""


@dataclass(frozen=True, slots=True)
class Merge:
    """A merged cell: its first row and column, from 0, and how many of each it covers."""

    row: int
    column: int
    height: int
    width: int


def spread(rows: Sequence[list[str]], merges: Iterable[Merge]) -> None:
    """Repeat merged cells' texts in `rows`, which are all as long as the table is wide.

    A cell that covers whole rows is a title inside the table and is left as it is: said once, it is said.
    """
    left = MAX_SPREAD
    for merge in merges:
        if not (0 <= merge.row < len(rows) and 0 <= merge.column < len(rows[merge.row])):
            continue
        width = len(rows[merge.row])
        text = rows[merge.row][merge.column]
        last_row, last_column = min(merge.row + merge.height, len(rows)), min(merge.column + merge.width, width)
        if not text or (merge.column == 0 and last_column == width):
            continue
        left -= (last_row - merge.row) * (last_column - merge.column)
        if left < 0:
            return
        for row in rows[merge.row : last_row]:
            row[merge.column : last_column] = [text] * (last_column - merge.column)
