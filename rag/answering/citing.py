"""Where in a passage a sentence stands: the sentences, table rows or code lines that hold its facts, names and words.

A quote is never less than a sentence: a narrower one would cut off the condition or the negation that it ends with.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property, partial
from operator import mul

from rag.answering.contract_names import names_of
from rag.domain.answer import occurs
from rag.domain.fact_reading import facts_of, periods_of, plain
from rag.domain.facts import Fact, holds
from rag.domain.language import Language
from rag.domain.passage import Passage
from rag.domain.provision import provision_label
from rag.domain.told_places import code_names_of
from rag.text.normalize import normalize_text
from rag.text.sentences import split_sentences

TermsOf = Callable[[str], Collection[str]]

FACT_WEIGHT = 3.0
"""What a fact or a name counts against a word, whose weight is from 1: a sentence with the right number is the right one."""
_HEADING_SHARE = 0.5
"""What a word counts that only the heading above the unit holds."""
_MIN_GAIN = 0.2
"""Share of the sentence's weight that a further unit must add, unless it alone states a fact of it and of whom it is said."""
_BESIDE = 0.2
"""What a unit loses, at most, by what it says beside the claim: of equal ones the narrower is the one meant."""
_MAX_UNITS = 4
_CODE_LINES = 14
_BLANKS = re.compile(r"\s+")
_RULE = frozenset("|-: ")
_LEAD = re.compile(r"다음 각 |다음과 같|아래와 같|다음의 |(?:following|as follows)[^.]*[.:]$|:$")
_ITEM = re.compile(r"(?:\d{1,2}[.)]|[가-하][.)]|\(\d{1,2}\)|[-*•○▪])\s")
_PARAGRAPH = re.compile(r"[①-⑳]|\d+(?:\.\d+)+\s|제\d+조")
_EXCEPTION = re.compile(r"다만|이 경우|단,|However|Except")
"""A second sentence of an item, which the lead is not said of."""

Offsets = tuple[int, int]


@dataclass(frozen=True)
class Unit:
    """What can be quoted by itself: a sentence; a list's item with its lead; a table row with its header; lines of code.

    Attributes:
        spans: where it stands in the passage's text, lead or header first.
        lead: the sentence that introduces the list that it is an item of; it may say that all of it is forbidden.
        text: its words, the lead's left out; lines that only the page's width broke are one.
        around: the headings and the title above it, which say what it is about.
        language: of its passage.
    """

    spans: tuple[Offsets, ...]
    lead: str
    text: str
    around: str
    language: Language
    terms_of: TermsOf = field(repr=False)

    @property
    def whole(self) -> str:
        """Lead and text."""
        return f"{self.lead}\n{self.text}" if self.lead else self.text

    @cached_property
    def terms(self) -> frozenset[str]:
        """Its content words."""
        return words_in(self.whole, self.terms_of)

    @cached_property
    def squeezed(self) -> str:
        """Its characters in one spelling, for words that an analyzer cuts otherwise here than elsewhere."""
        return squeeze(self.whole)

    @cached_property
    def squeezed_around(self) -> str:
        """The same of what stands above it."""
        return squeeze(self.around)

    @cached_property
    def facts(self) -> tuple[Fact, ...]:
        """What it states, and what its place in the document adds to that."""
        return (*facts_of(self.whole), *facts_of(self.around), *periods_of(self.whole))

    @cached_property
    def spelled(self) -> str:
        """Its text and what stands above, for names."""
        return plain(f"{self.whole}\n{self.around}").lower()

    @property
    def units_told(self) -> bool:
        """Whether its numbers name their units, which source code's do not."""
        return self.language is not Language.CODE

    def holds_term(self, term: str) -> bool:
        """Whether it holds a content word."""
        return term in self.terms or (len(term) > 1 and term in self.squeezed)

    def share_of_term(self, term: str) -> float:
        """1 for a word of its own, less for one of its headings."""
        if self.holds_term(term):
            return 1.0
        return _HEADING_SHARE if len(term) > 1 and term in self.squeezed_around else 0.0

    def holds_fact(self, fact: Fact) -> bool:
        """Whether it states a fact."""
        return holds(fact, self.facts, units_told=self.units_told)

    def holds_name(self, name: str) -> bool:
        """Whether a name stands in it."""
        return occurs(name.lower(), self.spelled)


