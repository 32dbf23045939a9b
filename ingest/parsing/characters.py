"""Character clean-up that every parser's text goes through."""

from __future__ import annotations

import re
import unicodedata

from rag.text.invisible import visible
from rag.text.plain import is_plain

_LINE_ENDS = re.compile("\r\n?")
_BREAKS_AND_SPACES = re.compile("[\x0b\x0c\x1c\x1d\x1e\x85\u2028\u2029\u00a0\u2007\u202f]")
"""Line breaks that `str.splitlines` knows and an anchored line must not hold; spaces that only forbid a line break."""

_SURROGATES = re.compile("[\ud800-\udfff]")
_SUSPECT = re.compile(
    "[^\n\t -~\u00b0-\u02ff\u2010-\u2027\u2030-\u205e\u2100-\u27ff\u2801-\u3163\u3165-\ud7ff\uf900-\ufdff\ufe10-\ufefe"
    "\uff01-\uff9f\uffa1-\uffdc]"
)
"""Nearly all text has none of these, and needs no more than a look."""

_RUNS = re.compile(r"[ \t]+")


def clean(text: str) -> str:
    """NFC text without unseen characters (`rag.text.invisible`), whose only line break is `\\n`; the number of lines is kept."""
    if is_plain(text) and "\r" not in text:
        return text
    if _SUSPECT.search(text) is None:
        return unicodedata.normalize("NFC", text)
    text = _LINE_ENDS.sub("\n", text)
    text = _BREAKS_AND_SPACES.sub(" ", text)
    text = visible(text)
    text = _SURROGATES.sub("\ufffd", text)
    return unicodedata.normalize("NFC", text)


def one_line(text: str) -> str:
    """`clean` text on one line, runs of white space made one space: for headings, table cells and titles."""
    return " ".join(clean(text).split())


def squeeze(text: str) -> str:
    """`clean` text with blanks run together and lines trimmed; empty lines at both ends are dropped."""
    if "\n" not in text and "\r" not in text:
        return one_line(text)
    return "\n".join(_RUNS.sub(" ", line).strip() for line in clean(text).split("\n")).strip("\n")
