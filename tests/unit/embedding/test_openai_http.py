from __future__ import annotations

import base64
import gc
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rag.domain.errors import ConfigurationError, ModelAway, ModelUnavailable, ModelUnusable
from rag.domain.language import Language
from rag.domain.messages import localized
from rag.embedding import openai_http
from rag.embedding.base import Embedder, Role
from rag.embedding.model_answers import dense_rows, in_order, listed_terms, pooled_terms, token_counts
from rag.embedding.openai_http import (
    AT_ONCE,
    CHARACTERS_PER_REQUEST,
    TEXTS_PER_REQUEST,
    OpenAiHttpEmbedder,
    batches,
    open_openai_http,
)
from rag.embedding.registry import DENSE
from rag.settings import EmbeddingSettings
from rag.text.token_estimate import estimated_tokens
from rag.transport import server
from rag.transport.breaker import Tolerance
from rag.transport.server import Patience, UnusableAnswer
from tests.support.model_server import Answer, Call, ScriptedServer, model_server

WIDTH = 8
NOT_FOUND = Answer({"detail": "Not Found"}, 404)
Respond = Callable[[Call], Answer]


def vector(text: str | list[int]) -> list[float]:
    """Tells texts apart: not of unit length, as some servers give them."""
    ids = [ord(letter) for letter in text] if isinstance(text, str) else text
    return [3.0 + sum(ids) % 97] + [float(sum(ids[i::7]) % 31) for i in range(WIDTH - 1)]


def unit(text: str) -> np.ndarray[Any, Any]:
    row = np.array(vector(text))
    return row / np.linalg.norm(row)


def packed(row: list[float]) -> str:
    return base64.b64encode(np.array(row, dtype="<f4").tobytes()).decode()


def vllm(call: Call) -> Answer:
    """As vLLM answers, items in reverse: their `index` says where they belong."""
    if call.path == "/tokenize":
        if "prompt" not in call.body:
            return Answer({"error": {"message": "missing"}}, 400)
        tokens = [0, *(4 + ord(letter) for letter in call.body["prompt"]), 2]
        return Answer({"count": len(tokens), "max_model_len": 512, "tokens": tokens})
    if call.path == "/pooling":
        rows = [[(token % 5) / 4 for token in ids[1:-1]] for ids in call.body["input"]]
        return Answer({"data": [{"index": i, "data": row} for i, row in enumerate(rows)][::-1]})
    if call.path != "/v1/embeddings":
        return NOT_FOUND
    form = packed if call.body.get("encoding_format") == "base64" else list
    data = [{"index": i, "embedding": form(vector(text))} for i, text in enumerate(call.body["input"])]
    return Answer({"object": "list", "data": data[::-1]})


def tei(call: Call) -> Answer:
    if call.path == "/tokenize" and "inputs" in call.body:
        return Answer([[{"id": ord(letter)} for letter in text] for text in call.body["inputs"]])
    if call.path == "/embed_sparse":
        rows = [[{"index": ord(letter), "value": 0.5} for letter in sorted(set(text))] for text in call.body["inputs"]]
        return Answer(rows)
    if call.path == "/tokenize":
        return Answer({"error": "missing field `inputs`", "error_type": "Validation"}, 422)
    return vllm(call) if call.path == "/v1/embeddings" else Answer(status=404, raw=b"")


@contextmanager
def embedding(respond: Respond = vllm, **settings: Any) -> Iterator[tuple[OpenAiHttpEmbedder, ScriptedServer]]:
    with model_server(respond) as scripted:
        given = {"dense": "openai_http", "url": scripted.url, "model": "bge-m3", "dimensions": WIDTH}
        embedder = open_openai_http(EmbeddingSettings(**({"term_weights": False} | given | settings)))
        try:
            yield embedder, scripted
        finally:
            embedder.close()


