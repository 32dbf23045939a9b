from __future__ import annotations

from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given
from hypothesis import strategies as st
from kiwipiepy import Token

from rag.text.analysis import BIGRAM_WEIGHT, Analyzer, term_weight
from rag.text.identifiers import chunk_terms, identifier_terms

ANALYZER = Analyzer()


def words(text: str) -> set[str]:
    return {term for term in ANALYZER.terms(text) if not term.startswith("2:")}


def test_korean_is_analysed_into_stems_without_particles() -> None:
    assert {"은행", "과태료", "얼마"} <= words("은행은 과태료가 얼마인가요?")
    assert words("신고하였다") & words("신고를") == {"신고"}


def test_hangul_bigrams_weigh_less_and_keep_apart_from_morphemes() -> None:
    terms = ANALYZER.terms("근로기준법")
    assert terms["2:로기"] == BIGRAM_WEIGHT == term_weight("2:근로")
    assert terms["근로"] == 1.0
    assert "2:근로" in terms


def test_bigrams_do_not_cross_blanks_and_do_not_count_in_the_length() -> None:
    assert "2:법시" not in ANALYZER.terms("기준법 시행령")
    assert ANALYZER.analyze("근로기준법").length == len(words("근로기준법"))


def test_hanja_and_hangul_find_each_other() -> None:
    hangul, hanja = ANALYZER.terms("근로기준법"), ANALYZER.terms("勤勞基準法")
    assert hangul.keys() <= hanja.keys()
    assert "2:勤勞" in hanja


@pytest.mark.parametrize(
    ("question", "text"),
    [
        ("getUserById", "def getUserById(self):"),
        ("get user by id", "getUserById"),
        ("get_user_by_id", "getUserById"),
        ("user", "get_user_by_id"),
        ("RFC-9457", "RFC 9457"),
        ("RFC9457", "RFC-9457"),
        ("제12조의2", "법 제12조의2제1항에 따라"),
        ("제 12 조의 2", "제12조의2"),
        ("12조의2", "제12조의2"),
        ("제12조", "제12조의2"),
        ("app.py", "src/api/app.py"),
        ("src/api", "src/api/app.py"),
        ("normalize", "rag.text.normalize"),
        ("rag.text.normalize", "import rag.text.normalize as n"),
        ("1,000,000원", "1000000원"),
        ("1000000", "1,000,000원"),
        ("v1.2.3", "1.2.3"),
        ("1.2", "v1.2.3"),
        ("010-1234-5678", "01012345678"),
        ("5678", "010-1234-5678"),
        ("2026. 3. 1.", "2026년 3월 1일"),
        ("2026-03-01", "2026.3.1"),
        ("2026년", "2026-03-01"),
        ("C++", "c++ 코드"),
        ("user@example.com", "문의: user@example.com"),
        ("employees", "employee"),
        ("reported", "reporting"),
        ("the bank's", "banks"),
        ("e-mail", "email"),
        ("HTTPServer", "http server"),
        ("API", "api를 호출"),
        ("ＡＰＩ", "api"),
        ("홍보", "#홍보"),
    ],
)
def test_question_finds_text(question: str, text: str) -> None:
    asked, found = words(question), words(text)
    assert asked & found, (asked, found)


@pytest.mark.parametrize(("first", "second"), [("3.14", "314"), ("C++", "C"), ("1,5", "15"), ("C#", "C")])
def test_what_differs_stays_apart(first: str, second: str) -> None:
    assert not words(first) & words(second) - {"c"}
    assert words(first) != words(second)


def test_the_same_identifier_in_three_spellings_has_the_same_terms() -> None:
    assert set(chunk_terms("getUserById")) == set(chunk_terms("get_user_by_id")) == set(chunk_terms("get-user-by-id"))


def test_other_scripts_are_not_lost() -> None:
    assert words("Привет мир") == {"привет", "мир"}
    assert any(term.startswith("2:") for term in ANALYZER.terms("東京タワー"))


def test_korean_phrases_of_a_foreign_text_are_analysed() -> None:
    assert {"퇴직금", "term"} <= words("The Korean term 퇴직금은 " + "means severance pay in the law. " * 5)


def test_batch_gives_what_single_calls_give() -> None:
    texts = ["은행은 신고한다.", "", "plain English", "勤勞基準法", "def f(x): return x", "12"]
    assert ANALYZER.analyze_batch(texts) == [ANALYZER.analyze(text) for text in texts]
    assert ANALYZER.terms_batch(texts) == [ANALYZER.terms(text) for text in texts]


def test_threads_share_one_analyzer() -> None:
    texts = [f"제{number}조에 따라 은행은 금융위원회에 신고하여야 한다. getUser{number}" for number in range(40)]
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(ANALYZER.analyze, texts)) == [ANALYZER.analyze(text) for text in texts]


def test_a_run_without_end_is_one_bounded_term() -> None:
    assert all(len(term) <= 64 for term in identifier_terms("x" * 10_000 + " " + "Ab1" * 5_000))


@given(st.text())
def test_terms_are_positive_and_no_longer_text_has_fewer(text: str) -> None:
    analysis = ANALYZER.analyze(text)
    assert all(count > 0 for count in analysis.counts.values())
    assert analysis.length >= sum(1 for term in analysis.counts if not term.startswith("2:")) or not analysis.counts


@given(st.text(st.sampled_from("abcXYZ019_-./:@#+' ,\\"), max_size=60))
def test_identifier_terms_have_no_blanks_and_do_not_depend_on_case_or_place(text: str) -> None:
    terms = identifier_terms(text)
    assert all(term and not term.isspace() for term in terms)
    assert sorted(identifier_terms(f"( {text} )")) == sorted(terms)


@given(st.lists(st.sampled_from(["user", "id", "get", "file", "path"]), min_size=2, max_size=4))
def test_camel_case_and_snake_case_are_the_same(parts: list[str]) -> None:
    camel = parts[0] + "".join(part.title() for part in parts[1:])
    assert sorted(chunk_terms(camel)) == sorted(chunk_terms("_".join(parts)))


def test_a_syllable_without_an_end_is_not_weighed_up_by_kiwi(monkeypatch: pytest.MonkeyPatch) -> None:
    given_to_kiwi: list[str] = []
    real = Analyzer._tokenize

    def noted(self: Analyzer, texts: Sequence[str]) -> Iterable[Sequence[Token]]:
        given_to_kiwi.extend(texts)
        return real(self, texts)

    monkeypatch.setattr(Analyzer, "_tokenize", noted)
    terms = ANALYZER.terms("한도 규정 " + "가" * 5000 + " 결재")
    assert {"한도", "규정", "결재"} <= terms.keys()
    assert terms["2:가가"] == 4999 * BIGRAM_WEIGHT
    assert [len(text) for text in given_to_kiwi] == [len("한도 규정 " + " 결재") + 32]
    assert ANALYZER.terms("하" * 31 + "다") and given_to_kiwi[-1] == "하" * 31 + "다"
