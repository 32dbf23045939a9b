from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rag.domain.anchor import LineAnchor, ParagraphAnchor, SheetAnchor
from rag.domain.answer import Answer, Citation, Sentence, Support
from rag.domain.document import Chunk
from rag.domain.passage import Passage
from tests.support.passages import make_chunk, make_passage

LEAVE = make_passage(
    "연차휴가는 15일이다.\n"
    "신청 기한은 2024-03-31 18:00까지, 지급 한도는 1,500,000원(월급의 30%), 지원금은 50만원이다.\n"
    "제1,2항에 따른다. 첨부 파일은 20 MB까지이며 양식 HR-60을 쓴다.",
    headings=["취업규칙", "제60조 연차 유급휴가"],
)
TRAVEL = make_passage("출장비 한도는 5만원이다.", rank=2)


def whole(passage: Passage = LEAVE, number: int = 1) -> Citation:
    return Citation(number, passage, 0, len(passage.chunk.text))


@pytest.mark.parametrize(("start", "end"), [(0, 0), (5, 5), (6, 5), (-1, 3), (-3, -1), (0, 10_000), (10_000, 10_001)])
def test_a_citation_outside_its_passage_cannot_be_built(start: int, end: int) -> None:
    with pytest.raises(ValueError, match="span"):
        Citation(1, LEAVE, start, end)


def test_a_citation_of_blanks_cannot_be_built() -> None:
    with pytest.raises(ValueError, match="span"):
        Citation(1, make_passage("가  \n\u3000 나"), 1, 5)


@pytest.mark.parametrize("number", [0, -1])
def test_markers_count_from_one(number: int) -> None:
    with pytest.raises(ValueError, match="from 1"):
        Citation(number, LEAVE, 0, 3)


@given(st.data())
def test_a_citation_quotes_its_span_and_stands_where_it_stands(data: st.DataObject) -> None:
    text = LEAVE.chunk.text
    start = data.draw(st.integers(0, len(text) - 1))
    end = data.draw(st.integers(start + 1, len(text)))
    if not text[start:end].strip():
        return
    citation = Citation(1, LEAVE, start, end)
    assert citation.quote == text[start:end]
    assert citation.anchor == LEAVE.chunk.anchor_of(start, end)


@pytest.mark.parametrize("support", [Support.SUPPORTED, Support.VERBATIM])
def test_a_sentence_without_citation_is_unsupported_or_nothing(support: Support) -> None:
    with pytest.raises(ValueError, match="citation"):
        Sentence("연차휴가가 있다.", (), support)
    assert Sentence("연차휴가가 있다.", (), Support.UNSUPPORTED).citations == ()


def test_verbatim_means_the_same_words() -> None:
    citation = Citation(1, LEAVE, 0, 12)
    assert Sentence(citation.quote, (citation,), Support.VERBATIM).text == "연차휴가는 15일이다."
    for text in ("연차휴가는 15일.", citation.quote + " ", ""):
        with pytest.raises(ValueError, match="not the words"):
            Sentence(text, (citation,), Support.VERBATIM)


def test_verbatim_of_several_spans_is_one_per_line() -> None:
    citations = (Citation(1, LEAVE, 0, 5), Citation(2, TRAVEL, 0, 3))
    assert Sentence("연차휴가는\n출장비", citations, Support.VERBATIM).citations == citations
    with pytest.raises(ValueError, match="not the words"):
        Sentence("출장비\n연차휴가는", citations, Support.VERBATIM)


def test_words_of_two_quotes_are_not_read_as_one() -> None:
    passage = make_passage("정원은 15\n(단위: 명)\n일정은 따로 정한다.")
    quotes = (Citation(1, passage, 0, 6), Citation(1, passage, 15, 26))
    assert Sentence("정원은 15\n일정은 따로 정한다.", quotes, Support.VERBATIM)


@pytest.mark.parametrize(
    "text",
    [
        "연차는 15일입니다.",
        "신청은 2024-03-31 18:00에 끝납니다.",
        "한도는 1500000원입니다.",
        "한도는 1,500,000원입니다.",
        "한도는 1,500,000 원입니다.",
        "월급의 30 %입니다.",
        "월급의 ３０％입니다.",
        "지원금은 50만 원입니다.",
        "제60조가 정합니다.",
        "숫자가 없는 문장입니다.",
    ],
)
def test_a_sentence_with_the_facts_of_its_passage_is_supported(text: str) -> None:
    assert Sentence(text, (whole(),), Support.SUPPORTED).text == text


