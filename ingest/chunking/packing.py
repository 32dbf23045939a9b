"""Where chunks begin and end: units packed under the limit so that the cuts are few, even and in good places."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import accumulate, pairwise

from ingest.chunking.base import Unit

SENTENCE = 0.08
"""Cost of a cut between two sentences of a paragraph; between paragraphs a cut costs nothing. 0.2 changes no figure surely."""
ITEM = 0.05
"""Between two items of a list, and as much again for each level further in."""
ROW = 0.03
LEAD_IN = 0.5
"""Between a list's lead-in and its first item."""
INSIDE = 0.8
"""Inside a sentence or a row: only where it is longer than the limit."""
CAPTION = 2.0
"""Between a caption and its table, or a heading and what stands under it."""
MIX = 0.5
"""Of a chunk that holds a part of a paragraph with something else beside it. Of 0, 0.2, 0.5 and 1, the best on the half of
`en_chunking` kept for settings (`benchmarks/chunking.py`): dense leg at 5 passages, precision -0.23, -0.10, +0.23, +0.33 points
against the peer, recall +0.3, -0.9, +0.3, -0.6."""
_MAX_WINDOW = 256
"""Units of one chunk; bounds the work where units have hardly any tokens."""


def pack(units: Sequence[Unit], limit: int) -> Iterator[list[Unit]]:
    """The units in groups of at most `limit` tokens, in order; a unit that is longer stands alone.

    The groups are those with the least sum of costs, where a group costs what the cut before it does, the square of the
    share of the limit that it leaves unused, and `MIX`: few groups, of even length, each of whole paragraphs or of one.
    Time and memory grow linearly with the units.
    """
    start = 0
    for stop in range(1, len(units) + 1):
        if stop == len(units) or not units[stop - 1].joins(units[stop]):
            yield from _best_groups(units[start:stop], limit)
            start = stop


def _best_groups(units: Sequence[Unit], limit: int) -> Iterator[list[Unit]]:
    costs, begins = [0.0], [0]
    inner = [unit.cut in (SENTENCE, INSIDE) for unit in units] + [False]
    edges = [0, *accumulate(not each for each in inner)]  # paragraphs that begin before a unit
    for stop in range(1, len(units) + 1):
        best, begin, tokens = float("inf"), stop - 1, 0
        for first in range(stop - 1, max(-1, stop - 1 - _MAX_WINDOW), -1):
            tokens += units[first].tokens
            total = tokens + units[first].head
            if tokens > limit and first < stop - 1:
                break
            if total > limit and first < stop - 1:
                continue
            cost = costs[first] + (units[first].cut if first else 0.0) + (1 - total / limit) ** 2
            if (inner[first] or inner[stop]) and edges[stop] > edges[first + 1]:
                cost += MIX
            if cost < best:
                best, begin = cost, first
        costs.append(best)
        begins.append(begin)
    bounds = [len(units)]
    while bounds[-1]:
        bounds.append(begins[bounds[-1]])
    bounds.reverse()
    for first, stop in pairwise(bounds):
        yield list(units[first:stop])
