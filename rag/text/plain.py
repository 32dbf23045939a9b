"""Texts of ASCII that hold nothing but what is typed: most of all program text, which is told in a look and needs no reading."""

from __future__ import annotations

_PLAIN = bytes((*b"\t\n\r", *range(0x20, 0x7F)))


def is_plain(text: str) -> bool:
    """Whether a text is ASCII without control characters other than tabs and line ends."""
    # A table of bytes: to ask `isprintable` of each character takes six times as long.
    return text.isascii() and not text.encode("ascii").translate(None, _PLAIN)
