"""A paragraph's text in HWP 5: UTF-16 with control characters, some of them eight code units long (1.3, table 6)."""

from __future__ import annotations

import re
import struct
from bisect import bisect_right
from collections.abc import Callable

from ingest.parsing.hwp_model import Piece

_CONTROL = re.compile("[\0-\x1f]")
_ALONE = {0: "", 10: "\n", 24: "-", 30: " ", 31: " "}
"""Control characters of one code unit; of the others 13 ends the paragraph and 25..29 are reserved."""

_INLINE = frozenset({4, 5, 6, 7, 8, 9, 19, 20})
_TAB = 9
_END = 13
_UNITS = 8


class Pieces:
    """Cuts a paragraph's text at its controls.

    Attributes:
        plain: ranges of code units that hold characters, known after `read`.
    """

    def __init__(self, text: bytes, left_out: list[tuple[int, int]], control: Callable[[], list[Piece]]) -> None:
        # One character for each code unit, so that positions stay those of the file.
        self._units = "".join(map(chr, struct.unpack(f"<{len(text) // 2}H", text[: len(text) // 2 * 2])))
        self._left_out = left_out
        self._control = control
        self.plain: list[tuple[int, int]] = []

    def read(self) -> list[Piece]:
        """Texts and what `control` gives for each control, in order; nothing of the ranges that are left out."""
        pieces: list[Piece] = []
        at = 0
        for found in _CONTROL.finditer(self._units):
            start = found.start()
            if start < at:
                continue
            pieces += self._plain(at, start)
            code = ord(self._units[start])
            at = start + 1
            if code in _ALONE:
                pieces += [_ALONE[code]] if self._seen(start) else []
            elif code == _END:
                return pieces
            elif code in _INLINE:
                at = start + _UNITS
                pieces += ["\t"] if code == _TAB else []
            elif not 25 <= code <= 29:
                at = start + _UNITS
                control = self._control()
                pieces += control if self._seen(start) else []
        return pieces + self._plain(at, len(self._units))

    def _plain(self, start: int, end: int) -> list[Piece]:
        """Text between two controls without what is left out."""
        if start < end:
            self.plain.append((start, end))
        kept: list[Piece] = []
        at = max(0, bisect_right(self._left_out, (start, 1 << 32)) - 1)
        while start < end and at < len(self._left_out):
            low, high = self._left_out[at]
            if low >= end:
                break
            if start < low:
                kept.append(_joined(self._units[start:low]))
            start = max(start, min(high, end))
            at += 1
        if start < end:
            kept.append(_joined(self._units[start:end]))
        return kept

    def _seen(self, at: int) -> bool:
        before = bisect_right(self._left_out, (at, 1 << 32)) - 1
        return before < 0 or at >= self._left_out[before][1]


def merged(ranges: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """In order, none touching another."""
    merged: list[tuple[int, int]] = []
    for start, end in sorted(ranges):
        if merged and start <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((start, end))
    return merged


def _joined(units: str) -> str:
    """Code units to text."""
    if not any("\ud800" <= unit <= "\udfff" for unit in units):
        return units
    return units.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
