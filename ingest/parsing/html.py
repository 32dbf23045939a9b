"""HTML through lxml: headings, paragraphs, list items, tables and code, numbered in document order.

`unstructured` is not used: it neither numbers the blocks (the anchor) nor keeps cells that span rows.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lxml import etree
from lxml import html as lxml_html

from ingest.parsing import media_types
from ingest.parsing.base import Identified, SourceFile
from ingest.parsing.characters import clean, one_line
from ingest.parsing.charset import declared_in_page, decode, detect_charset
from ingest.parsing.headings import numbered_heading
from ingest.parsing.hidden_text import HIDDEN_TEXT, has_hidden_characters
from ingest.parsing.html_metadata import page_metadata
from ingest.parsing.html_style import Look, read_sheets
from ingest.parsing.html_tables import heading_rows, is_layout, rows_of
from ingest.parsing.html_text import BLOCKS, SKIPPED, Sight, is_navigation, list_number
from ingest.parsing.table_heads import one_heading
from ingest.parsing.tables import Row, table_element
from ingest.parsing.text import CHARSET_WARNING
from ingest.parsing.titles import document_title
from rag.domain.anchor import ParagraphAnchor
from rag.domain.document import DocumentMetadata, Element, ElementKind, ParsedDocument
from rag.domain.errors import FileDamaged, NoTextFound

_XML_DECLARATION = re.compile(r"^\s*<\?xml[^>]*\?>")
_EMPTY_XML_ELEMENT = re.compile(r"<([a-zA-Z][\w.-]*)((?:\s[^<>]*)?)/>")
_VOID = frozenset(
    ["area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "param", "source", "track", "wbr"]
)
_HEADING = re.compile(r"h([1-6])$")
_MAX_DEPTH = 200
_DIRECTORY = 3
"""A page with this many times more text in its menus than outside of them is a directory: the menus are what it says."""


@dataclass(frozen=True, slots=True)
class Page:
    """What one page holds.

    Attributes:
        title: as its head says, not yet checked (`titles.py`).
        paragraphs: number of the last anchor.
        hidden: whether text was left out because a browser would not show it, or characters hide.
    """

    title: str
    elements: tuple[Element, ...]
    metadata: DocumentMetadata
    paragraphs: int
    hidden: bool


class HtmlParser:
    """Web pages saved to a file. What a browser hides and what leads elsewhere (`nav`) is left out."""

    name = "html/3"
    media_types = (media_types.HTML,)

    def bid(self, identified: Identified) -> int:
        """Made for it."""
        return 100 if identified.media_type == media_types.HTML else 0

    def parse(self, path: Path, source: SourceFile) -> ParsedDocument:
        """See `Parser.parse`."""
        data = path.read_bytes()
        text, replaced = decode(data, declared_charset(data, source.charset))
        page = read_page(text, source.name)
        if not page.elements:
            raise NoTextFound(name=source.name)
        warnings = (CHARSET_WARNING,) * replaced + (HIDDEN_TEXT,) * page.hidden
        title = document_title(page.title, page.elements)
        return ParsedDocument(
            title, source.media_type, self.name, page.elements, warnings=warnings, metadata=page.metadata
        )


def read_page(text: str, name: str, paragraphs: int = 0, *, xhtml: bool = False) -> Page:
    """The page in `text`; its anchors go on after number `paragraphs`. There may be no elements.

    Raises:
        FileDamaged: nothing in it can be read as HTML.
    """
    odd = has_hidden_characters(text)
    text = clean(text)
    declaration = _XML_DECLARATION.match(text)
    if declaration or xhtml:
        # HTML takes `<script/>` for an open element that swallows the rest; XML closes it.
        text = _EMPTY_XML_ELEMENT.sub(_closed, text[declaration.end() if declaration else 0 :])
    if not text.strip():
        return Page("", (), DocumentMetadata(), paragraphs, odd)
    try:
        # huge_tree lifts the limit on depth, which real pages pass; memory and time are the sandbox's to cap.
        root = lxml_html.document_fromstring(text, parser=lxml_html.HTMLParser(huge_tree=True))
    except (etree.ParserError, etree.XMLSyntaxError, ValueError) as error:
        raise FileDamaged(name=name, detail="HTML") from error
    linked = any("stylesheet" in link.get("rel", "").lower() for link in root.iter("link"))
    sheet = read_sheets((style.text or "" for style in root.iter("style")), complete=not linked)
    walker = _Walker(paragraphs, navigation=False)
    elements = tuple(walker.blocks(root, Look(sheet=sheet)))
    if walker.left_out > _DIRECTORY * sum(len(element.text) for element in elements):
        walker = _Walker(paragraphs, navigation=True)
        elements = tuple(walker.blocks(root, Look(sheet=sheet)))
    title = root.findtext(".//title") or ""
    return Page(title, elements, page_metadata(root), walker.count, odd or walker.sight.hidden)


def _closed(found: re.Match[str]) -> str:
    return found[0] if found[1].lower() in _VOID else f"<{found[1]}{found[2]}></{found[1]}>"


def declared_charset(data: bytes, detected: str = "") -> str:
    """What the page declares, if the bytes agree; else what they look like."""
    detected = detected or detect_charset(data) or ""
    return declared_in_page(data, detected) or detected or "utf-8"


class _Walker:
    """Collects inline text until a block begins or ends."""

    def __init__(self, paragraphs: int, *, navigation: bool) -> None:
        self.count = paragraphs
        self.left_out = 0
        self._navigation = navigation
        self.sight = Sight()
        self._inline: list[str] = []

    def blocks(self, root: Any, look: Look) -> Iterator[Element]:
        """Elements of everything below `root`."""
        if inner := look.inside(root):
            yield from self._walk(root, ElementKind.TEXT, 0, inner)
        yield from self._flush(ElementKind.TEXT)

    def _walk(self, node: Any, kind: ElementKind, depth: int, look: Look) -> Iterator[Element]:
        """Children of `node`, with the text between them."""
        self._inline.append(self.sight.seen(node.text, look))
        for child in node:
            if isinstance(child.tag, str) and child.tag not in SKIPPED:
                inner = look.inside(child)
                if inner is None:
                    self.sight.note_hidden(child)
                elif not self._navigation and is_navigation(child):
                    self.left_out += sum(len(text.strip()) for text in child.itertext())
                else:
                    yield from self._child(child, kind, depth + 1, inner)
            self._inline.append(self.sight.seen(child.tail, look))

    def _child(self, node: Any, kind: ElementKind, depth: int, look: Look) -> Iterator[Element]:
        tag = node.tag
        if tag == "br":
            self._inline.append("\n")
        elif tag == "img":
            self._inline.append(f" {node.get('alt', '')} ")
        elif depth > _MAX_DEPTH:
            self._inline.append(" ".join(node.itertext()))
        elif tag not in BLOCKS:
            yield from self._walk(node, kind, depth, look)
        else:
            yield from self._flush(kind)
            yield from self._block(node, kind, depth, look)

    def _block(self, node: Any, kind: ElementKind, depth: int, look: Look) -> Iterator[Element]:
        tag = node.tag
        if found := _HEADING.match(tag):
            text = one_line("".join(self.sight.visible_text(node, look)))
            if text:
                yield Element(ElementKind.HEADING, text, self._next(), level=int(found[1]))
        elif tag in ("pre", "listing"):
            text = clean("".join(node.itertext())).strip("\n")
            if text.strip() and look.surely_hidden:
                self.sight.hidden = True
            elif text.strip():
                yield Element(ElementKind.CODE, text, self._next())
        elif tag == "table" and not is_layout(node):
            yield from self._table(node, kind, depth, look)
        else:
            inner = ElementKind.LIST_ITEM if tag in ("li", "dd", "dt") else kind
            if tag == "li" and (number := list_number(node)):
                self._inline.append(number + " ")
            yield from self._walk(node, inner, depth, look)
            yield from self._flush(inner)

    def _table(self, node: Any, kind: ElementKind, depth: int, look: Look) -> Iterator[Element]:
        for caption in node.iterchildren("caption"):
            if inner := look.inside(caption):
                yield from self._walk(caption, kind, depth + 1, inner)
                yield from self._flush(kind)
            else:
                self.sight.note_hidden(caption)
        first = self.count + 1
        rows: list[Row] = [(cells, self._next()) for cells in rows_of(node, look, self.sight)]
        rows = one_heading(rows, heading_rows(node))
        element = table_element(rows, ParagraphAnchor(first, max(first, self.count)))
        if element:
            yield element

    def _flush(self, kind: ElementKind) -> Iterator[Element]:
        """The inline text so far, as one element; a line break tag is a line end, white space in the source is not."""
        text = "\n".join(line for part in _split_breaks(self._inline) if (line := one_line(part)))
        self._inline = []
        if not text:
            return
        anchor = self._next()
        heading = numbered_heading(text) if kind is ElementKind.TEXT else None
        if heading:
            yield Element(ElementKind.HEADING, heading.title, anchor, level=heading.level)
            text = heading.rest
        if text and not (heading and not heading.rest):
            yield Element(kind, text, anchor)

    def _next(self) -> ParagraphAnchor:
        self.count += 1
        return ParagraphAnchor(self.count, self.count)


def _split_breaks(parts: list[str]) -> list[str]:
    """Text between `br` tags, which stand in `parts` as a line feed alone."""
    lines: list[list[str]] = [[]]
    for part in parts:
        if part == "\n":
            lines.append([])
        else:
            lines[-1].append(part)
    return ["".join(line) for line in lines]
