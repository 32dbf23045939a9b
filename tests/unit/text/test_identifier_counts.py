"""Counting terms of a text at once gives what counting them one by one does."""

from __future__ import annotations

import sysconfig
from collections import Counter
from pathlib import Path

import pytest

from rag.text.identifiers import chunk_terms, forget_terms, identifier_counts, identifier_terms, remembered_terms


@pytest.mark.parametrize(
    "text",
    [
        "",
        "total = 1,234,567.50 + 12,34",
        "due 2026-03-01, v1.2.3; 2026/3/1 2019-13 1.2024-01-02",
        "self._connection.execute(getHTTPResponse2, c++, C#, a->b::c, it's, http://host/path)",
        "제12조의2 approve_login 1,000원",
        "x" * 300 + " " + "a.b" * 100,
        "1,000.5 1,000,00 .1,000 10,000",
    ],
)
def test_odd_texts(text: str) -> None:
    assert identifier_counts(text) == Counter(identifier_terms(text))


@pytest.mark.parametrize(
    ("run", "terms"),
    [
        ("self.name_of.x2", "selfnameofx2 nameof x2 self name of x 2"),
        ("v1.2.3", "1.2.3 1.2"),
        ("x.1.2", "x12 x 1 2"),
        ("__a.__b__", "ab a b"),
        ("self.getHTTPResponse2", "selfgethttpresponse2 gethttpresponse2 self get http respons 2"),
        ("foo.café", "foocafé café foo caf é"),
        ("self.self", "selfself self self"),
        ("_._", ""),
    ],
)
def test_dotted_names(run: str, terms: str) -> None:
    assert chunk_terms(run) == tuple(terms.split())


def test_program_text() -> None:
    for path in sorted(Path(sysconfig.get_path("stdlib")).glob("[a-d]*.py")):
        text = path.read_text("utf-8", "replace")
        assert identifier_counts(text) == Counter(identifier_terms(text)), path


@pytest.mark.parametrize("number", ["12345", "0" * 64, "1" * 65, "7" * 300])
def test_a_long_number_is_its_own_term(number: str) -> None:
    assert identifier_counts(number) == {number[:64]: 1}
    assert chunk_terms(f"a.{number}")[-1] == number[:64]


def test_the_numbers_of_a_table_do_not_push_out_the_words() -> None:
    forget_terms()
    identifier_counts("limit of a department, 2026")
    known = remembered_terms()
    assert known == 5
    counts = identifier_counts(" ".join(map(str, range(100_000, 140_000))))
    assert len(counts) == 40_000
    assert remembered_terms() == known
