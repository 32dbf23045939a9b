"""Writing systems by code point, as far as the guards have to tell them apart."""

from __future__ import annotations

import unicodedata
from enum import IntEnum, auto
from functools import lru_cache


class Script(IntEnum):
    """What a character belongs to; a number, since it is looked up for every character that is written.

    `OTHER` is any writing system that neither Korean nor English texts are made of.
    """

    HANGUL = auto()
    LATIN = auto()
    LATIN_1 = auto()
    """Accented letters and signs of U+0080 to U+00FF: what UTF-8 looks like where it was read as Latin-1."""
    HAN = auto()
    HIRAGANA = auto()
    KATAKANA = auto()
    GREEK = auto()
    CYRILLIC = auto()
    ARABIC = auto()
    THAI = auto()
    OTHER = auto()
    SPACE = auto()
    DIGIT = auto()
    BOX = auto()
    """Lines and blocks that tables and diagrams are drawn with."""
    SYMBOL = auto()
    BROKEN = auto()
    """Replacement and control characters, lone surrogates, private and unassigned code points."""


LETTERS = frozenset(
    {
        Script.HANGUL,
        Script.LATIN,
        Script.HAN,
        Script.HIRAGANA,
        Script.KATAKANA,
        Script.GREEK,
        Script.CYRILLIC,
        Script.ARABIC,
        Script.THAI,
        Script.OTHER,
    }
)

_RANGES = (
    (0x0370, 0x03FF, Script.GREEK),
    (0x0400, 0x052F, Script.CYRILLIC),
    (0x0590, 0x05FF, Script.OTHER),
    (0x0600, 0x06FF, Script.ARABIC),
    (0x0E00, 0x0E7F, Script.THAI),
    (0x1100, 0x11FF, Script.HANGUL),
    (0x2500, 0x25FF, Script.BOX),
    (0x3040, 0x309F, Script.HIRAGANA),
    (0x30A0, 0x30FF, Script.KATAKANA),
    (0x3130, 0x318F, Script.HANGUL),
    (0x3400, 0x4DBF, Script.HAN),
    (0x4E00, 0x9FFF, Script.HAN),
    (0xAC00, 0xD7A3, Script.HANGUL),
    (0xF900, 0xFAFF, Script.HAN),
    (0x20000, 0x323AF, Script.HAN),
)
_BROKEN_CATEGORIES = frozenset({"Cc", "Cs", "Co", "Cn"})


@lru_cache(maxsize=8192)
def script_of(char: str) -> Script:
    """The script of one character."""
    code = ord(char)
    if code < 0x80:
        if char.isalpha():
            return Script.LATIN
        if char in " \n\t\r\f":
            return Script.SPACE
        return Script.DIGIT if char.isdigit() else Script.SYMBOL if code >= 0x20 and code != 0x7F else Script.BROKEN
    for first, last, script in _RANGES:
        if first <= code <= last:
            return script
    category = unicodedata.category(char)
    if char == "\ufffd" or category in _BROKEN_CATEGORIES:
        return Script.BROKEN
    if code < 0x100:
        return Script.LATIN_1 if char != "\u00a0" else Script.SPACE
    if category[0] in "LM":
        return Script.LATIN if unicodedata.name(char, "").startswith(("LATIN", "FULLWIDTH LATIN")) else Script.OTHER
    if category[0] == "Z":
        return Script.SPACE
    return Script.DIGIT if category[0] == "N" else Script.SYMBOL
