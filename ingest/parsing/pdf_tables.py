"""Ruled tables: a grid found from the lines and rectangles that a page draws, filled with the words inside."""

from __future__ import annotations

import ctypes
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass

import pypdfium2 as pdfium
import pypdfium2.raw as pdfium_c

from ingest.parsing.pdf_page import Line, Transform, Word, rounded, same_row, union
from ingest.parsing.tables import table_element
from rag.domain.anchor import Box, PageAnchor
from rag.domain.document import Element

_THIN = 3.0
"""A rectangle thinner than this many points is a drawn line."""

_SNAP = 3.0
"""Lines closer than this are one line drawn twice, or two edges of a thick one."""

_MIN_LENGTH = 6.0
_MAX_OBJECTS = 20_000
"""Above this a page is a drawing (a map, a plan), and its lines are no table."""

_MAX_RULES = 3_000
_MIN_CELLS = 4
_MAX_CELLS = 5_000
_MIN_WORDS = 2


@dataclass(frozen=True, slots=True)
class Rule:
    """A horizontal or vertical line: `at` its fixed coordinate, from `start` to `end` along the other one."""

    at: float
    start: float
    end: float


@dataclass(frozen=True, slots=True)
class Grid:
    """Column and row edges of a table, with the rules that are really drawn."""

    xs: tuple[float, ...]
    ys: tuple[float, ...]
    horizontal: tuple[Rule, ...]
    vertical: tuple[Rule, ...]

    @property
    def box(self) -> Box:
        """Outline."""
        return (self.xs[0], self.ys[0], self.xs[-1], self.ys[-1])


@dataclass(frozen=True, slots=True)
class Rules:
    """All rules of a page; none at all on a page that is a drawing."""

    horizontal: tuple[Rule, ...] = ()
    vertical: tuple[Rule, ...] = ()


def page_rules(page: pdfium.PdfPage, transform: Transform) -> Rules:
    """What a page draws as lines, those that touch put together."""
    horizontal: list[Rule] = []
    vertical: list[Rule] = []
    for box in _path_boxes(page, transform):
        for rule, is_horizontal in _rules_of(*box):
            (horizontal if is_horizontal else vertical).append(rule)
        if len(horizontal) + len(vertical) > _MAX_RULES:
            return Rules()
    return Rules(tuple(_merged(horizontal)), tuple(_merged(vertical)))


def find_grids(rules: Rules) -> list[Grid]:
    """Grids of at least two rows and two columns, from top to bottom."""
    grids = [_grid(rows, columns) for rows, columns in _connected(list(rules.horizontal), list(rules.vertical))]
    return sorted((grid for grid in grids if grid), key=lambda grid: grid.box[1])


def _path_boxes(page: pdfium.PdfPage, transform: Transform) -> Iterator[tuple[Box, bool]]:
    """Boxes of what may be rules, and whether their outline is drawn."""
    count = pdfium_c.FPDFPage_CountObjects(page)
    if count > _MAX_OBJECTS:
        return
    left, bottom, right, top = (ctypes.c_float() for _ in range(4))
    fill, stroke = ctypes.c_int(), ctypes.c_int()
    for index in range(count):
        drawn = pdfium_c.FPDFPage_GetObject(page, index)
        if pdfium_c.FPDFPageObj_GetType(drawn) != pdfium_c.FPDF_PAGEOBJ_PATH:
            continue
        if pdfium_c.FPDFPath_CountSegments(drawn) > 8:
            continue  # a curve or a polygon
        if pdfium_c.FPDFPageObj_GetBounds(drawn, left, bottom, right, top):
            x1, y1 = transform(left.value, top.value)
            x2, y2 = transform(right.value, bottom.value)
            pdfium_c.FPDFPath_GetDrawMode(drawn, fill, stroke)
            yield (min(x1, x2), min(y1, y2), max(x1, x2), max(y1, y2)), bool(stroke.value)


