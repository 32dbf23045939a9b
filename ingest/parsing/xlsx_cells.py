"""The cells of an XLSX worksheet as a stream: values as shown, merged cells, hidden rows, header rows.

openpyxl's streaming mode knows neither merged cells nor hidden rows nor strict documents, and its other mode takes
fifty times the memory; so this walks the sheet's XML itself (ECMA-376 part 1, 18).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, time, timedelta
from typing import IO, Any

from lxml import etree

from ingest.parsing.cell_ranges import cell_position
from ingest.parsing.characters import squeeze
from ingest.parsing.number_format import CellValue, is_moment, shown
from ingest.parsing.sheets import CELLS_LEFT_OUT, HIDDEN_ROWS, MAX_CELLS, MAX_CHARACTERS, MAX_COLUMNS, Cells, Sheet, area_of
from rag.domain.errors import FileDamaged, ParseLimitExceeded

FORMULAS_WITHOUT_VALUES = "formulas_without_values"
"""Some formulas were never calculated (the file was written by a program): their cells are empty here."""

HIDDEN_TEXT = "hidden_text"
"""Text that a reader can't see; left out where that is sure."""

S = "{http://schemas.openxmlformats.org/spreadsheetml/2006/main}"
_WANTED = ("row", "mergeCell", "col", "pane", "autoFilter", "conditionalFormatting", "tablePart")
_ESCAPED = re.compile(r"_x([0-9A-Fa-f]{4})_")
_WHITE = frozenset({"FFFFFFFF", "00FFFFFF", "FFFFFF"})
_BACKGROUND_THEME = "0"
"""Index of the window colour among the theme's colours (18.8.3)."""

_EPOCH_1900, _EPOCH_1904 = datetime(1899, 12, 30), datetime(1904, 1, 1)
_LAST_SERIAL = 2_958_466
"""The day after 9999-12-31."""

BUILT_IN = {
    1: "0",
    2: "0.00",
    3: "#,##0",
    4: "#,##0.00",
    5: "#,##0",
    6: "#,##0",
    7: "#,##0.00",
    8: "#,##0.00",
    9: "0%",
    10: "0.00%",
    11: "0.00E+00",
    14: "yyyy-mm-dd",
    15: "d-mmm-yy",
    16: "d-mmm",
    17: "mmm-yy",
    18: "h:mm AM/PM",
    19: "h:mm:ss AM/PM",
    20: "h:mm",
    21: "h:mm:ss",
    22: "yyyy-mm-dd h:mm",
    27: 'yyyy"年" mm"月" dd"日"',
    28: "mm-dd",
    29: "mm-dd",
    30: "mm-dd-yy",
    31: 'yyyy"년" mm"월" dd"일"',
    32: 'h"시" mm"분"',
    33: 'h"시" mm"분" ss"초"',
    34: "yyyy-mm-dd",
    35: "yyyy-mm-dd",
    36: 'yyyy"年" mm"月" dd"日"',
    37: "#,##0;-#,##0",
    38: "#,##0;-#,##0",
    39: "#,##0.00;-#,##0.00",
    40: "#,##0.00;-#,##0.00",
    41: "#,##0",
    42: "#,##0",
    43: "#,##0.00",
    44: "#,##0.00",
    45: "mm:ss",
    46: "[h]:mm:ss",
    47: "mm:ss.0",
    48: "##0.0E+0",
    49: "@",
}
"""Formats without a code in the file (ECMA-376 part 1, 18.8.30, the list for ko-kr). 14 and 22 follow the reader's system,
so the unambiguous order is taken; 5 to 8, 42 and 44 show the system's currency, which the file does not know."""


@dataclass(frozen=True, slots=True)
class CellStyle:
    """How a cell shows its value."""

    number_format: str = "General"
    white: bool = False


