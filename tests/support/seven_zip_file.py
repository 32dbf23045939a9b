"""7z archives for tests: a writer of one solid folder, with a plain or a packed directory."""

from __future__ import annotations

import bz2
import lzma
import stat
import zlib
from collections.abc import Mapping, Sequence

X86 = {"id": lzma.FILTER_X86}
DELTA = {"id": lzma.FILTER_DELTA, "dist": 4}
LZMA1 = {"id": lzma.FILTER_LZMA1, "dict_size": 1 << 20, "lc": 3, "lp": 0, "pb": 2}
LZMA2 = {"id": lzma.FILTER_LZMA2, "dict_size": 1 << 20}
_CODERS = {
    lzma.FILTER_X86: b"\x04\x03\x03\x01\x03",
    lzma.FILTER_DELTA: b"\x21\x03\x01\x03",
    lzma.FILTER_LZMA1: b"\x23\x03\x01\x01\x05\x5d" + (1 << 20).to_bytes(4, "little"),
    lzma.FILTER_LZMA2: b"\x21\x21\x01\x10",
}
METHODS = {"copy": b"\x01\x00", "deflate": b"\x03\x04\x01\x08", "bzip2": b"\x03\x04\x02\x02", "aes": b"\x04\x06\xf1\x07\x01",
           "ppmd": b"\x03\x03\x04\x01"}  # fmt: skip


def number(value: int) -> bytes:
    """One byte whose leading ones say how many follow."""
    for size in range(8):
        if value < 1 << (7 * (size + 1)):
            high = (0xFF00 >> size) & 0xFF | value >> (8 * size)
            return bytes([high]) + (value & ((1 << 8 * size) - 1)).to_bytes(size, "little")
    return b"\xff" + value.to_bytes(8, "little")


def bits(values: Sequence[bool]) -> bytes:
    """A vector of bits, the highest first."""
    padded = [*values, *[False] * (-len(values) % 8)]
    return bytes(
        sum(bit << 7 - place for place, bit in enumerate(padded[at : at + 8])) for at in range(0, len(padded), 8)
    )


def packed(data: bytes, method: str | Sequence[Mapping[str, int]]) -> tuple[bytes, bytes]:
    """The bytes of a folder, and its description."""
    if not isinstance(method, str):
        coders = [_CODERS[item["id"]] for item in method]
        pairs = b"".join(number(place) + number(place + 1) for place in range(len(coders) - 1))
        found = lzma.compress(data, lzma.FORMAT_RAW, filters=[dict(item) for item in method])
        return found, number(len(coders)) + b"".join(coders) + pairs
    compress = {"deflate": lambda: zlib.compress(data)[2:-4], "bzip2": lambda: bz2.compress(data)}
    return compress.get(method, lambda: data)(), b"\x01" + METHODS[method]


def streams(folder: bytes, coders: int, offset: int, size: int, unpacked: int, crc: int) -> bytes:
    """Pack and unpack info of one folder."""
    pack = b"\x06" + number(offset) + number(1) + b"\x09" + number(size) + b"\x00"
    sizes = b"\x0c" + number(unpacked) * coders
    return pack + b"\x07\x0b" + number(1) + b"\x00" + folder + sizes + b"\x0a\x01" + crc.to_bytes(4, "little") + b"\x00"


def seven_zip(
    files: Mapping[str, bytes | None], method: str | Sequence[Mapping[str, int]] = (LZMA2,), *, pack_header: bool = True,
    links: Sequence[str] = (), count: int | None = None,
) -> bytes:  # fmt: skip
    """An archive; None stands for a folder. `links` are marked as symbolic links, `count` overrides the number of files."""
    full = {name: data for name, data in files.items() if data}
    data = b"".join(full.values())
    body, folder = packed(data, method)
    coders = folder[0] if not isinstance(method, str) else 1
    header = b"\x01"
    if full:
        substreams = b"\x08\x0d" + number(len(full))
        if len(full) > 1:
            substreams += b"\x09" + b"".join(number(len(item)) for item in list(full.values())[:-1])
            substreams += b"\x0a\x01" + b"".join(zlib.crc32(item).to_bytes(4, "little") for item in full.values())
        header += (
            b"\x04" + streams(folder, coders, 0, len(body), len(data), zlib.crc32(data)) + substreams + b"\x00\x00"
        )
    names = b"\x00" + b"".join(name.encode("utf-16-le") + b"\0\0" for name in files)
    header += b"\x05" + number(len(files) if count is None else count)
    empty = [not data for data in files.values()]
    if any(empty):
        header += _property(0x0E, bits(empty)) + _property(
            0x0F, bits([data is not None for data in files.values() if not data])
        )
    modes = b"".join(
        ((0x8000 | (stat.S_IFLNK if name in links else stat.S_IFREG) << 16) & 0xFFFFFFFF).to_bytes(4, "little")
        for name in files
    )
    header += _property(0x15, b"\x01\x00" + modes) + _property(0x11, names) + b"\x00\x00"
    if pack_header:
        found, folder = packed(header, [LZMA1])
        header, body = (
            b"\x17" + streams(folder, 1, len(body), len(found), len(header), zlib.crc32(header)) + b"\x00",
            body + found,
        )
    tail = (
        len(body).to_bytes(8, "little") + len(header).to_bytes(8, "little") + zlib.crc32(header).to_bytes(4, "little")
    )
    return b"7z\xbc\xaf\x27\x1c\0\4" + zlib.crc32(tail).to_bytes(4, "little") + tail + body + header


def _property(kind: int, data: bytes) -> bytes:
    return bytes([kind]) + number(len(data)) + data
