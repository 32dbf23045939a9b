"""Looking into ZIP and OLE containers without unpacking them: what they hold, and whether it is safe to open."""

from __future__ import annotations

import zipfile
import zlib
from pathlib import Path

from ingest.parsing import media_types
from rag.domain.errors import FileDamaged, FileEncrypted, ParseLimitExceeded

MAX_ENTRIES = 20_000
"""A 500-sheet workbook with 10,000 pictures stays below."""

MAX_UNPACKED_BYTES = 2 << 30
MAX_RATIO = 200
"""DEFLATE can't exceed 1,032:1; real Office XML of the sample sets stays below 40:1."""

RATIO_MATTERS_BYTES = 64 << 20
"""Below this a high ratio does no harm, and empty sheets reach it honestly."""

UNREADABLE = (
    zipfile.BadZipFile, zlib.error, SyntaxError, LookupError, ValueError, TypeError, AttributeError, ArithmeticError,
    AssertionError, EOFError, OSError, NotImplementedError,
)  # fmt: skip
"""What the standard library and the Office libraries raise on damaged content (found by mutating real files)."""

_END_OF_DIRECTORY = b"PK\x05\x06"
_END_RECORD_BYTES = 22
_LONGEST_COMMENT = 0xFFFF
ENCRYPTED_FLAG = 0x1
"""Of a ZIP entry's general purpose bits."""

_ZIP64_LOCATOR = b"PK\x06\x07"
_ZIP64_LOCATOR_BYTES = 20
_ZIP64_END = b"PK\x06\x06"
_ZIP64_END_BYTES = 56
_CONTENT_TYPES_BYTES = 4 << 20
_MIMETYPE_BYTES = 200
_SHORTEST_ENTRY = 46
_USUAL_ENTRY = 400
"""Bytes of one entry in the directory: by the format at least, and more than any real one with its name."""


def open_zip(path: Path, name: str, *, encrypted: bool = False) -> zipfile.ZipFile:
    """The archive, after its directory was walked against the caps. With `encrypted`, entries may be so.

    The caps hold for reading too: `zipfile` stops at the size that the directory declares.

    Raises:
        FileDamaged: the directory can't be read, as in a file cut off.
        FileEncrypted: entries are encrypted.
        ParseLimitExceeded: too many entries, too large unpacked, or packed too tightly to be honest.
    """
    if _declared_entries(path) > MAX_ENTRIES:
        raise ParseLimitExceeded(name=name, resource="ZIP entries")
    try:
        archive = zipfile.ZipFile(path)
    except UNREADABLE as error:
        raise FileDamaged(name=name, detail="ZIP") from error
    try:
        check_directory(archive, name, encrypted=encrypted)
    except BaseException:
        archive.close()
        raise
    return archive


def check_directory(archive: zipfile.ZipFile, name: str, *, encrypted: bool = False) -> None:
    """Refuse what must not be unpacked (`open_zip` lists how)."""
    entries = archive.infolist()
    unpacked = sum(entry.file_size for entry in entries)
    packed = sum(entry.compress_size for entry in entries)
    if len(entries) > MAX_ENTRIES:
        raise ParseLimitExceeded(name=name, resource="ZIP entries")
    if unpacked > MAX_UNPACKED_BYTES or (unpacked > RATIO_MATTERS_BYTES and unpacked > MAX_RATIO * max(packed, 1)):
        raise ParseLimitExceeded(name=name, resource="unpacked size")
    if not encrypted and _is_encrypted(archive):
        raise FileEncrypted(name=name)


def _is_encrypted(archive: zipfile.ZipFile) -> bool:
    return any(entry.flag_bits & ENCRYPTED_FLAG for entry in archive.infolist())


