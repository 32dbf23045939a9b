"""ODS: every block of cells with its range. ODF keeps what a cell shows as text, so nothing has to be formatted here.

`content.xml` is read as a stream: only one row is in memory at a time, besides the texts. Rows and cells that are
repeated a million times, as programs write empty sheets and attackers full ones, are written out within bounds.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

from lxml import etree

from ingest.parsing import media_types
from ingest.parsing.base import Identified, SourceFile
from ingest.parsing.cell_ranges import cell_range
from ingest.parsing.characters import squeeze
from ingest.parsing.containers import UNREADABLE
from ingest.parsing.odf import (
    DRAW,
    HIDDEN_TEXT,
    OFFICE,
    STYLE,
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
    href,
    open_odf,
)
from ingest.parsing.odf_tables import MAX_REPEATED_ROWS, cells_of, count
from ingest.parsing.odt import chart_parts
from ingest.parsing.ooxml import EMBEDDED_NOT_READ
from ingest.parsing.sheets import (
    CELLS_LEFT_OUT,
    HIDDEN_ROWS,
    HIDDEN_SHEETS,
    MAX_COLUMNS,
    Area,
    Cells,
    Sheet,
    area_of,
    sheet_elements,
)
from ingest.parsing.tables import table_element
from ingest.parsing.titles import usable_title
from ingest.parsing.workbook import Book
from rag.domain.anchor import SheetAnchor
from rag.domain.document import Element, ElementKind, ParsedDocument
from rag.domain.errors import FileDamaged, NoTextFound

_HIDDEN = ("collapse", "filter")
_MAX_ROW = 1 << 20


class OdsParser:
    """OpenDocument spreadsheets and their templates."""

    name = "ods/2"
    media_types = (media_types.ODS,)

    def bid(self, identified: Identified) -> int:
        """Made for it."""
        return 100 if identified.media_type == media_types.ODS else 0

    def parse(self, path: Path, source: SourceFile) -> ParsedDocument:
        """See `Parser.parse`."""
        with open_odf(path, source.name) as package:
            reader = _Reader(package, source.name)
            with package.open("content.xml") as stream:
                reader.read(stream)
            elements = tuple(element for sheet in reader.sheets for element in sheet_elements(sheet))
            title, metadata = usable_title(package.title()), package.metadata()
            warnings = tuple(sorted(reader.book.warnings | package.warnings(None)))
        if not elements:
            raise NoTextFound(name=source.name)
        return ParsedDocument(title, source.media_type, self.name, elements, warnings=warnings, metadata=metadata)


class _Reader:
    """Takes rows and sheets as the stream closes them."""

    def __init__(self, package: OdfPackage, name: str) -> None:
        self.book = Book(name)
        self.sheets: list[Sheet] = []
        self._package = package
        self._styles = OdfStyles()
        self._styles.add(package.optional_xml("styles.xml"))
        self._open: list[Sheet] = []
        self._row = 0
        self._headers: dict[str, list[Area]] = {}

    def read(self, stream: IO[bytes]) -> None:
        """All sheets.

        Raises:
            FileDamaged: the XML is not well formed.
            ParseLimitExceeded: too many cells.
        """
        tags = (f"{TABLE}table", f"{TABLE}table-row", f"{STYLE}style", f"{TABLE}database-range", f"{TABLE}shapes")
        try:
            events = etree.iterparse(
                stream,
                events=("start", "end"),
                tag=tags,
                resolve_entities=False,
                no_network=True,
                huge_tree=False,
                remove_comments=True,
            )
            for event, element in events:
                if event == "start":
                    self._start(element)
                else:
                    self._end(element)
        except UNREADABLE as error:  # etree.XMLSyntaxError is a SyntaxError
            raise FileDamaged(name=self.book.name, detail="content.xml") from error
        for sheet in self.sheets:
            sheet.headers += self._headers.get(sheet.name, [])

    def _start(self, element: Any) -> None:
        if element.tag == f"{TABLE}table" and not self._inside_a_cell(element):
            self._open.append(Sheet(element.get(f"{TABLE}name", "")))
            self._row = 0

    def _end(self, element: Any) -> None:
        tag = element.tag
        if tag == f"{STYLE}style":
            self._styles.add_style(element)
        elif tag == f"{TABLE}database-range":
            self._take_range(element)
        elif self._inside_a_cell(element):
            return  # a chart's data or a table inside a cell: read with its row
        elif tag == f"{TABLE}table-row" and self._open:
            self._take_row(element)
            _free(element)
        elif tag == f"{TABLE}shapes" and self._open:
            self._open[-1].remarks += self._shapes(element, SheetAnchor(self._open[-1].name, "A1"))
        elif tag == f"{TABLE}table" and self._open:
            self._close(element)

    def _inside_a_cell(self, element: Any) -> bool:
        return next(element.iterancestors(f"{TABLE}table-cell", f"{TABLE}shapes"), None) is not None

    def _close(self, element: Any) -> None:
        sheet = self._open.pop()
        if self._styles.is_shown("table", element.get(f"{TABLE}style-name", "")):
            self.sheets.append(sheet)
        else:
            self.book.warnings.add(HIDDEN_SHEETS)
        _free(element)

    def _take_range(self, element: Any) -> None:
        """An area with filter buttons has its headings in its first row."""
        address = element.get(f"{TABLE}target-range-address", "")
        start, _, end = address.partition(":")
        sheet, _, first = start.rpartition(".")
        area = area_of(f"{first}:{end.rpartition('.')[2] or first}")
        if area and element.get(f"{TABLE}display-filter-buttons") == "true":
            self._headers.setdefault(sheet.strip("'$"), []).append(area)

    def _take_row(self, row: Any) -> None:
        sheet = self._open[-1]
        repeated = count(row, "number-rows-repeated")
        first = self._row + 1
        self._row = min(self._row + repeated, _MAX_ROW)
        cells = self._cells(row, sheet, first)
        if not cells:
            return
        if row.get(f"{TABLE}visibility") in _HIDDEN:
            self.book.warnings.add(HIDDEN_ROWS)
        for number in range(first, min(first + min(repeated, MAX_REPEATED_ROWS), _MAX_ROW)):
            for text in cells.values() if number > first else ():
                self.book.count(text)
            sheet.rows.append((number, dict(cells)))

    def _cells(self, row: Any, sheet: Sheet, number: int) -> Cells:
        cells: Cells = {}
        column = 0
        for cell, repeated in cells_of(row):
            start, column = column + 1, column + repeated
            if start > MAX_COLUMNS:
                if len(cell):
                    self.book.warnings.add(CELLS_LEFT_OUT)
                break
            height, width = count(cell, "number-rows-spanned"), count(cell, "number-columns-spanned")
            if max(height, width) > 1:
                sheet.merges.append(Area(number, start, number + height - 1, start + width - 1))
            if not len(cell) or cell.tag == f"{TABLE}covered-table-cell":
                continue
            text = self._text(cell, sheet, SheetAnchor(sheet.name, cell_range(number, start, number, start)))
            for place in range(start, min(column, MAX_COLUMNS) + 1) if text else ():
                self.book.count(text)
                cells[place] = text
        return cells

    def _text(self, cell: Any, sheet: Sheet, anchor: SheetAnchor) -> str:
        look = self._styles.look("table-cell", cell.get(f"{TABLE}style-name", ""), Look())
        lines = []
        for child in cell:
            if child.tag == f"{TEXT}p":
                found = collect(child, self._styles, look, Found())
                lines.append(found.text)
                if found.hidden:
                    self.book.warnings.add(HIDDEN_TEXT)
            elif child.tag == f"{OFFICE}annotation":
                if comment := annotation_text(child):
                    sheet.remarks.append(Element(ElementKind.TEXT, comment, anchor))
            elif isinstance(child.tag, str) and child.tag.startswith(DRAW):
                sheet.remarks += self._shapes(child, anchor)
        return squeeze("\n".join(lines))

    def _shapes(self, shape: Any, anchor: SheetAnchor) -> Iterator[Element]:
        """Text boxes, charts and pictures' descriptions; a document that stands in the shape itself is not read."""
        for line in shape.iter(f"{TEXT}p"):
            if self._is_embedded(line):
                continue
            if text := squeeze(collect(line, self._styles, Look(painted=True), Found()).text):
                yield Element(ElementKind.TEXT, text, anchor)
        for frame in shape.iter(f"{DRAW}frame"):
            if not self._is_embedded(frame) and (text := description(frame)):
                yield Element(ElementKind.TEXT, text, anchor)
        for item in shape.iter(f"{DRAW}object"):
            root = self._package.object(href(item))
            chart = chart_of(root) if root is not None else None
            for part in chart_parts(chart) if chart is not None else ():
                if isinstance(part, str):
                    yield Element(ElementKind.TEXT, part, anchor)
                elif table := table_element([(tuple(row), anchor) for row in part], anchor):
                    yield table

    def _is_embedded(self, element: Any) -> bool:
        """Whether an element belongs to a document inside this one, such as a chart with the data that it draws."""
        if next(element.iterancestors(f"{DRAW}object"), None) is None:
            return False
        self.book.warnings.add(EMBEDDED_NOT_READ)
        return True


def _free(element: Any) -> None:
    """Let go of an element and what stood before it."""
    element.clear()
    parent = element.getparent()
    while parent is not None and parent[0] is not element:
        del parent[0]
