"""Statutes and rules: what each part of a text is cited as, and what it refers to."""

from __future__ import annotations

from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.chunking.references import references
from ingest.chunking.structure import StructureChunker
from rag.domain.anchor import LineAnchor
from rag.domain.document import Chunk, ElementKind
from tests.unit.chunking.documents import Block, Limit, document, heading, misplaced_lines, prose, table

ARTICLE = """① 사용자는 1년간 80퍼센트 이상 출근한 근로자에게 15일의 휴가를 준다.
② 다음 각 호의 사람에게는 제1항을 적용하지 않는다.
1. 등기 임원
2. 다음 각 목의 사람
  가. 파견근로자
  나. 일용근로자
3. 그 밖에 회사가 정하는 사람
③ 제2항제2호나목의 사람에게는 「근로기준법」 제60조에 따른다."""

MARKDOWN = ARTICLE.replace("① ", "**①** ").replace("1. ", "1\\. ").replace("가. ", "가\\. ")


def chunks_of(*blocks: Block, limit: int = 400, title: str = "취업규칙") -> list[Chunk]:
    return StructureChunker(Limit(limit)).chunk(document(*blocks, title=title), UUID(int=5), "취업규칙.txt")


def line_labels(chunks: list[Chunk]) -> list[str]:
    found = []
    for chunk in chunks:
        start = 0
        for line in chunk.text.split("\n"):
            if line.strip():
                found.append(chunk.provision_of(start, start + len(line)))
            start += len(line) + 1
    return found


EXPECTED = [
    "제24조제1항", "제24조제2항", "제24조제2항제1호", "제24조제2항제2호", "제24조제2항제2호가목", "제24조제2항제2호나목",
    "제24조제2항제3호", "제24조제3항",
]  # fmt: skip


@pytest.mark.parametrize(
    "blocks",
    [
        [heading(5, "제24조(연차휴가)"), prose(ARTICLE)],
        [heading(2, "제24조 (연차휴가)"), *(prose(line) for line in ARTICLE.split("\n"))],
        [prose("제24조(연차휴가) " + ARTICLE)],
        [prose("제24조【연차휴가】\n" + ARTICLE)],
        [heading(3, "제24조(연차휴가)"), prose(MARKDOWN)],
        [heading(3, "제 24 조 연차휴가"), *((ElementKind.LIST_ITEM, 0, line) for line in ARTICLE.split("\n"))],
    ],
    ids=["one element", "paragraphs", "title in the text", "other brackets", "markdown kept", "list items"],
)  # fmt: skip
def test_paragraphs_items_and_sub_items_have_their_labels_in_every_form(blocks: list[Block]) -> None:
    assert line_labels(chunks_of(*blocks)) == EXPECTED


def test_an_article_in_a_paragraph_becomes_a_heading() -> None:
    chunks = chunks_of(
        prose("제1장 총칙"),
        prose("제1조(목적) 이 규칙은 근로조건을 정한다. " + "가 " * 60),
        prose("제2조(정의) ① 직원이란 회사와 근로계약을 맺은 사람이다.\n② 회사란 은행이다. " + "가 " * 60),
        prose("제2장 채용"),
        prose("제3조(원칙) 공개경쟁으로 한다. " + "가 " * 60),
        prose("부      칙"),
        prose("제1조(시행일) 이 규칙은 2025년 7월 1일부터 시행한다. " + "가 " * 60),
    )
    assert [(chunk.heading_path[1:], chunk.provision) for chunk in chunks] == [
        (("제1장 총칙", "제1조(목적)"), "제1조"),
        (("제1장 총칙", "제2조(정의)"), "제2조제1항–제2항"),
        (("제2장 채용", "제3조(원칙)"), "제3조"),
        (("부 칙", "제1조(시행일)"), "부칙 제1조"),
    ]


def test_the_anchors_of_an_article_found_in_a_paragraph_are_exact() -> None:
    parsed = document(prose("머리말\n제1조(목적) 가\n나\n제2조(정의) ① 다\n② 라"), title="규칙")
    chunks = StructureChunker(Limit(60)).chunk(parsed, UUID(int=5), "a.txt")
    assert misplaced_lines(parsed, chunks) == []
    assert {c.provision: c.anchor for c in chunks if c.provision.startswith("제2조")} == {
        "제2조제1항–제2항": LineAnchor(4, 5)
    }


@pytest.mark.parametrize(
    "text",
    [
        "제5조에 따라 회사는 휴가를 준다.",
        "제5조(휴가)에 따라 회사는 휴가를 준다.",
        "제5조 및 제6조의 규정은 적용하지 않는다.",
        "제3장의 규정을 준용한다.",
        "별표 1에 따른다.",
        "제1항의 경우에는 그러하지 아니하다.",
    ],
)
def test_a_citation_at_the_start_of_a_line_begins_nothing(text: str) -> None:
    [chunk] = chunks_of(heading(5, "제9조(휴가)"), prose(text))
    assert (chunk.provision, chunk.heading_path) == ("제9조", ("취업규칙", "제9조(휴가)"))


