"""PPTX: slides with titles as headings, in reading order; tables, charts, SmartArt, equations, notes and comments.

`unstructured` and `python-pptx` see neither SmartArt nor comments nor merged cells nor automatic numbers, and don't say
which slide is hidden, so the package's XML is read directly. Notes and comments stand after their slide.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from ingest.parsing import media_types
from ingest.parsing.base import Identified, SourceFile
from ingest.parsing.characters import one_line
from ingest.parsing.charts import chart_elements
from ingest.parsing.containers import open_zip
from ingest.parsing.diagrams import diagram_texts
from ingest.parsing.ooxml import Package
from ingest.parsing.pptx_shapes import (
    A,
    Inherited,
    P,
    Paragraph,
    Shape,
    paragraphs,
    placeholder_places,
    reading_order,
    table_rows,
)
from ingest.parsing.remarks import comment_text, picture_text
from ingest.parsing.slides import HIDDEN_SLIDES, deck_title, with_heading
from ingest.parsing.table_heads import one_heading
from ingest.parsing.tables import table_element
from rag.domain.anchor import SlideAnchor
from rag.domain.document import Element, ElementKind, ParsedDocument
from rag.domain.errors import NoTextFound

HIDDEN_TEXT = "hidden_text"
"""Text in hidden shapes, or white on a white slide, was left out."""

_R = "{http://schemas.openxmlformats.org/officeDocument/2006/relationships}"
_CHART = "{http://schemas.openxmlformats.org/drawingml/2006/chart}chart"
_DIAGRAM = "{http://schemas.openxmlformats.org/drawingml/2006/diagram}relIds"
_ON_EVERY_SLIDE = frozenset({"sldNum", "dt"})
_LISTED = frozenset({"body", "obj"})
_TITLE_CHARACTERS = 80
_TITLE_SIZE = 2_000
"""20 points: larger than body text, in hundredths."""

_SOLID_GROUND = "1001"
"""The first of a theme's backgrounds, which is one plain colour (20.1.4.1.7)."""

_PAINT = frozenset(f"{A}{name}" for name in ("solidFill", "gradFill", "blipFill", "pattFill", "grpFill"))


class PptxParser:
    """PowerPoint presentations, shows and templates, with and without macros."""

    name = "pptx/2"
    media_types = (media_types.PPTX,)

    def bid(self, identified: Identified) -> int:
        """Made for it."""
        return 100 if identified.media_type == media_types.PPTX else 0

    def parse(self, path: Path, source: SourceFile) -> ParsedDocument:
        """See `Parser.parse`."""
        with open_zip(path, source.name) as archive:
            package = Package(archive, source.name)
            reader = _Reader(package)
            elements = tuple(reader.elements())
            title, metadata = package.title(), package.metadata()
            warnings = tuple(sorted(reader.warnings | package.warnings()))
        if not elements:
            raise NoTextFound(name=source.name)
        title = deck_title(title, elements)
        return ParsedDocument(title, source.media_type, self.name, elements, reader.slides, warnings, metadata)


