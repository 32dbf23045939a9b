from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rag.domain.anchor import LineAnchor, ParagraphAnchor
from rag.domain.document import Chunk, ElementKind
from rag.domain.language import Language
from rag.domain.passage import DropReason, Passage
from rag.domain.provision import ProvisionMark
from rag.retrieval.ranking import Boosts, arranged, boosted
from tests.support.passages import SOURCE

NOW = datetime(2026, 6, 1, tzinfo=UTC)


def passage(
    number: int,
    text: str,
    *,
    ordinal: int = 0,
    document: int = 1,
    headings: tuple[str, ...] = ("제1장 총칙",),
    kind: ElementKind = ElementKind.TEXT,
    provisions: tuple[ProvisionMark, ...] = (),
) -> Passage:
    """The `number`-th best passage: chunk `ordinal` of a document, its lines numbered from 10 times the ordinal."""
    lines = tuple(LineAnchor(10 * ordinal + i, 10 * ordinal + i) for i in range(1, text.count("\n") + 2))
    chunk = Chunk(
        id=UUID(int=1000 * document + ordinal),
        ordinal=ordinal,
        text=text,
        anchor=LineAnchor(lines[0].first, lines[-1].last),
        heading_path=headings,
        language=Language.KOREAN,
        kind=kind,
        line_anchors=lines,
        provisions=provisions,
    )
    source = replace(SOURCE, document_id=UUID(int=document), version_id=UUID(int=100 + document), valid_from=NOW)
    return Passage(rank=number, score=1.0 / number, chunk=chunk, source=source)


def texts(passages: tuple[Passage, ...]) -> list[str]:
    return [item.chunk.text for item in passages]


LEAVE = (
    "연차유급휴가는 1년간 80퍼센트 이상 출근한 직원에게 15일을 준다. "
    "계속 근로 기간이 늘면 2년마다 하루씩 더하되 전체는 25일을 넘지 못한다. "
)
LONGER = LEAVE * 3 + "휴가의 신청은 인사팀에 서면으로 한다."


def test_a_text_is_shown_once_whatever_its_white_space() -> None:
    found = arranged([passage(1, "휴가는 15일"), passage(2, "휴가는\n15일", document=2)], limit=5)
    assert texts(found.passages) == ["휴가는 15일"]
    [left_out] = found.dropped
    assert (left_out.reason, left_out.shown_as) == (DropReason.COPY, found.passages[0].chunk.id)
    assert left_out.document_id == UUID(int=2)


def test_a_lightly_edited_copy_is_left_out_and_named() -> None:
    edited = LONGER.replace("서면으로 한다", "서면으로 낸다")
    found = arranged([passage(1, LONGER), passage(2, edited, document=2)], limit=5)
    assert texts(found.passages) == [LONGER]
    assert [item.reason for item in found.dropped] == [DropReason.NEAR_COPY]


def test_copies_with_another_number_are_two_rules() -> None:
    stricter = LONGER.replace("15일", "12일", 1)
    found = arranged([passage(1, LONGER), passage(2, stricter, document=2)], limit=5)
    assert texts(found.passages) == [LONGER, stricter]
    assert found.dropped == ()


def test_the_same_words_in_another_order_say_something_else() -> None:
    one = "the lessor shall pay the lessee for every month of delay that the lessor causes " * 4
    other = "the lessee shall pay the lessor for every month of delay that the lessee causes " * 4
    assert len(arranged([passage(1, one), passage(2, other, document=2)], limit=5).passages) == 2


def test_neighbours_become_one_passage_in_reading_order() -> None:
    found = arranged(
        [passage(1, "둘째 문단\n끝", ordinal=4), passage(2, "다른 절", ordinal=9), passage(3, "첫째 문단", ordinal=3)],
        limit=5,
    )
    [merged, other] = found.passages
    assert merged.chunk.text == "첫째 문단\n둘째 문단\n끝"
    assert merged.members == (UUID(int=1003), UUID(int=1004))
    assert merged.chunk.id == UUID(int=1004)  # the better one's
    assert (merged.rank, merged.score, merged.ordinals) == (1, 1.0, (3, 4))
    assert other.chunk.text == "다른 절"
    assert [(item.chunk_id, item.reason) for item in found.dropped] == [(UUID(int=1003), DropReason.MERGED)]
    assert arranged([passage(1, "가", ordinal=1), passage(2, "나", ordinal=2)], limit=5, merge=False).dropped == ()


