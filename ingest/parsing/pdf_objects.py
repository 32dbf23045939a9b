"""What a page draws besides text: rules, pictures, backgrounds. One walk over its objects, forms included."""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pypdfium2 as pdfium
import pypdfium2.raw as pdfium_c

from rag.domain.anchor import Box

Transform = Callable[[float, float], tuple[float, float]]
"""From PDF coordinates to displayed ones."""

_MAX_OBJECTS = 20_000
"""Above this a page is a drawing (a map, a plan), and its lines are no table."""

_MAX_DEPTH = 3
_MAX_SEGMENTS = 8
_MAX_BACKGROUNDS = 500
_MIN_GROUND = 4.0
"""Points: what is smaller is behind no text."""

WHITE = 250
"""Of 255: what the eye takes for white."""


_Matrix = tuple[float, float, float, float, float, float]
_IDENTITY: _Matrix = (1.0, 0.0, 0.0, 1.0, 0.0, 0.0)


@dataclass(slots=True)
class PageObjects:
    """What was found.

    Attributes:
        paths: boxes of simple paths, and whether their outline is drawn; empty on a drawing.
        pictures: boxes of images.
        backgrounds: filled boxes and pictures, and whether they are white, in the order of drawing.
        count: of all objects, text included.
    """

    paths: list[tuple[Box, bool]] = field(default_factory=list)
    pictures: list[Box] = field(default_factory=list)
    backgrounds: list[tuple[Box, bool]] = field(default_factory=list)
    count: int = 0

    def is_white_at(self, box: Box) -> bool:
        """What was drawn last behind the middle of the box is white, or the bare page."""
        x, y = (box[0] + box[2]) / 2, (box[1] + box[3]) / 2
        for (left, top, right, bottom), white in reversed(self.backgrounds):
            if left <= x <= right and top <= y <= bottom:
                return white
        return len(self.backgrounds) < _MAX_BACKGROUNDS and self.count <= _MAX_OBJECTS

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
    """One page."""

    def __init__(self, transform: Transform) -> None:
        self._transform = transform
        self._found = PageObjects()
        self._edges = [ctypes.c_float() for _ in range(4)]
        self._colour = [ctypes.c_uint() for _ in range(4)]
        self._fill, self._stroke = ctypes.c_int(), ctypes.c_int()

    def over(self, page: pdfium.PdfPage) -> PageObjects:
        """The whole page."""
        count = pdfium_c.FPDFPage_CountObjects(page)
        for index in range(min(count, _MAX_OBJECTS)):
            self._object(pdfium_c.FPDFPage_GetObject(page, index), _IDENTITY, 0)
        if max(count, self._found.count) > _MAX_OBJECTS:
            self._found.paths.clear()
        return self._found

    def _object(self, drawn: Any, matrix: _Matrix, depth: int) -> None:
        self._found.count += 1
        kind = pdfium_c.FPDFPageObj_GetType(drawn)
        if kind == pdfium_c.FPDF_PAGEOBJ_TEXT:
            return
        if kind == pdfium_c.FPDF_PAGEOBJ_PATH:
            self._path(drawn, matrix)
        elif kind == pdfium_c.FPDF_PAGEOBJ_FORM:
            self._form(drawn, matrix, depth)
        else:
            self._picture(drawn, matrix, kind)

    def _form(self, drawn: Any, matrix: _Matrix, depth: int) -> None:
        own = pdfium_c.FS_MATRIX()
        if pdfium_c.FPDFPageObj_GetMatrix(drawn, own):
            matrix = _product((own.a, own.b, own.c, own.d, own.e, own.f), matrix)
        for index in range(pdfium_c.FPDFFormObj_CountObjects(drawn) if depth < _MAX_DEPTH else 0):
            if self._found.count > _MAX_OBJECTS:
                return
            self._object(pdfium_c.FPDFFormObj_GetObject(drawn, index), matrix, depth + 1)

    def _box(self, drawn: Any, matrix: _Matrix) -> Box | None:
        if not pdfium_c.FPDFPageObj_GetBounds(drawn, *self._edges):
            return None
        left, bottom, right, top = (edge.value for edge in self._edges)
        a, b, c, d, e, f = matrix
        x1, y1 = self._transform(a * left + c * top + e, b * left + d * top + f)
        x2, y2 = self._transform(a * right + c * bottom + e, b * right + d * bottom + f)
        return (min(x1, x2), min(y1, y2), max(x1, x2), max(y1, y2))

    def _path(self, drawn: Any, matrix: _Matrix) -> None:
        box = self._box(drawn, matrix)
        if box is None:
            return
        pdfium_c.FPDFPath_GetDrawMode(drawn, self._fill, self._stroke)
        if pdfium_c.FPDFPath_CountSegments(drawn) <= _MAX_SEGMENTS:  # else a curve or a polygon, which is no rule
            self._found.paths.append((box, bool(self._stroke.value)))
        if self._fill.value and box[2] - box[0] > _MIN_GROUND and box[3] - box[1] > _MIN_GROUND:
            self._background(box, self._is_white(drawn))

    def _picture(self, drawn: Any, matrix: _Matrix, kind: int) -> None:
        box = self._box(drawn, matrix)
        if box is None:
            return
        if kind == pdfium_c.FPDF_PAGEOBJ_IMAGE:
            self._found.pictures.append(box)
        self._background(box, False)

    def _background(self, box: Box, white: bool) -> None:
        if len(self._found.backgrounds) < _MAX_BACKGROUNDS:
            self._found.backgrounds.append((box, white))

    def _is_white(self, drawn: Any) -> bool:
        if not pdfium_c.FPDFPageObj_GetFillColor(drawn, *self._colour):
            return False
        return all(part.value >= WHITE for part in self._colour[:3])


def _product(one: _Matrix, other: _Matrix) -> _Matrix:
    """First `one`, then `other`."""
    a, b, c, d, e, f = one
    k, m, n, p, q, r = other
    return (a * k + b * n, a * m + b * p, c * k + d * n, c * m + d * p, e * k + f * n + q, e * m + f * p + r)
