"""What a file, folder, module or class says of itself: its documentation, and the heads of its public definitions.

Never how it begins: imports and licences explain nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from uuid import UUID

from sqlalchemy.orm import Session

from rag.domain.code import Symbol, SymbolKind
from rag.domain.code_places import ModuleExplanation, Spot
from rag.domain.principal import Permit
from rag.generation.code_quotes import DOCSTRING, ENDS_HEAD
from rag.retrieval.code_lines import FileLines, read_files
from rag.retrieval.code_names import asked_name
from rag.text.code_paths import is_entry, is_test_path, module_parts

_DOC_LINES = 12
"""Lines of the documentation of what is asked for."""
_FEW_LINES = 3
"""The same of each file of a folder."""
_HEAD_LINES = 8
"""Lines in which a signature ends."""
_NAMED_IN = 60
"""Lines in which a definition is named: decorators and its comment may stand before."""
_TOP_LINES = 60
"""Lines of a file in which its own documentation begins."""
_TOGETHER = 3
"""Files whose definitions are shown; of more, each says only what it is for."""
_MOST_FILES = 8
_OTHERS = 3
"""Passages that are left to the documentation of the file and to those who import it."""
_SKIPPED_KINDS = {SymbolKind.VARIABLE, SymbolKind.FIELD, SymbolKind.MODULE, SymbolKind.CONSTANT}
_COMMENT = re.compile(r"\s*(?:#(?!\s*(?:include|define|if|ifn?def|pragma|import|region)\b|!)|//|/\*|\*|--|;|'|\*>)")
_LEGAL = re.compile(r"copyright|licen[cs]e|SPDX|저작권|-\*-\s*coding|eslint-|pylint:|noqa|generated", re.IGNORECASE)
_WORD = re.compile(r"\w{2}")

Span = tuple[int, int]
"""First and last line, from 1."""


def own_words(session: Session, permit: Permit, found: ModuleExplanation, most: int) -> tuple[list[Spot], bool]:
    """The lines to quote, in the order in which they explain, in about `most` passages; and whether anything is documented or
    public at all.

    What was asked for by the name of a definition begins with that; anything else with the documentation of its files.
    """
    asked = asked_name(found.name)
    files = sorted(
        found.files, key=lambda item: (is_test_path(item.source.source_key), not is_entry(item.source.source_key))
    )
    named: dict[UUID, list[Symbol]] = {
        item.source.version_id: []
        if asked.name in module_parts(item.source.source_key)  # it is called so itself
        else [row for row in item.symbols if row.name == asked.name and asked.is_at(row.path)]
        for item in files
    }
    if any(named.values()):
        files = [item for item in files if named[item.source.version_id]]
    files = files[:_MOST_FILES]
    read = read_files(session, permit, [item.source.version_id for item in files])
    first, members, last = [], [], []
    for item in files:
        lines, meant = read.get(item.source.version_id), named[item.source.version_id]
        if lines is None:
            continue
        if meant:
            first += [spot for row in meant for spot in _whole_head(lines, row)]
            members += [spot for row in _inside(item.symbols, meant) for spot in _short_head(lines, row)]
            last += _documentation(lines, _DOC_LINES)
        elif len(files) <= _TOGETHER:
            first += _documentation(lines, _DOC_LINES)
            members += [spot for row in _public(item.symbols) for spot in _short_head(lines, row)]
        else:
            public = next(iter(_public(item.symbols)), None)
            first += _documentation(lines, _FEW_LINES) or (list(_short_head(lines, public)) if public else [])
    spots = _within(first, members, max(1, most - _OTHERS))
    return [*spots, *last], bool(first or members)


def _within(first: Sequence[Spot], members: Sequence[Spot], most: int) -> list[Spot]:
    """All of `first`, and of `members` those that `most` passages hold together."""
    chunks = dict.fromkeys(spot.chunk_id for spot in first)
    kept: list[Spot] = []
    for spot in members:
        if spot.chunk_id in chunks or len(chunks) < most:
            chunks[spot.chunk_id] = None
            kept.append(spot)
    return [*first, *kept]


def _public(symbols: Sequence[Symbol]) -> list[Symbol]:
    """What others may use: definitions at the top, and what classes among them show; anything where that is nothing."""
    open_ones = [row for row in symbols if not any(part.startswith("_") for part in row.path.split("."))]
    found = [row for row in open_ones if row.kind not in _SKIPPED_KINDS and row.path.count(".") < 2 and not row.test]
    return found or open_ones or list(symbols)


def _inside(symbols: Sequence[Symbol], meant: Sequence[Symbol]) -> list[Symbol]:
    """The public definitions in what was asked for."""
    paths = {row.path for row in meant}
    members = [row for row in symbols if row.path.rpartition(".")[0] in paths and not row.name.startswith("_")]
    return [row for row in members if row.kind not in _SKIPPED_KINDS] or members


def _whole_head(lines: FileLines, row: Symbol) -> list[Spot]:
    """A definition's comment and signature with all of its documentation."""
    named = _named(lines, row)
    end = _signature_end(lines.lines, named, row.last)
    opened = DOCSTRING.match(lines.lines.get(end + 1, ""))
    last = _docstring_end(lines.lines, end + 1, opened[1], row.last) if opened else end
    return _spots(lines, (row.first, min(last, named + _DOC_LINES)))


