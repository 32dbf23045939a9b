"""One PDF page as lines with boxes, read character by character from PDFium's text page.

All coordinates here are points from the top left corner of the page as it is displayed (rotation and crop box applied),
which is what anchors hold.
"""

from __future__ import annotations

import ctypes
import itertools
import math
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, Protocol

import pypdfium2 as pdfium
import pypdfium2.raw as pdfium_c

from ingest.parsing.characters import clean
from ingest.parsing.hidden_text import has_hidden_characters
from ingest.parsing.pdf_blanks import StrayBlanks
from ingest.parsing.pdf_dropped import DroppedTwins
from ingest.parsing.pdf_letter_spacing import Span, whole_words
from ingest.parsing.pdf_objects import WHITE, PageObjects, Transform
from rag.domain.anchor import Box

_LINE_END, _CARRIAGE_RETURN, _SPACE, _HARD_SPACE, _F = 10, 13, 32, 0xA0, 102
_BOLD_WEIGHT = 600
_BOLD_NAME = re.compile(rb"bold|heavy|black|-b(?:,|$)", re.I)
_FONT_NAME_BYTES = 128
_SAME_ROW_OVERLAP = 0.6
"""Share of the smaller height that two runs of text have in common vertically when a reader sees them on one line."""

_WIDE_GAP = 1.0
"""A gap of this many line heights separates cells or columns: no space character is that wide."""

_INVISIBLE_MODES = (3, 7)
"""Text rendering modes of PDF 1.7, table 106: neither filled nor stroked; the second only clips."""

_LIGATURES = str.maketrans({
    "\ufb00": "ff", "\ufb01": "fi", "\ufb02": "fl", "\ufb03": "ffi", "\ufb04": "ffl", "\ufb05": "st", "\ufb06": "st",
})  # fmt: skip
_TURNED_SHARE = 0.6
_TINY = 1.5
"""Points: text this low is not meant to be read."""

_LABEL = re.compile(r"\W|[(]?\w[.)]|[(]?\d{1,2}(?:\.\d{1,2}){0,4}[.)]?|[①-⑳]")
_HYPHENS = "\x02\u00ad\ufffe"
"""How PDFium reports a hyphen at the end of a line; it leaves out the line end that follows."""

DIVIDED = "\u00ad"
"""Ends the text of a word that a line end cuts at a hyphen, until `Hyphens` says what it was."""


UP, DOWN, OVER = 1, -1, 2


@dataclass(frozen=True, slots=True)
class Word:
    """Characters without a space between them."""

    text: str
    box: Box


@dataclass(frozen=True, slots=True)
class Line:
    """Text on one baseline.

    Attributes:
        height: of the characters, points; the font's size as it appears.
        spaced: the source has a space after the last word: the line ends between words.
        turned: it runs up the page (`UP`) or down, letters on their side.
        scanned: read by OCR, which measures the height of the letters that happen to stand there.
    """

    words: tuple[Word, ...]
    box: Box
    height: float
    bold: bool
    spaced: bool = False
    turned: int = 0
    scanned: bool = False

    @property
    def text(self) -> str:
        """Words with single spaces."""
        return " ".join(word.text for word in self.words)

    @property
    def divided(self) -> bool:
        """It ends at a hyphen, inside a word."""
        return self.words[-1].text.endswith(DIVIDED)

    @property
    def wide_gaps(self) -> int:
        """How often the line is interrupted, as the row of a table is; the gap after a bullet or a number is none."""
        words = self.words[1:] if _LABEL.fullmatch(self.words[0].text) else self.words
        pairs = itertools.pairwise(words)
        return sum(after.box[0] - before.box[2] > _WIDE_GAP * self.height for before, after in pairs)


def page_transform(page: pdfium.PdfPage) -> tuple[Transform, float, float]:
    """From PDF coordinates to displayed ones, with the displayed width and height."""
    left, bottom, right, top = page.get_bbox()
    width, height = right - left, top - bottom
    match page.get_rotation():
        case 90:
            return (lambda x, y: (y - bottom, x - left)), height, width
        case 180:
            return (lambda x, y: (right - x, y - bottom)), width, height
        case 270:
            return (lambda x, y: (top - y, right - x)), height, width
        case _:
            return (lambda x, y: (x - left, top - y)), width, height


@dataclass(frozen=True, slots=True)
class PageText:
    """A page's text layer.

    Attributes:
        hidden: words left out because nobody sees them: invisible, transparent, white on white, tiny or off the page.
        unseen: words in a rendering mode without ink, left out unless they were to be kept.
        noise: share of characters that the font does not map to any.
        masked: characters that are not seen hide or reorder text (`hidden_text.py`).
    """

    lines: list[Line]
    hidden: int
    unseen: int
    noise: float
    masked: bool


