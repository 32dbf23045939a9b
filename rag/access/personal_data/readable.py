"""A text as detection reads it: full-width and exotic digits, dashes and blanks made plain, invisible characters left out.

What is found is told in the places of the original.
"""

from __future__ import annotations

import re
import sys
import unicodedata
from dataclasses import dataclass
from functools import lru_cache
from itertools import accumulate, chain

# Hyphens, dashes, minus signs, and what is typed or recognised in their place: ー, ㅡ, ᅳ, ─, ―.
_DASHES = "‐‑‒–—―−﹘﹣ーㅡᅳ─━⁃˗ｰ"
_BLANKS = "\u00a0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u202f\u205f\u3000"
_INVISIBLE = "\u00ad\u180e\u200b-\u200f\u202a-\u202e\u2060-\u2064\u2066-\u2069\ufe00-\ufe0f\ufeff"
LEFT_OUT = re.compile(f"[{_INVISIBLE}]+")


@lru_cache(maxsize=1)
def _table() -> dict[int, str]:
    plain = {0xFF01 + i: chr(0x21 + i) for i in range(94)}
    plain |= dict.fromkeys(map(ord, _DASHES), "-")
    plain |= dict.fromkeys(map(ord, _BLANKS), " ")
    plain |= dict.fromkeys(map(ord, "\r\v\f\u2028\u2029\x85"), "\n")
    for code in range(0x660, sys.maxunicode + 1):
        if code not in plain and unicodedata.category(chr(code)) == "Nd":
            plain[code] = str(unicodedata.digit(chr(code)))
    return plain


@dataclass(frozen=True, slots=True)
class Readable:
    """Plain text, and where its characters stood.

    Attributes:
        removed: for each cut, from which place of `text` on it counts, and how many characters are missing by then.
    """

    text: str
    starts: tuple[int, ...] = ()
    shifts: tuple[int, ...] = ()

    def place(self, offset: int) -> int:
        """Where the character at `offset` of `text` stands in the original."""
        if not self.starts:
            return offset
        low, high = 0, len(self.starts)
        while low < high:
            middle = (low + high) // 2
            if self.starts[middle] <= offset:
                low = middle + 1
            else:
                high = middle
        return offset + (self.shifts[low - 1] if low else 0)

    def span(self, start: int, end: int) -> tuple[int, int]:
        """The original's characters behind `start`..`end` of `text`; the last one whole."""
        return self.place(start), self.place(end - 1) + 1


def readable(text: str) -> Readable:
    """`text` as detection reads it."""
    plain = plain_characters(text)
    if plain.isascii() or LEFT_OUT.search(plain) is None:
        return Readable(plain)
    return _cut(plain, [(found.start(), found.end(), "") for found in LEFT_OUT.finditer(plain)])


def plain_characters(text: str) -> str:
    """`text` with digits, dashes and blanks of every script as ASCII's; its length stays."""
    return text if text.isascii() else text.translate(_table())


def _cut(text: str, cuts: list[tuple[int, int, str]]) -> Readable:
    """`text` with each of `cuts` (start, end, what stands there instead) put in its place."""
    pieces = list(chain.from_iterable((text[low:high], new) for low, high, new in _between(text, cuts)))
    lengths = [end - start - len(new) for start, end, new in cuts]
    shifts = tuple(accumulate(lengths))
    starts = tuple(
        end - shift for (_, end, _), shift in zip(cuts, shifts, strict=True)
    )  # the first character behind a cut is the first that is shifted by it
    return Readable("".join(pieces), starts, shifts)


def _between(text: str, cuts: list[tuple[int, int, str]]) -> list[tuple[int, int, str]]:
    last = 0
    parts: list[tuple[int, int, str]] = []
    for start, end, new in cuts:
        parts.append((last, start, new))
        last = end
    parts.append((last, len(text), ""))
    return parts
