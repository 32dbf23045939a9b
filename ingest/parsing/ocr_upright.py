"""Pages that lay on the glass sideways or upside down: read again, turned, where what was read can't be text. Those that lay
askew are straightened before.

On rendered pages in Korean and English a page on its side gives Tesseract no word at all, and one upside down words of which it
believes less than half of the letters; upright it believes four of five.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from ingest.parsing.ocr import GrayImage, PageReader
from ingest.parsing.ocr_boxes import pixels_of
from ingest.parsing.ocr_skew import Both, straightened, tilt_of
from ingest.parsing.pdf_page import DOWN, OVER, UP, Lying, Turn

_BELIEVED = 60.0
"""Tesseract's confidence from which on a word is mostly right."""
_BELIEVED_SHARE = 0.6
"""Of an upright page's letters; below, the page may lie otherwise."""
_BETTER = 1.5
"""So many times the believed letters of the page as it is shown, and it lies otherwise."""
_DARK = 128
_INK = 500
"""Dark pixels of a page on which there is something to read; a letter at 300 dpi has some 200."""
_QUARTERS = {0: 0, UP: -1, DOWN: 1, OVER: 2}
"""Quarters counter-clockwise that make the text of a page upright."""


@dataclass(frozen=True, slots=True)
class Reading:
    """What was read of a page.

    Attributes:
        tsv: Tesseract's; places are those of `image`.
        image: as it was read.
        turn: how `image` lies on the page as shown; None: as it is.
        doubtful: Tesseract believes too few of the letters.
    """

    tsv: bytes
    image: GrayImage
    turn: Lying | None = None
    doubtful: bool = False

    @property
    def height(self) -> float:
        """Of the sheet as it was read, in points."""
        return self.image.size[1]


def read_upright(reader: PageReader, image: GrayImage) -> Reading | None:
    """The page as it makes most sense; None where it could not be read. Up to four times the work, for pages that don't."""
    if not (degrees := tilt_of(image)):
        return _read_turned(reader, image)
    straight, tilt = straightened(image, degrees)
    found = _read_turned(reader, straight)
    return found and replace(found, turn=Both(found.turn, tilt) if found.turn else tilt)


def _read_turned(reader: PageReader, image: GrayImage) -> Reading | None:
    began = time.monotonic()
    tsv = reader.read(image)
    if tsv is None:
        return None
    letters, believed = _belief(tsv)
    reading = Reading(tsv, image, doubtful=believed <= _BELIEVED_SHARE * letters and letters > 0)
    if believed > _BELIEVED_SHARE * letters or not _has_ink(image):
        return reading
    one = time.monotonic() - began
    for direction in (UP, DOWN, OVER) if not letters or _lines_stand(image) else (OVER, UP, DOWN):
        if time.monotonic() + one > reader.deadline:
            break
        turned = _turned(image, direction)
        found = reader.read(turned)
        if found is None:
            continue
        of_all, of_those = _belief(found)
        if of_those > max(_BETTER * believed, _BELIEVED_SHARE * of_all):
            return Reading(found, turned, Turn(direction, *image.size))
    return reading


def _belief(tsv: bytes) -> tuple[int, int]:
    """Letters of all words, and of those that Tesseract believes."""
    letters = believed = 0
    for row in tsv.decode("utf-8", "replace").splitlines():
        fields = row.split("\t")
        if len(fields) != 12 or not (count := len(fields[11].strip())):
            continue
        try:
            confidence = float(fields[10])
        except ValueError:  # the line of headings
            continue
        letters += count
        believed += count if confidence >= _BELIEVED else 0
    return letters, believed


def _has_ink(image: GrayImage) -> bool:
    return int((pixels_of(image) < _DARK).sum()) >= _INK


def _lines_stand(image: GrayImage) -> bool:
    """Whether lines of text run up or down the page: columns with and without ink then differ more than rows do.

    Reading a page the wrong way round takes Tesseract up to ten times as long as reading it upright.
    """
    dark = pixels_of(image) < _DARK
    rows, columns = (_spread(dark.mean(axis=axis)) for axis in (1, 0))
    return columns > rows


def _spread(ink: npt.NDArray[np.float64]) -> float:
    """Of the ink of rows or columns, margins left out."""
    inked = np.flatnonzero(ink)
    return float(ink[inked[0] : inked[-1] + 1].std()) if inked.size else 0.0


def _turned(image: GrayImage, direction: int) -> GrayImage:
    turned = np.rot90(pixels_of(image), _QUARTERS[direction])
    return GrayImage(turned.shape[1], turned.shape[0], image.dpi, turned.tobytes())