def of_texts(scripted: ScriptedServer) -> list[Call]:
    """The calls but for the one by which the server shows that it is there."""
    return [call for call in scripted.calls if call.body.get("input") != ["a"]]


def test_rows_come_in_order_and_of_unit_length() -> None:
    texts = [f"문서 {i} 의 본문" for i in range(100)]
    with embedding() as (embedder, scripted):
        made = embedder.embed(texts, Role.PASSAGE)
        assert made.dense is not None
        assert made.dense.dtype == np.float32
        assert made.sparse is None
        np.testing.assert_allclose(made.dense, np.stack([unit(text) for text in texts]), atol=1e-6)
        assert sorted(len(call.body["input"]) for call in of_texts(scripted)) == [4, 32, 32, 32]
        assert len(scripted.calls) == 5, "one asks for all"
        assert all(call.body["encoding_format"] == "base64" for call in of_texts(scripted))


def test_it_is_an_embedder_and_the_registry_knows_it(tmp_path: Path) -> None:
    settings = EmbeddingSettings(
        dense="openai_http", url="http://vllm:8000/v1/", model="BAAI/bge-m3", dimensions=1024, languages=("ko", "en")
    )
    embedder: Embedder = DENSE["openai_http"](settings, tmp_path)
    assert (embedder.dimensions, embedder.learned, embedder.multi, embedder.max_tokens) == (1024, True, None, 256)
    assert embedder.languages == {Language.KOREAN, Language.ENGLISH}
    assert embedder.name == "http/BAAI/bge-m3@1024/terms"


@pytest.mark.parametrize("missing", [{"url": None}, {"model": ""}, {"dimensions": None}, {"api_key_file": "/none/key"}])
def test_what_must_be_set(missing: dict[str, Any]) -> None:
    fine = {"dense": "openai_http", "url": "http://vllm:8000", "model": "m", "dimensions": 8}
    with pytest.raises(ConfigurationError):
        open_openai_http(EmbeddingSettings(**(fine | missing)))


def test_nothing_gives_nothing_and_an_empty_text_a_vector() -> None:
    with embedding() as (embedder, scripted):
        none = embedder.embed([], Role.PASSAGE).dense
        assert none is not None
        assert none.shape == (0, WIDTH)
        assert not scripted.calls
        one = embedder.embed([""], Role.PASSAGE).dense
        assert one is not None
        assert one.shape == (1, WIDTH)


@pytest.mark.parametrize(
    ("model", "prompt"),
    [("Qwen/Qwen3-Embedding-0.6B", "Instruct: 규정을 찾아라\nQuery:"), ("bge-large", "규정을 찾아라")],
)
def test_the_instruction_stands_before_queries_alone(model: str, prompt: str) -> None:
    with embedding(model=model, query_instruction="규정을 찾아라") as (embedder, scripted):
        embedder.embed(["휴가는 며칠인가"], Role.QUERY)
        embedder.embed(["휴가는 15일이다"], Role.PASSAGE)
        assert scripted.calls[0].body["input"] == [f"{prompt}휴가는 며칠인가"]
        assert scripted.calls[-1].body["input"] == ["휴가는 15일이다"]


@pytest.mark.parametrize("given", ["none", "None"])
def test_no_instruction_can_be_asked_for(given: str) -> None:
    with embedding(model="qwen3-embedding-0.6b", query_instruction=given) as (embedder, scripted):
        embedder.embed(["휴가는 며칠인가"], Role.QUERY)
        assert scripted.calls[0].body["input"] == ["휴가는 며칠인가"]


