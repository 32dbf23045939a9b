"""CSV and TSV: one table, header first, with the ranges a spreadsheet would show; what stands above the header is its caption."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from pathlib import Path

from ingest.parsing import media_types
from ingest.parsing.base import Identified, SourceFile
from ingest.parsing.cell_ranges import cell_range
from ingest.parsing.characters import one_line
from ingest.parsing.tables import table_element
from ingest.parsing.text import read_lines
from rag.domain.anchor import SheetAnchor
from rag.domain.document import Element, ElementKind, ParsedDocument
from rag.domain.errors import FileDamaged, NoTextFound

_DELIMITERS = ",;\t|"
_SAMPLE_LINES = 200
_FIELD_CHARACTERS = 10 << 20
"""A cell can hold a whole document; the default limit of the csv module (131,072) is below what exports write."""

QUOTE_NOT_CLOSED = "quote_not_closed"
"""A quotation mark opens a cell and nothing closes it; its line was read alone, the mark as a part of the text."""

_LOOKED_AHEAD = 20
"""How often, at most, the lines of a file are gone through for the end of cells that have none."""

_MAX_CAPTION_ROWS = 20
_CAPTION_CELLS = 2
"""`조회 기간, 2024년` above a wide table is no header."""

ROWS_PER_ELEMENT = 500
"""A long table is several elements, each with the header repeated, so that none of them is unwieldy."""


class CsvParser:
    """Separated values in any of the usual dialects."""

    name = "csv/2"
    media_types = (media_types.CSV, media_types.TSV)

    def bid(self, identified: Identified) -> int:
        """Made for it."""
        return 100 if identified.media_type in self.media_types else 0

    def parse(self, path: Path, source: SourceFile) -> ParsedDocument:
        """See `Parser.parse`."""
        lines, warnings = read_lines(path, source)
        csv.field_size_limit(_FIELD_CHARACTERS)
        try:
            delimiter = "\t" if source.media_type == media_types.TSV else sniff_delimiter(lines)
            rows, closed = read_rows(lines, delimiter)
        except csv.Error as error:
            raise FileDamaged(name=source.name, detail="CSV") from error
        elements = tuple(_elements(list(numbered(rows)), sheet_name(source.name)))
        if not elements:
            raise NoTextFound(name=source.name)
        warnings += () if closed else (QUOTE_NOT_CLOSED,)
        return ParsedDocument("", source.media_type, self.name, elements, warnings=warnings)


def read_rows(lines: Sequence[str], delimiter: str) -> tuple[list[list[str]], bool]:
    """The cells of every row, and whether every quoted cell ends. Raises `csv.Error` for a cell that no export writes.

    A quotation mark that nothing closes would make the rest of the file one cell, and one that the next such mark closes what
    is between them: strict reading finds both, and the line that it stands in is then a row of its own.
    """
    rows: list[list[str]] = []
    closed = True
    start, ahead = 0, _LOOKED_AHEAD * len(lines)
    while start < len(lines):
        reader = csv.reader((lines[at] + "\n" for at in range(start, len(lines))), delimiter=delimiter, strict=True)
        done = 0
        try:
            for row in reader:
                rows.append(row)
                done = reader.line_num
        except csv.Error:
            ahead -= reader.line_num - done - 1
            row, whole = _line_alone(lines[start + done], delimiter)
            rows.append(row)
            closed = closed and whole
            done += 1
        start += done
        if ahead < 0:
            rows += (_line_alone(line, delimiter)[0] for line in lines[start:])
            break
    return rows, closed


def _line_alone(line: str, delimiter: str) -> tuple[list[str], bool]:
    """The cells of one line, and whether its quoted cells end on it; where one does not, the mark is text like any other."""
    try:
        next(csv.reader([line], delimiter=delimiter, strict=True), [])
    except csv.Error as error:
        if "end of data" in str(error):
            return next(csv.reader([line], delimiter=delimiter, quoting=csv.QUOTE_NONE), []), False
    return next(csv.reader([line], delimiter=delimiter), []), True


def sniff_delimiter(lines: Sequence[str]) -> str:
    """The delimiter that cuts the first lines into most columns most evenly.

    `csv.Sniffer` is not asked: it takes letters and spaces for delimiters in Korean text.
    """
    sample = lines[:_SAMPLE_LINES]
    scores: dict[str, tuple[float, int]] = {}
    for delimiter in _DELIMITERS:
        widths = [len(row) for row in read_rows(sample, delimiter)[0] if any(row)]
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


def _elements(rows: Sequence[tuple[int, Sequence[str]]], sheet: str) -> Iterator[Element]:
    """Captions above the table, then the table."""
    header = _captions(rows)
    for number, cells in rows[:header]:
        text = " ".join(one_line(cell) for cell in cells if cell.strip())
        yield Element(ElementKind.TEXT, text, _range(sheet, number, number, max(len(cells), 1)))
    yield from table_parts(rows[header:], sheet)


def _captions(rows: Sequence[tuple[int, Sequence[str]]]) -> int:
    """How many of the first rows are no header: one or two cells where other rows have more than twice as many."""
    filled = [sum(bool(cell.strip()) for cell in cells) for _, cells in rows[:_SAMPLE_LINES]]
    usual = max(sorted(set(filled)), key=filled.count, default=0)
    usual = max(usual, filled[-1]) if len(filled) <= 2 and filled else usual
    count = 0
    for cells in filled[:_MAX_CAPTION_ROWS]:
        if not (cells == 1 < usual or (cells <= _CAPTION_CELLS and 2 * cells < usual)):
            break
        count += 1
    return count if count < len(filled) else 0


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
