"""Headings and tables that writers of plain text mark by signs: `== Title ==`, a line underlined, cells between bars."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import groupby

from ingest.parsing.headings import MAX_HEADING_CHARACTERS, may_be_heading

_BETWEEN_SIGNS = re.compile(r"((?:= ){1,5}=|={1,6})\s+(\S.*?)\s+\1$")
"""MediaWiki's, also with its signs apart (`= = Title = =`), as prepared corpora have it."""
_AFTER_SIGNS = re.compile(r"(={2,6})\s+([^\s=].*)$")
"""AsciiDoc's, and what PubMed Central puts before the parts of an article."""
_GOES_ON = (".", ",", ";")
_UNDERLINE = {"=": 1, "-": 2}
_BAR = re.compile(r"(?:^|(?<=\s))\|(?=\s|$)")
"""Between cells: bars close to words are signs of their own, as in `|tag|`."""
_RULE = set("|-=:+ ")
_MOMENT = re.compile(r"\W*(?:\d{4}[-/.]\d\d[-/.]\d\d|\d\d:\d\d)")
"""The first cell of a log's lines, none of which is a header."""
_LONGEST_ROW = 4000
"""Characters; what is longer is data, of which a header would be repeated above every part."""
_MOST_ROWS = 1000
"""A longer one is a program's export or log and stays as it is written: with bars around its cells it may be twice as long and
not fit into a document any more."""

Rows = list[tuple[str, ...]]
"""The cells of each line of a table; none of a rule."""


def marked_heading(line: str) -> tuple[str, int] | None:
    """Title and level of a heading on one line; None where it is none."""
    line = line.strip()
    if not line.startswith("=") or len(line) > 2 * MAX_HEADING_CHARACTERS:
        return None
    found = _BETWEEN_SIGNS.match(line) or _AFTER_SIGNS.match(line)
    if found is None:
        return None
    title = found[2]
    if len(title) > MAX_HEADING_CHARACTERS or title.endswith(_GOES_ON) or not any(map(str.isalpha, title)):
        return None
    return title, found[1].count("=")


def underlined_heading(line: str, under: str) -> tuple[str, int] | None:
    """Title and level of a heading with a line of `=` or `-` below it that is as long; None where it is none."""
    title, under = line.strip(), under.strip()
    if under[:1] not in _UNDERLINE or under.strip(under[0]) or not underlines(under, title):
        return None
    if not may_be_heading(title) or any(mark in title for mark in ("  ", "\t", "|")):
        return None
    return title, _UNDERLINE[under[0]]


def underlines(line: str, title: str) -> bool:
    """Whether a line is as long as the title above it; Hangul counts as one column or, as it is seen, as two."""
    wide = len(title) + sum(character > "\u10ff" for character in title)
    return len(line) > 2 and min(abs(len(line) - len(title)), abs(len(line) - wide)) <= 2


def tables_in(lines: Sequence[str]) -> dict[int, Rows]:
    """The tables among the lines: by the number of the first line, from 0, the cells of each line.

    A table is at least two rows with as many cells each, a rule of dashes between them being a row without text; three rows where
    they have two cells and no rule, since two commands one below the other may each hold a bar.
    """
    found: dict[int, Rows] = {}
    start = 0
    for width, run in groupby(map(_cells, lines), key=len):
        rows = list(run)
        if width and _is_table(rows):
            found[start] = rows
        start += len(rows)
    return found


def _is_table(rows: Rows) -> bool:
    if len(rows) > _MOST_ROWS or not any(rows[0]) or _MOMENT.match(rows[0][0]):
        return False
    written = sum(map(any, rows))
    return written > 2 or (written == 2 and (len(rows[0]) > 2 or len(rows) > 2))


def _cells(line: str) -> tuple[str, ...]:
    """The cells of a row; empty where the line is none."""
    row = line.strip()
    if "|" not in row or len(row) > _LONGEST_ROW:
        return ()
    if not row.startswith("|"):
        cells = _BAR.split(row)
    elif row.endswith("|"):
        cells = row[1:-1].split("|")
    else:
        return ()
    if len(cells) < 2:
        return ()
    return ("",) * len(cells) if set(row) <= _RULE else tuple(cell.strip() for cell in cells)