class _Reader:
    """Walks the slides of a presentation."""

    def __init__(self, package: Package) -> None:
        self.warnings: set[str] = set()
        self.slides = 0
        self._package = package
        self._main = package.related("", "officeDocument") or "ppt/presentation.xml"
        self._layouts: dict[str, tuple[Inherited, bool]] = {}
        self._authors = self._read_authors()
        self._footers: set[str] = set()

    def elements(self) -> Iterator[Element]:
        """Of all slides in the order of the presentation."""
        targets = self._package.relationships(self._main)
        for item in self._package.xml(self._main).iter(f"{P}sldId"):
            part = targets.get(item.get(f"{_R}id", ""))
            if part and self._package.has(part):
                self.slides += 1
                anchor = SlideAnchor(self.slides, self.slides)
                yield from with_heading(self._slide(part, anchor), anchor)

    def _slide(self, part: str, anchor: SlideAnchor) -> Iterator[Element]:
        root = self._package.xml(part)
        if root.get("show") in ("0", "false"):
            self.warnings.add(HIDDEN_SLIDES)
        tree = root.find(f"{P}cSld/{P}spTree")
        inherited, plain = self._layout(part)
        shapes = self._visible(reading_order(tree, inherited)) if tree is not None else []
        white_page = plain and not _is_painted(root)
        texts = {id(shape): self._texts(shape, white_page) for shape in shapes}
        title = _title(shapes, texts)
        for shape in shapes:
            if shape is title:
                text = one_line(" ".join(paragraph.text for paragraph in texts[id(shape)]))
                yield Element(ElementKind.HEADING, text, anchor, level=1)
            else:
                yield from self._shape(shape, texts[id(shape)], part, anchor)
        yield from self._notes(part, anchor)
        yield from self._comments(part, anchor)

    def _visible(self, shapes: list[Shape]) -> list[Shape]:
        visible = [shape for shape in shapes if not shape.hidden]
        if any(shape.hidden and "".join(shape.element.itertext()).strip() for shape in shapes):
            self.warnings.add(HIDDEN_TEXT)
        return [shape for shape in visible if shape.placeholder not in _ON_EVERY_SLIDE]

    def _texts(self, shape: Shape, white_page: bool) -> list[Paragraph]:
        body = shape.element.find(f"{P}txBody")
        if body is None:
            return []
        found = list(paragraphs(body, listed=shape.placeholder in _LISTED))
        if white_page and any(paragraph.white for paragraph in found):
            self.warnings.add(HIDDEN_TEXT)
            found = [paragraph for paragraph in found if not paragraph.white]
        return found

    def _shape(self, shape: Shape, texts: list[Paragraph], part: str, anchor: SlideAnchor) -> Iterator[Element]:
        if shape.placeholder == "ftr":
            texts = [paragraph for paragraph in texts if paragraph.text not in self._footers]
            self._footers |= {paragraph.text for paragraph in texts}
        for paragraph in texts:
            kind = ElementKind.LIST_ITEM if paragraph.listed else ElementKind.TEXT
            yield Element(kind, paragraph.text, anchor)
        if shape.element.tag == f"{P}pic" and (text := picture_text(shape.description)):
            yield Element(ElementKind.TEXT, text, anchor)
        if shape.element.tag == f"{P}graphicFrame":
            yield from self._graphic(shape.element, part, anchor)

    def _graphic(self, frame: Any, part: str, anchor: SlideAnchor) -> Iterator[Element]:
        for table in frame.iter(f"{A}tbl"):
            rows, depth = table_rows(table)
            element = table_element(one_heading([(row, anchor) for row in rows], depth), anchor)
            if element:
                yield element
        targets = self._package.relationships(part)
        for chart in frame.iter(_CHART):
            root = self._optional(targets.get(chart.get(f"{_R}id", "")))
            if root is not None:
                yield from chart_elements(root, anchor)
        for diagram in frame.iter(_DIAGRAM):
            root = self._optional(targets.get(diagram.get(f"{_R}dm", "")))
            for text in diagram_texts(root) if root is not None else ():
                yield Element(ElementKind.LIST_ITEM, text, anchor)

    def _optional(self, part: str | None) -> Any | None:
        return self._package.optional_xml(part) if part else None

    def _layout(self, slide: str) -> tuple[Inherited, bool]:
        """Where the layout and its master put placeholders, and whether both leave the page white."""
        layout = self._package.related(slide, "slideLayout") or ""
        if layout not in self._layouts:
            master = self._package.related(layout, "slideMaster") if layout else None
            roots = [self._optional(layout), self._optional(master)]
            places: Inherited = {}
            for root in reversed(roots):
                tree = root.find(f"{P}cSld/{P}spTree") if root is not None else None
                places |= placeholder_places(tree)
            plain = all(root is not None and not _is_painted(root) for root in roots)
            plain = plain and self._ground_is_white(master or "", roots[1])
            self._layouts[layout] = places, plain
        return self._layouts[layout]

    def _ground_is_white(self, part: str, master: Any) -> bool:
        """Whether the theme's first background colour is white."""
        mapping = master.find(f"{P}clrMap")
        theme = self._optional(self._package.related(part, "theme"))
        light = theme.find(f".//{A}clrScheme/{A}lt1") if theme is not None else None
        if mapping is None or mapping.get("bg1") != "lt1" or light is None or len(light) != 1:
            return False
        return str(light[0].get("lastClr", light[0].get("val", ""))).upper() == "FFFFFF"

    def _notes(self, slide: str, anchor: SlideAnchor) -> Iterator[Element]:
        root = self._optional(self._package.related(slide, "notesSlide"))
        tree = root.find(f"{P}cSld/{P}spTree") if root is not None else None
        for shape in reading_order(tree, {}) if tree is not None else ():
            body = shape.element.find(f"{P}txBody")
            if shape.placeholder == "body" and body is not None:
                for paragraph in paragraphs(body, listed=False):
                    yield Element(ElementKind.TEXT, paragraph.text, anchor)

    def _comments(self, slide: str, anchor: SlideAnchor) -> Iterator[Element]:
        """Comments of the old kind and of the new one, whose replies stand inside them."""
        for part in self._package.all_related(slide, "comments"):
            root = self._optional(part)
            for item in root.iter("{*}cm", "{*}reply") if root is not None else ():
                author = self._authors.get(item.get("authorId", ""), "")
                text = comment_text(_comment(item), author, item.get("dt") or item.get("created", ""))
                if text:
                    yield Element(ElementKind.TEXT, text, anchor)

    def _read_authors(self) -> dict[str, str]:
        authors = {}
        for kind in ("commentAuthors", "authors"):
            root = self._optional(self._package.related(self._main, kind))
            for author in root.iter("{*}cmAuthor", "{*}author") if root is not None else ():
                name, initials = author.get("name", ""), author.get("initials", "")
                marked = f"{name} ({initials})" if initials and f"({initials})" not in name else name
                authors[author.get("id", "")] = marked
        return authors


