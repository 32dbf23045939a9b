"""What a page draws: rules, pictures, and text that no reader sees. One walk over its objects, forms included."""

from __future__ import annotations

import ctypes
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pypdfium2 as pdfium
import pypdfium2.raw as pdfium_c

from ingest.parsing.pdf_page import Transform
from rag.domain.anchor import Box

_MAX_OBJECTS = 20_000
"""Above this a page is a drawing (a map, a plan), and its lines are no table."""

_MAX_DEPTH = 3
_MAX_SEGMENTS = 8
_MAX_BACKGROUNDS = 500
_WHITE = 250
_INVISIBLE_MODES = (3, 7)
"""Text rendering modes of PDF 1.7, table 106: neither filled nor stroked; the second only clips."""

_Matrix = tuple[float, float, float, float, float, float]
_IDENTITY: _Matrix = (1.0, 0.0, 0.0, 1.0, 0.0, 0.0)


@dataclass(slots=True)
class PageObjects:
    """What was found.

    Attributes:
        paths: boxes of simple paths, and whether their outline is drawn; empty on a drawing.
        pictures: boxes of images.
        unseen: addresses of text objects in rendering mode 3, as OCR layers have them.
        disguised: addresses of text objects in the colour of what is behind them, or fully transparent.
        texts: how many text objects there are.
    """

    paths: list[tuple[Box, bool]] = field(default_factory=list)
    pictures: list[Box] = field(default_factory=list)
    unseen: set[int] = field(default_factory=set)
    disguised: set[int] = field(default_factory=set)
    texts: int = 0
    count: int = 0

    def coverage(self, width: float, height: float) -> float:
        """Share of the page that the largest picture, or several strips of one, takes."""
        areas = [
            max(0.0, min(right, width) - max(left, 0.0)) * max(0.0, min(bottom, height) - max(top, 0.0))
            for left, top, right, bottom in self.pictures
        ]
        return min(1.0, sum(areas) / max(width * height, 1.0))


def page_objects(page: pdfium.PdfPage, transform: Transform) -> PageObjects:
    """Walk over a page."""
    return _Walk(transform).over(page)


