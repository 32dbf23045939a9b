"""Numbers, dates, times, amounts and provisions that texts state, and whether one text holds what another states.

`1,000,000원`, `100만 원` and `백만 원` are one amount, `2024년 3월 1일`, `2024-03-01` and `March 1, 2024` one date; `30일` and
`30개월` are two lengths. What can be told apart is never taken for the same.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from fractions import Fraction

_HALF_DAY = 720
"""Minutes."""


class FactKind(StrEnum):
    """What a fact is."""

    NUMBER = "number"
    DATE = "date"
    TIME = "time"
    PROVISION = "provision"
    CODE = "code"


@dataclass(frozen=True, slots=True)
class Fact:
    """One value that a text states.

    Attributes:
        number: of a number, or minutes since midnight of a time.
        parts: of a date year, month and day, empty where not said; of a provision `3조`, `2항`, …; of a version or a telephone
            number the one string.
        unit: its name, which is the same in both languages; empty without one. `half` of a time that leaves morning and
            afternoon open.
        scaled: whether it is written with 만, million and the like, so that its digits are not its value.
        written: how, in the plain text from `start` to `end`.
    """

    kind: FactKind
    written: str
    start: int
    end: int
    number: Fraction = Fraction(0)
    parts: tuple[str, ...] = ()
    unit: str = ""
    scaled: bool = False


def holds(stated: Fact, held: Sequence[Fact], *, units_told: bool = True) -> bool:
    """Whether one of `held` says what `stated` does.

    Args:
        units_told: whether the evidence names its units; source code does not (`timeout = 30`), so there a number stands for
            any unit.
    """
    return any(_holds(stated, other, held, units_told) for other in held)


def _holds(stated: Fact, held: Fact, around: Sequence[Fact], units_told: bool) -> bool:
    """Whether `held` says what is `stated`. `around`: all of the evidence."""
    if stated.kind is FactKind.NUMBER and held.kind is FactKind.DATE:  # `in 2024`, `on the 25th`
        part = {"": held.parts[0], "일": held.parts[2]}.get(stated.unit, "")
        return not stated.scaled and part == str(stated.number)
    if stated.kind is not held.kind:
        return False
    match stated.kind:
        case FactKind.NUMBER:
            return stated.number == held.number and _same_measure(stated, held, units_told)
        case FactKind.DATE:
            return _holds_date(stated.parts, held.parts, around)
        case FactKind.TIME:
            period = _HALF_DAY if "half" in (stated.unit, held.unit) else 2 * _HALF_DAY
            return stated.number % period == held.number % period
        case FactKind.PROVISION:
            return _holds_provision(stated.parts, held.parts, around)
        case FactKind.CODE:
            return stated.parts == held.parts


def _same_measure(stated: Fact, held: Fact, units_told: bool) -> bool:
    """The same unit; a number without one stands on the same digits, whatever they count."""
    if stated.unit:
        return stated.unit == held.unit or not (units_told or held.unit)
    return stated.scaled == held.scaled


def _holds_date(stated: Sequence[str], held: Sequence[str], around: Sequence[Fact]) -> bool:
    """All that is stated is in `held`; the year may stand elsewhere in the evidence where `held` has none."""
    if not all(mine in ("", other) for mine, other in zip(stated[1:], held[1:], strict=True)):
        return False
    if stated[0] in ("", held[0]):
        return True
    return not held[0] and any(item.kind is FactKind.DATE and item.parts[0] == stated[0] for item in around)


def _holds_provision(stated: Sequence[str], held: Sequence[str], around: Sequence[Fact]) -> bool:
    """The same, or the beginning or the end of a longer one. A text below the heading `제3조` says ② and not 제3조제2항."""
    if tuple(held[: len(stated)]) == tuple(stated) or tuple(held[-len(stated) :]) == tuple(stated):
        return True
    if len(stated) == 1:
        return False
    known = {item.parts for item in around if item.kind is FactKind.PROVISION}
    return any(parts[0] == stated[0] for parts in known) and all((part,) in known for part in stated[1:])
