from __future__ import annotations

import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rag.domain.language import Language
from rag.domain.vectors import SparseVector
from rag.embedding.base import Embedder, Role
from rag.embedding.bm25 import AVERAGE_LENGTH, K1, B, KiwiBm25Embedder, term_id
from rag.text.analysis import BIGRAM_WEIGHT, Analyzer

EMBEDDER = KiwiBm25Embedder()


def vector(text: str, role: Role, embedder: KiwiBm25Embedder = EMBEDDER) -> dict[int, float]:
    sparse = embedder.embed([text], role).sparse
    assert sparse is not None
    return dict(zip(sparse[0].indices, sparse[0].values, strict=True))


def dot(question: str, passage: str) -> float:
    asked, found = vector(question, Role.QUERY), vector(passage, Role.PASSAGE)
    return sum(weight * found.get(term, 0.0) for term, weight in asked.items())


def test_it_is_an_embedder_of_sparse_vectors_for_every_language() -> None:
    embedder: Embedder = EMBEDDER
    assert embedder.dimensions is None
    assert embedder.languages == frozenset(Language)
    assert embedder.embed(["x"], Role.PASSAGE).dense is None


def test_passage_values_follow_the_formula() -> None:
    text = "apple apple pear " + "word " * 9
    length = Analyzer().analyze(text).length
    norm = K1 * (1 - B + B * length / AVERAGE_LENGTH)
    assert vector(text, Role.PASSAGE)[term_id("appl")] == pytest.approx(2 * (K1 + 1) / (2 + norm))
    assert vector(text, Role.PASSAGE)[term_id("pear")] == pytest.approx((K1 + 1) / (1 + norm))


def test_question_values_are_weights_however_often_a_term_is_said() -> None:
    asked = vector("은행 은행 은행의", Role.QUERY)
    assert asked[term_id("은행")] == 1.0
    assert asked[term_id("2:은행")] == BIGRAM_WEIGHT


def test_length_counts_terms_before_bigrams() -> None:
    assert EMBEDDER.count_tokens(["근로기준법", "", "getUserById"]) == [3, 0, 5]


def test_more_of_a_term_is_better_and_a_longer_passage_worse() -> None:
    assert dot("휴가", "휴가 휴가 규정") > dot("휴가", "휴가 규정 안내")
    assert dot("휴가", "휴가 규정") > dot("휴가", "휴가 규정 " + "그리고 다른 이야기 " * 50)
    assert dot("휴가", "급여 규정") == 0.0


def test_a_text_without_terms_has_an_empty_vector() -> None:
    assert EMBEDDER.embed(["", " …!"], Role.PASSAGE).sparse == (SparseVector((), ()), SparseVector((), ()))
    assert EMBEDDER.embed([], Role.QUERY).sparse == ()


def test_ids_are_the_same_in_another_process() -> None:
    code = "from rag.embedding.bm25 import term_id; print(term_id('근로'), term_id('bank'))"
    printed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert printed.split() == [str(term_id("근로")), str(term_id("bank"))] == ["1591108521", "4246336398"]


def test_parameters_are_part_of_the_name() -> None:
    names = {
        EMBEDDER.name,
        KiwiBm25Embedder(k1=2.0).name,
        KiwiBm25Embedder(b=0.1).name,
        KiwiBm25Embedder(average_length=9).name,
    }
    assert len(names) == 4
    assert Analyzer().name in EMBEDDER.name


@given(st.lists(st.text(), max_size=4), st.sampled_from(Role))
def test_vectors_are_well_formed_and_deterministic(texts: list[str], role: Role) -> None:
    sparse = EMBEDDER.embed(texts, role).sparse
    assert sparse is not None and len(sparse) == len(texts)
    for item in sparse:
        assert list(item.indices) == sorted(set(item.indices))
        assert all(0 <= index < 2**32 for index in item.indices)
        assert all(0.0 < value < 2 * (K1 + 1) for value in item.values)
    assert EMBEDDER.embed(texts, role).sparse == sparse


@given(st.text())
def test_every_text_matches_itself_best_in_its_terms(text: str) -> None:
    assert vector(text, Role.QUERY).keys() == vector(text, Role.PASSAGE).keys()
