"""XLSB where there is no LibreOffice: values through python-calamine, which knows which are dates but no number formats."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime, time, timedelta
from pathlib import Path
from typing import Any

from ingest.parsing import media_types
from ingest.parsing.base import Identified, SourceFile
from ingest.parsing.characters import squeeze
from ingest.parsing.containers import open_zip
from ingest.parsing.number_format import shown
from ingest.parsing.ooxml import Package
from ingest.parsing.sheets import HIDDEN_SHEETS, MAX_COLUMNS, Area, Cells, Sheet, sheet_elements
from ingest.parsing.titles import usable_title
from ingest.parsing.workbook import Book
from rag.domain.document import Element, ParsedDocument
from rag.domain.errors import FileDamaged, NoTextFound

FORMATS_UNKNOWN = "formats_unknown"
"""Numbers are shown as stored, not as their cells show them."""

_FALLBACK_BID = 50
_SHOWN = (str, bool, int, float, datetime, date, time, timedelta)


class XlsbParser:
    """Excel's binary workbooks, as a fallback."""

    name = "xlsb/2"
    media_types = (media_types.XLSB,)

    def __init__(self) -> None:
        import python_calamine

        self._calamine = python_calamine

    def bid(self, identified: Identified) -> int:
        """Behind a conversion that keeps the number formats."""
        return _FALLBACK_BID if identified.media_type == media_types.XLSB else 0

    def parse(self, path: Path, source: SourceFile) -> ParsedDocument:
        """See `Parser.parse`."""
        with open_zip(path, source.name) as archive:
            package = Package(archive, source.name)
            title, metadata, warnings = package.title(), package.metadata(), package.warnings()
        book = Book(source.name, warnings=warnings | {FORMATS_UNKNOWN})
        try:
            with path.open("rb") as file:
                elements = tuple(self._elements(self._calamine.load_workbook(file), book))
        except (self._calamine.CalamineError, ValueError, OSError) as error:
            raise FileDamaged(name=source.name, detail="XLSB") from error
        if not elements:
            raise NoTextFound(name=source.name)
        found = tuple(sorted(book.warnings))
        return ParsedDocument(
            usable_title(title), source.media_type, self.name, elements, warnings=found, metadata=metadata
        )

    def _elements(self, workbook: Any, book: Book) -> Iterator[Element]:
        for properties in workbook.sheets_metadata:
            if properties.typ != self._calamine.SheetTypeEnum.WorkSheet:
                continue
            if properties.visible != self._calamine.SheetVisibleEnum.Visible:
                book.warnings.add(HIDDEN_SHEETS)
                continue
            found = workbook.get_sheet_by_name(properties.name)
            sheet = Sheet(properties.name)
            for number, row in enumerate(found.iter_rows(), start=1):
                cells = _cells(row, book)
                if cells:
                    sheet.rows.append((number, cells))
            for (first_row, first_column), (last_row, last_column) in found.merged_cell_ranges or ():
                sheet.merges.append(Area(first_row + 1, first_column + 1, last_row + 1, last_column + 1))
            yield from sheet_elements(sheet)


def _cells(row: list[Any], book: Book) -> Cells:
    cells: Cells = {}
    for column, value in enumerate(row[:MAX_COLUMNS], start=1):
        text = squeeze(shown(value)) if isinstance(value, _SHOWN) else ""
        if text:
            book.count(text)
            cells[column] = text
    return cells
