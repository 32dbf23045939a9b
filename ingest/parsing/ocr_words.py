"""Tesseract's TSV as lines with boxes, the same that a PDF's text layer gives."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from statistics import median

import numpy as np

from ingest.parsing.characters import clean
from ingest.parsing.ocr import GrayImage
from ingest.parsing.ocr_boxes import Pixels, inked_columns, pixels_of, trimmed, usual_height
from ingest.parsing.pdf_page import Line, Word, union
from rag.domain.anchor import Box

_MIN_CONFIDENCE = 15
"""Below this a word is dirt on the glass."""

_SPACE_GAP = 0.27
"""White of this many line heights between letters is a space, unless the page has enough letters to tell its own measure.
Tesseract takes Korean syllables for words, and two words for one, so spaces are seen from the pixels."""

_MIN_GAPS = 60
_SPACE_BOUNDS = (0.16, 0.4)
_WIDEST_GAP = 0.8
"""Wider white separates cells or columns and says nothing about spaces."""

_SAME_SIZE = 0.25
_WORD_LEVEL = "5"
_POINTS = 72.0


def words_of(tsv: bytes, image: GrayImage) -> list[Line]:
    """Lines of a page from Tesseract's TSV, in its reading order, in points."""
    pixels = pixels_of(image)
    grouped: dict[tuple[str, ...], list[Word]] = {}
    for row in tsv.decode("utf-8", "replace").splitlines():
        fields = row.split("\t")
        if len(fields) != 12 or fields[0] != _WORD_LEVEL:
            continue
        text = clean(fields[11]).strip()
        try:
            left, top, width, height = (int(field) for field in fields[6:10])
            confidence = float(fields[10])
        except ValueError:
            continue
        if text and confidence >= _MIN_CONFIDENCE:
            word = Word(text, (left, top, left + width, top + height))
            grouped.setdefault(tuple(fields[1:5]), []).append(word)
    scale = _POINTS / image.dpi
    usual = usual_height([word for words in grouped.values() for word in words])
    grouped = {place: trimmed(words, pixels, usual) for place, words in grouped.items()}
    whites = [_whites(words, pixels) for words in grouped.values()]
    space = _space_width(whites)
    return _evened(
        [_line(_spaced(ws, white, space), scale) for ws, white in zip(grouped.values(), whites, strict=True)]
    )


def _line(words: Sequence[Word], scale: float) -> Line:
    shown = []
    for word in words:
        left, top, right, bottom = (edge * scale for edge in word.box)
        shown.append(Word(word.text, (left, top, right, bottom)))
    heights = sorted(word.box[3] - word.box[1] for word in shown)
    height = max(heights[(3 * len(heights)) // 4], 1.0)
    return Line(tuple(shown), union([word.box for word in shown]), height, bold=False, scanned=True)


def _spaced(words: Sequence[Word], whites: Sequence[tuple[float, float]], space: float) -> list[Word]:
    """Words as the white between them tells. Latin words stay as Tesseract has them."""
    ordered = sorted(words, key=lambda word: word.box[0])
    gaps = [middle for middle, width in whites if width >= space]
    parts = [part for word in ordered for part in _split(word, gaps)]
    result = parts[:1]
    for before, word in itertools.pairwise(parts):
        korean = _is_korean(before.text[-1]) or _is_korean(word.text[0])
        between = any(_centre(before) < gap < _centre(word) for gap in gaps)
        if korean and not between:
            whole = result.pop()
            result.append(Word(whole.text + word.text, union([whole.box, word.box])))
        else:
            result.append(word)
    return result


def _split(word: Word, gaps: Sequence[float]) -> list[Word]:
    """A word cut where there is white inside it; the letters of Korean are equally wide."""
    left, top, right, bottom = word.box
    wide = (right - left) / len(word.text)
    if len(word.text) < 2 or not any(map(_is_korean, word.text)):
        return [word]
    cuts = sorted({round((gap - left) / wide) for gap in gaps if left + 0.6 * wide < gap < right - 0.6 * wide})
    edges = [0, *(cut for cut in cuts if 0 < cut < len(word.text)), len(word.text)]
    return [
        Word(word.text[start:end], (left + start * wide, top, left + end * wide, bottom))
        for start, end in itertools.pairwise(edges)
    ]


def _whites(words: Sequence[Word], pixels: Pixels) -> list[tuple[float, float]]:
    """Middles of the columns of a line without ink, and their widths in line heights."""
    heights = sorted(word.box[3] - word.box[1] for word in words)
    height = max(heights[(3 * len(heights)) // 4], 1.0)
    inked = inked_columns(words, pixels)
    steps = np.diff(inked)
    return [
        (float(inked[index] + inked[index + 1]) / 2, float(steps[index] - 1) / height)
        for index in np.flatnonzero(steps > 1)
    ]


def _space_width(whites: Sequence[Sequence[tuple[float, float]]]) -> float:
    """Where a page's white between letters ends and its spaces begin: the best split in two classes (Otsu 1979)."""
    widths = np.sort([width for line in whites for _, width in line if width < _WIDEST_GAP])
    if len(widths) < _MIN_GAPS:
        return _SPACE_GAP
    count = np.arange(1, len(widths))
    sums = np.cumsum(widths)
    apart = (sums[-1] * count / len(widths) - sums[:-1]) ** 2 / (count * (len(widths) - count))
    best = int(np.argmax(apart))
    low, high = _SPACE_BOUNDS
    return min(high, max(low, float(widths[best] + widths[best + 1]) / 2))


def _centre(word: Word) -> float:
    return (word.box[0] + word.box[2]) / 2


def _is_korean(letter: str) -> bool:
    return "가" <= letter <= "힣"


def _evened(lines: Sequence[Line]) -> list[Line]:
    """Heights of ink vary with the letters; those of one size get one height, so that a capital makes no heading."""
    if not lines:
        return []
    usual = median(line.height for line in lines for _ in line.words)
    return [
        Line(line.words, _as_high(line.box, usual), usual, line.bold, scanned=True)
        if abs(line.height - usual) <= _SAME_SIZE * usual
        else line
        for line in lines
    ]


def _as_high(box: Box, height: float) -> Box:
    """The box, at least `height` high: gaps between lines are measured between boxes."""
    missing = max(0.0, height - (box[3] - box[1])) / 2
    return (box[0], box[1] - missing, box[2], box[3] + missing)
