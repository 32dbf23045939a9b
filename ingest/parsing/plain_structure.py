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
_GOES_ON = (".", ",", ";", ":", "{", "(")
_CLOCK = re.compile(r"\d\d:\d\d")
_UNDERLINE = {"=": 1, "-": 2}
ITEM_SIGNS = "-*•·▪◦○●■□▶▷※"
"""Before a blank they begin an item of a list."""
_ITEM = re.compile(rf"[{re.escape(ITEM_SIGNS)}+◆◇]\s")
_NUMBERED = re.compile(r"\d{1,3}[.)]\s")
_BAR = re.compile(r"(?:^|(?<=\s))\|(?=\s|$)")
"""Between cells: bars close to words are signs of their own, as in `|tag|`."""
_RULE = re.compile(r"(?=.*[|+])(?=.*(?:--|==))[-=|:+ ]+$")
_DATE = re.compile(r"\W*\d{4}[-/.]\d\d[-/.]\d\d")
_NUMBER = re.compile(r"[^\w(]{0,3}\(?[-+△▲]?[$€₩£]?\s?[-+]?\.?\d")
_LONGEST_ROW = 4000
"""Characters; what is longer is data, of which a header would be repeated above every part."""
_MOST_ROWS = 1000
"""A longer one is a program's export or log and stays as it is written: with bars around its cells it may be twice as long and
not fit into a document any more."""

Rows = list[tuple[str, ...]]
"""The cells of each line of a table; none of a rule."""


def marked_heading(line: str) -> tuple[str, int] | None:
    """Title and level of a heading on one line; None where it is none."""
    if not line.lstrip().startswith("=") or len(line) > 4 * MAX_HEADING_CHARACTERS:
        return None
    line = " ".join(line.split())
    found = _BETWEEN_SIGNS.match(line) or _AFTER_SIGNS.match(line)
    if found is None:
        return None
    title = found[2]
    if len(title) > MAX_HEADING_CHARACTERS or title.endswith(_GOES_ON) or not any(map(str.isalpha, title)):
        return None
    return (title, found[1].count("=")) if _CLOCK.search(title) is None else None  # else a log's


def underlined_heading(line: str, under: str, *, alone: bool) -> tuple[str, int] | None:
    """Title and level of a heading with a line of `=` or `-` below it that is as long; None where it is none.

    Below a line of `-` there must not be text at once: so the name in a mail is parted from the address.

    Args:
        alone: whether the two lines stand by themselves.
    """
    title, under = line.strip(), under.strip()
    if under[:1] not in _UNDERLINE or under.strip(under[0]) or not underlines(under, title):
        return None
    if (
        not may_be_heading(title)
        or _ITEM.match(title)
        or _is_entry(title)
        or any(mark in title for mark in ("  ", "\t", "|"))
    ):
        return None
    return (title, _UNDERLINE[under[0]]) if alone or under[0] == "=" else None


def _is_entry(title: str) -> bool:
    """A number, and behind it more figures than letters: a date, a telephone number."""
    found = _NUMBERED.match(title)
    shown = "".join(title[found.end() :].split()) if found else ""
    return found is not None and 2 * sum(map(str.isalpha, shown)) < len(shown)


def underlines(line: str, title: str) -> bool:
    """Whether a line is as long as the title above it; Hangul counts as one column or, as it is seen, as two."""
    wide = len(title) + sum(character > "\u10ff" for character in title)
    return len(line) > 2 and min(abs(len(line) - len(title)), abs(len(line) - wide)) <= 2


def tables_in(lines: Sequence[str]) -> dict[int, Rows]:
    """The tables among the lines: by the number of the first line, from 0, the cells of each line, none of a rule.

    All lines with bars that follow each other have as many cells; and a rule below the first row, bars around every row, or
    numbers in a column tell that they are a table, for commands, types and logs hold bars as well.
    """
    found: dict[int, Rows] = {}
    start = 0
    for barred, run in groupby(lines, key=_is_barred):
        own = list(run)
        if barred and 2 <= len(own) <= _MOST_ROWS and (rows := _table(own)):
            found[start] = rows
        start += len(own)
    return found


def _is_barred(line: str) -> bool:
    return "|" in line or ("+" in line and _is_rule(line))


def _is_rule(line: str) -> bool:
    return len(line) <= _LONGEST_ROW and _RULE.match(line.strip()) is not None


def _table(lines: Sequence[str]) -> Rows:
    """The rows of these lines; empty where they are no table."""
    rules = [_is_rule(line) for line in lines]
    boxed = all(rule or _is_boxed(line.strip()) for line, rule in zip(lines, rules, strict=True))
    ruled = any(rules[1:])
    cells = [() if rule else _cells(line.strip(), ruled=ruled) for line, rule in zip(lines, rules, strict=True)]
    written = [row for row, rule in zip(cells, rules, strict=True) if not rule]
    if len(written) < 2 or not any(written[0]) or len({len(row) for row in written}) > 1 or len(written[0]) < 2:
        return []
    if ruled or boxed or (_has_numbers(written) and not _is_log(written[0])):
        return cells
    return []


def _is_boxed(row: str) -> bool:
    return row.startswith("| ") and row.endswith(" |") and len(row) > 3


def _cells(row: str, *, ruled: bool) -> tuple[str, ...]:
    """The cells of a row; empty where the line is none. Below a rule, bars need no blanks beside them."""
    if len(row) > _LONGEST_ROW:
        return ()
    inner = row
    if row.startswith("|") and row.endswith("|") and len(row) > 1 and (ruled or _is_boxed(row)):
        inner = row[1:-1]
    found = inner.split("|") if ruled or inner is not row else _BAR.split(row)
    return tuple(cell.strip() for cell in found)


def _has_numbers(rows: Rows) -> bool:
    """Whether below the first row some column after the first holds mostly numbers, and the first row not only such."""
    if len(rows) < 3 and len(rows[0]) < 3:
        return False
    below = rows[1:]
    columns = range(1, len(rows[0]))
    return any(2 * sum(_NUMBER.match(row[column]) is not None for row in below) >= len(below) for column in columns)


def _is_log(first: tuple[str, ...]) -> bool:
    return _DATE.match(first[0]) is not None or any(_CLOCK.search(cell) for cell in first)
