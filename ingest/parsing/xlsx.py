"""XLSX: every block of cells with its range, values as the sheet shows them, comments, charts and text boxes.

`unstructured` reads workbooks through pandas: it loses the ranges (the anchor) and the number formats, so that a date
becomes `2026-03-01 00:00:00` and 1,500,000 becomes 1500000.0.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ingest.parsing import media_types
from ingest.parsing.base import Identified, SourceFile
from ingest.parsing.cell_ranges import cell_position, cell_range
from ingest.parsing.characters import squeeze
from ingest.parsing.charts import chart_elements
from ingest.parsing.containers import UNREADABLE, open_zip
from ingest.parsing.ooxml import Package
from ingest.parsing.remarks import comment_text, picture_text
from ingest.parsing.sheets import HIDDEN_SHEETS, Sheet, area_of, sheet_elements
from ingest.parsing.titles import usable_title
from ingest.parsing.workbook import Book
from ingest.parsing.xlsx_cells import S, read_sheet, read_strings, read_styles
from rag.domain.anchor import SheetAnchor
from rag.domain.document import Element, ElementKind, ParsedDocument
from rag.domain.errors import FileDamaged, NoTextFound

_R = "{http://schemas.openxmlformats.org/officeDocument/2006/relationships}"
_A = "{http://schemas.openxmlformats.org/drawingml/2006/main}"
_C = "{http://schemas.openxmlformats.org/drawingml/2006/chart}"
_XDR = "{http://schemas.openxmlformats.org/drawingml/2006/spreadsheetDrawing}"
_T = "{http://schemas.microsoft.com/office/spreadsheetml/2018/threadedcomments}"
_THREADED = "tc={"
"""How the author of an old-style copy of a threaded comment is called."""

_TRUE = ("1", "true")


class XlsxParser:
    """Excel workbooks, with and without macros."""

    name = "xlsx/3"
    media_types = (media_types.XLSX,)

    def bid(self, identified: Identified) -> int:
        """Made for it."""
        return 100 if identified.media_type == media_types.XLSX else 0

    def parse(self, path: Path, source: SourceFile) -> ParsedDocument:
        """See `Parser.parse`."""
        with open_zip(path, source.name) as archive:
            package = Package(archive, source.name)
            try:
                reader = _Reader(package, source.name)
                elements = tuple(reader.elements())
            except UNREADABLE as error:
                raise FileDamaged(name=source.name, detail="XLSX") from error
            warnings = tuple(sorted(reader.warnings | package.warnings()))
            title, metadata = usable_title(package.title()), package.metadata()
        if not elements:
            raise NoTextFound(name=source.name)
        return ParsedDocument(title, source.media_type, self.name, elements, warnings=warnings, metadata=metadata)


class _Reader:
    """Walks the workbook sheet by sheet; only one sheet's cells are in memory at a time, besides the elements."""

    def __init__(self, package: Package, name: str) -> None:
        self._package = package
        self._main = package.related("", "officeDocument") or "xl/workbook.xml"
        self._book = Book(name)
        self._root = package.xml(self._main)
        properties = self._root.find(f"{S}workbookPr")
        self._book.dates_from_1904 = properties is not None and properties.get("date1904") in _TRUE
        styles = package.related(self._main, "styles")
        self._book.styles = read_styles(package.optional_xml(styles)) if styles else []
        strings = package.related(self._main, "sharedStrings")
        if strings and package.has(strings):
            with package.open(strings) as stream:
                self._book.strings = read_strings(stream, self._book)
        self._people = _people(package, self._main)

    @property
    def warnings(self) -> set[str]:
        """What was left out or is hidden."""
        return self._book.warnings

    def elements(self) -> Iterator[Element]:
        """All visible sheets in order."""
        targets = self._package.relationships(self._main)
        for item in self._root.iterfind(f"{S}sheets/{S}sheet"):
            part = targets.get(item.get(f"{_R}id", ""))
            if part is None or "macrosheet" in part.lower():
                continue
            if item.get("state", "visible") != "visible":
                self.warnings.add(HIDDEN_SHEETS)
                continue
            yield from sheet_elements(self._sheet(item.get("name", ""), part))

    def _sheet(self, name: str, part: str) -> Sheet:
        if "chartsheet" in part.lower():
            sheet = Sheet(name)
        else:
            with self._package.open(part) as stream:
                sheet = read_sheet(stream, name, self._book)
            for table in self._package.all_related(part, "table"):
                root = self._package.optional_xml(table)
                if root is None or root.get("headerRowCount", "1") == "0":
                    continue
                if area := area_of(root.get("ref", "")):
                    sheet.headers.append(area)
        for drawing in self._package.all_related(part, "drawing"):
            sheet.remarks += self._drawing(drawing, name)
        sheet.remarks += self._comments(part, name)
        return sheet

    def _drawing(self, part: str, sheet: str) -> Iterator[Element]:
        """Charts, text boxes and pictures' descriptions, at the cells that they lie on."""
        root = self._package.optional_xml(part)
        targets = self._package.relationships(part)
        for place in root if root is not None else ():
            if not isinstance(place.tag, str):
                continue
            anchor = SheetAnchor(sheet, _place(place))
            for body in place.iter(f"{_XDR}txBody"):
                if text := squeeze("\n".join(_paragraphs(body))):
                    yield Element(ElementKind.TEXT, text, anchor)
            for picture in place.iter(f"{_XDR}pic"):
                properties = picture.find(f".//{_XDR}cNvPr")
                if properties is not None and (text := picture_text(properties.get("descr", ""))):
                    yield Element(ElementKind.TEXT, text, anchor)
            for reference in place.iter(f"{_C}chart"):
                chart = targets.get(reference.get(f"{_R}id", ""))
                chart_root = self._package.optional_xml(chart) if chart else None
                if chart_root is not None:
                    yield from chart_elements(chart_root, anchor)

    def _comments(self, part: str, sheet: str) -> list[Element]:
        """Comments in the order of their cells, a thread's replies after its first."""
        found: list[tuple[tuple[int, int], str]] = []
        for threaded in self._package.all_related(part, "threadedComment"):
            root = self._package.optional_xml(threaded)
            for item in root.iter(f"{_T}threadedComment") if root is not None else ():
                author = self._people.get(item.get("personId", ""), "")
                text = comment_text(item.findtext(f"{_T}text") or "", author, item.get("dT", ""))
                found.append((cell_position(item.get("ref", "")) or (1, 1), text))
        for notes in self._package.all_related(part, "comments"):
            root = self._package.optional_xml(notes)
            if root is not None:
                found += _notes(root)
        found.sort(key=lambda comment: comment[0])
        return [
            Element(ElementKind.TEXT, text, SheetAnchor(sheet, cell_range(*position, *position)))
            for position, text in found
            if text
        ]


