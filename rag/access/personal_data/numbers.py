"""Identifiers made of digits: resident and other official numbers, cards, accounts, phones.

Every pattern is bounded, begins at a digit (or the sign before it) and is tried only where seven digits stand together, so that
the time grows with the text and no faster. The scores say how much of a kind its form alone is; `THRESHOLD` decides.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal, NamedTuple

from rag.access.personal_data import checks, context
from rag.access.personal_data.tables import Labels
from rag.domain.findings import Kind

THRESHOLD = 0.5
ALONE = 0.2
"""Added to what stands alone on its line: a field of a form."""
Shape = Literal["bare", "hyphen", "blank", "dotted"]
_J = r"(?:[ \t\n]{0,3}[-.][ \t\n]{0,3}|[ \t]{1,2}|[ \t]?\n[ \t]{0,2})"
"""What joins the groups of one number: a hyphen or dot, blanks, the end of a line, or a hyphen at it."""
_G = r"(?:[-.]|[ \t]{1,2})"
"""What joins the groups of a number abroad, on one line: `+20` begins many a figure of a table, and added lines of a patch."""
_H = r"(?:[ \t\n]{0,3}-[ \t\n]{0,3}|[ \t]{1,2}|[ \t]?\n[ \t]{0,2})"
_REGION = "서울|부산|경기|강원|충북|충남|전북|전남|경북|경남|제주|대구|인천|광주|대전|울산"
_HANGUL_DIGITS = {digit: str(value % 10) for value, digit in enumerate("영일이삼사오육칠팔구")} | {"공": "0"}
_K = "[0-9공영일이삼사오육칠팔구]"
_CLUSTER = re.compile(r"[0-9][-0-9./() \t\n]{4,}[0-9]")
_FEWEST_DIGITS = 8
"""Of what any rule scores: a nationwide number; the other forms have nine and more."""
FORM = rf"[0-9](?:[-./() \t\n]*[0-9]){{{_FEWEST_DIGITS - 1}}}"
"""What a cluster with so many digits holds, for `rag.text.sieve`."""
_NOT_DIGITS = re.compile("[^0-9]+")
_LEAD = 5
"""Characters before the first digit that belong to a number: `+`, `(`, a region."""
_NATIONWIDE = r"1(?:5(?:22|33|44|66|77|88|99)|6(?:00|44|61|66|68|70|88)|8(?:00|11|33|55|66|77|99))"


class Candidate(NamedTuple):
    """What may be of a kind, with its score."""

    start: int
    end: int
    kind: str
    score: float


@dataclass(frozen=True, slots=True)
class Rule:
    """One form of one kind.

    Attributes:
        score: of the digits and the way they are grouped, from 0 (is none) to 1.
        unless: what the characters may not be without a label of the kind.
    """

    kind: str
    pattern: re.Pattern[str]
    score: Callable[[str, Shape], float]
    unless: Callable[[str], bool] | None = None


def _by_shape(bare: float, hyphen: float, blank: float, dotted: float = 0.0) -> dict[Shape, float]:
    return {"bare": bare, "hyphen": hyphen, "blank": blank, "dotted": dotted}


_RESIDENT = _by_shape(0.5, 0.7, 0.3)
_CORPORATION = _by_shape(0.25, 0.5, 0.25)
_DRIVER = _by_shape(0.3, 0.6, 0.4)
_CARD = _by_shape(0.65, 0.85, 0.75, 0.6)
_BUSINESS = _by_shape(0.3, 0.7, 0.4)
_MOBILE = _by_shape(0.7, 0.85, 0.75, 0.75)
_LANDLINE = _by_shape(0.25, 0.65, 0.35, 0.5)
_INTERNET = _by_shape(0.45, 0.7, 0.5, 0.55)
_ABROAD = _by_shape(0.8, 0.85, 0.85, 0.8)
_FOREIGN = _by_shape(0.25, 0.5, 0.25, 0.25)
"""Blanks alone join the figures of a table too, and standing alone on a line is no sign: a label, brackets or a hyphen is."""
_SHORT = _by_shape(0.2, 0.5, 0.2, 0.2)
_ACCOUNT = _by_shape(0.22, 0.25, 0.22)
_CHECK = 0.2
_CORPORATE_TYPES = frozenset({*range(11, 16), 21, 22, *range(31, 60), *range(71, 87)})


def _resident(digits: str, shape: Shape, kind: str) -> float:
    foreign = digits[6] in "5678"
    if foreign != (kind == Kind.FOREIGNER) or not checks.born(digits):
        return 0.0
    return _RESIDENT[shape] + _CHECK * checks.resident_check(digits)


def _corporation(digits: str, shape: Shape) -> float:
    if int(digits[4:6]) not in _CORPORATE_TYPES or int(digits[:4]) < 1101:
        return 0.0
    return _CORPORATION[shape] if checks.corporation_check(digits) else 0.25


def _driver(digits: str, shape: Shape) -> float:
    return _DRIVER[shape] - (0.2 if shape == "bare" and checks.moment(digits) else 0.0)


def _card(digits: str, shape: Shape) -> float:
    return _CARD[shape] if checks.card_brand(digits) and checks.luhn(digits) and len(set(digits)) > 1 else 0.0


def _business(digits: str, shape: Shape) -> float:
    return _BUSINESS[shape] if checks.business_check(digits) else 0.0


def _mobile(digits: str, shape: Shape) -> float:
    return _MOBILE[shape] if len(digits) == 11 or digits[:3] != "010" else 0.0


def _foreign(digits: str, shape: Shape) -> float:
    """A number abroad, `+` and all: of 9 to 15 digits (ITU-T E.164), in America of ten behind the 1.

    Nine are few enough to be two figures (`+31 100-2000`), so that they need a label.
    """
    american = len(digits) == 11 and digits[1] >= "2" and digits[4] >= "2"
    if not 9 <= len(digits) <= 15 or (digits[0] == "1" and not american) or digits[:2] == "70":
        return 0.0
    return _FOREIGN["bare" if len(digits) < 10 else shape]


def _short(digits: str, shape: Shape) -> float:
    return 0.2 if checks.years(digits[:4], digits[4:]) else _SHORT[shape]


def _account(digits: str, shape: Shape) -> float:
    dated = shape != "bare" and digits[:2] in ("19", "20") and digits[4:6] <= "12" and digits[6:8] <= "31"
    return 0.0 if dated or len(set(digits)) < 3 or not 10 <= len(digits) <= 16 else _ACCOUNT[shape]


def _shaped(table: dict[Shape, float]) -> Callable[[str, Shape], float]:
    return lambda digits, shape: table[shape]


def _rule(
    kind: str, pattern: str, score: Callable[[str, Shape], float], unless: Callable[[str], bool] | None = None
) -> Rule:
    return Rule(kind, re.compile(f"(?<![0-9*])(?:{pattern})(?![0-9*])"), score, unless)


_COUNTRY = (
    "1|7|2(?:[07]|[1-69][0-9])|3(?:[0-469]|[578][0-9])|4(?:[013-9]|2[0-9])|5(?:[1-8]|[09][0-9])|6(?:[0-6]|[789][0-9])|"
    "8(?:[146]|[0578][0-9])|9(?:[0-58]|[679][0-9])"
)
"""Codes of countries (ITU-T E.164, list of 2016) but Korea's own."""
_SUBSCRIBER = rf"{_G}?(?:\([0-9]{{1,4}}\){_G}?)?[0-9]{{1,12}}(?:{_G}[0-9]{{2,8}}){{0,4}}"
"""What stands behind them: an area, maybe in brackets, and groups of digits."""
_THIRTEEN = rf"[0-9]{{6}}{_H}?[0-9]{{7}}|[0-9](?: [0-9]){{5}} ?-? ?[0-9](?: [0-9]){{6}}"
RULES = (
    _rule(Kind.RESIDENT, _THIRTEEN, lambda digits, shape: _resident(digits, shape, Kind.RESIDENT)),
    _rule(Kind.FOREIGNER, _THIRTEEN, lambda digits, shape: _resident(digits, shape, Kind.FOREIGNER)),
    _rule(Kind.CORPORATION, rf"[0-9]{{6}}{_H}?[0-9]{{7}}", _corporation),
    _rule(Kind.DRIVER, rf"(?:1[1-9]|2[0-8])(?:[0-9]{{10}}|{_H}[0-9]{{2}}{_H}[0-9]{{6}}{_H}[0-9]{{2}})", _driver),
    _rule(Kind.CARD, rf"[0-9]{{4}}(?:[0-9]{{12}}|{_J}[0-9]{{4}}{_J}[0-9]{{4}}{_J}[0-9]{{4}})", _card),
    _rule(Kind.CARD, rf"3[0-9]{{3}}(?:[0-9]{{10,11}}|{_J}[0-9]{{6}}{_J}[0-9]{{4,5}})", _card),
    _rule(Kind.BUSINESS, rf"[0-9]{{3}}(?:[0-9]{{7}}|{_H}[0-9]{{2}}{_H}[0-9]{{5}})", _business),
    _rule(Kind.PHONE, rf"\(?01[016789]\)?(?:[0-9]{{7,8}}|{_J}?[0-9]{{3,4}}{_J}[0-9]{{4}})", _mobile),
    _rule(
        Kind.PHONE,
        rf"\(?0(?:2|[3-6][1-5])\)?(?:{_J}?[2-9][0-9]{{2,3}}{_J}|[2-9][0-9]{{2,3}})[0-9]{{4}}",
        _shaped(_LANDLINE),
    ),
    _rule(Kind.PHONE, rf"\(?0(?:70|80|50[0-9])\)?(?:{_J}?[0-9]{{3,4}}{_J}|[0-9]{{3,4}})[0-9]{{4}}", _shaped(_INTERNET)),
    _rule(
        Kind.PHONE,
        rf"(?:\+|\(\+|00)82\)?{_J}?(?:\(0\){_J}?|0)?(?:1[016789]|2|[3-6][1-5]|70|50[0-9])\)?{_J}?[0-9]{{3,4}}{_J}?[0-9]{{4}}",
        _shaped(_ABROAD),
    ),
    _rule(
        Kind.PHONE,
        rf"\(\+(?:{_COUNTRY}){_SUBSCRIBER}\)|\(?\+(?:{_COUNTRY})\)?{_SUBSCRIBER}",
        _foreign,
        checks.dated,
    ),
    _rule(Kind.PHONE, rf"{_NATIONWIDE}{_H}?[0-9]{{4}}", _short),
    _rule(Kind.ACCOUNT, r"[0-9]{2,6}(?:[- ][0-9]{1,7}){1,4}|[0-9]{10,14}", _account),
)
_OLD_LICENCE = re.compile(rf"(?:{_REGION})[ -]?[0-9]{{2}}-[0-9]{{6}}-[0-9]{{2}}(?![0-9*])")
_SPOKEN = re.compile(rf"(?<!{_K})[0공영][1일][0공영](?:[ -]?{_K}){{8}}(?!{_K})")
"""A mobile number with some or all digits spelled: `공일공-1234-오육칠팔`."""


