"""Spreadsheet values as the sheet shows them: 1234567 with `#,##0` is `1,234,567`, a date is `2026년 3월`.

What users search for and what a citation must quote is what they see. Covers the format codes of ECMA-376 part 1,
18.8.31, except fractions and conditions other than the sign; those values are shown plain.
"""

from __future__ import annotations

import re
from datetime import date, datetime, time, timedelta
from decimal import ROUND_HALF_UP, Decimal, InvalidOperation
from functools import lru_cache

CellValue = str | bool | int | float | Decimal | datetime | date | time | timedelta | None

_TOKENS = re.compile(
    r'"([^"]*)"'  # 1 quoted
    r"|\\(.)"  # 2 escaped
    r"|_."  # space as wide as a character
    r"|\*."  # filler
    r"|\[\$([^\]-]*)(?:-([^\]]*))?\]"  # 3 currency, 4 locale
    r"|(\[(?:h+|m+|s+)\])"  # 5 elapsed time
    r"|\[[^\]]*\]"  # colour, condition
    r"|(AM/PM|A/P|오전/오후)"  # 6
    r"|([yY]+|[mM]+|[dD]+|[hH]+|[sS]+(?:\.0+)?|[aA]{3,4}|e(?![+-]))"  # 7 date part
    r"|([0#?][0#?,]*(?:\.[0#?]*)?|\.[0#?]+)"  # 8 digits
    r"|([eE][+-]0+)"  # 9 exponent
    r"|(.)",  # 9 anything else
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
"""Kind (`literal`, `date`, `elapsed`, `noon`, `digits`, `exponent`, `locale`) and text."""


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
def _sections(number_format: str) -> tuple[tuple[Token, ...], ...]:
    """Tokens of each part between semicolons (quoted ones don't count)."""
    sections: list[list[Token]] = [[]]
    for found in _TOKENS.finditer(number_format):
        quoted, escaped, currency, locale, elapsed, noon, moment, digits, exponent, other = found.groups()
        if other == ";":
            sections.append([])
        elif elapsed:
            sections[-1].append(("elapsed", elapsed.strip("[]").lower()))
        elif noon:
            sections[-1].append(("noon", noon))
        elif moment:
            sections[-1].append(("date", moment.lower()))
        elif digits:
            sections[-1].append(("digits", digits))
        elif exponent:
            sections[-1].append(("exponent", exponent))
        elif locale and not currency:
            sections[-1].append(("locale", locale.lower()))
        else:
            literal = next((text for text in (quoted, escaped, currency, other) if text), "")
            sections[-1].append(("literal", literal))
    return tuple(tuple(section) for section in sections)


def _number(value: int | float | Decimal, number_format: str) -> str:
    if number_format in _PLAIN:
        return _general(value)
    sections = _sections(number_format)
    section, value = _section_for(value, sections)
    digits = [text for kind, text in section if kind == "digits"]
    literals = "".join(text for kind, text in section if kind == "literal")
    if ("/" in literals and len(digits) > 1) or any(kind == "date" for kind, _ in section):
        return _general(value)
    if not digits:
        return literals.replace("General", _general(value)).strip() if section else _general(value)
    if any(kind == "exponent" for kind, _ in section):
        return _scientific(value, digits[0])
    return _placed(value, section, digits)


def _section_for(
    value: int | float | Decimal, sections: tuple[tuple[Token, ...], ...]
) -> tuple[tuple[Token, ...], int | float | Decimal]:
    """Positive; negative (shown without its sign, the section has its own mark); zero."""
    if value < 0 and len(sections) > 1:
        return sections[1], -value
    if value == 0 and len(sections) > 2:
        return sections[2], value
    return sections[0], value


def _placed(value: int | float | Decimal, section: tuple[Token, ...], digits: list[str]) -> str:
    """The number in the place of its digit codes, among the literals."""
    percent = sum(text.count("%") for kind, text in section if kind == "literal")
    integers, point, decimals = digits[0].partition(".")
    thousands = "," in integers.rstrip(",")
    scale = len(integers) - len(integers.rstrip(","))
    try:
        exact = Decimal(str(value)) * 100**percent / Decimal(1000) ** scale
        exact = exact.quantize(Decimal(1).scaleb(-len(decimals)), rounding=ROUND_HALF_UP)
    except InvalidOperation:
        return _general(value)
    text = f"{abs(exact):,f}" if thousands else f"{abs(exact):f}"
    whole, _, fraction = text.partition(".")
    least = integers.replace(",", "").count("0")
    whole = whole.rjust(least, "0") if whole != "0" or least else ""
    while (
        fraction
        and len(fraction) > decimals.count("0")
        and fraction.endswith("0")
        and decimals[len(fraction) - 1] != "0"
    ):
        fraction = fraction[:-1]
    number = whole + (point and fraction and "." + fraction)
    sign = "-" if exact < 0 else ""
    placed = False
    result = ""
    for kind, token in section:
        if kind == "literal":
            result += token
        elif kind == "digits" and not placed:
            result += number
            placed = True
    return sign + result.strip()


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
    section = _sections(number_format)[0] if number_format not in _PLAIN else ()
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
        elif kind == "literal":
            result += token
    return result.strip()


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
