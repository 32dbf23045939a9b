"""HWP 3 (.hwp of 1994 to 2002): one stream of paragraphs after a head of fixed size, most often compressed as a whole.

Written from the published facts of the format, as importers of other office suites state them; the tests' files open in
one of those with the same text. What is left out: text inside drawing objects, the pictures themselves, hidden comments
(flagged). Characters of Hangul's own code that have no counterpart in Unicode are replaced and reported.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from ingest.parsing import media_types
from ingest.parsing.base import Identified, SourceFile
from ingest.parsing.characters import one_line
from ingest.parsing.hwp3_characters import UNKNOWN, decoded
from ingest.parsing.hwp5 import DAMAGED_PARTS
from ingest.parsing.hwp5_records import StreamTooLarge, inflate, u16, u32
from ingest.parsing.hwp_assembly import HIDDEN_TEXT, Assembler
from ingest.parsing.hwp_equation import equation_text
from ingest.parsing.hwp_model import (
    MAX_NESTING,
    Aside,
    AsideKind,
    Box,
    Budget,
    Cell,
    CharacterShape,
    Paragraph,
    Piece,
    Shapes,
    Table,
)
from ingest.parsing.hwp_summary import metadata
from ingest.parsing.titles import document_title
from rag.domain.document import ParsedDocument
from rag.domain.errors import FileDamaged, FileEncrypted, NoTextFound, ParseLimitExceeded

UNMAPPED = "unmapped_characters"

_SIGNATURE_BYTES, _INFO_BYTES, _SUMMARY_BYTES = 30, 128, 1008
_ENCRYPTED_AT, _COMPRESSED_AT, _BLOCK_LENGTH_AT = 96, 124, 126
_FIELD_BYTES = 112
_TITLE, _AUTHOR = 0, 2
_LANGUAGES, _FONT_BYTES, _STYLE_BYTES = 7, 40, 238
_CHARACTER_SHAPE_BYTES, _PARAGRAPH_SHAPE_BYTES, _LINE_BYTES, _CELL_BYTES = 31, 187, 14, 27
_BOX_BYTES, _PICTURE_BYTES, _RULE_BYTES = 84, 348, 84
_TYPE_AT, _CELLS_AT = 78, 80
_TABLE, _TEXT_BOX, _EQUATION = 0, 1, 2
_SAME_PLACE = 5
"""Edges of cells that are closer than this (1/1800 inch) are one."""

_END = 13
_SIZE_UNIT = 4
"""Character sizes come in 1/25 pt; the model counts 1/100."""

_UNITS = {
    1: 4, 2: 4, 3: 4, 4: 4, 5: 4, 6: 4, 7: 42, 8: 48, 9: 4, 10: 4, 11: 4, 12: 4, 14: 4, 15: 4, 16: 4, 17: 4, 18: 4, 19: 4,
    20: 4, 21: 4, 22: 12, 23: 5, 24: 3, 25: 3, 26: 123, 27: 4, 28: 32, 29: 4, 30: 2, 31: 2,
}  # fmt: skip
"""How many of its paragraph's characters a control counts for."""

_FIXED = {7: 82, 9: 6, 19: 6, 20: 6, 21: 6, 24: 4, 25: 4, 26: 244, 30: 2, 31: 2}
"""Controls that hold no text, by the bytes that follow their code."""

_SHOWN = {9: "\t", 24: "-", 30: " ", 31: " "}
"""What some of them look like."""


class _Cut(Exception):
    """The stream ends inside a paragraph, or what follows can't be one."""


class Hwp3Parser:
    """Hangul documents of the nineties."""

    name = "hwp3/3"
    media_types = (media_types.HWP3,)

    def bid(self, identified: Identified) -> int:
        """Made for it."""
        return 100 if identified.media_type == media_types.HWP3 else 0

    def parse(self, path: Path, source: SourceFile) -> ParsedDocument:
        """See `Parser.parse`."""
        data = path.read_bytes()
        head = _SIGNATURE_BYTES + _INFO_BYTES + _SUMMARY_BYTES
        if len(data) < head:
            raise FileDamaged(name=source.name, detail="HWP 3")
        info = data[_SIGNATURE_BYTES:]
        if u16(info, _ENCRYPTED_AT):
            raise FileEncrypted(name=source.name)
        body, complete = data[head + u16(info, _BLOCK_LENGTH_AT) :], True
        if info[_COMPRESSED_AT]:
            try:
                body, complete = inflate(body)
            except StreamTooLarge as error:
                raise ParseLimitExceeded(name=source.name, resource="unpacked size") from error
        summary = data[_SIGNATURE_BYTES + _INFO_BYTES : head]
        return self._read(_Reader(body, source.name), summary, source, complete=complete)

    def _read(self, reader: _Reader, summary: bytes, source: SourceFile, *, complete: bool) -> ParsedDocument:
        assembler = Assembler(Shapes(), source.name)
        assembler.section(reader.document())
        elements = assembler.elements()
        if not elements:
            if reader.cut:
                raise FileDamaged(name=source.name, detail="HWP 3")
            raise NoTextFound(name=source.name)
        warnings = (DAMAGED_PARTS,) * (reader.cut or not complete) + (HIDDEN_TEXT,) * assembler.hidden
        if any(UNKNOWN in element.text for element in elements):
            warnings += (UNMAPPED,)
        title = document_title(_field(summary, _TITLE), elements, styled=assembler.title)
        about = metadata(author=_field(summary, _AUTHOR), created="", modified="")
        return ParsedDocument(title, source.media_type, self.name, elements, warnings=warnings, metadata=about)