def numbers(text: str, labels: Labels) -> Iterator[Candidate]:
    """What in `text` may be an identifier of digits, scored with what stands around it."""
    for cluster in _CLUSTER.finditer(text):
        if len(_NOT_DIGITS.sub("", cluster.group())) < _FEWEST_DIGITS:
            continue
        low, high = max(0, cluster.start() - _LEAD), min(len(text), cluster.end() + 1)
        for rule in RULES:
            for found in rule.pattern.finditer(text, low, high):
                candidate = _scored(text, found, rule, labels)
                if candidate is not None:
                    yield candidate
    if text.isascii():
        return  # no region, and no digit is spelled: a score of nothing
    for found in _OLD_LICENCE.finditer(text):
        yield Candidate(found.start(), found.end(), Kind.DRIVER, 0.8)
    for found in _SPOKEN.finditer(text):
        spoken = sum(char in _HANGUL_DIGITS for char in found.group())
        yield Candidate(found.start(), found.end(), Kind.PHONE, 0.7 if spoken else 0.0)


def _scored(text: str, found: re.Match[str], rule: Rule, labels: Labels) -> Candidate | None:
    start, end = found.span()
    value = found.group()
    digits = "".join(char for char in value if char.isdigit())
    shape = _shape(value)
    score = rule.score(digits, shape)
    if score <= 0.0 or glued(text, start, end):
        return None
    before = labels.of(start) + text[max(0, start - context.BEFORE) : start]
    after = text[end : end + context.AFTER]
    weight = context.weight(rule.kind, before, after)
    if weight <= 0.0 and rule.unless is not None and rule.unless(value):
        return None
    score += weight
    if (shape == "bare" or value.strip("(+)").isdigit()) and context.quantity(before, after):
        score += context.LOWERED
    if alone(text, start, end):
        score += ALONE
    return Candidate(start, end, rule.kind, score)


