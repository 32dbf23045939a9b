"""What Outlook sends as `winmail.dat` (TNEF, [MS-OXTNEF]): attachments, and the body where it went along as RTF or HTML."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from ingest.parsing import media_types
from ingest.parsing.base import Identified, SourceFile
from ingest.parsing.characters import one_line
from ingest.parsing.mail import better_bodies
from ingest.parsing.mail_letter import Body, Letter, letter_document
from ingest.parsing.mail_text import body_text
from ingest.parsing.members import Members
from ingest.parsing.rtf_mail import decompressed, rtf_body
from rag.domain.document import ParsedDocument
from rag.domain.errors import FileDamaged, ParseLimitExceeded

_HEAD_BYTES, _ATTRIBUTE_BYTES, _CHECKSUM_BYTES = 6, 9, 2
_SUBJECT, _BODY, _MESSAGE_PROPERTIES, _CODEPAGE = 0x8004, 0x800C, 0x9003, 0x9007
_FILE_BEGINS, _FILE_NAME, _FILE_DATA, _FILE_PROPERTIES = 0x9002, 0x8010, 0x800F, 0x9005
"""Attribute ids ([MS-OXTNEF] 2.1.3.3), without their types."""
_P_SUBJECT, _P_BODY, _P_RTF, _P_HTML, _P_LONG_NAME, _P_DATA = 0x0037, 0x1000, 0x1009, 0x1013, 0x3707, 0x3701
_FIXED_BYTES = {0x02: 4, 0x03: 4, 0x04: 4, 0x05: 8, 0x06: 8, 0x07: 8, 0x0A: 4, 0x0B: 4, 0x14: 8, 0x40: 8, 0x48: 16}
_TEXT, _UNICODE = 0x1E, 0x1F
_VARIABLE = frozenset({_TEXT, _UNICODE, 0x0102, 0x0D})
_MULTIPLE, _NAMED = 0x1000, 0x8000
_MAX_ITEMS = 10_000


class TnefParser:
    """The wrapping that only Outlook takes off."""

    name = "tnef/1"
    media_types = (media_types.TNEF,)

    def bid(self, identified: Identified) -> int:
        """Made for it."""
        return 100 if identified.media_type == media_types.TNEF else 0

    def parse(self, path: Path, source: SourceFile) -> ParsedDocument:
        """See `Parser.parse`."""
        message = _Message(source)
        try:
            message.read(path.read_bytes())
        except (IndexError, ValueError) as error:
            raise FileDamaged(name=source.name, detail="TNEF") from error
        members = Members(source)
        for number, file in enumerate(message.files, start=1):
            name = file.name or f"attachment-{number}"
            if not members.add(name, len(file.content), lambda content=file.content: content):  # type: ignore[misc]
                break
        return letter_document(message.letter(), members, source, self.name)


@dataclass(slots=True)
class _File:
    name: str = ""
    content: bytes = b""


@dataclass(slots=True)
class _Message:
    """What the attributes say, in their order; those of a file follow the one that begins it."""

    source: SourceFile
    files: list[_File] = field(default_factory=list)
    texts: dict[int, str] = field(default_factory=dict)
    rtf: bytes = b""
    codepage: str = ""

    def read(self, data: bytes) -> None:
        at, items = _HEAD_BYTES, 0
        while at + _ATTRIBUTE_BYTES <= len(data):
            items += 1
            if items > _MAX_ITEMS:
                raise ParseLimitExceeded(name=self.source.name, resource="TNEF attributes")
            kind, size = (
                int.from_bytes(data[at + 1 : at + 3], "little"),
                int.from_bytes(data[at + 5 : at + 9], "little"),
            )
            at += _ATTRIBUTE_BYTES
            if size > len(data) - at:
                raise ValueError("cut off")
            self._attribute(kind, data[at : at + size])
            at += size + _CHECKSUM_BYTES

    def _attribute(self, kind: int, value: bytes) -> None:
        if kind == _CODEPAGE:
            self.codepage = f"cp{int.from_bytes(value[:4], 'little')}"
        elif kind in (_SUBJECT, _BODY):
            self.texts.setdefault(_P_SUBJECT if kind == _SUBJECT else _P_BODY, self._text(value))
        elif kind == _MESSAGE_PROPERTIES:
            self._message_properties(value)
        elif kind == _FILE_BEGINS:
            self.files.append(_File())
        elif self.files and kind in (_FILE_NAME, _FILE_DATA, _FILE_PROPERTIES):
            self._file(self.files[-1], kind, value)

    def _file(self, file: _File, kind: int, value: bytes) -> None:
        if kind == _FILE_DATA:
            file.content = value
        elif kind == _FILE_NAME:
            file.name = file.name or one_line(self._text(value))
        else:
            for tag, form, content in _properties(value):
                if tag == _P_LONG_NAME:
                    file.name = one_line(self._property_text(form, content))
                elif tag == _P_DATA and not file.content:
                    file.content = content

    def _message_properties(self, value: bytes) -> None:
        for tag, form, content in _properties(value):
            if tag == _P_RTF:
                self.rtf = content
            elif tag in (_P_SUBJECT, _P_BODY, _P_HTML):
                self.texts[tag] = self._property_text(form, content)

    def _text(self, value: bytes) -> str:
        return body_text(value.rstrip(b"\0"), self.codepage)[0]

    def _property_text(self, form: int, value: bytes) -> str:
        return value.decode("utf-16-le", errors="replace").rstrip("\0") if form == _UNICODE else self._text(value)

    def letter(self) -> Letter:
        """Subject and body; who wrote to whom stands in the mail around it."""
        letter = Letter()
        if subject := one_line(self.texts.get(_P_SUBJECT, "")):
            letter.fields["Subject"] = subject
        bodies = [
            Body("1", self.texts[tag], tag == _P_HTML) for tag in (_P_BODY, _P_HTML) if self.texts.get(tag, "").strip()
        ]
        if not bodies:
            text, html = rtf_body(decompressed(self.rtf))
            bodies = [Body("1", text, html)] if text.strip() else []
        letter.bodies = better_bodies(bodies)
        return letter


def _properties(data: bytes) -> Iterator[tuple[int, int, bytes]]:
    """Id, type and value of each property ([MS-OXTNEF] 2.1.3.4); of one with many values the first."""
    at = 4
    for _ in range(min(int.from_bytes(data[:4], "little"), _MAX_ITEMS)):
        form, tag = int.from_bytes(data[at : at + 2], "little"), int.from_bytes(data[at + 2 : at + 4], "little")
        at += 4
        if tag >= _NAMED:
            by_name = int.from_bytes(data[at + 16 : at + 20], "little")
            at += 24 + (_padded(int.from_bytes(data[at + 20 : at + 24], "little")) if by_name else 0)
        many, form = bool(form & _MULTIPLE), form & ~_MULTIPLE
        count = 1
        if many or form in _VARIABLE:
            count, at = int.from_bytes(data[at : at + 4], "little"), at + 4
        for place in range(min(count, _MAX_ITEMS)):
            size = _FIXED_BYTES.get(form, 0)
            if form in _VARIABLE:
                size, at = int.from_bytes(data[at : at + 4], "little"), at + 4
            if (not size and form not in _VARIABLE) or size > len(data) - at:
                raise ValueError("not a property")
            if place == 0:
                yield tag, form, data[at : at + size]
            at += _padded(size)


def _padded(size: int) -> int:
    return -(-size // 4) * 4