def _comment(item: Any) -> str:
    """A comment's own text, without its replies'."""
    old = item.find("{*}text")
    if old is not None:
        return old.text or ""
    body = item.find("{*}txBody")
    lines = body.iterfind(f"{A}p") if body is not None else ()
    return "\n".join("".join(run.text or "" for run in line.iter(f"{A}t")) for line in lines)


def _title(shapes: Sequence[Shape], texts: dict[int, list[Paragraph]]) -> Shape | None:
    """The title placeholder; without one a short line on top in the slide's largest type."""
    filled = [shape for shape in shapes if texts[id(shape)]]
    placeholder = next((shape for shape in filled if shape.is_title), None)
    if placeholder is not None or not filled:
        return placeholder
    first = filled[0]
    lines = texts[id(first)]
    largest = max(paragraph.size for shape in filled for paragraph in texts[id(shape)])
    large = len(lines) == 1 and lines[0].size >= max(largest, _TITLE_SIZE)
    return first if large and len(lines[0].text) <= _TITLE_CHARACTERS else None


def _is_painted(root: Any) -> bool:
    """Whether anything but white may lie behind a text: a background, a picture, a filled shape, a table."""
    background = root.find(f"{P}cSld/{P}bg")
    if background is not None:
        colors = [color.get("val", "") for color in background.iter(f"{A}schemeClr", f"{A}srgbClr")]
        reference = background.find(f"{P}bgRef")
        if colors not in (["bg1"], ["FFFFFF"]) or (reference is not None and reference.get("idx") != _SOLID_GROUND):
            return True
    tree = root.find(f"{P}cSld/{P}spTree")
    if tree is None:
        return False
    if next(tree.iter(f"{P}pic", f"{P}graphicFrame", f"{P}style"), None) is not None:
        return True
    return any(child.tag in _PAINT for properties in tree.iter(f"{P}spPr", f"{P}grpSpPr") for child in properties)
