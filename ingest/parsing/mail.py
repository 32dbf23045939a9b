"""Internet mail (EML): headers, the better one of the bodies, calendar invitations; attachments become children.

`email` takes the message apart under its old policy: the new one (`policy.default`) parses headers by a grammar that
raises on many broken ones, and those are what real mail has. Headers are decoded in `mail_text.py`.
"""

from __future__ import annotations

import email.policy
import io
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from email.generator import BytesGenerator
from email.message import Message
from email.parser import BytesParser
from pathlib import Path
from typing import IO, Any

from ingest.parsing import media_types
from ingest.parsing.base import Identified, SourceFile
from ingest.parsing.calendar_text import calendar_text
from ingest.parsing.mail_letter import SHOWN_FIELDS, Body, Letter, iso_date, letter_document
from ingest.parsing.mail_text import body_text, header_text, parameters
from ingest.parsing.members import DAMAGED, ENCRYPTED, Members
from ingest.parsing.text import CHARSET_WARNING
from rag.domain.document import ParsedDocument
from rag.domain.errors import FileDamaged, FileEncrypted, ParseLimitExceeded

_MAX_PARTS = 5_000
_MAX_DEPTH = 20
SMALL_PICTURE_BYTES = 64 << 10
"""A picture set into the text that is smaller is a logo or an icon; a screenshot is larger."""
_REAL_SHARE = 0.5
"""A plain body with less text than this share of the HTML one only says that the mail is HTML."""
_SIGNATURES = frozenset(
    {
        "application/pkcs7-signature",
        "application/x-pkcs7-signature",
        "application/pgp-signature",
        "application/pgp-keys",
    }
)
_CMS = frozenset({"application/pkcs7-mime", "application/x-pkcs7-mime"})
_CMS_SIGNED = b"\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x07\x02"
"""Object identifier of signed data (RFC 5652, 5.1); everything else in such a part is encrypted."""
_PGP_MESSAGE = "-----BEGIN PGP MESSAGE-----"
_TAG = re.compile(r"<[^<>]*>")
_UNSEEN = re.compile(r"<(style|script|head)\b.*?</\1\s*>", re.I | re.S)
_IDS = re.compile(r"<[^<>\s]{1,300}>")
_EXTENSIONS = {
    "application/pdf": ".pdf",
    "application/zip": ".zip",
    "application/json": ".json",
    "application/ms-tnef": ".dat",
    "text/calendar": ".ics",
    "text/csv": ".csv",
    "text/html": ".html",
    "text/plain": ".txt",
    "image/jpeg": ".jpg",
    "image/png": ".png",
    "image/gif": ".gif",
    "image/tiff": ".tif",
    media_types.DOCX: ".docx",
    media_types.XLSX: ".xlsx",
    media_types.PPTX: ".pptx",
}
_BROKEN = (ValueError, LookupError, AttributeError, TypeError, AssertionError)
"""What `email` raises on messages that nobody meant to send."""


class MailParser:
    """One message."""

    name = "mail/2"
    media_types = (media_types.EMAIL,)

    def bid(self, identified: Identified) -> int:
        """Made for it."""
        return 100 if identified.media_type == media_types.EMAIL else 0

    def parse(self, path: Path, source: SourceFile) -> ParsedDocument:
        """See `Parser.parse`."""
        with path.open("rb") as file:
            return parse_mail(file, source, self.name)


def parse_mail(file: IO[bytes], source: SourceFile, parser: str) -> ParsedDocument:
    """The message in `file`.

    Raises:
        FileEncrypted: all of it is (S/MIME, PGP).
        FileDamaged, NoTextFound: it is no message, or an empty one.
        ParseLimitExceeded: too many parts, or nested too deep.
    """
    try:
        message = BytesParser(policy=email.policy.compat32).parse(file)
        found = _Found(source)
        found.visit(message, "", 0)
    except RecursionError as error:
        raise ParseLimitExceeded(name=source.name, resource="nesting depth") from error
    except _BROKEN as error:
        raise FileDamaged(name=source.name, detail="e-mail") from error
    letter = _letter(message, found)
    members = _members(found, source)
    encrypted = found.encrypted or any(body.text.lstrip().startswith(_PGP_MESSAGE) for body in found.bodies[:1])
    if encrypted and not found.files:
        raise FileEncrypted(name=source.name)
    if found.encrypted:
        members.leave_out(ENCRYPTED, found.encrypted)
    return letter_document(letter, members, source, parser)


