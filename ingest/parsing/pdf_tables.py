"""Ruled tables: a grid found from the lines and rectangles that a page draws, filled with the words inside."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from ingest.parsing.pdf_hyphens import Hyphens
from ingest.parsing.pdf_page import Line, Word, rounded, same_row, union
from ingest.parsing.tables import Row, table_element
from rag.domain.anchor import Box, PageAnchor
from rag.domain.document import Element, ElementKind

_THIN = 3.0
"""A rectangle thinner than this many points is a drawn line."""

_SNAP = 3.0
"""Lines closer than this are one line drawn twice, or two edges of a thick one."""

_MIN_LENGTH = 6.0
_OPEN_SIDE = 12.0
"""Points by which rules across must pass the last one down for a column without an outer rule."""

_MAX_HEAD_ROWS = 4
_NUMBER = re.compile(r"[(\-–—△▲]*[$₩]?\d[\d,.]*[%)]*|[-–—]")
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


def page_rules(paths: Sequence[tuple[Box, bool]]) -> Rules:
    """What a page draws as lines, those that touch put together. Paths are boxes and whether they are outlined."""
    horizontal: list[Rule] = []
    vertical: list[Rule] = []
    for box, outlined in paths:
        for rule, is_horizontal in _rules_of(box, outlined):
            (horizontal if is_horizontal else vertical).append(rule)
        if len(horizontal) + len(vertical) > _MAX_RULES:
            return Rules()
    return Rules(tuple(_merged(horizontal)), tuple(_merged(vertical)))


@dataclass(frozen=True, slots=True)
class FoundTable:
    """A table and the part of the page that it takes.

    Attributes:
        head: the merged head, empty strings where the page has none above a column.
        head_anchor: where the head stood; None without a head.
        columns: left and right edges, points; for finding its continuation on the next page.
        head_rows: rows of the page that became the head; 0 when that is not known to be one.
        caption: the row over the whole width that a ruled table may begin with.
    """

    box: Box
    head: tuple[str, ...]
    head_anchor: PageAnchor | None
    rows: tuple[Row, ...]
    columns: tuple[tuple[float, float], ...]
    head_rows: int = 0
    caption: Element | None = None

    def mended(self, hyphens: Hyphens) -> FoundTable:
        """With the words whole that line ends cut."""
        rows = tuple((tuple(map(hyphens.mended, cells)), where) for cells, where in self.rows)
        caption = replace(self.caption, text=hyphens.mended(self.caption.text)) if self.caption else None
        return replace(self, head=tuple(map(hyphens.mended, self.head)), rows=rows, caption=caption)

    def element(self) -> Element | None:
        """The table with its head first."""
        rows = list(self.rows)
        if any(self.head) and self.head_anchor:
            rows.insert(0, (self.head, self.head_anchor))
        if not rows:
            return None
        return table_element(rows, PageAnchor(self.page, self.page, ((self.page, rounded(self.box)),)))

    @property
    def page(self) -> int:
        """Where it stands."""
        anchors = [anchor for _, anchor in self.rows] + [self.head_anchor]
        return next(anchor.page for anchor in anchors if isinstance(anchor, PageAnchor))

    def continued(self, before: FoundTable) -> FoundTable:
        """Itself with the head of the table that it goes on with; as it is where it is another table."""
        if len(before.columns) != len(self.columns) or not any(before.head) or not self._below(before):
            return self
        if not any(self.head):
            return replace(self, head=before.head, head_anchor=before.head_anchor)
        if self.head_rows != 1 or self.head == before.head or self.head_anchor is None:
            return self  # it has a head of its own
        return replace(
            self, head=before.head, head_anchor=before.head_anchor, rows=((self.head, self.head_anchor), *self.rows)
        )

    def _below(self, before: FoundTable) -> bool:
        """Its columns are in the places of the other's."""
        pairs = zip(self.columns, before.columns, strict=True)
        return all(min(one[1], other[1]) - max(one[0], other[0]) > 0 for one, other in pairs)


def find_grids(rules: Rules) -> list[Grid]:
    """Grids of at least two rows and two columns, from top to bottom."""
    grids = [_grid(rows, columns) for rows, columns in _connected(list(rules.horizontal), list(rules.vertical))]
    return sorted((grid for grid in grids if grid), key=lambda grid: grid.box[1])


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
    if xs and len(ys) > 2:
        # Korean tables are often open at both sides: the rules across show how far the outer columns reach.
        left, right = min(rule.start for rule in horizontal), max(rule.end for rule in horizontal)
        xs = [left, *xs] if xs[0] - left > _OPEN_SIDE else xs
        xs = [*xs, right] if right - xs[-1] > _OPEN_SIDE else xs
    rows, columns = len(ys) - 1, len(xs) - 1
    if rows < 2 or columns < 2 or not _MIN_CELLS <= rows * columns <= _MAX_CELLS:
        return None
    return Grid(tuple(xs), tuple(ys), tuple(horizontal), tuple(vertical))


