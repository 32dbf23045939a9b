"""Putting a chunk together: its text, an anchor for each line, its provisions and references."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from uuid import UUID

from ingest.chunking.base import Block, Unit
from ingest.chunking.references import MOST_REFERENCES, references, references_of_headings
from ingest.chunking.table import header_lines
from rag.domain.anchor import Anchor, merge_anchors
from rag.domain.document import Chunk, ElementKind
from rag.domain.language import Language
from rag.domain.provision import Path, ProvisionMark, path_at


def assembled(
    identity: UUID, ordinal: int, path: tuple[str, ...], language: Language, units: Sequence[Unit]
) -> Chunk | None:
    """The chunk of `units`; None when they hold nothing but blanks."""
    built = _Text()
    lead = units[0]
    if lead.head:
        built.add(lead.block, 0, lead.block.line_starts[header_lines(lead.block)], "")
    for number, (_, grouped) in enumerate(groupby(units, key=lambda unit: id(unit.block))):
        run = list(grouped)
        built.add(run[0].block, run[0].start, run[-1].end, "\n\n" if number or not lead.head else "\n")
    if not built.text.strip():
        return None
    kinds = {unit.block.kind for unit in units}
    marks = tuple(built.marks)
    return Chunk(
        id=identity,
        ordinal=ordinal,
        text=built.text,
        anchor=merge_anchors(built.anchors),
        heading_path=path,
        language=language,
        kind=kinds.pop() if len(kinds) == 1 else ElementKind.TEXT,
        tokens=lead.head + sum(unit.tokens for unit in units),
        line_anchors=tuple(built.anchors) if len(set(built.anchors)) > 1 else (),
        provisions=marks,
        references=_references(path, built.text, marks) if language is Language.KOREAN else (),
    )


def _references(headings: tuple[str, ...], text: str, marks: Sequence[ProvisionMark]) -> tuple[str, ...]:
    above = references_of_headings(headings)
    own = references(text, lambda offset: path_at(marks, offset))
    return tuple(dict.fromkeys((*above, *own)))[:MOST_REFERENCES]


class _Text:
    """The text of a chunk as it grows."""

    def __init__(self) -> None:
        self.text = ""
        self.anchors: list[Anchor] = []
        self.marks: list[ProvisionMark] = []

    def add(self, block: Block, start: int, end: int, separator: str) -> None:
        """Append characters of a block, blank lines around them left out."""
        start, end = _trimmed(block, start, end)
        if start >= end:
            return
        if self.text:
            # The blank line between two parts belongs to the one before it.
            self.anchors += [self.anchors[-1]] * (separator.count("\n") - 1)
            self.text += separator
        self._mark(len(self.text), path_at(block.marks, start))
        for mark in block.marks:
            if start < mark.start < end:
                self._mark(len(self.text) + mark.start - start, mark.path)
        self.text += block.text[start:end]
        self.anchors += block.line_anchors(block.line_of(start), block.line_of(end - 1))

    def _mark(self, start: int, path: Path) -> None:
        if path != (self.marks[-1].path if self.marks else ()):
            self.marks.append(ProvisionMark(start, path))


def _trimmed(block: Block, start: int, end: int) -> tuple[int, int]:
    """Without line ends around; where prose was cut, without blanks either."""
    text = block.text[start:end]
    prose = block.kind is not ElementKind.CODE
    first = len(text) - len(text.lstrip() if prose and start else text.lstrip("\n"))
    last = len(text.rstrip() if prose and end < len(block.text) else text.rstrip("\n"))
    return start + first, start + last
