from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from openpyxl.utils import get_column_letter, range_boundaries

from rag.domain.anchor import (
    Anchor,
    LineAnchor,
    MessageAnchor,
    PageAnchor,
    ParagraphAnchor,
    SheetAnchor,
    SlideAnchor,
    anchor_from_json,
    anchor_to_json,
    merge_anchors,
    mergeable,
)

spans = st.tuples(st.integers(1, 9999), st.integers(0, 99)).map(lambda span: (span[0], span[0] + span[1]))
points = st.floats(allow_nan=False, allow_infinity=False)
boxes = st.tuples(st.integers(1, 50), st.tuples(points, points, points, points))
corners = st.tuples(st.integers(1, 16_384), st.integers(1, 1_048_576))


def cells(first: tuple[int, int], last: tuple[int, int]) -> str:
    (left, right), (top, bottom) = (sorted(pair) for pair in zip(first, last, strict=True))
    low, high = f"{get_column_letter(left)}{top}", f"{get_column_letter(right)}{bottom}"
    return low if low == high else f"{low}:{high}"


pages = st.builds(
    lambda span, shown: PageAnchor(span[0], span[1], tuple(shown)), spans, st.lists(boxes, max_size=4, unique=True)
)
paragraphs = spans.map(lambda span: ParagraphAnchor(*span))
slides = spans.map(lambda span: SlideAnchor(*span))
lines = spans.map(lambda span: LineAnchor(*span))
limits = st.builds(cells, corners, corners).map(lambda found: SheetAnchor("한도", found))
sheets = st.builds(lambda name, found: SheetAnchor(name, found.cells), st.text(), limits)
bodies = spans.map(lambda span: MessageAnchor("1.2", *span))
messages = st.builds(lambda part, span: MessageAnchor(part, *span), st.sampled_from(["header", "1", "1.2"]), spans)
anchors = st.one_of(pages, paragraphs, slides, lines, sheets, messages)
families = st.one_of(
    [st.lists(family, min_size=1, max_size=6) for family in (pages, paragraphs, slides, lines, limits, bodies)]
)


def extent(anchor: Anchor) -> tuple[Any, ...]:
    """What an anchor covers; the order of boxes means nothing."""
    match anchor:
        case PageAnchor(first, last, shown):
            return (first, last, frozenset(shown))
        case SheetAnchor(sheet, found):
            return (sheet, *range_boundaries(found))
        case MessageAnchor(part, first, last):
            return (part, first, last)
        case SlideAnchor(first, last) | ParagraphAnchor(first, last) | LineAnchor(first, last):
            return (first, last)


@given(anchors)
def test_an_anchor_survives_json(anchor: Anchor) -> None:
    assert anchor_from_json(json.loads(json.dumps(anchor_to_json(anchor), ensure_ascii=False))) == anchor


@pytest.mark.parametrize(
    "data",
    [
        {"kind": "scroll"},
        {"kind": "lines", "first": 1},
        {},
        {"kind": "page", "page": 1, "last_page": 1, "boxes": [[1, [0, 0]]]},
    ],
)
def test_what_is_no_anchor_is_refused(data: dict[str, Any]) -> None:
    with pytest.raises((KeyError, TypeError, ValueError)):
        anchor_from_json(data)


@given(families)
def test_a_merge_covers_all_and_no_more(found: list[Anchor]) -> None:
    merged = merge_anchors(found)
    extents = [extent(item) for item in found]
    match merged:
        case PageAnchor():
            boxes_of_all = frozenset().union(*(item[2] for item in extents))
            expected: tuple[Any, ...] = (min(e[0] for e in extents), max(e[1] for e in extents), boxes_of_all)
            assert len(merged.boxes) == len(boxes_of_all)
        case SheetAnchor():
            low = [min(e[i] for e in extents) for i in (1, 2)]
            expected = ("한도", *low, *(max(e[i] for e in extents) for i in (3, 4)))
        case MessageAnchor():
            expected = ("1.2", min(e[1] for e in extents), max(e[2] for e in extents))
        case _:
            expected = (min(e[0] for e in extents), max(e[1] for e in extents))
    assert type(merged) is type(found[0])
    assert extent(merged) == expected


