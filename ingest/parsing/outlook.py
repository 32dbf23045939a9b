"""Outlook messages (MSG, [MS-OXMSG]): a compound file whose streams are properties of a message, recipients, attachments.

Read with `olefile`. A message inside the message becomes a child in the form of Internet mail (`eml_writer.py`).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email.parser import HeaderParser
from email.policy import compat32
from pathlib import Path

import olefile

from ingest.parsing import media_types
from ingest.parsing.base import Identified, SourceFile
from ingest.parsing.characters import one_line
from ingest.parsing.eml_writer import eml_bytes
from ingest.parsing.mail import SMALL_PICTURE_BYTES, Headers, better_bodies
from ingest.parsing.mail_letter import Body, Letter, iso_date, letter_document
from ingest.parsing.mail_text import body_text
from ingest.parsing.members import DAMAGED, NOT_A_FILE, Members
from ingest.parsing.rtf_mail import decompressed, rtf_body
from ingest.parsing.text import CHARSET_WARNING
from rag.domain.document import ParsedDocument
from rag.domain.errors import FileDamaged, FileEncrypted, ParseLimitExceeded, SeogoError

_SUBJECT, _CLASS, _HEADERS = 0x0037, 0x001A, 0x007D
_BODY, _RTF, _HTML = 0x1000, 0x1009, 0x1013
_SENDER_NAMES, _SENDER_ADDRESSES = (0x0C1A, 0x0042), (0x5D01, 0x5D02, 0x0C1F, 0x0065)
_DISPLAY = {"To": 0x0E04, "Cc": 0x0E03, "Bcc": 0x0E02}
_MESSAGE_ID, _IN_REPLY_TO, _REFERENCES = 0x1035, 0x1042, 0x1039
_SUBMITTED, _DELIVERED = 0x0039, 0x0E06
_CODEPAGE, _INTERNET_CODEPAGE = 0x3FFD, 0x3FDE
_NAME, _ADDRESS, _SMTP, _RECIPIENT_TYPE = 0x3001, 0x3003, 0x39FE, 0x0C15
_DATA, _METHOD, _FILE_NAMES, _MIME, _CONTENT_ID = 0x3701, 0x3705, (0x3707, 0x3704, 0x3001), 0x370E, 0x3712
"""Property ids ([MS-OXPROPS])."""
_BY_VALUE, _EMBEDDED, _OLE = 1, 5, 6
"""PidTagAttachMethod ([MS-OXCMSG] 2.2.2.9)."""
_RECIPIENT_FIELDS = {1: "To", 2: "Cc", 3: "Bcc"}

_TOP_HEADER, _EMBEDDED_HEADER, _PART_HEADER = 32, 24, 8
"""Bytes before the entries of a property stream, by what it describes ([MS-OXMSG] 2.4.1)."""
_ENTRY_BYTES = 16
_EPOCH = datetime(1601, 1, 1, tzinfo=UTC)
_MAX_PARTS = 2_000
_MAX_DEPTH = 5
_IDS = re.compile(r"<[^<>\s]{1,300}>")
_CODEPAGES = {65001: "utf-8", 51949: "cp949", 20127: "ascii", 28591: "latin-1", 50225: "iso2022_kr", 1200: "utf-16-le"}


class OutlookParser:
    """One message as Outlook saves it."""

    name = "outlook/2"
    media_types = (media_types.OUTLOOK,)

    def bid(self, identified: Identified) -> int:
        """Made for it."""
        return 100 if identified.media_type == media_types.OUTLOOK else 0

    def parse(self, path: Path, source: SourceFile) -> ParsedDocument:
        """See `Parser.parse`."""
        try:
            with olefile.OleFileIO(path.read_bytes()) as ole:
                message = Storage(Directory(ole), (), _TOP_HEADER)
                letter = read_letter(message)
                members = Members(source)
                for name, content in _attachments(message, letter, members, 0):
                    if not members.add(name, len(content), lambda content=content: content):  # type: ignore[misc]
                        break
        except (SeogoError, MemoryError):
            raise
        except Exception as error:  # olefile lets IndexError, struct.error and others through on damaged files
            raise FileDamaged(name=source.name, detail="Outlook") from error
        if letter.encrypted:
            raise FileEncrypted(name=source.name)
        return letter_document(letter, members, source, self.name)


class Directory:
    """The streams and storages of a compound file, by the storage that they are in."""

    def __init__(self, ole: olefile.OleFileIO) -> None:
        self._ole = ole
        self._names: dict[tuple[str, ...], dict[str, str]] = {}
        for *folder, name in ole.listdir(streams=True, storages=True):
            self._names.setdefault(tuple(folder), {})[name.lower()] = name

    def names(self, path: tuple[str, ...]) -> dict[str, str]:
        """Names in a storage, by their lower case."""
        return self._names.get(path, {})

    def read(self, path: tuple[str, ...]) -> bytes:
        """A stream; empty where there is a storage instead."""
        if self._ole.get_type(list(path)) != olefile.STGTY_STREAM:
            return b""
        return bytes(self._ole.openstream(list(path)).read())


class Storage:
    """The properties of a message, an attachment or a recipient: those of variable length are streams, the others entries."""

    def __init__(self, directory: Directory, path: tuple[str, ...], header: int, codepage: str = "") -> None:
        self._directory = directory
        self._path = path
        self._names = directory.names(path)
        self._fixed = dict(self._entries(header))
        self._codepage = codepage or self._declared_codepage()

    def _entries(self, header: int) -> Iterator[tuple[int, bytes]]:
        data = self._read("__properties_version1.0")
        for at in range(header, len(data) - _ENTRY_BYTES + 1, _ENTRY_BYTES):
            yield int.from_bytes(data[at + 2 : at + 4], "little"), data[at + 8 : at + 16]

    def _declared_codepage(self) -> str:
        number = self.number(_CODEPAGE) or self.number(_INTERNET_CODEPAGE)
        return _CODEPAGES.get(number, f"cp{number}" if number else "")

    def _read(self, name: str) -> bytes:
        found = self._names.get(name.lower())
        return b"" if found is None else self._directory.read((*self._path, found))

    def number(self, tag: int) -> int:
        """A property of 32 bits; 0 when it is missing."""
        return int.from_bytes(self._fixed.get(tag, b"")[:4], "little")

    def time(self, tag: int) -> str:
        """An instant in ISO 8601; empty when it is missing or no date."""
        ticks = int.from_bytes(self._fixed.get(tag, b""), "little")
        try:
            return (_EPOCH + timedelta(microseconds=ticks // 10)).replace(microsecond=0).isoformat() if ticks else ""
        except OverflowError:
            return ""

    def binary(self, tag: int) -> bytes:
        """A property that is bytes; empty when it is missing."""
        return self._read(f"__substg1.0_{tag:04X}0102")

    def text(self, tag: int) -> tuple[str, bool]:
        """A property that is text, and whether characters had to be replaced."""
        if data := self._read(f"__substg1.0_{tag:04X}001F"):
            return data.decode("utf-16-le", errors="replace").rstrip("\0"), False
        return body_text(self._read(f"__substg1.0_{tag:04X}001E").rstrip(b"\0"), self._codepage)

    def line(self, *tags: int) -> str:
        """The first of these texts that is there, on one line."""
        return next((found for tag in tags if (found := one_line(self.text(tag)[0]))), "")

    def html(self) -> str:
        """The HTML body, whichever way it is stored."""
        internet = self.number(_INTERNET_CODEPAGE)
        data = self.binary(_HTML)
        charset = _CODEPAGES.get(internet, f"cp{internet}" if internet else self._codepage)
        return body_text(data, charset)[0] if data else self.text(_HTML)[0]

    def parts(self, kind: str) -> Iterator[Storage]:
        """Its recipients (`recip`) or attachments (`attach`)."""
        names = sorted(name for name in self._names if name.startswith(f"__{kind}_version1.0_#"))
        for name in names[:_MAX_PARTS]:
            yield Storage(self._directory, (*self._path, self._names[name]), _PART_HEADER, self._codepage)

    def embedded(self) -> Storage | None:
        """The message that an attachment is; None for a file."""
        name = self._names.get(f"__substg1.0_{_DATA:04x}000d")
        return None if name is None else Storage(self._directory, (*self._path, name), _EMBEDDED_HEADER)


def read_letter(message: Storage) -> Letter:
    """Headers and bodies."""
    letter = Letter()
    kind = message.line(_CLASS).lower()
    letter.encrypted = kind.startswith("ipm.note.smime") and "multipartsigned" not in kind
    headers = Headers(HeaderParser(policy=compat32).parsestr(message.text(_HEADERS)[0]))
    letter.date = iso_date(headers.first("Date")) or message.time(_SUBMITTED) or message.time(_DELIVERED)
    shown = {
        "From": _person(message.line(*_SENDER_NAMES), _address(message, *_SENDER_ADDRESSES)),
        **_recipients(message),
        "Date": letter.date,
        "Subject": message.line(_SUBJECT),
    }
    letter.fields = {name: value for name, value in shown.items() if value}
    letter.message_id = _first_id(message.line(_MESSAGE_ID) or headers.first("Message-ID"))
    letter.in_reply_to = _first_id(message.line(_IN_REPLY_TO) or headers.first("In-Reply-To"))
    letter.references = _IDS.findall(message.line(_REFERENCES) or headers.first("References"))
    letter.bodies = list(_bodies(message, letter))
    return letter


def _bodies(message: Storage, letter: Letter) -> list[Body]:
    plain, replaced = message.text(_BODY)
    if replaced:
        letter.warnings[CHARSET_WARNING] = None
    found = [Body("1", text, html) for text, html in ((plain, False), (message.html(), True)) if text.strip()]
    if not found:
        text, html = rtf_body(decompressed(message.binary(_RTF)))
        found = [Body("1", text, html)] if text.strip() else []
    return better_bodies(found)


def _recipients(message: Storage) -> dict[str, str]:
    """By field; what Outlook shows where it stored no list."""
    lists: dict[str, list[str]] = {"To": [], "Cc": [], "Bcc": []}
    for recipient in message.parts("recip"):
        person = _person(recipient.line(_NAME), _address(recipient, _SMTP, _ADDRESS))
        if person:
            lists[_RECIPIENT_FIELDS.get(recipient.number(_RECIPIENT_TYPE), "To")].append(person)
    return {name: ", ".join(people) or message.line(_DISPLAY[name]) for name, people in lists.items()}


def _address(storage: Storage, *tags: int) -> str:
    """The first that is an Internet address; Exchange has its own, which say nothing outside."""
    return next((found for tag in tags if "@" in (found := storage.line(tag))), "")


def _person(name: str, address: str) -> str:
    if not name or name == address:
        return address
    return f"{name} <{address}>" if address else name


def _first_id(text: str) -> str:
    return next(iter(_IDS.findall(text)), "")


def _attachments(message: Storage, letter: Letter, members: Members, depth: int) -> Iterator[tuple[str, bytes]]:
    """Name and content of each attachment that is a file or a message."""
    small = 0
    for number, part in enumerate(message.parts("attach"), start=1):
        name = part.line(*_FILE_NAMES) or f"attachment-{number}"
        method = part.number(_METHOD)
        inner = part.embedded()
        if method == _EMBEDDED and inner is not None:
            yield _embedded(inner, members, depth + 1)
        elif method not in (0, _BY_VALUE):
            members.leave_out(NOT_A_FILE, name)
        else:
            content = part.binary(_DATA)
            picture = part.line(_MIME).startswith("image/") and part.line(_CONTENT_ID)
            if picture and len(content) < SMALL_PICTURE_BYTES:
                small += 1
            elif content:
                yield name, content
            else:
                members.leave_out(DAMAGED, name)
    if small:
        letter.warnings[f"inline_images_left_out:{small}"] = None


def _embedded(message: Storage, members: Members, depth: int) -> tuple[str, bytes]:
    if depth > _MAX_DEPTH:
        raise ParseLimitExceeded(name="message", resource="nesting depth")
    letter = read_letter(message)
    files = list(_attachments(message, letter, members, depth))
    return f"{letter.fields.get('Subject') or 'message'}.eml".replace("/", " "), eml_bytes(letter, files)
