"""A mail as a document, whichever file format it came in: header lines, the body, the history it quotes."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import PosixPath
from typing import Any

from ingest.parsing import media_types
from ingest.parsing.base import SourceFile
from ingest.parsing.characters import clean, one_line
from ingest.parsing.hidden_text import HIDDEN_TEXT, has_hidden_characters
from ingest.parsing.html import HtmlParser
from ingest.parsing.members import Members
from ingest.parsing.text import text_elements
from rag.domain.anchor import LineAnchor, MessageAnchor
from rag.domain.document import DocumentMetadata, Element, ElementKind, ParsedDocument
from rag.domain.errors import FileDamaged, NoTextFound

HEADER_PART = "header"
SHOWN_FIELDS = ("From", "To", "Cc", "Bcc", "Date", "Subject")

_ATTRIBUTE_CHARACTERS = 500
_MAX_LEVEL = 6
_DIVIDER = re.compile(
    r"[-_=*\s]{2,}(?:original (?:message|appointment)|forwarded message|(?:begin )?forwarded message|원본 ?메(?:시지|일)|"
    r"원문 ?메(?:시지|일)|전달된 ?메(?:시지|일))[-_=*\s:]{0,80}$|(?:begin forwarded message|전달된 메시지 시작):\s*$",
    re.I,
)
_ATTRIBUTION = re.compile(
    r"(?:on\s.{5,300}\swrote:|(?:\d{4}\s?년\s?\d|\d{4}[-./]\s?\d).{5,300}(?:님이|이\(가\))?\s?(?:작성|썼습니다|보냄|wrote)\s?:)\s*$",
    re.I,
)
_FROM_LINE = re.compile(r"[*\s]*(?:from|보낸\s?사람|보낸이|발신자?)\s?\*?:\*?\s*\S", re.I)
_SENT_LINE = re.compile(r"[*\s]*(?:sent|date|보낸\s?날짜|날짜|보낸\s?시간|일시|to|받는\s?사람|수신)\s?\*?:", re.I)
_NEAR_LINES = 3


@dataclass(frozen=True, slots=True)
class Body:
    """One part of a mail that is text.

    Attributes:
        part: number of the MIME part.
        html: whether `text` is HTML.
    """

    part: str
    text: str
    html: bool = False


@dataclass(slots=True)
class Letter:
    """What a reader of one mail format found.

    Attributes:
        fields: the headers in `SHOWN_FIELDS`, decoded, each on one line.
        date: ISO 8601; empty when unknown.
        references: message ids, the thread's first one first.
        encrypted: whether its body is, so that there is nothing to read.
    """

    fields: dict[str, str] = field(default_factory=dict)
    date: str = ""
    message_id: str = ""
    in_reply_to: str = ""
    references: list[str] = field(default_factory=list)
    bodies: list[Body] = field(default_factory=list)
    warnings: dict[str, None] = field(default_factory=dict)
    encrypted: bool = False


def letter_document(letter: Letter, members: Members, source: SourceFile, parser: str) -> ParsedDocument:
    """The mail with its children.

    Raises:
        NoTextFound: there is neither a header nor a body nor an attachment.
    """
    elements = list(_header_elements(letter))
    for body in letter.bodies:
        elements += _html_elements(letter, body) if body.html else _text_elements(letter, body)
    if not elements and not members.children():
        raise NoTextFound(name=source.name)
    return ParsedDocument(
        title=letter.fields.get("Subject", ""),
        media_type=source.media_type,
        parser=parser,
        elements=tuple(elements),
        warnings=(*letter.warnings, *members.warnings()),
        metadata=_metadata(letter),
        children=members.children(),
        next_child=members.next_child,
    )


def iso_date(header: str) -> str:
    """A date header (RFC 5322) in ISO 8601 with its offset; empty when it can't be read."""
    try:
        found = parsedate_to_datetime(header)
    except (ValueError, TypeError, IndexError, OverflowError):
        return ""
    return _iso(found)


def _iso(found: datetime) -> str:
    return (found if found.tzinfo else found.replace(tzinfo=UTC)).isoformat()


def _metadata(letter: Letter) -> DocumentMetadata:
    thread = [*letter.references, letter.in_reply_to, letter.message_id]
    attributes = {
        "message_id": letter.message_id,
        "in_reply_to": letter.in_reply_to,
        "thread": next((name for name in thread if name), ""),
        "from": letter.fields.get("From", ""),
        "to": letter.fields.get("To", ""),
        "cc": letter.fields.get("Cc", ""),
    }
    shown = tuple((name, value[:_ATTRIBUTE_CHARACTERS]) for name, value in attributes.items() if value)
    return DocumentMetadata(author=letter.fields.get("From", ""), created_at=letter.date, attributes=shown)