@dataclass(frozen=True)
class Claim:
    """A proposed sentence, read.

    Attributes:
        terms: its content words, without numbers.
    """

    text: str
    terms: frozenset[str]
    facts: tuple[Fact, ...]
    names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Alignment:
    """The units of one passage that a claim stands on, in reading order; `score`: how much of the claim they hold."""

    index: int
    units: tuple[Unit, ...]
    score: float

    @property
    def spans(self) -> tuple[Offsets, ...]:
        """Their places, each once; neighbours on the same line as one."""
        return tuple(dict.fromkeys(span for unit in self.units for span in unit.spans))


def squeeze(text: str) -> str:
    """`text` in one spelling, without blanks and case."""
    return _BLANKS.sub("", normalize_text(text)).lower()


def words_in(text: str, terms_of: TermsOf) -> frozenset[str]:
    """The content words of `text`; facts are compared by their value, so they and their units are left out."""
    read = plain(text)
    # A digit stands in for each, so that the words around it are read as before: `1회 한도`, `90%를`.
    pieces, last = list[str](), 0
    for fact in sorted(facts_of(text), key=lambda item: item.start):
        if fact.start >= last:
            pieces += (read[last : fact.start], "0")
            last = fact.end
    read = "".join((*pieces, read[last:]))
    return frozenset(term for term in terms_of(read) if not _is_number(term))


def _is_number(term: str) -> bool:
    return any(character.isdigit() for character in term) and not re.search("[a-z]", term)


def claim_of(text: str, terms_of: TermsOf) -> Claim:
    """`text` as a claim."""
    return Claim(text, words_in(text, terms_of), facts_of(text), names_of(text))


def units_of(passage: Passage, terms_of: TermsOf) -> tuple[Unit, ...]:
    """What can be quoted of a passage, in reading order."""
    chunk = passage.chunk

    def unit(lead: Offsets | None, *spans: Offsets) -> Unit:
        pieces = [chunk.text[start:end] for start, end in spans]
        text = "\n".join(pieces) if len(pieces) > 1 or chunk.language is Language.CODE else pieces[0].replace("\n", " ")
        above = chunk.text[slice(*lead)].replace("\n", " ") if lead else ""
        places = (lead, *spans) if lead else spans
        return Unit(places, above, text, _around(passage, spans[-1]), chunk.language, terms_of)

    if chunk.language is Language.CODE:
        return tuple(unit(None, span) for span in _code_spans(chunk.text))
    return tuple(unit(lead, *spans) for lead, spans in _with_leads(chunk.text, _quotable(chunk.text, chunk.language)))


def _with_leads(
    text: str, quotable: Iterator[tuple[Offsets, ...]]
) -> Iterator[tuple[Offsets | None, tuple[Offsets, ...]]]:
    """Each with the sentence that introduces its list: from `다음 각 호와 같다` to the next sentence that is no item of it."""
    lead: Offsets | None = None
    marked: bool | None = None
    for spans in quotable:
        piece = text[slice(*spans[0])]
        is_item = bool(_ITEM.match(piece))
        if len(spans) > 1 or _PARAGRAPH.match(piece) or (marked and not is_item and not _EXCEPTION.match(piece)):
            lead = None
        yield lead if lead and not _EXCEPTION.match(piece) else None, spans
        if lead is not None and marked is None:
            marked = is_item
        if _LEAD.search(piece) and len(spans) == 1:
            lead, marked = spans[0], None


def _around(passage: Passage, span: Offsets) -> str:
    chunk = passage.chunk
    paths = [mark.path for mark in chunk.provisions if mark.start < span[1]]
    provision = provision_label(paths[-1]) if paths else ""
    return "\n".join((passage.source.title, *chunk.heading_path, provision, *code_names_of(passage)))


def _quotable(text: str, language: Language) -> Iterator[tuple[Offsets, ...]]:
    table: list[Offsets] = []
    for span in split_sentences(text, language):
        row = text[slice(*span)]
        is_row = row.startswith("|") and row.endswith("|") and row.count("|") > 2
        if table and (not is_row or text.count("\n", table[-1][1], span[0]) > 1):
            yield from _rows(text, table)
            table = []
        if is_row:
            table.append(span)
        else:
            yield (span,)
    yield from _rows(text, table)