def _letter(message: Message[str, str], found: _Found) -> Letter:
    headers = Headers(message)
    letter = Letter(bodies=found.bodies, warnings=found.warnings)
    for name in SHOWN_FIELDS:
        if value := ", ".join(filter(None, map(header_text, headers.all(name)))):
            letter.fields[name] = value
    letter.date = iso_date(letter.fields.get("Date", ""))
    letter.message_id = next(iter(_IDS.findall(headers.first("Message-ID"))), "")
    letter.in_reply_to = next(iter(_IDS.findall(headers.first("In-Reply-To"))), "")
    letter.references = _IDS.findall(headers.first("References"))
    return letter


def _members(found: _Found, source: SourceFile) -> Members:
    members = Members(source)
    for name, part in found.files:
        try:
            content = _content(part)
        except (*_BROKEN, RecursionError):
            members.leave_out(DAMAGED, name)
            continue
        if not members.add(name, len(content), lambda content=content: content):  # type: ignore[misc]
            break
    return members


class Headers:
    """The headers of a message as they were sent, folding undone."""

    def __init__(self, message: Message[str, str]) -> None:
        self._raw = [(name.lower(), str(value)) for name, value in message.raw_items()]

    def all(self, name: str) -> list[str]:
        """Every header of that name."""
        return [re.sub(r"[\r\n]+", "", value) for found, value in self._raw if found == name.lower()]

    def first(self, name: str) -> str:
        """The first header of that name; empty when there is none."""
        return next(iter(self.all(name)), "")


@dataclass
class _Found:
    """What a walk over the parts of a message finds."""

    source: SourceFile
    bodies: list[Body] = field(default_factory=list)
    files: list[tuple[str, Message[str, str]]] = field(default_factory=list)
    warnings: dict[str, None] = field(default_factory=dict)
    encrypted: str = ""
    small_pictures: int = 0
    parts: int = 0

    def visit(self, part: Message[str, str], number: str, depth: int, *, related: bool = False) -> None:
        """Sort `part` and what is in it into bodies and files."""
        self.parts += 1
        if self.parts > _MAX_PARTS:
            raise ParseLimitExceeded(name=self.source.name, resource="parts")
        if depth > _MAX_DEPTH:
            raise ParseLimitExceeded(name=self.source.name, resource="nesting depth")
        headers = Headers(part)
        kind, options = parameters(headers.first("Content-Type"))
        if "/" not in kind or (kind.startswith("multipart/") and not part.is_multipart()):
            kind = "text/plain"  # what a type that is none stands for (RFC 2045, 5.2)
        if kind == "multipart/encrypted" or (kind in _CMS and not _is_signed(part, options)):
            self.encrypted = _name(headers, options, kind, number or "1")
        elif kind in _SIGNATURES:
            self.warnings["signature_not_verified"] = None
        elif kind.startswith("multipart/"):
            self._multipart(part, kind, number, depth)
        else:
            self._leaf(part, kind, number or "1", headers, options, related=related)
        if depth == 0 and self.small_pictures:
            self.warnings[f"inline_images_left_out:{self.small_pictures}"] = None

    def _multipart(self, part: Message[str, str], kind: str, number: str, depth: int) -> None:
        before = len(self.bodies)
        for place, child in enumerate(_children(part), start=1):
            self.visit(
                child, f"{number}.{place}" if number else str(place), depth + 1, related=kind == "multipart/related"
            )
        if kind == "multipart/alternative":
            self.bodies[before:] = better_bodies(self.bodies[before:])

    def _leaf(
        self,
        part: Message[str, str],
        kind: str,
        number: str,
        headers: Headers,
        options: dict[str, str],
        *,
        related: bool,
    ) -> None:
        disposition, more = parameters(headers.first("Content-Disposition"))
        name = _letter_name(part, number) if _is_letter(part, kind) else _name(headers, options | more, kind, number)
        attached = disposition == "attachment" or "filename" in more or "name" in options
        if kind == "text/calendar" and disposition != "attachment":
            self._body(number, calendar_text(self._text(part, options)))
        elif kind in ("text/plain", "text/html", "text/enriched") and not attached:
            self._body(number, self._text(part, options), html=kind == "text/html")
        elif kind in ("message/delivery-status", "text/rfc822-headers"):
            self._body(number, _report(part))
        elif kind.startswith("image/") and _is_inline(headers, disposition, related=related) and _is_small(part):
            self.small_pictures += 1
        else:
            self.files.append((name, part))

    def _body(self, number: str, text: str, *, html: bool = False) -> None:
        if text.strip():
            self.bodies.append(Body(number, text, html))

    def _text(self, part: Message[str, str], options: dict[str, str]) -> str:
        data = part.get_payload(decode=True)
        text, replaced = body_text(data if isinstance(data, bytes) else b"", options.get("charset", ""))
        if replaced:
            self.warnings[CHARSET_WARNING] = None
        return text