def _declared_entries(path: Path) -> int:
    """Number of entries that the end record states, before `zipfile` builds an object for each; 0 if there is none."""
    with path.open("rb") as file:
        size = file.seek(0, 2)
        file.seek(max(0, size - _END_RECORD_BYTES - _LONGEST_COMMENT))
        tail = file.read()
    at = tail.rfind(_END_OF_DIRECTORY)
    if at < 0 or at + _END_RECORD_BYTES > len(tail):
        return 0
    count = int.from_bytes(tail[at + 10 : at + 12], "little")
    directory_bytes = int.from_bytes(tail[at + 12 : at + 16], "little")
    if count == 0xFFFF or directory_bytes == 0xFFFFFFFF:
        count, directory_bytes = _zip64_directory(path, size - len(tail) + at) or (count, directory_bytes)
    if max(directory_bytes, count * _SHORTEST_ENTRY) > size:
        return 0  # can't be: damaged, which `zipfile` finds out
    # The count is 16 bits wide and wraps round, so the size has a say.
    return max(count, directory_bytes // _USUAL_ENTRY)


def _zip64_directory(path: Path, end: int) -> tuple[int, int] | None:
    """Entries and bytes of the directory by the ZIP64 records before the end record at `end`; None without them."""
    with path.open("rb") as file:
        file.seek(max(0, end - _ZIP64_LOCATOR_BYTES))
        locator = file.read(_ZIP64_LOCATOR_BYTES)
        if not locator.startswith(_ZIP64_LOCATOR):
            return None
        file.seek(min(int.from_bytes(locator[8:16], "little"), end))
        record = file.read(_ZIP64_END_BYTES)
    if not record.startswith(_ZIP64_END) or len(record) < _ZIP64_END_BYTES:
        return None
    return int.from_bytes(record[32:40], "little"), int.from_bytes(record[40:48], "little")


def is_tar(head: bytes) -> bool:
    """Whether a file's first block is the header of a TAR member: its checksum is right (POSIX.1, ustar)."""
    block = head[:512]
    if len(block) < 512 or not block[0]:
        return False
    stated = block[148:156].strip(b" \0")
    if not stated or any(digit not in b"01234567" for digit in stated):
        return False
    return int(stated, 8) == sum(block) - sum(block[148:156]) + 8 * ord(" ")


def zip_media_type(path: Path, name: str) -> str:
    """What the ZIP archive at `path` is.

    Raises:
        As `open_zip`.
    """
    with open_zip(path, name, encrypted=True) as archive:
        media_type = _zip_content(archive, name)
        if media_type != media_types.ZIP and _is_encrypted(archive):
            raise FileEncrypted(name=name)
    return media_type


def _zip_content(archive: zipfile.ZipFile, name: str) -> str:
    declared = _head(archive, "mimetype", _MIMETYPE_BYTES, name).strip()
    if declared:
        return declared.removesuffix("-template")
    content_types = _head(archive, "[Content_Types].xml", _CONTENT_TYPES_BYTES, name)
    names = set(archive.namelist())
    for main_part, media_type in media_types.OPC_MAIN_PARTS:
        if main_part in content_types:
            return media_type
    for part, media_type in media_types.OPC_MAIN_NAMES:
        if part in names:
            return media_type
    return "application/java-archive" if "META-INF/MANIFEST.MF" in names else media_types.ZIP


def _head(archive: zipfile.ZipFile, entry: str, limit: int, name: str) -> str:
    """The beginning of an entry as text; empty when there is none.

    Raises:
        FileDamaged: it can't be unpacked.
    """
    if entry not in archive.NameToInfo:
        return ""
    if archive.NameToInfo[entry].flag_bits & ENCRYPTED_FLAG:
        raise FileEncrypted(name=name)
    try:
        with archive.open(entry) as stream:
            return stream.read(limit).decode("utf-8", errors="replace")
    except UNREADABLE as error:
        raise FileDamaged(name=name, detail=entry) from error


def ole_media_type(path: Path, name: str) -> str:
    """What the compound file (OLE) at `path` is.

    Raises:
        FileEncrypted: it wraps an Office document protected by a password ([MS-OFFCRYPTO] 2.3).
        FileDamaged: its directory can't be read.
    """
    import olefile

    try:
        with path.open("rb") as file, olefile.OleFileIO(file) as ole:
            streams = {"/".join(parts).lower() for parts in ole.listdir()}
            if "encryptedpackage" in streams:
                raise FileEncrypted(name=name)
            if "fileheader" in streams and (
                "docinfo" in streams or ole.openstream("FileHeader").read(17) == b"HWP Document File"
            ):
                return media_types.HWP
    except FileEncrypted:
        raise
    except Exception as error:  # olefile lets IndexError, struct.error and others through on damaged directories
        raise FileDamaged(name=name, detail="OLE") from error
    for stream, media_type in media_types.OLE_STREAMS:
        if stream in streams:
            return media_type
    return "application/x-ole-storage"
