from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rag.domain.errors import ConfigurationError, ModelUnavailable, ModelUnusable
from rag.domain.messages import localized
from rag.reranking.base import Reranker
from rag.reranking.http import (
    AT_ONCE_A_CALL,
    CHARACTERS_PER_REQUEST,
    PASSAGES_PER_REQUEST,
    SHAPES,
    HttpReranker,
    batches,
    open_http_reranker,
    scores,
)
from rag.reranking.windows import MOST_WINDOWS
from rag.settings import RerankingSettings
from rag.text.token_estimate import estimated_tokens
from rag.transport.server import UnusableAnswer
from tests.support.model_server import Answer, Call, ScriptedServer, model_server

Respond = Callable[[Call], Answer]


def relevance(passage: str) -> float:
    return len(passage.strip()) / 1000


def listed(call: Call) -> Answer:
    """As TEI answers: best first, the index says which."""
    items = [{"index": i, "score": relevance(text)} for i, text in enumerate(call.body["texts"])]
    return Answer(sorted(items, key=lambda item: -item["score"]))


def results(call: Call) -> Answer:
    """As vLLM, Cohere and Jina answer."""
    items = [
        {"index": i, "document": {"text": "…"}, "relevance_score": relevance(text)}
        for i, text in enumerate(call.body["documents"])
    ]
    return Answer({"id": "rerank-1", "results": sorted(items, key=lambda item: -item["relevance_score"])})


RESPOND: dict[str, Respond] = {"tei": listed, "vllm": results, "cohere": results}


@contextmanager
def reranking(
    shape: str = "vllm", respond: Respond | None = None, path: str = "", **settings: Any
) -> Iterator[tuple[HttpReranker, ScriptedServer]]:
    with model_server(respond or RESPOND[shape]) as scripted:
        given = {"backend": "http", "url": scripted.url + path, "model": "bge-reranker-v2-m3", "shape": shape}
        reranker = open_http_reranker(RerankingSettings(**(given | settings)))
        try:
            yield reranker, scripted
        finally:
            reranker.close()


@pytest.mark.parametrize("shape", SHAPES)
def test_scores_come_in_the_order_of_the_passages(shape: str) -> None:
    passages = ["가" * (1 + i * 37 % 100) for i in range(150)]
    with reranking(shape) as (opened, scripted):
        reranker: Reranker = opened
        assert reranker.score("대출 한도는?", passages) == [relevance(passage) for passage in passages]
        field = "texts" if shape == "tei" else "documents"
        assert sorted(len(call.body[field]) for call in scripted.calls) == [22, 32, 32, 32, 32]
        assert all(call.body["query"] == "대출 한도는?" for call in scripted.calls)


def test_each_shape_is_asked_in_its_own_way() -> None:
    with reranking("tei") as (reranker, scripted):
        reranker.score("q", ["p"])
        assert scripted.calls[0].path == "/rerank"
        assert scripted.calls[0].body == {"query": "q", "texts": ["p"], "raw_scores": False, "truncate": True}
    with reranking("vllm", path="/v1/", instruction="규정을 찾아라") as (reranker, scripted):
        reranker.score("q", ["p"])
        assert scripted.calls[0].path == "/v1/rerank"
        assert scripted.calls[0].body == {
            "model": "bge-reranker-v2-m3",
            "query": "q",
            "documents": ["p"],
            "top_n": 1,
            "truncate_prompt_tokens": -1,
            "instruction": "규정을 찾아라",
        }
    with reranking("cohere", path="/v2/rerank") as (reranker, scripted):
        reranker.score("q", ["p"])
        assert scripted.calls[0].path == "/v2/rerank"
        assert "truncate_prompt_tokens" not in scripted.calls[0].body


def test_nothing_is_asked_about_nothing_and_an_empty_passage_is_scored() -> None:
    with reranking() as (reranker, scripted):
        assert reranker.score("질문", []) == []
        assert not scripted.calls
        assert reranker.score("질문", [""]) == [0.0]


def share_of_x(call: Call) -> Answer:
    """A server that reads no further than its model's 96 tokens, question and all, as TEI with `truncate` does."""
    room = 96 - len(call.body["query"]) - 4
    texts = [text[:room] for text in call.body["documents"]]
    return Answer({"results": [{"index": i, "relevance_score": t.count("답") / len(t)} for i, t in enumerate(texts)]})


