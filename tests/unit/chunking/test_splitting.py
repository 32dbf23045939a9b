"""The cuts inside one element: sentences, rows, syntax."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Literal
from uuid import UUID

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from langchain_text_splitters import RecursiveCharacterTextSplitter, TextSplitter

import ingest
from ingest.chunking import splitting
from ingest.chunking.base import Block, Room, TokenCounter, Unit
from ingest.chunking.code import code_units, separators_for
from ingest.chunking.prose import item_rank, prose_units
from ingest.chunking.structure import StructureChunker
from ingest.chunking.table import table_units
from rag.domain.anchor import LineAnchor
from rag.domain.document import Chunk, Element, ElementKind
from rag.domain.language import Language
from tests.unit.chunking.documents import (
    Block as Parsed,
)
from tests.unit.chunking.documents import (
    Limit,
    code,
    count_characters,
    count_words,
    document,
    misplaced_lines,
    prose,
    source_lines,
    table,
)

KOREAN = (
    "사용자는 1년간 80퍼센트 이상 출근한 근로자에게 15일의 유급휴가를 주어야 한다. "
    "계속하여 근로한 기간이 1년 미만인 근로자에게는 1개월 개근 시 1일의 유급휴가를 준다. "
    "휴가는 근로자가 청구한 시기에 주어야 하며, 그 기간에 대하여는 통상임금을 지급하여야 한다.\n"
) * 6
SAMPLES = Path(ingest.__path__[0]) / "samples"


def room(limit: int, count: TokenCounter = count_words) -> Room:
    return Room(limit, 0, count)


def block_of(parsed: Parsed) -> Block:
    return Block(document(parsed).elements[0])


def units_of(parsed: Parsed, limit: int, count: TokenCounter = count_words, key: str = "a.md") -> list[Unit]:
    block = block_of(parsed)
    match block.kind:
        case ElementKind.CODE:
            return code_units(block, room(limit, count), key)
        case ElementKind.TABLE:
            return table_units(block, room(limit, count))
    return prose_units(block, room(limit, count), Language.ENGLISH)


def chunks_of(parsed: Parsed, limit: int, count: TokenCounter = count_words, key: str = "ㄱ.md") -> list[Chunk]:
    """Chunks below a heading path of one word; `limit` is for the text alone."""
    return StructureChunker(Limit(limit + 1, count)).chunk(document(parsed, title="ㄱ"), UUID(int=5), key)


def joined(units: Sequence[Unit]) -> str:
    return "".join(unit.text for unit in units)


counters = st.sampled_from([count_words, count_characters])
plain = st.text(alphabet="가나다 ab.\n", min_size=1, max_size=400)
kinds = st.sampled_from([prose, code])


@given(plain, st.integers(5, 60), counters, kinds)
def test_the_units_follow_each_other_without_a_gap(text: str, limit: int, count: TokenCounter, kind: object) -> None:
    units = units_of(kind(text), limit, count)  # type: ignore[operator]
    assert joined(units) == text
    assert [unit.start for unit in units] == [0, *(unit.end for unit in units[:-1])]


gaps = st.lists(st.sampled_from([" ", " ", "\n", "\n\n", "\n\n\n", " \n "]), min_size=1, max_size=120)


@given(gaps, st.integers(5, 40), kinds)
def test_every_line_points_to_the_line_it_was_cut_from(gaps: list[str], limit: int, kind: object) -> None:
    parsed = kind("".join(f"{gap}가{number}" for number, gap in enumerate(gaps)))  # type: ignore[operator]
    assert misplaced_lines(document(parsed), chunks_of(parsed, limit)) == []


dense_and_thin = st.sampled_from(["휴가 ", "이다. ", "pay\n", "가" * 50, "." * 400 + " ", "QUJD" * 90, "나 " * 40])


@given(st.lists(dense_and_thin, min_size=1, max_size=60), st.integers(5, 60), counters, kinds)
@example(["나 " * 40, "." * 400 + " "], 32, count_words, prose)
def test_units_keep_to_the_limit(parts: list[str], limit: int, count: TokenCounter, kind: object) -> None:
    for unit in units_of(kind("".join(parts)), limit, count):  # type: ignore[operator]
        assert unit.tokens <= limit
        assert count([unit.text]) == [unit.tokens]


@pytest.mark.parametrize(
    "text",
    [
        "가" * 10_000 + " 나" * 300,
        "data:image/png;base64," + "QUJD" * 3000 + "\n" + "연차 휴가는 회사 규정에 따라 쓴다. " * 60,
        "차례 " + "." * 4000 + " 7\n" + "그 밖에 이 규칙에 없는 것은 법에 따른다. " * 60,
    ],
    ids=["one long word", "embedded picture", "dotted line"],
)
def test_units_of_an_uneven_text_keep_to_the_limit(text: str) -> None:
    assert max(unit.tokens for unit in units_of(prose(text), 100)) <= 100


def test_a_run_of_characters_is_cut_where_nothing_else_helps() -> None:
    units = units_of(prose("가" * 100), 30, count_characters)
    assert all(unit.tokens <= 30 for unit in units)
    assert joined(units) == "가" * 100


def test_what_fits_is_left_alone() -> None:
    [chunk] = chunks_of(prose("연차 휴가는\n15일 이다."), 4)
    assert (chunk.text, chunk.tokens, chunk.kind) == ("연차 휴가는\n15일 이다.", 4, ElementKind.TEXT)
    assert chunk.line_anchors == (LineAnchor(1, 1), LineAnchor(2, 2))


@pytest.mark.parametrize("limit", [40, 60, 100])
def test_korean_prose_is_cut_after_sentences(limit: int) -> None:
    chunks = chunks_of(prose(KOREAN), limit)
    assert len(chunks) > 2
    assert all(chunk.text.endswith("다.") for chunk in chunks)
    # No crumbs: cutting well below the budget would leave sentences without their neighbours.
    assert sum(chunk.tokens for chunk in chunks[:-1]) > 0.4 * limit * (len(chunks) - 1)


def test_english_prose_is_not_cut_at_abbreviations() -> None:
    text = ("The fee is set by Dr. Kim of the U.S. office every year. " * 12).strip()
    assert all(chunk.text.endswith("year.") for chunk in chunks_of(prose(text), 30))


def test_line_anchors_that_do_not_fit_the_lines_are_not_used() -> None:
    element = Element(ElementKind.TEXT, "가\n나", LineAnchor(1, 2), line_anchors=(LineAnchor(1, 1),))
    assert Block(element).line_anchors(0, 1) == (LineAnchor(1, 2),) * 2


ROWS = [["구분", "직급", "한도"], *[[f"{number}호", "부장 대우", f"{number} 만원"] for number in range(30)]]


@pytest.mark.parametrize("limit", [24, 28, 40, 90])
def test_a_table_is_cut_between_rows_under_its_header(limit: int) -> None:
    parsed = table(*ROWS)
    chunks, lines = chunks_of(parsed, limit), parsed[2].split("\n")
    assert len(chunks) > 1
    shown: list[str] = []
    for chunk in chunks:
        head, rule, *rows = chunk.text.split("\n")
        assert [head, rule] == lines[:2]
        assert rows
        assert chunk.tokens <= limit
        assert [lines[anchor.first - 1] for anchor in chunk.line_anchors if isinstance(anchor, LineAnchor)] == [
            head,
            rule,
            *rows,
        ]
        shown += rows
    assert shown == lines[2:]


def test_only_a_row_longer_than_the_limit_is_cut_and_the_order_stays() -> None:
    long = " ".join(f"항목{number}" for number in range(50))
    parsed = table(["구분", "설명"], ["가", "짧다"], ["나", long], ["다", "짧다"])
    chunks = chunks_of(parsed, 20)
    lines = source_lines(document(parsed))
    assert all(chunk.tokens <= 20 for chunk in chunks)
    assert re.findall(r"항목\d+", "".join(chunk.text for chunk in chunks)) == long.split()
    for number in (3, 5):
        assert sum(lines[number] in chunk.text.split("\n") for chunk in chunks) == 1


def test_rows_that_fit_are_whole_also_under_a_wide_header() -> None:
    wide = [["가나다라" * 3, "마바사아" * 3, str(number)] for number in range(3)]
    parsed = table(["구 분", "설 명", "값"], *wide, *[["가", "나", "다"]] * 3)
    rows = parsed[2].split("\n")
    for chunk in chunks_of(parsed, 11):
        assert set(chunk.text.split("\n")) <= set(rows)


PYTHON = "\n\n".join(
    f"def 휴가_{number}(days: int) -> int:\n    # {number}년차\n    return days + {number}" for number in range(20)
)
JAVA = (
    "class Leave {\n"
    + "\n".join(f"\npublic int leave{number}(int days) {{\n    return days + {number};\n}}" for number in range(20))
    + "\n}"
)


@pytest.mark.parametrize(("source", "key", "begin"), [(PYTHON, "휴가.py", "def "), (JAVA, "Leave.java", "public ")])
def test_code_is_cut_before_definitions(source: str, key: str, begin: str) -> None:
    _, *later = chunks_of(code(source), 30, key=key)
    assert later
    assert all(chunk.text.startswith(begin) for chunk in later)


def test_code_is_cut_between_lines() -> None:
    for path in sorted(SAMPLES.glob("limits_engine/*.py")):
        lines = set(path.read_text(encoding="utf-8").split("\n"))
        for chunk in chunks_of(code(path.read_text(encoding="utf-8")), 60, key=path.name):
            assert set(chunk.text.split("\n")) <= lines


@pytest.mark.parametrize("key", ["a.py", "A.PY", "x/b.java", "c.kt", "d.go", "e.ts", "f.cob", "g.c"])
def test_code_of_a_known_language_has_separators_of_its_own(key: str) -> None:
    assert separators_for(key) != separators_for("unknown.xyz")


def test_code_of_an_unknown_language_is_cut_at_blank_lines() -> None:
    parsed = code("\n\n".join(f"규칙 {number} 이면\n  결과 {number} 이다" for number in range(20)))
    for chunk in chunks_of(parsed, 30, key="rules.dsl"):
        assert chunk.text.startswith("규칙") and chunk.text.endswith("이다")


@pytest.mark.parametrize(
    ("text", "rank"),
    [
        ("1. 등기 임원", 1), ("12. 등기 임원", 1), ("2의2. 등기 임원", 1), (r"1\. 등기 임원", 1), ("- 등기 임원", 1),
        ("• 임원", 1), ("가. 임원", 2), (r"  나\. 임원", 2), ("a) officers", 2), ("1) 임원", 2), ("(2) 임원", 2),
        ("가) 임원", 3), ("(가) 임원", 3),
        ("① 직원은", 0), ("2025. 7. 1. 시행한다", 0), ("1.5배로 한다", 0), ("제1조에 따른다", 0), ("가게에서 산다", 0),
    ],
)  # fmt: skip
def test_list_items_are_told_by_their_marks(text: str, rank: int) -> None:
    assert item_rank(text) == rank


@given(
    st.text(st.sampled_from("ab가나. \n;,"), max_size=80),
    st.integers(1, 30),
    st.sampled_from([("; ", ", ", "\n", " ", ""), ("\n\n", "\n", " ", ""), ("\n", " "), ("",)]),
    st.sampled_from(["start", "end"]),
)
@example("a" * 80, 7, ("\n", " ", ""), "end")
def test_what_has_no_separator_is_cut_as_the_splitter_would(
    text: str, size: int, separators: tuple[str, ...], keep: Literal["start", "end"]
) -> None:
    splitter = RecursiveCharacterTextSplitter(
        separators=list(separators), chunk_size=size, chunk_overlap=0, keep_separator=keep, strip_whitespace=False
    )
    assert list(splitting._pieces(text, size, separators, keep)) == splitter.split_text(text)


def test_a_line_without_an_end_is_never_taken_apart_into_characters(monkeypatch: pytest.MonkeyPatch) -> None:
    put_together: list[int] = []
    merge = TextSplitter._merge_splits

    def noted(self: TextSplitter, splits: Iterable[str], separator: str) -> list[str]:
        parts = list(splits)
        put_together.append(len(parts))
        return merge(self, parts, separator)

    monkeypatch.setattr(TextSplitter, "_merge_splits", noted)
    line = "a" * 20_000
    parts = list(splitting.parts_by_size(f"x = '{line}'\n", 15_000, ("\n", " ", "")))
    assert [end - start for start, end in parts] == [4, 15_000, 5_003]
    assert sum(put_together) < 10