def _shape(value: str) -> Shape:
    if "-" in value or ")" in value:
        return "hyphen"
    if "." in value:
        return "dotted"
    return "bare" if value.lstrip("+").isdigit() else "blank"


def glued(text: str, start: int, end: int) -> bool:
    """Whether a number is a part of something longer: a word, a decimal, a hyphenated code."""
    before, after = text[max(0, start - 2) : start], text[end : end + 2]
    if before and (_word(before[-1]) or _joined(before[-1], before[:-1])):
        return True
    return bool(after) and (_word(after[0]) or _joined(after[0], after[1:]))


def _joined(sign: str, char: str) -> bool:
    """Whether a sign joins what stands on its other side: a hyphen anything, a point or comma digits (`.md` ends a name)."""
    return _word(char) if sign == "-" else sign in ".,+" and char.isdigit()


def _word(char: str) -> bool:
    return char == "*" or (char.isascii() and char.isalnum())


def alone(text: str, start: int, end: int) -> bool:
    """Whether nothing else stands on the line."""
    before, after = text[max(0, start - 3) : start].rstrip(" \t"), text[end : end + 3].lstrip(" \t")
    begins = before.endswith("\n") or (not before and start <= 3)
    ends = after.startswith("\n") or (not after and len(text) - end <= 3)
    return begins and ends
