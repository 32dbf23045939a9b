"""Where a text stood in its source, kept from parsing to the citation."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, ClassVar

from rag.domain.messages import UiLanguage

_CELL = re.compile(r"([A-Z]+)([0-9]+)")

Box = tuple[float, float, float, float]
"""Left, top, right, bottom in points (1/72 inch) from the page's top left corner."""


@dataclass(frozen=True, slots=True)
class PageAnchor:
    """Pages `page`..`last_page` of a PDF or image, counted from 1; each box goes with the page it lies on."""

    kind: ClassVar[str] = "page"
    page: int
    last_page: int
    boxes: tuple[tuple[int, Box], ...] = ()

    def label(self, language: UiLanguage) -> str:
        """`p. 3` or `3쪽`."""
        span = str(self.page) if self.page == self.last_page else f"{self.page}-{self.last_page}"
        return f"{span}쪽" if language == "ko" else f"p. {span}"


@dataclass(frozen=True, slots=True)
class ParagraphAnchor:
    """Paragraphs `first`..`last` of a flowing document (DOCX, HTML), counted from 1 in document order."""

    kind: ClassVar[str] = "paragraph"
    first: int
    last: int

    def label(self, language: UiLanguage) -> str:
        """`¶ 12-14` or `12-14번째 문단`."""
        span = str(self.first) if self.first == self.last else f"{self.first}-{self.last}"
        return f"{span}번째 문단" if language == "ko" else f"¶ {span}"


@dataclass(frozen=True, slots=True)
class SheetAnchor:
    """A range of a spreadsheet, such as `한도!A1:D9`."""

    kind: ClassVar[str] = "sheet"
    sheet: str
    cells: str

    def label(self, language: UiLanguage) -> str:
        """`Limits!A1:D9`, the same in both languages."""
        return f"{self.sheet}!{self.cells}"


@dataclass(frozen=True, slots=True)
class SlideAnchor:
    """Slides `slide`..`last_slide` of a presentation, counted from 1."""

    kind: ClassVar[str] = "slide"
    slide: int
    last_slide: int

    def label(self, language: UiLanguage) -> str:
        """`slide 4` or `슬라이드 4`."""
        span = str(self.slide) if self.slide == self.last_slide else f"{self.slide}-{self.last_slide}"
        return f"슬라이드 {span}" if language == "ko" else f"slide {span}"


@dataclass(frozen=True, slots=True)
class LineAnchor:
    """Lines `first`..`last` of a text or code file, counted from 1."""

    kind: ClassVar[str] = "lines"
    first: int
    last: int

    def label(self, language: UiLanguage) -> str:
        """`line 10`, `lines 10-24` or `10-24행`."""
        span = str(self.first) if self.first == self.last else f"{self.first}-{self.last}"
        return f"{span}행" if language == "ko" else f"line{'' if self.first == self.last else 's'} {span}"


@dataclass(frozen=True, slots=True)
class MessageAnchor:
    """Lines `first`..`last` of one part of a mail, counted from 1 in the part as it is read.

    Attributes:
        part: `header`, or the number of the MIME part such as `1.2` (RFC 3501, 6.4.5; 1 for the body of a simple mail).
    """

    kind: ClassVar[str] = "message"
    part: str
    first: int
    last: int

    def label(self, language: UiLanguage) -> str:
        """`mail header, line 2` or `메일 본문(1.2) 3-5행`."""
        span = str(self.first) if self.first == self.last else f"{self.first}-{self.last}"
        if language == "ko":
            return f"메일 머리글 {span}행" if self.part == "header" else f"메일 본문({self.part}) {span}행"
        where = "mail header" if self.part == "header" else f"mail part {self.part}"
        return f"{where}, line{'' if self.first == self.last else 's'} {span}"


Anchor = PageAnchor | ParagraphAnchor | SheetAnchor | SlideAnchor | LineAnchor | MessageAnchor


def anchor_to_json(anchor: Anchor) -> dict[str, Any]:
    """A JSON object with `kind` and the anchor's own fields."""
    if isinstance(anchor, LineAnchor):  # there are very many of them
        return {"kind": anchor.kind, "first": anchor.first, "last": anchor.last}
    return {"kind": anchor.kind, **asdict(anchor)}


def anchor_from_json(data: dict[str, Any]) -> Anchor:
    """The inverse of `anchor_to_json`.

    Raises:
        KeyError, TypeError, ValueError: `data` is not an anchor.
    """
    match data["kind"]:
        case "page":
            boxes = tuple((int(page), _box(box)) for page, box in data["boxes"])
            return PageAnchor(int(data["page"]), int(data["last_page"]), boxes)
        case "paragraph":
            return ParagraphAnchor(int(data["first"]), int(data["last"]))
        case "sheet":
            return SheetAnchor(str(data["sheet"]), str(data["cells"]))
        case "slide":
            return SlideAnchor(int(data["slide"]), int(data["last_slide"]))
        case "lines":
            return LineAnchor(int(data["first"]), int(data["last"]))
        case "message":
            return MessageAnchor(str(data["part"]), int(data["first"]), int(data["last"]))
        case other:
            raise ValueError(f"unknown anchor kind {other!r}")


