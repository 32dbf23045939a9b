"""The places of a comparison as passages: the old lines as they were, the new ones as they are, the messages of the commits."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath
from uuid import UUID, uuid5

from rag.answering.changes import ChangedFile, Comparison, State
from rag.domain.anchor import LineAnchor
from rag.domain.code import MirrorText
from rag.domain.document import NAMESPACE, Chunk, ElementKind
from rag.domain.language import CollectionKind, Language
from rag.domain.passage import Passage, Source
from rag.generation.base import Span
from rag.mirrors.hunks import Hunk, Side, hunks_of
from rag.mirrors.mirror import Commit
from rag.store.repository_documents import PathDocument
from rag.text.language import detect_language

_PIECE = 60
"""Lines of one side of a hunk that are one passage at most; a new file is one hunk, and becomes several."""
_RUN = 14
"""Lines of a run of changed ones that are quoted."""
_RUNS = 3
"""Runs of one side that are quoted."""


@dataclass(frozen=True, slots=True)
class Piece:
    """A place that changed, of one file: what it was, and what it is. One of the two may be missing."""

    comparison: Comparison
    file: ChangedFile
    before: Side | None
    after: Side | None

    @property
    def key(self) -> UUID:
        """The same for the same place of the same comparison."""
        sides = [f"{side.first}-{side.last}" if side else "" for side in (self.before, self.after)]
        ends = (self.comparison.before.commit, self.comparison.after.commit)
        return uuid5(NAMESPACE, "\0".join((str(self.comparison.repository_id), *ends, self.file.change.path, *sides)))

    @property
    def text(self) -> str:
        """What it is found by: its path, its lines, and once more those that changed."""
        change = self.file.change
        sides = [side for side in (self.before, self.after) if side is not None]
        changed = [side.lines[number - side.first] for side in sides for number in side.changed]
        names = dict.fromkeys((change.path, change.before))
        return "\n".join((*filter(None, names), *(line for side in sides for line in side.lines), *changed))


def pieces_of(comparison: Comparison) -> Iterator[Piece]:
    """The places of a comparison, file by file."""
    for file in comparison.files:
        for hunk in hunks_of(file.change.patch):
            for before, after in _cut(hunk):
                yield Piece(comparison, file, before, after)


def passages_of(piece: Piece, score: float) -> list[Passage]:
    """Both sides of a place, the old one first; without one that has no lines to be seen. Their rank is for the caller to set."""
    change, found = piece.file.change, list[Passage]()
    for side, state, path in (
        (piece.before, piece.comparison.before, change.before or change.path),
        (piece.after, piece.comparison.after, change.path),
    ):
        if side is None or not any(line.strip() for line in side.lines):
            continue
        source = _source(piece.comparison, state, path, piece.file.document)
        found.append(Passage(1, score, _chunk(piece, state, path, side), source))
    return found


def quotes_of(piece: Piece, passages: list[Passage], index: int) -> tuple[Span, ...]:
    """The changed lines of a place, as spans of its passages (the first is the one at `index`), old lines before new ones."""
    sides = {piece.comparison.before.commit: piece.before, piece.comparison.after.commit: piece.after}
    spans: list[Span] = []
    for place, passage in enumerate(passages, start=index):
        side = sides[passage.source.commit]
        if side is None:
            continue
        for first, last in side.runs[:_RUNS]:
            start, end = _offsets(passage.chunk.text, first - side.first, min(last, first + _RUN - 1) - side.first)
            if passage.chunk.text[start:end].strip():
                spans.append(Span(place, start, end))
    return tuple(spans)


def commit_passage(comparison: Comparison, commit: Commit, document: PathDocument, score: float) -> Passage:
    """The message of a commit, under the document of one of the files that it touches."""
    text = commit.message.strip() or commit.hash[:12]
    chunk = Chunk(
        id=uuid5(NAMESPACE, f"{comparison.repository_id}:{commit.hash}"),
        ordinal=0,
        text=text,
        anchor=LineAnchor(1, text.count("\n") + 1),
        language=detect_language(text),
    )
    state = State(commit.hash[:12], commit.hash)
    source = _source(comparison, state, "", document)
    return Passage(1, score, chunk, source)


def _cut(hunk: Hunk) -> Iterator[tuple[Side | None, Side | None]]:
    """A hunk as it is, or each of its sides in parts where it is long."""
    before, after = (side if side.lines else None for side in (hunk.before, hunk.after))
    if max(len(hunk.before.lines), len(hunk.after.lines)) <= _PIECE:
        yield before, after
        return
    for side in (before, after):
        for start in range(0, len(side.lines) if side else 0, _PIECE):
            if side is not None and (part := _part(side, start)).changed:
                yield (part, None) if side is before else (None, part)


def _part(side: Side, start: int) -> Side:
    first, lines = side.first + start, side.lines[start : start + _PIECE]
    return Side(first, lines, tuple(number for number in side.changed if first <= number < first + len(lines)))


def _chunk(piece: Piece, state: State, path: str, side: Side) -> Chunk:
    place = f"{piece.comparison.repository_id}:{state.commit}:{path}:{side.first}-{side.last}"
    return Chunk(
        id=uuid5(NAMESPACE, place),
        ordinal=side.first,
        text="\n".join(side.lines),
        anchor=LineAnchor(side.first, side.last),
        language=Language.CODE,
        kind=ElementKind.CODE,
    )


def _source(comparison: Comparison, state: State, path: str, document: PathDocument) -> Source:
    name = PurePosixPath(path).name if path else comparison.repository
    return Source(
        document_id=document.document_id,
        version_id=document.version_id,
        version_number=document.version,
        collection_id=comparison.collection_id,
        collection_name=comparison.collection,
        collection_kind=CollectionKind.CODE,
        source_key=comparison.key_of(path) if path else comparison.repository,
        title=f"{name} ({state.name})",
        media_type=document.media_type,
        flagged=document.flagged,
        commit=state.commit,
        mirrored=MirrorText(comparison.repository_id, path),
    )


def _offsets(text: str, first: int, last: int) -> tuple[int, int]:
    """Where the lines `first`..`last` of a text stand, from 0."""
    lines = text.split("\n")
    start = sum(len(line) + 1 for line in lines[:first])
    return start, start + len("\n".join(lines[first : last + 1]))
