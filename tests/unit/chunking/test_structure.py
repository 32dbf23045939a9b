from __future__ import annotations

import re
import tracemalloc
from collections import Counter
from collections.abc import Sequence
from uuid import UUID, uuid5

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.chunking import base
from ingest.chunking.prose import prose_units
from ingest.chunking.structure import StructureChunker
from rag.domain.anchor import LineAnchor, PageAnchor, SheetAnchor
from rag.domain.document import Chunk, Element, ElementKind, ParsedDocument, chunk_id
from rag.domain.language import Language
from tests.unit.chunking.documents import (
    Block,
    Limit,
    code,
    count_words,
    document,
    heading,
    misplaced_lines,
    numbered,
    prose,
    source_lines,
    table,
)

VERSION = UUID(int=5)

# Words of two or three letters: how dense a text is varies little. What becomes of one that varies is tested by itself.
words = st.sampled_from(["연차", "휴가는", "15일", "이다.", "회사", "leave", "and", "pay.", "days"])
lines = st.lists(words, min_size=1, max_size=12).map(" ".join)
texts = st.lists(lines, min_size=1, max_size=5).map("\n".join)
tables = st.integers(1, 3).flatmap(
    lambda width: st.lists(st.lists(words, min_size=width, max_size=width), min_size=2, max_size=8).map(
        lambda rows: table(*rows)
    )
)
blocks = st.one_of(
    texts.map(prose),
    lines.map(lambda text: (ElementKind.LIST_ITEM, 0, text)),
    texts.map(code),
    tables,
    st.builds(heading, st.integers(1, 4), st.lists(words, min_size=1, max_size=2).map(" ".join)),
)
documents = st.lists(blocks, max_size=12).map(lambda chosen: document(*numbered(chosen)))
wordy = st.lists(blocks | st.builds(heading, st.integers(1, 3), lines), max_size=8).map(
    lambda chosen: document(*numbered(chosen))
)
"""With headings that take more than their half of the budget."""
limits = st.integers(40, 90)
"""Twice the longest table header above, and the longest heading path, fit."""


def chunked(parsed: ParsedDocument, limit: int = 40, source_key: str = "인사/취업규칙.md") -> list[Chunk]:
    return StructureChunker(Limit(limit)).chunk(parsed, VERSION, source_key)


def letters(texts: Sequence[str]) -> Counter[str]:
    return Counter("".join("".join(texts).split()))


def numbered_words(text: str) -> list[str]:
    """The words that `numbered` made, each of which stands in the document once."""
    return re.findall(r"[^\W\d]\d+", text)


@given(documents | wordy, limits)
def test_every_character_lies_in_a_chunk_or_a_heading_path_exactly_once(parsed: ParsedDocument, limit: int) -> None:
    chunks = chunked(parsed, limit)
    paths = {word for chunk in chunks for heading in chunk.heading_path for word in numbered_words(heading)}
    shown = Counter(word for chunk in chunks for word in numbered_words(chunk.text))
    every = [word for element in parsed.elements for word in numbered_words(element.text)]
    headers = {
        word
        for element in parsed.elements
        if element.kind is ElementKind.TABLE
        for word in numbered_words(element.text.split("\n")[0])
    }
    headings = {
        word
        for element in parsed.elements
        if element.kind is ElementKind.HEADING
        for word in numbered_words(element.text)
    }
    for word in every:
        assert shown[word] + (word in paths) >= 1
        # What heads several sections is text in a chunk with all of them, and in the path of one that holds another.
        assert shown[word] + (word in paths) == 1 or word in headers or (word in headings and shown[word] == 1)
    assert letters([e.text for e in parsed.elements]) <= letters([c.search_text for c in chunks])


@given(documents | wordy, limits)
def test_no_chunk_is_longer_than_the_budget(parsed: ParsedDocument, limit: int) -> None:
    for chunk in chunked(parsed, limit):
        [tokens] = count_words([chunk.search_text])
        assert tokens <= limit
        assert tokens == chunk.tokens + count_words(["\n".join(chunk.heading_path)])[0]


@given(documents | wordy, limits)
def test_every_line_points_to_where_it_stands(parsed: ParsedDocument, limit: int) -> None:
    chunks = chunked(parsed, limit)
    assert misplaced_lines(parsed, chunks) == []
    for chunk in chunks:
        assert not chunk.line_anchors or len(chunk.line_anchors) == chunk.text.count("\n") + 1
        assert chunk.anchor_of(0, len(chunk.text)) == chunk.anchor