def _short_head(lines: FileLines, row: Symbol) -> Iterator[Spot]:
    """A definition's signature with the first line of its documentation."""
    named = _named(lines, row)
    end = _signature_end(lines.lines, named, row.last)
    above = [number for number in range(row.first, named) if _says(lines.lines.get(number, ""))]
    if DOCSTRING.match(lines.lines.get(end + 1, "")) and end < row.last:
        end = min(end + 1, row.last)
    elif above:
        yield from _spots(lines, (above[0], above[0]))
    yield from _spots(lines, (named, end))


def _says(line: str) -> bool:
    return bool(_COMMENT.match(line) and _WORD.search(line))


def _named(lines: FileLines, row: Symbol) -> int:
    """The line that names a definition."""
    word = re.compile(rf"(?<!\w){re.escape(row.name)}(?!\w)")
    numbers = range(row.first, min(row.last, row.first + _NAMED_IN) + 1)
    found = (n for n in numbers if word.search(lines.lines.get(n, "")) and not _COMMENT.match(lines.lines[n]))
    return next(found, row.first)


def _signature_end(lines: Mapping[int, str], named: int, last: int) -> int:
    """The line on which the signature ends that begins on `named`; `named` itself where its end is not in sight."""
    numbers = range(named, min(last, named + _HEAD_LINES - 1) + 1)
    return next((number for number in numbers if ENDS_HEAD.search(lines.get(number, ""))), named)


def _docstring_end(lines: Mapping[int, str], first: int, mark: str, last: int) -> int:
    opening = lines.get(first, "")
    if mark in opening[opening.index(mark) + len(mark) :]:
        return first
    return next((number for number in range(first + 1, last + 1) if mark in lines.get(number, "")), first)


def _documentation(lines: FileLines, most: int) -> list[Spot]:
    """What a file says of itself at its top, without what is said of its licence."""
    number, last = 1, max(lines.lines, default=0)
    while number <= min(last, _TOP_LINES):
        text = lines.lines.get(number, "")
        opened = DOCSTRING.match(text)
        if opened:
            end = _docstring_end(lines.lines, number, opened[1], last)
            return _spots(lines, (number, _paragraphs_end(lines.lines, number, end, most)))
        if text.strip() and not text.startswith("#!") and not _COMMENT.match(text):
            return []
        end = number
        while text.strip() and _COMMENT.match(lines.lines.get(end + 1, "")):
            end += 1
        block = [lines.lines.get(n, "") for n in range(number, end + 1)]
        if any(_says(line) for line in block) and not any(_LEGAL.search(line) for line in block):
            return _spots(lines, (number, _paragraphs_end(lines.lines, number, end, most)))
        number = end + 1
    return []


def _paragraphs_end(lines: Mapping[int, str], first: int, last: int, most: int) -> int:
    """The end of the last whole paragraph in `most` lines; these lines where not even one is whole."""
    end = min(last, first + most - 1)
    if end == last:
        return last
    blank = (number for number in range(end + 1, first, -1) if not _WORD.search(lines.get(number, "")))
    return next(blank, end + 1) - 1


def _spots(lines: FileLines, span: Span) -> list[Spot]:
    """These lines as far as they were read, a place for each chunk that holds some of them."""
    found: list[tuple[UUID, int, int]] = []
    for number in range(span[0], span[1] + 1):
        chunk_id = lines.chunks.get(number)
        if chunk_id is None:
            continue
        if found and found[-1][0] == chunk_id and found[-1][2] == number - 1:
            found[-1] = (chunk_id, found[-1][1], number)
        else:
            found.append((chunk_id, number, number))
    return [Spot(lines.source, chunk_id, first, last, "") for chunk_id, first, last in found]
