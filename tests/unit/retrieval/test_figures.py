from __future__ import annotations

import pytest

from rag.domain.provision import ProvisionMark
from rag.retrieval.figures import amount_of, exactness, provisions_of, writings
from rag.text.analysis import Analyzer


@pytest.mark.parametrize(
    "question",
    [
        "2024.3.1 이후 입사자는?",
        "2024년 3월 1일 이후 입사자는?",
        "24/3/1 이후 입사자는?",
        "'24. 3. 1 이후 입사자는?",
        "24년 3월 1일자 개정",
        "20240301 시행분",
        "rules in force on 2024-03-01",
    ],
)
def test_a_date_in_any_writing_is_searched_in_the_form_that_the_index_has(question: str) -> None:
    [found] = writings(question)
    assert found.kind == "date"
    assert found.others[0] == "2024-03-01"
    for passage in ("2024년 3월 1일부터 시행한다.", "시행일: 2024. 3. 1.", "effective 2024-03-01"):
        assert "2024-03-01" in Analyzer().analyze(passage).counts


@pytest.mark.parametrize(
    "question", ["버전 24.3.1.2", "13월이 있나", "2024/13/45", "010-1234-5678", "비율 3/4", "10.0.0.1"]
)
def test_what_is_no_date_is_left_alone(question: str) -> None:
    assert [item for item in writings(question) if item.kind == "date"] == []


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1억 5천만", 150_000_000),
        ("1억5,000만", 150_000_000),
        ("3천만", 30_000_000),
        ("5백만", 5_000_000),
        ("2조 3천억", 2_300_000_000_000),
        ("1.5억", 150_000_000),
        ("5만", 50_000),
    ],
)
def test_amounts_in_korean_are_numbers(text: str, value: int) -> None:
    assert amount_of(text) == value


def test_units_in_the_wrong_order_are_no_amount() -> None:
    assert amount_of("3만 5억") is None


def test_an_amount_is_searched_in_its_other_writings() -> None:
    [found] = writings("과태료가 1억 5천만원 이하인 경우는?")
    assert (found.kind, found.found, found.others) == ("number", "1억 5천만", ("150,000,000", "1억 5000만"))
    [found] = writings("150,000,000원 이하의 과태료")
    assert found.others == ("1억 5000만", "1억 5천만")
    assert "150000000" in Analyzer().analyze("금 150,000,000원을 지급한다").counts


@pytest.mark.parametrize(
    "question", ["직원이 1,234명인가요?", "3년 이하의 징역", "제12조의2", "2024년 예산", "5조 2항"]
)
def test_other_numbers_get_no_writings(question: str) -> None:
    assert writings(question) == []


@pytest.mark.parametrize(
    ("question", "paths"),
    [
        ("제12조의2의 과태료", [("제12조의2",)]),
        ("제3조제2항은 무엇인가요", [("제3조", "제2항")]),
        ("제 3 조 제 2 항 제1호의2", [("제3조", "제2항", "제1호의2")]),
        ("12조 3항", [("제12조", "제3항")]),
        ("제60조와 제61조", [("제60조",), ("제61조",)]),
        ("예산 3조 5천억원", []),
        ("연차휴가는 며칠인가요", []),
    ],
)
def test_provisions_are_read_as_the_index_cites_them(question: str, paths: list[tuple[str, ...]]) -> None:
    assert provisions_of(question) == paths


def test_a_passage_covers_the_provision_asked_for_or_a_part_of_it() -> None:
    marks = [ProvisionMark(0, ("제2장", "제3조", "제1항")), ProvisionMark(9, ("제2장", "제3조", "제2항", "제1호"))]
    assert exactness(marks, ("제3조",)) == 1
    assert exactness(marks, ("제3조", "제2항")) == 2
    assert exactness(marks, ("제3조", "제4항")) == 0
    assert exactness(marks, ("제3조의2",)) == 0
    assert exactness([ProvisionMark(0, ("제3조",))], ("제3조", "제2항")) == 1
    assert exactness([ProvisionMark(0, ("부칙", "제3조"))], ("제3조",)) == 0
    assert exactness([], ("제3조",)) == 0
