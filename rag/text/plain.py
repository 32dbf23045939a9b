"""Texts of ASCII that hold nothing but what is typed: most of all program text, which is told in a look and needs no reading."""

from __future__ import annotations


def is_plain(text: str) -> bool:
    """Whether a text is ASCII without control characters other than tabs and line ends."""
    if not text.isascii():
        return False
    return text.isprintable() or text.replace("\n", "").replace("\t", "").replace("\r", "").isprintable()
