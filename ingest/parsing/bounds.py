"""What one document may hold, whatever its parser made of it: the lanes after this one work in memory.

Applied in the sandbox's child, so that the work and the memory of cutting are the child's too.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from rag.domain.anchor import merge_anchors
from rag.domain.document import Element, ElementKind, ParsedDocument
from rag.domain.errors import ParseLimitExceeded, TooMuchText

MAX_CHARACTERS = 24_000_000
"""Of all texts: 12,000 pages of Korean, or a table of 500,000 short rows. The usual cap on a child's output (50 MB) has room for
so much in ASCII, with an anchor a line, and for two thirds of it in Hangul; the service took 0.3 GB for 15 million."""

MAX_ELEMENTS = 300_000
ELEMENT_CHARACTERS = 20_000
"""Of one text: tokenisers take more than linear time for a text without an end (Kiwi, one line of 4 MB: minutes)."""

_LINE_CHARACTERS = 10_000
"""Of one line, where a text has to be cut inside of it."""


def bounded(document: ParsedDocument, name: str) -> ParsedDocument:
    """The document with over-long elements cut, at line ends or blanks; tables repeat their header.

    Raises:
        ParseLimitExceeded, TooMuchText: it holds more than a service can work on without harm to others.
    """
    if len(document.elements) > MAX_ELEMENTS:
        raise ParseLimitExceeded(name=name, resource="elements")
    require_readable(characters_of(document), name)
    if document.outline is not None:  # cut by syntax, which needs the whole file, and tokenised in small pieces
        return document
    if all(len(element.text) <= ELEMENT_CHARACTERS for element in document.elements):
        return document
    return replace(document, elements=tuple(part for element in document.elements for part in _parts(element)))


def characters_of(document: ParsedDocument) -> int:
    """Of all texts together."""
    return sum(len(element.text) for element in document.elements)


def require_readable(characters: int, name: str, most: int | None = None) -> None:
    """Refuse a text of more `characters` than `most`; by default, than one document may hold.

    Raises:
        TooMuchText: it has more.
    """
    most = MAX_CHARACTERS if most is None else most
    if characters > most:
        millions = (f"{number / 1e6:.1f}" for number in (characters, most))
        raise TooMuchText(name=name, resource="text", found=next(millions), most=next(millions))


def _parts(element: Element) -> Iterator[Element]:
    if len(element.text) <= ELEMENT_CHARACTERS:
        yield element
        return
    lines = element.text.split("\n")
    anchors = element.line_anchors if len(element.line_anchors) == len(lines) else (element.anchor,) * len(lines)
    pieces = [(piece, anchor) for line, anchor in zip(lines, anchors, strict=True) for piece in _pieces(line)]
    known = bool(element.line_anchors)
    head = pieces[:2] if element.kind is ElementKind.TABLE and len(pieces) == len(lines) > 2 else []
    room = ELEMENT_CHARACTERS - sum(len(text) + 1 for text, _ in head)
    kind = ElementKind.TEXT if element.kind is ElementKind.HEADING else element.kind
    start = len(head)
    while start < len(pieces):
        end, used = start, 0
        while end < len(pieces) and (end == start or used + len(pieces[end][0]) + 1 <= room):
            used += len(pieces[end][0]) + 1
            end += 1
        own = pieces[start:end]
        shown = [*head, *own] if room > _LINE_CHARACTERS else own
        start = end
        if any(text.strip() for text, _ in own):
            anchors = tuple(anchor for _, anchor in shown) if known else ()
            whole = merge_anchors([anchor for _, anchor in own])
            yield Element(kind, "\n".join(text for text, _ in shown), whole, line_anchors=anchors)


def _pieces(line: str) -> Iterator[str]:
    """The line, cut at blanks into pieces of at most `_LINE_CHARACTERS`; together they are the line."""
    start = 0
    while len(line) - start > _LINE_CHARACTERS:
        end = line.rfind(" ", start + _LINE_CHARACTERS // 2, start + _LINE_CHARACTERS)
        end = end + 1 if end > 0 else start + _LINE_CHARACTERS
        yield line[start:end]
        start = end
    yield line[start:]
