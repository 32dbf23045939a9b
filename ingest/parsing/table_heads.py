"""Headings of tables: whether there is one, and which are over several rows, `매출` above `1분기` and `2분기`.

Every part of a long table repeats one line of them.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Sequence

from ingest.parsing.characters import one_line
from ingest.parsing.merged import Merge
from ingest.parsing.tables import Row
from rag.domain.anchor import Anchor, ParagraphAnchor

MAX_HEAD_ROWS = 4

_NUMBER = re.compile(r"\(?\d[\d.,]*\)?")
_DATE = re.compile(r"(?:19|20)\d\d[-./] ?\d{1,2}[-./] ?\d{1,2}\.?(?: \d{1,2}:\d\d(?::\d\d)?)?")
_FIGURE = re.compile(r"[(△▲+-]?\s?[₩$€]?\d[\d.,]*\s?[%원]?\)?")
"""A number as cells below a heading show it."""

_YEAR = re.compile(r"(?:19|20)\d\d")
_ROWS_LOOKED_AT = 200


def head_depth(cells: Iterable[Merge], rows: int, named: int = 0) -> int:
    """How many of a table's rows are its heading.

    Args:
        cells: every cell of the first rows, also one of a single place.
        rows: of the whole table; one at least stays below the heading.
        named: how many first rows the file itself calls the heading.
    """
    depth = named if named > 1 else _tied(list(cells))
    return depth if 1 < depth <= min(MAX_HEAD_ROWS, rows - 1) else 1


def _tied(cells: Sequence[Merge]) -> int:
    """Rows of a heading whose first row has nothing but cells over all of it, beside wide ones that are parted below.

    A form with a photograph in a corner has such a tall cell too, and plain cells beside it.
    """
    first = [cell for cell in cells if cell.row == 0]
    depth = max((cell.height for cell in first), default=1)
    wide = [cell for cell in first if cell.height < depth]
    if depth < 2 or not wide or any(cell.width < 2 for cell in wide):
        return 1
    parted = ({c.column for c in cells if 0 < c.row < depth and 0 <= c.column - w.column < w.width} for w in wide)
    return depth if all(len(columns) > 1 for columns in parted) else 1


def is_data(first: Sequence[str], below: Sequence[Sequence[str]]) -> bool:
    """Whether the first row is surely no heading but one like the rows below it, `1.01 | 전압` above `1.02 | 주파수`.

    It begins with a number or a date, as most of them do and a number less than the next one; beside it stands something
    else, and no word above figures. Years, months or dates that stand side by side are a heading.
    """
    rows = below[:_ROWS_LOOKED_AT]
    kind = next((kind for kind in (_NUMBER, _DATE) if first and kind.fullmatch(first[0])), None)
    counted = [cells[0] for cells in rows if cells and cells[0]]
    if kind is None or 2 * sum(kind.fullmatch(cell) is not None for cell in counted) <= len(counted):
        return False
    if kind is _NUMBER and _pieces(first[0]) >= _pieces(next(cell for cell in counted if kind.fullmatch(cell))):
        return False
    if all(kind.fullmatch(cell) for cell in first if cell) or _is_series(first):
        return False
    words = (at for at, cell in enumerate(first) if cell and not _is_figure(cell))
    return not any(_is_of_figures([cells[at] for cells in rows if at < len(cells) and cells[at]]) for at in words)


def _is_figure(cell: str) -> bool:
    return _FIGURE.fullmatch(cell) is not None or _DATE.fullmatch(cell) is not None


def _is_of_figures(cells: Sequence[str]) -> bool:
    """Whether most of a column's cells are numbers or dates."""
    return 2 * sum(map(_is_figure, cells)) > len(cells)


def _pieces(number: str) -> list[int]:
    """What `1.10` counts on from `1.9` by."""
    return [int(digits) for digits in re.findall(r"\d+", number.replace(",", ""))]


def _is_series(cells: Sequence[str]) -> bool:
    """Whether numbers in a row count on, whatever words stand beside them: `2023`, `2024`; `1`, `2`, `3`; several dates."""
    if sum(_DATE.fullmatch(cell) is not None for cell in cells) > 1:
        return True
    numbers = [cell for cell in cells if _NUMBER.fullmatch(cell)]
    if len(numbers) > 1 and all(map(_YEAR.fullmatch, numbers)):
        return True
    if not all(_is_whole(cell) for cell in numbers):
        return False
    if any(_is_whole(one) and _is_whole(two) and int(two) - int(one) == 1 for one, two in itertools.pairwise(cells)):
        return True
    steps = {int(after) - int(before) for before, after in itertools.pairwise(numbers)}
    return len(numbers) > 2 and len(steps) == 1 and 0 not in steps


def _is_whole(cell: str) -> bool:
    return cell.isascii() and cell.isdecimal() and len(cell) < 9


def one_heading(rows: Sequence[Row], depth: int) -> list[Row]:
    """The rows with the first `depth` put together: a column's heading is all of its texts, `매출 / 1분기`."""
    if depth < 2:
        return list(rows)
    heads = [cells for cells, _ in rows[:depth]]
    width = max(map(len, heads))
    columns = ([one_line(cells[at]) for cells in heads if at < len(cells)] for at in range(width))
    joined = tuple(" / ".join(dict.fromkeys(filter(None, texts))) for texts in columns)
    return [(joined, _over(rows[0][1], rows[depth - 1][1])), *rows[depth:]]


def _over(first: Anchor, last: Anchor) -> Anchor:
    if isinstance(first, ParagraphAnchor) and isinstance(last, ParagraphAnchor):
        return ParagraphAnchor(first.first, max(first.last, last.last))
    return first