def _notes(root: Any) -> Iterator[tuple[tuple[int, int], str]]:
    """Comments of the old kind; those that copy a threaded comment are left to it."""
    authors = [author.text or "" for author in root.iterfind(f"{S}authors/{S}author")]
    for item in root.iter(f"{S}comment"):
        number = item.get("authorId", "")
        author = authors[int(number)] if number.isdecimal() and int(number) < len(authors) else ""
        if not author.startswith(_THREADED):
            text = "".join(run.text or "" for run in item.iter(f"{S}t"))
            text = text.removeprefix(f"{author}:") if author else text  # Excel puts the name into the text, too
            yield cell_position(item.get("ref", "")) or (1, 1), comment_text(text, author)


def _people(package: Package, main: str) -> dict[str, str]:
    people = {}
    for part in package.all_related(main, "person"):
        root = package.optional_xml(part)
        for person in root.iter(f"{_T}person") if root is not None else ():
            people[person.get("id", "")] = person.get("displayName", "")
    return people


def _paragraphs(body: Any) -> Iterator[str]:
    for paragraph in body.iter(f"{_A}p"):
        yield "".join(run.text or "" for run in paragraph.iter(f"{_A}t"))


def _place(anchor: Any) -> str:
    """The cells under a drawing; its first cell where the end is not said."""
    corners = []
    for corner in ("from", "to"):
        column, row = (anchor.findtext(f"{_XDR}{corner}/{_XDR}{name}", "") for name in ("col", "row"))
        if column.isdecimal() and row.isdecimal() and len(column) < 6 and len(row) < 8:
            corners.append((int(row) + 1, int(column) + 1))
    if not corners:
        return "A1"
    first, last = corners[0], corners[-1]
    return cell_range(min(first[0], last[0]), min(first[1], last[1]), max(first[0], last[0]), max(first[1], last[1]))
