"""7z archives: every member becomes a document of its own.

Unpacked by the standard library (LZMA, LZMA2, BCJ, delta, Deflate, BZip2, stored); a member packed by anything else is named
in a warning. `py7zr` and four of its dependencies are LGPL, so it is not used (decision record 0011).
"""

from __future__ import annotations

import bz2
import lzma
import stat
import zlib
from functools import partial
from pathlib import Path
from typing import IO, Any, Protocol

from ingest.parsing import media_types
from ingest.parsing.base import Identified, SourceFile
from ingest.parsing.containers import MAX_ENTRIES, MAX_RATIO, MAX_UNPACKED_BYTES, RATIO_MATTERS_BYTES
from ingest.parsing.members import ENCRYPTED, NOT_A_FILE, UNSUPPORTED, Members
from ingest.parsing.seven_zip_header import (
    ENCODED_HEADER,
    MAGIC,
    START_BYTES,
    Coder,
    DamagedHeader,
    File,
    Folder,
    Header,
    TooMany,
)
from rag.domain.document import ParsedDocument
from rag.domain.errors import FileDamaged, FileEncrypted, ParseLimitExceeded, UnsupportedFormat

_COPY, _LZMA, _LZMA2, _DEFLATE, _BZIP2 = b"\x00", b"\x03\x01\x01", b"\x21", b"\x04\x01\x08", b"\x04\x02\x02"
_X86, _DELTA = (b"\x03\x03\x01\x03", b"\x04"), b"\x03"
_AES = b"\x06\xf1\x07\x01"
"""Method ids (Methods.txt of the LZMA SDK)."""
_MAX_HEADER_BYTES = 32 << 20
_MAX_DICTIONARY_BYTES = 256 << 20
"""7-Zip's largest preset uses 64 MiB; the child has 1 GiB."""
_HEADER_LAYERS = 4
_PIECE_BYTES = 1 << 18
_UNIX_MODE = 0x8000
_DAMAGED = (DamagedHeader, IndexError, ValueError, EOFError, OSError, lzma.LZMAError, zlib.error, OverflowError)


class SevenZipParser:
    """Archives of 7-Zip."""

    name = "7z/1"
    media_types = (media_types.SEVEN_ZIP,)

    def bid(self, identified: Identified) -> int:
        """Made for it."""
        return 100 if identified.media_type == media_types.SEVEN_ZIP else 0

    def parse(self, path: Path, source: SourceFile) -> ParsedDocument:
        """See `Parser.parse`."""
        members = Members(source)
        with path.open("rb") as file:
            try:
                header = _header(file, source)
                _check_sizes(header, path.stat().st_size, source)
                _walk(file, header, members)
            except TooMany as error:
                raise ParseLimitExceeded(name=source.name, resource="7z entries") from error
            except _UnknownMethod as error:
                raise UnsupportedFormat(name=source.name, found="7z (packed by another method)") from error
            except _DAMAGED as error:
                raise FileDamaged(name=source.name, detail="7z") from error
        return members.document(self.name)


def _header(file: IO[bytes], source: SourceFile) -> Header:
    """The directory, which is mostly packed itself."""
    start = file.read(START_BYTES)
    if not start.startswith(MAGIC) or len(start) < START_BYTES:
        raise DamagedHeader("start")
    offset, size = int.from_bytes(start[12:20], "little"), int.from_bytes(start[20:28], "little")
    if size > _MAX_HEADER_BYTES:
        raise ParseLimitExceeded(name=source.name, resource="7z entries")
    file.seek(START_BYTES + offset)
    data = file.read(size)
    if len(data) != size or zlib.crc32(data) != int.from_bytes(start[28:32], "little"):
        raise DamagedHeader("checksum")
    for _ in range(_HEADER_LAYERS):
        if not data:
            raise DamagedHeader("empty")
        header = Header(data, MAX_ENTRIES)
        if header.kind != ENCODED_HEADER:
            return header
        data = _packed_header(file, header, source)
    raise DamagedHeader("header in header in header")


