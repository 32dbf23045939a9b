"""ZIP archives: every member becomes a document of its own. The directory is walked before anything is unpacked."""

from __future__ import annotations

import stat
import struct
import zipfile
import zlib
from functools import partial
from pathlib import Path

from ingest.parsing import media_types
from ingest.parsing.base import Identified, SourceFile
from ingest.parsing.containers import ENCRYPTED_FLAG, UNREADABLE, open_zip
from ingest.parsing.members import ENCRYPTED, NOT_A_FILE, UNSUPPORTED, Members, decode_name
from rag.domain.document import ParsedDocument
from rag.domain.errors import FileDamaged

_UTF8_FLAG = 0x800
_UNICODE_PATH = 0x7075
"""Extra field with the name in UTF-8 (APPNOTE 6.3.10, 4.6.9)."""
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA)


class ZipParser:
    """Archives without a format of their own."""

    name = "zip/1"
    media_types = (media_types.ZIP,)

    def bid(self, identified: Identified) -> int:
        """Made for it."""
        return 100 if identified.media_type == media_types.ZIP else 0

    def parse(self, path: Path, source: SourceFile) -> ParsedDocument:
        """See `Parser.parse`."""
        members = Members(source)
        with open_zip(path, source.name, encrypted=True) as archive:
            for entry in archive.infolist():
                # Not `is_dir`: before Python 3.12 it fails on a name that begins with NUL, which `zipfile` makes empty.
                if not entry.filename.endswith("/") and not _take(archive, entry, members, source):
                    break
        return members.document(self.name)


def _take(archive: zipfile.ZipFile, entry: zipfile.ZipInfo, members: Members, source: SourceFile) -> bool:
    name = entry_name(entry)
    kind = stat.S_IFMT(entry.external_attr >> 16)
    if kind not in (0, stat.S_IFREG):
        members.leave_out(NOT_A_FILE, name)
    elif entry.flag_bits & ENCRYPTED_FLAG:
        members.leave_out(ENCRYPTED, name)
    elif entry.compress_type not in _METHODS:
        members.leave_out(UNSUPPORTED, name)
    else:
        return members.add(name, entry.file_size, partial(_read, archive, entry, source))
    return True


def _read(archive: zipfile.ZipFile, entry: zipfile.ZipInfo, source: SourceFile) -> bytes:
    try:
        with archive.open(entry) as stream:
            return stream.read()  # `zipfile` stops at the declared size, which the caps hold for
    except (*UNREADABLE, RuntimeError) as error:
        raise FileDamaged(name=source.name, detail="ZIP") from error


def entry_name(entry: zipfile.ZipInfo) -> str:
    """The name of a member. Korean programs write CP949 without saying so; `zipfile` takes it for CP437."""
    if entry.flag_bits & _UTF8_FLAG:
        return entry.filename
    raw = entry.orig_filename.encode("cp437", errors="replace")
    return _unicode_path(entry.extra, raw) or decode_name(raw, "cp437")


def _unicode_path(extra: bytes, raw: bytes) -> str:
    """The name in the extra field, if it belongs to this one; empty otherwise."""
    at = 0
    while at + 4 <= len(extra):
        kind, size = struct.unpack_from("<HH", extra, at)
        data = extra[at + 4 : at + 4 + size]
        if kind == _UNICODE_PATH and len(data) > 5 and int.from_bytes(data[1:5], "little") == zlib.crc32(raw):
            return data[5:].decode("utf-8", errors="replace")
        at += 4 + size
    return ""
