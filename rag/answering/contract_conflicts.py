"""Sources that contradict each other: the same statement in another document, with another value."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from rag.answering.citing import Alignment, Claim, Unit, squeeze
from rag.answering.contract_names import names_of
from rag.answering.contract_polarity import from_two_sides, limits_of
from rag.answering.contract_support import Judgement
from rag.domain.answer import Citation, Sentence
from rag.domain.fact_reading import facts_of, plain
from rag.domain.facts import Fact, FactKind
from rag.domain.passage import Passage

CONTRADICTION = "contradiction"
"""Kind of the note that two documents that an answer shows say otherwise."""
_SAME_WORDS = 0.75
"""Share of the content words of each that the other statement, with its headings, must hold."""
_MIN_WORDS = 2
_COMPARED = (FactKind.NUMBER, FactKind.DATE, FactKind.TIME)
_ABOUT_BEFORE = re.compile(
    r"(?:(?<![가-힣])(?:약|대략|거의)|\b(?:about|approximately|around|roughly|nearly|almost|some))\s?\Z", re.IGNORECASE
)
_ABOUT_AFTER = re.compile(r"\s?(?:정도|쯤|가량|내외|안팎)")
_ABOUT_WITHIN = re.compile(r"\d여")
_BEFORE_CHANGE = re.compile(
    r"종전|(?:개정|변경|인상|인하|조정)\s?(?:이전|전)(?![가-힣])|\b(?:formerly|previously|used to)\b", re.IGNORECASE
)
"""A statement of what held before it was changed."""
_COMPARING = re.compile(
    r"[가-힣A-Za-z0-9]보다|(?<!오)(?<!하)늘(?=[어었었려렸린고며])|줄(?=[어었려렸인여였임]|고 )|인상|인하|상향|하향|증가|감소"
    r"|종전|전년|전월|전분기|오른|올랐|내렸|내린|차이"
    r"|\b(?:than|compared|versus|increas\w*|decreas\w*|rais\w*|reduc\w*|(?:up|down) from|previous\w*|formerly|whereas)\b",
    re.IGNORECASE,
)
"""Words that set values beside each other."""

UnitsOf = Callable[[int], Sequence[Unit]]


@dataclass(frozen=True, slots=True)
class Conflict:
    """A statement of the passage at `index`, at `spans`, that differs from what the passage at `cited` says."""

    cited: int
    index: int
    spans: tuple[tuple[int, int], ...]


def conflicts_of(
    sentence: Sentence, passages: Sequence[Passage], units_of: UnitsOf, *, allow_superseded: bool
) -> list[Conflict]:
    """For each passage of another document, its statement that contradicts what the sentence quotes.

    Of what a sentence compares, no source contradicts another.

    Args:
        units_of: what can be quoted of the passage at an index.
    """
    found: dict[int, Conflict] = {}
    cited = {id(item.passage) for item in sentence.citations}
    for index, unit in _quoted_units(sentence.citations, passages, units_of):
        if len(unit.terms) < _MIN_WORDS or not _values(unit):
            continue
        for other, passage in enumerate(passages):
            same = _same_document(passages[index], passage)
            if same or other in found:
                continue
            if passage.source.valid_to is not None and not allow_superseded:
                continue
            if not _may_say_the_same(unit, passage):
                continue
            rival = next((item for item in units_of(other) if contradict(unit, item)), None)
            if rival is not None and not (id(passage) in cited and _compares(sentence.text, [unit.whole, rival.whole])):
                found[other] = Conflict(index, other, rival.spans)
    return list(found.values())


def sources_of(
    claim: Claim,
    found: list[Alignment],
    passages: Sequence[Passage],
    judged: Callable[[Sequence[Alignment]], Judgement],
) -> tuple[list[Alignment], Judgement]:
    """What a claim stands on, and how. Left out are documents that say otherwise, unless the claim compares, or needs one."""
    statements = ["\n".join(unit.whole for unit in item.units) for item in found]
    agreeing = list(found) if _compares(claim.text, statements) else _agreeing(claim, found, passages)
    judgement = judged(agreeing)
    if len(agreeing) < len(found) and judgement.problems:
        whole = judged(found)
        if not set(judgement.problems) <= set(whole.problems):
            return found, whole
    return agreeing, judgement


def _agreeing(claim: Claim, found: Sequence[Alignment], passages: Sequence[Passage]) -> list[Alignment]:
    """Without documents that state another value where one of the others states the claim's: those hold less of its facts, and
    are shown beside it with their own."""
    held = [{fact for fact in claim.facts if any(unit.holds_fact(fact) for unit in item.units)} for item in found]

    def is_contrary(number: int) -> bool:
        item = found[number]
        return any(
            held[number] < held[place]
            and not _same_document(passages[other.index], passages[item.index])
            and any(contradict(one, unit) for one in other.units for unit in item.units)
            for place, other in enumerate(found)
        )

    return [item for number, item in enumerate(found) if not is_contrary(number)]


def _compares(text: str, statements: Sequence[str]) -> bool:
    """Whether a sentence compares what its sources state, which differ because it says so; where all of them have the word
    (`인상률`, `more than 10 days`), it is a part of what they state."""
    read = [statement.lower() for statement in statements]
    return any(not all(match[0].lower() in one for one in read) for match in _COMPARING.finditer(text))


def _same_document(one: Passage, other: Passage) -> bool:
    return (one.source.document_id, one.source.version_id) == (other.source.document_id, other.source.version_id)


def _quoted_units(
    citations: Sequence[Citation], passages: Sequence[Passage], units_of: UnitsOf
) -> list[tuple[int, Unit]]:
    places = {id(passage): index for index, passage in enumerate(passages)}
    quoted = []
    for item in citations:
        index = places[id(item.passage)]
        quoted += [
            (index, unit) for unit in units_of(index) if unit.spans[-1][0] < item.end and item.start < unit.spans[-1][1]
        ]
    return list({(index, unit.spans): (index, unit) for index, unit in quoted}.values())


def _may_say_the_same(unit: Unit, passage: Passage) -> bool:
    """Whether a passage has most of the unit's words anywhere; told without analysing it."""
    whole = squeeze(passage.chunk.search_text)
    return sum(term in whole for term in unit.terms) >= (_SAME_WORDS - 0.25) * len(unit.terms)