@given(documents, limits)
def test_a_heading_inside_a_chunk_stands_in_its_text_and_in_no_path(parsed: ParsedDocument, limit: int) -> None:
    chunks = chunked(parsed, limit)
    paths = {heading for chunk in chunks for heading in chunk.heading_path}
    for element in parsed.elements:
        if element.kind is ElementKind.HEADING and isinstance(element.anchor, LineAnchor):
            inside = [chunk for chunk in chunks if element.text in chunk.text.split("\n")]
            assert len(inside) == (element.text not in paths)
            assert all(not _surrounds(chunk.anchor, element.anchor.first) for chunk in chunks if chunk not in inside)


def _surrounds(anchor: object, line: int) -> bool:
    return isinstance(anchor, LineAnchor) and anchor.first < line <= anchor.last


@given(documents, limits)
def test_chunks_come_in_document_order_and_are_never_blank(parsed: ParsedDocument, limit: int) -> None:
    chunks = chunked(parsed, limit)
    assert [chunk.ordinal for chunk in chunks] == list(range(len(chunks)))
    assert all(chunk.text.strip() for chunk in chunks)
    # A table's header is repeated, so only ends can be compared.
    ends = [chunk.anchor.last for chunk in chunks if isinstance(chunk.anchor, LineAnchor)]
    assert ends == sorted(ends)


@given(documents, limits)
def test_table_rows_are_whole_and_under_their_header(parsed: ParsedDocument, limit: int) -> None:
    rows = [line for line in source_lines(parsed).values() if line.startswith("|")]
    for chunk in chunked(parsed, limit):
        shown = [line for line in chunk.text.split("\n") if "|" in line]
        assert set(shown) <= set(rows)
        if chunk.kind is ElementKind.TABLE:
            assert set(shown[1]) <= set("|- ")


@given(documents, limits)
def test_ids_are_the_same_every_time_and_never_shared(parsed: ParsedDocument, limit: int) -> None:
    chunks = chunked(parsed, limit)
    assert chunks == chunked(parsed, limit)
    assert [chunk.id for chunk in chunks] == [chunk_id(VERSION, "test/1+structure/5", i) for i in range(len(chunks))]
    assert len({chunk.id for chunk in chunks}) == len(chunks)


def test_another_version_or_parser_gives_other_ids() -> None:
    parsed = document(prose("연차휴가는 15일이다."))
    [chunk] = chunked(parsed)
    [other] = StructureChunker(Limit(40)).chunk(parsed, uuid5(VERSION, "2"), "취업규칙.md")
    [reparsed] = chunked(ParsedDocument("", "text/plain", "test/2", parsed.elements))
    assert len({chunk.id, other.id, reparsed.id}) == 3


def paths(*blocks: Block, title: str = "취업규칙") -> list[tuple[tuple[str, ...], str]]:
    return [(chunk.heading_path, chunk.text) for chunk in chunked(document(*blocks, title=title))]


def test_headings_nest_by_their_level() -> None:
    assert paths(
        prose("머리말"),
        heading(1, "제1장 총칙"),
        heading(2, "제1조 목적"),
        prose("가 " * 14),
        heading(2, "제2조 정의"),
        heading(4, "1. 사원"),
        prose("나 " * 14),
        heading(3, "2. 임원"),
        prose("다 " * 14),
        heading(1, "제2장 휴가"),
        prose("라 " * 14),
    ) == [
        (("취업규칙",), "머리말"),
        (("취업규칙", "제1장 총칙", "제1조 목적"), "가 " * 14),
        (("취업규칙", "제1장 총칙", "제2조 정의", "1. 사원"), "나 " * 14),
        (("취업규칙", "제1장 총칙", "제2조 정의", "2. 임원"), "다 " * 14),
        (("취업규칙", "제2장 휴가"), "라 " * 14),
    ]


def test_small_sections_share_a_chunk_under_the_headings_that_they_have_in_common() -> None:
    assert paths(
        heading(1, "안내"),
        heading(2, "휴가"),
        heading(3, "연차"),
        prose("15일이다."),
        heading(3, "병가"),
        prose("60일이다."),
        heading(2, "급여"),
        prose("가 " * 30),
        heading(2, "끝"),
    ) == [
        (("취업규칙", "안내", "휴가"), "연차\n\n15일이다.\n\n병가\n\n60일이다."),
        (("취업규칙", "안내"), "급여\n\n" + "가 " * 30 + "\n\n끝"),
    ]


def test_sections_of_different_chapters_stay_apart() -> None:
    assert [path for path, _ in paths(
        heading(1, "안내"), heading(2, "휴가"), prose("15일이다."), heading(1, "급여"), heading(2, "상여"), prose("없다."),
    )] == [("취업규칙", "안내", "휴가"), ("취업규칙", "급여", "상여")]  # fmt: skip


def test_an_article_of_any_length_does_not_take_in_a_neighbour() -> None:
    assert [path[-1] for path, _ in paths(
        heading(1, "제1장 총칙"),
        heading(2, "제1조(목적)"), prose("이 규칙은 근로조건을 정한다."),
        heading(2, "제2조(적용)"), prose("모든 직원에게 적용한다."),
    )] == ["제1조(목적)", "제2조(적용)"]  # fmt: skip