def _rules_of(box: Box, outlined: bool) -> Iterator[tuple[Rule, bool]]:
    """A thin box is one rule, an outlined rectangle is four; a coloured background is none: it may shade some rows.

    Yields the rule and whether it is horizontal.
    """
    left, top, right, bottom = box
    width, height = right - left, bottom - top
    if height <= _THIN and width >= _MIN_LENGTH:
        yield Rule((top + bottom) / 2, left, right), True
    elif width <= _THIN and height >= _MIN_LENGTH:
        yield Rule((left + right) / 2, top, bottom), False
    elif outlined and width >= _MIN_LENGTH and height >= _MIN_LENGTH:
        yield Rule(top, left, right), True
        yield Rule(bottom, left, right), True
        yield Rule(left, top, bottom), False
        yield Rule(right, top, bottom), False


def _merged(rules: list[Rule]) -> list[Rule]:
    """Rules at one coordinate that touch become one: tables are often drawn cell by cell."""
    merged: list[Rule] = []
    for group in _at_one_coordinate(rules):
        at = sum(rule.at for rule in group) / len(group)
        start, end = None, 0.0
        for rule in sorted(group, key=lambda rule: rule.start):
            if start is None:
                start, end = rule.start, rule.end
            elif rule.start <= end + _SNAP:
                end = max(end, rule.end)
            else:
                merged.append(Rule(at, start, end))
                start, end = rule.start, rule.end
        if start is not None:
            merged.append(Rule(at, start, end))
    return merged


def _at_one_coordinate(rules: list[Rule]) -> Iterator[list[Rule]]:
    group: list[Rule] = []
    for rule in sorted(rules, key=lambda rule: rule.at):
        if group and rule.at - group[0].at > _SNAP:
            yield group
            group = []
        group.append(rule)
    if group:
        yield group


def _crosses(horizontal: Rule, vertical: Rule) -> bool:
    return (
        horizontal.start - _SNAP <= vertical.at <= horizontal.end + _SNAP
        and vertical.start - _SNAP <= horizontal.at <= vertical.end + _SNAP
    )


def _connected(horizontal: list[Rule], vertical: list[Rule]) -> list[tuple[list[Rule], list[Rule]]]:
    """Groups of rules that touch, directly or through others: each may be a table."""
    parent = list(range(len(horizontal) + len(vertical)))

    def root(index: int) -> int:
        while parent[index] != index:
            parent[index] = parent[parent[index]]
            index = parent[index]
        return index

    for row, across in enumerate(horizontal):
        for column, down in enumerate(vertical, start=len(horizontal)):
            if _crosses(across, down):
                parent[root(column)] = root(row)
    groups: dict[int, tuple[list[Rule], list[Rule]]] = defaultdict(lambda: ([], []))
    for row, across in enumerate(horizontal):
        groups[root(row)][0].append(across)
    for column, down in enumerate(vertical, start=len(horizontal)):
        groups[root(column)][1].append(down)
    return list(groups.values())


def _grid(horizontal: list[Rule], vertical: list[Rule]) -> Grid | None:
    xs = sorted({rule.at for rule in vertical})
    ys = sorted({rule.at for rule in horizontal})
    rows, columns = len(ys) - 1, len(xs) - 1
    if rows < 2 or columns < 2 or not _MIN_CELLS <= rows * columns <= _MAX_CELLS:
        return None
    return Grid(tuple(xs), tuple(ys), tuple(horizontal), tuple(vertical))


def inside(box: Box, word: Word) -> bool:
    """The middle of the word is in the box."""
    x, y = (word.box[0] + word.box[2]) / 2, (word.box[1] + word.box[3]) / 2
    return box[0] <= x <= box[2] and box[1] <= y <= box[3]


