from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest

from rag.domain.errors import ConfigurationError, ModelUnavailable
from rag.reranking.http import TOGETHER, open_http_reranker
from rag.settings import RerankingSettings
from tests.support.model_server import Answer, Asked, scripted_server

PASSAGES = [f"제{number}조 휴가" for number in range(2 * TOGETHER + 5)]


def score_of(text: str) -> float:
    return len(text) / 100


def serving(asked: Asked) -> Answer:
    """Each shape's reply, best first, as the servers sort them."""
    texts = asked.body["texts"] if asked.path == "/rerank" else asked.body["documents"]
    order = sorted(range(len(texts)), key=lambda i: -score_of(texts[i]))
    if asked.path == "/rerank":
        return Answer([{"index": i, "score": score_of(texts[i])} for i in order])
    return Answer({"results": [{"index": i, "relevance_score": score_of(texts[i])} for i in order]})


def scored(behaviour: Callable[[Asked], Answer], shape: str, passages: list[str], **kwargs: Any) -> list[float]:
    with scripted_server(behaviour) as server:
        settings = RerankingSettings(backend="http", url=server.url, shape=shape, model="bge-reranker-v2-m3")
        made = open_http_reranker(settings)
        try:
            return made.score("휴가는 며칠?", passages, **kwargs)
        finally:
            made._server.close()


@pytest.mark.parametrize("shape", ["tei", "vllm", "cohere"])
def test_scores_come_in_the_order_of_the_passages(shape: str) -> None:
    assert scored(serving, shape, PASSAGES) == pytest.approx([score_of(text) for text in PASSAGES])
    assert scored(serving, shape, []) == []


def results(*pairs: tuple[Any, Any]) -> Answer:
    return Answer({"results": [{"index": index, "relevance_score": score} for index, score in pairs]})


@pytest.mark.parametrize(
    "answer",
    [
        results((0, 0.5)),
        results((0, 0.5), (0, 0.6)),
        results((0, 0.5), (1, 0.6), (2, 0.1)),
        results((0, 0.5), (1, float("nan"))),
        results((0, 0.5), (1, 7.0)),
        results((0, 0.5), (1, -3.0)),
        results((0, 0.5), ("1", 0.5)),
        results((0, 0.5), (1, None)),
        Answer({"results": None}),
        Answer({}),
        Answer([1, 2]),
        Answer({"error": "no"}, status=400),
    ],
)
def test_a_reply_that_is_not_one_score_per_passage_is_refused(answer: Answer) -> None:
    with pytest.raises(ModelUnavailable):
        scored(lambda asked: answer, "vllm", ["하나", "둘"])


def test_half_precision_may_round_a_little_beyond() -> None:
    assert scored(lambda asked: results((0, 1.0005), (1, -0.0005)), "vllm", ["하나", "둘"]) == [1.0, 0.0]


def test_a_deadline_holds_for_all_requests_together() -> None:
    def slow(asked: Asked) -> Answer:
        answer = serving(asked)
        answer.pause_s = 0.2
        return answer

    start = time.monotonic()
    with pytest.raises(ModelUnavailable):
        scored(slow, "vllm", PASSAGES * 10, deadline=start + 0.5)
    assert time.monotonic() - start < 3


def test_settings_without_a_server_or_a_model_are_refused() -> None:
    with pytest.raises(ConfigurationError):
        open_http_reranker(RerankingSettings(backend="http", model="m"))
    with pytest.raises(ConfigurationError):
        open_http_reranker(RerankingSettings(backend="http", url="http://vllm:8000"))
    assert open_http_reranker(RerankingSettings(backend="http", url="http://tei", shape="tei")).name == "reranker"