def test_a_list_stays_with_its_lead_in() -> None:
    items = [(ElementKind.LIST_ITEM, 0, f"- 항목 {number} 이다") for number in range(3)]
    chunks = chunked(document(prose("가 " * 28), prose("다음과 같다 나 다 라:"), *items, title="ㄱ"), 41)
    assert [chunk.text.split("\n")[0].strip() for chunk in chunks] == [("가 " * 28).strip(), "다음과 같다 나 다 라:"]


def test_a_caption_goes_with_the_first_part_of_its_table() -> None:
    rows = [["구분", "한도"], *[[f"{number}호", "백만 원 이하"] for number in range(20)]]
    first, *others = chunked(document(prose("가 " * 30), prose("표 1 한도"), table(*rows), title="ㄱ"), 41)
    assert first.text.strip() == ("가 " * 30).strip()
    assert [chunk.text.startswith("표 1 한도") for chunk in others] == [True, *[False] * (len(others) - 1)]
    assert all("| 구분 | 한도 |" in chunk.text for chunk in others)


@pytest.mark.parametrize(
    ("line", "below"),
    [("추진 배경", True), ("Background:", True), ("배경을 설명한다.", False), ("Good evening.", False)],
)
def test_a_short_line_that_is_no_sentence_goes_with_the_text_below(line: str, below: bool) -> None:
    before = " ".join(["앞글"] * 20)
    after = " ".join(["뒷글은"] * 26)
    first, second = chunked(document(prose(before + "."), prose(line), prose(after + ".")), limit=30)
    assert second.text.startswith(line) == below
    assert first.text.endswith(line) != below


def test_a_heading_with_nothing_below_becomes_a_text() -> None:
    assert paths(
        heading(1, "제1장 총칙"),
        heading(1, "제2장 휴가"),
        heading(2, "제3조 (삭제)"),
        heading(2, "제4조 병가"),
        prose("가 " * 14),
        heading(1, "부칙"),
    ) == [
        (("취업규칙",), "제1장 총칙"),
        (("취업규칙", "제2장 휴가"), "제3조 (삭제)"),
        (("취업규칙", "제2장 휴가", "제4조 병가"), "가 " * 14),
        (("취업규칙",), "부칙"),
    ]


def test_a_heading_above_a_blank_text_is_not_lost() -> None:
    assert any("부칙" in text for _, text in paths(heading(1, "부칙"), prose(" \n ")))


def test_the_title_is_not_repeated_above_the_heading_that_it_was_taken_from() -> None:
    assert paths(heading(1, "취업 \n규칙"), prose("가"), title="취업 규칙") == [(("취업 규칙",), "가")]


def test_without_a_title_the_file_name_stands_above() -> None:
    assert paths(prose("가"), title="") == [(("취업규칙",), "가")]


def test_small_elements_share_a_chunk_with_a_blank_line_between() -> None:
    [chunk] = chunked(document(prose("연차휴가는\n15일이다."), (ElementKind.LIST_ITEM, 0, "1. 병가"), prose("끝")))
    assert chunk.text == "연차휴가는\n15일이다.\n\n1. 병가\n\n끝"
    assert chunk.line_anchors == tuple(LineAnchor(n, n) for n in (1, 2, 2, 3, 3, 4))
    assert (chunk.kind, chunk.anchor) == (ElementKind.TEXT, LineAnchor(1, 4))


def test_elements_on_different_sheets_never_share_a_chunk() -> None:
    elements = [
        Element(ElementKind.TABLE, "| 부장 | 1 |", SheetAnchor(sheet, "A1:B1")) for sheet in ("한도", "한도", "요율")
    ]
    chunks = chunked(ParsedDocument("표", "x/y", "xlsx/1", tuple(elements)))
    assert [chunk.anchor for chunk in chunks] == [SheetAnchor("한도", "A1:B1"), SheetAnchor("요율", "A1:B1")]


def test_an_element_without_line_anchors_keeps_its_own() -> None:
    page = PageAnchor(3, 3, ((3, (0.0, 0.0, 1.0, 1.0)),))
    [chunk] = chunked(
        ParsedDocument("안내", "x/y", "pdf/1", (Element(ElementKind.TEXT, "연차휴가는\n15일이다.", page),))
    )
    assert (chunk.anchor, chunk.line_anchors) == (page, ())