def better_bodies(bodies: list[Body]) -> list[Body]:
    """Of a plain and an HTML version the plain one, unless it only says that there is another; invitations are kept."""
    html = [body for body in bodies if body.html]
    plain = [body for body in bodies if not body.html]
    if not html or not plain:
        return bodies
    shown = max(_letters(_TAG.sub(" ", _UNSEEN.sub(" ", body.text))) for body in html)
    if _letters(plain[0].text) >= _REAL_SHARE * shown:
        return plain
    return [*html, *plain[1:]]


def _letters(text: str) -> int:
    return len("".join(text.split()))


def _children(part: Message[str, str]) -> Iterator[Message[str, str]]:
    payload: Any = part.get_payload()
    yield from (child for child in payload if isinstance(child, Message))


def _is_signed(part: Message[str, str], options: dict[str, str]) -> bool:
    if "signed" in options.get("smime-type", "").lower():
        return True
    data = part.get_payload(decode=True)
    return isinstance(data, bytes) and _CMS_SIGNED in data[:64]


def _is_inline(headers: Headers, disposition: str, *, related: bool) -> bool:
    """Outlook calls what its own page shows an attachment, so between a page and its pictures the id decides."""
    named = bool(headers.first("Content-ID"))
    return (related and named) or (disposition != "attachment" and (related or named))


def _is_small(part: Message[str, str]) -> bool:
    data = part.get_payload(decode=True)
    return isinstance(data, bytes) and len(data) < SMALL_PICTURE_BYTES


def _report(part: Message[str, str]) -> str:
    """A delivery report: blocks of headers."""
    blocks = list(_children(part)) if part.is_multipart() else []
    lines = [f"{name}: {header_text(str(value))}" for block in blocks for name, value in block.raw_items()]
    return "\n".join(lines) or str(part.get_payload())


def _is_letter(part: Message[str, str], kind: str) -> bool:
    return kind.startswith("message/") and part.is_multipart()


def _letter_name(part: Message[str, str], number: str) -> str:
    """A mail inside a mail is called after its subject."""
    subject = next((header_text(Headers(inner).first("Subject")) for inner in _children(part)), "")
    return f"{subject.replace('/', ' ') or f'message-{number}'}.eml"


def _name(headers: Headers, options: dict[str, str], kind: str, number: str) -> str:
    """What an attachment is called."""
    name = options.get("filename") or options.get("name", "")
    if name:
        return name
    if description := header_text(headers.first("Content-Description")):
        return description + _EXTENSIONS.get(kind, "")
    return f"attachment-{number}" + _EXTENSIONS.get(kind, "")


def _content(part: Message[str, str]) -> bytes:
    """The bytes of an attachment; a mail inside a mail is written out as it came."""
    inner = next(_children(part), None) if part.is_multipart() else None
    if inner is None:
        data = part.get_payload(decode=True)
        return data if isinstance(data, bytes) else b""
    out = io.BytesIO()
    BytesGenerator(out, mangle_from_=False, maxheaderlen=0, policy=email.policy.compat32).flatten(inner)
    return out.getvalue()
