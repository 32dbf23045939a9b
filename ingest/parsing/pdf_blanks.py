"""Blanks that a file draws elsewhere in its order than where they stand on the line.

LibreOffice writes the blanks of a Korean line in another font than its syllables, all of them before these. PDFium then reports
some behind the next syllable or before the full stop (`고 객을`, `적용한다 .`), or at the end of the line. Where they
stand is a gap, which PDFium takes for a blank by itself; what they come between by their order alone is no more than that.
"""

from __future__ import annotations

import ctypes
from typing import Any

import pypdfium2.raw as pdfium_c

_SPACE = 32
_LINE_ENDS = (10, 13)
_MOST_BLANKS = 8
"""How many characters before and behind a blank the next letter is looked for; several blanks in a row are rare."""

_TOUCHING = 0.2
"""Of a letter's height: how far boxes of neighbours may overlap."""

_GAP = 0.6
"""Of a blank's width: a gap this wide is a blank, whichever of them stands there."""

_Box = tuple[float, float, float, float]
"""Left, bottom, right, top in the coordinates of the file."""


class StrayBlanks:
    """Those of one page; where the line runs up or down the page, none."""

    def __init__(self, raw: Any, count: int) -> None:
        self._raw = raw
        self._count = count
        self._rectangle = pdfium_c.FS_RECTF()
        self._reference = ctypes.byref(self._rectangle)

    def parts_nothing(self, index: int) -> bool:
        """Whether this blank, which comes behind a letter, stands elsewhere on the line, and no gap is here."""
        letter, blank = self._letter(index, -1), self._box(index)
        if letter is None or blank[0] >= letter[0] or not _on_one_row(letter, blank):
            return False
        touching = _TOUCHING * (letter[3] - letter[1])
        following = self._letter(index, 1)
        right_to_left = following is not None and following[0] < blank[2] - touching
        if blank[2] > letter[0] + touching or right_to_left or pdfium_c.FPDFText_IsGenerated(self._raw, index) == 1:
            return False
        gap = following[0] - letter[2] if following else 0.0
        return gap < _GAP * (blank[2] - blank[0])  # PDFium puts no blank of its own into a gap that has one by order

    def _letter(self, index: int, step: int) -> _Box | None:
        """The next letter of the line before or behind a blank."""
        for number in range(index + step, index + step * (_MOST_BLANKS + 1), step):
            code = self._code(number) if 0 <= number < self._count else _LINE_ENDS[0]
            if code in _LINE_ENDS:
                return None
            if code > _SPACE:
                return self._box(number)
        return None

    def _code(self, index: int) -> int:
        return int(pdfium_c.FPDFText_GetUnicode(self._raw, index))

    def _box(self, index: int) -> _Box:
        pdfium_c.FPDFText_GetLooseCharBox(self._raw, index, self._reference)
        found = self._rectangle
        return (found.left, found.bottom, found.right, found.top)


def _on_one_row(one: _Box, other: _Box) -> bool:
    return min(one[3], other[3]) - max(one[1], other[1]) > (other[3] - other[1]) / 2 > 0
