from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import ingest
from ingest.chunking.base import Budget, Piece, TokenCounter
from ingest.chunking.splitting import line_anchors, separators_for, split_element
from rag.domain.anchor import LineAnchor
from rag.domain.document import Element, ElementKind
from tests.unit.chunking.documents import Block, code, count_characters, count_words, document, prose, table

Kind = Callable[[str], Block]

KOREAN = (
    "사용자는 1년간 80퍼센트 이상 출근한 근로자에게 15일의 유급휴가를 주어야 한다. "
    "계속하여 근로한 기간이 1년 미만인 근로자에게는 1개월 개근 시 1일의 유급휴가를 준다. "
    "휴가는 근로자가 청구한 시기에 주어야 하며, 그 기간에 대하여는 통상임금을 지급하여야 한다.\n"
) * 6
SAMPLES = Path(ingest.__path__[0]) / "samples"


def element_of(block: Block) -> Element:
    return document(block).elements[0]


def split(block: Block, limit: int, count: TokenCounter = count_words, key: str = "a.md") -> list[Piece]:
    element = element_of(block)
    return split_element(element, count([element.text])[0], Budget(limit, count), separators_for(element.kind, key))


def joined(pieces: Sequence[Piece]) -> str:
    return "".join("".join(piece.text for piece in pieces).split())


counters = st.sampled_from([count_words, count_characters])
plain = st.text(alphabet="가나다 ab.\n", min_size=1, max_size=400)


@given(plain, st.integers(5, 60), counters, st.sampled_from([prose, code]))
def test_the_pieces_are_the_whole_text_in_order(text: str, limit: int, count: TokenCounter, kind: Kind) -> None:
    assert joined(split(kind(text), limit, count)) == "".join(text.split())


gaps = st.lists(st.sampled_from([" ", " ", "\n", "\n\n", "\n\n\n", " \n "]), min_size=1, max_size=120)


@given(gaps, st.integers(5, 40), st.sampled_from([prose, code]))
def test_every_line_of_a_piece_points_to_the_line_it_was_cut_from(gaps: list[str], limit: int, kind: Kind) -> None:
    text = "".join(f"{gap}가{number}" for number, gap in enumerate(gaps))
    lines = text.split("\n")
    for piece in split(kind(text), limit):
        for line, anchor in zip(piece.text.split("\n"), piece.anchors, strict=True):
            assert isinstance(anchor, LineAnchor)
            assert set(line.split()) <= set(lines[anchor.first - 1].split())


dense_and_thin = st.sampled_from(["휴가 ", "이다. ", "pay\n", "가" * 50, "." * 400 + " ", "QUJD" * 90, "나 " * 40])


@given(st.lists(dense_and_thin, min_size=1, max_size=60), st.integers(5, 60), counters)
def test_pieces_keep_to_the_budget(parts: list[str], limit: int, count: TokenCounter) -> None:
    pieces = split(prose("".join(parts)), limit, count)
    assert all(piece.tokens <= limit and count([piece.text]) == [piece.tokens] for piece in pieces)


@pytest.mark.parametrize(
    "text",
    [
        "가" * 10_000 + " 나" * 300,
        "data:image/png;base64," + "QUJD" * 3000 + "\n" + "연차 휴가는 회사 규정에 따라 쓴다. " * 60,
        "차례 " + "." * 4000 + " 7\n" + "그 밖에 이 규칙에 없는 것은 법에 따른다. " * 60,
    ],
    ids=["one long word", "embedded picture", "dotted line"],
)
def test_pieces_of_an_uneven_text_keep_to_the_budget(text: str) -> None:
    assert max(piece.tokens for piece in split(prose(text), 100)) <= 100


def test_a_run_of_characters_is_cut_where_nothing_else_helps() -> None:
    pieces = split(prose("가" * 100), 30, count_characters)
    assert all(piece.tokens <= 30 for piece in pieces)
    assert joined(pieces) == "가" * 100


def test_what_fits_is_left_alone() -> None:
    [piece] = split(prose("연차 휴가는\n15일 이다."), 4)
    assert (piece.text, piece.tokens, piece.kind) == ("연차 휴가는\n15일 이다.", 4, ElementKind.TEXT)
    assert piece.anchors == (LineAnchor(1, 1), LineAnchor(2, 2))


