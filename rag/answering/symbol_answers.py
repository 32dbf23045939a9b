"""Answers that the syntax of code gives: each place that uses, calls, tests or defines a name, as the lines that stand there."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from rag.access.personal_data.reading import read_masked
from rag.answering.code_questions import CodeQuestion, Wanted, code_question
from rag.answering.module_answers import own_words
from rag.answering.prepared import FOUND, SYMBOLS, Prepared
from rag.domain.anchor import LineAnchor
from rag.domain.answer import Note
from rag.domain.code_places import Definition, Spot, Use
from rag.domain.errors import SymbolNotFound
from rag.domain.language import CollectionKind
from rag.domain.passage import Passage
from rag.domain.principal import Permit
from rag.generation.base import Draft, Span
from rag.generation.code_quotes import quoted_lines
from rag.retrieval.code_navigation import CodeNavigator
from rag.retrieval.service import Retriever
from rag.retrieval.understanding import QuestionContext
from rag.store import collection as collections_table
from rag.store.session import Database
from rag.text.question import QuestionReader

_MOST_USES = 50
_DEFINITIONS = 3
"""Definitions of the name that are shown before its uses."""
_HEAD = 4
"""Lines of a definition's head that are shown."""
_TOP = 8
"""Lines below it where the definition itself is asked for."""


class _Found(NamedTuple):
    """Places in the order in which they are told, what is said of them in the trace, and whether they are all of the answer."""

    spots: Sequence[Spot]
    told: str
    listing: bool = True
    passages: Sequence[Passage] = ()


@dataclass(frozen=True, slots=True)
class SymbolAnswerer:
    """Prepares answers from the symbol index. Thread-safe."""

    database: Database
    navigator: CodeNavigator
    retriever: Retriever
    reader: QuestionReader

    def prepared(
        self, permit: Permit, question: str, passages: int, context: QuestionContext | None = None
    ) -> Prepared | None:
        """Places and quotations; None where the question asks for none, or the code that the permit covers has no such name.

        Args:
            passages: how many the answer may draw on.
        """
        asked = code_question(question)
        if asked is None or not self._may_mean_code(permit, asked):
            return None
        found = self._found(permit, asked, passages)
        if found is None:
            return None
        hybrid = self.retriever.search(permit, question, limit=passages, context=context)
        chosen, drafts = self._quoted(permit, found, passages)
        if not drafts:
            return None
        known = {item.chunk.id for item in chosen}
        others = [item for item in hybrid.passages if item.chunk.id not in known]
        every = tuple(item.at(rank) for rank, item in enumerate((*chosen, *others)[:passages], start=1))
        search = hybrid.showing(every)
        return Prepared(search, drafts, FOUND, found.listing, (Note(SYMBOLS, found.told),))

    def _may_mean_code(self, permit: Permit, asked: CodeQuestion) -> bool:
        """A plain word is the name of something in code only where code alone is asked."""
        with self.database.read() as session:
            kinds = {kind for _, kind in collections_table.kinds(session, permit)}
        return CollectionKind.CODE in kinds and (asked.sure or len(kinds) == 1)

    def _found(self, permit: Permit, asked: CodeQuestion, passages: int) -> _Found | None:
        try:
            match asked.wanted:
                case Wanted.USES:
                    found = self.navigator.uses(permit, asked.name, limit=_MOST_USES)
                case Wanted.CALLERS:
                    found = self.navigator.callers(permit, asked.name, limit=_MOST_USES)
                case Wanted.TESTS:
                    found = self.navigator.tests(permit, asked.name, limit=_MOST_USES)
                case Wanted.DEFINITION:
                    return _defined(self.navigator.definitions(permit, asked.name, limit=passages), asked)
                case Wanted.CALLEES:
                    return self._callees(permit, asked)
                case Wanted.MODULE:
                    return self._module(permit, asked, passages)
        except SymbolNotFound:
            return None
        if not found.uses:
            return None
        more = "+" if found.more else ""
        heads = [_head(item) for item in found.definitions[:_DEFINITIONS]]
        return _Found([*heads, *(use.spot for use in found.uses)], _told(asked, f"{len(found.uses)}{more}", found.uses))

    def _callees(self, permit: Permit, asked: CodeQuestion) -> _Found | None:
        found = self.navigator.callees(permit, asked.name, limit=_MOST_USES)
        if not found:
            return None
        calls = [use.spot for item in found for use in item.uses]
        heads = [_head(item.definitions[0]) for item in found if item.definitions]
        return _Found([*calls, *heads], _told(asked, str(len(found)), [use for item in found for use in item.uses]))

    def _module(self, permit: Permit, asked: CodeQuestion, passages: int) -> _Found | None:
        # By the words of its own outline: those of the question say that it is to be explained, and not what it is about.
        found = self.navigator.explain(permit, asked.name, passages=passages)
        if not found.passages:
            return None
        told = f"module {asked.name}: {len(found.files)}{'+' if found.more else ''} files, {len(found.importers)} importers"
        with self.database.read() as session:
            own, told_itself = own_words(session, permit, found, passages)
        importers = [use.spot for use in found.importers[:_DEFINITIONS]]
        if told_itself:
            return _Found([*own, *importers], told, listing=False)
        ordered = sorted(found.passages, key=lambda item: (item.source.source_key, item.ordinals))
        return _Found(importers, told, listing=False, passages=ordered)

    def _quoted(self, permit: Permit, found: _Found, most: int) -> tuple[list[Passage], tuple[Draft, ...]]:
        """The passages that hold the places, in the order of the places, and a quotation of each."""
        passages = list(found.passages[:most])
        drafts = [Draft(self._heads(passage, place)) for place, passage in enumerate(passages)]
        ids = list(dict.fromkeys(spot.chunk_id for spot in found.spots))
        with self.database.read() as session:
            read = read_masked(session, permit, ids)
        for chunk_id in ids:
            located = read.get(chunk_id)
            if located is None or len(passages) >= most:
                continue
            passage = Passage(1, 1.0, located.chunk, located.source)
            spans = _spans(passage, [item for item in found.spots if item.chunk_id == chunk_id], len(passages))
            if spans:
                passages.append(passage)
                drafts.append(Draft(spans))
        return passages, tuple(draft for draft in drafts if draft.spans)

    def _heads(self, passage: Passage, place: int) -> tuple[Span, ...]:
        """What a definition says of itself."""
        [(first, last), *_] = quoted_lines(passage, {}, self.reader.terms_of)
        return _line_spans(passage, [(first, last - 1)], place)