@dataclass
class Book:
    """What all sheets of a workbook share."""

    name: str
    strings: list[str] = field(default_factory=list)
    styles: list[CellStyle] = field(default_factory=list)
    dates_from_1904: bool = False
    warnings: set[str] = field(default_factory=set)
    cells: int = 0
    characters: int = 0

    def count(self, text: str) -> None:
        """Account for one more cell.

        Raises:
            ParseLimitExceeded: the workbook is too large to be read as a whole.
        """
        self.cells += 1
        self.characters += len(text)
        if self.cells > MAX_CELLS or self.characters > MAX_CHARACTERS:
            raise ParseLimitExceeded(name=self.name, resource="cells")

    def moment(self, serial: float) -> datetime | time | None:
        """A date serial number; a time of day below 1; None for what is no date."""
        if not 0 <= serial < _LAST_SERIAL:
            return None
        microseconds = round(serial % 1 * 86_400_000) * 1000
        if serial < 1 and not self.dates_from_1904:
            return (datetime(1900, 1, 1) + timedelta(microseconds=microseconds)).time()
        # 1900-02-29, which never was, has the number 60.
        days = int(serial) + (1 if serial < 60 and not self.dates_from_1904 else 0)
        start = _EPOCH_1904 if self.dates_from_1904 else _EPOCH_1900
        return start + timedelta(days=days, microseconds=microseconds)

    def shown(self, number: int | float, number_format: str) -> str:
        """A number or date as its cell shows it."""
        value: CellValue = number
        if is_moment(number_format, number):
            elapsed = "[h" in number_format.lower() or "[m" in number_format.lower() or "[s" in number_format.lower()
            if elapsed and abs(number) < _LAST_SERIAL:
                value = timedelta(days=number)
            else:
                value = self.moment(number) or number
        return shown(value, number_format)


def read_strings(stream: IO[bytes], book: Book) -> list[str]:
    """The shared strings, without the phonetic guides above them.

    Raises:
        ParseLimitExceeded: more text than any sheet may hold.
    """
    strings = []
    size = 0
    for item in _stream(stream, ("si",), book.name):
        strings.append(_rich_text(item))
        size += len(strings[-1])
        if size > MAX_CHARACTERS:
            raise ParseLimitExceeded(name=book.name, resource="cells")
    return strings


def read_styles(root: Any | None) -> list[CellStyle]:
    """Number format and font of each cell format."""
    if root is None:
        return []
    codes = dict(BUILT_IN)
    for item in root.iter(f"{S}numFmt"):
        if item.get("numFmtId", "").isdecimal():
            codes[int(item.get("numFmtId"))] = item.get("formatCode", "General")
    fonts = [_is_white(font.find(f"{S}color")) for font in root.iterfind(f"{S}fonts/{S}font")]
    fills = [_is_filled(fill) for fill in root.iterfind(f"{S}fills/{S}fill")]
    styles = []
    for item in root.iterfind(f"{S}cellXfs/{S}xf"):
        number, font, fill = (_integer(item.get(name)) for name in ("numFmtId", "fontId", "fillId"))
        white = font < len(fonts) and fonts[font] and not (fill < len(fills) and fills[fill])
        styles.append(CellStyle(codes.get(number, "General"), white))
    return styles


def _is_white(color: Any | None) -> bool:
    if color is None:
        return False
    return color.get("rgb", "").upper() in _WHITE or (color.get("theme") == _BACKGROUND_THEME and not color.get("tint"))


def _is_filled(fill: Any) -> bool:
    pattern = fill.find(f"{S}patternFill")
    if pattern is None:
        return fill.find(f"{S}gradientFill") is not None
    if pattern.get("patternType", "none") == "none":
        return False
    return not _is_white(pattern.find(f"{S}fgColor"))


def read_sheet(stream: IO[bytes], name: str, book: Book) -> Sheet:
    """All cells of a worksheet.

    Raises:
        FileDamaged: the XML is not well formed.
        ParseLimitExceeded: too many cells.
    """
    sheet = Sheet(name)
    reader = _SheetReader(sheet, book)
    for element in _stream(stream, _WANTED, book.name):
        reader.take(etree.QName(element).localname, element)
    reader.finish()
    return sheet


