"""One spelling for what looks the same: the form in which texts are analysed and compared, never quoted."""

from __future__ import annotations

import unicodedata

from rag.text.hanja import hanja_to_hangul
from rag.text.plain import is_plain

_MIDDLE_DOTS = "\u00b7\u119e\u2022\u2027\u2219\u22c5\u30fb\u318d"
"""Korean statutes separate words with U+318D (a letter!), word processors with any of the others."""
_DASHES = "\u2010\u2011\u2012\u2013\u2014\u2015\u2212"
_APOSTROPHES = "\u00b4\u2018\u2019\u201a\u201b\u2032"
_QUOTES = "\u201c\u201d\u201e\u201f\u2033"
_SPECIAL = (
    dict.fromkeys(_MIDDLE_DOTS, "\u00b7")
    | dict.fromkeys(_DASHES, "-")
    | dict.fromkeys(_APOSTROPHES, "'")
    | dict.fromkeys(_QUOTES, '"')
    | dict.fromkeys("\u0085\u2028\u2029\u000b\u000c", "\n")
    | dict.fromkeys("\t\n\r")
)
_HALFWIDTH_JAMO = range(0xFFA0, 0xFFDD)
_KEPT = (
    range(0x3131, 0x318F),  # ㄱ..ㆎ: NFKC would turn them into conjoining jamo, which merge with their neighbours
    range(0x2460, 0x24FF + 1),  # ① ⓐ: paragraph numbers, no numbers to search for
    range(0x3200, 0x320E),  # ㈀, as above
    range(0x3251, 0x3260),  # circled 21..35
    range(0x3260, 0x326E),  # ㉠
    range(0x32B1, 0x32C0),  # circled 36..50
)
_LAST_CACHED = 0xFFFF


def _spelling(code: int) -> str:
    """How the character with this code point is spelled in normalised text; empty when it is dropped."""
    character = chr(code)
    if character in _SPECIAL:
        return _SPECIAL[character] or character
    if code in _HALFWIDTH_JAMO:
        return (
            chr(int(unicodedata.decomposition(character).split()[1], 16))
            if unicodedata.decomposition(character)
            else ""
        )
    if any(code in block for block in _KEPT):
        return character
    category = unicodedata.category(character)
    if category == "Cf" or 0xFE00 <= code <= 0xFE0F or 0xE0100 <= code <= 0xE01EF:
        return ""
    if category in ("Zs", "Cc", "Cs"):
        return " "
    plain = unicodedata.normalize("NFKC", character)
    if plain != character and plain.startswith(" "):  # a spacing accent: NFKC makes it blank + combining mark
        return " "
    return "".join(_SPECIAL.get(part) or part for part in plain)


class _Spellings(dict[int, str]):
    """`_spelling` as a table for str.translate, filled as characters are met."""

    def __missing__(self, code: int) -> str:
        spelling = _spelling(code)
        if code <= _LAST_CACHED:
            self[code] = spelling
        return spelling


_SPELLINGS = _Spellings()


def clean_characters(text: str) -> str:
    """`text` without what only the eye tells apart.

    NFC (also of text typed as single jamo), full-width and other compatibility forms, ligatures and CJK compatibility
    ideographs as their plain characters, one kind of blank, dash, quote and middle dot; without zero-width characters,
    soft hyphens, variation selectors, direction marks. Case and Hanja stay. Idempotent.
    """
    text = text.replace("…", "...")  # as below: it stands in many headings that are plain otherwise
    if is_plain(text):
        return text
    if text.isascii():
        return text.translate(_SPELLINGS)
    cleaned = unicodedata.normalize("NFC", text).translate(_SPELLINGS)
    return unicodedata.normalize("NFC", cleaned)


def normalize_text(text: str) -> str:
    """`clean_characters`, then Hanja as their Hangul reading: 勤勞基準法 and 근로기준법 become equal.

    For analysis and comparison only: offsets don't survive.
    """
    return hanja_to_hangul(clean_characters(text))