@pytest.mark.parametrize(
    ("head", "label"),
    [
        ("제12조의2(명령휴가)", "제12조의2"),
        ("제 12 조의 2 (명령휴가)", "제12조의2"),
        ("부칙", "부칙"),
        ("부칙 제2조(경과조치)", "부칙 제2조"),
        ("부      칙 <2025. 6. 20.>", "부칙"),
        ("별표 1(경조휴가 일수)", "별표 1"),
        ("[별표 3의2] 양정기준", "별표 3의2"),
        ("[별지 제1호서식] 휴가신청서", "별지 제1호서식"),
        ("제2장 채용", "제2장"),
        ("제1편 총칙", "제1편"),
        ("Article 3 Definitions", "Article 3"),
        ("Section 4.2 Termination", "Section 4.2"),
        ("휴가 안내", ""),
        ("1. 개요", ""),
    ],
)
def test_headings_name_what_follows(head: str, label: str) -> None:
    [chunk] = chunks_of(heading(3, head), prose("가나다라 마바사."))
    assert chunk.provision == label


def test_a_heading_of_another_kind_ends_the_rule() -> None:
    chunks = chunks_of(
        heading(1, "제1조(목적)"), prose("가 " * 50),
        heading(2, "해설"), prose("나 " * 200),
        heading(1, "연락처"), prose("다 " * 130),
    )  # fmt: skip
    assert [chunk.provision for chunk in chunks] == ["제1조", "제1조", ""]


def test_a_table_and_a_closing_text_belong_to_the_paragraph_and_not_to_its_last_item() -> None:
    [chunk] = chunks_of(
        heading(2, "제7조(한도)"),
        prose("① 한도는 다음과 같다."),
        prose("1. 부장: 500만원"),
        prose("다만, 예외가 있다."),
        table(["직급", "한도"], ["부장", "500"]),
        prose("② 시행은 내일부터 한다."),
    )
    assert line_labels([chunk]) == [
        "제7조제1항",
        "제7조제1항제1호",
        "제7조제1항",
        *["제7조제1항"] * 3,
        "제7조제2항",
    ]


def test_paragraphs_on_one_line_are_told_apart() -> None:
    text = "① 휴가는 15일이다. ② 병가는 60일이다. 다만, ①의 휴가는 제외한다. ③ 끝이다."
    [chunk] = chunks_of(heading(2, "제7조(휴가)"), prose(text))
    for quote, label in (
        ("휴가는 15일", "제7조제1항"),
        ("병가는 60일", "제7조제2항"),
        ("①의 휴가", "제7조제2항"),
        ("끝이다", "제7조제3항"),
    ):
        start = text.index(quote)
        assert chunk.provision_of(start, start + len(quote)) == label
    assert chunk.provision_of(0, len(text)) == "제7조제1항–제3항"


def test_dates_and_wrapped_lines_are_no_items() -> None:
    text = "① 이 규정은\n2025. 7. 1. 부터 시행하며 부득이\n한 경우에 한하여 정\n다. 그 밖의 사항은 따로 정한다.\n1. 가\n48. 나"
    [chunk] = chunks_of(heading(2, "제7조(시행)"), prose(text))
    assert line_labels([chunk]) == [*["제7조제1항"] * 4, "제7조제1항제1호", "제7조제1항제1호"]


def test_a_repealed_item_may_be_missing() -> None:
    [chunk] = chunks_of(heading(2, "제7조(사유)"), prose("1. 가\n3. 나\n3의2. 다"))
    assert line_labels([chunk]) == ["제7조제1호", "제7조제3호", "제7조제3호의2"]


def test_a_document_of_one_article_is_named_by_its_title() -> None:
    [chunk] = chunks_of(prose("**①** 조합은 등기한다."), title="신용협동조합법 시행령 제6조 해산 및 청산종결등기")
    assert chunk.provision == "제6조제1항"
    [other] = chunks_of(prose("① 조합은 등기한다."), title="신용협동조합법 해설")
    assert other.provision == ""


def test_a_long_article_is_cut_between_paragraphs_and_each_part_repeats_its_title() -> None:
    blocks = [prose(f"{sign} " + "가 " * 30) for sign in "①②③④⑤⑥"]
    chunks = chunks_of(heading(1, "제5장 휴가"), heading(2, "제24조(연차휴가)"), *blocks, limit=100)
    assert [chunk.provision for chunk in chunks] == ["제24조제1항–제3항", "제24조제4항–제6항"]
    assert {chunk.heading_path for chunk in chunks} == {("취업규칙", "제5장 휴가", "제24조(연차휴가)")}


def test_tiny_articles_go_together_within_their_chapter_only() -> None:
    chunks = chunks_of(
        heading(1, "제1장 총칙"),
        heading(2, "제3조(정의)"), prose("뜻은 법에 따른다."),
        heading(2, "제4조(적용)"), prose("모두에게 적용한다."),
        heading(1, "제2장 채용"),
        heading(2, "제5조(원칙)"), prose("공개로 한다."),
    )  # fmt: skip
    assert [(chunk.heading_path[1:], chunk.provision) for chunk in chunks] == [
        (("제1장 총칙",), "제3조–제4조"),
        (("제2장 채용", "제5조(원칙)"), "제5조"),
    ]
    assert line_labels(chunks) == ["제3조", "제3조", "제4조", "제4조", "제5조"]


