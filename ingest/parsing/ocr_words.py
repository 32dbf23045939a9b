"""Tesseract's TSV as lines with boxes, the same that a PDF's text layer gives."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median

from ingest.parsing.characters import clean
from ingest.parsing.pdf_page import Line, Word, union
from rag.domain.anchor import Box

_MIN_CONFIDENCE = 15
"""Below this a word is dirt on the glass."""

_JOIN_GAP = 0.22
"""Tesseract takes Korean syllables for words. Syllables of one word are at most this many line heights apart; on rendered
text in five fonts the gap inside words is below 0.15 and that of a space above 0.25."""

_SAME_SIZE = 0.25
_WORD_LEVEL = "5"


def words_of(tsv: bytes, scale: float) -> list[Line]:
    """Lines of a page from Tesseract's TSV, in its reading order; pixels times `scale` are points."""
    grouped: dict[tuple[str, ...], list[Word]] = {}
    for row in tsv.decode("utf-8", "replace").splitlines():
        fields = row.split("\t")
        if len(fields) != 12 or fields[0] != _WORD_LEVEL:
            continue
        text = clean(fields[11]).strip()
        try:
            left, top, width, height = (int(field) * scale for field in fields[6:10])
            confidence = float(fields[10])
        except ValueError:
            continue
        if text and confidence >= _MIN_CONFIDENCE:
            word = Word(text, (left, top, left + width, top + height))
            grouped.setdefault(tuple(fields[1:5]), []).append(word)
    lines = [_line(words) for words in grouped.values()]
    return _evened(lines)


def _line(words: Sequence[Word]) -> Line:
    heights = sorted(word.box[3] - word.box[1] for word in words)
    height = max(heights[(3 * len(heights)) // 4], 1.0)
    joined: list[Word] = []
    for word in sorted(words, key=lambda word: word.box[0]):
        if joined and _is_one_word(joined[-1], word, height):
            joined[-1] = Word(joined[-1].text + word.text, union([joined[-1].box, word.box]))
        else:
            joined.append(word)
    return Line(tuple(joined), union([word.box for word in joined]), height, bold=False)


def _is_one_word(before: Word, word: Word, height: float) -> bool:
    gap = word.box[0] - before.box[2]
    korean = "가" <= before.text[-1] <= "힣" or "가" <= word.text[0] <= "힣"
    return gap < _JOIN_GAP * height and (korean or not (before.text[-1].isalnum() and word.text[0].isalnum()))


def _evened(lines: Sequence[Line]) -> list[Line]:
    """Heights of ink vary with the letters; those of one size get one height, so that a capital makes no heading."""
    if not lines:
        return []
    usual = median(line.height for line in lines for _ in line.words)
    return [
        Line(line.words, _as_high(line.box, usual), usual, line.bold)
        if abs(line.height - usual) <= _SAME_SIZE * usual
        else line
        for line in lines
    ]


def _as_high(box: Box, height: float) -> Box:
    """The box, at least `height` high: gaps between lines are measured between boxes."""
    missing = max(0.0, height - (box[3] - box[1])) / 2
    return (box[0], box[1] - missing, box[2], box[3] + missing)
