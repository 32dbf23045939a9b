"""The header `Range` of a request (RFC 9110, 14.2): few ranges, none inside another, or it is not looked at any further."""

from __future__ import annotations

import re
from itertools import pairwise

from rag.domain.errors import RangeRefused

_RANGES = re.compile(r"bytes=[ \t]*(?P<set>[0-9,\- \t]+)")
_RANGE = re.compile(r"(?P<first>\d{0,19})-(?P<last>\d{0,19})")


def parsed_ranges(header: str, most: int) -> list[tuple[int | None, int | None]]:
    """First and last byte of each range as they were asked for; `(None, n)` is the last n bytes, `(n, None)` all from n on.

    Raises:
        RangeRefused: it is not valid, more than `most` ranges, or two overlap: how one request is made to send a file
            many times over (CVE-2011-3192).
    """
    whole = _RANGES.fullmatch(header.strip())
    if whole is None:
        raise RangeRefused(limit=most)
    parts = whole["set"].split(",", most)
    if len(parts) > most:
        raise RangeRefused(limit=most)
    ranges = [_range(part.strip(), most) for part in parts]
    _refuse_overlaps(ranges, most)
    return ranges


def _range(part: str, most: int) -> tuple[int | None, int | None]:
    found = _RANGE.fullmatch(part)
    if found is None or not (found["first"] or found["last"]):
        raise RangeRefused(limit=most)
    first = int(found["first"]) if found["first"] else None
    last = int(found["last"]) if found["last"] else None
    if first is not None and last is not None and last < first:
        raise RangeRefused(limit=most)
    return first, last


def _refuse_overlaps(ranges: list[tuple[int | None, int | None]], most: int) -> None:
    """Ranges from the end may overlap any other once the length is known, so one of them stands alone."""
    if len(ranges) > 1 and any(first is None for first, _ in ranges):
        raise RangeRefused(limit=most)
    known = sorted((first or 0, last) for first, last in ranges)
    for (_, last), (following, _) in pairwise(known):
        if last is None or following <= last:
            raise RangeRefused(limit=most)


def span(header: str, size: int, most: int) -> tuple[int, int] | None:
    """First byte and length of what a request for one range gets of `size` bytes; None where all of it is sent.

    Several ranges are answered with the whole, which the RFC leaves to the server.

    Raises:
        RangeRefused: as `parsed_ranges`, or nothing of the range is there.
    """
    ranges = parsed_ranges(header, most)
    if len(ranges) > 1:
        return None
    first, last = ranges[0]
    if first is None:
        length = min(last or 0, size)
        first, last = size - length, size - 1
    if first >= size or last == -1 or (last is not None and last < first):
        raise RangeRefused(limit=most)
    end = size - 1 if last is None else min(last, size - 1)
    return first, end - first + 1
