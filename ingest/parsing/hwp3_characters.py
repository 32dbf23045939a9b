"""Hangul's own 16-bit code of HWP 3 in Unicode: syllables by their letters (조합형), symbols and hanja by KS X 1001."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable
from functools import lru_cache

UNKNOWN = "\ufffd"

_HANGUL = 0x8000
_OLD_VOWEL, _OLD_LETTER = 30 << 5, "\u119e"
"""Where other codes by letters have no vowel, HWP has that of old Korean: the maker writes its own name with it."""
_VOWELS, _USUAL_VOWEL = 31 << 5, 3 << 5
_HANJA, _HANJA_END, _HANJA_ROW = 0x4000, 0x4000 + 52 * 94, 0xCA
_SYMBOLS, _SYMBOLS_END, _SYMBOL_ROW = 0x3400, 0x37C0, 0xA1
_KANA, _KANA_END, _KANA_ROW = 0x1F00, 0x1FC0, 0xAA
_PER_ROW = 0x60
_LINES, _LINES_END = 0x3000, 0x3100
_SHAPES = {
    **{0x2F00 + 0x10 * kind + place: pair[place >= 6] for kind, pair in enumerate(("□■", "○●", "◇◆", "△▲", "▽▼", "◁◀", "▷▶"))
       for place in range(9)},
    **{0x37C0 + place: syllable for place, syllable in enumerate("한글과컴퓨터")},
}  # fmt: skip
"""Bullets in nine sizes, the last three filled; and the maker's name as a logo."""

_QUOTES = {0x81: "“", 0x82: "”", 0x83: "‘", 0x84: "’"}


def decoded(codes: Iterable[int]) -> str:
    """Text of these character codes."""
    return "".join(map(character, codes))


@lru_cache(maxsize=1 << 14)
def character(code: int) -> str:
    """One character, old syllables as their letters; `UNKNOWN` for a code that Unicode has no counterpart of."""
    if 0x20 <= code < 0x7F:
        return chr(code)
    if code & _HANGUL:
        if code & _VOWELS == _OLD_VOWEL:
            return _old_syllable(code)
        return _decode(code >> 8, code & 0xFF, "johab")
    if _HANJA <= code < _HANJA_END:
        row, place = divmod(code - _HANJA, 94)
        return _decode(_HANJA_ROW + row, 0xA1 + place, "euc_kr")
    if _SYMBOLS <= code < _SYMBOLS_END and code not in _SHAPES:
        row, place = divmod(code - _SYMBOLS, _PER_ROW)
        # Katakana and hiragana have a place of their own, and their rows are left out here.
        return _decode(_SYMBOL_ROW + row + (2 if row >= _KANA_ROW - _SYMBOL_ROW else 0), 0xA0 + place, "euc_kr")
    if _KANA <= code < _KANA_END:
        row, place = divmod(code - _KANA, _PER_ROW)
        return _decode(_KANA_ROW + row, 0xA0 + place, "euc_kr")
    if code in _SHAPES:
        return _SHAPES[code]
    if _LINES <= code < _LINES_END:
        return " "  # pieces of ruled lines
    return _QUOTES.get(code, UNKNOWN)


def _old_syllable(code: int) -> str:
    """A syllable with the old vowel, by way of the one with ㅏ."""
    usual = character(code & ~_VOWELS | _USUAL_VOWEL)
    if usual == "ㅏ":
        return "ㆍ"
    if not "가" <= usual <= "힣":
        return UNKNOWN
    letters = unicodedata.normalize("NFD", usual)
    return letters[0] + _OLD_LETTER + letters[2:]


def _decode(high: int, low: int, charset: str) -> str:
    return bytes((high, low)).decode(charset, errors="replace")[:1]
