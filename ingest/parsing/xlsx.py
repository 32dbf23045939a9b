"""XLSX through openpyxl: every block of cells with its range, values as the sheet shows them.

`unstructured` reads workbooks through pandas: it loses the ranges (the anchor) and the number formats, so that a date
becomes `2026-03-01 00:00:00` and 1,500,000 becomes 1500000.0.
"""

from __future__ import annotations

import re
import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from ingest.parsing import media_types
from ingest.parsing.base import Identified, SourceFile
from ingest.parsing.cell_ranges import cell_range
from ingest.parsing.characters import one_line, squeeze
from ingest.parsing.containers import UNREADABLE, open_zip
from ingest.parsing.number_format import shown
from ingest.parsing.ooxml import COMMENTS_LEFT_OUT, Package
from ingest.parsing.tables import table_element
from ingest.parsing.titles import usable_title
from rag.domain.anchor import SheetAnchor
from rag.domain.document import Element, ElementKind, ParsedDocument
from rag.domain.errors import FileDamaged, NoTextFound

HIDDEN_SHEETS = "hidden_sheets"
"""Sheets that a reader of the workbook doesn't see were left out."""

FORMULAS_WITHOUT_VALUES = "formulas_without_values"
"""Some formulas were never calculated (the file was written by a program): their cells are empty here."""

ROWS_PER_ELEMENT = 500
"""A long table is several elements, each with the header repeated."""

_MAX_COLUMNS = 1_000
_UNCALCULATED = re.compile(rb"</f>\s*(?:<v\s*/>|<v></v>)?\s*</c>|<f[^>]*/>\s*</c>")
_SHEET_PART = re.compile(r"xl/worksheets/[^/]+\.xml$", re.I)
_SCAN_BYTES = 64 << 20

Cells = dict[int, str]
"""Texts of a row by column, from 1; empty cells are left out."""

NumberedRow = tuple[int, Cells]


class XlsxParser:
    """Excel workbooks, with and without macros."""

    name = "xlsx/1"
    media_types = (media_types.XLSX,)

    def __init__(self) -> None:
        import openpyxl

        self._load = openpyxl.load_workbook

    def bid(self, identified: Identified) -> int:
        """Made for it."""
        return 100 if identified.media_type == media_types.XLSX else 0

    def parse(self, path: Path, source: SourceFile) -> ParsedDocument:
        """See `Parser.parse`."""
        warnings: set[str] = set()
        with open_zip(path, source.name) as archive:
            package = Package(archive, source.name)
            title = package.title()
            if package.has_comments():
                warnings.add(COMMENTS_LEFT_OUT)
            elements = tuple(self._read(archive, path, source.name, warnings))
        if not elements:
            raise NoTextFound(name=source.name)
        return ParsedDocument(
            usable_title(title), source.media_type, self.name, elements, warnings=tuple(sorted(warnings))
        )

    def _read(self, archive: zipfile.ZipFile, path: Path, name: str, warnings: set[str]) -> list[Element]:
        try:
            if _has_uncalculated(archive):
                warnings.add(FORMULAS_WITHOUT_VALUES)
            with path.open("rb") as file:
                # Read-only streams the cells: a full model takes fifty times the memory.
                workbook = self._load(file, read_only=True, data_only=True)
                return list(self._elements(workbook, warnings))
        except UNREADABLE as error:
            raise FileDamaged(name=name, detail="XLSX") from error

    def _elements(self, workbook: Any, warnings: set[str]) -> Iterator[Element]:
        for sheet in workbook.worksheets:
            if sheet.sheet_state != "visible":
                warnings.add(HIDDEN_SHEETS)
                continue
            sheet.reset_dimensions()  # what the file says of its size is often wrong
            rows = [(number, cells) for number, cells in _rows(sheet) if cells]
            if not rows:
                continue
            used = _range(sheet.title, rows, rows[0][0], rows[-1][0])
            yield Element(ElementKind.HEADING, one_line(sheet.title), used, level=1)
            for block in _blocks(rows):
                yield from _block_elements(sheet.title, block)


def _has_uncalculated(archive: zipfile.ZipFile) -> bool:
    return any(
        _UNCALCULATED.search(archive.read(entry))
        for entry in archive.infolist()
        if _SHEET_PART.match(entry.filename) and entry.file_size <= _SCAN_BYTES
    )


def _rows(sheet: Any) -> Iterator[NumberedRow]:
    for number, row in enumerate(sheet.iter_rows(), start=1):
        cells: Cells = {}
        for cell in row[:_MAX_COLUMNS]:  # not `max_col`: that fills every row up to it
            if cell.value is not None:
                text = squeeze(shown(cell.value, cell.number_format))
                if text:
                    cells[cell.column] = text
                    number = cell.row
        yield number, cells


def _blocks(rows: Sequence[NumberedRow]) -> Iterator[list[NumberedRow]]:
    """Runs of rows without an empty row between them."""
    block: list[NumberedRow] = []
    for row in rows:
        if block and row[0] > block[-1][0] + 1:
            yield block
            block = []
        block.append(row)
    if block:
        yield block


def _block_elements(sheet: str, block: list[NumberedRow]) -> Iterator[Element]:
    """Rows with one cell above a table are its captions; a block without a second column is text."""
    header = next((index for index, (_, cells) in enumerate(block) if len(cells) > 1), len(block))
    for number, cells in block[:header]:
        text = "\n".join(cells.values())
        yield Element(ElementKind.TEXT, text, _range(sheet, [(number, cells)], number, number))
    table = block[header:]
    if not table:
        return
    body = table[1:]
    for start in range(0, max(len(body), 1), ROWS_PER_ELEMENT):
        part = body[start : start + ROWS_PER_ELEMENT]
        yield from _table(sheet, table[0], part, repeated=start > 0)


def _table(sheet: str, header: NumberedRow, body: list[NumberedRow], *, repeated: bool) -> Iterator[Element]:
    rows = [header, *body]
    columns = range(min(min(cells) for _, cells in rows), max(max(cells) for _, cells in rows) + 1)
    anchored = [
        (tuple(cells.get(column, "") for column in columns), _range(sheet, [(number, cells)], number, number))
        for number, cells in rows
    ]
    first = body[0][0] if repeated else header[0]
    element = table_element(anchored, _range(sheet, rows, first, rows[-1][0]))
    if element:
        yield element


def _range(sheet: str, rows: Sequence[NumberedRow], first: int, last: int) -> SheetAnchor:
    """From the first to the last column that these rows use."""
    left = min(min(cells) for _, cells in rows)
    right = max(max(cells) for _, cells in rows)
    return SheetAnchor(sheet, cell_range(first, left, last, right))
