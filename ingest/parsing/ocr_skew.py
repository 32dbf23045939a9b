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

from ingest.parsing.ocr import MAX_PIXELS, GrayImage
from ingest.parsing.ocr_boxes import Pixels, pixels_of
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
_STRIPS, _LEAST_INK = 8, 0.02
_APART = 0.6
"""Degrees between the strips of a page; those with less than that share of its ink are not asked."""
_ACROSS = 1_000
"""Pixels of the page that are looked at; a tenth of a degree is two of them at its end."""
_DARK = 160
_WHITE = 255
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
        (left, top, right, bottom), (width, height) = box, self.page
        sine, cosine = math.sin(math.radians(self.degrees)), math.cos(math.radians(self.degrees))
        x, y = (left + right - self.sheet[0]) / 2, (top + bottom - self.sheet[1]) / 2
        long, thick = (right - left) / 2, (bottom - top) / 2
        ends = [(x - long, y), (x + long, y)]
        if is_tall := thick > long:
            long, thick = thick, long
            ends = [(x, y - long), (x, y + long)]
        there = [(width / 2 + a * cosine - b * sine, height / 2 + a * sine + b * cosine) for a, b in ends]
        (start, end), (high, low) = (sorted(edges) for edges in zip(*there, strict=True))
        sideways, upwards = (thick, 0.0) if is_tall else (0.0, thick)
        edges = (start - sideways, high - upwards, end + sideways, low + upwards)
        most = (width, height, width, height)
        return tuple(min(max(edge, 0.0), limit) for edge, limit in zip(edges, most, strict=True))

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
    pixels = pixels_of(image)
    step = max(1, round(max(image.width, image.height) / _ACROSS / 1.4))
    ink = pixels[::step, ::step] < _DARK
    ys, xs = np.nonzero(~ink if _is_dark(pixels) else ink)
    if len(ys) > _MOST_PIXELS:  # by chance: taken at even distances they make a pattern, which has lines of its own
        chosen = np.random.default_rng(0).choice(len(ys), _MOST_PIXELS, replace=False)
        ys, xs = ys[chosen], xs[chosen]
    if not len(ys):
        return 0.0
    across, along = xs.astype(np.float64), ys.astype(np.float64)
    directions = ((across, along), (-along, across))
    found = [(*_best(*direction), direction) for direction in directions]
    degrees, _, direction = max(found, key=lambda item: item[1])
    return degrees if degrees and _agree(*direction, degrees) else 0.0


def _is_dark(pixels: Pixels) -> bool:
    """Light letters on a dark ground, as a terminal shows them."""
    return bool(np.median(pixels[::8, ::8]) < _DARK)


def _agree(across: npt.NDArray[np.float64], down: npt.NDArray[np.float64], degrees: float) -> bool:
    """Whether most strips of a page, one below the other, say about the same: the lines of a text do, those of a chart don't."""
    strips = np.minimum((down - down.min()) * _STRIPS // (np.ptp(down) + 1), _STRIPS - 1)
    inked = [strips == strip for strip in range(_STRIPS) if (strips == strip).sum() >= _LEAST_INK * len(down)]
    agreeing = sum(abs(_best(across[strip], down[strip])[0] - degrees) <= _APART for strip in inked)
    return agreeing > len(inked) / 2


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
    """The page turned by so many degrees counter-clockwise, and how it lay before. It grows by its corners; where it would be
    more than Tesseract is given, it is made smaller."""
    page = Image.frombytes("L", (image.width, image.height), image.pixels)
    ground = 0 if _is_dark(pixels_of(image)) else _WHITE
    page = page.rotate(degrees, resample=Image.Resampling.BICUBIC, expand=True, fillcolor=ground)
    dpi = image.dpi
    if (pixels := page.width * page.height) > MAX_PIXELS:
        dpi = max(1, math.floor(dpi * math.sqrt(MAX_PIXELS / pixels)))
        page = page.resize((page.width * dpi // image.dpi, page.height * dpi // image.dpi), Image.Resampling.BOX)
    straight = GrayImage(page.width, page.height, dpi, page.tobytes())
    return straight, Tilt(degrees, image.size, straight.size)
