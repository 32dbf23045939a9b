from __future__ import annotations

from dataclasses import replace

import pytest

from rag.domain.anchor import Anchor, LineAnchor, PageAnchor, ParagraphAnchor, SheetAnchor, SlideAnchor
from rag.domain.provision import ProvisionMark
from rag.evaluation.places import holds, holds_enough, stands_at
from tests.support.passages import make_chunk

PAGES, SHEET, SLIDE = PageAnchor(5, 6), SheetAnchor("카드·ATM 한도", "A1:B9"), SlideAnchor(4, 4)


@pytest.mark.parametrize(
    ("anchor", "place", "there"),
    [
        (PAGES, "5쪽", True),
        (PAGES, "page 6", True),
        (PAGES, "p.5", True),
        (PAGES, "6", True),
        (PAGES, "1-5쪽", True),
        (PAGES, "7페이지", False),
        (PAGES, "슬라이드 5", False),
        (SLIDE, "slide 4", True),
        (SLIDE, "4", True),
        (SLIDE, "page 4", False),
        (SHEET, "카드·ATM한도", True),
        (SHEET, "카드·ATM 한도!A3", True),
        (SHEET, "여신 전결한도", False),
        (LineAnchor(10, 24), "lines 20-30", True),
        (LineAnchor(10, 24), "24행", True),
        (LineAnchor(10, 24), "line 25", False),
        (PAGES, "", True),
    ],
)
def test_a_place_by_its_anchor(anchor: Anchor, place: str, there: bool) -> None:
    assert stands_at(replace(make_chunk("본문"), anchor=anchor), place) is there


@pytest.mark.parametrize(
    ("place", "there"),
    [
        ("제25조의2", True),
        ("제25조의2(명령휴가)", True),
        ("제25조의2 제1항", True),
        ("제25조", False),
        ("제25조의2제3항", False),
        ("부칙 제1조", False),
    ],
)
def test_a_place_by_its_provision(place: str, there: bool) -> None:
    marks = (ProvisionMark(0, ("제25조의2", "제1항")), ProvisionMark(9, ("제25조의2", "제2항")))
    chunk = replace(make_chunk("위험직무를 담당하는 직원"), provisions=marks, anchor=ParagraphAnchor(1, 2))
    assert stands_at(chunk, place) is there


@pytest.mark.parametrize(
    ("place", "there"),
    [("4.1", True), ("section 4.1", True), ("4.1 Signing keys", True), ("4", False), ("4.10", False), ("Keys", False)],
)
def test_a_place_by_its_heading(place: str, there: bool) -> None:
    assert stands_at(make_chunk("expires after 180 days", headings=("Gateway", "4.1 Signing keys")), place) is there


def test_the_number_of_a_heading_is_not_the_beginning_of_another() -> None:
    assert not stands_at(make_chunk("가", headings=("4.10 Pagination",)), "4.1")
    assert stands_at(make_chunk("가", headings=("4.10 Pagination",)), "4.10")


def test_a_quote_is_found_whatever_its_white_space() -> None:
    assert holds(make_chunk("통신비로  월\n3만원을 지원한다."), "통신비로 월 3만원을 지원한다") == 1.0


def test_a_quote_that_was_cut_in_two_is_held_by_the_larger_part() -> None:
    quote = "The join token is valid for 30 minutes and for one node."
    assert holds_enough(make_chunk("… The join token is valid for 30 minutes and"), quote)
    assert not holds_enough(make_chunk("for one node. Start the services."), quote)
    assert holds(make_chunk("nothing of it"), quote) == 0.0
