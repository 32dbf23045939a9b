"""Watches for what a model is told to keep to itself: the canary of its rules, however it is written, and runs of the rules.

The canary is found plainly and backwards, with anything but letters and digits in between, in other widths, look-alikes and
digits of other scripts, in any alphabetic shift, spelt in words (English, NATO, Korean; its digits in Japanese, German, French
and Spanish as well), with one to three characters between its own, as first letters of words, and in pieces; also turned round,
shifted or in capitals and then written in codes of its characters (hexadecimal, decimal, octal, binary), in base32 or in base64.
Eight of its 24 characters in a row, or fifteen in pieces of five, are enough: what has gone out by then gives nothing away.

Runs of the rules are found plainly, backwards, in ROT13, with one or two characters between their own, in hexadecimal, binary,
base32 and base64, and as character references.
"""

from __future__ import annotations

import base64
import binascii
import codecs
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

from rag.generation.canary import CONSONANTS
from rag.generation.engine import Withheld

LEAK = "leak"
_ROW = 8
"""Characters of the canary in a row that are enough."""
_PIECE, _PIECES = 5, 15
"""Characters of a piece; characters that all pieces together must have covered."""
_RUN_KOREAN, _RUN = 24, 48
"""Letters and digits of the rules in a row that are a run of them: more than the longest sentence of their example."""
_TAIL = 160
_BETWEEN = (2, 3)
"""Every so manieth character of what is written, read for the rules: those between are filling."""
_CODED = 24
"""Bytes of a piece of the rules in a code of bytes: whatever holds 47 in a row, fewer than a run has, holds a whole piece."""
_STRIDES = (2, 3, 4)
_CODES = (("", 2, 16), ("x", 2, 16), ("0x", 2, 16), ("u", 4, 16), ("", 3, 8), ("0", 3, 8), ("", 8, 2))
"""How the code of a character is written where every code is as long: what stands before it, digits, base."""
_BASE32 = frozenset("abcdefghijklmnopqrstuvwxyz234567")
_AS_NUMBER = str.maketrans("abcdefghijklmnopqrstuvwxyz234567", "0123456789abcdefghijklmnopqrstuv")
_PLAIN_ALPHABET = str.maketrans("-_", "+/")
_LOOK_ALIKES = {
    **dict(zip("авекмнорстухіјѕԁԛԝɡһց", "abekmhopctyxijsdqwghg", strict=True)),
    **dict(zip("αβγεζηικμνορτυχω", "abyeznikmnoptuxw", strict=True)),
    **dict(zip("〇零一二三四五六七八九", "00123456789", strict=True)),
    "ı": "i", "ł": "l", "ø": "o", "ƨ": "s",
}  # fmt: skip
_ENGLISH = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
_SINO_KOREAN = "영일이삼사오육칠팔구"
_OTHER_DIGITS = tuple(
    tuple(words.split())
    for words in (
        "공 일 이 삼 사 오 육 칠 팔 구",
        "영 하나 둘 셋 넷 다섯 여섯 일곱 여덟 아홉",
        "れい いち に さん よん ご ろく なな はち きゅう",
        "null eins zwei drei vier fünf sechs sieben acht neun",
        "zéro un deux trois quatre cinq six sept huit neuf",
        "cero uno dos tres cuatro cinco seis siete ocho nueve",
    )
)
"""Digits as other languages say them, and as Korean counts and reads numbers of telephones; Hanja are look-alikes."""
_NATO_WORDS = (
    "bravo charlie delta foxtrot golf hotel juliett kilo mike november papa quebec romeo sierra tango victor "
    "whiskey xray zulu"
)
_NATO = {word[0]: word for word in _NATO_WORDS.split()}
_LETTERS = "비 씨 디 에프 지 에이치 제이 케이 엠 엔 피 큐 알 에스 티 브이 더블유 엑스 제트"
_KOREAN_NAMES = dict(zip(CONSONANTS, _LETTERS.split(), strict=True))


@dataclass(frozen=True, slots=True)
class _Needles:
    """What is looked for.

    Attributes:
        folded: pieces of text by their length, in letters and digits alone, folded.
        encoded: the same of the rules, in base64's characters as they are written.
        rules: runs of the rules, in letters and digits alone.
        row: rows of the canary in every shift, forwards and backwards.
        pieces: where in the canary a piece stands.
    """

    folded: Mapping[int, frozenset[str]]
    encoded: Mapping[int, frozenset[str]]
    rules: Mapping[int, frozenset[str]]
    row: frozenset[str]
    pieces: Mapping[str, int]


