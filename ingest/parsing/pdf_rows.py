"""Rows and cells as the eye sees them: words on one height, split where the gaps are wide; which of them are values."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from ingest.parsing.pdf_page import Line, Word, same_row, union
from rag.domain.anchor import Box

CELL_GAP = 0.8
"""A gap of this many line heights separates cells; justified text on the sample pages stays below 0.7."""

_CURRENCY_REACH = 12.0
"""A currency sign stands at the left edge of its column, at most this many line heights before the amount."""

_SUFFIX_REACH = 1.2

_CURRENCY = re.compile(r"[(]?(?:US)?[$₩€¥£￦][(]?|[(]")
_AMOUNT = (
    r"[(\[]?[-–—−+△▲▼▽]?[$₩€¥£￦]?[(]?[-–—−△▲]?\d[\d,.]*(?<![,.])"
    r"(?:%p|%|‰|bps?|x|배|원|천원|만원|억원?|조원?|백만원|십억원|명|건|개|회|주|일|월|년|세|점|위|호|식|대|권|톤|평|㎡|㎞|kg|MW|"
    r"years?|months?|days?|shares|million|billion|개월)?"
    r"[)\]]?%?[)]?(?:\(\d{1,2}\))?"
)
_VALUE = re.compile(_AMOUNT + r"|[-–—−]{1,3}%?|[Nn][./]?[AMam]\.?|\*{1,3}|해당\s?없음")
_SUFFIX = re.compile(
    r"[)\]]%?|%\)?|%p|pts?\.?|bps|\(\d{1,2}\)|원|주|명|건|배|개월|"
    r"years?|months?|days?|million|billion"
)
_YEAR = re.compile(r"[(]?(?:FY\s?)?(?:19|20)\d\d(?:[.]\d{1,2}[.]?)?년?(?:도)?[)]?(?:\(\d{1,2}\))?")


@dataclass(frozen=True, slots=True)
class Cell:
    """Words that stand together. `value`: a number, or what stands for one (a dash, N/A)."""

    words: tuple[Word, ...]
    box: Box
    value: bool

    @property
    def text(self) -> str:
        """Words with single spaces; signs close to their number."""
        return " ".join(word.text for word in self.words)

    @property
    def centre(self) -> float:
        """Horizontal middle."""
        return (self.box[0] + self.box[2]) / 2


@dataclass(frozen=True, slots=True)
class Row:
    """What stands on one height, from left to right."""

    cells: tuple[Cell, ...]
    box: Box
    height: float

    @property
    def values(self) -> tuple[Cell, ...]:
        """Cells that are values."""
        return tuple(cell for cell in self.cells if cell.value)

    @property
    def label(self) -> Cell | None:
        """The first cell, unless it is a value."""
        return self.cells[0] if not self.cells[0].value else None

    @property
    def has_data(self) -> bool:
        """A label with values behind it, or several values; years alone are heads."""
        return any(cell.value for cell in self.cells[1:]) and not (self.is_years and self.label is None)

    @property
    def is_years(self) -> bool:
        """All values are years: they name columns, if nothing but heads stands above."""
        values = self.values
        return bool(values) and all(_YEAR.fullmatch(cell.text) for cell in values)

    @property
    def text(self) -> str:
        """All cells with single spaces."""
        return " ".join(cell.text for cell in self.cells)


def visual_rows(lines: Iterable[Line]) -> list[Row]:
    """Rows from top to bottom, whatever order the file has its text in."""
    groups: list[list[Line]] = []
    boxes: list[Box] = []
    for line in sorted(lines, key=lambda line: (line.box[1] + line.box[3]) / 2):
        # A row's neighbours in the sorting are the last few at most: cells of one row are about equally high.
        for index in range(len(groups) - 1, max(-1, len(groups) - 4), -1):
            if same_row(boxes[index], line.box):
                groups[index].append(line)
                boxes[index] = union([boxes[index], line.box]) if _similar(boxes[index], line.box) else boxes[index]
                break
        else:
            groups.append([line])
            boxes.append(line.box)
    rows = [_row(group) for group in groups]
    return sorted(rows, key=lambda row: row.box[1])


def _similar(one: Box, other: Box) -> bool:
    return (other[3] - other[1]) <= 1.3 * (one[3] - one[1])


def _row(lines: Sequence[Line]) -> Row:
    words = sorted((word for line in lines for word in line.words), key=lambda word: word.box[0])
    heights = sorted(line.height for line in lines)
    height = max(heights[len(heights) // 2], 1.0)
    return Row(tuple(_cells(words, height)), union([word.box for word in words]), height)


def _cells(words: Sequence[Word], height: float) -> list[Cell]:
    groups: list[list[Word]] = []
    for word in words:
        if groups and _belongs(groups[-1], word, height):
            groups[-1].append(word)
        else:
            groups.append([word])
    return [cell for group in groups for cell in _split_values(group)]


def _belongs(group: Sequence[Word], word: Word, height: float) -> bool:
    gap = word.box[0] - group[-1].box[2]
    if _CURRENCY.fullmatch(word.text) and _is_value(group):
        return False
    if len(group) == 1 and _CURRENCY.fullmatch(group[0].text) and _VALUE.fullmatch(word.text):
        return gap <= _CURRENCY_REACH * height
    if _SUFFIX.fullmatch(word.text) and _is_value(group):
        return gap <= _SUFFIX_REACH * height
    return gap <= CELL_GAP * height


def _split_values(group: list[Word]) -> list[Cell]:
    """Two amounts side by side are two cells, however close: no text is made of amounts alone."""
    if len(group) < 2 or not all(_VALUE.fullmatch(w.text) or _CURRENCY.fullmatch(w.text) for w in group):
        return [cell_of(group)]
    parts: list[list[Word]] = [[]]
    for word in group:
        if any(_VALUE.fullmatch(known.text) for known in parts[-1]):
            parts.append([])
        parts[-1].append(word)
    return [cell_of(part) for part in parts]


def cell_of(words: Sequence[Word]) -> Cell:
    """A cell of these words."""
    return Cell(tuple(words), union([word.box for word in words]), _is_value(words))


def _is_value(words: Sequence[Word]) -> bool:
    text = "".join(word.text for word in words)
    return len(words) <= 4 and _VALUE.fullmatch(text) is not None
