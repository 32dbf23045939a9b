"""MHTML, a web page saved as one file (RFC 2557): the page and its frames through the HTML reader, in order."""

from __future__ import annotations

import email.policy
from collections.abc import Iterator
from email.message import EmailMessage
from email.parser import BytesParser
from pathlib import Path
from typing import Any

from ingest.parsing import media_types
from ingest.parsing.base import Identified, SourceFile
from ingest.parsing.characters import one_line
from ingest.parsing.charset import declared, decode
from ingest.parsing.hidden_text import HIDDEN_TEXT
from ingest.parsing.html import declared_charset, read_page
from ingest.parsing.iso_dates import iso_date
from ingest.parsing.text import CHARSET_WARNING
from ingest.parsing.titles import document_title
from rag.domain.document import DocumentMetadata, Element, ParsedDocument
from rag.domain.errors import FileDamaged, NoTextFound, ParseLimitExceeded

_PAGES = frozenset({"text/html", "application/xhtml+xml"})
_MAX_PARTS = 5_000
_MAX_DEPTH = 20
_URL_CHARACTERS = 2_000


class MhtmlParser:
    """Saved by Chrome, Edge or Internet Explorer. Pictures and style sheets of the file are not read."""

    name = "mhtml/2"
    media_types = (media_types.MHTML,)

    def bid(self, identified: Identified) -> int:
        """Made for it."""
        return 100 if identified.media_type == media_types.MHTML else 0

    def parse(self, path: Path, source: SourceFile) -> ParsedDocument:
        """See `Parser.parse`."""
        with path.open("rb") as file:
            message = _message(file, source.name)
        elements: list[Element] = []
        titles: list[str] = []
        metadata = DocumentMetadata()
        warnings: set[str] = set()
        paragraphs = 0
        for number, part in enumerate(_pages(message, source.name)):
            text, replaced = _text(part)
            page = read_page(text, source.name, paragraphs)
            paragraphs = page.paragraphs
            elements += page.elements
            titles.append(page.title)
            if number == 0:
                metadata = _metadata(message, part, page.metadata)
            warnings |= {CHARSET_WARNING} if replaced else set()
            warnings |= {HIDDEN_TEXT} if page.hidden else set()
        if not elements:
            raise NoTextFound(name=source.name)
        title = document_title(titles[0] or _header(message, "subject"), elements)
        return ParsedDocument(
            title, source.media_type, self.name, tuple(elements), warnings=tuple(sorted(warnings)), metadata=metadata
        )


def _message(file: Any, name: str) -> EmailMessage:
    try:
        message: EmailMessage = BytesParser(policy=email.policy.default).parse(file)
    except RecursionError as error:
        raise ParseLimitExceeded(name=name, resource="nesting") from error
    except (ValueError, LookupError, AttributeError, TypeError, IndexError) as error:
        raise FileDamaged(name=name, detail="MHTML") from error
    return message


def _pages(message: EmailMessage, name: str) -> list[EmailMessage]:
    """The root page first (the `start` parameter, else the first page), then its frames."""
    pages = [part for part in _leaves(message, name, 0) if part.get_content_type() in _PAGES]
    if not pages:
        raise NoTextFound(name=name)
    start = str(message.get_param("start") or "")
    if start:
        pages.sort(key=lambda page: _header(page, "content-id") != start)
    return pages


def _leaves(part: EmailMessage, name: str, depth: int) -> Iterator[EmailMessage]:
    if depth > _MAX_DEPTH:
        raise ParseLimitExceeded(name=name, resource="nesting")
    if not part.is_multipart():
        yield part
        return
    for number, child in enumerate(part.iter_parts()):
        if number >= _MAX_PARTS:
            raise ParseLimitExceeded(name=name, resource="parts")
        if isinstance(child, EmailMessage):
            yield from _leaves(child, name, depth + 1)


def _text(part: EmailMessage) -> tuple[str, bool]:
    data = part.get_payload(decode=True)
    if not isinstance(data, bytes):
        return "", False
    # Browsers write UTF-8 whatever the page's own `meta` says; older ones state no charset at all.
    return decode(data, declared(str(part.get_param("charset") or "")) or declared_charset(data))


def _metadata(message: EmailMessage, page: EmailMessage, said: DocumentMetadata) -> DocumentMetadata:
    """The page's own, with the address that it was saved from and the time of saving."""
    url = _header(message, "snapshot-content-location") or _header(page, "content-location")
    attributes = dict(said.attributes)
    if url:
        attributes["url"] = url[:_URL_CHARACTERS]
    if saved := iso_date(_header(message, "date")):
        attributes["saved_at"] = saved
    return DocumentMetadata(said.author, said.created_at, said.modified_at, tuple(attributes.items()))


def _header(part: EmailMessage, name: str) -> str:
    """A header as one line; empty when it is missing or can't be read."""
    try:
        return one_line(str(part.get(name) or ""))
    except (ValueError, LookupError, AttributeError, TypeError, IndexError):
        return ""
