"""Automatic numbers of Word paragraphs: `제1조`, `가.`, `1.2`, `①` are not in the text, Word counts when it shows it.

Korean rules are often written with them, and a citation of an article without its number is worthless.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

from ingest.parsing.ooxml import W

_PLACEHOLDER = re.compile(r"%([1-9])")
_MAX_LEVELS = 9
_GANADA = "가나다라마바사아자차카타파하"
_CHOSUNG = "ㄱㄴㄷㄹㅁㅂㅅㅇㅈㅊㅋㅌㅍㅎ"
_KOREAN_DIGITS = "영일이삼사오육칠팔구"
_ROMAN = ((1000, "M"), (900, "CM"), (500, "D"), (400, "CD"), (100, "C"), (90, "XC"), (50, "L"), (40, "XL"), (10, "X"))
_SMALL_ROMAN = ((9, "IX"), (5, "V"), (4, "IV"), (1, "I"))


@dataclass(frozen=True, slots=True)
class Level:
    """One level of a list.

    Attributes:
        restart: it begins anew after a paragraph of this level (from 1) or an earlier one; 0 for never.
        legal: all numbers in its text are shown as decimals.
    """

    format: str
    text: str
    start: int
    restart: int
    legal: bool = False


@dataclass
class Numbering:
    """All lists of a document, and how far each has been counted."""

    levels: dict[str, dict[int, Level]] = field(default_factory=dict)
    """By `numId`."""

    abstract: dict[str, str] = field(default_factory=dict)
    """`numId` to the list that it shares its counters with."""

    restarts: dict[str, set[int]] = field(default_factory=dict)
    """Levels that a `numId` starts anew at its first use."""

    counters: dict[str, dict[int, int]] = field(default_factory=lambda: defaultdict(dict))

    def label(self, number: str, depth: int) -> str | None:
        """The number before the next paragraph of this list; empty for a bullet, None if there is no such list."""
        levels = self.levels.get(number)
        if levels is None or depth not in levels:
            return None
        counters = self.counters[self.abstract[number]]
        if depth in self.restarts.get(number, set()):
            self.restarts[number].discard(depth)
            counters.pop(depth, None)
        for above in [level for level in levels if level < depth]:
            # A level that is passed over counts as if it stood there: below 2 and 2.1.1 comes 2.2.
            counters.setdefault(above, levels[above].start)
        counters[depth] = counters.get(depth, levels[depth].start - 1) + 1
        for deeper in [level for level in counters if level > depth]:
            if deeper not in levels or depth < levels[deeper].restart:
                del counters[deeper]
        if levels[depth].format in ("bullet", "none"):
            return ""
        return _PLACEHOLDER.sub(
            lambda found: self._shown(levels, counters, int(found[1]) - 1, depth), levels[depth].text
        )

    def _shown(self, levels: dict[int, Level], counters: dict[int, int], at: int, depth: int) -> str:
        """The number of level `at` in the label of one at `depth`."""
        level = levels.get(at)
        if level is None:
            return ""
        decimal = levels[depth].legal and level.format not in ("bullet", "none")
        return number_text(counters.get(at, level.start), "decimal" if decimal else level.format)


def read_numbering(root: Any | None) -> Numbering:
    """From `numbering.xml` (ECMA-376 part 1, 17.9)."""
    numbering = Numbering()
    if root is None:
        return numbering
    abstract = {item.get(f"{W}abstractNumId"): _levels(item) for item in root.iter(f"{W}abstractNum")}
    for item in root.iter(f"{W}num"):
        number, reference = item.get(f"{W}numId"), item.find(f"{W}abstractNumId")
        if reference is None or reference.get(f"{W}val") not in abstract:
            continue
        key = reference.get(f"{W}val")
        levels = dict(abstract[key])
        for override in item.iter(f"{W}lvlOverride"):
            _apply_override(override, levels, numbering.restarts.setdefault(number, set()))
        numbering.levels[number], numbering.abstract[number] = levels, key
    return numbering


def _apply_override(override: Any, levels: dict[int, Level], restarts: set[int]) -> None:
    depth = integer(override.get(f"{W}ilvl"))
    for depth_found, level in _levels(override).items():
        levels[depth_found] = level
    start = override.find(f"{W}startOverride")
    if start is not None and depth in levels:
        level = levels[depth]
        levels[depth] = replace(level, start=integer(start.get(f"{W}val"), 1))
        restarts.add(depth)


def _levels(item: Any) -> dict[int, Level]:
    levels = {}
    for level in item.findall(f"{W}lvl"):
        depth = integer(level.get(f"{W}ilvl"))
        if 0 <= depth < _MAX_LEVELS:
            levels[depth] = Level(
                format=_value(level, "numFmt") or "decimal",
                text=_value(level, "lvlText") or "",
                start=integer(_value(level, "start"), 1),
                restart=_restart(level, depth),
                legal=_is_on(level.find(f"{W}isLgl")),
            )
    return levels


def _restart(level: Any, depth: int) -> int:
    """After which level, from 1, or any earlier one it begins anew: the one before it, unless it says another (17.9.10)."""
    said = integer(_value(level, "lvlRestart"), depth)
    return said if 0 <= said <= depth else depth


def _is_on(switch: Any | None) -> bool:
    return switch is not None and switch.get(f"{W}val", "1") not in ("0", "false", "off")


def _value(element: Any, name: str) -> str | None:
    found = element.find(f"{W}{name}")
    return found.get(f"{W}val") if found is not None else None


def integer(text: str | None, default: int = 0) -> int:
    """The number in an attribute, or the default when it is none."""
    try:
        return int(text) if text is not None else default
    except ValueError:
        return default


def number_text(value: int, number_format: str) -> str:
    """`value` as Word shows it in `number_format` (ST_NumberFormat); an unknown one as a decimal."""
    if value < 1 or value > 9999:
        return str(value)
    return _FORMATS.get(number_format, str)(value)


def _letters(value: int) -> str:
    return chr(ord("a") + (value - 1) % 26) * ((value - 1) // 26 + 1)


def _from_series(series: str) -> Callable[[int], str]:
    return lambda value: series[(value - 1) % len(series)]


def _roman(value: int) -> str:
    shown = ""
    for amount, letters in (*_ROMAN, *_SMALL_ROMAN):
        count, value = divmod(value, amount)
        shown += letters * count
    return shown


def _circled(value: int) -> str:
    return chr(0x2460 + value - 1) if value <= 20 else str(value)


def _korean(value: int) -> str:
    """일, 이, … 십, 십일: as in 제일조."""
    shown = ""
    for amount, unit in ((1000, "천"), (100, "백"), (10, "십"), (1, "")):
        digit, value = divmod(value, amount)
        if digit:
            shown += ("" if digit == 1 and unit else _KOREAN_DIGITS[digit]) + unit
    return shown


_FORMATS: dict[str, Callable[[int], str]] = {
    "decimalZero": lambda value: f"{value:02d}",
    "lowerLetter": _letters,
    "upperLetter": lambda value: _letters(value).upper(),
    "lowerRoman": lambda value: _roman(value).lower(),
    "upperRoman": _roman,
    "ganada": _from_series(_GANADA),
    "chosung": _from_series(_CHOSUNG),
    "decimalEnclosedCircle": _circled,
    "koreanDigital": lambda value: "".join(_KOREAN_DIGITS[int(digit)] for digit in str(value)),
    "koreanCounting": _korean,
    "koreanLegal": _korean,
    "koreanDigital2": _korean,
    "numberInDash": lambda value: f"- {value} -",
}