@pytest.mark.parametrize(
    ("model", "prompt"),
    [
        (
            "Qwen/Qwen3-Embedding-8B",
            "Instruct: Given a web search query, retrieve relevant passages that answer the query\nQuery:",
        ),
        ("BAAI/bge-m3", ""),
        ("Qwen3-30B", ""),
        ("Qwen/Qwen3-VL-Embedding-2B", ""),
    ],
)
def test_a_model_s_own_instruction_stands_where_the_settings_name_none(model: str, prompt: str) -> None:
    """A server does not read what the folder says of prompts; the same folder in this process does (`prompts_of`)."""
    with embedding(model=model, term_weights=False) as (embedder, scripted):
        embedder.embed(["휴가는 며칠인가"], Role.QUERY)
        embedder.embed(["휴가는 15일이다"], Role.PASSAGE)
        assert [call.body["input"] for call in of_texts(scripted)] == [
            [f"{prompt}휴가는 며칠인가"],
            ["휴가는 15일이다"],
        ]


def test_a_server_without_base64_gets_plain_requests_from_then_on() -> None:
    def plain(call: Call) -> Answer:
        return Answer({"message": "unknown field"}, 400) if "encoding_format" in call.body else vllm(call)

    with embedding(plain) as (embedder, scripted):
        for _ in range(2):
            made = embedder.embed(["가"], Role.QUERY).dense
            assert made is not None
            np.testing.assert_allclose(made[0], unit("가"), atol=1e-6)
        assert len(scripted.calls) == 3


def test_a_refused_text_does_not_switch_base64_off() -> None:
    with embedding(lambda call: Answer({}, 400)) as (embedder, scripted):
        for _ in range(2):
            with pytest.raises(ModelUnavailable):
                embedder.embed(["가"], Role.QUERY)
        assert ["encoding_format" in call.body for call in scripted.calls] == [True, False] * 2


