"""What a compound file (OLE) says about itself: properties, macros, embedded objects. For the formats of Office 97-2003."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from ingest.parsing.characters import one_line
from ingest.parsing.ooxml import EMBEDDED_NOT_READ, HAS_MACROS
from rag.domain.document import DocumentMetadata

_MACRO_STORAGES = frozenset({"macros", "_vba_project_cur", "vba"})
_MAX_VALUE_CHARACTERS = 500
_WORD_FLAGS_AT, _WORD_ENCRYPTED = 0x0A, 0x0100
"""fEncrypted of the FIB ([MS-DOC] 2.5.2)."""

_TOKEN_AT, _TOKEN_ENCRYPTED = 12, 0xC4DF
"""The lower half of headerToken of the CurrentUserAtom ([MS-PPT] 2.3.2)."""

_CODE_PAGES = {65001: "utf-8", 1200: "utf-16-le", 10003: "johab"}
"""Windows' numbers that Python does not know as `cpN`."""

_ATTRIBUTES = ("subject", "keywords", "comments", "last_saved_by", "category", "company")
_NAMES = {"comments": "description", "last_saved_by": "last_modified_by"}


@dataclass(frozen=True, slots=True)
class OleFacts:
    """Title, properties and warnings of a file."""

    title: str = ""
    metadata: DocumentMetadata = field(default_factory=DocumentMetadata)
    warnings: frozenset[str] = frozenset()


def ole_facts(path: Path) -> OleFacts:
    """Read them; nothing where the property streams are damaged, since they are worth no failure."""
    import olefile

    try:
        with olefile.OleFileIO(path.read_bytes()) as file:
            storages = {part.lower() for parts in file.listdir(streams=False, storages=True) for part in parts}
            return _facts(file.get_metadata(), storages)
    except Exception:  # olefile lets IndexError, struct.error and others through on damaged files
        return OleFacts()


def is_encrypted(path: Path) -> bool:
    """Whether a DOC or PPT is protected by a password; False where that can't be read."""
    import olefile

    try:
        with olefile.OleFileIO(path.read_bytes()) as file:
            if file.exists("WordDocument"):
                return bool(_word(file, "WordDocument", _WORD_FLAGS_AT) & _WORD_ENCRYPTED)
            return file.exists("Current User") and _word(file, "Current User", _TOKEN_AT) == _TOKEN_ENCRYPTED
    except Exception:  # as above; the converter says then that the file is damaged
        return False


def _word(file: Any, stream: str, at: int) -> int:
    """The 16 bits at an offset of a stream."""
    return int.from_bytes(file.openstream(stream).read(at + 2)[at:], "little")


def _facts(properties: Any, storages: set[str]) -> OleFacts:
    codec = _codec(properties.codepage)

    def text(name: str) -> str:
        value = getattr(properties, name, None)
        if isinstance(value, bytes):
            value = value.rstrip(b"\0").decode(codec, errors="replace")
        return one_line(value)[:_MAX_VALUE_CHARACTERS] if isinstance(value, str) else ""

    attributes = [(_NAMES.get(name, name), text(name)) for name in _ATTRIBUTES]
    embedded = sum(name.startswith("mbd") or (name.startswith("_") and name[1:].isdecimal()) for name in storages)
    warnings = set()
    if embedded:
        attributes.append(("embedded_files", str(embedded)))
        warnings.add(EMBEDDED_NOT_READ)
    if storages & _MACRO_STORAGES:
        warnings.add(HAS_MACROS)
    created, modified = (_moment(getattr(properties, name, None)) for name in ("create_time", "last_saved_time"))
    kept = tuple((name, value) for name, value in attributes if value)
    return OleFacts(text("title"), DocumentMetadata(text("author"), created, modified, kept), frozenset(warnings))


def _codec(code_page: Any) -> str:
    """The codec of the property texts ([MS-OLEPS] 2.2); Windows' western one when it is not known."""
    number = code_page + 65536 if isinstance(code_page, int) and code_page < 0 else code_page
    name = _CODE_PAGES.get(number, f"cp{number}")
    try:
        "".encode(name)
    except LookupError:
        return "cp1252"
    return name


def _moment(value: Any) -> str:
    """A time in UTC; the year 1601 stands for none."""
    if not isinstance(value, datetime) or value.year < 1980:
        return ""
    return value.replace(microsecond=0).isoformat() + "Z"
