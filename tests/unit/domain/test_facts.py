from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rag.domain.fact_reading import facts_of, periods_of, plain
from rag.domain.facts import FactKind, holds


def held(stated: str, evidence: str, *, units_told: bool = True) -> bool:
    assert facts_of(stated), stated
    known = (*facts_of(evidence), *periods_of(evidence))
    return all(holds(fact, known, units_told=units_told) for fact in facts_of(stated))


AMOUNT = [
    "1,000,000원",
    "1000000원",
    "100만원",
    "100만 원",
    "백만 원",
    "백만원",
    "₩1,000,000",
    "KRW 1,000,000",
    "1 million won",
]
DATE = [
    "2024년 3월 1일",
    "2024-03-01",
    "2024. 3. 1.",
    "2024.3.1.",
    "'24.3.1.",
    "’24. 3. 1.",
    "2024/3/1",
    "March 1, 2024",
]
EQUAL = [
    *((one, other) for one in AMOUNT for other in AMOUNT),
    *((one, other) for one in DATE for other in (*DATE, "1 March 2024", "1st of March 2024", "24. 3. 1. 시행")),
    ("1억 2,000만원", "120,000,000원"),
    ("1억2천만 원", "1.2억 원"),
    ("3천5백만 원", "35,000,000원"),
    ("미화 2,000달러", "$2,000"),
    ("US$5,000", "5천 달러"),
    ("4분의 3", "3/4"),
    ("3.1%", "3.10퍼센트"),
    ("3.1 percent", "3.1 %"),
    ("0.5%포인트", "0.5%p"),
    ("삼십 일", "30일"),
    ("thirty days", "30 days"),
    ("thirty (30) days", "30일"),
    ("열흘", "10일"),
    ("두 달", "2개월"),
    ("twenty-five hours", "25시간"),
    ("3일", "3~5일"),
    ("5일", "3일 내지 5일"),
    ("10 days", "10-20 days"),
    ("15 days", "15일"),
    ("오후 6시", "18:00"),
    ("6:30 p.m.", "18시 30분"),
    ("오전 9시", "09:00"),
    ("제3조제2항", "제3조 제2항"),
    ("제3조 제2항", "제 3 조 제 2 항"),
    ("제3조제2항", "3조 2항"),
    ("Article 3(2)", "제3조제2항"),
    ("제24조의2", "제 24 조의 2"),
    ("제2항", "② 직원은 쉰다."),
    ("제60조제2항", "제60조 연차\n① 하나\n② 둘"),
    ("3월 1일", "2024년 3월 1일"),
    ("2024년 3월 1일", "2024년도 계획\n시행은 3월 1일"),
    ("2024", "2024-03-01"),
    ("25일", "3월 25일"),
    ("５０％", "50%"),
    ("1\u200b5일", "15일"),
    ("−3.1%", "-3.1%"),
    ("100만원", "| 직급 | 한도(만원) |\n| --- | --- |\n| 부장 | 100 |"),
    ("3,000천원", "(단위: 천원)\n| 구분 | 금액 |\n| 합계 | 3,000 |"),
    ("2%", "| 구분 | 금리(%) |\n| 기본 | 2.0 |"),
    ("180일", "| Key | Type | Default |\n| auth.key_lifetime_days | integer | 180 |"),
    ("100,000,000원", "| 코드 | 통화 | 1회 한도 |\n| TRF-P | KRW | 100000000 |"),
    ("24시간", "| 항목 | 단위 | 기준값 |\n| 지연 | 시간 | 24 |"),
    ("30 seconds", "timeout_s: 30"),
    ("14일", "retention_days = 14"),
    ("매년 1회", "연 1회 실시한다."),
    ("1년에 14일", "연간 14일까지"),
    ("한 달에 하루", "월 1일의 휴가"),
    ("반기마다", "매 반기 검토한다."),
    ("every month", "monthly reports"),
    ("20 MB", "20메가바이트"),
    ("64비트", "64-bit"),
]


@pytest.mark.parametrize(("stated", "evidence"), EQUAL)
def test_the_same_value_written_otherwise_is_the_same(stated: str, evidence: str) -> None:
    assert held(f"값은 {stated}", evidence)


