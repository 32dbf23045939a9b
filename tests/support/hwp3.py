"""A writer of HWP 3 files, for what `hwp_content` has and that format knew: text, tables, boxes, notes, page headers."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Sequence

from tests.support.hwp_content import (
    Box,
    Cell,
    Endnote,
    Equation,
    Footer,
    Footnote,
    Header,
    HiddenComment,
    Paragraph,
    Part,
    Table,
)

SIGNATURE = b"HWP Document File V3.00 \x1a\1\2\3\4\5"
ROW_HEIGHT, COLUMN_WIDTH = 300, 1000


def hwp3_file(
    content: Sequence[Paragraph], *, title: str = "", author: str = "", compressed: bool = True, encrypted: bool = False
) -> bytes:
    """A document of these paragraphs."""
    info = bytearray(128)
    info[96], info[124] = encrypted, compressed
    summary = _field(title) + _field("") + _field(author) + bytes(6 * 112)
    fonts = (struct.pack("<H", 1) + b"batang".ljust(40, b"\0")) * 7
    styles = struct.pack("<H", 1) + b"style".ljust(20, b"\0") + _shape() + bytes(187)
    body = fonts + styles + _list(content) + bytes(8)
    if compressed:
        packer = zlib.compressobj(9, zlib.DEFLATED, -15)
        body = packer.compress(body) + packer.flush()
    return SIGNATURE + bytes(info) + summary + body


def codes(text: str) -> bytes:
    """Text in the format's own code."""
    return b"".join(struct.pack("<H", _code(letter)) for letter in text)


def _code(letter: str) -> int:
    if letter.isascii():
        return ord(letter)
    if "가" <= letter <= "힣":
        high, low = letter.encode("johab")
        return high << 8 | low
    high, low = letter.encode("euc_kr")
    if high >= 0xCA:
        return 0x4000 + (high - 0xCA) * 94 + low - 0xA1
    return 0x3400 + (high - 0xA1) * 0x60 + low - 0xA0


def _field(text: str) -> bytes:
    return codes(text).ljust(112, b"\0")


def _shape(look: str = "plain") -> bytes:
    size, bold = (400, 2) if look == "bold" else (250, 0)
    return struct.pack("<H", size) + bytes(7) + b"\x64" * 7 + bytes(7) + bytes(3) + bytes([bold]) + bytes(4)


def _list(content: Sequence[Paragraph]) -> bytes:
    """Paragraphs, and the empty one that ends a list."""
    return b"".join(map(_paragraph, content)) + struct.pack("<BHHBBIB", 1, 0, 0, 0, 0, 0, 0) + _shape()


def _paragraph(paragraph: Paragraph) -> bytes:
    units, written, controls = 0, b"", 0
    for part in paragraph.parts:
        data, count = _part(part)
        written, units = written + data, units + count
        if not isinstance(part, str):
            controls |= 1 << data[0]
    written, units = written + struct.pack("<H", 13), units + 1
    head = struct.pack("<BHHBBIB", 0, units, 1, 0, 0, controls, 0)
    return head + _shape(paragraph.look) + bytes(187) + bytes(14) + written


def _part(part: Part) -> tuple[bytes, int]:
    """Bytes of a piece of text or a control, and how many characters it counts for."""
    match part:
        case str():
            return codes(part), len(part)
        case Footnote() | Endnote():
            place = struct.pack("<HHH", part.number, isinstance(part, Endnote), 0)
            return _control(17) + bytes(8) + place + _list([Paragraph(part.text)]), 4
        case Header() | Footer():
            return _control(16) + bytes(8) + bytes([isinstance(part, Footer), 0]) + _list([Paragraph(part.text)]), 4
        case HiddenComment():
            return _control(15) + bytes(8) + _list([Paragraph(part.text)]), 4
        case Table():
            return _box(0, part.cells, part.caption), 4
        case Box():
            return _box(1, (Cell(0, 0, part.paragraphs),), part.caption), 4
        case Equation():
            return _box(2, (Cell(0, 0, (Paragraph(part.script),)),), ""), 4
        case _:
            raise TypeError(f"no way to write {part!r}")


def _control(code: int) -> bytes:
    return struct.pack("<HIH", code, 0, code)


def _box(kind: int, cells: Sequence[Cell], caption: str) -> bytes:
    properties = bytearray(84)
    struct.pack_into("<B", properties, 8, 1)  # it floats
    struct.pack_into("<HH", properties, 78, kind, len(cells))
    places = b"".join(
        struct.pack(
            "<8H",
            *(0, 0, cell.column * COLUMN_WIDTH, cell.row * ROW_HEIGHT),
            *(cell.columns * COLUMN_WIDTH, cell.rows * ROW_HEIGHT, 0, 0),
        )
        + bytes(11)
        for cell in cells
    )
    lists = b"".join(_list(cell.paragraphs) for cell in cells)
    return _control(10) + bytes(properties) + places + lists + _list([Paragraph(caption)] if caption else [])
