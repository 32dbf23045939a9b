"""Check digits, dates and ranges of identifiers."""

from __future__ import annotations

import re
from collections.abc import Sequence

_DAYS = (31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)
_LATEST_YEAR = 40
"""Born in 2041 or later: no number of today."""
_RESIDENT_WEIGHTS = (2, 3, 4, 5, 6, 7, 8, 9, 2, 3, 4, 5)
_BUSINESS_WEIGHTS = (1, 3, 7, 1, 3, 7, 1, 3, 5)

_YEAR, _MONTH, _DAY = "(?:19|20)[0-9]{2}", "(?:0[1-9]|1[0-2])", "(?:0[1-9]|[12][0-9]|3[01])"
_SHORT_MONTH, _SHORT_DAY = "(?:0?[1-9]|1[0-2])", "(?:0?[1-9]|[12][0-9]|3[01])"
_DATE = (
    rf"{_YEAR}(?P<sign>[-. ]){_SHORT_MONTH}(?P=sign){_SHORT_DAY}|{_YEAR}[-.]{_MONTH}|{_YEAR}{_MONTH}{_DAY}|{_YEAR}[- ]{_YEAR}|"
    rf"{_DAY}(?P<dash>[-.]){_MONTH}(?P=dash){_YEAR}|{_MONTH}(?P<line>[-.]){_DAY}(?P=line){_YEAR}"
)
"""A day, a month or a span of years as it is written in figures."""
_DATED = re.compile(rf"(?<![0-9A-Za-z])(?:{_DATE})(?![0-9])")
_STAMPED = re.compile(
    rf"[0-9]{{2}}-{_MONTH}-{_DAY}|{_SHORT_DAY}-?(?:jan|feb|mar|apr|may|june?|july?|aug|sept?|oct|nov|dec)-?{_YEAR}",
    re.IGNORECASE,
)


def dated(value: str) -> bool:
    """Whether digit groups of `value` are a date rather than parts of a number: `2024-01-15`, `20240115`, `2023-2024`."""
    return _DATED.search(value) is not None


def stamped(value: str) -> bool:
    """Whether `value` is a date as it stands beside a number in a paper: also `24-01-15` and `15-JAN-2024`."""
    return dated(value) or _STAMPED.fullmatch(value) is not None


def _weighed(digits: str, weights: Sequence[int]) -> int:
    return sum(int(digit) * weight for digit, weight in zip(digits, weights, strict=False))


def born(digits: str) -> bool:
    """Whether the first 7 digits of a resident or foreigner number are a birthday, and a century and sex (1 to 8)."""
    month, day = int(digits[2:4]), int(digits[4:6])
    if not (1 <= month <= 12 and 1 <= day <= _DAYS[month - 1]) or digits[6] not in "12345678":
        return False
    if digits[2:6] == "0229" and digits[6] in "1256" and int(digits[:2]) % 4:
        return False
    return digits[6] in "1256" or int(digits[:2]) <= _LATEST_YEAR


def resident_check(digits: str) -> bool:
    """The check digit of 13 digits. Numbers given out since October 2020 have none (Resident Registration Act rules, 2020)."""
    rest = (11 - _weighed(digits[:12], _RESIDENT_WEIGHTS) % 11) % 10
    if digits[6] in "5678":  # foreigners' are two further on
        rest = (13 - _weighed(digits[:12], _RESIDENT_WEIGHTS) % 11) % 10
    return rest == int(digits[12])


def business_check(digits: str) -> bool:
    """The check digit of a business registration number of 10 digits, and that its office exists (101 and up)."""
    if int(digits[:3]) < 101 or digits[3:5] == "00":
        return False
    total = _weighed(digits[:9], _BUSINESS_WEIGHTS) + int(digits[8]) * 5 // 10
    return (10 - total % 10) % 10 == int(digits[9])


def corporation_check(digits: str) -> bool:
    """The check digit of a corporate registration number of 13 digits; those given out since 2025 have none."""
    total = sum(int(digit) * (1 + place % 2) for place, digit in enumerate(digits[:12]))
    return (10 - total % 10) % 10 == int(digits[12])


def luhn(digits: str) -> bool:
    """The check digit of payment cards (ISO/IEC 7812-1, annex B)."""
    total = 0
    for place, digit in enumerate(reversed(digits)):
        value = int(digit) * (1 + place % 2)
        total += value - 9 if value > 9 else value
    return total % 10 == 0


def card_brand(digits: str) -> bool:
    """Whether a brand gives out cards of this beginning and length; 9 begins cards for use in Korea alone."""
    two, three, four = int(digits[:2]), int(digits[:3]), int(digits[:4])
    if len(digits) == 15:
        return two in (34, 37)
    if len(digits) == 14:
        return two in (36, 38, 39) or 300 <= three <= 305
    if len(digits) != 16:
        return False
    return (
        digits[0] in "4"
        or 51 <= two <= 55
        or 2221 <= four <= 2720
        or 3528 <= four <= 3589
        or two in (62, 65, 81, 94)
        or four == 6011
        or 644 <= three <= 649
        or 9000 <= four <= 9799
    )


def years(first: str, second: str) -> bool:
    """Whether two groups of 4 digits are rather a span of years than a number: `1588-1592`."""
    return int(first) < int(second) <= 2100


def moment(digits: str) -> bool:
    """Whether 12 or 14 digits are a date with a time: `202411281530`."""
    year, month, day = int(digits[:4]), int(digits[4:6]), int(digits[6:8])
    clock = int(digits[8:10]) < 24 and int(digits[10:12]) < 60
    return 1900 <= year <= 2099 and 1 <= month <= 12 and 1 <= day <= 31 and clock