def _box(values: Any) -> Box:
    left, top, right, bottom = (float(value) for value in values)
    return (left, top, right, bottom)


def mergeable(first: Anchor, second: Anchor) -> bool:
    """Whether one anchor can cover both: the same kind, and on the same sheet or in the same part of a mail."""
    if isinstance(first, SheetAnchor) and isinstance(second, SheetAnchor):
        return first.sheet == second.sheet
    if isinstance(first, MessageAnchor) and isinstance(second, MessageAnchor):
        return first.part == second.part
    return type(first) is type(second)


def merge_anchors(anchors: Sequence[Anchor]) -> Anchor:
    """The smallest anchor that covers all of `anchors`; boxes are kept, each once.

    Raises:
        ValueError: there is none, or they can't be covered by one (`mergeable`).
    """
    if not anchors:
        raise ValueError("no anchors")
    first = anchors[0]
    if not all(mergeable(first, other) for other in anchors[1:]):
        raise ValueError("anchors of different kinds, sheets or parts")
    if isinstance(first, PageAnchor):
        pages = [item for item in anchors if isinstance(item, PageAnchor)]
        boxes = tuple(dict.fromkeys(box for item in pages for box in item.boxes))
        return PageAnchor(min(item.page for item in pages), max(item.last_page for item in pages), boxes)
    if isinstance(first, SheetAnchor):
        return SheetAnchor(
            first.sheet, _covering_range([item.cells for item in anchors if isinstance(item, SheetAnchor)])
        )
    if isinstance(first, MessageAnchor):
        found = [item for item in anchors if isinstance(item, MessageAnchor)]
        return MessageAnchor(first.part, min(item.first for item in found), max(item.last for item in found))
    spans = [(a.slide, a.last_slide) if isinstance(a, SlideAnchor) else (a.first, a.last) for a in _spans(anchors)]
    return type(first)(min(low for low, _ in spans), max(high for _, high in spans))


def reading_order(anchor: Anchor) -> tuple[str, str, tuple[int, ...], tuple[int, ...]]:
    """Sorts anchors as a reader meets them, of two that begin alike the wider first; sheets and parts by name."""
    first, last = _extent(anchor)
    return anchor.kind, _within(anchor), first, tuple(-number for number in last)


def lies_in(inner: Anchor, outer: Anchor) -> bool:
    """Whether all places that `inner` names are among those of `outer`; where on a page they are does not count."""
    if not mergeable(inner, outer):
        return False
    (first, last), (low, high) = _extent(inner), _extent(outer)
    return all(a <= b for a, b in zip(low, first, strict=True)) and all(a <= b for a, b in zip(last, high, strict=True))


def _within(anchor: Anchor) -> str:
    """The sheet, or the part of a mail, whose head comes first."""
    if isinstance(anchor, MessageAnchor):
        return "" if anchor.part == "header" else anchor.part
    return anchor.sheet if isinstance(anchor, SheetAnchor) else ""


def _extent(anchor: Anchor) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Where it begins and ends: in numbers of pages, paragraphs, slides or lines, in row and column of a sheet."""
    if isinstance(anchor, PageAnchor):
        return (anchor.page,), (anchor.last_page,)
    if isinstance(anchor, SlideAnchor):
        return (anchor.slide,), (anchor.last_slide,)
    if isinstance(anchor, SheetAnchor):
        corners = [_cell(cell)[::-1] for cell in anchor.cells.split(":")]
        return corners[0], corners[-1]
    return (anchor.first,), (anchor.last,)


def _spans(anchors: Sequence[Anchor]) -> list[ParagraphAnchor | LineAnchor | SlideAnchor]:
    return [item for item in anchors if isinstance(item, ParagraphAnchor | LineAnchor | SlideAnchor)]


def _covering_range(ranges: Sequence[str]) -> str:
    corners = [_cell(cell) for cells in ranges for cell in cells.split(":")]
    low = (min(column for column, _ in corners), min(row for _, row in corners))
    high = (max(column for column, _ in corners), max(row for _, row in corners))
    return _cell_name(*low) if low == high else f"{_cell_name(*low)}:{_cell_name(*high)}"


def _cell(name: str) -> tuple[int, int]:
    """Column and row, from 1, of a cell name such as `AB12`."""
    match = _CELL.fullmatch(name)
    if match is None:
        raise ValueError(f"not a cell: {name!r}")
    column = 0
    for letter in match[1]:
        column = column * 26 + ord(letter) - ord("A") + 1
    return column, int(match[2])


def _cell_name(column: int, row: int) -> str:
    letters = ""
    while column:
        column, rest = divmod(column - 1, 26)
        letters = chr(ord("A") + rest) + letters
    return f"{letters}{row}"