@given(families)
def test_merging_again_changes_nothing(found: list[Anchor]) -> None:
    merged = merge_anchors(found)
    assert merge_anchors([merged]) == merge_anchors([merged, merged]) == merge_anchors([*found, merged]) == merged


@given(families.flatmap(lambda found: st.tuples(st.just(found), st.permutations(found))))
def test_order_does_not_matter(pair: tuple[list[Anchor], list[Anchor]]) -> None:
    assert extent(merge_anchors(pair[0])) == extent(merge_anchors(pair[1]))


@given(families, st.data())
def test_merging_in_groups_is_merging_at_once(found: list[Anchor], data: st.DataObject) -> None:
    cut = data.draw(st.integers(0, len(found) - 1))
    grouped = [merge_anchors(group) for group in (found[:cut], found[cut:]) if group]
    assert merge_anchors(grouped) == merge_anchors(found)


@pytest.mark.parametrize(
    ("ranges", "covering"),
    [
        (["A1"], "A1"),
        (["A1:A1"], "A1"),
        (["B2", "A3"], "A2:B3"),
        (["Z1", "AA1"], "Z1:AA1"),
        (["AZ9:BA10", "C3"], "C3:BA10"),
        (["ZZ1", "AAA2"], "ZZ1:AAA2"),
        (["XFD1048576", "A1"], "A1:XFD1048576"),
        (["A10", "A9"], "A9:A10"),
    ],
)
def test_sheet_ranges_know_columns_beyond_z(ranges: list[str], covering: str) -> None:
    assert merge_anchors([SheetAnchor("한도", found) for found in ranges]) == SheetAnchor("한도", covering)


@pytest.mark.parametrize("wrong", ["", "A", "7", "a1", "A1:B", "한1", "$A$1"])
def test_what_is_no_cell_cannot_be_merged(wrong: str) -> None:
    with pytest.raises(ValueError, match="not a cell"):
        merge_anchors([SheetAnchor("한도", wrong), SheetAnchor("한도", "A1")])


@given(anchors, anchors)
def test_only_one_kind_on_one_sheet_can_be_merged(first: Anchor, second: Anchor) -> None:
    alike = type(first) is type(second)
    if isinstance(first, SheetAnchor) and isinstance(second, SheetAnchor):
        alike = first.sheet == second.sheet
    if isinstance(first, MessageAnchor) and isinstance(second, MessageAnchor):
        alike = first.part == second.part
    assert mergeable(first, second) is mergeable(second, first) is alike
    if not alike:
        with pytest.raises(ValueError, match="different"):
            merge_anchors([first, second])


def test_nothing_cannot_be_merged() -> None:
    with pytest.raises(ValueError, match="no anchors"):
        merge_anchors([])


@pytest.mark.parametrize(
    ("anchor", "korean", "english"),
    [
        (PageAnchor(3, 3), "3쪽", "p. 3"),
        (PageAnchor(3, 5), "3-5쪽", "p. 3-5"),
        (ParagraphAnchor(12, 12), "12번째 문단", "¶ 12"),
        (ParagraphAnchor(12, 14), "12-14번째 문단", "¶ 12-14"),
        (SlideAnchor(4, 4), "슬라이드 4", "slide 4"),
        (SlideAnchor(4, 6), "슬라이드 4-6", "slide 4-6"),
        (LineAnchor(10, 10), "10행", "line 10"),
        (LineAnchor(10, 24), "10-24행", "lines 10-24"),
        (MessageAnchor("header", 2, 2), "메일 머리글 2행", "mail header, line 2"),
        (MessageAnchor("1.2", 3, 5), "메일 본문(1.2) 3-5행", "mail part 1.2, lines 3-5"),
        (SheetAnchor("거래한도", "A1:D9"), "거래한도!A1:D9", "거래한도!A1:D9"),
    ],
)
def test_labels_in_both_languages(anchor: Anchor, korean: str, english: str) -> None:
    assert (anchor.label("ko"), anchor.label("en")) == (korean, english)
