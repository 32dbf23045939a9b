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
        "연 몇 회", "1년에 몇 번", "하루에 몇 번", "한 달에 몇 차례",
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
    ],
)
def test_words_that_ask_something_else(question: str) -> None:
    assert without_asking(question) is None
    assert PERIOD not in READER.content_terms(question)