def _field(summary: bytes, number: int) -> str:
    """A field of the summary: up to 56 characters, ended by a zero."""
    field = summary[number * _FIELD_BYTES : (number + 1) * _FIELD_BYTES]
    codes = [u16(field, at) for at in range(0, _FIELD_BYTES, 2)]
    return one_line(decoded(codes[: codes.index(0)] if 0 in codes else codes).replace(UNKNOWN, ""))


class _Reader:
    """Reads the stream from front to back; whatever holds paragraphs has its list right behind it."""

    def __init__(self, data: bytes, name: str) -> None:
        self._data = data
        self._at = 0
        self._name = name
        self._budget = Budget()
        self.cut = False

    def document(self) -> Iterator[Paragraph]:
        """The paragraphs of the text; `cut` says afterwards that there should have been more."""
        try:
            for _ in range(_LANGUAGES):
                self._skip(self._word() * _FONT_BYTES)
            self._skip(self._word() * _STYLE_BYTES)
            while (paragraph := self._paragraph(0)) is not None:
                yield paragraph
        except _Cut:
            self.cut = True

    # --- bytes -----------------------------------------------------------------------------------------------

    def _take(self, count: int) -> bytes:
        taken = self._data[self._at : self._at + count]
        if len(taken) < count:
            raise _Cut
        self._at += count
        return taken

    def _skip(self, count: int) -> None:
        if self._at + count > len(self._data):
            raise _Cut
        self._at += count

    def _word(self) -> int:
        return u16(self._take(2), 0)

    # --- paragraphs ------------------------------------------------------------------------------------------

    def _list(self, nesting: int) -> list[Paragraph]:
        """Paragraphs up to the empty one that ends a list."""
        if nesting >= MAX_NESTING:
            raise ParseLimitExceeded(name=self._name, resource="nesting")
        paragraphs = []
        while (paragraph := self._paragraph(nesting + 1)) is not None:
            paragraphs.append(paragraph)
        return paragraphs

    def _paragraph(self, nesting: int) -> Paragraph | None:
        """The next paragraph; None for the end of the list."""
        head = self._take(12)
        characters, lines = u16(head, 1), u16(head, 3)
        shape = self._take(_CHARACTER_SHAPE_BYTES)
        if not characters:
            return None
        if not self._budget.take(characters):
            raise ParseLimitExceeded(name=self._name, resource="paragraphs")
        if not head[0]:
            self._skip(_PARAGRAPH_SHAPE_BYTES)
        self._skip(lines * _LINE_BYTES)
        if head[5]:
            for _ in range(characters):
                if not self._take(1)[0]:
                    self._skip(_CHARACTER_SHAPE_BYTES)
        look = CharacterShape(size=u16(shape, 0) * _SIZE_UNIT, bold=bool(shape[26] & 0x2))
        return Paragraph(look=look, pieces=self._pieces(characters, nesting))

    def _pieces(self, characters: int, nesting: int) -> list[Piece]:
        pieces: list[Piece] = []
        codes: list[int] = []
        left = characters
        while left > 0:
            code = self._word()
            if code > 31:
                codes.append(code)
                left -= 1
                continue
            if code == _END:
                break
            if code not in _UNITS:
                raise _Cut
            pieces += [decoded(codes)] if codes else []
            codes = []
            pieces += self._control(code, nesting)
            left -= _UNITS[code]
        return pieces + ([decoded(codes)] if codes else [])

    # --- controls --------------------------------------------------------------------------------------------

    def _control(self, code: int, nesting: int) -> Iterable[Piece]:
        """What stands behind a control's code; where it can, it ends with the code once more."""
        if code in _FIXED:
            self._closed(code, _FIXED[code])
            return [_SHOWN[code]] if code in _SHOWN else []
        if code in _TEXTS:
            count, shown = _TEXTS[code]
            return [shown(self._closed(code, count))]
        match code:
            case 10:
                return self._box(nesting)
            case 11:
                return self._picture(nesting)
            case 14:
                self._opened(code)
                self._skip(_RULE_BYTES)
                return []
            case 15 | 16 | 17:
                return [self._aside(code, nesting)]
            case _:
                # A block of data that says how long it is: fields, bookmarks, references, and what is reserved.
                self._skip(u32(self._opened(code), 0))
                return []

    def _opened(self, code: int) -> bytes:
        """The four bytes between a control's code and its repetition."""
        return self._closed(code, 6)

    def _closed(self, code: int, count: int) -> bytes:
        """The bytes behind a control's code, the last two being the code again."""
        taken = self._take(count)
        if u16(taken, count - 2) != code:
            raise _Cut
        return taken

    def _box(self, nesting: int) -> list[Piece]:
        """A table, a text box, an equation or a button."""
        self._opened(10)
        properties = self._take(_BOX_BYTES)
        kind, count = u16(properties, _TYPE_AT), u16(properties, _CELLS_AT)
        places = [self._take(_CELL_BYTES) for _ in range(count)]
        lists = [self._list(nesting) for _ in range(count)]
        caption = self._list(nesting)
        inline = properties[8] == 0
        if kind == _EQUATION:
            script = "".join(piece for list_ in lists for p in list_ for piece in p.pieces if isinstance(piece, str))
            return [f" {equation_text(script)} "]
        if kind == _TABLE and count:
            return [Table(inline=inline, cells=_cells(places, lists), caption=caption)]
        return [Box(inline=inline, paragraphs=[paragraph for list_ in lists for paragraph in list_], caption=caption)]

    def _picture(self, nesting: int) -> list[Piece]:
        self._opened(11)
        properties = self._take(_PICTURE_BYTES)
        self._skip(u32(properties, 0))
        caption = self._list(nesting)
        return [Box(caption=caption)] if caption else []

    def _aside(self, code: int, nesting: int) -> Aside:
        """A hidden comment, a page header or footer, a note."""
        self._opened(code)
        self._skip(8)
        if code == 15:
            return Aside(AsideKind.HIDDEN, self._list(nesting))
        if code == 16:
            kind = AsideKind.FOOTER if self._take(2)[0] else AsideKind.HEADER
            return Aside(kind, self._list(nesting))
        number, place = u16(self._take(6), 0), u16(self._data, self._at - 4)
        kind = AsideKind.ENDNOTE if place else AsideKind.FOOTNOTE
        return Aside(kind, self._list(nesting), mark=f"{number})" if number else "")


