from __future__ import annotations

import pytest

from rag.text.analysis import Analyzer
from rag.text.frequency import PERIOD, without_asking
from rag.text.question import QuestionReader

READER = QuestionReader(Analyzer())


@pytest.mark.parametrize(
    "asking",
    [
        "얼마마다", "얼마 마다", "얼마나 자주", "얼마 간격으로", "얼마 만에 한 번", "몇 달마다", "몇달마다", "몇 개월마다",
        "몇 년마다", "몇 시간마다", "며칠마다", "며칠에 한 번", "며칠 간격으로", "몇 주에 한 번", "몇 년에 1회",
        "연 몇 회", "1년에 몇 번", "하루에 몇 번", "한 달에 몇 차례", "일주일에 몇 번", "한 주에 몇 번", "매 분기 몇 회",
        "1일 몇 회", "1 주에 몇 번", "분기에 몇 회",
    ],
)  # fmt: skip
def test_words_that_ask_how_often(asking: str) -> None:
    question = f"금고는 {asking} 점검하나요?"
    left = without_asking(question)
    assert left is not None and left.split() == ["금고는", "점검하나요?"]
    assert READER.content_terms(question) == {"금고", "점검", PERIOD}
    assert READER.bigrams_of(question) == READER.bigrams_of("금고는 점검하나요?")


@pytest.mark.parametrize(
    "question",
    [
        "금고는 3개월마다 점검하나요?",
        "수수료는 얼마인가요?",
        "며칠 동안 쉴 수 있나요?",
        "점검표는 몇 번 서식인가요?",
        "연간 몇 회까지 쓸 수 있나요?",
        "몇 년 근무해야 하나요?",
        "자주 묻는 질문은?",
        "금고는 12월에 몇 번 점검하나요?",
        "금고는 12 월에 몇 번 점검하나요?",
        "금고는 12월 1일에 몇 번 점검하나요?",
        "금고는 1분기에 몇 회 점검하나요?",
        "금고는 1 분기에 몇 회 점검하나요?",
        "금고는 11일에 몇 번 점검하나요?",
        "금고는 5주 몇 회 점검하나요?",
        "금고는 제1주에 몇 회 점검하나요?",
        "금고는 제 1주에 몇 회 점검하나요?",
        "금고는 둘째 주에 몇 회 점검하나요?",
        "금고는 이번 주에 몇 번 점검하나요?",
        "금고는 지난 분기에 몇 회 점검하나요?",
        "금고는 다음 주에 몇 번 점검하나요?",
        "금고는 저번 주에 몇 번 점검하나요?",
        "며칠에 한 회의인가요?",
        "연 몇 회차인가요?",
        "1년에 몇 번째인가요?",
        "월 몇 번지인가요?",
        "월 몇 번호인가요?",
        "금고는 한 달에 몇 번 점검했나요?",
        "금고는 하루에 몇 번 열었습니까?",
        "금고는 1년에 몇 번 점검하였는지 알려 주세요.",
        "금고 점검은 연 몇 회였나요?",
    ],
)
def test_words_that_ask_something_else(question: str) -> None:
    assert without_asking(question) is None
    assert PERIOD not in READER.content_terms(question)


@pytest.mark.parametrize(
    "question",
    [
        "금고는 하루에 몇 번 점검한다고 했나요?",
        "금고는 며칠마다 점검하기로 했나요?",
        "문이 열렸으면 하루에 몇 번 점검하나요?",
    ],
)
def test_a_rule_that_was_told_before_is_a_rule(question: str) -> None:
    assert without_asking(question) is not None
