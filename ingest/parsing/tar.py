"""TAR archives, plain or packed by gzip, bzip2 or xz, and single files packed by these: read in one pass, never unpacked
to disk. A packed TAR has no directory to look at first, so what comes out is counted while it comes."""

from __future__ import annotations

import bz2
import gzip
import lzma
import tarfile
import zlib
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import IO, Any

from ingest.parsing import media_types
from ingest.parsing.base import Identified, SourceFile
from ingest.parsing.containers import (
    MAX_ENTRIES,
    MAX_RATIO,
    MAX_UNPACKED_BYTES,
    RATIO_MATTERS_BYTES,
    UNREADABLE,
    is_tar,
)
from ingest.parsing.members import NOT_A_FILE, Members, decode_name
from rag.domain.document import ParsedDocument
from rag.domain.errors import FileDamaged, ParseLimitExceeded

_BLOCK = 512
_DAMAGED = (*UNREADABLE, tarfile.TarError, zlib.error, lzma.LZMAError, RecursionError)
_OPENERS: Mapping[str, Callable[[Any], Any]] = {
    media_types.GZIP: lambda file: gzip.GzipFile(fileobj=file),
    media_types.BZIP2: bz2.BZ2File,
    media_types.XZ: lzma.LZMAFile,
}
_SUFFIXES = (".gz", ".bz2", ".xz")


class TarParser:
    """Archives of tar, and what gzip, bzip2 and xz make of one file."""

    name = "tar/1"
    media_types = (media_types.TAR, media_types.GZIP, media_types.BZIP2, media_types.XZ)

    def bid(self, identified: Identified) -> int:
        """Made for them."""
        return 100 if identified.media_type in self.media_types else 0

    def parse(self, path: Path, source: SourceFile) -> ParsedDocument:
        """See `Parser.parse`."""
        members = Members(source)
        with path.open("rb") as file:
            packed = _OPENERS.get(source.media_type)
            stream = _Counted(packed(file) if packed else file, path.stat().st_size, source)
            try:
                head = stream.peek(_BLOCK)
            except _DAMAGED as error:
                raise FileDamaged(name=source.name, detail=source.media_type) from error
            if packed and not is_tar(head):
                _single(stream, members, source)
            else:
                _walk(stream, members, source)
        return members.document(self.name)


class _Counted:
    """A stream that stops where an honest archive of this size would have ended."""

    def __init__(self, file: IO[bytes], packed_bytes: int, source: SourceFile) -> None:
        self._file = file
        self._source = source
        self._left = min(MAX_UNPACKED_BYTES, max(RATIO_MATTERS_BYTES, MAX_RATIO * packed_bytes))
        self._ahead = b""

    def peek(self, size: int) -> bytes:
        """The first bytes, which `read` gives again."""
        self._ahead = self._file.read(size)
        return self._ahead

    def read(self, size: int) -> bytes:
        """Up to `size` bytes.

        Raises:
            ParseLimitExceeded: more came out than may.
        """
        ahead, self._ahead = self._ahead[:size], self._ahead[size:]
        data = ahead or self._file.read(size)
        self._left -= len(data)
        if self._left < 0:
            raise ParseLimitExceeded(name=self._source.name, resource="unpacked size")
        return data


def _single(stream: _Counted, members: Members, source: SourceFile) -> None:
    """One packed file: a child named after its container."""
    base = source.name.replace("\\", "/").rsplit("/", 1)[-1]
    name = next((base[: -len(end)] for end in _SUFFIXES if base.lower().endswith(end)), "") or base
    content = bytearray()
    try:
        while len(content) <= source.children_bytes and (piece := stream.read(1 << 18)):
            content += piece
    except _DAMAGED as error:
        if not content:
            raise FileDamaged(name=source.name, detail=source.media_type) from error
        members.cut_off()
    members.add(name, len(content), lambda: bytes(content))


def _walk(stream: _Counted, members: Members, source: SourceFile) -> None:
    entries = 0
    try:
        with tarfile.open(fileobj=stream, mode="r|", encoding="utf-8", errors="surrogateescape") as archive:  # type: ignore[call-overload]
            for entry in archive:
                archive.members = []  # or it would keep every entry in memory
                entries += 1
                if entries > MAX_ENTRIES:
                    raise ParseLimitExceeded(name=source.name, resource="TAR entries")
                if not entry.isdir() and not _take(archive, entry, members, source):
                    return
    except _DAMAGED as error:
        if not entries:
            raise FileDamaged(name=source.name, detail="TAR") from error
        members.cut_off()


def _take(archive: tarfile.TarFile, entry: tarfile.TarInfo, members: Members, source: SourceFile) -> bool:
    name = decode_name(entry.name.encode("utf-8", errors="surrogateescape"), "latin-1")
    if not entry.isfile():
        members.leave_out(NOT_A_FILE, name)
        return True
    return members.add(name, entry.size, partial(_read, archive, entry, source))


def _read(archive: tarfile.TarFile, entry: tarfile.TarInfo, source: SourceFile) -> bytes:
    file = archive.extractfile(entry)
    content = file.read() if file is not None else b""
    if len(content) != entry.size:
        raise EOFError
    return content
