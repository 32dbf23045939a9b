"""DOCX, PPTX and XLSX that their own parsers fail on, through `unstructured`: the second reader.

Its libraries look at other parts of a package than our parsers: a damaged footnote, theme, chart or comment does not keep
them from the text. They number no paragraphs, show values as stored, and tell little of what is hidden; the warning
`second_reader` says so. Places are as good as can be known: the slide, the row of the sheet, the paragraph counted among
those that were read (one for each cell of a table).
"""

from __future__ import annotations

import contextlib
import io
import re
import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from lxml import etree

from ingest.parsing import media_types
from ingest.parsing.base import Identified, SourceFile
from ingest.parsing.cell_ranges import cell_range
from ingest.parsing.characters import one_line, squeeze
from ingest.parsing.containers import open_zip
from ingest.parsing.headings import may_be_heading
from ingest.parsing.hidden_text import HIDDEN_TEXT, has_hidden_characters
from ingest.parsing.ooxml import Package, W
from ingest.parsing.pptx_shapes import P
from ingest.parsing.sheets import HIDDEN_SHEETS
from ingest.parsing.tables import Row, table_element
from ingest.parsing.titles import document_title
from ingest.parsing.unstructured_adapter import Piece, UnstructuredOffice
from rag.domain.anchor import ParagraphAnchor, SheetAnchor, SlideAnchor
from rag.domain.document import Element, ElementKind, ParsedDocument
from rag.domain.errors import FileDamaged, NoTextFound

SECOND_READER = "second_reader"
"""The file was read by a simpler reader, because its own parser failed on it."""

FORMATS_UNKNOWN = "formats_unknown"
"""Values stand as they are stored, without the sheet's number formats."""

_KINDS = {media_types.DOCX: "docx", media_types.PPTX: "pptx", media_types.XLSX: "xlsx"}
_TEXT_PARTS = re.compile(r"^(?:word/document|ppt/slides/slide\d+|xl/sharedStrings|xl/worksheets/sheet\d+)\.xml$", re.I)
_MARKED_PARTS = re.compile(r"^(?:word/(?:document|header\d*|footer\d*)|ppt/slides/slide\d+)\.xml$", re.I)
_FALSE = ("0", "false", "off")
_DEEPEST_LEVEL = 6


class UnstructuredOfficeParser:
    """Office files of the XML formats, as far as `unstructured` gets."""

    name = "unstructured/1"
    media_types = tuple(_KINDS)

    def __init__(self) -> None:
        self._office = UnstructuredOffice()

    def bid(self, identified: Identified) -> int:
        """As a fallback."""
        return 50 if identified.media_type in _KINDS else 0

    def parse(self, path: Path, source: SourceFile) -> ParsedDocument:
        """See `Parser.parse`."""
        kind = _KINDS[source.media_type]
        with open_zip(path, source.name) as archive:  # against the caps, before another library opens it
            package = Package(archive, source.name)
            title, metadata, warnings = package.title(), package.metadata(), package.warnings()
            rewritten = _without_hidden(archive, package)
            warnings |= {SECOND_READER, HIDDEN_TEXT} if rewritten or _hides_characters(package) else {SECOND_READER}
        try:
            with io.BytesIO(rewritten) if rewritten else path.open("rb") as file:
                pieces = self._office.pieces(file, kind)
            hidden = _hidden_sheets(path) if kind == "xlsx" else frozenset()
        except MemoryError:
            raise
        except Exception as error:  # three libraries, which document none of what they raise
            raise FileDamaged(name=source.name, detail=kind.upper()) from error
        shown = [piece for piece in pieces if piece.sheet not in hidden]
        if kind == "xlsx":
            warnings |= {FORMATS_UNKNOWN, HIDDEN_SHEETS} if hidden else {FORMATS_UNKNOWN}
        elements = tuple(_ELEMENTS[kind](shown))
        if not elements:
            raise NoTextFound(name=source.name)
        slides = max((piece.page for piece in shown), default=0) if kind == "pptx" else 0
        return ParsedDocument(
            title=document_title(title, elements),
            media_type=source.media_type,
            parser=self.name,
            elements=elements,
            pages=slides,
            warnings=tuple(sorted(warnings)),
            metadata=metadata,
        )


