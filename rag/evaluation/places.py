"""Whether a chunk stands where a person wrote: `5쪽`, `제25조의2`, `slide 4`, `lines 10-24`, a sheet, a heading."""

from __future__ import annotations

import re

from rag.domain.anchor import LineAnchor, PageAnchor, SheetAnchor, SlideAnchor
from rag.domain.document import Chunk
from rag.domain.provision import provision_label

_SPAN = r"(\d+)(?:\s*[-–~]\s*(\d+))?"
_PAGE = re.compile(rf"(?:pages?|pp?\.?)\s*{_SPAN}|{_SPAN}\s*(?:쪽|페이지|면)", re.IGNORECASE)
_SLIDE = re.compile(rf"(?:slides?|슬라이드)\s*{_SPAN}|{_SPAN}\s*슬라이드", re.IGNORECASE)
_LINES = re.compile(rf"(?:lines?|l\.?)\s*{_SPAN}|{_SPAN}\s*(?:행|줄)", re.IGNORECASE)
_SECTION = re.compile(r"^(?:section|sec\.?|§)\s*", re.IGNORECASE)
_NAMED = re.compile(r"\([^()]*\)$")
_GRAM = 8
"""Characters of the pieces by which a quote is looked for: a chunk may hold a part of it only."""
_ENOUGH = 0.5


def stands_at(chunk: Chunk, place: str) -> bool:
    """Whether `chunk` covers `place`, or a part of it; an empty place is everywhere."""
    place = place.strip()
    if not place:
        return True
    anchor = chunk.anchor
    if (span := _numbers(_PAGE, place)) is not None:
        return isinstance(anchor, PageAnchor) and _meet(span, (anchor.page, anchor.last_page))
    if (span := _numbers(_SLIDE, place)) is not None:
        return isinstance(anchor, SlideAnchor) and _meet(span, (anchor.slide, anchor.last_slide))
    if (span := _numbers(_LINES, place)) is not None:
        return isinstance(anchor, LineAnchor) and _meet(span, (anchor.first, anchor.last))
    if place.isdigit() and isinstance(anchor, PageAnchor | SlideAnchor):
        return stands_at(chunk, f"{'page' if isinstance(anchor, PageAnchor) else 'slide'} {place}")
    if isinstance(anchor, SheetAnchor) and squeezed(place.partition("!")[0]) == squeezed(anchor.sheet):
        return True
    return _in_provision(chunk, place) or any(_is_heading(place, heading) for heading in chunk.heading_path)


def holds(chunk: Chunk, quote: str) -> float:
    """Share of the quote that the chunk holds, from 0 to 1; white space doesn't count. An empty quote is held by all."""
    wanted, text = squeezed(quote), squeezed(chunk.text)
    if not wanted or wanted in text:
        return 1.0
    grams = [wanted[i : i + _GRAM] for i in range(max(1, len(wanted) - _GRAM + 1))]
    return sum(gram in text for gram in grams) / len(grams)


def holds_enough(chunk: Chunk, quote: str) -> bool:
    """Whether the chunk holds half of the quote or more."""
    return holds(chunk, quote) >= _ENOUGH


def squeezed(text: str) -> str:
    """Without white space, in lower case."""
    return "".join(text.split()).lower()


def _numbers(pattern: re.Pattern[str], place: str) -> tuple[int, int] | None:
    found = pattern.fullmatch(place)
    if found is None:
        return None
    low, high = (found[1], found[2]) if found[1] else (found[3], found[4])
    return int(low), int(high or low)


def _meet(first: tuple[int, int], second: tuple[int, int]) -> bool:
    return first[0] <= second[1] and second[0] <= first[1]


def _in_provision(chunk: Chunk, place: str) -> bool:
    """`제25조의2(명령휴가)` is 제25조의2 with all that lies in it, and nothing of 제25조."""
    wanted = squeezed(_NAMED.sub("", place))
    return any(
        squeezed(provision_label(mark.path[:depth])) == wanted
        for mark in chunk.provisions
        for depth in range(1, len(mark.path) + 1)
    )


def _is_heading(place: str, heading: str) -> bool:
    """The whole heading, or its number: `4.1` is `4.1 Signing keys`, but not `4.10`."""
    wanted, found = squeezed(_SECTION.sub("", place)), squeezed(heading)
    rest = found.removeprefix(wanted)
    return bool(wanted) and found.startswith(wanted) and not re.match(r"\.?\d|의\d", rest)
