"""XML Spreadsheet 2003, which groupware and ERP systems write as `.xls`: the cells as Excel shows them.

The format is Microsoft's "XML Spreadsheet Reference" (2002). Read by expat, which streams; entities are never expanded.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Any
from xml.parsers import expat

from ingest.parsing import media_types
from ingest.parsing.base import Identified, SourceFile
from ingest.parsing.cell_ranges import cell_range
from ingest.parsing.characters import squeeze
from ingest.parsing.number_format import shown
from ingest.parsing.remarks import comment_text
from ingest.parsing.sheets import (
    CELLS_LEFT_OUT,
    HIDDEN_ROWS,
    HIDDEN_SHEETS,
    MAX_COLUMNS,
    Area,
    Cells,
    Sheet,
    sheet_elements,
)
from ingest.parsing.text import read_lines
from ingest.parsing.titles import usable_title
from ingest.parsing.workbook import Book
from rag.domain.anchor import SheetAnchor
from rag.domain.document import Element, ElementKind, ParsedDocument
from rag.domain.errors import FileDamaged, NoTextFound

_PIECE_CHARACTERS = 1 << 20
_MAX_DEPTH = 100
_MAX_ROW = 1 << 20
_SS = "urn:schemas-microsoft-com:office:spreadsheet "
_NAMED_FORMATS = {
    "": "General", "General Number": "General", "General Date": "yyyy-mm-dd hh:mm", "Short Date": "yyyy-mm-dd",
    "Medium Date": "d-mmm-yy", "Long Date": "yyyy-mm-dd", "Short Time": "hh:mm", "Medium Time": "hh:mm AM/PM",
    "Long Time": "hh:mm:ss", "Fixed": "0.00", "Standard": "#,##0.00", "Percent": "0.00%", "Scientific": "0.00E+00",
    "Currency": "#,##0.00", "Euro Currency": "#,##0.00",
}  # fmt: skip
"""Formats that the file names instead of writing them out; those that follow the reader's system in an unambiguous order."""


class SpreadsheetXmlParser:
    """Workbooks of Excel 2003 in XML."""

    name = "spreadsheet_xml/2"
    media_types = (media_types.XLS_XML,)

    def bid(self, identified: Identified) -> int:
        """Made for it."""
        return 100 if identified.media_type == media_types.XLS_XML else 0

    def parse(self, path: Path, source: SourceFile) -> ParsedDocument:
        """See `Parser.parse`."""
        lines, warnings = read_lines(path, source)
        book = Book(source.name)
        reader = _Reader(book)
        try:
            reader.read("\n".join(lines).lstrip("\ufeff \n"))
        except (expat.ExpatError, ValueError, IndexError) as error:
            raise FileDamaged(name=source.name, detail="XML Spreadsheet 2003") from error
        elements = tuple(element for sheet in reader.sheets for element in sheet_elements(sheet))
        if not any(element.kind is not ElementKind.HEADING for element in elements):
            raise NoTextFound(name=source.name)
        warnings += tuple(sorted(book.warnings))
        title = usable_title(reader.title)
        return ParsedDocument(title, source.media_type, self.name, elements, warnings=warnings)