class LeakWatch:
    """Reads an answer as it comes."""

    name = LEAK

    def __init__(self, withheld: Withheld) -> None:
        self._needles = _needles(withheld)
        self._folded = self._encoded = self._initials = ""
        self._every = {(stride, start): "" for stride in _BETWEEN for start in range(stride)}
        self._place = 0
        self._covered: set[int] = set()
        self._in_word = False

    def feed(self, text: str) -> int | None:
        """Characters of `text` up to the one that gives it away."""
        for number, character in enumerate(text, 1):
            if self._reads(character):
                return number
        return None

    def _reads(self, character: str) -> bool:
        found = False
        if character.isascii() and (character.isalnum() or character in "+/-_"):
            self._encoded = (self._encoded + character)[-_TAIL:]
            found = _ends_with(self._encoded, self._needles.encoded) or self._gives(_of_base64(self._encoded))
        folded = fold(character)
        for stride in _BETWEEN:
            kept = self._every[stride, self._place % stride] + folded
            self._every[stride, self._place % stride] = kept = kept[-_TAIL:]
            found = found or _ends_with(kept, self._needles.rules)
        self._place += 1
        for one in folded:
            if not self._in_word:
                self._initials = (self._initials + one)[-_ROW:]
                found = found or self._initials in self._needles.row
            self._in_word = True
            self._folded = (self._folded + one)[-_TAIL:]
            found = found or self._is_there()
        if not folded and not unicodedata.category(character).startswith(("C", "M")):
            self._in_word = False
        return found

    def _gives(self, decoded: str) -> bool:
        """Whether a row stands somewhere in what was decoded, in whatever case."""
        return any(row in self._needles.row for row in _rows(decoded.lower(), _ROW))

    def _is_there(self) -> bool:
        text, needles = self._folded, self._needles
        if text[-_ROW:] in needles.row or _ends_with(text, needles.folded):
            return True
        if any(self._gives(decoded) for decoded in _of_codes(text)) or self._gives(_of_base32(text)):
            return True
        if any(text[-1 : -1 - _ROW * stride : -stride] in needles.row for stride in _STRIDES):
            return True
        start = needles.pieces.get(text[-_PIECE:])
        if start is None:
            return False
        self._covered.update(range(start, start + _PIECE))
        return len(self._covered) >= _PIECES


def fold(text: str) -> str:
    """Letters and digits of `text`, whatever their width, case, script or look."""
    if text.isascii():
        return "".join(character for character in text if character.isalnum()).lower()
    folded: list[str] = []
    for character in unicodedata.normalize("NFKD", text).casefold():
        digit = unicodedata.digit(character, None)
        if digit is not None:
            folded.append(str(digit))
        elif character.isalnum():
            folded.append(_LOOK_ALIKES.get(character, character))
    return unicodedata.normalize("NFC", "".join(folded))


def _of_codes(text: str) -> Iterator[str]:
    """The last eight characters of folded text, where they are numbers, one to a character, in each way to write them."""
    if not text[-2:-1].isdecimal():  # as in each of these codes: what is read costs little then
        return
    for before, digits, base in _CODES:
        yield _read_back(text, before, digits, base)
    yield _read_back(text, "", 0, 10)


def _read_back(text: str, before: str, digits: int, base: int) -> str:
    """Up to eight characters whose codes end a text, from its end on, as long as letters and digits take turns, as in the canary.

    Args:
        before: what stands before each code.
        digits: of each code; 0 for decimal ones of two or three. One behind the other those can be told apart: each of three
            begins with a one, and none of two does.
    """
    found, end = "", len(text)
    while len(found) < _ROW:
        size = digits or (3 if text[end - 3 : end - 2] == "1" else 2)
        start = end - size - len(before)
        if start < 0 or not text.startswith(before, start):
            return ""
        character = _character(text[end - size : end], base)
        if not character or (found and character.isdecimal() == found[0].isdecimal()):
            return ""
        found, end = character + found, start
    return found


def _character(number: str, base: int) -> str:
    """What this number stands for, if that is a letter or digit of ASCII."""
    try:
        character = chr(int(number, base))
    except (ValueError, OverflowError):
        return ""
    return character if character.isascii() and character.isalnum() else ""


def _of_base64(text: str) -> str:
    """What the last three groups stand for, if a group ends here."""
    try:
        return _plain(binascii.a2b_base64(text[-12:].translate(_PLAIN_ALPHABET))) if len(text) >= 12 else ""
    except binascii.Error:
        return ""


def _of_base32(text: str) -> str:
    """The same of the last two groups of folded text."""
    last = text[-16:]
    if len(last) < 16 or not _BASE32.issuperset(last):
        return ""
    return _plain(int(last.translate(_AS_NUMBER), 32).to_bytes(10))


def _plain(found: bytes) -> str:
    """As text, where it is letters and digits alone, as the inside of the canary is."""
    return found.decode("ascii") if found.isalnum() else ""


def _ends_with(text: str, needles: Mapping[int, frozenset[str]]) -> bool:
    return any(text[-length:] in found for length, found in needles.items())


