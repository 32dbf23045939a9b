"""A writer of HWP 5 files: records in streams in a compound file, after Hancom's published specification (5.0, 1.3).

`hwp5_file` writes whole documents. `record`, `section_stream`, `document_info` and `hwp5_container` are the pieces, for
tests that need a file with something wrong in it.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from tests.support.compound import compound_file
from tests.support.hwp_content import (
    BULLET,
    LOOKS,
    NUMBER_FORMATS,
    NUMBER_KINDS,
    OUTLINE_FORMATS,
    STYLES,
    AutoNumber,
    Box,
    Cell,
    Deleted,
    Endnote,
    Equation,
    Footer,
    Footnote,
    Header,
    HiddenComment,
    Inserted,
    Link,
    Memo,
    Paragraph,
    Part,
    Picture,
    Ruby,
    Styled,
    Table,
    note_paragraph,
)

COMPRESSED, PASSWORD, DISTRIBUTION, DRM = 0x1, 0x2, 0x4, 0x10
"""Flags of the file header."""

DOCUMENT_PROPERTIES, ID_MAPPINGS, BORDER_FILL, CHAR_SHAPE, NUMBERING, BULLETS, PARA_SHAPE, STYLE, DISTRIBUTE = (
    0x10, 0x11, 0x14, 0x15, 0x17, 0x18, 0x19, 0x1A, 0x1C,
)  # fmt: skip
PARA_HEADER, PARA_TEXT, PARA_CHAR_SHAPE, PARA_RANGE_TAG, CTRL_HEADER, LIST_HEADER = 0x42, 0x43, 0x44, 0x46, 0x47, 0x48
SHAPE_COMPONENT, TABLE, RECTANGLE, PICTURE, EQUATION, MEMO_LIST = 0x4C, 0x4D, 0x4F, 0x55, 0x58, 0x5D
"""Record tags."""

_AUTO_NUMBER_KINDS = ("page", "footnote", "endnote", "picture", "table", "equation")
_WHITE, _BLACK = 0xFFFFFF, 0
_NO_FILL, _DARK_FILL = 1, 2
_KEY_OFFSET_BASE = 4


def hwp5_file(
    *sections: Sequence[Paragraph],
    title: str = "",
    author: str = "",
    created: datetime | None = None,
    flags: int = COMPRESSED,
    version: int = 0x05000305,
) -> bytes:
    """A document of these sections.

    With `DISTRIBUTION` in `flags` the text is encrypted as in a file that Hangul saved for distribution (배포용 문서).
    """
    streams = {"DocInfo": document_info(len(sections))}
    for number, content in enumerate(sections):
        body = section_stream(content)
        folder = "ViewText" if flags & DISTRIBUTION else "BodyText"
        streams[f"{folder}/Section{number}"] = body
    return hwp5_container(streams, flags=flags, version=version, summary=summary(title, author, created))


def hwp5_container(
    streams: Mapping[str, bytes], *, flags: int = COMPRESSED, version: int = 0x05000305, summary: bytes = b""
) -> bytes:
    """A compound file around uncompressed record streams, which are compressed and encrypted as `flags` say."""
    files = {"FileHeader": file_header(flags, version)}
    for name, data in streams.items():
        packed = deflate(data) if flags & COMPRESSED else data
        files[name] = distributed(packed) if name.startswith("ViewText/") else packed
    if summary:
        files["\x05HwpSummaryInformation"] = summary
    return compound_file(files)


def file_header(flags: int, version: int = 0x05000305) -> bytes:
    """The stream FileHeader."""
    return (b"HWP Document File".ljust(32, b"\0") + struct.pack("<II", version, flags)).ljust(256, b"\0")


def deflate(data: bytes) -> bytes:
    """Raw DEFLATE, as all compressed streams of the format are."""
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    return packer.compress(data) + packer.flush()


def record(tag: int, level: int, payload: bytes = b"") -> bytes:
    """One record: tag (10 bits), level (10 bits), size (12 bits, or 32 bits after them)."""
    if len(payload) < 0xFFF:
        return struct.pack("<I", tag | level << 10 | len(payload) << 20) + payload
    return struct.pack("<II", tag | level << 10 | 0xFFF << 20, len(payload)) + payload


def control_id(name: str) -> bytes:
    """`tbl ` as it stands in the file: back to front."""
    return name.encode("ascii")[::-1]


# --- distribution ------------------------------------------------------------------------------------------------


def distributed(data: bytes, seed: int = 0x1234ABCD) -> bytes:
    """A stream of ViewText: a record with the hidden key, then the data under AES-128 (ECB, padded with zeros)."""
    from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

    offset = _KEY_OFFSET_BASE + (seed & 0xF)
    digest = "5BAA61E4C9B93F3F0682250B6CF8331B7EE68FD8".encode("utf-16-le")
    plain = bytearray(256)
    plain[:4] = struct.pack("<I", seed)
    plain[offset : offset + len(digest)] = digest
    state, left, mask = seed, 0, 0
    for index in range(256):
        if left == 0:
            state = (state * 214013 + 2531011) & 0xFFFFFFFF
            mask = (state >> 16) & 0xFF
            state = (state * 214013 + 2531011) & 0xFFFFFFFF
            left = ((state >> 16) & 0xF) + 1
        if index >= 4:
            plain[index] ^= mask
        left -= 1
    padded = data + bytes(-len(data) % 16)
    # ECB is what the format prescribes.
    encryptor = Cipher(algorithms.AES(digest[:16]), modes.ECB()).encryptor()
    return record(DISTRIBUTE, 0, bytes(plain)) + encryptor.update(padded) + encryptor.finalize()


# --- summary information -----------------------------------------------------------------------------------------


def summary(title: str = "", author: str = "", created: datetime | None = None) -> bytes:
    """The property set \\x05HwpSummaryInformation."""
    values = [(2, _wide(title)), (4, _wide(author))]
    if created is not None:
        ticks = int((created - datetime(1601, 1, 1, tzinfo=UTC)).total_seconds() * 10_000_000)
        values += [(12, struct.pack("<IQ", 0x40, ticks)), (13, struct.pack("<IQ", 0x40, ticks))]
    index, body = b"", b""
    for identifier, value in values:
        index += struct.pack("<II", identifier, 8 + 8 * len(values) + len(body))
        body += value
    section = struct.pack("<II", 8 + len(index) + len(body), len(values)) + index + body
    format_id = bytes.fromhex("60b6a29f6110d411b4c6006097c09d8c")
    return (
        struct.pack("<HHI", 0xFFFE, 0, 0)
        + bytes(16)
        + struct.pack("<I", 1)
        + format_id
        + struct.pack("<I", 48)
        + section
    )


def _wide(text: str) -> bytes:
    encoded = (text + "\0").encode("utf-16-le")
    padded = encoded + bytes(-len(encoded) % 4)
    return struct.pack("<II", 0x1F, len(encoded) // 2) + padded


# --- document info -----------------------------------------------------------------------------------------------


def document_info(sections: int = 1) -> bytes:
    """The stream DocInfo: the shapes, styles and numberings that `section_stream` refers to."""
    records = [record(DOCUMENT_PROPERTIES, 0, struct.pack("<7H", sections, 1, 1, 1, 1, 1, 1) + bytes(12))]
    records.append(record(ID_MAPPINGS, 0, bytes(18 * 4)))
    records += [record(BORDER_FILL, 1, bytes(32) + struct.pack("<I", 0)), record(BORDER_FILL, 1, _filled(0x602000))]
    for size, attributes, colour in ((1000, 0, _BLACK), (1600, 2, _BLACK), (1000, 0, _WHITE), (50, 0, _BLACK)):
        records.append(record(CHAR_SHAPE, 1, _char_shape(size, attributes, colour)))
    records += [record(NUMBERING, 1, _numbering(OUTLINE_FORMATS, (0,) * 7))]
    records += [record(NUMBERING, 1, _numbering(NUMBER_FORMATS, NUMBER_KINDS))]
    records.append(record(BULLETS, 1, bytes(12) + BULLET.encode("utf-16-le") + bytes(12)))
    records.append(record(PARA_SHAPE, 1, _para_shape(0, 0, 0)))
    records += [record(PARA_SHAPE, 1, _para_shape(1, level, 0)) for level in range(7)]
    records += [record(PARA_SHAPE, 1, _para_shape(2, level, 2)) for level in range(7)]
    records.append(record(PARA_SHAPE, 1, _para_shape(3, 0, 1)))
    for number, name in enumerate(STYLES):
        shape = number if name.startswith("개요") else 0
        encoded = struct.pack("<H", len(name)) + name.encode("utf-16-le") + struct.pack("<H", 0)
        records.append(record(STYLE, 1, encoded + struct.pack("<BBHHH", 0, number, 1042, shape, 0)))
    return b"".join(records)


def _filled(colour: int) -> bytes:
    return bytes(32) + struct.pack("<IIIi", 1, colour, 0, -1) + bytes(4)


def _char_shape(size: int, attributes: int, colour: int) -> bytes:
    shape = bytes(14) + b"\x64" * 7 + bytes(7) + b"\x64" * 7 + bytes(7) + struct.pack("<iI", size, attributes)
    return shape + bytes(2) + struct.pack("<IIII", colour, 0, 0xFFFFFFFF, 0) + struct.pack("<HI", _NO_FILL, 0)


def _para_shape(head: int, level: int, numbering: int) -> bytes:
    attributes = head << 23 | level << 25
    shape = struct.pack("<I6i", attributes, 0, 0, 0, 0, 0, 160)
    return shape + struct.pack("<HHH", 0, numbering, _NO_FILL) + bytes(8) + bytes(12)


def _numbering(formats: Sequence[str], kinds: Sequence[int]) -> bytes:
    levels = b"".join(
        struct.pack("<IhhI", kind << 5, 0, 50, 0xFFFFFFFF) + struct.pack("<H", len(text)) + text.encode("utf-16-le")
        for text, kind in zip(formats, kinds, strict=True)
    )
    return levels + struct.pack("<H", 1) + struct.pack("<7I", *[1] * 7)


# --- body text ---------------------------------------------------------------------------------------------------


def section_stream(content: Sequence[Paragraph]) -> bytes:
    """The records of one section; its first paragraph carries the section's definition."""
    body = list(content) or [Paragraph()]
    written = [_Writer(0).paragraph(paragraph, first=index == 0) for index, paragraph in enumerate(body)]
    memos = [part for paragraph in body for part in paragraph.parts if isinstance(part, Memo)]
    for number, memo in enumerate(memos, 1):
        written.append(record(MEMO_LIST, 1, struct.pack("<I", number)))
        written.append(_list(2, (Paragraph(memo.note),), bytes(0)))
    return b"".join(written)


