"""Automatic numbers of Hangul documents: outlines, numbered lists, notes, captions.

Formats are those of HWP 5's specification (1.3, table 43) and of OWPML's `NumberType1` (KS X 6101), which has names for
the same digits.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from ingest.parsing.hwp_model import NumberLevel

KINDS = (
    "DIGIT", "CIRCLED_DIGIT", "ROMAN_CAPITAL", "ROMAN_SMALL", "LATIN_CAPITAL", "LATIN_SMALL", "CIRCLED_LATIN_CAPITAL",
    "CIRCLED_LATIN_SMALL", "HANGUL_SYLLABLE", "CIRCLED_HANGUL_SYLLABLE", "HANGUL_JAMO", "CIRCLED_HANGUL_JAMO",
    "HANGUL_PHONETIC", "IDEOGRAPH", "CIRCLED_IDEOGRAPH", "DECAGON_CIRCLE", "DECAGON_CIRCLE_HANJA",
)  # fmt: skip
"""OWPML's names of the digits, at HWP 5's codes."""

_SERIES = {
    "LATIN_CAPITAL": "ABCDEFGHIJKLMNOPQRSTUVWXYZ",
    "LATIN_SMALL": "abcdefghijklmnopqrstuvwxyz",
    "CIRCLED_LATIN_CAPITAL": "ⒶⒷⒸⒹⒺⒻⒼⒽⒾⒿⓀⓁⓂⓃⓄⓅⓆⓇⓈⓉⓊⓋⓌⓍⓎⓏ",
    "CIRCLED_LATIN_SMALL": "ⓐⓑⓒⓓⓔⓕⓖⓗⓘⓙⓚⓛⓜⓝⓞⓟⓠⓡⓢⓣⓤⓥⓦⓧⓨⓩ",
    "HANGUL_SYLLABLE": "가나다라마바사아자차카타파하거너더러머버서어저처커터퍼허고노도로모보소오조초코토포호",
    "CIRCLED_HANGUL_SYLLABLE": "㉮㉯㉰㉱㉲㉳㉴㉵㉶㉷㉸㉹㉺㉻",
    "HANGUL_JAMO": "ㄱㄴㄷㄹㅁㅂㅅㅇㅈㅊㅋㅌㅍㅎ",
    "CIRCLED_HANGUL_JAMO": "㉠㉡㉢㉣㉤㉥㉦㉧㉨㉩㉪㉫㉬㉭",
    "CIRCLED_IDEOGRAPH": "㊀㊁㊂㊃㊄㊅㊆㊇㊈㊉",
    "DECAGON_CIRCLE": "갑을병정무기경신임계",
    "DECAGON_CIRCLE_HANJA": "甲乙丙丁戊己庚辛壬癸",
}
_SPOKEN = {"HANGUL_PHONETIC": ("일이삼사오육칠팔구", "십백천"), "IDEOGRAPH": ("一二三四五六七八九", "十百千")}
_ROMAN = (
    (1000, "M"), (900, "CM"), (500, "D"), (400, "CD"), (100, "C"), (90, "XC"), (50, "L"), (40, "XL"), (10, "X"),
    (9, "IX"), (5, "V"), (4, "IV"), (1, "I"),
)  # fmt: skip
_PLACEHOLDER = re.compile(r"\^([1-9]0?|[nN])")
_LARGEST = 9_999
_LEVELS = 10

_SYMBOLS = {
    "\uf06c": "●", "\uf09f": "•", "\uf06e": "■", "\uf0a7": "▪", "\uf075": "◆", "\uf077": "◆", "\uf0d8": "▶",
    "\uf06d": "○", "\uf0a1": "○", "\uf06f": "□", "\uf0a8": "□", "\uf0fc": "✓", "\uf0fe": "☑", "\uf076": "❖",
    "\uf0a4": "⊙", "\uf0ab": "★", "\uf0b2": "☆", "\uf0e8": "➔", "\uf0e0": "→", "\uf046": "☞",
}  # fmt: skip
"""Bullets in the private area, where Hangul keeps the characters of the fonts Symbol and Wingdings."""


def shown(number: int, kind: str) -> str:
    """`number` in digits of this kind; plain digits where the kind is unknown or has no more."""
    if not 0 < number <= _LARGEST:
        return str(number)
    if series := _SERIES.get(kind):
        # After the last letter Hangul begins again.
        return series[(number - 1) % len(series)]
    if kind == "CIRCLED_DIGIT":
        return chr(ord("①") + number - 1) if number <= 20 else str(number)
    if kind.startswith("ROMAN"):
        return _roman(number) if kind == "ROMAN_CAPITAL" else _roman(number).lower()
    return _spoken(number, *_SPOKEN[kind]) if kind in _SPOKEN else str(number)


def bullet_text(bullet: str) -> str:
    """A bullet that any font shows."""
    return _SYMBOLS.get(bullet, "•" if "\ue000" <= bullet <= "\uf8ff" else bullet)


class Counters:
    """Counts numbered paragraphs; each numbering has counters of its own, which go on through the whole document."""

    def __init__(self, numberings: Mapping[int, tuple[NumberLevel, ...]]) -> None:
        self._numberings = numberings
        self._counts: dict[int, list[int]] = {}

    def label(self, numbering: int, level: int) -> str:
        """The next label on `level` (from 0) of a numbering; empty where it shows none."""
        levels = self._numberings.get(numbering)
        if levels is None or not 0 <= level < min(len(levels), _LEVELS):
            return ""
        counts = self._counts.setdefault(numbering, [0] * _LEVELS)
        counts[level] = counts[level] + 1 if counts[level] else levels[level].start
        counts[level + 1 :] = [0] * (_LEVELS - level - 1)

        def number(at: int) -> str:
            return shown(counts[at] or levels[at].start, levels[at].kind)

        def fill(found: re.Match[str]) -> str:
            if found[1] in "nN":
                return ".".join(map(number, range(level + 1))) + ("." if found[1] == "N" else "")
            at = int(found[1]) - 1
            return number(at) if at < len(levels) else ""

        return _PLACEHOLDER.sub(fill, levels[level].format).strip()


def _roman(number: int) -> str:
    written = ""
    for value, letters in _ROMAN:
        count, number = divmod(number, value)
        written += letters * count
    return written


def _spoken(number: int, digits: str, places: str) -> str:
    """이백삼십일: no 일 before 십, 백 and 천."""
    written = ""
    for place in (3, 2, 1, 0):
        digit = number // 10**place % 10
        if digit:
            written += "" if digit == 1 and place else digits[digit - 1]
            written += places[place - 1] if place else ""
    return written
