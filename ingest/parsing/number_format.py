"""Spreadsheet values as the sheet shows them: 1234567 with `#,##0` is `1,234,567`, a date is `2026년 3월`.

What users search for and what a citation must quote is what they see. Covers the format codes of ECMA-376 part 1,
18.8.31, except fractions; those values are shown plain, and so is one that no condition of its format holds for.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable
from datetime import date, datetime, time, timedelta
from decimal import ROUND_HALF_UP, Decimal, InvalidOperation
from functools import lru_cache
from typing import Any

CellValue = str | bool | int | float | Decimal | datetime | date | time | timedelta | None

_TOKENS = re.compile(
    r'"(?P<quoted>[^"]*)"'
    r"|\\(?P<escaped>.)"
    r"|_."  # space as wide as a character
    r"|\*."  # filler
    r"|\[\$(?P<currency>[^\]-]*)(?:-(?P<locale>[^\]]*))?\]"
    r"|\[(?P<elapsed>h+|m+|s+)\]"
    r"|\[(?P<condition>[<>=]{1,2} ?[+-]?[0-9]+(?:\.[0-9]*)?(?:E[+-]?[0-9]{1,3})?)\]"
    r"|\[[^\]]*\]"  # colour
    r"|(?P<general>[Gg][Ee][Nn][Ee][Rr][Aa][Ll]|G/표준)"
    r"|(?P<noon>AM/PM|A/P|오전/오후)"
    r"|(?P<date>[yY]+|[mM]+|[dD]+|[hH]+|[sS]+(?:\.0+)?|[aA]{3,4}|e(?![+-]))"
    r"|(?P<digits>[0#?][0#?,]*(?:\.[0#?]*)?,*|\.[0#?]+,*)"
    r"|(?P<exponent>[eE][+-]0+)"
    r"|(?P<percent>%)"
    r"|(?P<slash>/)"
    r"|(?P<end>;)"
    r"|(?P<other>.)",
    re.S,
)
_WEEKDAYS_KO = "월화수목금토일"
_WEEKDAYS_EN = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_KOREAN_LOCALE = "412"
"""Windows' number of the language, in hexadecimal ([MS-LCID])."""

_PLAIN = frozenset({"", "General", "GENERAL", "@"})
_MONTHS = (
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
)

Token = tuple[str, str]
"""Kind and text: `literal`, or the name of a group of `_TOKENS`."""

Section = tuple[Token, ...]
_SAID = ("literal", "percent", "slash")
_SHOWN = (*_SAID, "digits")
_LITERALS = frozenset({"quoted", "escaped", "currency", "other"})
_OPERATORS: dict[str, Callable[[Any, Any], bool]] = {
    "=": operator.eq, "<>": operator.ne, "<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge,
}  # fmt: skip
_MAX_CODES = 255
"""Excel takes no longer format."""

_CONDITION = re.compile(r"([<>=]+) ?(.+)")


