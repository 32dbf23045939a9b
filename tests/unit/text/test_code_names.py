"""Names of code in questions."""

from __future__ import annotations

import pytest

from rag.text.code_names import Identifier, name_words, names_of_words, written_identifiers


@pytest.mark.parametrize(
    ("question", "found"),
    [
        ("`PaymentService.approve`는 어디서 호출되나", [(("PaymentService", "approve"), True)]),
        ("parse_date가 하는 일", [(("parse_date",), True)]),
        ("what calls getUserById?", [(("getUserById",), True)]),
        ("who uses close() and std::sort", [(("close",), True), (("std", "sort"), True)]),
        ("Retriever 클래스를 설명해 줘", [(("Retriever",), False)]),
        ("where is the Retriever built", [(("Retriever",), False)]),
        ("Where is it built", []),
        ("explain `close`", [(("close",), True)]),
        ("login.py 파일은 무엇을 하나", []),
        ("결제 승인은 어디에서 하나", []),
        ("see https://example.com/get_user", []),
        ("_private 은?", [(("_private",), True)]),
    ],
)
def test_what_is_written_as_code_has_it(question: str, found: list[tuple[tuple[str, ...], bool]]) -> None:
    assert written_identifiers(question) == [Identifier(path, sure) for path, sure in found]


def test_the_same_name_counts_once_and_surely_where_it_is_sure_once() -> None:
    assert written_identifiers("Retriever 와 `Retriever`") == [Identifier(("Retriever",), True)]


def test_no_more_names_than_a_question_can_mean() -> None:
    assert len(written_identifiers(" ".join(f"name_{i}" for i in range(50)))) == 8


def test_words_make_the_names_that_they_could_be() -> None:
    names = names_of_words("how to read a file in Python")
    assert names == {"read": 1, "file": 1, "readfile": 2, "read_file": 2}
    assert len(names_of_words(" ".join(f"word{i}" for i in range(1000)))) < 200


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("getHTTPResponse", ["get", "http", "response"]),
        ("MAX_SIZE", ["max", "size"]),
        ("v2Parser", ["v", "2", "parser"]),
    ],
)
def test_a_name_falls_into_its_words(name: str, words: list[str]) -> None:
    assert name_words(name) == words
