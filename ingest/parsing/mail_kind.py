"""Telling mail and mailboxes by how they begin, also where a body in an old Korean encoding is no text as a whole."""

from __future__ import annotations

import re

from ingest.parsing import media_types

_HEADER = re.compile(rb"[!-9;-~]{1,100}:(?:[ \t]|\r?\n)")
_KNOWN = re.compile(
    rb"(?:^|\n)(from|to|cc|subject|date|message-id|received|mime-version|content-type|return-path|delivered-to|reply-to):",
    re.I,
)
_POSTMARK = re.compile(rb"From \S{1,200} .{0,100}\d\d:\d\d.{0,100}\r?\n")
"""The line before a message in a mailbox (RFC 4155): an address and a date."""
_MIN_KNOWN = 3
_HEADER_BYTES = 65_536
_MAIL_EXTENSIONS = frozenset({"eml", "mht", "mhtml", "nws"})


def mail_media_type(head: bytes, extension: str, *, is_text: bool) -> str:
    """`MBOX`, `EMAIL`, or empty where the usual rules for text should decide.

    Args:
        is_text: whether the whole is text in a known charset, so that those rules can see a mail too.
    """
    head = head[:_HEADER_BYTES]
    postmark = _POSTMARK.match(head)
    known = _known_headers(head[postmark.end() :] if postmark else head)
    if postmark and known >= _MIN_KNOWN - 1:
        return media_types.MBOX
    if extension == "eml":
        return media_types.EMAIL if known else ""
    if is_text or extension in _MAIL_EXTENSIONS:
        return ""
    return media_types.EMAIL if known >= _MIN_KNOWN else ""


def _known_headers(head: bytes) -> int:
    if not _HEADER.match(head):
        return 0
    block = re.split(rb"\r?\n\r?\n", head, maxsplit=1)[0]
    return len({name.lower() for name in _KNOWN.findall(block)})


def is_postmark(line: bytes) -> bool:
    """Whether a line that begins with `From ` separates two messages."""
    return _POSTMARK.match(line) is not None
