"""Sources that contradict each other: the same statement in another document, with another value."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from rag.answering.citing import Alignment, Claim, Unit, squeeze
from rag.answering.contract_names import names_of
from rag.domain.answer import Citation, Sentence
from rag.domain.facts import Fact, FactKind
from rag.domain.passage import Passage

CONTRADICTION = "contradiction"
"""Kind of the note that two documents that an answer shows say otherwise."""
_SAME_WORDS = 0.75
"""Share of the content words of each that the other statement, with its headings, must hold."""
_MIN_WORDS = 2
_COMPARED = (FactKind.NUMBER, FactKind.DATE, FactKind.TIME)

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

    Args:
        units_of: what can be quoted of the passage at an index.
    """
    found: dict[int, Conflict] = {}
    for index, unit in _quoted_units(sentence.citations, passages, units_of):
        if len(unit.terms) < _MIN_WORDS or not _values(unit):
            continue
        for other, passage in enumerate(passages):
            same = _same_document(passages[index], passage)
            if same or other in found or (passage.source.valid_to is not None and not allow_superseded):
                continue
            if not _may_say_the_same(unit, passage):
                continue
            rival = next((item for item in units_of(other) if contradict(unit, item)), None)
            if rival is not None:
                found[other] = Conflict(index, other, rival.spans)
    return list(found.values())


def agreeing(claim: Claim, found: Sequence[Alignment], passages: Sequence[Passage]) -> list[Alignment]:
    """What a claim stands on, without documents that state another value where one of the others states the claim's: those hold
    less of its facts, and are shown beside it with their own."""
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
    """Whether two statements are about the same and differ in all values of one unit."""
    if min(_share(one, other), _share(other, one)) < _SAME_WORDS:
        return False
    if not all(other.holds_name(name) for name in names_of(one.whole)):
        return False
    if not all(one.holds_name(name) for name in names_of(other.whole)):
        return False
    mine, others = _values(one), _values(other)
    shared = mine.keys() & others.keys()
    return any(not mine[key] & others[key] for key in shared)


def _share(one: Unit, other: Unit) -> float:
    """How much of the words of `one` stands in the other, its headings included."""
    words = one.terms
    held = sum(other.holds_term(term) or term in other.squeezed_around for term in words)
    return held / len(words) if words else 0.0


def _values(unit: Unit) -> dict[tuple[FactKind, str], frozenset[str]]:
    """Values by kind and unit. Dates count as whole; what has no unit is a number of anything."""
    found: dict[tuple[FactKind, str], set[str]] = {}
    own: Sequence[Fact] = [fact for fact in unit.facts if fact.written and fact.written in unit.text]
    for fact in own:
        if fact.kind in _COMPARED and (fact.unit or fact.kind is not FactKind.NUMBER):
            value = "-".join(fact.parts) or str(fact.number)
            found.setdefault((fact.kind, fact.unit), set()).add(value)
    return {key: frozenset(values) for key, values in found.items()}
