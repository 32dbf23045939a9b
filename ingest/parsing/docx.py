"""DOCX: paragraphs, headings, automatic numbers, tables, text boxes, notes and comments, straight from the package's XML.

Neither `unstructured` nor `python-docx` is used: both lose which paragraph a text came from (the anchor), automatic
numbers such as `제1조`, text boxes, footnotes and text inserted under tracked changes, and open no .docm and no .dotx.
Page headers and footers come first, each text once: they belong to no section. Comments stand after the
paragraph that they were made on.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import takewhile
from pathlib import Path
from typing import Any

from ingest.parsing import media_types
from ingest.parsing.base import Identified, SourceFile
from ingest.parsing.characters import one_line, squeeze
from ingest.parsing.charts import chart_elements
from ingest.parsing.containers import open_zip
from ingest.parsing.diagrams import diagram_texts
from ingest.parsing.docx_numbering import Numbering, integer, read_numbering
from ingest.parsing.docx_styles import read_styles, shading_of, value_of
from ingest.parsing.docx_text import MAX_DEPTH, ParagraphText, TextCollector, chosen
from ingest.parsing.headings import numbered_heading
from ingest.parsing.merged import Merge, spread
from ingest.parsing.ooxml import EMBEDDED_NOT_READ, MC, Package, W
from ingest.parsing.remarks import comment_text
from ingest.parsing.table_heads import MAX_HEAD_ROWS, head_depth, one_heading
from ingest.parsing.tables import Row, table_element
from ingest.parsing.titles import document_title
from rag.domain.anchor import ParagraphAnchor
from rag.domain.document import Element, ElementKind, ParsedDocument
from rag.domain.errors import NoTextFound

HIDDEN_TEXT = "hidden_text"
"""Text in hidden format, white on a white page, or too small to be seen was left out."""

_R = "{http://schemas.openxmlformats.org/officeDocument/2006/relationships}"
_OFF = frozenset({"0", "false", "off"})
_WRAPPERS = frozenset({f"{W}{name}" for name in ("sdt", "sdtContent", "customXml", "ins", "moveTo", "smartTag")})
_PAGE_NUMBER = re.compile(r"[\W\d]*(?:page|쪽|페이지|of|p)?[\W\d]*(?:of|중)?[\W\d]*(?:쪽|페이지)?\W*", re.I)
"""Headers and footers that hold nothing but the number of the page."""

_MAX_COLUMNS = 1_000


class DocxParser:
    """Word documents, with and without macros, and templates."""

    name = "docx/3"
    media_types = (media_types.DOCX,)

    def bid(self, identified: Identified) -> int:
        """Made for it."""
        return 100 if identified.media_type == media_types.DOCX else 0

    def parse(self, path: Path, source: SourceFile) -> ParsedDocument:
        """See `Parser.parse`."""
        with open_zip(path, source.name) as archive:
            package = Package(archive, source.name)
            reader = _Reader(package, package.related("", "officeDocument") or "word/document.xml")
            elements = tuple(reader.document())
            title, metadata = package.title(), package.metadata()
            warnings = tuple(sorted(reader.warnings | package.warnings()))
        if not elements:
            raise NoTextFound(name=source.name)
        title = document_title(title, elements, styled=reader.title)
        return ParsedDocument(title, source.media_type, self.name, elements, warnings=warnings, metadata=metadata)


class _Reader:
    """Walks a body in document order, counting paragraphs as Word does: all of them, empty ones and those in cells."""

    def __init__(self, package: Package, main: str) -> None:
        self.warnings: set[str] = set()
        self._package = package
        self._main = main
        self._count = 0
        self._painted = 0
        self.title = ""
        """The first text in the style for titles."""
        self._root = package.xml(main)
        self._targets = package.relationships(main)
        self._styles = read_styles(_part(package, main, "styles"))
        self._numbering: Numbering = read_numbering(_part(package, main, "numbering"))
        self._texts = TextCollector(self._styles, white_page=self._root.find(f"{W}background") is None)
        self._notes = {kind: self._read_notes(kind) for kind in ("footnotes", "endnotes", "comments")}

    def document(self) -> Iterator[Element]:
        """Page headers and footers, body."""
        body = self._root.find(f"{W}body")
        if body is None:
            return
        yield from self._margins(body)
        yield from self.blocks(body, 0)

    def blocks(self, parent: Any, nesting: int) -> Iterator[Element]:
        """Elements of everything that stands directly in `parent`."""
        if nesting > MAX_DEPTH:
            return
        for child in parent:
            if child.tag == f"{W}p":
                yield from self._paragraph(child, nesting)
            elif child.tag == f"{W}tbl":
                yield from self._table(child, nesting)
            elif child.tag in _WRAPPERS:
                yield from self.blocks(child, nesting + 1)
            elif child.tag == f"{MC}AlternateContent":
                yield from self.blocks(chosen(child), nesting + 1)
            elif child.tag == f"{W}altChunk":
                self.warnings.add(EMBEDDED_NOT_READ)

    def _margins(self, body: Any) -> Iterator[Element]:
        """Texts of all headers, then of all footers, each once, without page numbers.

        Behind the body, footers would stand below its last heading, with which they have nothing to do.
        """
        seen: set[str] = set()
        for reference in (*body.iter(f"{W}headerReference"), *body.iter(f"{W}footerReference")):
            part = self._targets.get(reference.get(f"{_R}id", ""))
            root = self._package.optional_xml(part) if part else None
            for paragraph in root.iter(f"{W}p") if root is not None else ():
                text = squeeze(self._read(paragraph).text)
                if text and text not in seen and not _PAGE_NUMBER.fullmatch(text):
                    seen.add(text)
                    yield Element(ElementKind.TEXT, text, ParagraphAnchor(1, 1))

    def _read(self, paragraph: Any) -> ParagraphText:
        properties = paragraph.find(f"{W}pPr")
        style = value_of(properties, "pStyle") or self._styles.default
        look = shading_of(properties).over(self._styles.look(style)).over(self._styles.defaults)
        found = self._texts.read(paragraph, look, painted=self._painted > 0)
        if found.hidden:
            self.warnings.add(HIDDEN_TEXT)
        return found

    def _paragraph(self, element: Any, nesting: int) -> Iterator[Element]:
        self._count += 1
        anchor = ParagraphAnchor(self._count, self._count)
        found = self._read(element)
        yield from self._text_elements(element, squeeze(found.text), anchor)
        self._painted += 1
        for box in found.boxes:
            yield from self.blocks(box, nesting + 1)
        self._painted -= 1
        yield from self._graphics(found, anchor)
        for kind, note in found.notes:
            if text := self._notes[kind].get(note):
                yield Element(ElementKind.TEXT, text, anchor)

    def _graphics(self, found: ParagraphText, anchor: ParagraphAnchor) -> Iterator[Element]:
        for chart in found.charts:
            root = self._related(chart)
            if root is not None:
                yield from chart_elements(root, anchor)
        for diagram in found.diagrams:
            root = self._related(diagram)
            for text in diagram_texts(root) if root is not None else ():
                yield Element(ElementKind.LIST_ITEM, text, anchor)

    def _related(self, relationship: str) -> Any | None:
        part = self._targets.get(relationship)
        return self._package.optional_xml(part) if part else None

    def _text_elements(self, element: Any, text: str, anchor: ParagraphAnchor) -> Iterator[Element]:
        style, number, depth = self._format_of(element)
        label = self._numbering.label(number, depth) if number and text else None
        if not text:
            return
        text = f"{label.strip()} {text}" if label and label.strip() else text
        if self._styles.is_contents(style):
            yield Element(ElementKind.TEXT, text, anchor)
            return
        level = self._outline_level(element, style)
        if level:
            self.title = self.title or (one_line(text) if self._styles.is_title(style) else "")
            yield Element(ElementKind.HEADING, one_line(text), anchor, level=level)
        elif heading := numbered_heading(text):
            yield Element(ElementKind.HEADING, heading.title, anchor, level=heading.level)
            if heading.rest:
                yield Element(ElementKind.TEXT, heading.rest, anchor)
        else:
            yield Element(ElementKind.TEXT if label is None else ElementKind.LIST_ITEM, text, anchor)

    def _format_of(self, element: Any) -> tuple[str, str, int]:
        """Style id, list number and depth in the list."""
        properties = element.find(f"{W}pPr")
        style = value_of(properties, "pStyle") or self._styles.default
        number_properties = properties.find(f"{W}numPr") if properties is not None else None
        if number_properties is not None and value_of(number_properties, "numId") is not None:
            number, depth = value_of(number_properties, "numId") or "", integer(value_of(number_properties, "ilvl"))
            return style, "" if number == "0" else number, depth
        for ancestor in self._styles.chain(style):
            if ancestor.number:
                return style, "" if ancestor.number == "0" else ancestor.number, ancestor.depth
        return style, "", 0

    def _outline_level(self, element: Any, style: str) -> int:
        """Depth of a heading, by the paragraph's own outline level before its style's; 0 for body text."""
        own = value_of(element.find(f"{W}pPr"), "outlineLvl")
        if own is not None:
            return integer(own, 9) + 1 if integer(own, 9) < 9 else 0
        return self._styles.level(style)

    def _table(self, table: Any, nesting: int) -> Iterator[Element]:
        rows = [(row, list(_cells(row))) for row in _rows(table)]
        if sum(len(cells) for _, cells in rows) == 1:
            # A table of one cell is a frame around text.
            yield from self.blocks(next(cells[0] for _, cells in rows if cells), nesting + 1)
            return
        first = self._count + 1
        remarks: list[Element] = []
        self._painted += 1
        read = self._grid(rows, nesting, remarks)
        self._painted -= 1
        element = table_element(read, ParagraphAnchor(first, max(first, self._count)))
        if element:
            yield element
        yield from remarks

    def _grid(self, rows: list[tuple[Any, list[Any]]], nesting: int, remarks: list[Element]) -> list[Row]:
        """Texts by grid column; a merged cell's text is repeated over all that it covers, so that each row can stand
        alone."""
        texts: list[list[str]] = []
        anchors: list[ParagraphAnchor] = []
        open_merges: dict[int, Merge] = {}
        merges: list[Merge] = []
        placed: list[tuple[int, int, int]] = []
        for number, (row, cells) in enumerate(rows):
            first = self._count + 1
            line = [""] * min(integer(value_of(row.find(f"{W}trPr"), "gridBefore")), _MAX_COLUMNS)
            for cell in cells:
                properties = cell.find(f"{W}tcPr")
                column, width = len(line), max(1, min(integer(value_of(properties, "gridSpan"), 1), 100))
                text = " ".join(self._cell_texts(cell, nesting, remarks))
                merge = properties.find(f"{W}vMerge") if properties is not None else None
                above = open_merges.pop(column, None)
                if merge is not None and merge.get(f"{W}val") != "restart" and above is not None:
                    open_merges[column] = Merge(above.row, column, number - above.row + 1, above.width)
                else:
                    merges += [above] if above else []
                    open_merges[column] = Merge(number, column, 1, width)
                    placed += [(number, column, width)] if number < MAX_HEAD_ROWS else []
                line += [text, *[""] * (width - 1)]
            texts.append(line[:_MAX_COLUMNS])
            anchors.append(ParagraphAnchor(first, max(first, self._count)))
        width = max(map(len, texts), default=0)
        for line in texts:
            line += [""] * (width - len(line))
        merges = [merge for merge in (*merges, *open_merges.values()) if merge.height > 1 or merge.width > 1]
        spread(texts, merges)
        heights = {(merge.row, merge.column): merge.height for merge in merges if merge.row < MAX_HEAD_ROWS}
        cells_above = (Merge(at, column, heights.get((at, column), 1), width) for at, column, width in placed)
        depth = head_depth(cells_above, len(rows), _named_heads([row for row, _ in rows]))
        return one_heading([(tuple(line), anchor) for line, anchor in zip(texts, anchors, strict=True)], depth)

    def _cell_texts(self, cell: Any, nesting: int, remarks: list[Element]) -> Iterator[str]:
        for element in self.blocks(cell, nesting + 1):
            if element.kind is ElementKind.TABLE:
                rows = element.text.split("\n")
                yield " / ".join(row.strip("| ") for row in (rows[0], *rows[2:]))
            elif element.text in self._comment_texts:
                remarks.append(element)
            else:
                yield one_line(element.text)

    def _read_notes(self, kind: str) -> dict[str, str]:
        """Texts of foot- and endnotes or comments by id."""
        notes = {}
        root = _part(self._package, self._main, kind)
        for note in root.iter(f"{W}{kind[:-1]}") if root is not None else ():
            text = squeeze("\n".join(self._read(paragraph).text for paragraph in note.iter(f"{W}p")))
            if kind == "comments":
                text = comment_text(text, note.get(f"{W}author", ""), note.get(f"{W}date", ""))
            notes[note.get(f"{W}id", "")] = text
        if kind == "comments":
            self._comment_texts = frozenset(notes.values())
        return notes


def _part(package: Package, main: str, kind: str) -> Any | None:
    part = package.related(main, kind)
    return package.optional_xml(part) if part else None


def _rows(table: Any) -> Iterator[Any]:
    """Rows of a table, without those that a tracked change deletes."""
    for child in table:
        if child.tag == f"{W}tr":
            if child.find(f"{W}trPr/{W}del") is None:
                yield child
        elif child.tag in _WRAPPERS:
            yield from _rows(child)


def _named_heads(rows: list[Any]) -> int:
    """How many of the first rows Word repeats on every page."""
    named = (
        head is not None and head.get(f"{W}val") not in _OFF for head in (r.find(f"{W}trPr/{W}tblHeader") for r in rows)
    )
    return sum(1 for _ in takewhile(bool, named))


def _cells(row: Any) -> Iterator[Any]:
    for child in row:
        if child.tag == f"{W}tc":
            yield child
        elif child.tag in _WRAPPERS:
            yield from _cells(child)
