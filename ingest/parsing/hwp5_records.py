"""The records of HWP 5: a stream is a sequence of them, their levels make a tree (specification 5.0, 1.3, chapter 3)."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field

MAX_STREAM_BYTES = 128 << 20
"""Unpacked, of one stream: text and shapes of several thousand pages. Pictures have streams of their own."""

MAX_RECORDS = 2_000_000
"""Of one stream; a record of a real file is about 40 bytes long."""

DISTRIBUTE = 0x1C
ID_MAPPINGS, BORDER_FILL, CHAR_SHAPE, NUMBERING, BULLET, PARA_SHAPE, STYLE = 0x11, 0x14, 0x15, 0x17, 0x18, 0x19, 0x1A
PARA_HEADER, PARA_TEXT, PARA_CHAR_SHAPE, PARA_RANGE_TAG, CTRL_HEADER, LIST_HEADER = 0x42, 0x43, 0x44, 0x46, 0x47, 0x48
PAGE_BORDER_FILL, SHAPE_COMPONENT, TABLE, EQUATION, TEXT_ART, FORM_OBJECT, MEMO_LIST = (
    0x4B, 0x4C, 0x4D, 0x58, 0x5A, 0x5B, 0x5D,
)  # fmt: skip
"""Tags, from HWPTAG_BEGIN = 0x10 (tables 13 and 57 of the specification)."""


class StreamTooLarge(Exception):
    """Unpacked, the stream is larger than any honest one."""


class StreamDamaged(Exception):
    """The stream ends too early or contradicts itself."""


@dataclass(slots=True)
class Node:
    """A record and those below it."""

    tag: int
    level: int
    data: bytes
    children: list[Node] = field(default_factory=list)

    def first(self, tag: int) -> bytes:
        """Data of the first child with this tag; empty when there is none."""
        return next((child.data for child in self.children if child.tag == tag), b"")


def inflate(data: bytes) -> tuple[bytes, bool]:
    """Raw DEFLATE; what could be unpacked, and whether that is all.

    Raises:
        StreamTooLarge: it goes beyond `MAX_STREAM_BYTES`.
    """
    unpacker = zlib.decompressobj(-15)
    pieces: list[bytes] = []
    size = 0
    try:
        while data and not unpacker.eof:
            piece = unpacker.decompress(data, 1 << 20)
            data = unpacker.unconsumed_tail
            size += len(piece)
            if size > MAX_STREAM_BYTES:
                raise StreamTooLarge
            pieces.append(piece)
    except zlib.error:
        return b"".join(pieces), False
    return b"".join(pieces), unpacker.eof


def records(data: bytes) -> Iterator[tuple[int, int, int, int]]:
    """Tag, level, start and end of each record.

    Raises:
        StreamDamaged: a record goes beyond the stream.
        StreamTooLarge: more than `MAX_RECORDS`.
    """
    at, count, size_all = 0, 0, len(data)
    while at + 4 <= size_all:
        (head,) = struct.unpack_from("<I", data, at)
        at += 4
        size = head >> 20
        if size == 0xFFF:
            if at + 4 > size_all:
                raise StreamDamaged
            (size,) = struct.unpack_from("<I", data, at)
            at += 4
        if at + size > size_all:
            raise StreamDamaged
        count += 1
        if count > MAX_RECORDS:
            raise StreamTooLarge
        yield head & 0x3FF, head >> 10 & 0x3FF, at, at + size
        at += size
    if any(data[at:]):  # zeros may follow, where a cipher wanted whole blocks
        raise StreamDamaged


def trees(data: bytes, tags: Collection[int]) -> Iterator[Node]:
    """Each record of the lowest level with those below it; of the tags not in `tags` nothing is kept.

    Raises:
        As `records`, after the trees that came before.
    """
    path: list[Node] = []
    try:
        for tag, level, start, end in records(data):
            if tag not in tags:
                continue
            while path and path[-1].level >= level:
                closed = path.pop()
                if not path:
                    yield closed
            node = Node(tag, level, data[start:end])
            if path:
                path[-1].children.append(node)
            path.append(node)
    except (StreamDamaged, StreamTooLarge):
        yield from path[:1]  # what stands before the damage
        raise
    yield from path[:1]


def u16(data: bytes, at: int, default: int = 0) -> int:
    """Unsigned 16 bits, `default` where the data ends before; later versions of the format have longer records."""
    return int.from_bytes(data[at : at + 2], "little") if at + 2 <= len(data) else default


def u32(data: bytes, at: int, default: int = 0) -> int:
    """Unsigned 32 bits, as `u16`."""
    return int.from_bytes(data[at : at + 4], "little") if at + 4 <= len(data) else default


def text_at(data: bytes, at: int) -> tuple[str, int]:
    """A string with its length (16 bits, in code units) before it, and where it ends."""
    length = u16(data, at)
    end = at + 2 + 2 * length
    return data[at + 2 : end].decode("utf-16-le", errors="replace"), end
