"""Plain text: paragraphs between empty lines, headings, list items and tables, with the lines they stand on."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from ingest.parsing import media_types
from ingest.parsing.base import Identified, SourceFile
from ingest.parsing.bounds import require_readable
from ingest.parsing.characters import clean
from ingest.parsing.charset import decode, detect_charset
from ingest.parsing.headings import numbered_heading
from ingest.parsing.hidden_text import HIDDEN_TEXT, has_hidden_characters
from ingest.parsing.plain_structure import ITEM_SIGNS, Rows, marked_heading, tables_in, underlined_heading
from ingest.parsing.tables import table_element
from ingest.parsing.titles import document_title
from rag.domain.anchor import LineAnchor
from rag.domain.document import Element, ElementKind, ParsedDocument
from rag.domain.errors import NoTextFound

CHARSET_WARNING = "charset_replaced"
"""Some bytes did not fit the encoding and show as U+FFFD."""

_BULLET = re.compile(rf"\s*(?:[{re.escape(ITEM_SIGNS)}]\s|\(?\d{{1,3}}[.)]\s|[가-하][.)]\s|[①-⑳])")


def read_lines(path: Path, source: SourceFile) -> tuple[list[str], tuple[str, ...]]:
    """Cleaned lines without their ends, and warnings; line n of the file is at n - 1.

    Raises:
        NoTextFound: nothing but white space.
    """
    data = path.read_bytes()
    return decoded_lines(data, source.charset or detect_charset(data) or "utf-8", source.name)


def decoded_lines(data: bytes, charset: str, name: str) -> tuple[list[str], tuple[str, ...]]:
    """The same of the bytes of a file that is called `name`."""
    text, replaced = decode(data, charset)
    lines = clean(text).split("\n")
    if not any(line.strip() for line in lines):
        raise NoTextFound(name=name)
    return lines, (CHARSET_WARNING,) * replaced + (HIDDEN_TEXT,) * has_hidden_characters(text)


class TextParser:
    """Text without mark-up. Every line keeps its own anchor: where a paragraph ends is only a guess."""

    name = "text/4"
    media_types = (media_types.TEXT,)

    def bid(self, identified: Identified) -> int:
        """Reads any text, as a fallback."""
        return 50 if identified.charset else 0

    def parse(self, path: Path, source: SourceFile) -> ParsedDocument:
        """See `Parser.parse`."""
        lines, warnings = read_lines(path, source)
        require_readable(sum(len(line.strip()) for line in lines), source.name)  # before the work
        elements = text_elements(lines)
        title = document_title("", elements, styled=_marked_title(elements))
        return ParsedDocument(title, source.media_type, self.name, tuple(elements), warnings=warnings)


def _marked_title(elements: list[Element]) -> str:
    """The heading at the beginning that is marked by signs, where no other so marked is as high: numbered ones stand below it."""
    marked = [item for item in elements if item.kind is ElementKind.HEADING and numbered_heading(item.text) is None]
    if not marked or elements[0] is not marked[0]:
        return ""
    return "" if any(item.level <= marked[0].level for item in marked[1:]) else marked[0].text


def text_elements(lines: list[str]) -> list[Element]:
    """Paragraphs, headings and list items of cleaned lines, anchored from line 1 on."""
    return [element for first, block in _blocks(lines) for element in _block_elements(first, block)]


def _blocks(lines: list[str]) -> list[tuple[int, list[str]]]:
    """Runs of lines between empty ones, each with the number of its first line."""
    blocks: list[tuple[int, list[str]]] = []
    open_block = False
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            open_block = False
        elif open_block:
            blocks[-1][1].append(line)
        else:
            blocks.append((number, [line]))
            open_block = True
    return blocks


def _block_elements(first: int, block: list[str]) -> Iterator[Element]:
    """The block cut before headings, list items and tables."""
    tables = tables_in(block)
    start = 0
    while start < len(block):
        stop, elements = _next_elements(first, block, start, tables)
        yield from elements
        start = stop


def _next_elements(first: int, block: list[str], start: int, tables: Mapping[int, Rows]) -> tuple[int, list[Element]]:
    """Where what begins at line `start` of the block, whose own first line is `first`, ends, and its elements."""
    number = first + start
    if not start and len(block) > 1 and (under := underlined_heading(*block[:2], alone=len(block) == 2)):
        return 2, [_heading(*under, LineAnchor(number, number + 1))]
    if marked := marked_heading(block[start]):
        return start + 1, [_heading(*marked, LineAnchor(number, number))]
    if rows := tables.get(start):
        places = [LineAnchor(line, line) for line in range(number, number + len(rows))]
        table = table_element(zip(rows, places, strict=True), LineAnchor(number, places[-1].last))
        return start + len(rows), [table] if table else []
    stop = start + 1
    while stop < len(block) and stop not in tables and not _begins(block[stop]) and not _is_heading(block[stop - 1]):
        stop += 1
    return stop, _part_elements(number, block[start:stop])


def _heading(title: str, level: int, anchor: LineAnchor) -> Element:
    return Element(ElementKind.HEADING, title, anchor, level=level)


def _is_heading(line: str) -> bool:
    found = numbered_heading(line)
    return found is not None and not found.rest


def _begins(line: str) -> bool:
    """Whether a heading or a list item begins with this line."""
    return bool(_BULLET.match(line) or numbered_heading(line) or marked_heading(line))


def _part_elements(first: int, lines: list[str]) -> list[Element]:
    """A heading, a paragraph, or an article: its title and then its text, both on the first line."""
    anchors = tuple(LineAnchor(number, number) for number in range(first, first + len(lines)))
    shown = [line.rstrip() for line in lines]
    heading = numbered_heading(lines[0])
    if heading is None or (not heading.sure and len(lines) > 1):
        kind = ElementKind.LIST_ITEM if _BULLET.match(lines[0]) else ElementKind.TEXT
        return [Element(kind, "\n".join(shown), LineAnchor(first, first + len(lines) - 1), line_anchors=anchors)]
    elements = [Element(ElementKind.HEADING, heading.title, anchors[0], level=heading.level)]
    rest, anchors = ([heading.rest, *shown[1:]], anchors) if heading.rest else (shown[1:], anchors[1:])
    if rest:
        anchor = LineAnchor(anchors[0].first, anchors[-1].last)
        elements.append(Element(ElementKind.TEXT, "\n".join(rest), anchor, line_anchors=anchors))
    return elements