def _header_elements(letter: Letter) -> Iterator[Element]:
    """The subject as the heading above all, then who wrote when to whom, a line each."""
    shown = [(name, letter.fields[name]) for name in SHOWN_FIELDS if letter.fields.get(name)]
    lines = [f"{name}: {value}" for name, value in shown if name != "Subject"]
    if subject := letter.fields.get("Subject", ""):
        yield Element(ElementKind.HEADING, subject, _line(HEADER_PART, len(lines) + 1), level=1)
    if lines:
        anchors = tuple(_line(HEADER_PART, number) for number in range(1, len(lines) + 1))
        yield Element(
            ElementKind.TEXT, "\n".join(lines), MessageAnchor(HEADER_PART, 1, len(lines)), line_anchors=anchors
        )


def _line(part: str, number: int) -> MessageAnchor:
    return MessageAnchor(part, number, number)


def _text_elements(letter: Letter, body: Body) -> Iterator[Element]:
    """Paragraphs with their lines. The line above a quoted mail becomes a heading, so that history is told from news."""
    if has_hidden_characters(body.text):
        letter.warnings[HIDDEN_TEXT] = None
    lines = clean(body.text).split("\n")
    start, depth = 0, 1
    for first, last in [*_dividers(lines), (len(lines), len(lines))]:
        for element in text_elements(lines[start:first]):
            yield _moved(element, body.part, start, depth)
        if first < len(lines):
            depth = 2
            title = one_line(" ".join(lines[first:last]))
            yield Element(ElementKind.HEADING, title, MessageAnchor(body.part, first + 1, last), level=depth)
        start = last


def _moved(element: Element, part: str, offset: int, depth: int) -> Element:
    def moved(anchor: Any) -> MessageAnchor:
        if not isinstance(anchor, LineAnchor):
            raise TypeError("text has line anchors")
        return MessageAnchor(part, anchor.first + offset, anchor.last + offset)

    level = min(element.level + depth, _MAX_LEVEL) if element.level else 0
    lines = tuple(moved(anchor) for anchor in element.line_anchors)
    return replace(element, anchor=moved(element.anchor), line_anchors=lines, level=level)


def _dividers(lines: Sequence[str]) -> list[tuple[int, int]]:
    """Where quoted mails begin: lines `first`..`last` (the latter excluded) that say so."""
    found: list[tuple[int, int]] = []
    number, announced = 0, -1
    while number < len(lines):
        size = _divider_lines(lines, number)
        if size and number > announced:  # the quoted mail's own header lines follow a divider
            found.append((number, number + size))
            announced = number + _NEAR_LINES
        number += size or 1
    return found


def _divider_lines(lines: Sequence[str], number: int) -> int:
    """How many lines from `number` on announce a quoted mail; 0 for none."""
    bare = [line.lstrip("> \t") for line in lines[number : number + 1 + _NEAR_LINES]]
    if not bare[0] or len(bare[0]) > 400:
        return 0
    if _DIVIDER.match(bare[0]) or _ATTRIBUTION.match(bare[0]):
        return 1
    if len(bare) > 1 and bare[0].lower().startswith("on ") and _ATTRIBUTION.match(f"{bare[0]} {bare[1][:200]}"):
        return 2
    if _FROM_LINE.match(bare[0]) and any(_SENT_LINE.match(line) for line in bare[1:]):
        return 1
    return 0


def _html_elements(letter: Letter, body: Body) -> Iterator[Element]:
    """The blocks that the HTML parser finds; lines count as they are read, a block's last before the next one's first."""
    source = SourceFile("mail", media_types.HTML, "utf-8")
    try:
        page = HtmlParser().parse(_InMemory(body.text.encode("utf-8", errors="replace")), source)
    except (NoTextFound, FileDamaged):
        return
    letter.warnings |= dict.fromkeys(page.warnings)
    line, depth = 1, 1
    for element in page.elements:
        lines = element.text.split("\n")
        divider = _divider_lines(lines, 0) if element.kind is not ElementKind.TABLE else 0
        if divider:
            depth = 2
            title = one_line(" ".join(lines[:divider]))
            anchor = MessageAnchor(body.part, line, line + divider - 1)
            yield Element(ElementKind.HEADING, title, anchor, level=depth)
        if any(text.strip() for text in lines[divider:]):
            yield _block(
                element, lines[divider:], MessageAnchor(body.part, line + divider, line + len(lines) - 1), depth
            )
        line += len(lines)


def _block(element: Element, lines: Sequence[str], anchor: MessageAnchor, depth: int) -> Element:
    numbers = range(anchor.first, anchor.last + 1)
    return Element(
        kind=element.kind,
        text="\n".join(lines),
        anchor=anchor,
        level=min(element.level + depth, _MAX_LEVEL) if element.level else 0,
        line_anchors=tuple(_line(anchor.part, number) for number in numbers) if len(lines) > 1 else (),
    )


class _InMemory(PosixPath):
    """Content in memory where a parser takes the path of a file: the sandbox's child may not write one."""

    _content: bytes

    def __new__(cls, content: bytes) -> _InMemory:
        made = super().__new__(cls, "mail.html")
        made._content = content
        return made

    def read_bytes(self) -> bytes:
        """The content."""
        return self._content

    def open(self, *_arguments: Any, **_options: Any) -> Any:
        """The content as a file."""
        return io.BytesIO(self._content)