def _packed_header(file: IO[bytes], header: Header, source: SourceFile) -> bytes:
    [folder] = header.folders
    if any(coder.method == _AES for coder in folder.coders):
        raise FileEncrypted(name=source.name)
    if folder.unpacked > _MAX_HEADER_BYTES:
        raise ParseLimitExceeded(name=source.name, resource="7z entries")
    stream = _Stream(file, folder)
    data = stream.read(folder.unpacked)
    if folder.crc is not None and zlib.crc32(data) != folder.crc:
        raise DamagedHeader("checksum")
    return data


def _check_sizes(header: Header, packed: int, source: SourceFile) -> None:
    unpacked = sum(folder.unpacked for folder in header.folders)
    if unpacked > MAX_UNPACKED_BYTES or (unpacked > RATIO_MATTERS_BYTES and unpacked > MAX_RATIO * packed):
        raise ParseLimitExceeded(name=source.name, resource="unpacked size")


def _walk(file: IO[bytes], header: Header, members: Members) -> None:
    """Files in their order, which is that of the bytes in each folder; a folder is unpacked once, as far as needed."""
    streams: dict[int, _Stream | str] = {}
    for entry in header.files:
        if entry.directory:
            continue
        if entry.folder >= 0 and entry.folder not in streams:
            streams = {entry.folder: _opened(file, header.folders[entry.folder])}
        stream = streams.get(entry.folder)
        if entry.attributes & _UNIX_MODE and not stat.S_ISREG(entry.attributes >> 16):
            members.leave_out(NOT_A_FILE, entry.name)
            _skip(stream, entry)
        elif isinstance(stream, str):
            members.leave_out(stream, entry.name)
        elif not members.add(entry.name, entry.size, partial(_read, stream, entry), partial(_skip, stream, entry)):
            return


def _opened(file: IO[bytes], folder: Folder) -> _Stream | str:
    """The bytes of a folder, or why there are none."""
    if any(coder.method == _AES for coder in folder.coders):
        return ENCRYPTED
    if not folder.chain:
        return UNSUPPORTED
    try:
        return _Stream(file, folder)
    except _UnknownMethod:
        return UNSUPPORTED


def _skip(stream: _Stream | str | None, entry: File) -> None:
    if isinstance(stream, _Stream):
        stream.skip(entry.size)


def _read(stream: _Stream | None, entry: File) -> bytes:
    content = stream.read(entry.size) if stream is not None else b""
    if entry.crc is not None and zlib.crc32(content) != entry.crc:
        raise FileDamaged(name=entry.name, detail="7z")
    return content


class _UnknownMethod(Exception):
    """A coder that the standard library does not have."""


class _Decoder(Protocol):
    """What gives unpacked bytes, at most `most` at a time; with no data it goes on with what it has."""

    def __call__(self, data: bytes, most: int) -> bytes: ...


class _Stream:
    """The unpacked bytes of a folder, in order."""

    def __init__(self, file: IO[bytes], folder: Folder) -> None:
        self._file = file
        self._at = folder.offset
        self._packed_left = folder.packed
        self._left = folder.unpacked
        self._decode = _decoder([folder.coders[place] for place in folder.chain], folder)
        self._ready = bytearray()

    def read(self, size: int) -> bytes:
        """Exactly `size` bytes.

        Raises:
            EOFError: there are fewer.
        """
        out = bytearray()
        while len(out) < size:
            out += self._piece(size - len(out))
        return bytes(out)

    def skip(self, size: int) -> None:
        """Go past `size` bytes."""
        while size:
            size -= len(self._piece(min(size, _PIECE_BYTES)))

    def _piece(self, most: int) -> bytes:
        if most > self._left:
            raise EOFError
        while True:
            found = self._decode(b"", most)
            if not found:
                self._file.seek(self._at)
                packed = self._file.read(min(_PIECE_BYTES, self._packed_left))
                self._at, self._packed_left = self._at + len(packed), self._packed_left - len(packed)
                found = self._decode(packed, most)
                if not packed and not found:
                    raise EOFError
            if found:
                self._left -= len(found)
                return found


