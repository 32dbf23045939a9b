"""Unified diffs read: which lines of the old file became which lines of the new one."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby
from typing import NamedTuple

_HEAD = re.compile(r"@@ -(\d+)(?:,\d+)? \+(\d+)(?:,\d+)? @@")


class Side(NamedTuple):
    """Lines of one of the two files: contiguous, verbatim, those that did not change around the others.

    Attributes:
        first: number of the first line, from 1.
        changed: numbers of the lines that are not in the other file.
    """

    first: int
    lines: tuple[str, ...]
    changed: tuple[int, ...]

    @property
    def last(self) -> int:
        """Number of the last line."""
        return self.first + len(self.lines) - 1

    @property
    def runs(self) -> tuple[tuple[int, int], ...]:
        """First and last number of each run of changed lines."""
        grouped = groupby(enumerate(self.changed), key=lambda item: item[1] - item[0])
        runs = ([number for _, number in group] for _, group in grouped)
        return tuple((run[0], run[-1]) for run in runs)


@dataclass(frozen=True, slots=True)
class Hunk:
    """A place of a file that changed. One side has no lines where the file is new or gone."""

    before: Side
    after: Side


def hunks_of(patch: str) -> Iterator[Hunk]:
    """The hunks of the diff of one file, as far as the patch goes: a last line that was cut off is left out."""
    head: re.Match[str] | None = None
    body: list[str] = []
    complete = patch if patch.endswith("\n") else patch[: patch.rfind("\n") + 1]
    for line in complete.split("\n")[:-1]:
        found = _HEAD.match(line)
        if found is None:
            body.append(line)
            continue
        if head is not None:
            yield _hunk(head, body)
        head, body = found, []
    if head is not None:
        yield _hunk(head, body)


def _hunk(head: re.Match[str], body: list[str]) -> Hunk:
    return Hunk(_side(int(head[1]), body, "-"), _side(int(head[2]), body, "+"))


def _side(first: int, body: list[str], mark: str) -> Side:
    lines, changed = list[str](), list[int]()
    for line in body:
        if line[:1] == mark:
            changed.append(first + len(lines))
            lines.append(line[1:])
        elif line[:1] == " ":
            lines.append(line[1:])
    return Side(first, tuple(lines), tuple(changed))