class Lying(Protocol):
    """How a sheet lies on the page as shown."""

    def back(self, box: Box) -> Box:
        """From the sheet to the page as shown."""

    def inverse(self) -> Lying:
        """From the page as shown to the sheet."""


@dataclass(frozen=True, slots=True)
class Turn:
    """A page whose text runs up or down is laid out as if the sheet were turned; anchors stay those of the page as shown.

    Attributes:
        direction: `UP` or `DOWN`, how the text runs on the page as shown; `OVER`: it stands on its head.
        width, height: of the page as shown.
    """

    direction: int
    width: float
    height: float

    def applied(self, transform: Transform) -> Transform:
        """From PDF coordinates to those of the turned sheet."""

        def turned(x: float, y: float) -> tuple[float, float]:
            across, down = transform(x, y)
            if self.direction == OVER:
                return self.width - across, self.height - down
            return (self.height - down, across) if self.direction == UP else (down, self.width - across)

        return turned

    def back(self, box: Box) -> Box:
        """From the turned sheet to the page as shown."""
        left, top, right, bottom = box
        if self.direction == OVER:
            return (self.width - right, self.height - bottom, self.width - left, self.height - top)
        if self.direction == UP:
            return (top, self.height - right, bottom, self.height - left)
        return (self.width - bottom, left, self.width - top, right)

    def inverse(self) -> Turn:
        """From the page as shown to the turned sheet."""
        if self.direction == OVER:
            return self
        return Turn(DOWN if self.direction == UP else UP, self.height, self.width)


def turn_of(lines: list[Line], width: float, height: float) -> Turn | None:
    """How to turn a page most of whose letters lie on their side."""
    letters = dict.fromkeys((0, UP, DOWN), 0)
    for line in lines:
        letters[line.turned] += sum(len(word.text) for word in line.words)
    most = max(letters, key=lambda direction: letters[direction])
    return Turn(most, width, height) if most and letters[most] > _TURNED_SHARE * sum(letters.values()) else None


def page_text(
    text_page: pdfium.PdfTextPage,
    transform: Transform,
    size: tuple[float, float],
    objects: PageObjects,
    keep_unseen: bool,
) -> PageText:
    """Lines in reading order: PDFium's order, with the runs that stand on one baseline put together.

    Args:
        size: displayed width and height.
        objects: what else the page draws; white text shows on some of it.
        keep_unseen: text without ink is an OCR layer over a picture of the page.
    """
    reader = _CharacterReader(text_page, transform, size, objects, keep_unseen)
    lines = _join_rows(reader.runs())
    return PageText(lines, reader.hidden, reader.unseen, reader.noise / max(reader.characters, 1), reader.masked)


def _character(code: int) -> str:
    return chr(code) if code < 0x110000 else "\ufffd"


def _is_flat(word: Word) -> bool:
    """It does not run up or down the page."""
    return word.box[3] - word.box[1] <= 1.3 * max(word.box[2] - word.box[0], 4.0) or len(word.text) < 3


_Placed = tuple[int, int, Word, float]
"""A word with the numbers of its first and last character, and the height of its letters."""