def _decoder(chain: list[Coder], folder: Folder) -> _Decoder:
    """For the coders in unpacking order: a packer, then perhaps filters."""
    packer, *filters = chain
    if packer.method in (_LZMA, _LZMA2):
        found = [_filter(coder) for coder in reversed(filters)]
        if packer.method == _LZMA2 or not filters:
            return _library(lzma.LZMADecompressor(lzma.FORMAT_RAW, filters=[*found, _lzma(packer)]))
        # LZMA without an end mark leaves a filter's last bytes unread; so they go through LZMA2, which has one.
        plain = _library(lzma.LZMADecompressor(lzma.FORMAT_RAW, filters=[_lzma(packer)]))
        return _refiltered(plain, found, folder.sizes[folder.chain[0]])
    if filters:
        raise _UnknownMethod
    if packer.method == _BZIP2:
        return _library(bz2.BZ2Decompressor())
    if packer.method == _DEFLATE:
        return _deflate()
    if packer.method == _COPY:
        return _copy()
    raise _UnknownMethod


def _lzma(coder: Coder) -> dict[str, Any]:
    properties = coder.properties
    if coder.method == _LZMA2:
        if properties[0] > 40:
            raise DamagedHeader("dictionary")
        size = 0xFFFFFFFF if properties[0] == 40 else (2 | properties[0] & 1) << (properties[0] // 2 + 11)
        return {"id": lzma.FILTER_LZMA2, "dict_size": _dictionary(size)}
    rest, lc = divmod(properties[0], 9)
    pb, lp = divmod(rest, 5)
    size = _dictionary(int.from_bytes(properties[1:5], "little"))
    return {"id": lzma.FILTER_LZMA1, "dict_size": size, "lc": lc, "lp": lp, "pb": pb}


def _dictionary(size: int) -> int:
    if size > _MAX_DICTIONARY_BYTES:
        raise ParseLimitExceeded(name="7z", resource="memory")
    return max(size, 4096)


def _filter(coder: Coder) -> dict[str, Any]:
    if coder.method in _X86:
        return {"id": lzma.FILTER_X86}
    if coder.method == _DELTA:
        return {"id": lzma.FILTER_DELTA, "dist": coder.properties[0] + 1}
    raise _UnknownMethod


def _library(unpacker: Any) -> _Decoder:
    """A decompressor of `lzma` or `bz2`."""

    def decode(data: bytes, most: int) -> bytes:
        if unpacker.eof or (not data and unpacker.needs_input):
            return b""
        return bytes(unpacker.decompress(data, most))

    return decode


def _deflate() -> _Decoder:
    unpacker = zlib.decompressobj(-zlib.MAX_WBITS)

    def decode(data: bytes, most: int) -> bytes:
        return unpacker.decompress(unpacker.unconsumed_tail + data, most)

    return decode


def _copy() -> _Decoder:
    held = bytearray()

    def decode(data: bytes, most: int) -> bytes:
        nonlocal held
        held += data
        found, held = bytes(held[:most]), held[most:]
        return found

    return decode


def _refiltered(plain: _Decoder, filters: list[dict[str, Any]], size: int) -> _Decoder:
    """`size` bytes of `plain` through filters alone: as stored chunks of LZMA2 (the control byte, the size less one)."""
    unpacker = lzma.LZMADecompressor(
        lzma.FORMAT_RAW, filters=[*filters, {"id": lzma.FILTER_LZMA2, "dict_size": 1 << 16}]
    )
    left, begun = size, False

    def decode(data: bytes, most: int) -> bytes:
        nonlocal left, begun
        while True:
            if not unpacker.needs_input:
                return b"" if unpacker.eof else unpacker.decompress(b"", most)
            piece = plain(data, min(left, 1 << 16)) if left else b""
            data = b""
            if not piece:
                return b""
            left -= len(piece)
            chunk = bytes([2 if begun else 1]) + (len(piece) - 1).to_bytes(2, "big") + piece + (b"" if left else b"\0")
            begun = True
            if found := unpacker.decompress(chunk, most):
                return found

    return decode
