"""Words that facts are written with: units in both languages, names of months, numerals."""

from __future__ import annotations

import re
from fractions import Fraction

_UNIT_FORMS = {
    "영업일": ("영업일", "business days?", "working days?"),
    "일": ("일간", "일", "days?"),
    "주": ("주일", "주간", "주", "weeks?"),
    "개월": ("개월", "달(?!러)", "months?"),
    "년": ("년간", "년차", "년", "years?", "yrs?"),
    "시간": ("시간", "hours?", "hrs?"),
    "분": ("분(?!의)", "minutes?", "mins?"),
    "초": ("초(?!과)", "seconds?", "secs?"),
    "%p": ("%p", "% ?포인트", "퍼센트 ?포인트", "percentage points?"),
    "%": ("%", "퍼센트", "percent", "per cent"),
    "원": ("원", "won", "krw"),
    "달러": ("달러", "(?:u\\.?s\\.? )?dollars?", "usd"),
    "유로": ("유로", "euros?", "eur"),
    "파운드": ("파운드", "pounds?"),
    "엔": ("엔", "yen", "jpy"),
    "명": ("명", "인(?![가-힣])", "인(?=당)", "persons?", "people", "employees?"),
    "회": ("회", "번", "차례", "times?"),
    "차": ("차",),
    "건": ("건",),
    "자": ("자리", "글자", "자", "characters?", "chars?", "digits?"),
    "개": ("개", "items?"),
    "대": ("대",),
    "세": ("세", "years? old"),
    "권": ("권",),
    "쪽": ("쪽", "페이지", "pages?"),
    "배": ("배",),
    "점": ("점", "points?"),
    "층": ("층",),
    "급": ("급",),
    "ms": ("밀리초", "ms", "milliseconds?"),
    "kb": ("ki?b", "킬로바이트", "kilobytes?"),
    "mb": ("mi?b", "메가바이트", "megabytes?"),
    "gb": ("gi?b", "기가바이트", "gigabytes?"),
    "tb": ("ti?b", "테라바이트", "terabytes?"),
    "bit": ("비트", "-?bits?"),
    "byte": ("바이트", "bytes?"),
    "mm": ("mm", "밀리미터"),
    "cm": ("cm", "센티미터"),
    "km": ("km", "킬로미터"),
    "m2": ("m2", "제곱미터"),
    "평": ("평(?![가-힣])",),
    "m": ("(?-i:m)", "미터", "met(?:er|re)s?"),
    "mg": ("mg", "밀리그램"),
    "kg": ("kg", "킬로그램"),
    "g": ("(?-i:g)", "그램"),
    "톤": ("톤", "tons?"),
    "ml": ("ml", "밀리리터"),
    "l": ("(?-i:[lL])", "리터"),
    "°c": ("°c",),
    "kw": ("kwh?", "킬로와트"),
    "bp": ("bps?", "basis points?"),
}
"""Name of a unit → how it is written; a name stands for one thing only, so that unlike units are never compared."""


def _closed(form: str) -> str:
    """A form in Latin letters ends where the word ends."""
    return rf"{form}(?![A-Za-z0-9])" if re.search(r"[A-Za-z]", re.sub(r"\(\?[!=].*", "", form)) else form


def _longest_first(forms: list[str]) -> str:
    return "|".join(sorted((_closed(form) for form in forms), key=len, reverse=True))