DIFFERENT = [
    ("30일", "30개월"),
    ("30일", "30영업일"),
    ("3월 1일", "3개월 1일"),
    ("30분", "30초"),
    ("3.1%", "3.1%p"),
    ("3%", "30%"),
    ("100만원", "100만 달러"),
    ("100만원", "100원"),
    ("100원", "100만원"),
    ("100", "100만원"),
    ("1,000,000", "100만원"),
    ("10만 명", "10만 원"),
    ("백만 원", "천만 원"),
    ("1억 원", "10억 원"),
    ("3/4", "4/3"),
    ("4분의 3", "3분의 2"),
    ("2024년 3월 1일", "2023년 3월 1일"),
    ("2024년 3월 1일", "2024년 3월 2일"),
    ("2024년 3월 1일", "3월 1일"),
    ("March 1, 2024", "May 1, 2024"),
    ("오후 6시", "오전 6시"),
    ("18:00", "6:30"),
    ("제3조제2항", "제3조제3항"),
    ("제1조제3항", "제1조제2항 및 제2조제3항"),
    ("제24조의2", "제24조"),
    ("제3조", "제3항"),
    ("3조 원", "제3조"),
    ("-3.1%", "3.1%"),
    ("제1,9항", "제1, 2항"),
    ("1.2.3", "1.2.4"),
    ("02-123-4567", "02-123-4568"),
    ("5만원", "| 직급 | 한도(만원) |\n| --- | --- |\n| 부장 | 100 |"),
    ("만원", "| 직급 | 한도(만원) |\n| --- | --- |\n| 부장 | 100 |"),
    ("180시간", "| Key | Type | Default |\n| auth.key_lifetime_days | integer | 180 |"),
    ("100,000,000달러", "| 코드 | 통화 | 1회 한도 |\n| TRF-P | KRW | 100000000 |"),
    ("30 minutes", "timeout_s: 30"),
    ("매년", "매월 점검한다."),
    ("반기마다 1회", "매월 1회 검토한다."),
    ("1개월간", "월 3회까지 할 수 있다."),
    ("every month", "weekly reports"),
    ("thirty days", "13 days"),
    ("다섯 명", "여섯 명"),
    ("10일", "3~5일"),
]


@pytest.mark.parametrize(("stated", "evidence"), DIFFERENT)
def test_what_can_be_told_apart_is_not_the_same(stated: str, evidence: str) -> None:
    assert not held(f"값은 {stated}", evidence)


def test_source_code_names_no_units() -> None:
    assert held("30초", "timeout = 30", units_told=False)
    assert not held("30초", "timeout = 30")
    assert not held("31초", "timeout = 30", units_told=False)
    assert not held("30초", "timeout = 30분", units_told=False)


@pytest.mark.parametrize(
    "text",
    [
        "HR-60",
        "v1.2",
        "A4 용지",
        "이 원칙",
        "사업 이사회",
        "만 원칙적으로",
        "may be one of",
        "2FA",
        "한도(만원) |",
        "두 번째로",
    ],
)
def test_names_and_words_are_no_numbers(text: str) -> None:
    assert [fact for fact in facts_of(text) if fact.kind is FactKind.NUMBER] == []


def test_what_cannot_be_seen_is_not_there() -> None:
    assert plain("1\u200b5\u00ad일 “３％” – ①") == "15일 “3%” -  제1항 "


@given(st.text(alphabet="0123456789.,:/-~% 년월일원만억조제항의분시a", max_size=40))
def test_no_digit_goes_unread(text: str) -> None:
    """Each digit is in a fact, or in a name that is compared by its spelling; a text holds what it states."""
    facts = facts_of(text)
    assert all(holds(fact, facts) for fact in facts)
    read = plain(text)
    covered = {index for fact in facts for index in range(fact.start, fact.end)}
    left = "".join(" " if index in covered else character for index, character in enumerate(read))
    names = [word for word in left.replace("~", " ").split() if any(character.isdigit() for character in word)]
    assert all("a" in word for word in names), (facts, names)


@given(st.integers(1, 10**13))
def test_an_amount_in_korean_scales_is_the_number(amount: int) -> None:
    parts = [
        (amount // 10**12, "조"),
        (amount // 10**8 % 10**4, "억"),
        (amount // 10**4 % 10**4, "만"),
        (amount % 10**4, ""),
    ]
    written = " ".join(f"{count}{scale}" for count, scale in parts if count)
    assert held(f"{amount:,}원", f"한도 {written}원")
    assert not held(f"{amount + 1:,}원", f"한도 {written}원")
