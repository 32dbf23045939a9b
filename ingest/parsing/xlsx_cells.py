"""The cells of an XLSX worksheet as a stream: values as shown, merged cells, hidden rows, header rows.

openpyxl's streaming mode knows neither merged cells nor hidden rows nor strict documents, and its other mode takes
fifty times the memory; so this walks the sheet's XML itself (ECMA-376 part 1, 18).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime
from typing import IO, Any

from lxml import etree

from ingest.parsing.cell_ranges import cell_position
from ingest.parsing.characters import squeeze
from ingest.parsing.number_format import shown
from ingest.parsing.sheets import CELLS_LEFT_OUT, HIDDEN_ROWS, MAX_CHARACTERS, MAX_COLUMNS, Cells, Sheet, area_of
from ingest.parsing.workbook import BUILT_IN, FORMULAS_WITHOUT_VALUES, HIDDEN_TEXT, Book, CellStyle
from rag.domain.errors import FileDamaged, ParseLimitExceeded

S = "{http://schemas.openxmlformats.org/spreadsheetml/2006/main}"
_WANTED = ("row", "mergeCell", "col", "pane", "autoFilter", "conditionalFormatting", "tablePart")
_ESCAPED = re.compile(r"_x([0-9A-Fa-f]{4})_")
_WHITE = frozenset({"FFFFFFFF", "00FFFFFF", "FFFFFF"})
_BACKGROUND_THEME = "0"
"""Index of the window colour among the theme's colours (18.8.3)."""


def read_strings(stream: IO[bytes], book: Book) -> list[str]:
    """The shared strings, without the phonetic guides above them.

    Raises:
        ParseLimitExceeded: more text than any sheet may hold.
    """
    strings = []
    size = 0
    for item in _stream(stream, ("si",), book.name):
        strings.append(squeeze(_rich_text(item)))
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
            tag = str(child.tag)  # a sheet has millions: no names are taken apart here
            if tag.endswith("}v"):
                value = child.text
            elif tag.endswith("}f"):
                formula = child
            elif tag.endswith("}is"):
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
        return self._value_text(kind, value, style), style

    def _value_text(self, kind: str, value: str, style: CellStyle) -> str:
        match kind:
            case "s":
                at = _integer(value.strip(), -1)
                return self._book.strings[at] if 0 <= at < len(self._book.strings) else ""
            case "str" | "e":
                return squeeze(_unescaped(value))
            case "b":
                return "TRUE" if value.strip() in ("1", "true") else "FALSE"
            case "d":
                return squeeze(_iso_text(value.strip(), style.number_format))
        number = _number(value.strip())
        return squeeze(value) if number is None else self._book.shown(number, style.number_format)


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