@pytest.mark.parametrize(
    "text",
    [
        "연차는 16일입니다.",
        "연차는 5일입니다.",
        "연차는 150일입니다.",
        "신청은 2024-03-30에 끝납니다.",
        "신청은 17:00에 끝납니다.",
        "한도는 1,500,001원입니다.",
        "한도는 15,00,000,0원입니다.",
        "월급의 30.5%입니다.",
        "제61조가 정합니다.",
        "연차는 15일, 그중 3일은 여름에 씁니다.",
        "연차는 １６일입니다.",
        "한도는 15개월입니다.",
        "한도는 1,500,000달러입니다.",
        "한도는 1,500,000만원입니다.",
        "제12항에 따릅니다.",
        "첨부 파일은 20 GB까지입니다.",
        "양식 FI-60을 씁니다.",
    ],
)
def test_a_sentence_with_a_fact_that_its_passage_does_not_hold_cannot_be_built(text: str) -> None:
    with pytest.raises(ValueError, match="not in the cited passages"):
        Sentence(text, (whole(),), Support.SUPPORTED)
    assert Sentence(text, (whole(),), Support.UNSUPPORTED).text == text


@given(st.integers(0, 10**12))
def test_no_number_is_invented(number: int) -> None:
    held = {0, 1, 2, 3, 12, 15, 18, 20, 30, 31, 50, 60, 2024, 1_500_000}
    if number in held:
        return
    with pytest.raises(ValueError, match=str(number)):
        Sentence(f"값은 {number}이다.", (whole(),), Support.SUPPORTED)


def test_a_fact_may_come_from_any_cited_passage_but_not_from_another() -> None:
    text = "한도는 5만원이고 연차는 15일이다."
    assert Sentence(text, (whole(), whole(TRAVEL, 2)), Support.SUPPORTED)
    with pytest.raises(ValueError, match="15"):
        Sentence(text, (whole(TRAVEL),), Support.SUPPORTED)


def test_an_answer_has_sentences() -> None:
    with pytest.raises(ValueError, match="Abstention"):
        Answer(())
    assert Answer((Sentence("모른다.", (), Support.UNSUPPORTED),)).sentences


@given(st.lists(st.text(alphabet="가나 ab", max_size=6), min_size=1, max_size=6), st.data())
def test_an_anchor_covers_exactly_the_lines_of_its_span(texts: list[str], data: st.DataObject) -> None:
    text = "\n".join(texts)
    chunk = make_chunk(text, line_anchors=[LineAnchor(100 + i, 100 + i) for i in range(len(texts))])
    if not text:
        return
    start = data.draw(st.integers(0, len(text) - 1))
    end = data.draw(st.integers(start + 1, len(text)))
    # A line feed belongs to the line that it ends.
    first, last = (100 + text.count("\n", 0, position) for position in (start, end - 1))
    assert chunk.anchor_of(start, end) == LineAnchor(first, last)


def test_table_rows_have_ranges_of_their_own() -> None:
    rows = [SheetAnchor("한도", f"A{row}:D{row}") for row in (1, 7, 9)]
    chunk = make_chunk("| 직급 |\n| 부장 |\n| 과장 |", line_anchors=rows)
    assert chunk.anchor_of(9, 14) == rows[1]
    assert chunk.anchor_of(0, 14) == SheetAnchor("한도", "A1:D7")
    assert chunk.anchor_of(0, len(chunk.text)) == SheetAnchor("한도", "A1:D9")


def test_without_line_anchors_the_chunks_own_counts() -> None:
    assert make_chunk("첫째 줄\n둘째 줄").anchor_of(6, 8) == ParagraphAnchor(1, 1)


def test_the_heading_path_is_searched_but_never_quoted() -> None:
    chunk: Chunk = LEAVE.chunk
    assert chunk.search_text == f"취업규칙\n제60조 연차 유급휴가\n{chunk.text}"
    assert "취업규칙" not in whole().quote