HERE = ("제24조", "제2항", "제1호")


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("제5조제1항에 따라", ["제5조제1항"]),
        ("제5조 제1항 제2호 가목에 따라", ["제5조제1항제2호가목"]),
        ("제12조의2에 따른 휴가", ["제12조의2"]),
        ("제9조, 제11조 및 제39조와 관련된", ["제9조", "제11조", "제39조"]),
        ("제190조제1항ㆍ제3항ㆍ제4항", ["제190조제1항", "제190조제3항", "제190조제4항"]),
        ("제6조제2항 및 제3항", ["제6조제2항", "제6조제3항"]),
        ("제6항부터 제10항까지", ["제24조제6항–제10항"]),
        ("제13조부터 제15조까지", ["제13조–제15조"]),
        ("제5조에 따른다. 같은 조 제2항은", ["제5조", "제5조제2항"]),
        ("제5조제2항에 따르며 같은 항 제3호의", ["제5조제2항", "제5조제2항제3호"]),
        ("「근로기준법」 제50조에 따라", ["근로기준법 제50조"]),
        ("「상법」 제382조, 제385조 및 제386조", ["상법 제382조", "상법 제385조", "상법 제386조"]),
        ("「상법」 제382조와 같은 법 제385조", ["상법 제382조", "상법 제385조"]),
        ("「상법」에 따른 회사", ["상법"]),
        ("법 제335조의12제2항제3호에서", ["법 제335조의12제2항제3호"]),
        ("제1항에도 불구하고", ["제24조제1항"]),
        ("제3호의 경우", ["제24조제2항제3호"]),
        ("이 조 제1항", ["제24조제1항"]),
        ("전항의 경우", ["제24조제1항"]),
        ("전조의 휴가", ["제23조"]),
        ("별표 1에 따른다", ["별표 1"]),
        ("별지 제3호서식으로 신청한다", ["별지 제3호서식"]),
        ("부칙 제2조에 따른다", ["부칙 제2조"]),
        ("제24조제2항에 따른", []),
        ("이 규칙에 따른다. 방법, 제도, 제3자", []),
        ("제5조와 제5조제1항과 제5조", ["제5조", "제5조제1항"]),
    ],
)
def test_references_are_found_and_completed(text: str, found: list[str]) -> None:
    assert list(references(text, lambda offset: HERE)) == found


def test_a_chunk_keeps_its_references() -> None:
    [chunk] = chunks_of(heading(2, "제24조(연차휴가)"), prose(ARTICLE))
    assert chunk.references == ("제24조제1항", "제24조제2항제2호나목", "근로기준법 제60조")


@pytest.mark.parametrize(
    ("title", "found"),
    [
        ("[별표 1] 국내 여비 지급 기준(제10조 관련)", ("제10조", "제3조")),
        ("[별표 2] 과태료의 부과기준（제4조제1항 및 제7조 관련）", ("제4조제1항", "제7조", "제3조")),
        ("[별지 제3호서식] 신청서(「여비 규정」 제5조 관련)", ("여비 규정 제5조", "제3조")),
        ("[별표 3] 기준(제3조관련)", ("제3조",)),
        ("[별표 4] 업무 관련 기준(안)", ("제3조",)),
    ],
)
def test_what_an_annex_belongs_to_is_a_reference_of_its_chunks(title: str, found: tuple[str, ...]) -> None:
    text = "숙박비는 하루 7만원까지 지급하며 제3조에 따라 미리 승인을 받은 경우에는 실비로 지급할 수 있다. " * 6
    chunks = chunks_of(heading(1, title), prose(text), limit=60)
    assert len(chunks) > 1
    assert {chunk.references for chunk in chunks} == {found}


pieces = st.sampled_from(
    ["제3조(정의)", "제12조의2", "제1장 총칙", "①", "②", "㉑", "1.", "2.", "가.", "나.", "부칙", "별표 1", "제1항",
     "같은 조", "「상법」", "제5조제1항에", "휴가", "이다.", "부터", "및", "\n", "\n", " ", "「", "전항"]
)  # fmt: skip


@given(st.lists(pieces, max_size=40).map("".join), st.integers(20, 60))
def test_any_text_keeps_its_characters_and_has_marks_inside_it(text: str, limit: int) -> None:
    parsed = document(prose(text), title="규칙")
    chunks = StructureChunker(Limit(limit)).chunk(parsed, UUID(int=5), "a.txt")
    shown = "".join("".join(c.search_text for c in chunks).split())
    assert all(shown.count(letter) >= "".join(text.split()).count(letter) for letter in set(text) if letter.strip())
    for chunk in chunks:
        starts = [mark.start for mark in chunk.provisions]
        assert starts == sorted(set(starts))
        assert all(0 <= start < len(chunk.text) for start in starts)
