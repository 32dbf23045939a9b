"""Pages that lay askew on the glass: straightened before they are read.

A scan is seldom quite straight. From a degree on, the lines of two columns and the cells of a row no longer stand at one height,
and Tesseract joins what does not belong together.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from PIL import Image

from ingest.parsing.ocr import GrayImage
from ingest.parsing.pdf_page import Lying
from rag.domain.anchor import Box

_LARGEST = 5.0
"""Degrees; what lies more askew than that was not meant to lie straight."""
_SMALLEST = 0.4
"""Degrees: a line of text rises by a third of the space between lines. Less disturbs nothing, and turning costs sharpness."""
_STEPS = (0.5, 0.1)
"""Degrees between the angles that are tried: everywhere, and then around the best."""
_CLEARER = 1.1
"""The lines of a page that is straightened stand out so many times as clearly as before, or it stays as it is."""
_ACROSS = 1_000
"""Pixels of the page that are looked at; a tenth of a degree is two of them at its end."""
_DARK = 160
_WHITE = 255
_POINTS = 72.0
_MOST_PIXELS = 200_000
"""Dark pixels that are looked at, spread over the page."""


@dataclass(frozen=True, slots=True)
class Tilt:
    """A sheet turned by some degrees about its middle, and grown until nothing of it was cut off.

    Attributes:
        degrees: counter-clockwise, by which the sheet was turned to be straight.
        page, sheet: width and height before and after.
    """

    degrees: float
    page: tuple[float, float]
    sheet: tuple[float, float]

    def back(self, box: Box) -> Box:
        """From the straight sheet to the one as it lay: what covers the middle of this box there, as high as it is."""
        left, top, right, bottom = box
        sine, cosine = math.sin(math.radians(self.degrees)), math.cos(math.radians(self.degrees))
        (width, height), middle, half = self.page, (top + bottom - self.sheet[1]) / 2, (bottom - top) / 2
        across = [edge - self.sheet[0] / 2 for edge in (left, right)]
        start, end = (width / 2 + x * cosine - middle * sine for x in across)
        high, low = sorted(height / 2 + x * sine + middle * cosine for x in across)
        return (max(0.0, start), max(0.0, high - half), min(width, end), min(height, low + half))

    def inverse(self) -> Tilt:
        """From the sheet as it lay to the straight one."""
        return Tilt(-self.degrees, self.sheet, self.page)


@dataclass(frozen=True, slots=True)
class Both:
    """A sheet that was straightened and then turned."""

    turned: Lying
    tilted: Lying

    def back(self, box: Box) -> Box:
        """From the sheet as it was read to the page as shown."""
        return self.tilted.back(self.turned.back(box))

    def inverse(self) -> Both:
        """From the page as shown to the sheet as it was read."""
        return Both(self.tilted.inverse(), self.turned.inverse())


def tilt_of(image: GrayImage) -> float:
    """Degrees counter-clockwise that make the lines of a page level, or upright where they run up or down; 0 where that would not
    be clearly better.

    Ink is projected along each angle; along the lines of a text it falls into the fewest rows (Postl 1986).
    """
    pixels = np.frombuffer(image.pixels, dtype=np.uint8).reshape(image.height, image.width)
    step = max(1, round(max(image.width, image.height) / _ACROSS / 1.4))
    ys, xs = np.nonzero(pixels[::step, ::step] < _DARK)
    if len(ys) > _MOST_PIXELS:
        ys, xs = ys[:: len(ys) // _MOST_PIXELS + 1], xs[:: len(xs) // _MOST_PIXELS + 1]
    if not len(ys):
        return 0.0
    across, along = xs.astype(np.float64), ys.astype(np.float64)
    return max((_best(across, along), _best(-along, across)), key=lambda found: found[1])[0]


def _best(across: npt.NDArray[np.float64], down: npt.NDArray[np.float64]) -> tuple[float, float]:
    """The angle and how clear the lines are then; an angle of 0 where that isn't clearer by far."""
    straight = _clearness(across, down, 0.0)
    best, coarse = 0.0, _STEPS[0]
    for width, step in ((_LARGEST, coarse), (coarse, _STEPS[1])):
        count = round(width / step)
        best = max(
            (best + number * step for number in range(-count, count + 1)),
            key=lambda degrees: (_clearness(across, down, degrees), -abs(degrees)),
        )
    clearness = _clearness(across, down, best)
    if abs(best) < _SMALLEST or abs(best) > _LARGEST or clearness < _CLEARER * straight:
        return 0.0, straight
    return best, clearness


def _clearness(across: npt.NDArray[np.float64], down: npt.NDArray[np.float64], degrees: float) -> float:
    rows = down - across * math.tan(math.radians(degrees))
    ink = np.bincount((rows - rows.min()).astype(np.intp))
    return float(np.square(np.diff(ink.astype(np.float64), prepend=0, append=0)).sum())


def straightened(image: GrayImage, degrees: float) -> tuple[GrayImage, Tilt]:
    """The page turned by so many degrees counter-clockwise, and how it lay before."""
    page = Image.frombytes("L", (image.width, image.height), image.pixels)
    page = page.rotate(degrees, resample=Image.Resampling.BICUBIC, expand=True, fillcolor=_WHITE)
    points = _POINTS / image.dpi
    tilt = Tilt(degrees, (image.width * points, image.height * points), (page.width * points, page.height * points))
    return GrayImage(page.width, page.height, image.dpi, page.tobytes()), tilt
