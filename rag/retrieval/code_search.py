"""`search_code`: by words, by regular expression, by symbol; narrowed to repositories, paths, languages and definitions."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import NamedTuple
from uuid import UUID

from sqlalchemy.orm import Session

from rag.access.personal_data.reading import read_masked
from rag.domain.code_places import CodeMatch, CodeMatches, CodeScope, Spot
from rag.domain.errors import InvalidRequest, PatternRefused
from rag.domain.passage import LocatedChunk, Passage
from rag.domain.principal import Permit
from rag.retrieval.code_lines import CONTEXT, FileLines, lines_of, read_files, read_lines, spoken
from rag.retrieval.code_names import asked_name
from rag.retrieval.code_navigation import EVERYTHING, CodeNavigator
from rag.retrieval.code_scope import ScopedPermit, language_of, scoped
from rag.retrieval.service import Retriever
from rag.retrieval.understanding import QuestionContext
from rag.store import code_query
from rag.store.code_query import FileRow, SymbolRow
from rag.store.session import Database
from rag.text.identifiers import identifier_terms
from rag.text.linear_pattern import LinearPattern

SECONDS = 2.0
"""Longest look through files for a pattern; what was found until then is the answer, and says that it is not all."""
_FILES = 500
"""Files that the database looks through at once, between two looks at the clock."""
_CHUNKS = 200
"""Pieces that are in memory at once."""
_MOST_SPANS = 1000
"""Matches in one line that are told of, where that is longer than a piece."""
_WHOLE_FILES = 20
"""Files that are in memory at once, where a match may go over several pieces."""
_HANGUL = re.compile("[가-힣]{2,}")
_WORD = re.compile(r"\w+")
_AS_SAID = QuestionContext(infer_filters=False)


class _TimeIsUp(Exception):
    """The look through files has to end."""


@dataclass(frozen=True, slots=True)
class _Deadline:
    """The moment at which a look through files ends, on its clock."""

    clock: Callable[[], float]
    at: float

    def look(self) -> None:
        """Look at the clock.

        Raises:
            _TimeIsUp: it is later.
        """
        if self.clock() > self.at:
            raise _TimeIsUp


class _Found(NamedTuple):
    """A match in a file: lines, and what matched as offsets in them."""

    version_id: UUID
    first: int
    last: int
    spans: tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True)
class CodeSearcher:
    """Searches code under a permit. Thread-safe.

    Attributes:
        seconds: longest look through files for a pattern.
        clock: what that is measured by.
    """

    database: Database
    retriever: Retriever
    navigator: CodeNavigator
    seconds: float = SECONDS
    clock: Callable[[], float] = time.monotonic

    def search(
        self,
        permit: Permit,
        query: str,
        *,
        scope: CodeScope = EVERYTHING,
        symbol: str = "",
        regex: bool = False,
        ignore_case: bool = False,
        limit: int = 20,
    ) -> CodeMatches:
        """What the permit covers of lines that match, at most `limit`.

        Args:
            query: words (hybrid retrieval), or a pattern of RE2 where `regex`; may be empty with a `symbol`.
            symbol: with a query, only what stands inside definitions of this name; alone, the definitions themselves.
            regex: line by line, over lines only where the pattern says `\\n` or `(?s)`.
            ignore_case: of a pattern; words have none.

        Raises:
            InvalidRequest: there is neither a query nor a symbol.
            PatternRefused: RE2 can't run the pattern, or it matches the empty text; also a glob of the scope that is none.
            RepositoryNotFound: of the scope.
            QuestionTooLong, IndexUnavailable, StoreUnavailable, ModelUnavailable: as of search.
        """
        start = time.perf_counter()
        if regex:
            found = self._by_pattern(permit, _checked(query, ignore_case), scope, symbol, limit)
        elif query.strip():
            found = self._by_words(permit, query, scope, symbol, limit)
        elif symbol.strip():
            found = self._by_symbol(permit, symbol, scope, limit)
        else:
            raise InvalidRequest(
                detail="query, symbol: one of them is needed", detail_ko="query, symbol: 둘 중 하나를 적으세요"
            )
        taken = round((time.perf_counter() - start) * 1000, 3)
        return CodeMatches(
            found.how, found.matches, found.more, found.partial, taken, found.passages, found.definitions
        )

    def _by_symbol(self, permit: Permit, symbol: str, scope: CodeScope, limit: int) -> CodeMatches:
        found = self.navigator.definitions(permit, symbol, scope=scope, limit=limit + 1)
        matches = tuple(CodeMatch(item.spot, item.language, (), item.symbol.path) for item in found[:limit])
        return CodeMatches("symbol", matches, len(found) > limit, definitions=found[:limit])

    def _by_words(self, permit: Permit, query: str, scope: CodeScope, symbol: str, limit: int) -> CodeMatches:
        with self.database.read() as session:
            within = scoped(session, permit, scope)
            inside = _inside(session, within, symbol)
            narrowed = within.filtered(session, inside)
        if not within.permit.collections or inside == {}:
            return CodeMatches("words", ())
        # Where not all that is found is meant, all that one question can find is asked for at once: each search more would
        # have the reranker read again.
        wide = inside is not None or (within.narrow and narrowed is within.permit)
        deepest = self.retriever.settings.candidates
        asked = max(deepest, limit + 1) if wide else limit + 1
        found = self.retriever.search(narrowed, query, limit=asked, context=_AS_SAID).passages
        kept = self._meant(found, query, within, inside)
        # What retrieval keeps of one question is bounded: behind that may be more of what is meant.
        partial = wide and len(kept) < limit and len(found) >= deepest
        shown = kept[:limit]
        matches = tuple(match for _, match in shown)
        return CodeMatches("words", matches, len(kept) > limit, partial, passages=tuple(item for item, _ in shown))

    def _meant(
        self,
        found: Sequence[Passage],
        query: str,
        within: ScopedPermit,
        inside: dict[UUID, list[SymbolRow]] | None,
    ) -> list[tuple[Passage, CodeMatch]]:
        """Those passages that lie in the scope, and in the definitions asked for."""
        terms, words = _terms(query), set(_WORD.findall(query))
        with self.database.read() as session:
            known = code_query.symbols_of(session, within.permit, {item.source.version_id for item in found})
            said = _said(session, within.permit, known)
        kept = []
        for item in found:
            source = item.source
            match = (
                _of_passage(item, terms, words, known, said)
                if within.holds(source.collection_id, source.source_key)
                else None
            )
            if match is not None and (inside is None or _within(inside, source.version_id, match.spot)):
                kept.append((item, match))
        return kept

    def _by_pattern(
        self, permit: Permit, pattern: LinearPattern, scope: CodeScope, symbol: str, limit: int
    ) -> CodeMatches:
        deadline = _Deadline(self.clock, self.clock() + self.seconds)
        with self.database.read() as session:
            within = scoped(session, permit, scope)
            files = [
                row
                for row in code_query.files(session, within.permit, within.prefixes)
                if within.holds(row.collection_id, row.source_key)
            ]
            inside = _inside(session, within, symbol)
            if inside is not None:
                files = [row for row in files if row.version_id in inside]
            found, partial = _looked_through(session, within.permit, files, pattern, inside, limit + 1, deadline)
            # Inside of the block: a closed session that is asked again would hold a connection that nobody gives back.
            matches = tuple(_shown(session, within.permit, found[:limit], pattern, deadline))
        return CodeMatches("regex", matches, len(found) > limit, partial)


def _checked(query: str, ignore_case: bool) -> LinearPattern:
    pattern = LinearPattern.of(query, ignore_case=ignore_case)
    if pattern.matches_empty:
        raise PatternRefused(
            detail="it matches the empty text, so it matches everywhere",
            detail_ko="빈 텍스트에도 맞아 모든 곳이 맞게 됩니다",
        )
    return pattern


def _inside(session: Session, within: ScopedPermit, symbol: str) -> dict[UUID, list[SymbolRow]] | None:
    """The definitions that matches must stand in, by version; None where they may stand anywhere."""
    if not symbol.strip():
        return None
    asked = asked_name(symbol)
    found: dict[UUID, list[SymbolRow]] = {}
    for row in code_query.definitions(session, within.permit, [asked.name], prefixes=within.prefixes):
        if asked.is_at(row.path) and within.holds(row.collection_id, row.source_key, row.language):
            found.setdefault(row.version_id, []).append(row)
    return found


def _within(inside: dict[UUID, list[SymbolRow]], version_id: UUID, lines: Spot | _Found) -> bool:
    return any(row.first <= lines.first and lines.last <= row.last for row in inside.get(version_id, ()))


def _looked_through(
    session: Session,
    permit: Permit,
    files: Sequence[FileRow],
    pattern: LinearPattern,
    inside: dict[UUID, list[SymbolRow]] | None,
    most: int,
    deadline: _Deadline,
) -> tuple[list[_Found], bool]:
    """Matches in the order of files and lines until there are `most`, and whether the time was up before all was seen."""
    found: list[_Found] = []
    look = _over_lines if pattern.spans_lines else _line_by_line
    try:
        for start in range(0, len(files), _FILES):
            for match in look(session, permit, files[start : start + _FILES], pattern, deadline):
                if inside is None or _within(inside, match.version_id, match):
                    found.append(match)
                if len(found) >= most:
                    return found, False
    except _TimeIsUp:
        return found, True
    return found, False


def _line_by_line(
    session: Session, permit: Permit, files: Sequence[FileRow], pattern: LinearPattern, deadline: _Deadline
) -> Iterator[_Found]:
    """Matches inside of lines: pieces are whole lines, so each is looked at alone."""
    deadline.look()
    ids = _holding(session, files, pattern)
    seen: set[tuple[UUID, int]] = set()
    for start in range(0, len(ids), _CHUNKS):
        group = [chunk_id for chunk_id, _ in ids[start : start + _CHUNKS]]
        read = read_masked(session, permit, group)
        for chunk_id in group:
            deadline.look()
            if chunk_id in read:
                for match in _in_chunk(read[chunk_id], pattern):
                    if (match.version_id, match.first) not in seen:
                        seen.add((match.version_id, match.first))
                        yield match


def _in_chunk(located: LocatedChunk, pattern: LinearPattern) -> Iterator[_Found]:
    numbered = lines_of(located)
    if numbered:
        run = _Run(located.source.version_id, numbered[0][0], located.chunk.text)
        yield from run.found(pattern)


def _over_lines(
    session: Session, permit: Permit, files: Sequence[FileRow], pattern: LinearPattern, deadline: _Deadline
) -> Iterator[_Found]:
    """Matches that may go over several lines, and so over several pieces: files are put together first."""
    deadline.look()
    holding = {version_id for _, version_id in _holding(session, files, pattern)}
    meant = [row for row in files if row.version_id in holding]
    for start in range(0, len(meant), _WHOLE_FILES):
        group = meant[start : start + _WHOLE_FILES]
        read = read_files(session, permit, [row.version_id for row in group])
        for row in group:
            deadline.look()
            if row.version_id in read:
                for run in _runs(row.version_id, read[row.version_id]):
                    yield from run.found(pattern)


def _holding(session: Session, files: Sequence[FileRow], pattern: LinearPattern) -> list[tuple[UUID, UUID]]:
    """The pieces of files that may match, in the order of the files."""
    place = {row.version_id: number for number, row in enumerate(files)}
    found = code_query.chunks_holding(session, list(place), pattern.literals, any_case=pattern.ignores_case)
    return sorted(found, key=lambda item: place[item[1]])


class _Run(NamedTuple):
    """Lines of a file that follow each other, as one text."""

    version_id: UUID
    first: int
    text: str

    def found(self, pattern: LinearPattern) -> Iterator[_Found]:
        """Its matches, those that begin in one line together."""
        place, number = 0, self.first
        pending: _Found | None = None
        for start, end in pattern.spans(self.text):
            number += self.text.count("\n", place, start)
            place = start
            line_start = self.text.rfind("\n", 0, start) + 1
            last = number + self.text.count("\n", start, end - 1)
            span = (start - line_start, end - line_start)
            if pending is not None and pending.first == number and pending.last == last:
                pending = _Found(self.version_id, number, last, (*pending.spans, span))
                continue
            if pending is not None:
                yield pending
            pending = _Found(self.version_id, number, last, (span,))
        if pending is not None:
            yield pending


def _runs(version_id: UUID, lines: FileLines) -> Iterator[_Run]:
    """The runs of lines without a gap."""
    first, after, texts = 0, 0, list[str]()
    for numbers, text in lines.lines.blocks():
        if texts and numbers.start != after:
            yield _Run(version_id, first, "\n".join(texts))
            texts = []
        if not texts:
            first = numbers.start
        texts.append("\n".join([text] * len(numbers)))
        after = numbers.stop
    if texts:
        yield _Run(version_id, first, "\n".join(texts))


def _shown(
    session: Session, permit: Permit, found: Sequence[_Found], pattern: LinearPattern, deadline: _Deadline
) -> Iterator[CodeMatch]:
    """Matches with the lines around them, and the definitions that they stand in."""
    wanted: dict[UUID, list[tuple[int, int]]] = {}
    for item in found:
        wanted.setdefault(item.version_id, []).append((item.first, item.last))
    read = read_lines(session, permit, wanted, around=CONTEXT)
    known = code_query.symbols_of(session, permit, wanted)
    said = _said(session, permit, known)
    for item in found:
        lines = read.get(item.version_id)
        spot = None if lines is None else lines.spot(item.first, item.last, CONTEXT)
        if lines is None or spot is None:
            continue
        spans: tuple[tuple[int, int], ...] | None = item.spans
        if item.first in lines.parted and not pattern.spans_lines:
            spans = _spans_of_line(spot.text, pattern, deadline)
            if spans == ():  # it begins or ends a piece, and not the line
                continue
        around = _innermost(known.get(item.version_id, ()), item.first)
        language = around.language if around else language_of(spot.source.source_key)
        yield CodeMatch(spot, language, spans or (), said(around))


def _spans_of_line(text: str, pattern: LinearPattern, deadline: _Deadline) -> tuple[tuple[int, int], ...] | None:
    """The first matches in a line that is several pieces, which were looked at each by itself; None when the time is up."""
    found = []
    try:
        deadline.look()
        for span in islice(pattern.spans(text), _MOST_SPANS):
            found.append(span)
            deadline.look()
    except _TimeIsUp:
        return tuple(found) or None
    return tuple(found)


def _innermost(rows: Sequence[SymbolRow], line: int) -> SymbolRow | None:
    """The smallest definition around a line."""
    around = [row for row in rows if row.first <= line <= row.last]
    return min(around, key=lambda row: (row.last - row.first, -row.first), default=None)


def _terms(text: str) -> set[str]:
    """Words, parts of identifiers, and pairs of Korean syllables."""
    pairs = {run[place : place + 2] for run in _HANGUL.findall(text) for place in range(len(run) - 1)}
    return pairs | set(identifier_terms(text))


def _said(
    session: Session, permit: Permit, known: Mapping[UUID, Sequence[SymbolRow]]
) -> Callable[[SymbolRow | None], str]:
    """What a definition is called to the principal; nothing where there is none."""
    said = spoken(session, permit, ((row.collection_id, row.path) for rows in known.values() for row in rows))
    return lambda row: "" if row is None else said(row.collection_id, row.path)


def _of_passage(
    item: Passage,
    terms: set[str],
    words: set[str],
    known: Mapping[UUID, Sequence[SymbolRow]],
    said: Callable[[SymbolRow | None], str],
) -> CodeMatch | None:
    """The line of a passage that has most of the words, with what stands around it; None of a passage without lines. Of equals,
    the one that has the words as they are written, and then the one that defines a name among them."""
    numbered = lines_of(LocatedChunk(item.chunk, item.source))
    if not numbered:
        return None
    texts = [text for _, text in numbered]
    heads = {row.first for row in known.get(item.source.version_id, ()) if row.name in words}

    def weight(place: int) -> tuple[int, int, bool, int]:
        text = texts[place]
        written = words.intersection(_WORD.findall(text))
        return len(terms & _terms(text)), len(written), numbered[place][0] in heads, -place

    best = max(range(len(texts)), key=weight)
    number = numbered[best][0]
    before, after = tuple(texts[max(0, best - CONTEXT) : best]), tuple(texts[best + 1 : best + 1 + CONTEXT])
    spot = Spot(item.source, item.chunk.id, number, number, texts[best], before, after)
    around = _innermost(known.get(item.source.version_id, ()), number)
    language = around.language if around else language_of(item.source.source_key)
    return CodeMatch(spot, language, (), said(around), item.score)
