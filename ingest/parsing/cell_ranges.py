"""Spreadsheet addresses: `A1:D9`."""

from __future__ import annotations


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