class _CharacterReader:
    """Reads runs: what PDFium has between two line ends."""

    def __init__(
        self,
        text_page: pdfium.PdfTextPage,
        transform: Transform,
        size: tuple[float, float],
        objects: PageObjects,
        keep_unseen: bool,
    ) -> None:
        self._raw = text_page.raw
        self._twins = DroppedTwins(text_page)
        self._count = text_page.count_chars()
        self._blanks = StrayBlanks(self._raw, self._count)
        self._transform = transform
        self._width, self._height = size
        self._objects = objects
        self._keep_unseen = keep_unseen
        self._upright = transform(0, 1)[0] == transform(0, 0)[0]  # the page itself is shown as it was written
        self._rectangle = pdfium_c.FS_RECTF()
        self._reference = ctypes.byref(self._rectangle)
        self._name = ctypes.create_string_buffer(_FONT_NAME_BYTES)
        self._flags = ctypes.c_int()
        self._colour = [ctypes.c_uint() for _ in range(4)]
        self.hidden = self.unseen = self.noise = self.characters = 0
        self.masked = False

    def runs(self) -> list[Line]:
        """All runs that hold something visible."""
        unicode_of: Any = pdfium_c.FPDFText_GetUnicode
        raw = self._raw
        lines: list[Line] = []
        words: list[Span] = []
        letters: list[str] = []
        begin = 0
        spaced = False
        for index in range(self._count + 1):
            code = unicode_of(raw, index) if index < self._count else _LINE_END
            if (code > _SPACE and code != _HARD_SPACE) or code == 2:
                if not letters:
                    begin = index
                letters.append(self._letters(index, code))
                spaced = False
                continue
            if code == _SPACE and letters and letters[-1] == "ff" and self._twins.closes_up(index - 1):
                continue
            if code == _SPACE and (letters or words) and self._blanks.parts_nothing(index):
                continue
            if letters:
                words.append((begin, index - 1, "".join(letters)))
                letters = []
            self.noise += code == 0
            self.characters += code == 0
            spaced = spaced or code in (_SPACE, _HARD_SPACE)
            if code in (_LINE_END, _CARRIAGE_RETURN) and words:
                lines += self._lines(whole_words(words, self._character_box), spaced)
                words, spaced = [], False
        return lines

    def _letters(self, index: int, code: int) -> str:
        return "ff" if code == _F and self._twins.follows(index) else _character(code)

    def _shown(self, words: list[Span]) -> Iterator[_Placed]:
        """Words that a reader sees."""
        for first, last, text in words:
            self.characters += len(text)
            if pdfium_c.FPDFText_HasUnicodeMapError(self._raw, first) == 1:
                self.noise += len(text)
            elif any(letter == "\ufffd" or "\ue000" <= letter <= "\uf8ff" for letter in text):
                self.noise += sum(letter == "\ufffd" or "\ue000" <= letter <= "\uf8ff" for letter in text)
            shown = clean(text.translate(_LIGATURES))
            if not shown:
                continue
            box, height = self._span_box(first, last, text)
            word = Word(shown + DIVIDED * (text[-1] in _HYPHENS), box)
            if self._is_without_ink(first):
                self.unseen += 1
                self.hidden += not self._keep_unseen
                if self._keep_unseen:
                    yield first, last, word, height
            elif self._is_hidden(first, word.box):
                self.hidden += 1
            else:
                yield first, last, word, height

    def _is_without_ink(self, index: int) -> bool:
        drawn = pdfium_c.FPDFText_GetTextObject(self._raw, index)
        return bool(drawn) and pdfium_c.FPDFTextObj_GetTextRenderMode(drawn) in _INVISIBLE_MODES

    def _is_hidden(self, index: int, box: Box) -> bool:
        left, top, right, bottom = box
        if 0 < bottom - top < _TINY or right < 0 or bottom < 0 or left > self._width or top > self._height:
            return True
        if not pdfium_c.FPDFText_GetFillColor(self._raw, index, *self._colour):
            return False
        red, green, blue, alpha = (part.value for part in self._colour)
        return alpha == 0 or (min(red, green, blue) >= WHITE and self._objects.is_white_at(box))

    def _lines(self, words: list[Span], spaced: bool) -> Iterator[Line]:
        """One line as a rule: PDFium takes a short text far below for a continuation."""
        self.masked |= has_hidden_characters(" ".join(("", *(text for _, _, text in words))))
        parts: list[list[_Placed]] = []
        for placed in self._shown([half for word in words for half in self._halves(word)]):
            if parts and (same_row(parts[-1][-1][2].box, placed[2].box) or not _is_flat(placed[2])):
                parts[-1].append(placed)
            else:
                parts.append([placed])
        for part in parts:
            yield self._line(part, spaced)

    def _halves(self, word: Span) -> Iterator[Span]:
        """A word that a line end cuts at a hyphen is one to PDFium, with the hyphen inside: what stands on each line."""
        begin, last, text = word
        if not any(mark in text[:-1] for mark in _HYPHENS):
            yield word
            return
        letters: list[str] = []
        for index in range(begin, last + 1):
            code = pdfium_c.FPDFText_GetUnicode(self._raw, index)
            if code in (_SPACE, _HARD_SPACE):
                continue  # `runs` or `whole_words` found that it parts nothing
            letters.append(self._letters(index, code))
            below = letters[-1] in _HYPHENS and index < last and not self._on_one_row(index - 1, index + 1)
            if index == last or (below and index > begin):
                yield begin, index, "".join(letters)
                begin, letters = index + 1, []

    def _on_one_row(self, one: int, other: int) -> bool:
        return same_row(self._character_box(one), self._character_box(other))

    def _line(self, kept: list[_Placed], spaced: bool) -> Line:
        shown = [word for _, _, word, _ in kept]
        box = union([word.box for word in shown])
        heights = sorted(height for _, _, _, height in kept)
        height = heights[len(heights) // 2]
        lettered = [(first, last) for first, last, word, _ in kept if word.text[0].isalnum()] or [kept[0][:2]]
        bold = self._is_bold(lettered[0][0]) and self._is_bold(lettered[-1][1])
        turned = self._turned(kept)
        if turned:
            height = sorted(word.box[2] - word.box[0] for word in shown)[len(shown) // 2]
        return Line(tuple(shown), box, height, bold, spaced, turned)

    def _turned(self, words: list[_Placed]) -> int:
        """Whether the longest word runs up or down; vertical writing, whose letters stand upright, does not count."""
        first, last, word, _ = max(words, key=lambda item: len(item[2].text))
        left, top, right, bottom = word.box
        if len(word.text) < 3 or bottom - top < 1.3 * (right - left):
            return 0
        if self._upright and abs(math.sin(pdfium_c.FPDFText_GetCharAngle(self._raw, first))) < 0.5:
            return 0
        return UP if self._character_box(first)[1] > self._character_box(last)[1] else DOWN

    def _is_bold(self, index: int) -> bool:
        """By the font's weight or, as most writers leave that out, by its name."""
        if pdfium_c.FPDFText_GetFontWeight(self._raw, index) >= _BOLD_WEIGHT:
            return True
        pdfium_c.FPDFText_GetFontInfo(self._raw, index, self._name, _FONT_NAME_BYTES, self._flags)
        return _BOLD_NAME.search(self._name.value) is not None

    def _span_box(self, first: int, last: int, text: str) -> tuple[Box, float]:
        """The box of a word, and the height of its letters: figures and marks beside Hangul are often of a taller font."""
        boxes = [self._character_box(first)]
        if last != first:
            boxes.append(self._character_box(last))
        letter = boxes[-1] if text[-1].isalpha() and not text[0].isalpha() else boxes[0]
        return union(boxes), letter[3] - letter[1]

    def _character_box(self, index: int) -> Box:
        pdfium_c.FPDFText_GetLooseCharBox(self._raw, index, self._reference)
        found = self._rectangle
        x1, y1 = self._transform(found.left, found.top)
        x2, y2 = self._transform(found.right, found.bottom)
        return (min(x1, x2), min(y1, y2), max(x1, x2), max(y1, y2))


def union(boxes: list[Box]) -> Box:
    """The smallest box around `boxes`."""
    return (
        min(box[0] for box in boxes),
        min(box[1] for box in boxes),
        max(box[2] for box in boxes),
        max(box[3] for box in boxes),
    )


def rounded(box: Box) -> Box:
    """A tenth of a point is finer than any eye; the JSON stays short."""
    left, top, right, bottom = (round(value, 1) for value in box)
    return (left, top, right, bottom)


def same_row(one: Box, other: Box) -> bool:
    """They overlap enough vertically to be read as one line."""
    overlap = min(one[3], other[3]) - max(one[1], other[1])
    return overlap >= _SAME_ROW_OVERLAP * max(min(one[3] - one[1], other[3] - other[1]), 0.1)


def _join_rows(runs: list[Line]) -> list[Line]:
    """Neighbouring runs on one baseline become one line: cells of a row, a raised footnote mark, a change of font."""
    lines: list[Line] = []
    for run in runs:
        level = lines and not (run.turned or lines[-1].turned)
        if level and same_row(lines[-1].box, run.box) and not _overprints(lines[-1], run):
            lines[-1] = joined(lines[-1], run)
        else:
            lines.append(run)
    return lines


def _overprints(line: Line, run: Line) -> bool:
    """The run lies on top of the line's text, as fake bold and shadows do; or far before its start."""
    return any(
        word.box[0] < other.box[2] - 1 and other.box[0] < word.box[2] - 1 for word in run.words for other in line.words
    )


def joined(line: Line, run: Line) -> Line:
    """Two runs that stand on one row as one line."""
    after = run.box[0] >= line.box[0]
    words = (*line.words, *run.words) if after else (*run.words, *line.words)
    words = tuple(sorted(words, key=lambda word: word.box[0]))
    # Hair-thin gaps are a change of font inside a word, not a space.
    merged: list[Word] = [words[0]]
    for word in words[1:]:
        before = merged[-1]
        if word.box[0] - before.box[2] < 0.08 * line.height and before not in line.words[:-1]:
            merged[-1] = Word(before.text + word.text, union([before.box, word.box]))
        else:
            merged.append(word)
    last = run if after else line
    return replace(
        line,
        words=tuple(merged),
        box=union([line.box, run.box]),
        height=max(line.height, run.height),
        bold=line.bold and run.bold,
        spaced=last.spaced,
    )