class _Reader:
    """Collects what expat reports; `sheets` are the visible ones, in order."""

    def __init__(self, book: Book) -> None:
        self.sheets: list[Sheet] = []
        self.title = ""
        self._book = book
        self._path: list[str] = []
        self._formats: dict[str, str] = {}
        self._style = ""
        self._row_style = ""
        self._row = 0
        self._column = 0
        self._cells: Cells = {}
        self._cell: Mapping[str, str] = {}
        self._type = self._author = ""
        self._skipped = 0
        self._text: list[str] = []
        self._frozen = False
        self._parser = expat.ParserCreate("utf-8", " ")
        self._parser.buffer_text = True
        self._parser.StartElementHandler = self._start
        self._parser.EndElementHandler = self._end
        self._parser.CharacterDataHandler = self._text.append
        # With a default handler expat leaves the file's own entities alone.
        self._parser.DefaultHandler = lambda data: None

    def read(self, text: str) -> None:
        """Take in the whole text.

        Raises:
            expat.ExpatError: not well formed, or nested deeper than any workbook.
            ValueError, IndexError: a cell that stands nowhere.
        """
        for start in range(0, len(text), _PIECE_CHARACTERS):
            self._parser.Parse(text[start : start + _PIECE_CHARACTERS].encode(), False)
        self._parser.Parse(b"", True)

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        if len(self._path) >= _MAX_DEPTH:
            raise expat.ExpatError("nested too deeply")
        local = name.rpartition(" ")[2]
        self._path.append(local)
        if local not in _MARKUP:
            self._text.clear()
        if handler := _STARTS.get(local):
            handler(self, {key.removeprefix(_SS): value for key, value in attributes.items()})

    def _end(self, name: str) -> None:
        local = self._path.pop()
        if handler := _ENDS.get(local):
            handler(self, "".join(self._text))
        if local not in _MARKUP:
            self._text.clear()

    def _start_style(self, attributes: Mapping[str, str]) -> None:
        self._style = attributes.get("ID", "")
        self._formats[self._style] = self._formats.get(attributes.get("Parent", "Default"), "General")

    def _number_format(self, attributes: Mapping[str, str]) -> None:
        code = attributes.get("Format", "")
        self._formats[self._style] = _NAMED_FORMATS.get(code, code)

    def _start_sheet(self, attributes: Mapping[str, str]) -> None:
        self.sheets.append(Sheet(attributes.get("Name", "")))
        self._row, self._frozen = 0, False

    def _start_row(self, attributes: Mapping[str, str]) -> None:
        self._row = int(attributes.get("Index", self._row + 1))
        if not 0 < self._row <= _MAX_ROW:
            raise ValueError(self._row)
        self._column, self._cells, self._row_style = 0, {}, attributes.get("StyleID", "Default")
        if attributes.get("Hidden") == "1":
            self._book.warnings.add(HIDDEN_ROWS)
        self._skipped = int(attributes.get("Span", 0))

    def _start_cell(self, attributes: Mapping[str, str]) -> None:
        self._column = int(attributes.get("Index", self._column + 1))
        if self._column < 1:
            raise ValueError(self._column)
        self._cell = attributes

    def _start_data(self, attributes: Mapping[str, str]) -> None:
        self._type = attributes.get("Type", "String")

    def _start_comment(self, attributes: Mapping[str, str]) -> None:
        self._author = attributes.get("Author", "")

    def _end_data(self, text: str) -> None:
        if self._path[-1:] == ["Comment"]:
            anchor = SheetAnchor(self.sheets[-1].name, cell_range(self._row, self._column, self._row, self._column))
            if remark := comment_text(text.removeprefix(f"{self._author}:"), self._author):
                self.sheets[-1].remarks.append(Element(ElementKind.TEXT, remark, anchor))
        elif self._path[-1:] == ["Cell"]:
            self._put(squeeze(self._shown(text.strip())))

    def _put(self, text: str) -> None:
        if text and self._column > MAX_COLUMNS:
            self._book.warnings.add(CELLS_LEFT_OUT)
        elif text:
            self._book.count(text)
            self._cells[self._column] = text

    def _shown(self, text: str) -> str:
        """A cell's value, in its own format or its row's."""
        number_format = self._formats.get(self._cell.get("StyleID", self._row_style), "General")
        with suppress(ValueError):
            match self._type:
                case "Number":
                    number = float(text)
                    whole = int(number) if number.is_integer() and abs(number) < 1e15 else number
                    return self._book.shown(whole, number_format)
                case "DateTime":
                    return shown(datetime.fromisoformat(text.removesuffix("Z")), number_format)
                case "Boolean":
                    return shown(text == "1")
        return text

    def _end_cell(self, text: str) -> None:
        across, down = int(self._cell.get("MergeAcross", 0)), int(self._cell.get("MergeDown", 0))
        if across > 0 or down > 0:
            area = Area(self._row, self._column, min(self._row + down, _MAX_ROW), self._column + across)
            self.sheets[-1].merges.append(area)
        self._column += across

    def _end_row(self, text: str) -> None:
        if self._cells:
            self.sheets[-1].rows.append((self._row, self._cells))
        self._row += self._skipped

    def _freeze(self, text: str) -> None:
        self._frozen = True

    def _split(self, text: str) -> None:
        if self._frozen:
            self.sheets[-1].frozen_rows = int(text)

    def _visible(self, text: str) -> None:
        if self._path[-1:] == ["WorksheetOptions"] and text.strip() != "SheetVisible":
            self._book.warnings.add(HIDDEN_SHEETS)
            self.sheets[-1] = Sheet(self.sheets[-1].name)

    def _document_title(self, text: str) -> None:
        if self._path[-1:] == ["DocumentProperties"]:
            self.title = squeeze(text)


_MARKUP = frozenset({"B", "I", "U", "S", "Sub", "Sup", "Font", "Span"})
"""Of words inside a cell's text."""

_STARTS: Mapping[str, Any] = {
    "Style": _Reader._start_style,
    "NumberFormat": _Reader._number_format,
    "Worksheet": _Reader._start_sheet,
    "Row": _Reader._start_row,
    "Cell": _Reader._start_cell,
    "Data": _Reader._start_data,
    "Comment": _Reader._start_comment,
}
_ENDS: Mapping[str, Any] = {
    "Data": _Reader._end_data,
    "Cell": _Reader._end_cell,
    "Row": _Reader._end_row,
    "FreezePanes": _Reader._freeze,
    "SplitHorizontal": _Reader._split,
    "Visible": _Reader._visible,
    "Title": _Reader._document_title,
}
