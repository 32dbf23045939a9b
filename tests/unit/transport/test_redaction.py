from __future__ import annotations

import pytest

from rag.transport.redaction import WITHHELD, loggable

SENT = {"model": "BAAI/bge-m3", "input": ["김철수 환자의 진단은 위암 2기이며 수술 예정이다.", "short", "약"]}


@pytest.mark.parametrize(
    "message",
    [
        "invalid input: '김철수 환자의 진단은 위암 2기이며'",
        "value is not valid: 위암 2기이며",
        "bad: short",
        "bad: \\uae40\\ucca0\\uc218",
    ],
)
def test_a_message_that_quotes_the_request_is_withheld(message: str) -> None:
    assert loggable(message, SENT, None) == WITHHELD


def test_a_plain_message_stays_though_it_names_the_model() -> None:
    message = "The model BAAI/bge-m3 takes 8192 tokens,\nnot 9000"
    assert loggable(message, SENT, None) == "The model BAAI/bge-m3 takes 8192 tokens, not 9000"


def test_the_key_is_masked_and_the_message_cut() -> None:
    assert loggable("key sk-very-secret is wrong", SENT, "sk-very-secret") == "key *** is wrong"
    assert len(loggable("x" * 5000, {}, None)) == 300


def test_texts_are_found_however_deep_they_lie() -> None:
    sent = {"messages": [{"role": "user", "content": "주민등록번호 900101 확인 요청"}]}
    assert loggable("user said 주민등록번호 9", sent, None) == WITHHELD