class _Walk:
    def __init__(self, transform: Transform) -> None:
        self._transform = transform
        self._found = PageObjects()
        self._backgrounds: list[tuple[Box, bool]] = []
        """Filled boxes and pictures in the order of drawing, and whether they are white."""
        self._edges = [ctypes.c_float() for _ in range(4)]
        self._colour = [ctypes.c_uint() for _ in range(4)]
        self._fill, self._stroke = ctypes.c_int(), ctypes.c_int()

    def over(self, page: pdfium.PdfPage) -> PageObjects:
        """The whole page."""
        for drawn, kind, matrix in self._objects(page):
            self._found.count += 1
            if self._found.count > _MAX_OBJECTS:
                self._found.paths.clear()
                break
            if kind == pdfium_c.FPDF_PAGEOBJ_PATH:
                self._path(drawn, matrix)
            elif kind == pdfium_c.FPDF_PAGEOBJ_TEXT:
                self._text(drawn, matrix)
            elif kind in (pdfium_c.FPDF_PAGEOBJ_IMAGE, pdfium_c.FPDF_PAGEOBJ_SHADING):
                self._picture(drawn, matrix, kind)
        return self._found

    def _objects(self, page: pdfium.PdfPage) -> Iterator[tuple[Any, int, _Matrix]]:
        for index in range(min(pdfium_c.FPDFPage_CountObjects(page), _MAX_OBJECTS + 1)):
            yield from self._with_parts(pdfium_c.FPDFPage_GetObject(page, index), _IDENTITY, 0)

    def _with_parts(self, drawn: Any, matrix: _Matrix, depth: int) -> Iterator[tuple[Any, int, _Matrix]]:
        kind = pdfium_c.FPDFPageObj_GetType(drawn)
        if kind != pdfium_c.FPDF_PAGEOBJ_FORM:
            yield drawn, kind, matrix
            return
        if depth >= _MAX_DEPTH:
            return
        own = pdfium_c.FS_MATRIX()
        if pdfium_c.FPDFPageObj_GetMatrix(drawn, own):
            matrix = _product((own.a, own.b, own.c, own.d, own.e, own.f), matrix)
        for index in range(min(pdfium_c.FPDFFormObj_CountObjects(drawn), _MAX_OBJECTS + 1)):
            yield from self._with_parts(pdfium_c.FPDFFormObj_GetObject(drawn, index), matrix, depth + 1)

    def _box(self, drawn: Any, matrix: _Matrix) -> Box | None:
        if not pdfium_c.FPDFPageObj_GetBounds(drawn, *self._edges):
            return None
        left, bottom, right, top = (edge.value for edge in self._edges)
        a, b, c, d, e, f = matrix
        x1, y1 = self._transform(a * left + c * top + e, b * left + d * top + f)
        x2, y2 = self._transform(a * right + c * bottom + e, b * right + d * bottom + f)
        return (min(x1, x2), min(y1, y2), max(x1, x2), max(y1, y2))

    def _path(self, drawn: Any, matrix: _Matrix) -> None:
        if pdfium_c.FPDFPath_CountSegments(drawn) > _MAX_SEGMENTS:
            return  # a curve or a polygon
        box = self._box(drawn, matrix)
        if box is None:
            return
        pdfium_c.FPDFPath_GetDrawMode(drawn, self._fill, self._stroke)
        self._found.paths.append((box, bool(self._stroke.value)))
        if self._fill.value and box[2] - box[0] > 4 and box[3] - box[1] > 4:
            self._background(box, self._is_white(drawn))

    def _picture(self, drawn: Any, matrix: _Matrix, kind: int) -> None:
        box = self._box(drawn, matrix)
        if box is None:
            return
        if kind == pdfium_c.FPDF_PAGEOBJ_IMAGE:
            self._found.pictures.append(box)
        self._background(box, False)

    def _background(self, box: Box, white: bool) -> None:
        if len(self._backgrounds) < _MAX_BACKGROUNDS:
            self._backgrounds.append((box, white))

    def _is_white(self, drawn: Any) -> bool:
        if not pdfium_c.FPDFPageObj_GetFillColor(drawn, *self._colour):
            return False
        return all(part.value >= _WHITE for part in self._colour[:3])

    def _text(self, drawn: Any, matrix: _Matrix) -> None:
        self._found.texts += 1
        mode = pdfium_c.FPDFTextObj_GetTextRenderMode(drawn)
        if mode in _INVISIBLE_MODES:
            self._found.unseen.add(_address(drawn))
            return
        if mode == 0 and self._is_white(drawn):
            box = self._box(drawn, matrix)
            if box and self._is_on_white(box):
                self._found.disguised.add(_address(drawn))
        elif self._colour_is_transparent(drawn, mode):
            self._found.disguised.add(_address(drawn))

    def _colour_is_transparent(self, drawn: Any, mode: int) -> bool:
        if mode != 0 or not pdfium_c.FPDFPageObj_GetFillColor(drawn, *self._colour):
            return False
        return bool(self._colour[3].value == 0)

    def _is_on_white(self, box: Box) -> bool:
        """What was drawn last below the middle of the box is white, or the bare page."""
        x, y = (box[0] + box[2]) / 2, (box[1] + box[3]) / 2
        for (left, top, right, bottom), white in reversed(self._backgrounds):
            if left <= x <= right and top <= y <= bottom:
                return white
        return len(self._backgrounds) < _MAX_BACKGROUNDS


def _product(one: _Matrix, other: _Matrix) -> _Matrix:
    """First `one`, then `other`."""
    a, b, c, d, e, f = one
    k, m, n, p, q, r = other
    return (a * k + b * n, a * m + b * p, c * k + d * n, c * m + d * p, e * k + f * n + q, e * m + f * p + r)


def _address(drawn: Any) -> int:
    return ctypes.cast(drawn, ctypes.c_void_p).value or 0