def inside(box: Box, word: Word) -> bool:
    """The middle of the word is in the box."""
    x, y = (word.box[0] + word.box[2]) / 2, (word.box[1] + word.box[3]) / 2
    return box[0] <= x <= box[2] and box[1] <= y <= box[3]


def grid_table(grid: Grid, words: list[Word], page: int) -> FoundTable | None:
    """The table; None when the grid is a frame round something else than a table.

    A cell that spans rows is repeated in each of them, so that every row can be understood alone; one that spans
    columns stands in the first of them, a head in all. A first row over the whole width is the table's caption.
    """
    cells = _Cells(grid)
    for word in words:
        cells.put(word)
    filled = cells.filled()
    if len(filled) < _MIN_WORDS or len({column for _, column in filled}) < 2 or len({row for row, _ in filled}) < 2:
        return None
    columns, rows = range(len(grid.xs) - 1), range(len(grid.ys) - 1)
    first = 1 if len(rows) > 2 and cells.is_one(0) else 0
    caption = Element(ElementKind.TEXT, cells.head(0, 1, 0), _row_anchor(grid, 0, 1, page)) if first else None
    depth = cells.head_depth(first)
    body = [
        (tuple(cells.text(row, column) for column in columns), _row_anchor(grid, row, row + 1, page))
        for row in rows[first + depth :]
    ]
    head = tuple(cells.head(first, first + depth, column) for column in columns)
    edges = tuple((grid.xs[column], grid.xs[column + 1]) for column in columns)
    head_anchor = _row_anchor(grid, first, first + depth, page)
    return FoundTable(grid.box, head, head_anchor, tuple(body), edges, depth, caption)


def _row_anchor(grid: Grid, first: int, end: int, page: int) -> PageAnchor:
    return PageAnchor(page, page, ((page, rounded((grid.xs[0], grid.ys[first], grid.xs[-1], grid.ys[end]))),))


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

    def is_one(self, row: int) -> bool:
        """One cell with text takes the whole row."""
        owners = {self._owner[row, column] for column in range(len(self._grid.xs) - 1)}
        return len(owners) == 1 and owners <= self.filled()

    def head_depth(self, first: int) -> int:
        """How many rows name the columns: more than one when a head spans several columns."""
        columns, end = range(len(self._grid.xs) - 1), len(self._grid.ys) - 1
        owners = [self._owner[first, column] for column in columns]
        if len(set(owners)) == len(owners):
            return 1
        deepest = 1
        for column in columns:
            below = first + 1
            while below < end and self._owner[below, column] == self._owner[first, column]:
                below += 1
            deepest = max(deepest, below - first)
        depth = min(max(deepest, 2), _MAX_HEAD_ROWS, end - first - 1)
        return depth if depth > 0 and not any(self._has_values(first + row) for row in range(1, depth)) else 1

    def _has_values(self, row: int) -> bool:
        texts = [self.text(row, column) for column in range(1, len(self._grid.xs) - 1)]
        texts = [text for text in texts if text]
        return sum(bool(_NUMBER.fullmatch(text)) for text in texts) * 2 > len(texts)

    def head(self, first: int, end: int, column: int) -> str:
        """What stands above a column, from top to bottom, each cell once."""
        owners = dict.fromkeys(self._owner[row, column] for row in range(first, end))
        return " ".join(filter(None, (_reading_order(self._words.get(owner, [])) for owner in owners)))

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


def beside(lines: list[Line], table: FoundTable) -> list[Line]:
    """Lines without what the table holds. A word in its box that none of its cells has stays: it stands beside, or between."""
    texts = [
        *table.head,
        *(cell for cells, _ in table.rows for cell in cells),
        table.caption.text if table.caption else "",
    ]
    held = Counter(word for text in texts for word in text.split())
    result: list[Line] = []
    for line in lines:
        rest: list[Word] = []
        for word in line.words:
            if inside(table.box, word) and held[word.text]:
                held[word.text] -= 1
            else:
                rest.append(word)
        if len(rest) == len(line.words):
            result.append(line)
        elif rest:
            result.append(replace(line, words=tuple(rest), box=union([word.box for word in rest])))
    return result


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
            outside.append(replace(line, words=rest, box=union([word.box for word in rest])))
    return outside, taken
