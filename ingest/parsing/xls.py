"""XLS (Excel 97-2003 and older) through xlrd: the only library that also gives number formats, merged cells and notes.

python-calamine, which is faster, returns 0.35 where the reader sees 35 %.
"""

from __future__ import annotations

import io
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ingest.parsing import media_types
from ingest.parsing.base import Identified, SourceFile
from ingest.parsing.cell_ranges import cell_range
from ingest.parsing.characters import squeeze
from ingest.parsing.containers import UNREADABLE
from ingest.parsing.ole import ole_facts
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
from ingest.parsing.titles import usable_title
from ingest.parsing.workbook import BUILT_IN, HIDDEN_TEXT, Book, CellStyle
from rag.domain.anchor import SheetAnchor
from rag.domain.document import Element, ElementKind, ParsedDocument
from rag.domain.errors import FileDamaged, FileEncrypted, NoTextFound

_WHITE = (255, 255, 255)
_NO_PATTERN = 0
_VISIBLE = 0


class XlsParser:
    """Excel workbooks of the old binary format."""

    name = "xls/2"
    media_types = (media_types.XLS,)

    def __init__(self) -> None:
        import xlrd

        self._xlrd = xlrd

    def bid(self, identified: Identified) -> int:
        """Made for it."""
        return 100 if identified.media_type == media_types.XLS else 0

    def parse(self, path: Path, source: SourceFile) -> ParsedDocument:
        """See `Parser.parse`."""
        facts = ole_facts(path)
        book = Book(source.name)
        elements: list[Element] = []
        try:
            workbook = self._open(path)
            reader = _Reader(workbook, book, self._xlrd)
            for at in range(workbook.nsheets):
                elements += reader.elements(at)
        except self._xlrd.compdoc.CompDocError as error:
            raise FileDamaged(name=source.name, detail="OLE") from error
        except self._xlrd.XLRDError as error:
            if "encrypted" in str(error).lower():
                raise FileEncrypted(name=source.name) from error
            raise FileDamaged(name=source.name, detail="XLS") from error
        except (*UNREADABLE, struct.error) as error:
            raise FileDamaged(name=source.name, detail="XLS") from error
        if not elements:
            raise NoTextFound(name=source.name)
        warnings = tuple(sorted(book.warnings | facts.warnings))
        title = usable_title(facts.title)
        return ParsedDocument(
            title, source.media_type, self.name, tuple(elements), warnings=warnings, metadata=facts.metadata
        )

    def _open(self, path: Path) -> Any:
        """The workbook, sheets not read yet. xlrd prints what it finds strange; nobody reads that."""
        return self._xlrd.open_workbook(
            file_contents=path.read_bytes(),
            formatting_info=True,
            on_demand=True,
            ragged_rows=True,
            logfile=io.StringIO(),
        )


class _Reader:
    """Turns xlrd's sheets into ours, one at a time."""

    def __init__(self, workbook: Any, book: Book, xlrd: Any) -> None:
        self._workbook = workbook
        self._book = book
        self._xlrd = xlrd
        self._styles: dict[int, CellStyle] = {}
        book.dates_from_1904 = workbook.datemode == 1

    def elements(self, at: int) -> Iterator[Element]:
        """Those of the sheet number `at`."""
        sheet = self._workbook.sheet_by_index(at)
        if sheet.visibility == _VISIBLE:
            yield from sheet_elements(self._sheet(sheet))
        else:
            self._book.warnings.add(HIDDEN_SHEETS)
        self._workbook.unload_sheet(at)

    def _sheet(self, found: Any) -> Sheet:
        sheet = Sheet(found.name)
        if any(row.hidden for row in found.rowinfo_map.values()) or any(c.hidden for c in found.colinfo_map.values()):
            self._book.warnings.add(HIDDEN_ROWS)
        for number in range(found.nrows):
            cells: Cells = {}
            for column, cell in enumerate(found.row(number), start=1):
                if column > MAX_COLUMNS:
                    self._book.warnings.add(CELLS_LEFT_OUT)
                    break
                if text := self._text(cell):
                    self._book.count(text)
                    cells[column] = text
            if cells:
                sheet.rows.append((number + 1, cells))
        sheet.merges += [Area(top + 1, left + 1, bottom, right) for top, bottom, left, right in found.merged_cells]
        if found.panes_are_frozen and found.has_pane_record:
            sheet.frozen_rows = found.horz_split_pos
        for (row, column), note in sorted(found.cell_note_map.items()):
            if text := comment_text(note.text.removeprefix(f"{note.author}:"), note.author):
                anchor = SheetAnchor(sheet.name, cell_range(row + 1, column + 1, row + 1, column + 1))
                sheet.remarks.append(Element(ElementKind.TEXT, text, anchor))
        return sheet

    def _text(self, cell: Any) -> str:
        style = self._style(cell.xf_index)
        text = self._shown(cell, style)
        if text and (style.white or style.number_format == ";;;"):
            # An old sheet has no table styles that could paint the ground.
            self._book.warnings.add(HIDDEN_TEXT)
            return ""
        return text

    def _shown(self, cell: Any, style: CellStyle) -> str:
        kinds = self._xlrd
        if cell.ctype == kinds.XL_CELL_TEXT:
            return squeeze(cell.value)
        if cell.ctype == kinds.XL_CELL_BOOLEAN:
            return "TRUE" if cell.value else "FALSE"
        if cell.ctype == kinds.XL_CELL_ERROR:
            return str(kinds.error_text_from_code.get(cell.value, ""))
        if cell.ctype in (kinds.XL_CELL_NUMBER, kinds.XL_CELL_DATE):
            number = int(cell.value) if float(cell.value).is_integer() else cell.value
            return self._book.shown(number, style.number_format)
        return ""

    def _style(self, index: int | None) -> CellStyle:
        if index is None:
            return CellStyle()
        if index not in self._styles:
            self._styles[index] = self._read_style(index)
        return self._styles[index]

    def _read_style(self, index: int) -> CellStyle:
        if not 0 <= index < len(self._workbook.xf_list):
            return CellStyle()
        found = self._workbook.xf_list[index]
        fonts = self._workbook.font_list
        color = fonts[found.font_index].colour_index if 0 <= found.font_index < len(fonts) else None
        white = self._workbook.colour_map.get(color) == _WHITE and found.background.fill_pattern == _NO_PATTERN
        return CellStyle(self._code(found.format_key), white)

    def _code(self, key: int) -> str:
        """The format's code; xlrd's American one for a number without a code in the file is replaced."""
        found = self._workbook.format_map.get(key)
        standard = self._xlrd.formatting.std_format_strings.get(key)
        if found is None or (key in BUILT_IN and found.format_str == standard):
            return BUILT_IN.get(key, "General")
        return str(found.format_str)