@pytest.mark.parametrize("status", [502, 504])
def test_a_server_that_is_away_behind_a_proxy_is_no_fault_of_the_texts(
    status: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else a document is set aside after three tries of an evening on which the server restarts."""
    monkeypatch.setitem(openai_http.PATIENCE, Role.PASSAGE, Patience(tries=2, pause_s=0.001))
    with embedding(lambda call: Answer({}, status)) as (embedder, scripted):
        for work in (lambda: embedder.embed(["가"], Role.PASSAGE), lambda: embedder.count_tokens(["가"])):
            with pytest.raises(ModelAway):
                work()
        assert all(call.body["input"] == ["a"] for call in scripted.calls), "no text is sent to nobody"


def test_a_text_that_a_server_dies_of_is_at_fault_each_time_that_others_pass_before_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(openai_http.PATIENCE, Role.PASSAGE, Patience(tries=2, pause_s=0.001))
    monkeypatch.setattr(server, "Tolerance", lambda: Tolerance(failures=1000))
    alive = True

    def fragile(call: Call) -> Answer:
        nonlocal alive
        alive = alive and "독" not in str(call.body)
        return vllm(call) if alive else Answer({}, 502)

    found: list[type[Exception]] = []
    with embedding(fragile) as (embedder, _):
        for _ in range(3):
            alive = True
            for text in ("독", "독", "가"):
                with pytest.raises(ModelUnavailable) as caught:
                    embedder.embed([text], Role.PASSAGE)
                found.append(caught.type)
        alive = True
        assert embedder.embed(["가"], Role.PASSAGE).dense is not None
    assert found == [ModelUnavailable, ModelAway, ModelAway] * 3


def test_a_query_does_not_wait_for_bulk_requests() -> None:
    gate = threading.Event()

    def slow_passages(call: Call) -> Answer:
        if call.body["input"][0].startswith("passage"):
            gate.wait(20)
        return vllm(call)

    with embedding(slow_passages) as (embedder, scripted), ThreadPoolExecutor(1) as caller:
        texts = [f"passage {i}" for i in range(TEXTS_PER_REQUEST * 3 * AT_ONCE[Role.PASSAGE])]
        bulk = caller.submit(embedder.embed, texts, Role.PASSAGE)
        while len(of_texts(scripted)) < AT_ONCE[Role.PASSAGE]:
            time.sleep(0.005)
        made = embedder.embed(["질문"], Role.QUERY)
        assert made.dense is not None
        assert not bulk.done()
        # Bounded: no more bulk requests are in flight than there are places.
        assert len(of_texts(scripted)) == AT_ONCE[Role.PASSAGE] + 1
        gate.set()
        rows = bulk.result(timeout=20).dense
        assert rows is not None
        assert len(rows) == len(texts)


def test_after_a_failure_the_rest_is_not_sent() -> None:
    with embedding(lambda call: Answer({"message": "out of memory"}, 500)) as (embedder, scripted):
        with pytest.raises(ModelUnavailable):
            embedder.embed(["가나다"] * TEXTS_PER_REQUEST * 100, Role.PASSAGE)
        assert len(scripted.calls) < 50


def test_many_callers_get_their_own_vectors() -> None:
    with embedding() as (embedder, _), ThreadPoolExecutor(12) as pool:
        texts = [[f"글 {caller}-{i}" for i in range(40)] for caller in range(12)]
        roles = [Role.QUERY if caller % 2 else Role.PASSAGE for caller in range(12)]
        for mine, made in zip(texts, pool.map(embedder.embed, texts, roles), strict=True):
            assert made.dense is not None
            np.testing.assert_allclose(made.dense, np.stack([unit(text) for text in mine]), atol=1e-6)


def test_a_dropped_embedder_ends_its_threads() -> None:
    with model_server(vllm) as scripted:
        settings = EmbeddingSettings(
            dense="openai_http", url=scripted.url, model="m", dimensions=WIDTH, term_weights=False
        )
        embedder = open_openai_http(settings)
        embedder.embed(["가"], Role.QUERY)
        mine = [thread for thread in threading.enumerate() if thread.name.startswith("embed-http")]
        assert mine
        del embedder
        gc.collect()
        for thread in mine:
            thread.join(5)
        assert not any(thread.is_alive() for thread in mine)


@given(st.lists(st.integers(0, 2 * CHARACTERS_PER_REQUEST), max_size=120))
def test_batches_are_bounded_and_lose_nothing(lengths: list[int]) -> None:
    texts = ["x" * length for length in lengths]
    made = list(batches(texts))
    assert [text for batch in made for text in batch] == texts
    for batch in made:
        assert 1 <= len(batch) <= TEXTS_PER_REQUEST
        assert len(batch) == 1 or sum(map(len, batch)) <= CHARACTERS_PER_REQUEST


GOOD = {"index": 0, "embedding": [1.0] * WIDTH}
HOSTILE: list[Any] = [
    None,
    [],
    {"data": None},
    {"data": {}},
    {"data": []},
    {"data": [GOOD, GOOD]},
    {"data": [{"embedding": [1.0] * WIDTH}]},
    {"data": [{"index": 1, "embedding": [1.0] * WIDTH}]},
    {"data": [{"index": True, "embedding": [1.0] * WIDTH}]},
    {"data": [{"index": 0, "embedding": [1.0] * (WIDTH + 1)}]},
    {"data": [{"index": 0, "embedding": [0.0] * WIDTH}]},
    {"data": [{"index": 0, "embedding": [float("nan")] * WIDTH}]},
    {"data": [{"index": 0, "embedding": [float("inf")] + [1.0] * (WIDTH - 1)}]},
    {"data": [{"index": 0, "embedding": ["1.0"] * WIDTH}]},
    {"data": [{"index": 0, "embedding": [None] * WIDTH}]},
    {"data": [{"index": 0, "embedding": [[1.0], [1.0, 2.0]]}]},
    {"data": [{"index": 0, "embedding": [10**400] * WIDTH}]},
    {"data": [{"index": 0, "embedding": "not base64!"}]},
    {"data": [{"index": 0, "embedding": packed([1.0] * (WIDTH - 1))}]},
    {"data": [{"index": 0, "embedding": base64.b64encode(b"abc").decode()}]},
    {"data": [{"index": 0, "embedding": packed([float("nan")] * WIDTH)}]},
    {"data": [{"index": 0}]},
    {"data": ["x"]},
]


@pytest.mark.parametrize("answer", HOSTILE)
def test_a_hostile_answer_is_an_unavailable_model(answer: Any) -> None:
    with embedding(lambda call: Answer(answer)) as (embedder, _), pytest.raises(ModelUnavailable):
        embedder.embed(["질문"], Role.QUERY)


def test_a_vector_of_another_width_says_what_is_to_be_set() -> None:
    wide = {"data": [{"index": 0, "embedding": [0.5] * (WIDTH + 1)}]}
    with embedding(lambda call: Answer(wide)) as (embedder, _), pytest.raises(ModelUnusable) as raised:
        embedder.embed(["질문"], Role.QUERY)
    assert f"{WIDTH + 1} numbers, where embedding.dimensions is {WIDTH}" in localized(raised.value, "en")
    assert f"벡터의 크기가 {WIDTH + 1}인데 embedding.dimensions는 {WIDTH}입니다" in localized(raised.value, "ko")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["data", "index", "embedding", "value", "tokens"]), inner, max_size=3)
    ),
    max_leaves=12,
)


@given(JSON)
def test_no_answer_gets_past_the_checks_unseen(answer: Any) -> None:
    try:
        rows = dense_rows(answer, 1, 2)
    except UnusableAnswer:
        pass
    else:
        np.testing.assert_allclose(np.linalg.norm(rows, axis=1), 1.0, atol=1e-5)
    try:
        terms = listed_terms(answer, 1)
    except UnusableAnswer:
        pass
    else:
        assert all(weight > 0.0 for weight in terms[0].values)


# ---- term weights


def test_vllms_term_weights_belong_to_the_tokens_of_the_same_text() -> None:
    texts = ["대출 금리", "ab", "ba", ""] + [f"본문 {i}" for i in range(40)]
    with embedding(term_weights=True) as (embedder, scripted):
        made = embedder.embed(texts, Role.PASSAGE)
        assert made.sparse is not None
        assert len(made.sparse) == len(texts)
        for text, terms in zip(texts, made.sparse, strict=True):
            expected = {4 + ord(letter): ((4 + ord(letter)) % 5) / 4 for letter in text or " "}
            assert dict(zip(terms.indices, terms.values, strict=True)) == {k: w for k, w in expected.items() if w > 0}
        pooled = next(call for call in reversed(scripted.calls) if call.path == "/pooling")
        assert pooled.body["task"] == "token_classify"
        assert all(isinstance(token, int) for ids in pooled.body["input"] for token in ids)


def test_long_texts_are_cut_before_their_last_token() -> None:
    with embedding(term_weights=True, max_tokens=32) as (embedder, scripted):
        embedder.embed(["가" * 300], Role.PASSAGE)
        ids = next(call for call in of_texts(scripted) if call.path == "/v1/embeddings").body["input"][0]
        assert len(ids) == 32
        assert (ids[0], ids[-1]) == (0, 2)


def test_teis_term_weights() -> None:
    with embedding(tei, term_weights=True) as (embedder, _):
        made = embedder.embed(["다나가", "a"], Role.QUERY)
        assert made.sparse is not None
        assert made.sparse[0].indices == tuple(sorted(map(ord, "가나다")))
        assert made.sparse[1].values == (0.5,)


def test_a_server_without_term_weights_says_so_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    def none(call: Call) -> Answer:
        return vllm(call) if call.path in ("/v1/embeddings", "/tokenize") else NOT_FOUND

    with embedding(none, term_weights=True) as (embedder, _), pytest.raises(ModelUnavailable):
        embedder.embed(["가"], Role.QUERY)
    assert "embedding.term_weights" in caplog.text


def test_pooled_weights() -> None:
    terms = pooled_terms({"data": [[0.5], [0.25], [0.75], [0.0], [9.0]]}, [0, 10, 11, 10, 12, 3, 2])
    assert (terms.indices, terms.values) == ((10, 11), (0.75, 0.25))
    whole = pooled_terms({"data": [9.0, 0.5, 9.0]}, [0, 10, 2])
    assert (whole.indices, whole.values) == ((10,), (0.5,))
    assert pooled_terms({"data": []}, [0, 2]).indices == ()


@pytest.mark.parametrize("data", [None, [0.5], [0.5] * 9, ["a"] * 3, [[0.5, 0.5]] * 3, [float("nan")] * 3, {"a": 1}])
def test_weights_that_fit_no_token_are_refused(data: Any) -> None:
    with pytest.raises(UnusableAnswer):
        pooled_terms({"data": data}, [0, 10, 11, 12, 2])


@pytest.mark.parametrize(
    ("read", "korean"),
    [(in_order, "항목"), (listed_terms, "목록"), (token_counts, "목록")],
    ids=["vectors", "term weights", "tokens"],
)
def test_a_list_of_another_length_is_refused_in_good_korean(read: Callable[[Any, int], Any], korean: str) -> None:
    with pytest.raises(UnusableAnswer, match="not a list of 3") as refused:
        read([], 3)
    assert refused.value.korean == f"{korean} 3개로 된 목록이 아닙니다"


# ---- tokens


def test_tokens_are_counted_by_the_server() -> None:
    with embedding() as (embedder, _):
        assert embedder.count_tokens(["가나다", "", "abcd"]) == [5, 2, 6]
    with embedding(tei) as (embedder, scripted):
        assert embedder.count_tokens(["가나다"] * 40) == [3] * 40
        assert scripted.paths() == ["/v1/embeddings", *["/tokenize"] * 4]


def test_without_a_tokenizer_tokens_are_estimated_and_the_server_asked_once() -> None:
    with embedding(lambda call: NOT_FOUND) as (embedder, scripted):
        for _ in range(2):
            assert embedder.count_tokens(["가나다", "hello world"]) == [5, 7]
        assert scripted.paths() == ["/v1/embeddings", *["/tokenize"] * 2]


def starting(seen: list[Call]) -> Respond:
    """A server behind a proxy that knows no path for the first two requests."""

    def respond(call: Call) -> Answer:
        seen.append(call)
        return NOT_FOUND if len(seen) <= 2 else vllm(call)

    return respond


def test_a_proxy_that_refuses_for_a_moment_takes_no_term_weights_for_good() -> None:
    with embedding(starting([]), term_weights=True) as (embedder, _):
        with pytest.raises(ModelUnavailable):
            embedder.embed(["연차 휴가"], Role.PASSAGE)
        [terms] = embedder.embed(["연차 휴가"], Role.PASSAGE).sparse or ()
        assert terms.indices


def test_a_server_is_asked_again_for_its_tokenizer_after_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    with embedding(starting([])) as (embedder, _):
        assert embedder.count_tokens(["hello world"]) == [7]  # estimated
        monkeypatch.setattr(openai_http, "_ASK_AGAIN_S", 0.0)
        embedder._asked_again_at = 0.0
        assert embedder.count_tokens(["hello world"]) == [13]


@given(st.text(max_size=200), st.text(max_size=200))
def test_the_estimate_grows_with_the_text(left: str, right: str) -> None:
    assert max(estimated_tokens(left), estimated_tokens(right)) <= estimated_tokens(left + right)
    assert estimated_tokens(left) <= len(left) + 2


@pytest.mark.parametrize(
    "answer", [None, {}, {"tokens": "abc"}, {"tokens": [1.5]}, {"tokens": [-1]}, {"tokens": [True]}]
)
def test_hostile_token_lists(answer: Any) -> None:
    with embedding(lambda call: Answer(answer)) as (embedder, _), pytest.raises(ModelUnavailable):
        embedder.count_tokens(["가"])
