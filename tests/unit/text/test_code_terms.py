"""The shipped words of software, and how they are found in Korean questions."""

from __future__ import annotations

import re

import pytest

from rag.text.code_terms import code_terms, translated_terms


def test_the_table_is_large_and_well_formed() -> None:
    table = code_terms()
    assert len(table.nouns) >= 300
    assert len(table.verbs) >= 50
    for term, words in {**table.nouns, **table.verbs}.items():
        assert re.fullmatch("[가-힣][가-힣 ]*", term), term
        assert words, term
        assert len(set(words)) == len(words), term
        assert all(re.fullmatch("[a-z0-9]+(?: [a-z0-9]+)*", word) for word in words), (term, words)


@pytest.mark.parametrize(
    ("question", "words"),
    [
        ("로그인에 실패하면 몇 번까지 재시도하나?", ["login", "failure", "retry"]),
        ("감사 기록이 변조됐는지 확인하는 곳", ["audit trail", "tamper", "check"]),
        ("토큰이 만료됐을 때 지워지는 곳은 어디야", ["token", "expire", "delete"]),
        ("파일을 나눠서 읽는 코드", ["file", "split", "read"]),
        ("키와 값을 정렬하는 부분", ["key", "value", "sort"]),
        ("계좌이체 한도를 바꾸려면", ["account transfer", "limit", "change"]),
        ("오늘 점심은 무엇인가요", []),
        ("where is the login", []),
    ],
)
def test_terms_are_found_in_every_form_and_as_morphemes(question: str, words: list[str]) -> None:
    assert [item.words[0] for item in translated_terms(question)] == words


@pytest.mark.parametrize("question", ["결제결제결제", "값값 값을", "취소 취소는", "이체이체한도"])
def test_places_are_in_order_and_never_overlap(question: str) -> None:
    found = translated_terms(question)
    assert found
    ends = [0, *(item.end for item in found)]
    assert all(end <= item.start < item.end <= len(question) for end, item in zip(ends, found, strict=False))