def test_anchors_and_provisions_of_merged_neighbours_stay_exact() -> None:
    first = passage(2, "첫째 줄\n둘째 줄", ordinal=1, provisions=(ProvisionMark(0, ("제3조", "제1항")),))
    second = passage(1, "셋째 줄\n넷째 줄", ordinal=2, provisions=(ProvisionMark(0, ("제3조", "제2항")),))
    [merged] = arranged([second, first], limit=5).passages
    for part in (first, second):
        for line in part.chunk.text.split("\n"):
            start, own = merged.chunk.text.index(line), part.chunk.text.index(line)
            assert merged.chunk.anchor_of(start, start + len(line)) == part.chunk.anchor_of(own, own + len(line))
            label = part.chunk.provision_of(own, own + len(line))
            assert merged.chunk.provision_of(start, start + len(line)) == label
    assert merged.anchor == LineAnchor(11, 22)


@pytest.mark.parametrize(
    "other",
    [
        passage(2, "나", ordinal=3),
        passage(2, "나", ordinal=2, document=2),
        passage(2, "나", ordinal=2, headings=("제2장",)),
        passage(2, "| 나 |", ordinal=2, kind=ElementKind.TABLE),
        passage(2, "나", ordinal=2, provisions=(ProvisionMark(0, ("제2조",)),)),
    ],
    ids=["a gap", "another document", "another section", "a table", "another article"],
)
def test_what_does_not_belong_together_is_not_merged(other: Passage) -> None:
    best = passage(1, "가", ordinal=1)
    assert arranged([best, other], limit=5).passages == (best, other)


def test_anchors_of_different_kinds_are_not_merged() -> None:
    best, other = passage(1, "가", ordinal=1), passage(2, "나", ordinal=2)
    other = replace(other, chunk=replace(other.chunk, anchor=ParagraphAnchor(1, 1)))
    assert len(arranged([best, other], limit=5).passages) == 2


def test_a_run_ends_at_three_chunks() -> None:
    chunks = [passage(number, f"문단 {number}번", ordinal=number) for number in range(1, 6)]
    found = arranged(chunks, limit=5).passages
    assert [item.ordinals for item in found] == [(1, 3), (4, 5)]


def test_a_document_does_not_fill_the_result_while_others_have_something() -> None:
    many = [passage(number, f"가{number}", ordinal=10 * number) for number in range(1, 5)]
    other = passage(5, "다른 문서", document=2)
    assert [p.chunk.text for p in arranged([*many, other], limit=3, max_per_document=2).passages] == [
        "가1",
        "가2",
        "다른 문서",
    ]
    # what was held back fills a result that would be short
    assert len(arranged([*many, other], limit=5, max_per_document=1).passages) == 5
    assert texts(arranged([*many, other], limit=3).passages) == ["가1", "가2", "가3"]


def test_boosts_are_off_by_default_and_shown_where_they_are_on() -> None:
    old, new = passage(1, "옛 규정"), passage(2, "새 규정", document=2)
    old = replace(old, score=1.0, source=replace(old.source, valid_from=NOW - timedelta(days=730)))
    new = replace(new, score=0.98)
    assert boosted([old, new], Boosts(), NOW, {}) == [old, new]
    [first, second] = boosted([old, new], Boosts(half_life_days=365, recency=0.1), NOW, {})
    assert (first.chunk.text, first.boosts) == ("새 규정", {"recency": 0.1})
    assert first.score == pytest.approx(0.98 * 1.1)
    assert second.boosts == {"recency": pytest.approx(0.025)}


def test_authority_lifts_what_an_attribute_names_and_no_more_than_its_weight() -> None:
    plain, official = passage(1, "게시판 글"), replace(passage(2, "규정", document=2), score=0.95)
    [first, second] = boosted([plain, official], Boosts(authority=0.2), NOW, {UUID(int=2): 7.0})
    assert (first.chunk.text, first.boosts) == ("규정", {"authority": 0.2})
    assert second.boosts == {}


@given(
    st.lists(
        st.tuples(st.integers(0, 8), st.integers(1, 3), st.sampled_from(["가", "나\n다", "라 1", "라 2"])), max_size=12
    )
)
def test_nothing_disappears_without_a_word(drawn: list[tuple[int, int, str]]) -> None:
    distinct = {(ordinal, document): text for ordinal, document, text in drawn}
    given_ = [
        passage(number, text, ordinal=ordinal, document=document)
        for number, ((ordinal, document), text) in enumerate(distinct.items(), start=1)
    ]
    found = arranged(given_, limit=50, max_per_document=1)
    shown = {key for item in found.passages for key in (item.members or (item.chunk.id,))}
    left_out = {item.chunk_id for item in found.dropped if item.reason is not DropReason.MERGED}
    assert shown | left_out == {item.chunk.id for item in given_}
    assert not shown & left_out
    assert [item.rank for item in found.passages] == list(range(1, len(found.passages) + 1))
    assert {item.shown_as for item in found.dropped} <= {item.chunk.id for item in given_}
