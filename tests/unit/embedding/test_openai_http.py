from __future__ import annotations

import base64
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from hashlib import blake2b
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rag.domain.errors import ConfigurationError, ModelUnavailable
from rag.domain.language import Language
from rag.embedding.base import Role
from rag.embedding.openai_http import TOGETHER, HttpEmbedder, estimated_tokens, open_http_embedder
from rag.settings import EmbeddingSettings
from rag.transport.server import ModelServer
from tests.support.model_server import Answer, Asked, ScriptedServer, scripted_server

WIDTH = 8
TEXTS = ["연차유급휴가는 15일이다.", "signing keys expire after 180 days", "", "제12조의2", "가" * 3000]


def direction(text: str) -> np.ndarray:
    seed = int.from_bytes(blake2b(text.encode(), digest_size=4).digest())
    return np.random.default_rng(seed).standard_normal(WIDTH).astype("<f4")


def tokens_of(text: str) -> list[int]:
    """What the scripted server's tokenizer makes of a text: 0 and 2 at the ends, as XLM-RoBERTa does."""
    return [0, *(10 + len(word) for word in text.split()), 2]


@dataclass(slots=True)
class Pooling:
    """A pooling server: base64 or numbers, in the order given or turned around."""

    numbers: bool = False
    backwards: bool = False
    before: Callable[[Asked], None] = field(default=lambda asked: None)

    def __call__(self, asked: Asked) -> Answer:
        self.before(asked)
        if asked.path == "/tokenize":
            return Answer({"tokens": tokens_of(asked.body["prompt"])})
        if asked.path == "/embed_sparse":
            return Answer([[{"index": 7, "value": 0.5}, {"index": 3, "value": 0.0}] for _ in asked.body["inputs"]])
        if asked.path == "/pooling":
            rows = [[[0.1 * i] for i, _ in enumerate(tokens_of(text)[1:-1], start=1)] for text in asked.body["input"]]
            return Answer({"data": [{"index": i, "data": row} for i, row in enumerate(rows)]})
        items = [{"index": i, "embedding": self._vector(text)} for i, text in enumerate(asked.body["input"])]
        return Answer({"data": items[::-1] if self.backwards else items})

    def _vector(self, text: str) -> Any:
        vector = direction(text)
        return vector.tolist() if self.numbers else base64.b64encode(vector.tobytes()).decode()


@contextmanager
def embedder(behaviour: Callable[[Asked], Answer], **kwargs: Any) -> Iterator[tuple[HttpEmbedder, ScriptedServer]]:
    with scripted_server(behaviour) as server:
        fields = {
            "model": "tiny",
            "dimensions": WIDTH,
            "max_tokens": 512,
            "languages": frozenset(Language),
            "count_tokens": estimated_tokens,
            "special_tokens": frozenset({0, 2}),
            **kwargs,
        }
        made = HttpEmbedder(ModelServer(server.url, name="tiny", sleep=lambda seconds: None), **fields)
        try:
            yield made, server
        finally:
            made.close()


def expected(texts: list[str]) -> np.ndarray:
    rows = np.stack([direction(text) for text in texts])
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


@pytest.mark.parametrize("numbers", [False, True])
@pytest.mark.parametrize("backwards", [False, True])
def test_rows_are_unit_and_in_the_order_of_the_texts(numbers: bool, backwards: bool) -> None:
    with embedder(Pooling(numbers, backwards)) as (made, _):
        found = made.embed(TEXTS, Role.PASSAGE)
    assert found.dense is not None
    assert found.dense.dtype == np.float32
    np.testing.assert_allclose(found.dense, expected(TEXTS), atol=1e-6)
    assert found.sparse is None


def test_many_texts_go_in_requests_of_bounded_size_and_come_back_in_order() -> None:
    texts = [f"문서 {number}" for number in range(5 * TOGETHER + 3)]
    with embedder(Pooling()) as (made, server):
        found = made.embed(texts, Role.PASSAGE)
        sizes = [len(asked.body["input"]) for asked in server.asked]
    assert sorted(sizes) == [3, *[TOGETHER] * 5]
    np.testing.assert_allclose(found.dense, expected(texts), atol=1e-6)


def test_long_texts_come_in_fewer_at_a_time() -> None:
    with embedder(Pooling()) as (made, server):
        made.embed(["가" * 90_000] * 4, Role.PASSAGE)
        assert [len(asked.body["input"]) for asked in server.asked] == [2, 2]


def test_only_queries_carry_the_instruction() -> None:
    with embedder(Pooling(), query_instruction="Given a question, find the rule") as (made, server):
        made.embed(["휴가?"], Role.QUERY)
        made.embed(["휴가는 15일"], Role.PASSAGE)
        assert server.asked[0].body["input"] == ["Instruct: Given a question, find the rule\nQuery:휴가?"]
        assert server.asked[1].body["input"] == ["휴가는 15일"]
        plain = made.name
    with embedder(Pooling()) as (made, _):
        assert made.name == plain  # passages' vectors are the same, so no index has to be built again


