"""Whether a text is surely a table of separated values, whatever its name says."""

from __future__ import annotations

import csv
import re
from collections.abc import Sequence

_DELIMITERS = ",;\t"
_MIN_LINES = 5
"""With the header."""

_MIN_FIELDS = 3
_LINES = 200
_NAME_CHARACTERS = 40
_NAME = re.compile(r"[^\W\d]+(?: [^\W\d]+)*")
_FIGURE = re.compile(r"[+-]?\d[\d.,]*%?|\d{4}[-./]\d{1,2}[-./]\d{1,2}(?:[ T]\d{1,2}:\d\d(?::\d\d)?)?")
_CODE = re.compile(r"[\[\]{}]|[A-Za-z0-9_]\(")
"""Calls, blocks and what stands in brackets; `(주)` and `김(대리)` are no code."""


def is_separated(lines: Sequence[str]) -> bool:
    """Whether the first lines are a header and rows that all have as many fields, three or more.

    A header names every field once, in words alone, and one column below it holds nothing but numbers or dates: lists, logs and
    program text begin with a line like the others.
    """
    sample = [line for line in lines[:_LINES] if line.strip()]
    if len(sample) < _MIN_LINES or any(_CODE.search(line) for line in sample):
        return False
    return any(_is_cut_by(delimiter, sample) for delimiter in _DELIMITERS)


def _is_cut_by(delimiter: str, lines: Sequence[str]) -> bool:
    if lines[0].count(delimiter) < _MIN_FIELDS - 1 or (delimiter != ";" and any(";" in line for line in lines)):
        return False
    try:
        header, *rows = csv.reader((line + "\n" for line in lines), delimiter=delimiter, strict=True)
    except csv.Error:
        return False
    names = {name for name in header if len(name) <= _NAME_CHARACTERS and _NAME.fullmatch(name)}
    return (
        len(header) >= _MIN_FIELDS
        and len(names) == len(header)
        and len(rows) >= _MIN_LINES - 1
        and all(len(row) == len(header) for row in rows)
        and any(map(_is_of_figures, zip(*rows, strict=True)))
    )


def _is_of_figures(column: Sequence[str]) -> bool:
    """Whether a column holds nothing but numbers or dates, and hardly any empty fields."""
    filled = [text for text in map(str.strip, column) if text]
    return 2 * len(filled) > len(column) and all(map(_FIGURE.fullmatch, filled))