def _without_hidden(archive: zipfile.ZipFile, package: Package) -> bytes:
    """The file again, without runs and shapes that are marked as hidden; empty where nothing is.

    `unstructured` would read them; white text and the like it still reads.
    """
    changed: dict[str, bytes] = {}
    for part in package.parts(_MARKED_PARTS):
        with contextlib.suppress(FileDamaged):
            root = package.xml(part)
            if hidden := [*_hidden_runs(root), *_hidden_shapes(root)]:
                for element in hidden:
                    if (parent := element.getparent()) is not None:
                        parent.remove(element)
                changed[part] = etree.tostring(root, encoding="UTF-8", xml_declaration=True)
    if not changed:
        return b""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as copy:
        for part in archive.namelist():
            copy.writestr(part, changed[part] if part in changed else package.read(part))
    return out.getvalue()


def _hidden_runs(root: Any) -> Iterator[Any]:
    for run in root.iter(f"{W}r"):
        mark = run.find(f"{W}rPr/{W}vanish")
        if mark is not None and mark.get(f"{W}val", "true") not in _FALSE:
            yield run


def _hidden_shapes(root: Any) -> Iterator[Any]:
    for properties in root.iter(f"{P}cNvPr"):
        shape = properties.getparent().getparent()
        if properties.get("hidden", "false") not in _FALSE and shape.tag != f"{P}spTree":
            yield shape


def _hides_characters(package: Package) -> bool:
    """In the parts as they are: `unstructured` takes such characters out."""
    for part in package.parts(_TEXT_PARTS):
        with contextlib.suppress(FileDamaged):
            if has_hidden_characters(package.read(part).decode("utf-8", errors="replace")):
                return True
    return False


def _hidden_sheets(path: Path) -> frozenset[str]:
    """Names of the sheets that Excel does not show; `unstructured` reads them like the others."""
    import openpyxl

    with path.open("rb") as file:
        book = openpyxl.load_workbook(file, read_only=True)
        return frozenset(sheet.title for sheet in book.worksheets if sheet.sheet_state != "visible")


def _slides(pieces: Sequence[Piece]) -> Iterator[Element]:
    for piece in pieces:
        anchor = SlideAnchor(piece.page, piece.page)
        if piece.rows:
            if table := table_element([(row, anchor) for row in piece.rows], anchor):
                yield table
        elif element := _text(piece, anchor):
            yield element


def _sheets(pieces: Sequence[Piece]) -> Iterator[Element]:
    """A sheet is one table, from its first cell on."""
    for piece in pieces:
        width = max(map(len, piece.rows), default=0)
        rows: list[Row] = []
        for number, row in enumerate(piece.rows, 1):
            if used := [column for column, text in enumerate(row, 1) if text.strip()]:
                rows.append((row, SheetAnchor(piece.sheet, cell_range(number, used[0], number, used[-1]))))
        if not rows:
            continue
        columns = [
            column for column in range(width) if any(column < len(row) and row[column].strip() for row, _ in rows)
        ]
        lines = [number for number, row in enumerate(piece.rows, 1) if any(text.strip() for text in row)]
        area = cell_range(lines[0], columns[0] + 1, lines[-1], columns[-1] + 1)
        if table := table_element(rows, SheetAnchor(piece.sheet, area)):
            yield table


def _paragraphs(pieces: Sequence[Piece]) -> Iterator[Element]:
    count = 0
    for piece in pieces:
        first = count + 1
        if piece.rows:
            rows: list[Row] = []
            for row in piece.rows:
                begin, count = count + 1, count + max(len(row), 1)
                rows.append((row, ParagraphAnchor(begin, count)))
            if table := table_element(rows, ParagraphAnchor(first, count)):
                yield table
        elif element := _text(piece, ParagraphAnchor(first, first)):
            count += 1
            yield element


_ELEMENTS = {"docx": _paragraphs, "pptx": _slides, "xlsx": _sheets}


def _text(piece: Piece, anchor: ParagraphAnchor | SlideAnchor) -> Element | None:
    text = squeeze(piece.text)
    if not text:
        return None
    in_place = isinstance(anchor, ParagraphAnchor) or piece.depth == 0  # a slide's deeper "titles" are its points
    if piece.category == "Title" and in_place and may_be_heading(one_line(text)):
        level = min(piece.depth + 1, _DEEPEST_LEVEL)
        return Element(ElementKind.HEADING, one_line(text), anchor, level=level)
    return Element(ElementKind.LIST_ITEM if piece.category == "ListItem" else ElementKind.TEXT, text, anchor)
