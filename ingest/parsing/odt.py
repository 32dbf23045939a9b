"""ODT: paragraphs, headings, lists, tables, text boxes, notes and comments, straight from the package's XML.

What is left out on purpose: text deleted under tracked changes, hidden text.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ingest.parsing import media_types
from ingest.parsing.base import Identified, SourceFile
from ingest.parsing.characters import one_line, squeeze
from ingest.parsing.docx_numbering import integer
from ingest.parsing.headings import numbered_heading
from ingest.parsing.odf import (
    DRAW,
    HIDDEN_TEXT,
    MAX_DEPTH,
    OFFICE,
    STYLE,
    TABLE,
    TEXT,
    Found,
    Look,
    OdfPackage,
    OdfStyles,
    chart_of,
    collect,
    description,
    formula_text,
    href,
    open_odf,
)
from ingest.parsing.odf_lists import OdfLists
from ingest.parsing.odf_tables import grid
from ingest.parsing.tables import table_element
from ingest.parsing.titles import document_title
from rag.domain.anchor import ParagraphAnchor
from rag.domain.document import Element, ElementKind, ParsedDocument
from rag.domain.errors import NoTextFound

_PARTS = frozenset({f"{TEXT}section", f"{TEXT}index-body", f"{TEXT}index-title", f"{TEXT}numbered-paragraph"})
_INDEXES = frozenset(
    f"{TEXT}{name}"
    for name in ("table-of-content", "illustration-index", "table-index", "alphabetical-index", "bibliography")
)


@dataclass(frozen=True, slots=True)
class _Place:
    """Where in lists and frames the walk stands."""

    nesting: int = 0
    list_style: str = ""
    depth: int = 0
    label: str = ""
    painted: bool = False
    in_index: bool = False

    def inside(self, **changes: Any) -> _Place:
        values = {name: getattr(self, name) for name in self.__slots__}
        return _Place(**{**values, "nesting": self.nesting + 1, **changes})


class OdtParser:
    """OpenDocument texts and their templates."""

    name = "odt/2"
    media_types = (media_types.ODT,)

    def bid(self, identified: Identified) -> int:
        """Made for it."""
        return 100 if identified.media_type == media_types.ODT else 0

    def parse(self, path: Path, source: SourceFile) -> ParsedDocument:
        """See `Parser.parse`."""
        with open_odf(path, source.name) as package:
            content = package.xml("content.xml")
            reader = OdtReader(package, content)
            elements = tuple(reader.document())
            title, metadata = package.title(), package.metadata()
            warnings = tuple(sorted(reader.warnings | package.warnings(content)))
        if not elements:
            raise NoTextFound(name=source.name)
        title = document_title(title, elements, styled=reader.title)
        return ParsedDocument(title, source.media_type, self.name, elements, warnings=warnings, metadata=metadata)


class OdtReader:
    """Walks a text in document order, counting paragraphs: all of them, empty ones and those in cells."""

    def __init__(self, package: OdfPackage, content: Any) -> None:
        self.warnings: set[str] = set()
        self.title = ""
        """The first text in the style for titles."""
        self._package = package
        self._content = content
        self._count = 0
        self._styles, self._lists = OdfStyles(), OdfLists()
        self._style_root = package.optional_xml("styles.xml")
        for root in (self._style_root, content):
            self._styles.add(root)
            self._lists.add(root)

    def document(self) -> Iterator[Element]:
        """Page headers and footers, which belong to no section, then the body."""
        body = self._content.find(f"{OFFICE}body/{OFFICE}text")
        if body is None:
            return
        yield from self._margins()
        yield from self.blocks(body, _Place())

    def _margins(self) -> Iterator[Element]:
        """Texts of all headers, then of all footers, each once; fields such as the page's number are no text of the author's."""
        root = self._style_root
        margins = [
            margin
            for kind in ("header", "footer")
            for margin in (
                root.iter(*(f"{STYLE}{kind}{at}" for at in ("", "-left", "-first"))) if root is not None else ()
            )
        ]
        seen: set[str] = set()
        for margin in margins:
            for paragraph in margin.iter(f"{TEXT}p", f"{TEXT}h"):
                if next(paragraph.iter(f"{TEXT}page-number", f"{TEXT}page-count"), None) is not None:
                    continue
                text = squeeze(self._read(paragraph, painted=False).text)
                if text and text not in seen:
                    seen.add(text)
                    yield Element(ElementKind.TEXT, text, ParagraphAnchor(1, 1))

    def blocks(self, parent: Any, place: _Place) -> Iterator[Element]:
        """Elements of everything that stands directly in `parent`."""
        if place.nesting > MAX_DEPTH:
            return
        for child in parent:
            tag = child.tag
            if tag in (f"{TEXT}p", f"{TEXT}h"):
                yield from self._paragraph(child, place)
                place = place.inside(nesting=place.nesting, label="")
            elif tag == f"{TEXT}list":
                yield from self._list(child, place)
            elif tag == f"{TABLE}table":
                yield from self._table(child, place)
            elif tag in _INDEXES:
                yield from self.blocks(child, place.inside(in_index=True))
            elif tag in _PARTS:
                if child.get(f"{TEXT}display") == "none":
                    self.warnings.add(HIDDEN_TEXT)
                else:
                    yield from self.blocks(child, place.inside())
            elif isinstance(tag, str) and tag.startswith(DRAW):
                yield from self.frame(child, ParagraphAnchor(max(self._count, 1), max(self._count, 1)), place)

    def _list(self, element: Any, place: _Place) -> Iterator[Element]:
        style = element.get(f"{TEXT}style-name", "") or place.list_style
        if place.depth == 0:
            goes_on = element.get(f"{TEXT}continue-numbering") == "true" or bool(element.get(f"{TEXT}continue-list"))
            self._lists.begin(style, goes_on=goes_on)
        for item in element:
            if item.tag == f"{TEXT}list-header":
                yield from self.blocks(item, place.inside(list_style=style, depth=place.depth + 1))
            elif item.tag == f"{TEXT}list-item":
                inside = place.inside(list_style=style, depth=place.depth + 1, label="\0")
                if start := item.get(f"{TEXT}start-value"):
                    inside = inside.inside(label=f"\0{integer(start, 1)}")
                yield from self.blocks(item, inside)

    def _read(self, paragraph: Any, *, painted: bool) -> Found:
        style = paragraph.get(f"{TEXT}style-name", "")
        look = self._styles.look("paragraph", style, Look(painted=painted))
        found = collect(paragraph, self._styles, look, Found())
        if found.hidden:
            self.warnings.add(HIDDEN_TEXT)
        return found

    def _paragraph(self, element: Any, place: _Place) -> Iterator[Element]:
        self._count += 1
        anchor = ParagraphAnchor(self._count, self._count)
        found = self._read(element, painted=place.painted)
        yield from self._text_elements(element, squeeze(found.text), anchor, place)
        for frame in found.frames:
            yield from self.frame(frame, anchor, place)
        for note in found.notes:
            body = note.find(f"{TEXT}note-body")
            lines = (self._read(line, painted=False).text for line in body.iter(f"{TEXT}p")) if body is not None else ()
            if text := squeeze("\n".join(lines)):
                yield Element(ElementKind.TEXT, text, anchor)
        for comment in filter(None, found.comments):
            yield Element(ElementKind.TEXT, comment, anchor)

    def _text_elements(self, element: Any, text: str, anchor: ParagraphAnchor, place: _Place) -> Iterator[Element]:
        if not text:
            return
        style = element.get(f"{TEXT}style-name", "")
        if element.tag == f"{TEXT}h" and not place.in_index:
            level = max(1, integer(element.get(f"{TEXT}outline-level"), 1))
            label = self._lists.heading(level) if element.get(f"{TEXT}is-list-header") != "true" else ""
            yield Element(ElementKind.HEADING, one_line(f"{label} {text}"), anchor, level=level)
            return
        label = ""
        if place.label:
            start = integer(place.label[1:], 0) if len(place.label) > 1 else None
            label = self._lists.label(place.list_style, place.depth, start)
        text = f"{label} {text}" if label else text
        if place.in_index:
            yield Element(ElementKind.TEXT, text, anchor)
        elif not place.depth and self._styles.is_named(style, "Title"):
            self.title = self.title or one_line(text)
            yield Element(ElementKind.HEADING, one_line(text), anchor, level=1)
        elif heading := numbered_heading(text):
            yield Element(ElementKind.HEADING, heading.title, anchor, level=heading.level)
            if heading.rest:
                yield Element(ElementKind.TEXT, heading.rest, anchor)
        else:
            yield Element(ElementKind.LIST_ITEM if place.depth else ElementKind.TEXT, text, anchor)

    def frame(self, frame: Any, anchor: ParagraphAnchor, place: _Place) -> Iterator[Element]:
        """What stands in a frame or a shape: text, a table, a chart, a formula, a picture's description."""
        if place.nesting > MAX_DEPTH:
            return
        inside = place.inside(painted=True, list_style="", depth=0, label="")
        if frame.tag == f"{DRAW}object":
            root = self._package.object(href(frame))
            if root is not None:
                yield from self._object(root, anchor)
            return
        if text := description(frame):
            yield Element(ElementKind.TEXT, text, anchor)
        yield from self.blocks(frame, inside)

    def _object(self, root: Any, anchor: ParagraphAnchor) -> Iterator[Element]:
        if text := formula_text(root):
            yield Element(ElementKind.TEXT, text, anchor)
        chart = chart_of(root)
        for element in chart_parts(chart) if chart is not None else ():
            if isinstance(element, str):
                yield Element(ElementKind.TEXT, element, anchor)
            elif table := table_element([(tuple(row), anchor) for row in element], anchor):
                yield table

    def _table(self, table: Any, place: _Place) -> Iterator[Element]:
        first = self._count + 1
        ends: list[int] = []
        inside = place.inside(painted=True, list_style="", depth=0, label="")

        def text_of(cell: Any) -> str:
            return " ".join(_flat(element) for element in self.blocks(cell, inside))

        rows = grid(table, text_of, lambda: ends.append(self._count))
        if sum(map(len, rows)) == 1:
            # A table of one cell is a frame around text.
            self._count = first - 1
            for cell in table.iter(f"{TABLE}table-cell"):
                yield from self.blocks(cell, inside)
            return
        starts = [first, *(end + 1 for end in ends)]
        anchored = [
            (tuple(row), ParagraphAnchor(start, max(start, end)))
            for row, start, end in zip(rows, starts, ends, strict=False)
        ]
        element = table_element(anchored, ParagraphAnchor(first, max(first, self._count)))
        if element:
            yield element


def _flat(element: Element) -> str:
    """An element inside a cell on one line; a nested table row by row."""
    if element.kind is not ElementKind.TABLE:
        return one_line(element.text)
    rows = element.text.split("\n")
    return " / ".join(row.strip("| ") for row in (rows[0], *rows[2:]))


def chart_parts(chart: Any) -> Iterator[str | list[list[str]]]:
    """Title and data of a chart."""
    for title in chart.iterfind("{*}title"):
        if text := one_line("".join(title.itertext())):
            yield text
    for table in chart.iter(f"{TABLE}table"):
        yield grid(table, lambda cell: one_line(" ".join("".join(line.itertext()) for line in cell.iter(f"{TEXT}p"))))
