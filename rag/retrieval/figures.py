"""Dates, amounts and articles in a question: the other writings that documents may have, and the provisions asked for.

The index has dates with a four-digit year and thousands with commas in one form already (`rag.text.identifiers`); what is
left is done on the question's side alone, so nothing has to be indexed again.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date

from rag.domain.provision import Path, ProvisionMark, provision_label

_DATES = (
    re.compile(r"(?<![\d.,/-])(?P<y>\d{2}|\d{4})\s?년\s?(?P<m>\d{1,2})\s?월\s?(?P<d>\d{1,2})\s?일?(?!\d)"),
    re.compile(r"(?<![\d.,/-])'?(?P<y>\d{2}|\d{4})(?P<s>[./-])\s?(?P<m>\d{1,2})(?P=s)\s?(?P<d>\d{1,2})(?![\d/-]|\.\d)"),
    re.compile(r"(?<!\d)(?P<y>(?:19|20)\d{2})(?P<m>\d{2})(?P<d>\d{2})(?!\d)"),
)
_CENTURY, _PIVOT = 2000, 70
"""Two digits are this century's below 70, the last one's from there on (POSIX strptime: 69)."""

_UNITS = {"조": 10**12, "억": 10**8, "만": 10**4}
_SMALL = {"천": 1000, "백": 100, "십": 10}
_NUMBER = r"\d{1,3}(?:,\d{3})+|\d+(?:\.\d+)?"
_AMOUNT = re.compile(rf"(?<![\d.,])(?:(?:{_NUMBER})\s?[조억만천백십]+\s?)+(?=원|\s|[^\w]|$|[가-힣])")
_PART = re.compile(rf"({_NUMBER})\s?([천백십]?)([조억만]?)")
_PLAIN = re.compile(r"(?<![\d.,])(?:\d{1,3}(?:,\d{3})+|\d{5,16})(?![\d.,]*\d)")
_LARGEST = 10**16
_ARTICLE = re.compile(r"\d+\s?조")
"""`12조` alone is an article, `12조원` an amount."""

_PROVISION = re.compile(
    r"제?\s?(?P<article>\d{1,4})\s?조(?:\s?의\s?(?P<branch>\d{1,3}))?(?!\s?원|\s?[\d,]+\s?[천백십]*[억만])"
    r"(?:\s?제?\s?(?P<paragraph>\d{1,3})\s?항)?(?:\s?제?\s?(?P<item>\d{1,3})\s?호(?:\s?의\s?(?P<sub>\d{1,3}))?)?"
)
_MAX_FOUND = 8
_LOOKED_AT = 1000
"""Characters of a question."""


@dataclass(frozen=True, slots=True)
class Writing:
    """Something in a question and how else it may be written. `kind`: `date` or `number`."""

    kind: str
    found: str
    others: tuple[str, ...]


def writings(question: str) -> list[Writing]:
    """Dates and amounts of a question that documents may write differently, in order of kind."""
    looked_at = question[:_LOOKED_AT]
    return [*_dates(looked_at), *_amounts(looked_at)][:_MAX_FOUND]


def _dates(question: str) -> Iterator[Writing]:
    seen: set[date] = set()
    for pattern in _DATES:
        for match in pattern.finditer(question):
            day = _day(match)
            if day is not None and day not in seen:
                seen.add(day)
                others = (
                    day.isoformat(),
                    f"{day:%Y%m%d}",
                    f"{day:%y}.{day.month}.{day.day}",
                    f"{day:%y}.{day:%m}.{day:%d}",
                    f"{day:%y}/{day:%m}/{day:%d}",
                )
                yield Writing("date", match[0].strip(), others)


def _day(match: re.Match[str]) -> date | None:
    year = int(match["y"])
    if len(match["y"]) == 2:
        year += _CENTURY if year < _PIVOT else _CENTURY - 100
    try:
        return date(year, int(match["m"]), int(match["d"]))
    except ValueError:
        return None


def _amounts(question: str) -> Iterator[Writing]:
    for match in _AMOUNT.finditer(question):
        value = amount_of(match[0])
        article = _ARTICLE.fullmatch(match[0].strip()) and not question.startswith("원", match.end())
        if value is not None and value >= 10_000 and not article:
            yield Writing("number", match[0].strip(), (f"{value:,}", *_korean_amounts(value, match[0])))
    for match in _PLAIN.finditer(question):
        value = int(match[0].replace(",", ""))
        if ("," in match[0] or value % 10_000 == 0) and (others := _korean_amounts(value, match[0])):
            yield Writing("number", match[0], others)


def amount_of(text: str) -> int | None:
    """The number that an amount in Korean writing means: `1억 5천만` is 150,000,000; None for what is none."""
    total, group, unit_before = 0.0, 0.0, float("inf")
    for number, small, unit in _PART.findall(text.strip()):
        group += float(number.replace(",", "")) * _SMALL.get(small, 1)
        if unit:
            if _UNITS[unit] >= unit_before:
                return None
            total, group, unit_before = total + group * _UNITS[unit], 0.0, _UNITS[unit]
    value = total + group
    return int(value) if value.is_integer() and 0 < value < _LARGEST else None


def _korean_amounts(value: int, written: str) -> tuple[str, ...]:
    """`150,000,000` as `1억 5천만` and `1억 5000만`, without the one that stands there already; empty below ten thousand or
    with a remainder that nobody writes so."""
    if value < 10_000 or value % 1000 or value >= _LARGEST:
        return ()
    found = {_spelled(value, thousands=thousands) for thousands in (True, False)}
    plain = "".join(written.split())
    return tuple(sorted(item for item in found if "".join(item.split()) != plain))


def _spelled(value: int, *, thousands: bool) -> str:
    parts = []
    for name, unit in _UNITS.items():
        part, value = divmod(value, unit)
        if part:
            written = f"{part // 1000}천" if thousands and part >= 1000 and part % 1000 == 0 else str(part)
            parts.append(f"{written}{name}")
    if value:
        parts.append(f"{value // 1000}천" if thousands and value % 1000 == 0 else str(value))
    return " ".join(parts)


def provisions_of(question: str) -> list[Path]:
    """The provisions that a question names: `제12조의2`, `12조 3항`, `제3조제1항제2호`; parts, widest first."""
    found: dict[Path, None] = {}
    for match in _PROVISION.finditer(question[:_LOOKED_AT]):
        path = [f"제{int(match['article'])}조" + (f"의{int(match['branch'])}" if match["branch"] else "")]
        if match["paragraph"]:
            path.append(f"제{int(match['paragraph'])}항")
        if match["item"]:
            path.append(f"제{int(match['item'])}호" + (f"의{int(match['sub'])}" if match["sub"] else ""))
        found[tuple(path)] = None
    return list(found)[:_MAX_FOUND]


def covers(marks: Sequence[ProvisionMark], asked: Path) -> bool:
    """Whether some part of a text with these marks belongs to the provision `asked`.

    Chapters above an article, or an article without paragraphs in the text, don't matter: parts are compared from the article on,
    and a text that has the article only is one that may hold the paragraph.
    """
    for mark in marks:
        path = _from_article(mark.path)
        if path and path[0] == asked[0] and all(one == two for one, two in zip(path, asked, strict=False)):
            return True
    return False


def exactness(marks: Sequence[ProvisionMark], asked: Path) -> int:
    """How many parts of `asked` the best mark agrees with, 0 when none covers it."""
    if not covers(marks, asked):
        return 0
    agreeing = (_from_article(mark.path)[: len(asked)] for mark in marks)
    return max(len(path) for path in agreeing if path and path == asked[: len(path)])


def _from_article(path: Path) -> Path:
    """The path from its article on; empty for what lies outside the articles, such as a supplementary provision's."""
    if path and path[0].startswith(("부칙", "별표", "별지")):
        return ()
    for index, part in enumerate(path):
        if re.fullmatch(r"제\d+조(?:의\d+)?", part):
            return path[index:]
    return ()


def shown(path: Path) -> str:
    """The provision as statutes cite it."""
    return provision_label(path)
