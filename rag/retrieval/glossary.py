"""Which terms of the glossaries a question holds, and what they add to the search."""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from threading import Lock
from uuid import UUID

from rag.domain.glossary import GlossaryEntry
from rag.domain.principal import Permit
from rag.store import glossary as glossary_table
from rag.store.session import Database
from rag.text.kiwi import shared_kiwi
from rag.text.normalize import clean_characters

_KEPT = 256
"""Glossaries held in memory: of 10,000 terms some 5 MB each, of the usual hundred some 50 KB."""
_MAX_FOUND = 20
"""Terms of one question that are followed."""
_KEY = 2
_HANGUL = re.compile("[가-힣]")
_JOINS = re.compile(r"[A-Za-z0-9_]")
_TAIL = re.compile("[가-힣]*")
_LONG_WORD = 4
"""Hangul syllables from which on a term that begins a longer word is taken for a part of it (`자보법시행령`, `국민건강보험` +
`공단`); shorter ones need Kiwi to see the seam, or a particle behind them."""
_PARTICLE = re.compile(
    "(?:은|는|이|가|을|를|의|에|에서|에게|로|으로|와|과|도|만|까지|부터|보다|상|상의|하의|내|및|등|등의|란|이란|이나|나|라도|라면|이면"
    "|인지|이라는|라는|에는|에도|에만|에서는|에서도|으로는|로는|처럼|같은|별|용|에따른|에따라)(?:은|는|도|만|의)?"
)
"""What follows a noun in a question, where Kiwi reads an unknown abbreviation and its particle as one word."""


@dataclass(frozen=True, slots=True)
class GlossaryMatch:
    """A term that stands in a question.

    Attributes:
        found: as the question has it.
        added: what else the glossary calls it.
    """

    found: str
    added: tuple[str, ...]


class CompiledGlossary:
    """A glossary by the first two characters of everything that a question may say: terms, and their expansions."""

    def __init__(self, entries: Sequence[GlossaryEntry]) -> None:
        self._by_start: dict[str, dict[str, dict[str, None]]] = {}
        for entry in entries:
            self._add(entry.term, entry.expansions)
            for expansion in entry.expansions:
                self._add(expansion, (entry.term,))

    def _add(self, form: str, others: Iterable[str]) -> None:
        folded = fold(form)
        forms = self._by_start.setdefault(folded[:_KEY], {})
        forms.setdefault(folded, {}).update(dict.fromkeys(item for item in others if fold(item) != folded))

    def at(self, folded: str, start: int) -> Iterator[tuple[str, tuple[str, ...]]]:
        """Forms that stand at `start` of a folded question, longest first, with what they add."""
        forms = self._by_start.get(folded[start : start + _KEY], {})
        for form in sorted(forms, key=len, reverse=True):
            if folded.startswith(form, start):
                yield form, tuple(forms[form])


def fold(text: str) -> str:
    """The form in which terms are compared: case and the kind of blank don't count."""
    return " ".join(clean_characters(text).casefold().split())


def matches(question: str, glossaries: Sequence[CompiledGlossary]) -> list[GlossaryMatch]:
    """The terms that stand in `question` as words of their own, in order, the longest at each place, each once."""
    folded = fold(question)
    seams: set[int] | None = None
    found: dict[str, dict[str, None]] = {}
    covered = 0
    for start in range(len(folded)):
        if start < covered:
            continue
        here = [item for glossary in glossaries for item in glossary.at(folded, start)]
        for form, others in sorted(here, key=lambda item: -len(item[0])):
            if len(form) < covered - start:
                break
            if seams is None:
                seams = _seams(folded)
            if _begins(folded, start, seams) and _ends(folded, start, start + len(form), seams):
                covered = start + len(form)
                found.setdefault(form, {}).update(dict.fromkeys(others))
        if len(found) >= _MAX_FOUND:
            break
    return [GlossaryMatch(form, tuple(others)) for form, others in found.items() if others]


def _seams(text: str) -> set[int]:
    """Where a morpheme begins or ends."""
    if not _HANGUL.search(text):
        return set()
    tokens = shared_kiwi().tokenize(text)
    return {token.start for token in tokens} | {token.start + token.len for token in tokens}


def _begins(text: str, start: int, seams: set[int]) -> bool:
    before, first = text[start - 1 : start], text[start]
    if _HANGUL.match(first):
        return not _HANGUL.match(before) or start in seams
    return not (_JOINS.match(before) and _JOINS.match(first))


def _ends(text: str, start: int, end: int, seams: set[int]) -> bool:
    last, after = text[end - 1], text[end : end + 1]
    if not _HANGUL.match(last):
        return not (_JOINS.match(last) and _JOINS.match(after))
    if not _HANGUL.match(after) or end in seams or len(_HANGUL.findall(text[start:end])) >= _LONG_WORD:
        return True
    tail = _TAIL.match(text, end)
    return tail is not None and _PARTICLE.fullmatch(tail[0]) is not None


class Glossaries:
    """The glossaries of a permit, kept compiled until they are put anew. Thread-safe."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._kept: OrderedDict[UUID, tuple[datetime, CompiledGlossary]] = OrderedDict()
        self._guard = Lock()

    def of(self, permit: Permit) -> list[CompiledGlossary]:
        """Those of the permit's collections. The record is asked each time whether they are still the same."""
        found: list[CompiledGlossary] = []
        with self._database.read() as session:
            revisions = glossary_table.revisions(session, permit)
            for key in sorted(revisions):
                compiled = self._known(key, revisions[key])
                if compiled is None:
                    compiled = CompiledGlossary(glossary_table.entries_of(session, permit, key))
                    self._keep(key, revisions[key], compiled)
                found.append(compiled)
        return found

    def _known(self, key: UUID, instant: datetime) -> CompiledGlossary | None:
        with self._guard:
            known = self._kept.get(key)
            if known is None or known[0] != instant:
                return None
            self._kept.move_to_end(key)
            return known[1]

    def _keep(self, key: UUID, instant: datetime, compiled: CompiledGlossary) -> None:
        with self._guard:
            self._kept[key] = (instant, compiled)
            while len(self._kept) > _KEPT:
                self._kept.popitem(last=False)
