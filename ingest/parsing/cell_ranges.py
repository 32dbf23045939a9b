"""Spreadsheet addresses: `A1:D9`."""

from __future__ import annotations

import re

_CELL = re.compile(r"\$?([A-Za-z]{1,3})\$?([0-9]{1,7})")


def cell_range(first_row: int, first_column: int, last_row: int, last_column: int) -> str:
    """`A1:D9`, or `A1` for one cell; rows and columns are counted from 1."""
    start = f"{column_letters(first_column)}{first_row}"
    end = f"{column_letters(last_column)}{last_row}"
    return start if start == end else f"{start}:{end}"


def column_letters(number: int) -> str:
    """1 is A, 27 is AA."""
    letters = ""
    while number:
        number, rest = divmod(number - 1, 26)
        letters = chr(65 + rest) + letters
    return letters


def cell_position(address: str) -> tuple[int, int] | None:
    """Row and column of `B4` or `$B$4`, from 1; None for anything else."""
    found = _CELL.fullmatch(address)
    if found is None or int(found[2]) == 0:
        return None
    column = 0
    for letter in found[1].upper():
        column = column * 26 + ord(letter) - 64
    return int(found[2]), column