def contradict(one: Unit, other: Unit) -> bool:
    """Whether two statements are about the same and differ in all values of one unit.

    Limits from two sides, a value that is about right and statements of two years or of before a change do not differ.
    """
    if min(_share(one, other), _share(other, one)) < _SAME_WORDS:
        return False
    if not all(other.holds_name(name) for name in names_of(one.whole)):
        return False
    if not all(one.holds_name(name) for name in names_of(other.whole)):
        return False
    if bool(_BEFORE_CHANGE.search(one.text)) != bool(_BEFORE_CHANGE.search(other.text)):
        return False
    mine, others = _values(one), _values(other)
    differing = {key for key in mine.keys() & others.keys() if _differ(mine[key], others[key])}
    if any(kind is not FactKind.DATE for kind, _ in differing) and _of_other_years(mine, others):
        return False
    return bool(differing)


def _share(one: Unit, other: Unit) -> float:
    """How much of the words of `one` stands in the other, its headings included."""
    words = one.terms
    held = sum(other.holds_term(term) or term in other.squeezed_around for term in words)
    return held / len(words) if words else 0.0


@dataclass(frozen=True, slots=True)
class _Value:
    """A value that a statement gives; `sides` as `limits_of` has them, `about` where it is said to be near only."""

    fact: Fact
    sides: frozenset[str]
    about: bool

    def equals(self, other: _Value) -> bool:
        """The same value; of dates, all that both say."""
        if self.fact.kind is FactKind.DATE:
            pairs = zip(self.fact.parts, other.fact.parts, strict=True)
            return all(mine == its or not (mine and its) for mine, its in pairs)
        return self.fact.number == other.fact.number

    def is_comparable(self, other: _Value) -> bool:
        """Whether only one of both can be right where they are not equal."""
        return self.about == other.about and not from_two_sides(self.sides, other.sides)


_Values = dict[tuple[FactKind, str], list[_Value]]


def _differ(mine: Sequence[_Value], others: Sequence[_Value]) -> bool:
    pairs = [(one, other) for one in mine for other in others]
    return any(one.is_comparable(other) for one, other in pairs) and not any(one.equals(other) for one, other in pairs)


def _of_other_years(mine: _Values, others: _Values) -> bool:
    years, its_years = (
        {value.fact.parts[0] for value in values.get((FactKind.DATE, ""), ()) if value.fact.parts[0]}
        for values in (mine, others)
    )
    return bool(years and its_years) and not years & its_years


def _values(unit: Unit) -> _Values:
    """Values by kind and unit. What has no unit is a number of anything."""
    found: _Values = {}
    read, limits = plain(unit.text), dict(limits_of(unit.text))
    for fact in facts_of(unit.text):
        if fact.written and fact.kind in _COMPARED and (fact.unit or fact.kind is not FactKind.NUMBER):
            about = _ABOUT_BEFORE.search(read[: fact.start]) or _ABOUT_AFTER.match(read, fact.end)
            about = about or _ABOUT_WITHIN.search(fact.written)
            value = _Value(fact, limits.get(fact, frozenset()), bool(about))
            found.setdefault((fact.kind, fact.unit), []).append(value)
    return found