def _rows(text: str, table: Sequence[Offsets]) -> Iterator[tuple[Offsets, ...]]:
    """Each row with its header; the header alone when there is nothing below it."""
    rows = [span for span in table if not set(text[slice(*span)]) <= _RULE]
    if rows:
        header, *rest = rows
        yield from ((header, row) for row in rest)
        if not rest:
            yield (header,)


def _code_spans(text: str) -> Iterator[Offsets]:
    """Runs of lines between blank ones, long ones in pieces."""
    for block in re.finditer(r"[^\n]*\S[^\n]*(?:\n[^\n]*\S[^\n]*)*", text):
        lines = list(re.finditer(r"[^\n]+", block[0]))
        for first in range(0, len(lines), _CODE_LINES):
            piece = lines[first : first + _CODE_LINES]
            yield (block.start() + piece[0].start(), block.start() + piece[-1].end())


def weights_for(claim: Claim, units: Sequence[Unit]) -> dict[str, float]:
    """What each word of the claim weighs: 1 for one that all units hold, more for a rare one; none more than one held once."""
    count = len(units)
    found = {}
    for term in claim.terms:
        holding = max(1, sum(unit.holds_term(term) for unit in units))
        found[term] = 1.0 + math.log((count + 1) / (holding + 1))
    return found


def word_share(units: Collection[Unit], weights: dict[str, float]) -> float:
    """How much of the words the units hold together, 0 to 1; 1 where there are none."""
    total = sum(weights.values())
    held = sum(
        weight * max((unit.share_of_term(term) for unit in units), default=0.0) for term, weight in weights.items()
    )
    return held / total if total else 1.0


def aligned(claim: Claim, index: int, units: Sequence[Unit], weights: dict[str, float]) -> Alignment:
    """The unit that holds the most of the claim, and the few others that add to it."""
    parts = _parts(claim, weights)
    held = [[share(unit) for _, share in parts] for unit in units]
    beside = [_BESIDE * len(unit.terms - claim.terms) / max(1, len(unit.terms)) for unit in units]
    left = [weight for weight, _ in parts]
    total = sum(left) or 1.0
    chosen: list[int] = []
    score = 0.0
    while len(chosen) < _MAX_UNITS:
        gains = [
            sum(map(mul, shares, left)) - _far(number, chosen) - beside[number] for number, shares in enumerate(held)
        ]
        number = max(range(len(units)), key=lambda item: (gains[item], -item), default=-1)
        if number < 0 or gains[number] <= 0.0:
            break
        others = [units[item] for item in chosen]
        if others and gains[number] < _MIN_GAIN * total and not _adds_a_statement(units[number], others, claim):
            break
        score += sum(map(mul, held[number], left))
        left = [rest * (1.0 - share) for rest, share in zip(left, held[number], strict=True)]
        chosen.append(number)
    return Alignment(index, tuple(units[number] for number in sorted(chosen)), score / total)


def _adds_a_statement(unit: Unit, chosen: Sequence[Unit], claim: Claim) -> bool:
    """Whether a unit states a fact of the claim that none of the chosen does, and of something that none of them names.

    The second of two rules in one sentence: a small share of a long one, but nothing else holds it.
    """
    return any(
        unit.holds_fact(fact) and not any(other.holds_fact(fact) for other in chosen) for fact in claim.facts
    ) and any(unit.holds_term(term) and not any(other.holds_term(term) for other in chosen) for term in claim.terms)


def _parts(claim: Claim, weights: dict[str, float]) -> list[tuple[float, Callable[[Unit], float]]]:
    """What a unit can hold of a claim, what it weighs, and how much of it a unit holds."""
    return [
        *((weight, partial(Unit.share_of_term, term=term)) for term, weight in weights.items()),
        *((FACT_WEIGHT, partial(Unit.holds_fact, fact=fact)) for fact in claim.facts),
        *((FACT_WEIGHT, partial(Unit.holds_name, name=name)) for name in claim.names),
    ]


def _far(number: int, chosen: Sequence[int]) -> float:
    """A small cost for a unit away from those chosen, so that of equal ones the neighbour is taken."""
    return 0.01 * min(5, min((abs(number - other) for other in chosen), default=0))