def _paragraphs(content: Sequence[Paragraph], level: int) -> bytes:
    return b"".join(_Writer(level).paragraph(paragraph) for paragraph in content or (Paragraph(),))


def _list(level: int, content: Sequence[Paragraph], rest: bytes) -> bytes:
    """A list header and its paragraphs, which stand on the same level."""
    header = struct.pack("<HHI", max(1, len(content)), 0, 0) + rest
    return record(LIST_HEADER, level, header) + _paragraphs(content, level)


class _Writer:
    """Writes one paragraph at `level`."""

    def __init__(self, level: int) -> None:
        self._level = level
        self._text = b""
        self._controls: list[bytes] = []
        self._shapes: list[tuple[int, int]] = []
        self._ranges: list[tuple[int, int, int]] = []

    def paragraph(self, paragraph: Paragraph, *, first: bool = False) -> bytes:
        if first:
            # The attributes end with the number of the outline numbering.
            self._extended(2, "secd", struct.pack("<IHHHIH", 0, 1134, 0, 0, 8000, 1) + bytes(16))
            self._extended(2, "cold", bytes(12))
        for part in paragraph.parts:
            self._part(part, LOOKS.index(paragraph.look))
        self._text += struct.pack("<H", 13)
        shapes = self._shapes or [(0, LOOKS.index(paragraph.look))]
        if shapes[0][0] > 0:
            shapes.insert(0, (0, 0))
        records = [record(PARA_HEADER, self._level, self._header(paragraph, len(shapes)))]
        if len(self._text) > 2:
            records.append(record(PARA_TEXT, self._level + 1, self._text))
        records.append(record(PARA_CHAR_SHAPE, self._level + 1, b"".join(struct.pack("<II", *s) for s in shapes)))
        if self._ranges:
            tags = b"".join(struct.pack("<III", start, end, kind << 24) for start, end, kind in self._ranges)
            records.append(record(PARA_RANGE_TAG, self._level + 1, tags))
        return b"".join(records + self._controls)

    def _header(self, paragraph: Paragraph, shapes: int) -> bytes:
        shape = 0
        if paragraph.outline:
            shape = paragraph.outline
        elif paragraph.number:
            shape = 7 + paragraph.number
        elif paragraph.bullet:
            shape = 15
        style = STYLES.index(f"개요 {paragraph.outline}" if paragraph.outline else paragraph.style)
        counts = struct.pack("<HHH", shapes, len(self._ranges), 0)
        return struct.pack("<IIHBB", len(self._text) // 2, 0, shape, style, 0) + counts + bytes(6)

    def _part(self, part: Part, look: int) -> None:
        match part:
            case str():
                self._run(part, look)
            case Styled():
                self._run(part.text, LOOKS.index(part.look))
                self._shapes.append((len(self._text) // 2, look))
            case Inserted() | Deleted():
                start = len(self._text) // 2
                self._run(part.text, look)
                self._ranges.append((start, len(self._text) // 2, 16 if isinstance(part, Inserted) else 17))
            case Link():
                command = f"{part.target};1;0;0;"
                self._field("%hlk", command, part.text, look)
            case Memo():
                self._field("%%me", "MEMO", part.text, look)
            case Table():
                place = struct.pack("<Ii", part.inline, part.offset) + bytes(34)
                self._extended(11, "tbl ", place, _table(part, self._level + 2))
            case Box() | Picture():
                self._extended(11, "gso ", _object(part), _shape(part, self._level + 2))
            case _:
                self._note(part)

    def _note(self, part: Part) -> None:
        inner = self._level + 2
        match part:
            case Footnote() | Endnote():
                name = "fn  " if isinstance(part, Footnote) else "en  "
                self._extended(17, name, bytes(8), _list(inner, (note_paragraph(part),), bytes(8)))
            case Header() | Footer():
                name = "head" if isinstance(part, Header) else "foot"
                self._extended(16, name, bytes(8), _list(inner, (Paragraph(part.text),), bytes(26)))
            case HiddenComment():
                self._extended(15, "tcmt", b"", _list(inner, (Paragraph(part.text),), bytes(8)))
            case Equation():
                script = struct.pack("<IH", 0, len(part.script)) + part.script.encode("utf-16-le") + bytes(12)
                self._extended(11, "eqed", bytes(42), record(EQUATION, inner, script))
            case Ruby():
                strings = b"".join(
                    struct.pack("<H", len(text)) + text.encode("utf-16-le") for text in (part.text, part.above)
                )
                self._extended(23, "tdut", strings + bytes(20))
            case AutoNumber():
                kind = _AUTO_NUMBER_KINDS.index(part.kind)
                self._extended(
                    18, "atno", struct.pack("<IHHHH", kind, part.number, 0, 0, ord(")") if kind in (1, 2) else 0)
                )
            case _:
                raise TypeError(f"no way to write {part!r}")

    def _run(self, text: str, look: int) -> None:
        if not self._shapes or self._shapes[-1][1] != look:
            self._shapes.append((len(self._text) // 2, look))
        for character in text:
            if character in "\t":
                self._text += struct.pack("<H", 9) + bytes(12) + struct.pack("<H", 9)
            else:
                self._text += character.encode("utf-16-le")

    def _field(self, name: str, command: str, text: str, look: int) -> None:
        properties = struct.pack("<IBH", 0, 0, len(command)) + command.encode("utf-16-le") + bytes(8)
        self._extended(3, name, properties)
        self._run(text, look)
        self._text += struct.pack("<H", 4) + control_id(name) + bytes(8) + struct.pack("<H", 4)

    def _extended(self, code: int, name: str, properties: bytes, children: bytes = b"") -> None:
        """A control: eight code units in the text, and a record whose children stand below it."""
        self._text += struct.pack("<H", code) + control_id(name) + bytes(8) + struct.pack("<H", code)
        self._controls.append(record(CTRL_HEADER, self._level + 1, control_id(name) + properties) + children)


def _object(part: Box | Picture) -> bytes:
    """Common properties of a drawing object, which end with its description."""
    description = part.description if isinstance(part, Picture) else ""
    attributes = 2 << 21 if isinstance(part, Box) and part.behind else 0
    return (
        struct.pack("<I", attributes)
        + bytes(36)
        + struct.pack("<H", len(description))
        + description.encode("utf-16-le")
    )


def _shape(part: Box | Picture, level: int) -> bytes:
    caption = _list(level, (Paragraph(part.caption),), struct.pack("<IIHI", 3, 8504, 850, 0)) if part.caption else b""
    kind = "$rec" if isinstance(part, Box) else "$pic"
    shape = record(SHAPE_COMPONENT, level, control_id(kind) * 2 + bytes(188))
    if isinstance(part, Picture):
        return caption + shape + record(PICTURE, level + 1, bytes(73))
    return caption + shape + _list(level + 1, part.paragraphs, bytes(12)) + record(RECTANGLE, level + 1, bytes(33))


def _table(table: Table, level: int) -> bytes:
    side = 3 if table.caption_below else 2
    caption = (
        _list(level, (Paragraph(table.caption),), struct.pack("<IIHI", side, 8504, 850, 0)) if table.caption else b""
    )
    per_row = [sum(cell.row == row for cell in table.cells) for row in range(min(table.rows, 1000))]
    properties = struct.pack("<IHHH", 0, table.rows & 0xFFFF, table.columns & 0xFFFF, 0) + bytes(8)
    properties += struct.pack(f"<{len(per_row)}H", *per_row) + struct.pack("<HH", _NO_FILL, 0)
    return caption + record(TABLE, level, properties) + b"".join(_cell(cell, level) for cell in table.cells)


def _cell(cell: Cell, level: int) -> bytes:
    place = struct.pack("<HHHH", cell.column, cell.row, cell.columns, cell.rows) + struct.pack("<II", 1000, 1000)
    return _list(level, cell.paragraphs, place + bytes(8) + struct.pack("<H", _DARK_FILL if cell.filled else _NO_FILL))
