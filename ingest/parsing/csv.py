"""CSV and TSV: one table, header first, with the ranges a spreadsheet would show."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from pathlib import Path

from ingest.parsing import media_types
from ingest.parsing.base import Identified, SourceFile
from ingest.parsing.bounds import require_readable
from ingest.parsing.cell_ranges import cell_range
from ingest.parsing.tables import table_element
from ingest.parsing.text import read_lines
from rag.domain.anchor import SheetAnchor
from rag.domain.document import Element, ParsedDocument
from rag.domain.errors import FileDamaged, NoTextFound

_DELIMITERS = ",;\t|"
_SAMPLE_LINES = 200
_FIELD_CHARACTERS = 10 << 20
"""A cell can hold a whole document; the default limit of the csv module (131,072) is below what exports write."""

ROWS_PER_ELEMENT = 500
"""A long table is several elements, each with the header repeated, so that none of them is unwieldy."""


class CsvParser:
    """Separated values in any of the usual dialects."""

    name = "csv/1"
    media_types = (media_types.CSV, media_types.TSV)

    def bid(self, identified: Identified) -> int:
        """Made for it."""
        return 100 if identified.media_type in self.media_types else 0

    def parse(self, path: Path, source: SourceFile) -> ParsedDocument:
        """See `Parser.parse`."""
        lines, warnings = read_lines(path, source)
        require_readable(sum(map(len, lines)), source.name)  # before the work: what is read of it will not be less
        csv.field_size_limit(_FIELD_CHARACTERS)
        delimiter = "\t" if source.media_type == media_types.TSV else sniff_delimiter(lines)
        try:
            rows = list(csv.reader((line + "\n" for line in lines), delimiter=delimiter))
        except csv.Error as error:
            raise FileDamaged(name=source.name, detail="CSV") from error
        sheet = sheet_name(source.name)
        elements = tuple(table_parts(list(numbered(rows)), sheet))
        if not elements:
            raise NoTextFound(name=source.name)
        return ParsedDocument("", source.media_type, self.name, elements, warnings=warnings)


def sniff_delimiter(lines: Sequence[str]) -> str:
    """The delimiter that cuts the first lines into most columns most evenly.

    `csv.Sniffer` is not asked: it takes letters and spaces for delimiters in Korean text.
    """
    sample = [line + "\n" for line in lines[:_SAMPLE_LINES]]
    scores: dict[str, tuple[float, int]] = {}
    for delimiter in _DELIMITERS:
        widths = [len(row) for row in csv.reader(sample, delimiter=delimiter) if any(row)]
        usual = max(set(widths), key=widths.count, default=1)
        scores[delimiter] = (widths.count(usual) / max(len(widths), 1) if usual > 1 else 0.0, usual)
    return max(_DELIMITERS, key=lambda delimiter: scores[delimiter])


def sheet_name(name: str) -> str:
    """The file's name without folders and extension: what a spreadsheet calls the only sheet of a CSV file."""
    base = name.replace("\\", "/").rsplit("/", 1)[-1]
    return base.rsplit(".", 1)[0] or base


def numbered(rows: Sequence[Sequence[str]]) -> Iterator[tuple[int, Sequence[str]]]:
    """Rows that hold something, counted as a spreadsheet counts them."""
    for number, cells in enumerate(rows, start=1):
        if any(cell.strip() for cell in cells):
            yield number, cells


def table_parts(rows: Sequence[tuple[int, Sequence[str]]], sheet: str) -> Iterator[Element]:
    """TABLE elements of at most `ROWS_PER_ELEMENT` rows below the repeated header."""
    if not rows:
        return
    header, body = rows[0], rows[1:]
    width = max(len(cells) for _, cells in rows)
    for start in range(0, max(len(body), 1), ROWS_PER_ELEMENT):
        part = body[start : start + ROWS_PER_ELEMENT]
        shown = [header, *part]
        first, last = (shown[0] if start == 0 else part[0])[0], shown[-1][0]
        anchored = ((tuple(cells), _range(sheet, number, number, max(len(cells), 1))) for number, cells in shown)
        element = table_element(anchored, _range(sheet, first, last, width))
        if element:
            yield element


def _range(sheet: str, first: int, last: int, columns: int) -> SheetAnchor:
    return SheetAnchor(sheet, cell_range(first, 1, last, columns))
