from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rag.domain.language import Language
from rag.text.language import detect_language, looks_like_code


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("연차 휴가는 며칠인가요?", Language.KOREAN),
        ("kubernetes pod의 restart policy 설정", Language.KOREAN),
        ("Kubernetes HPA configuration manifest example 알려줘", Language.KOREAN),
        ("getUserById는 어디서 호출되나요", Language.KOREAN),
        ("iPhone 15 Pro 가격", Language.KOREAN),
        ("勤勞基準法", Language.KOREAN),
        ("勤勞基準法 제60조", Language.KOREAN),
        ("How many days of annual leave do I get?", Language.ENGLISH),
        ("What does 퇴직금 mean in the law of the country?", Language.ENGLISH),
        ("naïve café approach for the résumé", Language.ENGLISH),
        ("Product Price Qty", Language.ENGLISH),
        ("Wie funktioniert das mit der Anmeldung?", Language.OTHER),
        ("¿Cuál es la política de vacaciones?", Language.OTHER),
        ("Привет, как дела?", Language.OTHER),
        ("東京は日本の首都です", Language.OTHER),
        ("中华人民共和国劳动法是为了保护劳动者的合法权益", Language.OTHER),
        ("2026-03-01 / 1,000", Language.OTHER),
        ("", Language.OTHER),
    ],
)
def test_language_by_script_and_function_words(text: str, language: Language) -> None:
    assert detect_language(text) is language


@pytest.mark.parametrize(
    "text",
    [
        "what does foo(bar, 1) return",
        "getUserById 함수는?",
        "where is user_id set",
        "MAX_LENGTH 상수",
        "std::vector<int> vs list",
        "HttpServletRequest에서",
        "def main():\n    pass",
        "if (a == b) return;",
        "SELECT name FROM users",
        "```x```",
    ],
)
def test_questions_that_quote_code(text: str) -> None:
    assert looks_like_code(text)


@pytest.mark.parametrize(
    "text",
    [
        "iPhone 가격",
        "JavaScript and GitHub",
        "연차휴가(15일)",
        "vacation (annual leave)",
        "Section 3.1 of the plan",
        "mRNA",
    ],
)
def test_prose_is_not_code(text: str) -> None:
    assert not looks_like_code(text)


@given(st.text())
def test_any_text_has_a_language_and_it_is_never_code(text: str) -> None:
    assert detect_language(text) in {Language.KOREAN, Language.ENGLISH, Language.OTHER}
    looks_like_code(text)


@given(st.text(st.characters(min_codepoint=0xAC00, max_codepoint=0xD7A3), min_size=1))
def test_hangul_alone_is_korean(text: str) -> None:
    assert detect_language(text) is Language.KOREAN


@pytest.mark.parametrize("text", ["a(" * 50_000, "a" * 100_000, "SELECT " * 20_000, "a.b" * 40_000, "{" * 100_000])
def test_hostile_texts_take_no_time(text: str) -> None:
    start = time.perf_counter()
    looks_like_code(text)
    detect_language(text)
    assert time.perf_counter() - start < 2.0
