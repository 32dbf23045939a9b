"""ODP: slides with titles as headings, in reading order; tables, charts, lists, notes and comments."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ingest.parsing import media_types
from ingest.parsing.base import Identified, SourceFile
from ingest.parsing.characters import one_line, squeeze
from ingest.parsing.odf import (
    DRAW,
    HIDDEN_TEXT,
    MAX_DEPTH,
    OFFICE,
    PRESENTATION,
    SVG,
    TABLE,
    TEXT,
    Found,
    Look,
    OdfPackage,
    OdfStyles,
    annotation_text,
    chart_of,
    collect,
    description,
    formula_text,
    href,
    open_odf,
)
from ingest.parsing.odf_lists import OdfLists
from ingest.parsing.odf_tables import grid
from ingest.parsing.odt import chart_parts
from ingest.parsing.slides import HIDDEN_SLIDES, deck_title, with_heading
from ingest.parsing.tables import table_element
from rag.domain.anchor import SlideAnchor
from rag.domain.document import Element, ElementKind, ParsedDocument
from rag.domain.errors import NoTextFound

_SAME_LINE_CM = 0.56
"""As in PPTX: what begins at about the same height is read from the left."""

_CM = {"cm": 1.0, "mm": 0.1, "in": 2.54, "pt": 2.54 / 72, "pc": 2.54 / 6, "px": 2.54 / 96}
_NOT_ON_THE_SLIDE = frozenset({f"{PRESENTATION}notes", f"{OFFICE}forms", f"{OFFICE}annotation"})
_UNWANTED = frozenset({"page-number", "date-time", "footer", "header"})


@dataclass(frozen=True, slots=True)
class _List:
    """Where in lists the walk stands."""

    style: str = ""
    depth: int = 0


class OdpParser:
    """OpenDocument presentations and their templates."""

    name = "odp/2"
    media_types = (media_types.ODP,)

    def bid(self, identified: Identified) -> int:
        """Made for it."""
        return 100 if identified.media_type == media_types.ODP else 0

    def parse(self, path: Path, source: SourceFile) -> ParsedDocument:
        """See `Parser.parse`."""
        with open_odf(path, source.name) as package:
            content = package.xml("content.xml")
            reader = _Reader(package, content)
            elements = tuple(reader.elements())
            title, metadata = package.title(), package.metadata()
            warnings = tuple(sorted(reader.warnings | package.warnings(content)))
        if not elements:
            raise NoTextFound(name=source.name)
        title = deck_title(title, elements)
        return ParsedDocument(title, source.media_type, self.name, elements, reader.slides, warnings, metadata)


class _Reader:
    """Walks the slides of a presentation."""

    def __init__(self, package: OdfPackage, content: Any) -> None:
        self.warnings: set[str] = set()
        self.slides = 0
        self._package = package
        self._content = content
        self._styles, self._lists = OdfStyles(), OdfLists()
        for root in (package.optional_xml("styles.xml"), content):
            self._styles.add(root)
            self._lists.add(root)

    def elements(self) -> Iterator[Element]:
        """Of all slides in order."""
        for page in self._content.iterfind(f"{OFFICE}body/{OFFICE}presentation/{DRAW}page"):
            self.slides += 1
            anchor = SlideAnchor(self.slides, self.slides)
            if not self._styles.is_shown("drawing-page", page.get(f"{DRAW}style-name", "")):
                self.warnings.add(HIDDEN_SLIDES)
            yield from with_heading(self._page(page, anchor), anchor)

    def _page(self, page: Any, anchor: SlideAnchor) -> Iterator[Element]:
        """Shapes, then notes, then comments."""
        shapes = [child for child in page if isinstance(child.tag, str) and child.tag not in _NOT_ON_THE_SLIDE]
        for shape in _reading_order(shapes):
            yield from self._shape(shape, anchor, 0)
        for notes in page.iterfind(f"{PRESENTATION}notes"):
            for frame in notes.iterfind(f"{DRAW}frame"):
                if frame.get(f"{PRESENTATION}class") == "notes":
                    yield from self._blocks(frame, anchor, _List(), 0)
        for comment in page.iterfind(f"{OFFICE}annotation"):
            if text := annotation_text(comment):
                yield Element(ElementKind.TEXT, text, anchor)

    def _shape(self, shape: Any, anchor: SlideAnchor, nesting: int) -> Iterator[Element]:
        if nesting > MAX_DEPTH or shape.get(f"{PRESENTATION}class") in _UNWANTED:
            return
        if shape.tag == f"{DRAW}g":
            for member in _reading_order([child for child in shape if isinstance(child.tag, str)]):
                yield from self._shape(member, anchor, nesting + 1)
            return
        if _is_title(shape):
            lines = [found.text for line in shape.iter(f"{TEXT}p") if (found := self._read(line))]
            if text := one_line(" ".join(lines)):
                yield Element(ElementKind.HEADING, text, anchor, level=1)
            return
        if text := description(shape):
            yield Element(ElementKind.TEXT, text, anchor)
        yield from self._blocks(shape, anchor, _List(), nesting)

    def _blocks(self, parent: Any, anchor: SlideAnchor, place: _List, nesting: int) -> Iterator[Element]:
        if nesting > MAX_DEPTH:
            return
        for child in parent:
            tag = child.tag
            if tag in (f"{TEXT}p", f"{TEXT}h"):
                yield from self._paragraph(child, anchor, place, "")
            elif tag == f"{TEXT}list":
                yield from self._list(child, anchor, place, nesting)
            elif tag == f"{TABLE}table":
                rows = grid(child, lambda cell: self._cell(cell, anchor, nesting))
                if table := table_element([(tuple(row), anchor) for row in rows], anchor):
                    yield table
            elif tag == f"{DRAW}object":
                yield from self._object(child, anchor)
            elif isinstance(tag, str) and tag.startswith(DRAW):
                yield from self._blocks(child, anchor, place, nesting + 1)

    def _cell(self, cell: Any, anchor: SlideAnchor, nesting: int) -> str:
        return " ".join(one_line(element.text) for element in self._blocks(cell, anchor, _List(), nesting + 1))

    def _list(self, element: Any, anchor: SlideAnchor, place: _List, nesting: int) -> Iterator[Element]:
        style = element.get(f"{TEXT}style-name", "") or place.style
        inside = _List(style, place.depth + 1)
        if place.depth == 0:
            self._lists.begin(style, goes_on=element.get(f"{TEXT}continue-numbering") == "true")
        for item in element:
            if item.tag not in (f"{TEXT}list-item", f"{TEXT}list-header"):
                continue
            label = ""
            if any(child.tag == f"{TEXT}p" for child in item):
                label = self._lists.label(style, inside.depth)
            for child in item:
                if child.tag == f"{TEXT}p":
                    yield from self._paragraph(child, anchor, inside, label)
                    label = ""
                elif child.tag == f"{TEXT}list" and nesting < MAX_DEPTH:
                    yield from self._list(child, anchor, inside, nesting + 1)

    def _paragraph(self, element: Any, anchor: SlideAnchor, place: _List, label: str) -> Iterator[Element]:
        found = self._read(element)
        if text := squeeze(found.text):
            kind = ElementKind.LIST_ITEM if place.depth else ElementKind.TEXT
            yield Element(kind, f"{label} {text}" if label else text, anchor)
        for frame in found.frames:
            yield from self._blocks(frame, anchor, _List(), MAX_DEPTH)
        for comment in filter(None, found.comments):
            yield Element(ElementKind.TEXT, comment, anchor)

    def _read(self, paragraph: Any) -> Found:
        style = paragraph.get(f"{TEXT}style-name", "")
        found = collect(paragraph, self._styles, self._styles.look("paragraph", style, Look(painted=True)), Found())
        if found.hidden:
            self.warnings.add(HIDDEN_TEXT)
        return found

    def _object(self, item: Any, anchor: SlideAnchor) -> Iterator[Element]:
        root = self._package.object(href(item))
        if root is None:
            return
        if text := formula_text(root):
            yield Element(ElementKind.TEXT, text, anchor)
        chart = chart_of(root)
        for part in chart_parts(chart) if chart is not None else ():
            if isinstance(part, str):
                yield Element(ElementKind.TEXT, part, anchor)
            elif table := table_element([(tuple(row), anchor) for row in part], anchor):
                yield table


def _is_title(shape: Any) -> bool:
    return bool(shape.get(f"{PRESENTATION}class") == "title")


def _reading_order(shapes: list[Any]) -> list[Any]:
    """The title first, then from top to bottom, and from left to right what begins at about the same height."""
    placed = sorted(((_length(shape, "y"), _length(shape, "x"), shape) for shape in shapes), key=lambda item: item[0])
    lines: list[list[tuple[float, float, Any]]] = []
    for item in placed:
        if lines and item[0] - lines[-1][0][0] <= _SAME_LINE_CM:
            lines[-1].append(item)
        else:
            lines.append([item])
    ordered = [item[2] for line in lines for item in sorted(line, key=lambda member: member[1])]
    return [shape for shape in ordered if _is_title(shape)] + [shape for shape in ordered if not _is_title(shape)]


def _length(shape: Any, name: str) -> float:
    """A coordinate in cm; that of the first member for a group, which has none of its own."""
    text = shape.get(f"{SVG}{name}")
    if text is None:
        member = next((inner for inner in shape.iter() if inner.get(f"{SVG}{name}") is not None), None)
        text = member.get(f"{SVG}{name}") if member is not None else "0cm"
    try:
        return float(text[:-2]) * _CM.get(text[-2:], 1.0)
    except ValueError:
        return 0.0