class _SheetReader:
    def __init__(self, sheet: Sheet, book: Book) -> None:
        self._sheet = sheet
        self._book = book
        self._row = 0
        self._white: list[tuple[int, int, str]] = []
        self._painted = False

    def take(self, tag: str, element: Any) -> None:
        """One element of the sheet that matters here."""
        match tag:
            case "row":
                self._take_row(element)
            case "mergeCell":
                if area := area_of(element.get("ref", "")):
                    self._sheet.merges.append(area)
            case "autoFilter":
                if area := area_of(element.get("ref", "")):
                    self._sheet.headers.append(area)
            case "col":
                if element.get("hidden") in ("1", "true"):
                    self._book.warnings.add(HIDDEN_ROWS)
            case "pane":
                if element.get("state") in ("frozen", "frozenSplit"):
                    self._sheet.frozen_rows = _integer(element.get("ySplit", "").partition(".")[0])
            case _:
                self._painted = True

    def finish(self) -> None:
        """White text is surely unseen only where nothing else may have painted its cell."""
        if not self._white:
            return
        self._book.warnings.add(HIDDEN_TEXT)
        if self._painted:
            by_number = dict(self._sheet.rows)
            for row, column, text in self._white:
                by_number.setdefault(row, {})[column] = text
            self._sheet.rows = sorted((number, dict(sorted(cells.items()))) for number, cells in by_number.items())

    def _take_row(self, element: Any) -> None:
        self._row = _integer(element.get("r"), self._row + 1)
        if element.get("hidden") in ("1", "true") and len(element):
            self._book.warnings.add(HIDDEN_ROWS)
        cells: Cells = {}
        column = 0
        for cell in element:
            if not isinstance(cell.tag, str):
                continue
            position = cell_position(cell.get("r", ""))
            column = position[1] if position else column + 1
            if column > MAX_COLUMNS:
                self._book.warnings.add(CELLS_LEFT_OUT)
                break
            text, style = self._cell(cell)
            if not text:
                continue
            self._book.count(text)
            if style.white:
                self._white.append((self._row, column, text))
            else:
                cells[column] = text
        if cells:
            self._sheet.rows.append((self._row, cells))

    def _cell(self, cell: Any) -> tuple[str, CellStyle]:
        number = _integer(cell.get("s"))
        style = self._book.styles[number] if number < len(self._book.styles) else CellStyle()
        value = formula = inline = None
        for child in cell:
            match etree.QName(child).localname if isinstance(child.tag, str) else "":
                case "v":
                    value = child.text
                case "f":
                    formula = child
                case "is":
                    inline = child
        kind = cell.get("t", "n")
        if kind == "inlineStr" and inline is not None:
            return squeeze(_rich_text(inline)), style
        if not value:
            if formula is not None and kind != "str":
                self._book.warnings.add(FORMULAS_WITHOUT_VALUES)
            return "", style
        if style.number_format == ";;;":
            self._book.warnings.add(HIDDEN_TEXT)
            return "", style
        return squeeze(self._value_text(kind, value, style)), style

    def _value_text(self, kind: str, value: str, style: CellStyle) -> str:
        match kind:
            case "s":
                at = _integer(value.strip(), -1)
                return self._book.strings[at] if 0 <= at < len(self._book.strings) else ""
            case "str" | "e":
                return _unescaped(value)
            case "b":
                return "TRUE" if value.strip() in ("1", "true") else "FALSE"
            case "d":
                return _iso_text(value.strip(), style.number_format)
        number = _number(value.strip())
        return value if number is None else self._book.shown(number, style.number_format)


def _iso_text(value: str, number_format: str) -> str:
    try:
        return shown(datetime.fromisoformat(value.removesuffix("Z")), number_format)
    except ValueError:
        return value


def _number(text: str) -> int | float | None:
    try:
        return int(text) if text.lstrip("-").isdecimal() and len(text) < 19 else float(text)
    except ValueError:
        return None


def _rich_text(item: Any) -> str:
    """The runs of a string; `rPh` holds readings of Chinese characters, which are shown small or not at all."""
    text = ""
    for child in item:
        if not isinstance(child.tag, str):
            continue
        match etree.QName(child).localname:
            case "t":
                text += child.text or ""
            case "r":
                text += "".join(part.text or "" for part in child if str(part.tag).endswith("}t"))
    return _unescaped(text)


def _unescaped(text: str) -> str:
    """`_x000D_` stands for a character that XML can't hold (ECMA-376 part 1, 22.9.2.19)."""
    return _ESCAPED.sub(lambda found: chr(int(found[1], 16)), text) if "_x" in text else text


def _integer(text: str | None, default: int = 0) -> int:
    return int(text) if text and text.isdecimal() and len(text) < 10 else default


def _stream(stream: IO[bytes], tags: tuple[str, ...], name: str) -> Iterator[Any]:
    """Elements with these names in any namespace, each freed after use.

    Raises:
        FileDamaged: the XML is not well formed.
    """
    wanted = tuple("{*}" + tag for tag in tags)
    try:
        for _, element in etree.iterparse(
            stream, tag=wanted, resolve_entities=False, no_network=True, huge_tree=False, remove_comments=True
        ):
            yield element
            element.clear()
            parent = element.getparent()
            while parent is not None and parent[0] is not element:
                del parent[0]
    except etree.XMLSyntaxError as error:
        raise FileDamaged(name=name, detail="XML") from error