def shown(value: CellValue, number_format: str = "General") -> str:
    """The cell's text."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "TRUE" if value else "FALSE"
    if isinstance(value, str):
        return value
    if isinstance(value, (datetime, date, time, timedelta)):
        return _moment(value, number_format)
    return _number(value, number_format)


@lru_cache(maxsize=512)
def _has_moments(number_format: str) -> bool:
    return any(kind in ("date", "elapsed") for section in _sections(number_format) for kind, _ in section)


def is_moment(number_format: str, value: float = 0) -> bool:
    """Whether the format shows the number `value` as a date or a time."""
    if number_format in _PLAIN or not _has_moments(number_format):
        return False
    section, _ = _section_for(value, _sections(number_format))
    return any(kind in ("date", "elapsed") for kind, _ in section)


def is_elapsed(number_format: str) -> bool:
    """Whether the format counts hours, minutes or seconds beyond a day: `[h]:mm`."""
    return any(kind == "elapsed" for section in _sections(number_format) for kind, _ in section)


@lru_cache(maxsize=512)
def _sections(number_format: str) -> tuple[Section, ...]:
    """Tokens of each part between semicolons (quoted ones don't count)."""
    sections: list[list[Token]] = [[]]
    for found in _TOKENS.finditer(number_format):
        kind = found.lastgroup or "other"
        if kind == "end":
            sections.append([])
        elif kind in _LITERALS:
            sections[-1].append(("literal", found["currency"] or found[kind] or ""))
        elif kind == "locale" and found["currency"]:
            sections[-1].append(("literal", found["currency"]))
        elif kind in ("elapsed", "date", "locale"):
            sections[-1].append((kind, found[kind].lower()))
        else:
            sections[-1].append((kind, found[kind]))
    return tuple(tuple(section) for section in sections)


def _number(value: int | float | Decimal, number_format: str) -> str:
    if number_format in _PLAIN:
        return _general(value)
    section, value = _section_for(value, _sections(number_format))
    kinds = {kind for kind, _ in section}
    digits = [text for kind, text in section if kind == "digits"]
    if ("slash" in kinds and len(digits) > 1) or "date" in kinds or not section:
        return _general(value)
    if "exponent" in kinds and digits:
        return _scientific(value, digits[0])
    if digits:
        return _placed(value, section)
    if "general" in kinds and value < 0:
        return "-" + _said(section, _general(-value))
    return _said(section, _general(value))


def _said(section: Section, general: str) -> str:
    """The literals of a section without digit codes, with the number where the section says `General`."""
    texts = {"general": general}
    return "".join(text if kind in _SAID else texts.get(kind, "") for kind, text in section).strip()


def _section_for(value: int | float | Decimal, sections: tuple[Section, ...]) -> tuple[Section, int | float | Decimal]:
    """The section for a value: by its conditions, or positive; negative; zero. An empty one where no condition holds.

    A section that only negative values reach has its own mark for them: they come without their sign.
    """
    conditions = [_condition(section) for section in sections[:3]]
    if any(conditions[:2]):
        return _conditional(value, sections[:3], conditions)
    if value < 0 and len(sections) > 1:
        return sections[1], -value
    if value == 0 and len(sections) > 2:
        return sections[2], value
    return sections[0], value


def _condition(section: Section) -> tuple[str, float] | None:
    """Operator and bound of `[>=100]`, None for a section without."""
    for kind, text in section:
        if kind == "condition" and (found := _CONDITION.fullmatch(text)) and found[1] in _OPERATORS:
            return found[1], float(found[2])
    return None


def _conditional(
    value: int | float | Decimal, sections: tuple[Section, ...], conditions: list[tuple[str, float] | None]
) -> tuple[Section, int | float | Decimal]:
    for place, (section, condition) in enumerate(zip(sections, conditions, strict=True)):
        if condition is None:
            # One without a condition is for the rest: the last, or the second for negative values as ever.
            if place == len(sections) - 1 or (place == 1 and value < 0) or (place == 0 and value > 0):
                return section, -value if value < 0 and _rest_is_negative(conditions[:place]) else value
        elif _OPERATORS[condition[0]](value, condition[1]):
            sign, bound = condition
            negative = bound <= 0 if sign == "<" else sign in ("<=", "=") and bound < 0
            return section, -value if negative else value
    return (), value


def _rest_is_negative(taken: list[tuple[str, float] | None]) -> bool:
    """Whether the conditions before leave negative values alone (or zero)."""
    return any(condition is None or (condition[0] in (">", ">=") and condition[1] <= 0) for condition in taken)


def _placed(value: int | float | Decimal, section: Section) -> str:
    """The number's digits in the places of its codes, among the literals: `000-00-00000` parts them as it parts the places."""
    percent = sum(kind == "percent" for kind, _ in section)
    codes = "".join(text for kind, text in section if kind == "digits")
    if len(codes) > _MAX_CODES:
        return _general(value)
    integers, _, decimals = codes.rstrip(",").partition(".")
    scale = len(codes) - len(codes.rstrip(",")) + len(integers) - len(integers.rstrip(","))
    integers, thousands = integers.replace(",", ""), "," in integers.rstrip(",")
    decimals = decimals.replace(".", "").replace(",", "")
    try:
        exact = Decimal(str(value)) * 100**percent / Decimal(1000) ** scale
        exact = exact.quantize(Decimal(1).scaleb(-len(decimals)), rounding=ROUND_HALF_UP)
    except InvalidOperation:
        return _general(value)
    whole, _, fraction = f"{abs(exact):f}".partition(".")
    least = len(integers) - integers.index("0") if "0" in integers else 0
    whole = whole.lstrip("0").rjust(least, "0")
    while fraction.endswith("0") and decimals[len(fraction) - 1] != "0":
        fraction = fraction[:-1]
    places = _Places(whole, fraction, len(integers), thousands)
    result = "".join(places.filled(text) if kind == "digits" else text for kind, text in section if kind in _SHOWN)
    return ("-" if exact < 0 else "") + result.strip()


class _Places:
    """Deals out the digits of a number to the places of a format, from the left; what is too long stands in the first."""

    def __init__(self, whole: str, fraction: str, places: int, thousands: bool) -> None:
        self._whole = whole
        self._fraction = fraction
        self._left = places
        self._thousands = thousands
        self._decimals: int | None = None

    def filled(self, codes: str) -> str:
        """The digits that stand for one run of codes."""
        result = ""
        for code in codes:
            if code == "." and self._decimals is None:
                self._decimals = 0
                result += self._digits(0) + ("." if self._fraction else "")
            elif code in "0#?":
                result += self._next(code)
        return result

    def _next(self, code: str) -> str:
        if self._decimals is not None:
            self._decimals += 1
            return self._fraction[self._decimals - 1 : self._decimals]
        self._left -= 1
        return self._digits(self._left) or (" " if code == "?" else "")

    def _digits(self, left: int) -> str:
        """The digits not dealt out, but for the last `left`."""
        end = max(len(self._whole) - left, 0)
        dealt, self._whole = self._whole[:end], self._whole[end:]
        if not self._thousands:
            return dealt
        places = range(len(dealt) + left - 1, left - 1, -1)
        return "".join(digit + "," * (place > 0 and place % 3 == 0) for digit, place in zip(dealt, places, strict=True))


def _scientific(value: int | float | Decimal, digits: str) -> str:
    return f"{float(value):.{len(digits.partition('.')[2])}E}"


def _general(value: int | float | Decimal) -> str:
    """Eleven significant digits at most, no trailing zeros: what a cell without a format shows."""
    if isinstance(value, int):
        return str(value)
    number = float(value)
    if number != number or number in (float("inf"), float("-inf")):
        return ""
    return str(int(number)) if number.is_integer() and abs(number) < 1e15 else f"{number:.11g}"


def _moment(value: datetime | date | time | timedelta, number_format: str) -> str:
    section = _moment_section(number_format) if number_format not in _PLAIN else ()
    if isinstance(value, timedelta):
        return _elapsed(value, section)
    if not any(kind == "date" for kind, _ in section):
        if isinstance(value, datetime):
            return value.isoformat(sep=" ") if value.time() != time() else value.date().isoformat()
        return value.isoformat()
    twelve_hours = any(kind == "noon" for kind, _ in section)
    korean = any(kind == "locale" and token.endswith(_KOREAN_LOCALE) for kind, token in section)
    result = ""
    for index, (kind, token) in enumerate(section):
        if kind == "date":
            is_minute = token[0] == "m" and _is_minute(section, index)
            token = _korean(token) if korean else token
            result += _date_part(value, "n" * len(token) if is_minute else token, twelve_hours)
        elif kind == "noon":
            hour = getattr(value, "hour", 0)
            in_korean = korean or token.startswith("오전")
            result += ("오후" if hour >= 12 else "오전") if in_korean else ("PM" if hour >= 12 else "AM")
        elif kind in _SAID:
            result += token
    return result.strip()


def _moment_section(number_format: str) -> Section:
    """The first that shows a date or time: `[=0]"-";yyyy-mm-dd` has another before it."""
    sections = _sections(number_format)
    return next(
        (section for section in sections if any(kind in ("date", "elapsed") for kind, _ in section)), sections[0]
    )


def _korean(code: str) -> str:
    """The code for the Korean name of a weekday, where the format's locale asks for names in Korean."""
    return "a" * len(code[:4]) if code[0] == "d" and len(code) >= 3 else code


def _is_minute(section: tuple[Token, ...], index: int) -> bool:
    """`m` is a minute right after an hour or right before a second, a month otherwise."""
    parts = [(place, text) for place, (kind, text) in enumerate(section) if kind in ("date", "elapsed")]
    at = next(place for place, (where, _) in enumerate(parts) if where == index)
    before = at > 0 and parts[at - 1][1][0] == "h"
    after = at + 1 < len(parts) and parts[at + 1][1][0] == "s"
    return before or after


def _date_part(value: datetime | date | time, code: str, twelve_hours: bool) -> str:
    if isinstance(value, time) and code[0] in "ymdae":
        return ""
    day = value if not isinstance(value, time) else date(1900, 1, 1)
    clock = value if not isinstance(value, date) or isinstance(value, datetime) else time()
    match code[0], len(code):
        case "y" | "e", size:
            return f"{day.year % 100:02d}" if size == 2 and code[0] == "y" else str(day.year)
        case "m", size:
            names = {3: _MONTHS[day.month - 1][:3], 4: _MONTHS[day.month - 1], 5: _MONTHS[day.month - 1][0]}
            return names.get(size) or f"{day.month:0{min(size, 2)}d}"
        case "d", size:
            names = {3: _WEEKDAYS_EN[day.weekday()][:3], 4: _WEEKDAYS_EN[day.weekday()]}
            return names.get(size) or f"{day.day:0{min(size, 2)}d}"
        case "a", size:
            return _WEEKDAYS_KO[day.weekday()] + ("요일" if size == 4 else "")
        case "h", size:
            hour = (clock.hour - 1) % 12 + 1 if twelve_hours else clock.hour
            return f"{hour:0{min(size, 2)}d}"
        case "n", size:
            return f"{clock.minute:0{min(size, 2)}d}"
        case _:
            whole = code.partition(".")[0]
            return f"{clock.second:0{min(len(whole), 2)}d}"


def _elapsed(value: timedelta, section: tuple[Token, ...]) -> str:
    seconds = round(value.total_seconds())
    sign, seconds = ("-", -seconds) if seconds < 0 else ("", seconds)
    hours, rest = divmod(seconds, 3600)
    show_seconds = any(kind in ("date", "elapsed") and text[0] == "s" for kind, text in section)
    return f"{sign}{hours}:{rest // 60:02d}" + (f":{rest % 60:02d}" if show_seconds else "")
