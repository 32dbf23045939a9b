"""Text that a file carries and a reader does not see: a way to feed a model what nobody has checked.

What is surely hidden is left out of the elements; either way the document is marked with `HIDDEN_TEXT`.
"""

from __future__ import annotations

import re

HIDDEN_TEXT = "hidden_text"
"""The file holds text that is not shown (hidden, white on white, no size, or zero-width characters inside words)."""

_SUSPECT = re.compile("[\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufeff\U000e0000-\U000e007f]")
_HIDING = re.compile(
    # Inside a word: what is read and what is matched differ. Between words zero-width space marks where a line may break.
    "[A-Za-z0-9가-힣][\u200b-\u200d\u2060-\u2064\ufeff]+[A-Za-z0-9가-힣]"
    # Runs of them spell out bits; tag characters (U+E0020..7F) spell out ASCII.
    "|[\u200b-\u200d\u2060-\u2064\ufeff]{4}|[\U000e0020-\U000e007f]{2}"
    # Overrides show a text in another order than it is stored in (CVE-2021-42574).
    "|[\u202d\u202e]"
)
_FLAG_SEQUENCE = re.compile("\U0001f3f4[\U000e0020-\U000e007f]+")
"""The flags of England, Scotland and Wales are written with tag characters (Unicode TR51)."""


def has_hidden_characters(text: str) -> bool:
    """Whether raw `text`, before `characters.clean`, holds characters that hide or reorder some of it."""
    if text.isascii() or _SUSPECT.search(text, 1) is None:  # a byte order mark may come first
        return False
    return _HIDING.search(_FLAG_SEQUENCE.sub("", text), 1) is not None