def _defined(found: Sequence[Definition], asked: CodeQuestion) -> _Found | None:
    """Definitions of just this name; what only begins like it was not asked for."""
    last = asked.name.replace("::", ".").replace("#", ".").rpartition(".")[2]
    exact = [item for item in found if item.symbol.name == last]
    return _Found([_top(item) for item in exact], f"definitions of {asked.name}: {len(exact)}") if exact else None


def _top(item: Definition) -> Spot:
    """A definition from its comment or decorators on, as far as `_TOP` lines below its name."""
    spot, symbol = item.spot, item.symbol
    return Spot(spot.source, spot.chunk_id, min(symbol.first, spot.first), min(symbol.last, spot.last + _TOP), "")


def _head(item: Definition) -> Spot:
    """The first lines of a definition's head."""
    spot = item.spot
    last = min(spot.last, spot.first + _HEAD - 1)
    return Spot(spot.source, spot.chunk_id, spot.first, last, "\n".join(spot.text.split("\n")[: last - spot.first + 1]))


def _told(asked: CodeQuestion, count: str, uses: Iterable[Use]) -> str:
    """What was looked up, in words of the code alone."""
    sure = sorted({use.sure.value for use in uses})
    return f"{asked.wanted.value} of {asked.name}: {count} ({', '.join(sure)})"


def _spans(passage: Passage, spots: Sequence[Spot], place: int) -> tuple[Span, ...]:
    """The lines of places, as spans of the passage that holds them: ascending, neighbours as one."""
    anchor = passage.chunk.anchor
    if not isinstance(anchor, LineAnchor) or passage.chunk.line_anchors:
        return ()
    numbers = {number for spot in spots for number in range(spot.first, spot.last + 1)}
    inside = sorted(number - anchor.first for number in numbers if anchor.first <= number <= anchor.last)
    runs: list[tuple[int, int]] = []
    for number in inside:
        if runs and runs[-1][1] == number - 1:
            runs[-1] = (runs[-1][0], number)
        else:
            runs.append((number, number))
    return _line_spans(passage, runs, place)


def _line_spans(passage: Passage, runs: Sequence[tuple[int, int]], place: int) -> tuple[Span, ...]:
    """Lines `first`..`last` of a passage, from 0, as spans; without those that hold nothing to be seen."""
    text = passage.chunk.text
    starts = [0]
    for line in text.split("\n"):
        starts.append(starts[-1] + len(line) + 1)
    spans = [Span(place, starts[first], starts[last + 1] - 1) for first, last in runs if last + 1 < len(starts)]
    return tuple(span for span in spans if text[span.start : span.end].strip())
