"""Values of one sentence that changed places: `1,000 requests in 30 minutes, blocked for 10` for `in 10 minutes, blocked for 30`.

Every word and every value is there, so only the word that each value hangs on tells: what stands before it in English, behind it
in Korean. Two values count as exchanged where each has the other's word; whatever else differs is a rewording.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from fractions import Fraction
from itertools import combinations, islice

from rag.domain.fact_reading import facts_of, plain
from rag.domain.facts import Fact, FactKind

_BEFORE = re.compile(
    r"\b(in|within|for|after|every|per|before|until|by|from|to|at|during)\s(?:a |an |the |up to )?$", re.IGNORECASE
)
_AFTER = re.compile(r"\s?(동안|이내|안에|내에|마다|전까지|전에|후에|뒤에|부터|까지)")
_SAME = {"within": "in", "during": "in", "안에": "이내", "내에": "이내", "뒤에": "후에"}
"""Words that put a value in the same place."""
_MOST_VALUES = 30
"""Of a sentence, compared with each other: their pairs are 435. A sentence has a handful; one with more is a list, or made to
keep the check busy, and the first of them are compared."""
_DURATIONS = frozenset(("초", "분", "시간", "일", "영업일", "주", "개월", "년"))
_Value = tuple[Fraction, str]


def dimension(fact: Fact) -> str:
    """What a fact's value can be taken for another of: its unit; of all lengths of time the same."""
    return "duration" if fact.unit in _DURATIONS else fact.unit


def exchanged(claim: str, evidence: Sequence[str], around: Sequence[str] = ()) -> list[str]:
    """Values of the claim, as written, of which each hangs on the word on which the other hangs in a text of the evidence.

    Args:
        around: other texts of what is cited. Where one of all texts holds both values as the claim does, they are not
            exchanged: of two rules each may have the other's values.
    """
    stated = {(_value(fact), word): fact for fact, word in _hanging(claim)}
    if len(stated) < 2:
        return []
    sources = [_places(text) for text in evidence]
    known = [*sources, *map(_places, around)]
    wrong: dict[str, None] = {}
    for (one, first), (other, second) in combinations(islice(stated, _MOST_VALUES), 2):
        straight, crossed = {(one, first), (other, second)}, {(one, second), (other, first)}
        facts = stated[one, first], stated[other, second]
        if first == second or one == other or len({dimension(fact) for fact in facts}) > 1:
            continue
        if any(crossed <= places and not straight & places for places in sources) and not any(
            straight <= places for places in known
        ):
            wrong |= dict.fromkeys(fact.written for fact in facts)
    return list(wrong)


def _places(text: str) -> frozenset[tuple[_Value, str]]:
    """The values of a text, each with its word."""
    return frozenset((_value(fact), word) for fact, word in _hanging(text))


def _hanging(text: str) -> Iterator[tuple[Fact, str]]:
    """The numbers with a unit in a text, each with its word."""
    read = plain(text)
    for fact in facts_of(read):
        if fact.kind is not FactKind.NUMBER or not fact.unit:
            continue
        found = _AFTER.match(read, fact.end) or _BEFORE.search(read[max(0, fact.start - 24) : fact.start])
        if found is not None:
            word = found[1].lower()
            yield fact, _SAME.get(word, word)


def _value(fact: Fact) -> _Value:
    return fact.number, fact.unit
