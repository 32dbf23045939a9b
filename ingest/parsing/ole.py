"""What a compound file (OLE) says about itself: properties, macros, embedded objects. For the formats of Office 97-2003."""

from __future__ import annotations

import struct
from collections import deque
from collections.abc import Iterable, Iterator
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

_RECORD_HEAD = struct.Struct("<HHI")
"""Version and instance, type, length ([MS-PPT] 2.3.1)."""

_DOCUMENT, _OBJECT_LIST, _OBJECT, _CONTROL = 0x03E8, 0x0409, 0x0FCC, 0x0FEE
_PROPERTY_LIST, _MACROS, _MACROS_ATOM = 0x07D0, 0x03FF, 0x0400
"""Record types of a PPT ([MS-PPT] 2.13.24): the document, in it the objects and what says whether there are macros."""

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
            on_slides, slide_macros = _slide_facts(file)
            embedded = sum(_is_object(name) for name in storages) + on_slides
            return _facts(file.get_metadata(), embedded, macros=slide_macros or bool(storages & _MACRO_STORAGES))
    except MemoryError:  # says nothing about the file
        raise
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
    except MemoryError:
        raise
    except Exception:  # as above; the converter says then that the file is damaged
        return False


def _word(file: Any, stream: str, at: int) -> int:
    """The 16 bits at an offset of a stream."""
    return int.from_bytes(file.openstream(stream).read(at + 2)[at:], "little")


def _is_object(storage: str) -> bool:
    """Whether a storage holds an embedded object: `MBD01234567` in Excel, `_1234567890` in Word."""
    return storage.startswith("mbd") or (storage.startswith("_") and storage[1:].isdecimal())


def _slide_facts(file: Any) -> tuple[int, bool]:
    """How many objects are embedded in a PPT, and whether it has macros: it keeps both in one stream, not as storages."""
    if not file.exists("PowerPoint Document"):
        return 0, False
    data = file.openstream("PowerPoint Document").read()
    # Each time it is saved, PowerPoint may append what has changed: the last document is the one that is shown.
    document = deque(_inside(data, [(0, len(data))], _DOCUMENT), maxlen=1)
    objects = sum(1 for _ in _inside(data, _inside(data, document, _OBJECT_LIST), _OBJECT, _CONTROL))
    macros = _inside(data, _inside(data, _inside(data, document, _PROPERTY_LIST), _MACROS), _MACROS_ATOM)
    return objects, any(data[start + 4 : min(start + 8, end)].strip(b"\0") for start, end in macros)


def _inside(data: bytes, places: Iterable[tuple[int, int]], *kinds: int) -> Iterator[tuple[int, int]]:
    """Where the contents of the records of these types begin and end that stand directly in any of the places."""
    for start, end in places:
        at = start
        while at + _RECORD_HEAD.size <= end:
            _, kind, length = _RECORD_HEAD.unpack_from(data, at)
            at += _RECORD_HEAD.size
            if kind in kinds:
                yield at, min(at + length, end)
            at += length


def _facts(properties: Any, embedded: int, *, macros: bool) -> OleFacts:
    codec = _codec(properties.codepage)

    def text(name: str) -> str:
        value = getattr(properties, name, None)
        if isinstance(value, bytes):
            value = value.rstrip(b"\0").decode(codec, errors="replace")
        return one_line(value)[:_MAX_VALUE_CHARACTERS] if isinstance(value, str) else ""

    attributes = [(_NAMES.get(name, name), text(name)) for name in _ATTRIBUTES]
    warnings = set()
    if embedded:
        attributes.append(("embedded_files", str(embedded)))
        warnings.add(EMBEDDED_NOT_READ)
    if macros:
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