def grid_table(grid: Grid, words: list[Word], page: int) -> Element | None:
    """The table as an element; None when the grid is a frame round something else than a table.

    A cell that spans rows is repeated in each of them, so that every row can be understood alone; one that spans
    columns stands in the first of them.
    """
    cells = _Cells(grid)
    for word in words:
        cells.put(word)
    filled = cells.filled()
    if len(filled) < _MIN_WORDS or len({column for _, column in filled}) < 2 or len({row for row, _ in filled}) < 2:
        return None
    rows = []
    for row in range(len(grid.ys) - 1):
        texts = tuple(cells.text(row, column) for column in range(len(grid.xs) - 1))
        box = rounded((grid.xs[0], grid.ys[row], grid.xs[-1], grid.ys[row + 1]))
        rows.append((texts, PageAnchor(page, page, ((page, box),))))
    return table_element(rows, PageAnchor(page, page, ((page, rounded(grid.box)),)))


class _Cells:
    """Words by cell, cells without a rule between them taken together."""

    def __init__(self, grid: Grid) -> None:
        self._grid = grid
        self._words: dict[tuple[int, int], list[Word]] = defaultdict(list)
        self._owner: dict[tuple[int, int], tuple[int, int]] = {}
        for row in range(len(grid.ys) - 1):
            for column in range(len(grid.xs) - 1):
                self._owner[row, column] = self._find_owner(row, column)

    def _find_owner(self, row: int, column: int) -> tuple[int, int]:
        """The first cell of the merged cell that this one belongs to."""
        grid = self._grid
        y = (grid.ys[row] + grid.ys[row + 1]) / 2
        x = (grid.xs[column] + grid.xs[column + 1]) / 2
        if column and not _drawn(grid.vertical, grid.xs[column], y):
            return self._owner[row, column - 1]
        if row and not _drawn(grid.horizontal, grid.ys[row], x):
            return self._owner[row - 1, column]
        return (row, column)

    def put(self, word: Word) -> None:
        """Into the cell where its middle is."""
        x, y = (word.box[0] + word.box[2]) / 2, (word.box[1] + word.box[3]) / 2
        column = _slot(self._grid.xs, x)
        row = _slot(self._grid.ys, y)
        if column is not None and row is not None:
            self._words[self._owner[row, column]].append(word)

    def filled(self) -> set[tuple[int, int]]:
        """Cells that hold something."""
        return set(self._words)

    def text(self, row: int, column: int) -> str:
        """What to show in a cell: its own text, or that of the merged cell whose first column it is in."""
        owner = self._owner[row, column]
        return _reading_order(self._words.get(owner, [])) if owner[1] == column else ""


def _drawn(rules: tuple[Rule, ...], at: float, across: float) -> bool:
    return any(abs(rule.at - at) < 0.01 and rule.start - _SNAP <= across <= rule.end + _SNAP for rule in rules)


def _slot(edges: tuple[float, ...], value: float) -> int | None:
    return next((index for index in range(len(edges) - 1) if edges[index] <= value <= edges[index + 1]), None)


def _reading_order(words: list[Word]) -> str:
    """Words of a cell by line, then from left to right."""
    lines: list[list[Word]] = []
    for word in sorted(words, key=lambda word: word.box[1]):
        line = next((line for line in lines if same_row(union([w.box for w in line]), word.box)), None)
        if line is None:
            lines.append([word])
        else:
            line.append(word)
    return " ".join(word.text for line in lines for word in sorted(line, key=lambda word: word.box[0]))


def without(lines: list[Line], box: Box) -> tuple[list[Line], list[Word]]:
    """Lines with the words inside the box taken out, and those words."""
    outside: list[Line] = []
    taken: list[Word] = []
    for line in lines:
        words = [word for word in line.words if inside(box, word)]
        if not words:
            outside.append(line)
            continue
        taken += words
        rest = tuple(word for word in line.words if not inside(box, word))
        if rest:
            outside.append(Line(rest, union([word.box for word in rest]), line.height, line.bold, line.spaced))
    return outside, taken