UNIT = _longest_first([form for forms in _UNIT_FORMS.values() for form in forms])
"""Any unit. Written in lower case: to be read without regard to case."""
_UNIT_NAMES = {name: re.compile("|".join(forms), re.IGNORECASE) for name, forms in _UNIT_FORMS.items()}
ENGLISH_UNIT = _longest_first(
    [form for forms in _UNIT_FORMS.values() for form in forms if re.match(r"[a-z(]", form) and len(form) > 3]
)
SINO_UNIT = "영업일|개월|퍼센트|달러|시간|원|년|명|일"
"""Units behind a numeral that is written in Hangul (`백만 원`, `삼십 일`)."""
NATIVE_UNIT = "시간|차례|사람|가지|달|명|번|개|건|주|해|배|대|권"
PARTICLE = (
    "(?:을|를|이|가|은|는|의|에|로|으로|과|와|까지|부터|마다|씩|이내|이상|이하|미만|초과|간|동안|전|후|정도|한도)"
)
"""What may follow such a numeral with its unit without a blank; anything else makes it part of another word."""
MONEY_UNIT = "원|달러|엔|유로"
SMALL_SCALES = {"십": 10, "백": 100, "천": 1_000}
BIG_SCALES = {"만": 10**4, "억": 10**8, "조": 10**12}
ENGLISH_SCALES = {"hundred": 100, "thousand": 10**3, "million": 10**6, "billion": 10**9, "trillion": 10**12}
SINO_DIGITS = {character: value for value, character in enumerate("영일이삼사오육칠팔구")}
NATIVE_NUMBERS = {
    "하나": 1,
    "한": 1,
    "두": 2,
    "둘": 2,
    "세": 3,
    "셋": 3,
    "네": 4,
    "넷": 4,
    "다섯": 5,
    "여섯": 6,
    "일곱": 7,
    "여덟": 8,
    "아홉": 9,
    "열": 10,
    "열두": 12,
    "스무": 20,
    "서른": 30,
}
NATIVE_DAYS = {"하루": 1, "이틀": 2, "사흘": 3, "나흘": 4, "닷새": 5, "엿새": 6, "이레": 7, "열흘": 10, "보름": 15}
_ONES = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen "
    "eighteen nineteen"
)
_TENS = "twenty thirty forty fifty sixty seventy eighty ninety"
_MONTH_NAMES = "january february march april may june july august september october november december"
ENGLISH_NUMBERS = {
    **{word: value for value, word in enumerate(_ONES.split())},
    **{word: 10 * tens for tens, word in enumerate(_TENS.split(), 2)},
    **ENGLISH_SCALES,
}
MONTHS = {name: number for number, full in enumerate(_MONTH_NAMES.split(), 1) for name in (full, full[:3])} | {
    "sept": 9
}
MONTH = "|".join(name.capitalize() for name in sorted(MONTHS, key=len, reverse=True))
"""Names of months, which have a capital: `may` is a verb."""
CURRENCIES = {
    "$": "달러",
    "usd": "달러",
    "₩": "원",
    "krw": "원",
    "€": "유로",
    "eur": "유로",
    "¥": "엔",
    "jpy": "엔",
    "£": "파운드",
}
PERIODS = (
    (
        Fraction(12),
        r"매 ?년|[해년]마다|(?:1년|한 해)에|한 해(?= \d)|[Aa]nnually|[Yy]early|every year",
        r"연간|[연년] \d|1년 \d|[Aa]nnual|(?:per|a|each) year",
    ),
    (Fraction(6), "매 ?반기|반기마다", r"반기(?:별| \d)|[Hh]alf-year"),
    (Fraction(3), "매 ?분기|분기마다|[Qq]uarterly|every quarter", r"분기(?:별| \d)|(?:per|a|each) quarter"),
    (
        Fraction(1),
        "매 ?[월달]|[월달]마다|(?:1개월|한 달)에|[Mm]onthly|every month",
        r"월간|월 \d|1개월 \d|(?:per|a|each) month",
    ),
    (Fraction(1, 4), "매 ?주|주마다|(?:1주|일주일)에|[Ww]eekly|every week", r"주간|주 \d|1주 \d|(?:per|a|each) week"),
    (Fraction(1, 30), "매일|날마다|(?:1일|하루)에|[Dd]aily|every day", r"일일|1일 \d|(?:per|a|each) day"),
)
"""How often: months from one time to the next, how a sentence says it, and in what other words a source may hold it."""
KEY_UNITS = {
    **dict.fromkeys(("days", "day"), "일"),
    **dict.fromkeys(("hours", "hour"), "시간"),
    **dict.fromkeys(("minutes", "minute", "mins", "min"), "분"),
    **dict.fromkeys(("seconds", "second", "secs", "sec", "s"), "초"),
    **dict.fromkeys(("months", "month"), "개월"),
    "ms": "ms",
    "kib": "kb",
    "kb": "kb",
    "mib": "mb",
    "mb": "mb",
    "gib": "gb",
    "gb": "gb",
    **dict.fromkeys(("percent", "pct"), "%"),
}
"""Ends of the names of settings."""


def unit_name(written: str) -> str:
    """The name of the unit that is written so; empty for none."""
    form = written.strip(" \u00a0-")
    return next((name for name, forms in _UNIT_NAMES.items() if form and forms.fullmatch(form)), "")
