"""Whether a text is surely a table of separated values, whatever its name says."""

from __future__ import annotations

import csv
import re
from collections.abc import Sequence

_DELIMITERS = ",;\t|"
_MIN_ROWS = 4
"""With the header."""

_MIN_FIELDS = 3
_LINES = 200
_NAME_CHARACTERS = 40
_DATA = re.compile(r"[\s\d.,:/+-]*\d")
_PROSE = re.compile(r"[.?!。]$")


def is_separated(lines: Sequence[str]) -> bool:
    """Whether the first lines are a header and rows that all have as many fields, three or more.

    A header names every field once, in few characters that are no number and no sentence; what stands after commas in prose
    begins with a space.
    """
    sample = [line for line in lines[:_LINES] if line.strip()]
    return len(sample) >= _MIN_ROWS and any(_is_cut_by(delimiter, sample) for delimiter in _DELIMITERS)


def _is_cut_by(delimiter: str, lines: Sequence[str]) -> bool:
    if lines[0].count(delimiter) < _MIN_FIELDS - 1:
        return False
    try:
        header, *rows = csv.reader((line + "\n" for line in lines), delimiter=delimiter, strict=True)
    except csv.Error:
        return False
    names = {name for name in header if _is_name(name)}
    return (
        len(header) >= _MIN_FIELDS
        and len(names) == len(header)
        and len(rows) >= _MIN_ROWS - 1
        and all(len(row) == len(header) for row in rows)
    )


def _is_name(text: str) -> bool:
    return (
        0 < len(text) <= _NAME_CHARACTERS and text == text.strip() and not _DATA.match(text) and not _PROSE.search(text)
    )