def test_a_long_passage_is_read_in_windows_and_its_best_counts() -> None:
    """An answer in the last sentence is as good as one in the first, as for models in this process."""
    rest, answer = "가" * 400, "답" * 80
    with reranking(respond=share_of_x, max_tokens=96) as (reranker, scripted):
        first, last, middle, none, alone = reranker.score(
            "질문", [answer + rest, rest + answer, rest + answer + rest, rest, answer]
        )
        texts = [text for call in scripted.calls for text in call.body["documents"]]
    assert (first, last, none, alone) == (pytest.approx(80 / 90), pytest.approx(80 / 90), 0.0, 1.0)
    assert middle > 0.5
    assert all(estimated_tokens("질문") + estimated_tokens(text) <= 96 for text in texts)
    assert len(texts) == 7 + 7 + 12 + 6 + 1


def test_windows_go_in_few_requests() -> None:
    with reranking(respond=share_of_x, max_tokens=96) as (reranker, scripted):
        assert len(reranker.score("질문", ["가" * 400] * 40)) == 40
        assert [len(call.body["documents"]) <= PASSAGES_PER_REQUEST for call in scripted.calls] == [True] * 8


def test_a_passage_of_megabytes_is_read_in_its_beginning() -> None:
    with reranking(respond=share_of_x, max_tokens=96) as (reranker, scripted):
        first, beyond = reranker.score("질문", ["답" * 90 + "가" * 400_000, "가" * 400_000 + "답" * 90])
        assert sum(len(call.body["documents"]) for call in scripted.calls) == 2 * MOST_WINDOWS
    assert (first, beyond) == (1.0, 0.0)


@pytest.mark.parametrize(("most", "asked", "length"), [(1024, 10, 16_000), (512, 10, 8_000), (512, 300, 4_500)])
def test_the_end_of_the_longest_passage_that_an_index_holds_is_read(most: int, asked: int, length: int) -> None:
    def ends(call: Call) -> Answer:
        texts = call.body["documents"]
        return Answer({"results": [{"index": i, "relevance_score": float("답" in t)} for i, t in enumerate(texts)]})

    with reranking(respond=ends, max_tokens=most) as (reranker, _):
        assert reranker.score("질" * asked, ["가" * length + "답", "가" * length]) == [1.0, 0.0]


def test_a_search_has_all_connections_of_the_server() -> None:
    together = threading.Barrier(4)

    def held(call: Call) -> Answer:
        together.wait(20)
        return results(call)

    with reranking(respond=held, budget_ms=60_000) as (reranker, _):
        assert len(reranker.score("질문", ["본문"] * 4 * PASSAGES_PER_REQUEST)) == 4 * PASSAGES_PER_REQUEST


def test_others_get_in_between_the_requests_of_a_long_call() -> None:
    """Searches share the queue: one call for many passages has no more than its share of it."""
    open_gate, arrived, at_once = threading.Event(), threading.Semaphore(0), [0, 0]
    lock = threading.Lock()

    def held(call: Call) -> Answer:
        if call.body["query"] == "길다":
            with lock:
                at_once[0] += 1
                at_once[1] = max(at_once)
            arrived.release()
            open_gate.wait(20)
            with lock:
                at_once[0] -= 1
        return results(call)

    with reranking(respond=held, budget_ms=60_000) as (reranker, _), ThreadPoolExecutor(1) as pool:
        long = pool.submit(reranker.score, "길다", ["본문"] * 300)
        try:
            assert all(arrived.acquire(timeout=10) for _ in range(AT_ONCE_A_CALL))
            assert reranker.score("짧다", ["본문"], deadline=time.monotonic() + 5) == [0.002]
        finally:
            open_gate.set()
        assert long.result(20) == [0.002] * 300
    assert at_once[1] == AT_ONCE_A_CALL


def test_a_long_question_leaves_the_passages_their_share() -> None:
    with reranking(respond=lambda call: results(call), max_tokens=96) as (reranker, scripted):
        reranker.score("질" * 200, ["본" * 100])
        [call] = scripted.calls
    assert len(call.body["query"]) == 69  # three quarters of 92 tokens beside the special ones
    assert all(estimated_tokens(text) <= 96 - 71 for text in call.body["documents"])


