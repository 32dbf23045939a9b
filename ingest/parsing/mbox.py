"""Mailboxes (MBOX, RFC 4155): each message becomes a document of its own; read in one pass, one message in memory at a time.

A child is named after its subject and its message id, not after its place: when mail is added or removed, the others stay
the documents that they were.
"""

from __future__ import annotations

import hashlib
import io
import re
from collections.abc import Iterator
from email.parser import BytesHeaderParser
from email.policy import compat32
from pathlib import Path
from typing import IO

from ingest.parsing import media_types
from ingest.parsing.base import Identified, SourceFile
from ingest.parsing.mail import Headers, parse_mail
from ingest.parsing.mail_kind import is_postmark
from ingest.parsing.mail_text import header_text
from ingest.parsing.members import Members
from rag.domain.document import ParsedDocument

_LINE_BYTES = 1 << 16
_HEADER_BYTES = 1 << 16
_SUBJECT_CHARACTERS = 80
_QUOTED_FROM = re.compile(rb">+From ")


class MboxParser:
    """Many messages in one file; with a single one, that message itself."""

    name = "mbox/1"
    media_types = (media_types.MBOX,)

    def bid(self, identified: Identified) -> int:
        """Made for it."""
        return 100 if identified.media_type == media_types.MBOX else 0

    def parse(self, path: Path, source: SourceFile) -> ParsedDocument:
        """See `Parser.parse`."""
        members = Members(source)
        with path.open("rb") as file:
            messages = _messages(file, source.children_bytes)
            first = next(messages, (b"", 0))
            second = next(messages, None)
            if second is None:
                return parse_mail(io.BytesIO(first[0]), source, self.name)
            for content, size in _chained(first, second, messages):
                if not members.add(_name(content), size, lambda content=content: content):  # type: ignore[misc]
                    break
        return members.document(self.name)


def _chained(
    first: tuple[bytes, int], second: tuple[bytes, int], rest: Iterator[tuple[bytes, int]]
) -> Iterator[tuple[bytes, int]]:
    yield first
    yield second
    yield from rest


def _messages(file: IO[bytes], most: int) -> Iterator[tuple[bytes, int]]:
    """Each message and its size; of one larger than `most` only the beginning."""
    kept, size = bytearray(), 0
    begun, line_start, after_blank = False, True, True
    while line := file.readline(_LINE_BYTES):
        if line_start and after_blank and line.startswith(b"From ") and is_postmark(line):
            if begun:
                yield bytes(kept), size
            kept, size, begun = bytearray(), 0, True
        else:
            if line_start and _QUOTED_FROM.match(line):
                line = line[1:]
            size += len(line)
            if size <= most:
                kept += line
        after_blank = line_start and not line.strip()
        line_start = line.endswith(b"\n")
    if begun:
        yield bytes(kept), size


def _name(content: bytes) -> str:
    """Subject, and what tells it from the same subject again."""
    try:
        headers = Headers(BytesHeaderParser(policy=compat32).parsebytes(content[:_HEADER_BYTES]))
    except (ValueError, LookupError, AttributeError, TypeError):
        return f"{hashlib.sha256(content).hexdigest()[:16]}.eml"
    identity = headers.first("Message-ID").strip().encode(errors="surrogateescape") or content
    subject = re.sub(r"[/\\]", " ", header_text(headers.first("Subject")))[:_SUBJECT_CHARACTERS].strip()
    return f"{subject or 'mail'} {hashlib.sha256(identity).hexdigest()[:8]}.eml"
