"""Lines that are justified by moving letters apart, as LibreOffice does with Korean in narrow columns.

PDFium takes every gap of some width for a space. On such a line it finds one between any two syllables; those between words are
wider all the same.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Sequence

Span = tuple[int, int, str]
"""Numbers of the first and the last character of a word, and its text."""

_HANGUL = re.compile(r"[가-힣]")
_MIN_WORDS = 6
_LONE_SHARE = 0.75
"""So many words of such a line are one letter; numbers stay whole."""

_WIDEST = 0.4
"""Of the letters' height: wider gaps between letters are cells of a table, or a title that is written like that."""

_EVEN = 0.12
"""How much the gaps between the letters of one line differ, likewise."""

_WORD_GAP = 1.6
"""A gap between words is so many times one between letters; on lines of LibreOffice's it is 1.8 to 3."""


def whole_words(words: Sequence[Span], box_of: Callable[[int], tuple[float, float, float, float]]) -> list[Span]:
    """The words of a line, those put together whose letters were only moved apart.

    Args:
        box_of: a character by its number.
    """
    lone = sum(first == last and bool(_HANGUL.match(text)) for first, last, text in words)
    if len(words) < _MIN_WORDS or lone < _LONE_SHARE * len(words):
        return list(words)
    boxes = [(box_of(first), box_of(last)) for first, last, _ in words]
    height = max(box[3] - box[1] for box, _ in boxes)
    gaps = [after[0][0] - before[1][2] for before, after in itertools.pairwise(boxes)]
    most = _widest_between_letters(sorted(gaps), height)
    whole = [words[0]]
    for gap, word in zip(gaps, words[1:], strict=True):
        first, _, text = whole[-1]
        if gap <= most and _HANGUL.match(text[-1]) and _HANGUL.match(word[2]):
            whole[-1] = (first, word[1], text + word[2])
        else:
            whole.append(word)
    return whole


def _widest_between_letters(gaps: Sequence[float], height: float) -> float:
    """The widest of these gaps, which are sorted, that is one between letters; negative where it can't be told."""
    for narrow, wide in itertools.pairwise(gaps):
        if wide >= _WORD_GAP * narrow and wide - narrow > _EVEN * height:
            even = gaps[0] > 0 and narrow - gaps[0] <= _EVEN * height
            return narrow if even and narrow <= _WIDEST * height else -1.0
    return -1.0