def test_what_a_server_puts_around_a_pair_is_left_room_for() -> None:
    """The chat of Qwen3-Reranker, and a task."""
    with reranking(model="Qwen/Qwen3-Reranker-0.6B", max_tokens=512, instruction="가" * 100) as (reranker, scripted):
        reranker.score("질문", ["본" * 1000])
        texts = scripted.calls[0].body["documents"]
    assert max(map(len, texts)) < 512 - 100 - 2 - 100  # the chat's own words are some hundred tokens by the estimate


@pytest.mark.parametrize(("shape", "sent"), [("vllm", True), ("cohere", False), ("tei", False)])
def test_an_instruction_takes_room_where_it_is_sent(shape: str, sent: bool, caplog: pytest.LogCaptureFixture) -> None:
    """Without room for windows passages go as they are, and the server cuts them; nobody's start fails."""
    passage = "본" * 100
    with reranking(shape, max_tokens=64, instruction="가" * 60) as (reranker, scripted):
        assert len(reranker.score("질문", [passage])) == 1
        texts = scripted.calls[0].body["texts" if shape == "tei" else "documents"]
    assert (
        texts == [passage[: len(texts[0])]]
    ) is sent  # of the passage its beginning, where there is no room beside the prompt
    assert ("reranking.max_tokens" in caplog.text) is sent


def vllm_score(value: Any) -> Any:
    return {"results": [{"index": 0, "relevance_score": value}]}


LOGITS = [-12.5, -1.0, 0.0, 0.3, 9.75, 800.0, -800.0]


@pytest.mark.parametrize("shape", SHAPES)
def test_logits_become_what_models_in_this_process_make_of_them(shape: str) -> None:
    """`ClassifierForward` takes the sigmoid of a model's one label."""
    import torch

    def raw(call: Call) -> Answer:
        name = "score" if shape == "tei" else "relevance_score"
        items = [{"index": i, name: value} for i, value in enumerate(LOGITS)]
        return Answer(items if shape == "tei" else {"results": items})

    expected = torch.tensor(LOGITS, dtype=torch.float64).sigmoid().tolist()
    with reranking(shape, raw, scores="logits") as (reranker, scripted):
        assert reranker.score("질문", ["본문"] * len(LOGITS)) == pytest.approx(expected, abs=1e-12)
        [call] = scripted.calls
    asked = {"tei": {"raw_scores": True}, "vllm": {"use_activation": False}, "cohere": {}}[shape]
    assert asked.items() <= call.body.items()


@pytest.mark.parametrize("value", [float("nan"), float("inf"), 10**400, True, "7.3", None])
def test_a_logit_is_a_number(value: Any) -> None:
    opened = reranking(respond=lambda call: Answer(vllm_score(value)), scores="logits")
    with opened as (reranker, _), pytest.raises(ModelUnusable, match="not a number"):
        reranker.score("질문", ["본문"])


REFUSED = [
    (Answer(vllm_score(7.3)), "reranking.scores to logits", "reranking.scores를 logits로"),
    (Answer({"error": "no"}, 401), "reranking.api_key_file", "reranking.api_key_file"),
    (Answer({"detail": "Not Found"}, 404), "reranking.shape", "reranking.shape"),
    (
        Answer({"error": {"message": "This server does not support reranking."}}, 501),
        "started for",
        "그 주소는 리랭킹 요청을 받지 않습니다(상태 코드 501)",
    ),
    (Answer({"error": "too long"}, 413), "reranking.max_tokens", "reranking.max_tokens"),
    (Answer({"error": "teapot"}, 418), "status 418", "상태 코드 418"),
]


@pytest.mark.parametrize(("answer", "english", "korean"), REFUSED, ids=["logits", "401", "404", "501", "413", "418"])
def test_what_was_refused_says_what_to_set(answer: Answer, english: str, korean: str) -> None:
    with reranking(respond=lambda call: answer) as (reranker, _), pytest.raises(ModelUnusable) as refused:
        reranker.score("질문", ["본문"])
    assert english in localized(refused.value, "en")
    assert korean in localized(refused.value, "ko")