def test_a_question_does_not_wait_behind_an_upload() -> None:
    release, arrived = threading.Event(), threading.Event()

    def hold(asked: Asked) -> None:
        if asked.body["input"][0].startswith("bulk"):
            arrived.set()
            assert release.wait(20)

    with embedder(Pooling(before=hold)) as (made, _):
        upload = threading.Thread(target=made.embed, args=(["bulk"] * (20 * TOGETHER), Role.PASSAGE))
        upload.start()
        try:
            assert arrived.wait(10)
            assert made.embed(["질문"], Role.QUERY).dense is not None
            assert not release.is_set()
        finally:
            release.set()
            upload.join()


def vectors(*rows: Any) -> Answer:
    return Answer({"data": [{"index": i, "embedding": row} for i, row in enumerate(rows)]})


@pytest.mark.parametrize(
    "answer",
    [
        vectors([1.0] * WIDTH),
        vectors([1.0] * WIDTH, [1.0] * WIDTH, [1.0] * WIDTH),
        vectors([1.0] * (WIDTH - 1), [1.0] * (WIDTH - 1)),
        vectors([1.0] * WIDTH, [1.0] * (WIDTH + 1)),
        vectors([float("nan")] * WIDTH, [1.0] * WIDTH),
        vectors([float("inf")] * WIDTH, [1.0] * WIDTH),
        vectors([0.0] * WIDTH, [1.0] * WIDTH),
        vectors("not base64!", "AAAA"),
        vectors(None, None),
        vectors({"a": 1}, [1.0] * WIDTH),
        Answer({"data": [{"index": 0, "embedding": [1.0] * WIDTH}] * 2}),
        Answer({"data": "x"}),
        Answer([]),
        Answer(None),
        Answer({"error": "too long"}, status=400),
    ],
)
def test_a_reply_that_is_not_one_vector_per_text_is_refused(answer: Answer) -> None:
    with embedder(lambda asked: answer) as (made, _), pytest.raises(ModelUnavailable):
        made.embed(["하나", "둘"], Role.PASSAGE)


anything = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 3) | st.floats(width=32) | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["data", "index", "embedding", "tokens", "x"]), inner, max_size=3)
    ),
    max_leaves=12,
)


@settings(max_examples=80, deadline=None)
@given(anything)
def test_whatever_a_server_answers_nothing_else_than_our_error_comes_of_it(reply: Any) -> None:
    class Standing(ModelServer):
        def post(self, path: str, body: Any, *, deadline: float | None = None) -> Any:
            return reply

    server = Standing("http://127.0.0.1:1", name="tiny")
    for weights in ("none", "vllm", "tei"):
        made = HttpEmbedder(
            server,
            model="tiny",
            dimensions=WIDTH,
            max_tokens=512,
            languages=frozenset(Language),
            count_tokens=estimated_tokens,
            weights_from=weights,
        )
        with pytest.raises(ModelUnavailable):
            made.embed(["하나", "둘"], Role.PASSAGE)
    made.close()


def test_a_wider_matryoshka_vector_is_cut_and_made_unit_again() -> None:
    with embedder(Pooling(), dimensions=3) as (made, _):
        found = made.embed(["하나"], Role.PASSAGE).dense
    cut = direction("하나")[:3]
    np.testing.assert_allclose(found, [cut / np.linalg.norm(cut)], atol=1e-6)


def test_weights_of_tokens_become_the_largest_per_token_id() -> None:
    with embedder(Pooling(), weights_from="vllm") as (made, _):
        found = made.embed(["aa bbb cc", ""], Role.PASSAGE)
    assert made.learned
    assert found.sparse is not None
    # 12 twice, at .1 and .3; special tokens nowhere
    assert found.sparse[0].indices == (12, 13)
    assert found.sparse[0].values == pytest.approx((0.3, 0.2))
    assert found.sparse[1].indices == ()


def test_weights_of_the_other_server_leave_out_zeros() -> None:
    with embedder(Pooling(), weights_from="tei") as (made, _):
        found = made.embed(["aa"], Role.QUERY)
    assert found.sparse is not None
    assert (found.sparse[0].indices, found.sparse[0].values) == ((7,), (0.5,))


def test_an_estimate_of_tokens_is_rather_too_long() -> None:
    assert estimated_tokens(["", "가나다", "abcd", "가a"]) == [2, 5, 4, 4]


def test_the_width_is_asked_for_where_the_settings_do_not_name_it() -> None:
    with scripted_server(Pooling()) as server:
        made = open_http_embedder(EmbeddingSettings(dense="openai_http", url=server.url, model="tiny"))
        try:
            assert made.dimensions == WIDTH
            assert made.embed(["하나"], Role.QUERY).dense is not None
        finally:
            made.close()


def test_settings_that_name_no_server_or_no_tokenizer_are_refused(tmp_path: Path) -> None:
    for given_ in ({"model": "tiny"}, {"url": "http://vllm:8000"}):
        with pytest.raises(ConfigurationError):
            open_http_embedder(EmbeddingSettings(dense="openai_http", **given_))
    with pytest.raises(ConfigurationError):
        open_http_embedder(
            EmbeddingSettings(dense="openai_http", url="http://vllm:8000", model="m", dimensions=8, folder=tmp_path)
        )
