"""What every reranker promises. A class of tests per backend inherits from `RerankerContract`."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from rag.domain.errors import ModelUnavailable
from rag.reranking.base import Reranker
from tests.support.tiny_rerankers import QUESTION, passages

TOLERANCE = 1e-5


class RerankerContract:
    """Needs a fixture `reranker`."""

    def test_scores_lie_between_0_and_1_and_differ(self, reranker: Reranker) -> None:
        scores = reranker.score(QUESTION, passages(20))
        assert len(scores) == 20
        assert all(0.0 <= score <= 1.0 for score in scores)
        assert max(scores) - min(scores) > 0.01

    def test_no_passages_no_scores(self, reranker: Reranker) -> None:
        assert reranker.score(QUESTION, []) == []

    def test_a_passage_scores_alone_as_among_others(self, reranker: Reranker) -> None:
        texts = passages(24)
        together = reranker.score(QUESTION, texts)
        assert [reranker.score(QUESTION, [text])[0] for text in texts] == pytest.approx(together, abs=TOLERANCE)

    def test_order_of_passages_means_nothing(self, reranker: Reranker) -> None:
        texts = passages(24)
        backwards = reranker.score(QUESTION, texts[::-1])
        assert backwards[::-1] == pytest.approx(reranker.score(QUESTION, texts), abs=TOLERANCE)

    def test_empty_and_strange_texts_have_scores(self, reranker: Reranker) -> None:
        texts = ["", " ", "\n", "한글", "☃" * 50, "\ud55c\u0000", "제24조제1항"]
        scores = reranker.score("해고의 제한", texts)
        assert len(scores) == len(texts)
        assert all(0.0 <= score <= 1.0 for score in scores)
        assert all(0.0 <= score <= 1.0 for score in reranker.score("", texts))

    def test_the_question_matters(self, reranker: Reranker) -> None:
        texts = passages(10)
        one = reranker.score("환자의 진료기록은 10년간 보존하며", texts)
        assert one != pytest.approx(reranker.score("Passwords are changed every ninety days", texts), abs=1e-3)

    def test_long_passages_and_questions_are_read(self, reranker: Reranker) -> None:
        text = " ".join(passages(40))
        scores = reranker.score(QUESTION, [text, "휴가"])
        assert all(0.0 <= score <= 1.0 for score in scores)
        assert all(0.0 <= score <= 1.0 for score in reranker.score(text, [text, "휴가"]))

    def test_a_deadline_that_is_over_is_said(self, reranker: Reranker) -> None:
        with pytest.raises(ModelUnavailable):
            reranker.score(QUESTION, passages(5), deadline=time.monotonic() - 1.0)
        assert len(reranker.score(QUESTION, passages(5), deadline=time.monotonic() + 60.0)) == 5

    def test_questions_at_once_get_their_own_scores(self, reranker: Reranker) -> None:
        lists = [passages(12, seed=seed) for seed in range(8)]
        questions = [" ".join(texts[0].split()[:6]) for texts in lists]
        alone = [reranker.score(question, texts) for question, texts in zip(questions, lists, strict=True)]
        with ThreadPoolExecutor(8) as pool:
            at_once = list(pool.map(reranker.score, questions, lists))
        for one, other in zip(alone, at_once, strict=True):
            assert one == pytest.approx(other, abs=TOLERANCE)

    def test_it_has_a_name_and_a_length(self, reranker: Reranker) -> None:
        assert reranker.name
        assert reranker.max_tokens > 0
