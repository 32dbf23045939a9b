"""Numbers of pages as people write them: `1-3, 7`."""

from __future__ import annotations

import re
from collections.abc import Iterable

_RANGE = re.compile(r"(\d+)(?:-(\d+))?")


def page_ranges(numbers: Iterable[int]) -> str:
    """`1-3, 7`."""
    ranges: list[list[int]] = []
    for number in sorted(set(numbers)):
        if ranges and number == ranges[-1][1] + 1:
            ranges[-1][1] = number
        else:
            ranges.append([number, number])
    return ", ".join(str(first) if first == last else f"{first}-{last}" for first, last in ranges)


def joined_ranges(written: Iterable[str]) -> str:
    """Ranges of pages from several places, which rise and do not overlap, as one: `1-3` and `4, 7` are `1-4, 7`."""
    ranges: list[tuple[int, int]] = []
    for found in _RANGE.finditer(", ".join(written)):
        first, last = int(found[1]), int(found[2] or found[1])
        if ranges and ranges[-1][1] + 1 == first:
            first = ranges.pop()[0]
        ranges.append((first, last))
    return ", ".join(str(first) if first == last else f"{first}-{last}" for first, last in ranges)