@lru_cache(maxsize=256)
def _needles(withheld: Withheld) -> _Needles:
    canary, rules = withheld.canary, fold(withheld.rules)
    folded: dict[int, set[str]] = {}
    for units in _spellings(canary):
        _add(folded, units, _ROW)
    korean = sum("가" <= character <= "힣" for character in rules) > len(rules) // 4
    plain: dict[int, set[str]] = {}
    _add(plain, rules, _RUN_KOREAN if korean else _RUN)
    for length, runs in plain.items():
        folded.setdefault(length, set()).update(runs)
    for code, size in _coded(withheld.rules, (_RUN_KOREAN if korean else _RUN) // 2):
        _mark(folded, code, size)
    encoded: dict[int, set[str]] = {}
    for way in (withheld.rules, withheld.rules[::-1]):
        for before in range(3):
            _mark(encoded, base64.b64encode(b"\0" * before + way.encode()).decode().rstrip("=")[4:], _CODED * 4 // 3)
    pieces = {canary[start : start + _PIECE]: start for start in range(len(canary) - _PIECE + 1)}
    row = frozenset(row for shifted in _shifts(canary) for way in (shifted, shifted[::-1]) for row in _rows(way, _ROW))
    return _Needles(_frozen(folded), _frozen(encoded), _frozen(plain), row, pieces)


def _frozen(needles: Mapping[int, set[str]]) -> dict[int, frozenset[str]]:
    return {length: frozenset(found) for length, found in needles.items()}


def _add(needles: dict[int, set[str]], units: str | list[str], row: int) -> None:
    """All rows of so many units; where units differ in length, cut to the shortest such row, which the longer ones end with."""
    rows = list(_rows(units, row))
    if rows:
        length = min(map(len, rows))
        needles.setdefault(length, set()).update(found[-length:] for found in rows)


def _mark(needles: dict[int, set[str]], units: Sequence[str], size: int) -> None:
    """Pieces of `size` units, one behind the other: a run twice as long holds a whole one. Cut to the shortest of them."""
    pieces = ["".join(units[start : start + size]) for start in range(0, len(units) - size + 1, size)]
    length = min(map(len, pieces), default=0)
    if length:
        needles.setdefault(length, set()).update(piece[-length:] for piece in pieces)


def _coded(rules: str, half: int) -> Iterator[tuple[Sequence[str], int]]:
    """The rules in codes of letters and digits, unit by unit, each with the units of a piece: backwards, by bytes, by points.

    Args:
        half: letters and digits of half a run.
    """
    ways = [rules, rules[::-1]]
    if rules.isascii():
        ways.append(codecs.encode(rules, "rot13"))
    for way in ways:
        if way is not rules:
            yield fold(way), half
        yield [f"{byte:02x}" for byte in way.encode()], _CODED
    yield [f"{byte:08b}" for byte in rules.encode()], _CODED * 2 // 3
    for before in range(5):
        yield base64.b32encode(b"\0" * before + rules.encode()).decode().lower().rstrip("=")[8:], _CODED * 8 // 5
    for shape in ("{}", "x{:x}", "u{:04x}"):
        yield [shape.format(ord(one)) for one in rules], half


def _rows(units: str | list[str], row: int) -> Iterator[str]:
    return ("".join(units[start : start + row]) for start in range(len(units) - row + 1))


def _spellings(canary: str) -> Iterable[list[str]]:
    """The canary unit by unit, in the ways in which a character can be spelt; folded."""
    yield [_ENGLISH[int(unit)] if unit.isdigit() else unit for unit in canary]
    yield [_ENGLISH[int(unit)] if unit.isdigit() else _NATO.get(unit, unit) for unit in canary]
    yield [unit if unit.isdigit() else _NATO.get(unit, unit) for unit in canary]
    yield [_SINO_KOREAN[int(unit)] if unit.isdigit() else unit for unit in canary]
    yield [_SINO_KOREAN[int(unit)] if unit.isdigit() else _KOREAN_NAMES[unit] for unit in canary]
    yield [unit if unit.isdigit() else _KOREAN_NAMES[unit] for unit in canary]
    for words in _OTHER_DIGITS:
        digits = [fold(word) for word in words]
        yield [digits[int(unit)] if unit.isdigit() else unit for unit in canary]
        yield [digits[int(unit)] if unit.isdigit() else _KOREAN_NAMES[unit] for unit in canary]


def _shifts(canary: str) -> Iterable[str]:
    """Every alphabetic shift (ROT13 is one), with and without a shift of the digits."""
    for letters in range(26):
        for digits in range(10):
            yield "".join(
                str((int(unit) + digits) % 10) if unit.isdigit() else chr((ord(unit) - 97 + letters) % 26 + 97)
                for unit in canary
            )
