"""Boxes of words made those of their letters.

For words whose outlines Tesseract can't tell apart it gives the box of their row: about twice as high as the letters, which stand
in the middle, with parts of the neighbouring lines and of a table's rules. Taken as they are, such boxes make body text look as
large as a title, and no column between two words is white.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from ingest.parsing.ocr import GrayImage
from ingest.parsing.pdf_page import Word

Pixels = npt.NDArray[np.uint8]
"""Rows by columns, 0 black to 255 white."""

_DARK = 128
_MIN_DARK = 2
"""Pixels in a row or a column that are more than dust."""

_TALL = 1.3
"""A box so many times as high as letters are may be that of a row."""

_USUAL = 0.3
"""Where the height of letters stands among those of all boxes, from the lowest: more than half may be too high."""

_AROUND = 4.0
"""Heights to the left and to the right that tell where the letters of a line stand; a scan may be askew, so not more."""

_SEAM = 0.1
"""White of so many heights is inside letters (=, 으), not between lines."""

_DRAWN = 0.9
"""What fills so much of the rows or of the columns is a rule."""

_WIDE_ENOUGH = 3.0
"""Heights of text below which the stroke of a letter could be taken for a rule."""


def pixels_of(image: GrayImage) -> Pixels:
    """The picture as an array, without a copy."""
    return np.frombuffer(image.pixels, dtype=np.uint8).reshape(image.height, image.width)


def usual_height(words: Sequence[Word]) -> float:
    """Of the letters of a page."""
    heights = sorted(word.box[3] - word.box[1] for word in words)
    return max(heights[int(_USUAL * len(heights))], 1.0) if heights else 1.0


def trimmed(words: Sequence[Word], pixels: Pixels, usual: float) -> list[Word]:
    """The words of one line, those that are too high cut down to the letters in their middle."""
    ends = min(word.box[0] for word in words), max(word.box[2] for word in words)
    return [
        _trimmed(word, pixels, usual, ends) if word.box[3] - word.box[1] > _TALL * usual else word for word in words
    ]


def inked_columns(words: Sequence[Word], pixels: Pixels) -> npt.NDArray[np.intp]:
    """Columns of the page in which a line has ink. Each is looked at as high as the words there stand: lines may be askew."""
    ordered = sorted(words, key=lambda word: word.box[0])
    cuts = [*(word.box[0] for word in ordered), max(word.box[2] for word in ordered)]
    found = []
    for number, (start, end) in enumerate(itertools.pairwise(cuts)):
        near = ordered[max(0, number - 1) : number + 2]
        top, bottom = min(word.box[1] for word in near), max(word.box[3] for word in near)
        dark = (pixels[int(top) : int(bottom), int(start) : int(end)] < _DARK).sum(axis=0)
        found.append(int(start) + np.flatnonzero(dark >= _MIN_DARK))
    return np.concatenate(found)


def _trimmed(word: Word, pixels: Pixels, usual: float, ends: tuple[float, float]) -> Word:
    left, top, right, bottom = (int(edge) for edge in word.box)
    reach = _AROUND * usual
    dark = pixels[top:bottom, int(max(ends[0], left - reach)) : int(min(ends[1], right + reach))] < _DARK
    if not dark.size:
        return word
    dark = dark[:, dark.mean(axis=0) < _DRAWN]
    rows = dark.sum(axis=1) >= _MIN_DARK
    if dark.shape[1] >= _WIDE_ENOUGH * usual:
        rows &= dark.mean(axis=1) < _DRAWN
    runs = _runs(rows, _SEAM * usual)
    if not runs:
        return word
    high, low = (bottom - top - usual) / 2, (bottom - top + usual) / 2
    first, last = max(runs, key=lambda run: min(run[1], low) - max(run[0], high))
    return replace(word, box=(word.box[0], top + first, word.box[2], top + last))


def _runs(inked: npt.NDArray[np.bool_], seam: float) -> list[tuple[int, int]]:
    """Half-open ranges of rows with ink; those with little white between are one."""
    edges = np.flatnonzero(np.diff(np.concatenate(([0], inked.astype(np.int8), [0]))))
    runs: list[tuple[int, int]] = []
    for start, end in zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True):
        if runs and start - runs[-1][1] <= seam:
            runs[-1] = (runs[-1][0], end)
        else:
            runs.append((start, end))
    return runs
