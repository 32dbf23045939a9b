"""DOCX: paragraphs, headings, automatic numbers, tables, text boxes and footnotes, straight from the package's XML.

Neither `unstructured` nor `python-docx` is used: both lose which paragraph a text came from (the anchor), automatic
numbers such as `제1조`, text boxes, footnotes and text inserted under tracked changes, and open no .docm and no .dotx.
What is left out on purpose: deleted text, comments, headers and footers, field codes.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ingest.parsing import media_types
from ingest.parsing.base import Identified, SourceFile
from ingest.parsing.characters import one_line, squeeze
from ingest.parsing.containers import open_zip
from ingest.parsing.docx_numbering import Numbering, integer, read_numbering
from ingest.parsing.headings import numbered_heading
from ingest.parsing.ooxml import COMMENTS_LEFT_OUT, MC, Package, W
from ingest.parsing.tables import Row, table_element
from ingest.parsing.titles import document_title
from rag.domain.anchor import ParagraphAnchor
from rag.domain.document import Element, ElementKind, ParsedDocument
from rag.domain.errors import NoTextFound

_M = "{http://schemas.openxmlformats.org/officeDocument/2006/math}"
_HEADING_STYLE = re.compile(r"(?:heading|제목|개요)\s*([1-9])$", re.I)
_TITLE_STYLE = re.compile(r"(?:title|제목)$", re.I)
_CONTENTS_STYLE = re.compile(r"(?:toc|목차|table of figures)", re.I)
_MAX_STYLE_CHAIN = 20
_MAX_DEPTH = 100

_SKIPPED = frozenset(
    {f"{W}del", f"{W}moveFrom", f"{W}instrText", f"{W}delText", f"{W}pPr", f"{W}rPr", f"{W}rt", f"{MC}Fallback"}
)
_BLANKS = {f"{W}tab": " ", f"{W}br": "\n", f"{W}cr": "\n", f"{W}noBreakHyphen": "-", f"{W}ptab": " "}
_TEXTS = frozenset({f"{W}t", f"{_M}t"})
_EQUATION_MARKS = {
    f"{_M}oMath": (" ", " "),
    f"{_M}num": ("(", ")"),
    f"{_M}den": ("/(", ")"),
    f"{_M}sup": ("^(", ")"),
    f"{_M}sub": ("_(", ")"),
    f"{_M}deg": ("[", "]"),
    f"{_M}rad": ("√(", ")"),
    f"{_M}d": ("(", ")"),
    f"{_M}fName": ("", " "),
}
"""What keeps the parts of an equation apart on one line, as in `(-b±√(b^(2)-4ac))/(2a)`."""

_WRAPPERS = frozenset({f"{W}{name}" for name in ("sdt", "sdtContent", "customXml", "ins", "moveTo", "smartTag")})


@dataclass(frozen=True, slots=True)
class _Style:
    name: str
    based_on: str
    outline: int | None
    number: str
    depth: int


@dataclass
class _Paragraph:
    """What was found in one `w:p`: its own text, and what hangs on it."""

    text: str = ""
    boxes: list[Any] = field(default_factory=list)
    notes: list[tuple[str, str]] = field(default_factory=list)


class DocxParser:
    """Word documents, with and without macros, and templates."""

    name = "docx/1"
    media_types = (media_types.DOCX,)

    def bid(self, identified: Identified) -> int:
        """Made for it."""
        return 100 if identified.media_type == media_types.DOCX else 0

    def parse(self, path: Path, source: SourceFile) -> ParsedDocument:
        """See `Parser.parse`."""
        with open_zip(path, source.name) as archive:
            package = Package(archive, source.name)
            main = package.related("", "officeDocument") or "word/document.xml"
            reader = _Reader(package, main)
            body = package.xml(main).find(f"{W}body")
            elements = tuple(reader.blocks(body, 0)) if body is not None else ()
            title = package.title()
            warnings = (COMMENTS_LEFT_OUT,) if package.has_comments() else ()
        if not elements:
            raise NoTextFound(name=source.name)
        title = document_title(title, elements)
        return ParsedDocument(title, source.media_type, self.name, elements, warnings=warnings)


class _Reader:
    """Walks a body in document order, counting paragraphs as Word does: all of them, empty ones and those in cells."""

    def __init__(self, package: Package, main: str) -> None:
        self._count = 0
        self._styles = _read_styles(_part(package, main, "styles"))
        self._numbering: Numbering = read_numbering(_part(package, main, "numbering"))
        self._notes = {kind: _read_notes(_part(package, main, kind), kind[:-1]) for kind in ("footnotes", "endnotes")}

    def blocks(self, parent: Any, nesting: int) -> Iterator[Element]:
        """Elements of everything that stands directly in `parent`."""
        if nesting > _MAX_DEPTH:
            return
        for child in parent:
            if child.tag == f"{W}p":
                yield from self._paragraph(child, nesting)
            elif child.tag == f"{W}tbl":
                yield from self._table(child, nesting)
            elif child.tag in _WRAPPERS:
                yield from self.blocks(child, nesting + 1)
            elif child.tag == f"{MC}AlternateContent":
                yield from self.blocks(_chosen(child), nesting + 1)

    def _paragraph(self, element: Any, nesting: int) -> Iterator[Element]:
        self._count += 1
        anchor = ParagraphAnchor(self._count, self._count)
        found = _Paragraph()
        _collect(element, found, 0)
        yield from self._text_elements(element, squeeze(found.text), anchor)
        for box in found.boxes:
            yield from self.blocks(box, nesting + 1)
        for kind, note in found.notes:
            if text := self._notes[kind].get(note):
                yield Element(ElementKind.TEXT, text, anchor)

    def _text_elements(self, element: Any, text: str, anchor: ParagraphAnchor) -> Iterator[Element]:
        style, number, depth = self._format_of(element)
        label = self._numbering.label(number, depth) if number and text else None
        if not text:
            return
        text = f"{label.strip()} {text}" if label and label.strip() else text
        names = self._style_names(style)
        if any(_CONTENTS_STYLE.match(name) for name in names):
            yield Element(ElementKind.TEXT, text, anchor)
            return
        level = self._outline_level(element, style)
        if level:
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
        style = _value(properties, "pStyle") or self._default_style()
        number_properties = properties.find(f"{W}numPr") if properties is not None else None
        if number_properties is not None and _value(number_properties, "numId") is not None:
            number, depth = _value(number_properties, "numId") or "", integer(_value(number_properties, "ilvl"))
            return style, "" if number == "0" else number, depth
        for ancestor in self._chain(style):
            if ancestor.number:
                return style, "" if ancestor.number == "0" else ancestor.number, ancestor.depth
        return style, "", 0

    def _default_style(self) -> str:
        return "Normal"

    def _chain(self, style: str) -> Iterator[_Style]:
        for _ in range(_MAX_STYLE_CHAIN):
            found = self._styles.get(style)
            if found is None:
                return
            yield found
            style = found.based_on

    def _style_names(self, style: str) -> list[str]:
        return [found.name for found in self._chain(style)]

    def _outline_level(self, element: Any, style: str) -> int:
        """Depth of a heading; 0 for body text (outline level 9 says so explicitly)."""
        own = _value(element.find(f"{W}pPr"), "outlineLvl")
        if own is not None:
            return integer(own, 9) + 1 if integer(own, 9) < 9 else 0
        for ancestor in self._chain(style):
            if ancestor.outline is not None:
                return ancestor.outline + 1 if ancestor.outline < 9 else 0
            if named := _HEADING_STYLE.match(ancestor.name):
                return int(named[1])
            if _TITLE_STYLE.match(ancestor.name):
                return 1
        return 0

    def _table(self, table: Any, nesting: int) -> Iterator[Element]:
        rows = [list(_cells(row)) for row in _rows(table)]
        if sum(len(cells) for cells in rows) == 1:
            # A table of one cell is a frame around text.
            yield from self.blocks(rows[0][0] if rows[0] else table, nesting + 1)
            return
        first = self._count + 1
        above: dict[int, str] = {}
        read: list[Row] = [self._row(cells, above, nesting) for cells in rows]
        element = table_element(read, ParagraphAnchor(first, max(first, self._count)))
        if element:
            yield element

    def _row(self, cells: list[Any], above: dict[int, str], nesting: int) -> Row:
        """Texts by grid column; a cell merged with the one above repeats its text, so that each row can stand alone."""
        first = self._count + 1
        texts: list[str] = []
        for cell in cells:
            properties = cell.find(f"{W}tcPr")
            text = " ".join(self._cell_texts(cell, nesting))
            column = len(texts)
            merge = properties.find(f"{W}vMerge") if properties is not None else None
            if merge is not None and merge.get(f"{W}val") != "restart":
                text = above.get(column, "")
            above[column] = text
            span = min(integer(_value(properties, "gridSpan"), 1), 100)
            texts += [text, *[""] * (span - 1)]
        return tuple(texts), ParagraphAnchor(first, max(first, self._count))

    def _cell_texts(self, cell: Any, nesting: int) -> Iterator[str]:
        for element in self.blocks(cell, nesting + 1):
            if element.kind is ElementKind.TABLE:
                rows = element.text.split("\n")
                yield " / ".join(row.strip("| ") for row in (rows[0], *rows[2:]))
            else:
                yield one_line(element.text)


def _part(package: Package, main: str, kind: str) -> Any | None:
    part = package.related(main, kind)
    return package.optional_xml(part) if part else None


def _collect(element: Any, found: _Paragraph, nesting: int) -> None:
    """Text of a paragraph with what hangs on it, in order."""
    if nesting > _MAX_DEPTH:
        return
    for child in element:
        tag = child.tag
        if tag in _SKIPPED or not isinstance(tag, str):
            continue
        if tag in _TEXTS:
            found.text += child.text or ""
        elif tag in _BLANKS:
            found.text += _BLANKS[tag]
        elif tag == f"{W}txbxContent":
            found.boxes.append(child)
        elif tag in (f"{W}footnoteReference", f"{W}endnoteReference"):
            found.notes.append((tag[len(W) :].replace("Reference", "s"), child.get(f"{W}id", "")))
        elif tag == f"{MC}AlternateContent":
            _collect(_chosen(child), found, nesting + 1)
        else:
            before, after = _EQUATION_MARKS.get(tag, ("", ""))
            found.text += before
            _collect(child, found, nesting + 1)
            found.text += after


def _chosen(alternate: Any) -> Any:
    """Of the renderings of one content, the modern one; the other repeats it for old versions of Word."""
    choice = alternate.find(f"{MC}Choice")
    fallback = alternate.find(f"{MC}Fallback")
    return choice if choice is not None else fallback if fallback is not None else ()


def _rows(table: Any) -> Iterator[Any]:
    for child in table:
        if child.tag == f"{W}tr":
            yield child
        elif child.tag in _WRAPPERS:
            yield from _rows(child)


def _cells(row: Any) -> Iterator[Any]:
    for child in row:
        if child.tag == f"{W}tc":
            yield child
        elif child.tag in _WRAPPERS:
            yield from _cells(child)


def _value(element: Any | None, name: str) -> str | None:
    found = element.find(f"{W}{name}") if element is not None else None
    return found.get(f"{W}val") if found is not None else None


def _read_styles(root: Any | None) -> dict[str, _Style]:
    styles = {}
    for style in root.iter(f"{W}style") if root is not None else ():
        properties = style.find(f"{W}pPr")
        outline = _value(properties, "outlineLvl")
        numbering = properties.find(f"{W}numPr") if properties is not None else None
        styles[style.get(f"{W}styleId", "")] = _Style(
            name=_value(style, "name") or "",
            based_on=_value(style, "basedOn") or "",
            outline=integer(outline, 9) if outline is not None else None,
            number=_value(numbering, "numId") or "",
            depth=integer(_value(numbering, "ilvl")),
        )
    return styles


def _read_notes(root: Any | None, tag: str) -> dict[str, str]:
    notes = {}
    for note in root.iter(f"{W}{tag}") if root is not None else ():
        found = _Paragraph()
        for paragraph in note.iter(f"{W}p"):
            _collect(paragraph, found, 0)
            found.text += "\n"
        notes[note.get(f"{W}id", "")] = squeeze(found.text)
    return notes