def _cells(places: list[bytes], lists: list[list[Paragraph]]) -> list[Cell]:
    """Cells in rows and columns: the file has their edges in units of length only."""
    corners = [tuple(u16(place, at) for at in (4, 6, 8, 10)) for place in places]
    columns = _edges([edge for x, _, width, _ in corners for edge in (x, x + width)])
    rows = _edges([edge for _, y, _, height in corners for edge in (y, y + height)])
    cells = []
    for (x, y, width, height), paragraphs in zip(corners, lists, strict=True):
        row, column = rows[y], columns[x]
        spans = max(1, rows[y + height] - row), max(1, columns[x + width] - column)
        cells.append(Cell(row, column, *spans, paragraphs=paragraphs))
    return sorted(cells, key=lambda cell: (cell.row, cell.column))


def _edges(places: list[int]) -> dict[int, int]:
    """The number of the edge at each place; places close together are one edge."""
    numbers: dict[int, int] = {}
    number, last = -1, -_SAME_PLACE - 1
    for place in sorted(set(places)):
        if place - last >= _SAME_PLACE:
            number, last = number + 1, place
        numbers[place] = number
    return numbers


def _date(data: bytes) -> str:
    """The date that a date code shows: year, month, day of the week, day, hour, minute stand behind its format."""
    year, month, _, day = (u16(data, 80 + 2 * field) for field in range(4))
    return f"{year}년 {month}월 {day}일"


def _outline_number(data: bytes) -> str:
    """The number of an outline paragraph: `2.1. ` on the second level."""
    level = min(data[3], 6)
    numbers = [str(u16(data, 4 + 2 * field)) for field in range(level + 1)]
    return ".".join(numbers) + ". "


def _composed(data: bytes) -> str:
    """Letters printed over each other."""
    return decoded([code for at in (0, 2, 4) if (code := u16(data, at))])


_TEXTS: dict[int, tuple[int, Callable[[bytes], str]]] = {
    8: (94, _date),
    18: (6, lambda data: str(u16(data, 2))),
    22: (22, lambda data: data[:20].split(b"\0")[0].decode("cp949", errors="replace")),
    23: (8, _composed),
    28: (62, _outline_number),
}
"""Controls that stand for text: the bytes that follow their code, and how they read. 18 is an automatic number."""
