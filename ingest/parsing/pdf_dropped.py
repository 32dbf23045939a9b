"""A slanted f after another one, which PDFium takes for the same one drawn twice, and drops: `differ` became `dif er`.

Printing twice makes letters bold, and PDFium drops the second copy: an object of the same letters that covers half of the one
before. Where each letter is an object of its own, as some writers of annual reports have it, that meets the second f of a serif
italic too, whose overhang is as wide as the letter itself.
"""

from __future__ import annotations

import ctypes
from typing import Any

import pypdfium2 as pdfium
import pypdfium2.raw as pdfium_c

_OVERHANGING = 0.58
"""Width to height: of an f with overhangs it is .65 and more (Times), of others .56 at most."""

_APART = 0.15
"""Of the height: the copy that makes a letter bold lies nearer; the next letter of a word is less than this away."""

_MAX_OBJECTS = 20_000

_Edges = tuple[float, float, float, float]
"""Left, right, bottom, top in PDF coordinates."""


class DroppedTwins:
    """The dropped letters of one page."""

    def __init__(self, text_page: pdfium.PdfTextPage) -> None:
        self._page = text_page.page
        self._raw = text_page.raw
        self._edges = [ctypes.c_double() for _ in range(4)]
        self._bounds = [ctypes.c_float() for _ in range(4)]
        self._followers: dict[int, Any] | None = None

    def follows(self, index: int) -> bool:
        """A second f was dropped behind the f with this number."""
        return self._right_of_twin(index) is not None

    def closes_up(self, index: int) -> bool:
        """The space behind this f is PDFium's own, for the gap that its dropped twin left in a word."""
        right = self._right_of_twin(index)
        if right is None or pdfium_c.FPDFText_IsGenerated(self._raw, index + 1) != 1:
            return False
        _, _, bottom, top = self._box(index)
        return self._box(index + 2)[0] - right < _APART * (top - bottom)

    def _right_of_twin(self, index: int) -> float | None:
        """Where the next letter's place begins."""
        left, right, bottom, top = self._box(index)
        if right - left < _OVERHANGING * (top - bottom) or not self._has_gap(index, right):
            return None
        twin = self._follower(pdfium_c.FPDFText_GetTextObject(self._raw, index))
        if twin is None or pdfium_c.FPDFTextObj_GetText(twin, self._raw, None, 0) > 2:  # it has characters: not dropped
            return None
        if not pdfium_c.FPDFPageObj_GetBounds(twin, *self._bounds):
            return None
        start, _, end, _ = (edge.value for edge in self._bounds)
        advance = start - left
        if not _APART * (top - bottom) < advance < right - left < end - left:
            return None
        return start + (right - left + advance) / 2  # an f hangs over as far on both sides

    def _has_gap(self, index: int, right: float) -> bool:
        """What follows does not stand under the overhang, as it would right behind; or PDFium put a space there."""
        return pdfium_c.FPDFText_IsGenerated(self._raw, index + 1) == 1 or self._box(index + 1)[0] >= right

    def _follower(self, drawn: Any) -> Any:
        """The text object that the page draws after this one; None where there is none."""
        if self._followers is None:
            count = min(pdfium_c.FPDFPage_CountObjects(self._page), _MAX_OBJECTS)
            texts = [pdfium_c.FPDFPage_GetObject(self._page, number) for number in range(count)]
            texts = [one for one in texts if pdfium_c.FPDFPageObj_GetType(one) == pdfium_c.FPDF_PAGEOBJ_TEXT]
            self._followers = dict(zip(map(_address, texts), texts[1:], strict=False))
        return self._followers.get(_address(drawn))

    def _box(self, index: int) -> _Edges:
        pdfium_c.FPDFText_GetCharBox(self._raw, index, *self._edges)
        left, right, bottom, top = (edge.value for edge in self._edges)
        return left, right, bottom, top


def _address(drawn: Any) -> int:
    return ctypes.cast(drawn, ctypes.c_void_p).value or 0