HOSTILE: list[Any] = [
    None,
    [],
    {},
    {"results": None},
    {"results": []},
    {"results": [None]},
    {"results": [{"relevance_score": 0.5}]},
    {"results": [{"index": 1, "relevance_score": 0.5}]},
    {"results": [{"index": False, "relevance_score": 0.5}]},
    {"results": [{"index": 0, "relevance_score": 0.5}] * 2},
    *map(vllm_score, [None, "0.5", True, float("nan"), float("inf"), -0.2, 7.3, 10**400]),
]


@pytest.mark.parametrize("answer", HOSTILE)
def test_a_hostile_answer_is_an_unavailable_model(answer: Any) -> None:
    with reranking(respond=lambda call: Answer(answer)) as (reranker, _), pytest.raises(ModelUnavailable):
        reranker.score("질문", ["본문"])


@pytest.mark.parametrize(("given_score", "kept"), [(-0.0005, 0.0), (1.0005, 1.0), (1, 1.0), (0.25, 0.25)])
def test_rounding_errors_of_half_precision_are_clamped(given_score: float, kept: float) -> None:
    assert scores(vllm_score(given_score), SHAPES["vllm"], 1) == [kept]


def test_too_few_scores_are_refused_in_good_korean() -> None:
    with pytest.raises(UnusableAnswer, match="not a list of 3 scores") as refused:
        scores([], SHAPES["tei"], 3)
    assert refused.value.korean == "점수 3개로 된 목록이 아닙니다"


def test_a_missing_score_among_many_is_noticed() -> None:
    items = [{"index": i, "score": 0.5} for i in (0, 1, 1)]
    with pytest.raises(ValueError, match="missing"):
        scores(items, SHAPES["tei"], 3)


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=4),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(st.sampled_from(["index", "score", "relevance_score", "results"]), inner, max_size=3)
        ),
        max_leaves=10,
    ),
    st.sampled_from(sorted(SHAPES)),
)
def test_what_gets_past_the_checks_is_a_probability(answer: Any, shape: str) -> None:
    try:
        found = scores(answer, SHAPES[shape], 1)
    except ValueError:
        return
    assert len(found) == 1
    assert 0.0 <= found[0] <= 1.0


def test_the_deadline_is_kept() -> None:
    def slow(call: Call) -> Answer:
        time.sleep(1.5)
        return results(call)

    with reranking(respond=slow) as (reranker, _):
        begun = time.monotonic()
        with pytest.raises(ModelUnavailable):
            reranker.score("질문", ["본문"] * 200, deadline=begun + 0.2)
        assert time.monotonic() - begun < 1.4


def test_a_deadline_that_is_past_sends_nothing() -> None:
    with reranking() as (reranker, scripted):
        with pytest.raises(ModelUnavailable):
            reranker.score("질문", ["본문"], deadline=time.monotonic() - 1)
        assert not scripted.calls


def test_it_is_asked_again_when_busy() -> None:
    answers = [Answer({"error": "overloaded"}, 429)]
    with reranking("tei", lambda call: answers.pop() if answers else listed(call)) as (reranker, scripted):
        assert reranker.score("질문", ["본문"]) == [0.002]
        assert len(scripted.calls) == 2


@pytest.mark.parametrize(
    "wrong", [{"url": None}, {"url": "vllm"}, {"model": ""}, {"api_key_file": "/none/key", "url": "http://vllm"}]
)
def test_what_must_be_set(wrong: dict[str, Any]) -> None:
    fine = {"backend": "http", "url": "http://vllm:8000", "model": "m"}
    with pytest.raises(ConfigurationError):
        open_http_reranker(RerankingSettings(**(fine | wrong)))


@given(st.lists(st.integers(0, 2 * CHARACTERS_PER_REQUEST), max_size=80))
def test_batches_are_bounded_and_lose_nothing(lengths: list[int]) -> None:
    passages = ["x" * length for length in lengths]
    made = list(batches(passages))
    assert [passage for batch in made for passage in batch] == passages
    for batch in made:
        assert 1 <= len(batch) <= PASSAGES_PER_REQUEST
        assert len(batch) == 1 or sum(map(len, batch)) <= CHARACTERS_PER_REQUEST