@pytest.mark.parametrize("limit", [40, 60, 100])
def test_korean_prose_is_cut_after_sentences(limit: int) -> None:
    pieces = split(prose(KOREAN), limit)
    assert len(pieces) > 2
    assert all(piece.text.rstrip().endswith("다.") for piece in pieces)
    # No crumbs: cutting well below the budget would leave sentences without their neighbours.
    assert sum(piece.tokens for piece in pieces[:-1]) > 0.4 * limit * (len(pieces) - 1)


def test_line_anchors_that_do_not_fit_the_lines_are_not_used() -> None:
    anchors = (LineAnchor(1, 1),)
    element = Element(ElementKind.TEXT, "가\n나", LineAnchor(1, 2), line_anchors=anchors)
    assert line_anchors(element) == (LineAnchor(1, 2),) * 2


ROWS = [["구분", "직급", "한도"], *[[f"{number}호", "부장 대우", f"{number} 만원"] for number in range(30)]]


@pytest.mark.parametrize(
    "limit",
    [
        24,
        28,
        40,
        90,
    ],
)
def test_a_table_is_cut_between_rows_under_its_header(limit: int) -> None:
    block = table(*ROWS)
    pieces, lines = split(block, limit), block[2].split("\n")
    assert len(pieces) > 1
    shown: list[str] = []
    for piece in pieces:
        head, rule, *rows = piece.text.split("\n")
        assert [head, rule] == lines[:2]
        assert rows
        assert piece.tokens <= limit
        assert [lines[anchor.first - 1] for anchor in piece.anchors if isinstance(anchor, LineAnchor)] == [
            head,
            rule,
            *rows,
        ]
        shown += rows
    assert shown == lines[2:]


def test_only_a_row_longer_than_the_budget_is_cut_and_the_order_stays() -> None:
    long = " ".join(f"항목{number}" for number in range(50))
    block = table(["구분", "설명"], ["가", "짧다"], ["나", long], ["다", "짧다"])
    pieces = split(block, 20)
    assert all(piece.tokens <= 20 for piece in pieces)
    whole = [piece.text for piece in pieces if "항목" not in piece.text]
    assert [text.split("\n")[-1] for text in whole] == ["| 가 | 짧다 |", "| 다 | 짧다 |"]
    assert re.findall(r"항목\d+", "".join(piece.text for piece in pieces)) == long.split()
    assert {piece.anchors for piece in pieces if "항목" in piece.text} == {(LineAnchor(4, 4),)}


def test_rows_that_fit_are_whole_also_under_a_wide_header() -> None:
    wide = [["가나다라" * 3, "마바사아" * 3, str(number)] for number in range(3)]
    block = table(["구 분", "설 명", "값"], *wide, *[["가", "나", "다"]] * 3)
    rows = block[2].split("\n")
    for piece in split(block, 11):
        assert set(piece.text.split("\n")) <= set(rows)


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
    _, *later = split(code(source), 30, key=key)
    assert later
    assert all(piece.text.startswith(begin) for piece in later)


def test_code_is_cut_between_lines() -> None:
    for path in sorted(SAMPLES.glob("limits_engine/*.py")):
        lines = set(path.read_text(encoding="utf-8").split("\n"))
        for piece in split(code(path.read_text(encoding="utf-8")), 60, key=path.name):
            assert set(piece.text.split("\n")) <= lines


@pytest.mark.parametrize("key", ["a.py", "A.PY", "x/b.java", "c.kt", "d.go", "e.ts", "f.cob", "g.c"])
def test_code_of_a_known_language_has_separators_of_its_own(key: str) -> None:
    assert separators_for(ElementKind.CODE, key) != separators_for(ElementKind.CODE, "unknown.xyz")
    assert separators_for(ElementKind.TEXT, key) == separators_for(ElementKind.TEXT, "취업규칙.hwp")


def test_code_of_an_unknown_language_is_cut_at_blank_lines() -> None:
    block = code("\n\n".join(f"규칙 {number} 이면\n  결과 {number} 이다" for number in range(20)))
    assert all(
        piece.text.startswith("규칙") and piece.text.endswith("이다") for piece in split(block, 30, key="rules.dsl")
    )
