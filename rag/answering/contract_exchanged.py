"""Values of one sentence that changed places: `1,000 requests in 30 minutes, blocked for 10` for `in 10 minutes, blocked for 30`.

Every word and every value is there, so only the word that each value hangs on tells: what stands before it in English, behind it
in Korean. Two values count as exchanged where each has the other's word; whatever else differs is a rewording.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import combinations

from rag.domain.fact_reading import facts_of, plain
from rag.domain.facts import Fact, FactKind

_BEFORE = re.compile(
    r"\b(in|within|for|after|every|per|before|until|by|from|to|at|during)\s(?:a |an |the |up to )?$", re.IGNORECASE
)
_AFTER = re.compile(r"\s?(동안|이내|안에|내에|마다|전까지|전에|후에|뒤에|부터|까지)")
_SAME = {"within": "in", "during": "in", "안에": "이내", "내에": "이내", "뒤에": "후에"}
"""Words that put a value in the same place."""
_DURATIONS = frozenset(("초", "분", "시간", "일", "영업일", "주", "개월", "년"))


def dimension(fact: Fact) -> str:
    """What a fact's value can be taken for another of: its unit; of all lengths of time the same."""
    return "duration" if fact.unit in _DURATIONS else fact.unit


def exchanged(claim: str, evidence: Sequence[str]) -> list[str]:
    """Values of the claim, as written, of which each hangs on the word on which the other hangs in a text of the evidence."""
    stated = list(_hanging(claim))
    sources = [list(_hanging(text)) for text in evidence]
    wrong: dict[str, None] = {}
    for (one, first), (other, second) in combinations(stated, 2):
        if first == second or dimension(one) != dimension(other) or _value(one) == _value(other):
            continue
        for source in sources:
            places = {(_value(fact), word) for fact, word in source}
            straight = {(_value(one), first), (_value(other), second)} & places
            if not straight and {(_value(one), second), (_value(other), first)} <= places:
                wrong |= dict.fromkeys((one.written, other.written))
    return list(wrong)


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


def _value(fact: Fact) -> tuple[object, str]:
    return fact.number, fact.unit