@pytest.mark.parametrize(
    ("blocks", "language"),
    [
        ([prose("연차휴가는 15일이다. API 문서를 보라.")], Language.KOREAN),
        ([prose("The annual leave is fifteen days.")], Language.ENGLISH),
        ([code("def 휴가(): return 15")], Language.CODE),
        ([prose("다음 함수로 계산한다."), code("def leave(days): return days")], Language.KOREAN),
        ([prose("123 456")], Language.OTHER),
    ],
)
def test_each_section_has_one_language(blocks: list[Block], language: Language) -> None:
    assert {chunk.language for chunk in chunked(document(*blocks))} == {language}


def test_sections_have_languages_of_their_own() -> None:
    parsed = document(
        heading(1, "휴가"),
        prose("연차휴가는 15일이다."),
        heading(1, "Leave"),
        prose("There are fifteen days of leave."),
    )
    assert [chunk.language for chunk in chunked(parsed)] == [Language.KOREAN, Language.ENGLISH]


def test_headings_that_leave_no_room_become_text() -> None:
    rule, article = "제1장 " * 9, "제1조 " * 3
    [chunk] = chunked(document(heading(1, rule), heading(2, article), prose("연차휴가는 " * 9)), 22)
    assert chunk.heading_path == ("제1조 제1조 제1조",)
    assert chunk.text.split("\n\n") == [rule, "연차휴가는 " * 9]
    assert count_words([chunk.search_text])[0] <= 22


@pytest.mark.parametrize("blocks", [[], [prose("")], [prose(" \n\t")]])
def test_a_document_without_text_has_no_chunks(blocks: list[Block]) -> None:
    assert chunked(document(*blocks)) == []


class Counting:
    """Counts words, and what it was asked."""

    def __init__(self) -> None:
        self.characters = 0
        self.largest = 0

    def __call__(self, texts: Sequence[str]) -> list[int]:
        size = sum(map(len, texts))
        self.characters += size
        self.largest = max(self.largest, size)
        return count_words(texts)


LONG = "The clerk files the form with the office before noon on each day of the week. "


@pytest.mark.parametrize(
    "block",
    [
        prose(LONG * 3_000),
        prose(LONG.replace(" ", "\n") * 500),
        prose("가" * 300_000),
        table(["이름", "값"], *[[f"이름{number}", f"{number}"] for number in range(8_000)]),
        code("\n\n".join(f"def f{number}(a):\n    return a + {number}" for number in range(8_000))),
    ],
    ids=["one line", "short lines", "no blanks", "table", "code"],
)
def test_the_tokenizer_sees_a_large_document_in_batches_and_a_bounded_number_of_times(block: Block) -> None:
    counter = Counting()
    chunks = StructureChunker(Limit(240, counter)).chunk(document(block), VERSION, "a.py")
    size = len(block[2])
    assert chunks[-1].text.split()[-1] == block[2].split()[-1] or "가" * 100 in chunks[-1].text
    assert counter.characters < 4 * size
    assert counter.largest <= 1 << 18


def test_sections_without_tokens_do_not_grow_into_one() -> None:
    blocks = [block for number in range(1000) for block in (heading(2, f"{number}"), prose("…"))]
    chunks = StructureChunker(Limit(40, lambda texts: [0] * len(texts))).chunk(document(*blocks), VERSION, "a.md")
    assert len(chunks) >= 1000 / 64


def test_a_book_is_cut_with_pauses_and_what_a_pause_raises_ends_it() -> None:
    book = document(*[prose("연차 휴가는 15일 이다.\n" * 60) for _ in range(2000)])
    pauses = iter(range(3))

    def pause() -> None:
        if next(pauses, None) is None:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        StructureChunker(Limit(40)).chunk(book, VERSION, "책.md", pause)


def test_very_many_short_lines_all_lie_in_chunks_at_their_places() -> None:
    parsed = document(prose("\n".join(["a"] * 40_000)))
    chunks = chunked(parsed, 256)
    assert sum(chunk.text.count("a") for chunk in chunks) == 40_000
    assert misplaced_lines(parsed, chunks) == []
    assert max(chunk.tokens for chunk in chunks) <= 256


@pytest.mark.parametrize(("lines", "together"), [(4_000, False), (10_000, True)])
def test_lines_go_together_where_there_are_very_many(lines: int, together: bool) -> None:
    block = base.Block(document(prose("\n".join(["a"] * lines))).elements[0])
    units = prose_units(block, base.Room(256, 0, count_words), Language.ENGLISH)
    assert "".join(unit.text for unit in units) == block.text
    assert (len(units) < lines / 8) is together


def test_sentences_of_a_long_block_are_not_all_held_on_the_way() -> None:
    parsed = document(prose("\n".join(["a"] * 40_000)))
    tracemalloc.start()
    try:
        chunks = chunked(parsed, 256)
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert sum(chunk.text.count("a") for chunk in chunks) == 40_000
    assert most < 150 * 40_000  # 320 for each line, when spans, texts and counts of all of them were held together
