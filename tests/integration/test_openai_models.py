"""The configured models themselves, by OpenAI's client over a real socket: generators, embedder, reranker."""

from __future__ import annotations

import asyncio
import base64
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any
from uuid import UUID

import httpx
import numpy as np
import openai
import pytest
from anyio.to_thread import current_default_thread_limiter

from api.app import create_app
from api.deps import Services
from rag.domain.errors import GenerationStopped, ModelBusy
from rag.domain.principal import Scope
from rag.embedding.base import Role
from rag.generation.engine import Finished, ReasoningDelta, TextDelta, ToolCallDelta, Usage
from rag.generation.registry import Generation
from rag.generation.routing import SingleModel
from rag.generation.scripted import ScriptedEngine, Step, spoken
from rag.reranking.scripted import ScriptedReranker
from rag.retrieval.reranking import SecondLook
from tests.support.generators import generation_of
from tests.support.live import asked_and_left, openai_client, served
from tests.support.running import Caller, Running, running, settings_for

ASKED: list[Any] = [{"role": "user", "content": "서고를 한 문장으로 설명해 줘."}]
PIXEL = "data:image/png;base64,iVBORw0KGgo="
MINILM = "embed/all-MiniLM-L6-v2"
OF_MODEL: dict[str, Any] = {"catalogue": "Qwen3-32B", "adapters": ["legal"], "vision": True}
SERVED = {"name": "Qwen3-8B", "urls": ["http://127.0.0.1:9/v1"], **OF_MODEL}

Play = Callable[..., ScriptedEngine]


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Running, str]]:
    """A service with a generator under two names and an adapter, and a reranker; with its address."""
    engine = ScriptedEngine.saying("안녕하세요", name="Qwen3-8B")
    generation = generation_of(
        engine, aliases={"HCP-LLM-Latest": "newest", "newest": "Qwen3-8B", "법무": "legal"}, **OF_MODEL
    )
    settings = settings_for(tmp_path_factory.mktemp("openai"), {"rag": {"generation": {"models": [SERVED]}}})
    with running(settings, generation=generation) as service:
        look = SecondLook(ScriptedReranker(), 10, 2000)
        retriever = replace(service.services.rag.retriever, second_look=look)
        services = replace(service.services, rag=replace(service.services.rag, retriever=retriever))
        service = replace(service, services=services)
        app = create_app(services)
        with served(app) as address:
            yield service, address


@pytest.fixture
def key(live: tuple[Running, str]) -> str:
    return live[0].key(Scope.READ)


@pytest.fixture
def client(live: tuple[Running, str], key: str) -> Iterator[openai.OpenAI]:
    with openai_client(live[1], key) as made:
        yield made


@pytest.fixture
def play(live: tuple[Running, str]) -> Play:
    """Gives the service's engine other lines; returns it."""
    generation = live[0].services.rag.generation
    assert generation is not None
    engine = generation.engines["Qwen3-8B"]
    assert isinstance(engine, ScriptedEngine)

    def played(*scripts: list[Step]) -> ScriptedEngine:
        engine._scripts[:] = [list(script) for script in scripts]
        engine.calls.clear()
        engine.stopped.clear()
        return engine

    return played


def test_models_say_what_they_are(client: openai.OpenAI) -> None:
    found = {model.id: model.model_dump() for model in client.models.list()}
    assert found.keys() == {
        "rag/all",
        "llm/Qwen3-8B",
        "llm/Qwen3-8B:legal",
        "llm/HCP-LLM-Latest",
        "llm/newest",
        "llm/법무",
        MINILM,
        "rerank/scripted",
    }
    assert found["llm/HCP-LLM-Latest"]["root"] == found["llm/newest"]["root"] == "llm/Qwen3-8B"
    assert found["llm/법무"]["root"] == "llm/Qwen3-8B:legal"
    assert found["llm/Qwen3-8B:legal"]["parent"] == "llm/Qwen3-8B"
    assert found["llm/Qwen3-8B"]["max_model_len"] == found["rag/all"]["max_model_len"] == 32_768
    assert found[MINILM]["max_model_len"] == 256
    assert client.models.retrieve("llm/Qwen3-8B:legal").model_dump() == found["llm/Qwen3-8B:legal"]
    for absent in ("llm/Qwen3-8B:other", "llm/other", "embed/other", "rerank/other", "gpt-4o"):
        with pytest.raises(openai.NotFoundError):
            client.models.retrieve(absent)


def test_a_whole_completion_is_what_the_engine_said(client: openai.OpenAI, play: Play) -> None:
    said = [
        ReasoningDelta("생각"),
        TextDelta("서고는 "),
        TextDelta("RAG입니다."),
        Finished("stop", Usage(20, 7, 16), replica="http://gpu1"),
    ]
    engine = play(said)
    completion = client.chat.completions.create(model="llm/HCP-LLM-Latest", messages=ASKED)
    message = completion.choices[0].message
    assert message.content == "서고는 RAG입니다."
    assert message.model_extra is not None
    assert message.model_extra["reasoning"] == message.model_extra["reasoning_content"] == "생각"
    assert completion.choices[0].finish_reason == "stop"
    assert completion.usage is not None and completion.usage.total_tokens == 27
    assert completion.usage.prompt_tokens_details is not None
    assert completion.usage.prompt_tokens_details.cached_tokens == 16
    assert "gpu1" not in completion.model_dump_json()
    assert list(engine.calls[0].messages) == ASKED
    assert engine.calls[0].sampling.temperature is None


def test_every_name_of_the_router_is_one_here(client: openai.OpenAI, play: Play) -> None:
    engine = play(spoken("네"))
    for name in ("newest", "법무", "legal", "Qwen3-8B:legal", "qwen/qwen3-32b"):
        client.chat.completions.create(model=f"llm/{name}", messages=ASKED)
    assert [call.adapter for call in engine.calls] == ["", "legal", "legal", "legal", ""]


def test_a_stream_has_openais_order(client: openai.OpenAI, play: Play) -> None:
    play([ReasoningDelta("음"), TextDelta("가"), TextDelta("나"), Finished("length", Usage(3, 2))])
    stream = client.chat.completions.create(
        model="llm/Qwen3-8B", messages=ASKED, stream=True, stream_options={"include_usage": True}
    )
    chunks = list(stream)
    assert chunks[0].choices[0].delta.role == "assistant"
    assert [chunk.choices[0].delta.content for chunk in chunks[1:-2]] == [None, "가", "나"]
    assert (chunks[1].choices[0].delta.model_extra or {})["reasoning"] == "음"
    assert chunks[-2].choices[0].finish_reason == "length"
    assert chunks[-1].choices == [] and chunks[-1].usage is not None and chunks[-1].usage.total_tokens == 5
    assert len({chunk.id for chunk in chunks}) == 1


def test_every_parameter_reaches_the_engine(client: openai.OpenAI, play: Play) -> None:
    engine = play(spoken("네"))
    tools: Any = [{"type": "function", "function": {"name": "look", "parameters": {"type": "object"}, "strict": True}}]
    form: Any = {"type": "json_schema", "json_schema": {"name": "x", "schema": {"type": "object"}}}
    client.chat.completions.create(
        model="llm/Qwen3-8B:legal",
        messages=ASKED,
        max_completion_tokens=99,
        temperature=0.3,
        top_p=0.9,
        presence_penalty=0.1,
        frequency_penalty=-0.2,
        seed=7,
        stop="끝",
        logit_bias={"5": -100},
        tools=tools,
        tool_choice={"type": "function", "function": {"name": "look"}},
        parallel_tool_calls=False,
        response_format=form,
        extra_body={
            "top_k": 20,
            "min_p": 0.05,
            "repetition_penalty": 1.05,
            "min_tokens": 3,
            "chat_template_kwargs": {"enable_thinking": False},
            "cache_salt": "another tenant's",
            "chat_template": "{{ messages }}",
        },
    )
    [call] = engine.calls
    sampling = call.sampling
    assert (sampling.temperature, sampling.top_p, sampling.top_k, sampling.min_p) == (0.3, 0.9, 20, 0.05)
    assert (sampling.presence_penalty, sampling.frequency_penalty, sampling.repetition_penalty) == (0.1, -0.2, 1.05)
    assert (sampling.seed, sampling.stop, call.max_tokens, call.thinking) == (7, ("끝",), 99, False)
    assert sampling.extra == {"logit_bias": {"5": -100}, "min_tokens": 3}
    assert (list(call.tools), call.response_format, call.parallel_tool_calls) == (tools, form, False)
    assert call.tool_choice == {"type": "function", "function": {"name": "look"}}
    assert call.adapter == "legal"
    assert UUID(call.tenant) and call.affinity


@pytest.mark.parametrize(("effort", "thinking"), [("none", False), ("minimal", False), ("low", True), ("high", True)])
def test_reasoning_effort_is_thinking(client: openai.OpenAI, play: Play, effort: Any, thinking: bool) -> None:
    engine = play(spoken("네"))
    client.chat.completions.create(model="llm/Qwen3-8B", messages=ASKED, reasoning_effort=effort)
    assert engine.calls[0].thinking is thinking


def test_tool_calls_come_whole_and_in_fragments(client: openai.OpenAI, play: Play) -> None:
    pieces: list[Step] = [
        ToolCallDelta(0, "call_a", "search", '{"q":'),
        ToolCallDelta(0, arguments='"휴가"}'),
        ToolCallDelta(1, "call_b", "fetch", "{}"),
        Finished("tool_calls"),
    ]
    play(pieces)
    [choice] = client.chat.completions.create(model="llm/Qwen3-8B", messages=ASKED).choices
    assert choice.finish_reason == "tool_calls" and choice.message.content is None
    calls = [call for call in choice.message.tool_calls or [] if call.type == "function"]
    assert [(call.id, call.function.name, call.function.arguments) for call in calls] == [
        ("call_a", "search", '{"q":"휴가"}'),
        ("call_b", "fetch", "{}"),
    ]
    play(pieces)
    stream = client.chat.completions.create(model="llm/Qwen3-8B", messages=ASKED, stream=True)
    fragments = [part for chunk in stream for part in chunk.choices[0].delta.tool_calls or []]
    assert [part.index for part in fragments] == [0, 0, 1]
    assert [part.id for part in fragments] == ["call_a", None, "call_b"]
    assert [part.function.arguments for part in fragments if part.function] == ['{"q":', '"휴가"}', "{}"]
    assert (fragments[0].type, fragments[1].type) == ("function", None)


def test_a_tool_conversation_and_its_reasoning_are_passed_on(client: openai.OpenAI, play: Play) -> None:
    engine = play(spoken("365일입니다."))
    call = {"id": "call_a", "type": "function", "function": {"name": "search", "arguments": "{}"}}
    history: list[Any] = [
        {"role": "developer", "content": [{"type": "text", "text": "짧게."}]},
        {
            "role": "user",
            "content": [{"type": "text", "text": "무슨 그림?"}, {"type": "image_url", "image_url": {"url": PIXEL}}],
        },
        {"role": "assistant", "content": None, "reasoning": "찾자", "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "call_a", "content": "365일"},
    ]
    client.chat.completions.create(model="llm/Qwen3-8B", messages=history)
    assert list(engine.calls[0].messages) == [
        {"role": "system", "content": "짧게."},
        history[1],
        {
            "role": "assistant",
            "content": None,
            "tool_calls": [call],
            "reasoning": "찾자",
            "reasoning_content": "찾자",
        },
        history[3],
    ]


def test_tools_bring_what_the_template_needs_and_nothing_else_of_the_router(
    live: tuple[Running, str], caller: Caller
) -> None:
    from starlette.testclient import TestClient

    engine = ScriptedEngine.saying("네", name="house")
    generation = generation_of(engine, catalogue="Qwen3.6-27B", vision=False, aliases={"Latest": "house"})
    rag = replace(live[0].services.rag, generation=generation)
    http = TestClient(create_app(replace(live[0].services, rag=rag)), headers=caller.headers)
    tools = [{"type": "function", "function": {"name": "look"}}]
    for fields, expected in (
        ({"tools": tools}, {"preserve_thinking": True}),
        ({"tools": tools, "chat_template_kwargs": {"preserve_thinking": False, "x": 1}}, {"preserve_thinking": False}),
        ({"tools": tools, "chat_template_kwargs": {"preserve_thinking": "{{ x }}"}}, {"preserve_thinking": True}),
        ({}, None),
    ):
        body: dict[str, Any] = {"model": "llm/Latest", "messages": ASKED, **fields}
        assert http.post("/v1/chat/completions", json=body).status_code == 200
        sampling = engine.calls[-1].sampling
        assert sampling.extra.get("chat_template_kwargs") == expected
        assert (sampling.temperature, sampling.top_k, engine.calls[-1].thinking) == (None, None, None)


@pytest.mark.parametrize("stream", [True, False])
def test_a_picture_for_a_model_that_sees_none_is_refused(
    live: tuple[Running, str], caller: Caller, stream: bool
) -> None:
    from starlette.testclient import TestClient

    engine = ScriptedEngine.saying("네", name="house")
    rag = replace(live[0].services.rag, generation=generation_of(engine, catalogue="Qwen3.6-27B", vision=False))
    http = TestClient(create_app(replace(live[0].services, rag=rag)), headers=caller.headers)
    content = [{"type": "text", "text": "무슨 그림?"}, {"type": "image_url", "image_url": {"url": PIXEL}}]
    body = {"model": "llm/house", "messages": [{"role": "user", "content": content}], "stream": stream}
    refused = http.post("/v1/chat/completions", json=body, headers={"Accept-Language": "ko"})
    assert (refused.status_code, refused.json()["error"]["code"]) == (422, "images_not_taken")
    assert refused.json()["error"]["message"].startswith("모델 house이(가) 받지 않는 내용입니다") and engine.calls == []


@pytest.mark.parametrize(
    ("part", "param"),
    [
        ({"type": "image_url", "image_url": {"url": "http://intranet/a.png"}}, "messages[0].content[0].image_url.url"),
        ({"type": "image_url", "image_url": {"url": "file:///etc/passwd"}}, "messages[0].content[0].image_url.url"),
        ({"type": "video_url", "video_url": {"url": "https://x/y.mp4"}}, "messages[0].content[0].video_url.url"),
        ({"type": "file", "file": {"file_id": "f"}}, "messages[0].content[0].type"),
    ],
)
def test_nothing_is_fetched(client: openai.OpenAI, play: Play, part: Any, param: str) -> None:
    engine = play(spoken("네"))
    with pytest.raises(openai.BadRequestError) as refused:
        client.chat.completions.create(model="llm/Qwen3-8B", messages=[{"role": "user", "content": [part]}])
    assert (refused.value.code, refused.value.param) == ("unsupported_request", param)
    assert engine.calls == []


def test_what_cannot_be_given_is_refused(client: openai.OpenAI, play: Play) -> None:
    engine = play(spoken("네"))
    with pytest.raises(openai.BadRequestError):
        client.chat.completions.create(model="llm/Qwen3-8B", messages=ASKED, logprobs=True)
    with pytest.raises(openai.UnprocessableEntityError) as invalid:
        client.chat.completions.create(model="llm/Qwen3-8B", messages=ASKED, temperature=-1)
    assert invalid.value.param == "temperature"
    with pytest.raises(openai.NotFoundError) as unknown:
        client.chat.completions.create(model="llm/gpt-5", messages=ASKED)
    assert unknown.value.param == "model"
    assert engine.calls == []


def test_an_error_before_the_first_token_has_a_status(client: openai.OpenAI, play: Play) -> None:
    for stream in (False, True):
        play([ModelBusy(name="Qwen3-8B")])
        with pytest.raises(openai.InternalServerError) as busy:
            client.chat.completions.create(model="llm/Qwen3-8B", messages=ASKED, stream=stream)  # type: ignore[call-overload]
        assert (busy.value.status_code, busy.value.code) == (503, "model_busy")
        assert busy.value.response.headers["retry-after"] == "5"


def test_an_error_in_mid_stream_is_an_event(client: openai.OpenAI, play: Play) -> None:
    play([TextDelta("서고"), ModelBusy(name="Qwen3-8B")])
    stream = client.chat.completions.create(model="llm/Qwen3-8B", messages=ASKED, stream=True)
    read: list[str] = []
    with pytest.raises(openai.APIError) as broken:
        read.extend(chunk.choices[0].delta.content or "" for chunk in stream)
    assert "".join(read) == "서고" and broken.value.code == "model_busy"


def test_an_engine_that_ends_without_an_end_is_broken(client: openai.OpenAI, play: Play) -> None:
    play([TextDelta("서고")])
    with pytest.raises(openai.InternalServerError) as broken:
        client.chat.completions.create(model="llm/Qwen3-8B", messages=ASKED)
    assert broken.value.code == "model_broken"


def test_what_a_guard_stopped_is_an_error_and_none_of_it_a_completion(client: openai.OpenAI, play: Play) -> None:
    looping: list[Step] = [TextDelta("또 또 "), Finished("guard", guard="repetition")]
    play(looping)
    with pytest.raises(openai.InternalServerError) as whole:
        client.chat.completions.create(model="llm/Qwen3-8B", messages=ASKED)
    assert whole.value.code == GenerationStopped.code and "again and again" in str(whole.value)
    play(looping)
    reasons = []
    with pytest.raises(openai.APIError) as streamed:
        for chunk in client.chat.completions.create(model="llm/Qwen3-8B", messages=ASKED, stream=True):
            reasons.append(chunk.choices[0].finish_reason)
    assert reasons[-1] == "content_filter" and streamed.value.code == GenerationStopped.code


def test_a_client_retries_what_can_help_and_nothing_else(live: tuple[Running, str], key: str, play: Play) -> None:
    with openai_client(live[1], key, retries=1) as client:
        engine = play([ModelBusy(name="Qwen3-8B")], spoken("이제 됩니다"))
        client = client.with_options(default_headers={"Accept-Language": "ko"})
        completion = client.chat.completions.create(model="llm/Qwen3-8B", messages=ASKED)
        assert completion.choices[0].message.content == "이제 됩니다" and len(engine.calls) == 2
        engine = play([RuntimeError("a fault of ours")])
        with pytest.raises(openai.InternalServerError) as fault:
            client.chat.completions.create(model="llm/Qwen3-8B", messages=ASKED)
        assert fault.value.code == "internal_error" and len(engine.calls) == 1
        engine = play([TextDelta("또 또 "), Finished("guard", guard="repetition")])
        with pytest.raises(openai.InternalServerError) as stopped:
            client.chat.completions.create(model="llm/Qwen3-8B", messages=ASKED)
        assert stopped.value.code == "generation_stopped" and len(engine.calls) == 1
        assert "retry-after" not in stopped.value.response.headers
        assert fault.value.response.headers["x-request-id"]


@pytest.mark.parametrize("stream", [True, False])
def test_a_client_that_goes_away_stops_the_engine(
    live: tuple[Running, str], key: str, play: Play, stream: bool
) -> None:
    engine = play([TextDelta("하나 "), 30.0, TextDelta("둘"), Finished("stop")])
    body = {"model": "llm/Qwen3-8B", "messages": ASKED, "stream": stream}
    headers = {"Authorization": f"Bearer {key}"}
    address = f"{live[1]}/v1/chat/completions"
    if stream:
        with (
            httpx.Client(trust_env=False) as http,
            http.stream("POST", address, json=body, headers=headers) as response,
        ):
            assert next(response.iter_bytes())
    else:
        asked_and_left(address, body, headers, lambda: bool(engine.calls))
    deadline = time.monotonic() + 20
    while not engine.stopped and time.monotonic() < deadline:
        time.sleep(0.02)
    assert engine.stopped == [0]


def test_a_hundred_streams_at_once(live: tuple[Running, str], key: str, play: Play) -> None:
    engine = play([0.2, *spoken("동시에 말합니다", piece=1)])
    texts: list[str] = []

    def ask() -> None:
        with openai_client(live[1], key) as client:
            stream = client.chat.completions.create(model="llm/Qwen3-8B", messages=ASKED, stream=True)
            texts.append("".join(chunk.choices[0].delta.content or "" for chunk in stream))

    threads = [threading.Thread(target=ask) for _ in range(100)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert texts == ["동시에 말합니다"] * 100
    assert len(engine.calls) == 100 and engine.stopped == []


def test_embeddings_are_the_models_in_both_encodings(live: tuple[Running, str], client: openai.OpenAI) -> None:
    texts = ["Parental leave lasts 365 days.", "육아휴직은 365일이다."]
    dense = live[0].services.rag.space.dense
    assert dense is not None
    own = dense.embed(texts, Role.PASSAGE).dense
    assert own is not None
    as_base64 = client.embeddings.create(model=MINILM, input=texts)  # the client's default, decoded by it
    as_float = client.embeddings.create(model=MINILM, input=texts, encoding_format="float")
    for answer in (as_base64, as_float):
        assert [item.index for item in answer.data] == [0, 1]
        np.testing.assert_allclose([item.embedding for item in answer.data], own, atol=1e-6)
    assert as_float.usage.prompt_tokens == sum(dense.count_tokens(texts))
    headers = {"Authorization": f"Bearer {client.api_key}"}
    body = {"model": MINILM, "input": texts[0], "encoding_format": "base64"}
    raw = httpx.post(f"{live[1]}/v1/embeddings", json=body, headers=headers, trust_env=False).json()
    vector = np.frombuffer(base64.b64decode(raw["data"][0]["embedding"]), dtype="<f4")
    np.testing.assert_allclose(vector, own[0], atol=1e-6)


def test_token_ids_are_read_only_if_they_are_the_models_own(client: openai.OpenAI) -> None:
    # "parental leave" in this model's vocabulary, with and without the tokens around it.
    own = [[101, 18643, 2681, 102], [18643, 2681]]
    answer = client.embeddings.create(model=MINILM, input=own, encoding_format="float")
    text = client.embeddings.create(model=MINILM, input="parental leave", encoding_format="float")
    for item in answer.data:
        np.testing.assert_allclose(item.embedding, text.data[0].embedding, atol=1e-6)
    # The second is how OpenAI's tokenizer begins a question; most of it are tokens here too, of other words.
    for foreign in ([999_999], [[4438, 1690, 2919, 315, 5387, 30]], [-1]):
        with pytest.raises(openai.BadRequestError) as refused:
            client.embeddings.create(model=MINILM, input=foreign)
        assert refused.value.param == "input[0]" and "check_embedding_ctx_length" in str(refused.value)


def test_what_an_embedding_cannot_be_is_refused(client: openai.OpenAI) -> None:
    same = client.embeddings.create(model=MINILM, input="x", dimensions=384)
    assert len(same.data[0].embedding) == 384
    for wanted in (128, 1024):
        with pytest.raises(openai.BadRequestError) as refused:
            client.embeddings.create(model=MINILM, input="x", dimensions=wanted)
        assert refused.value.param == "dimensions"
    long = "one word after another " * 100
    with pytest.raises(openai.BadRequestError) as too_long:
        client.embeddings.create(model=MINILM, input=["short", long])
    assert too_long.value.param == "input[1]"
    cut = client.embeddings.create(model=MINILM, input=long, extra_body={"truncate": True})
    assert cut.usage.prompt_tokens == 256
    for empty in ("", [], ["x", ""], ["x"] * 2049):
        with pytest.raises(openai.UnprocessableEntityError):
            client.embeddings.create(model=MINILM, input=empty)
    with pytest.raises(openai.NotFoundError):
        client.embeddings.create(model="text-embedding-3-small", input="x")


@pytest.fixture
def caller(live: tuple[Running, str], key: str) -> Caller:
    from starlette.testclient import TestClient

    http = TestClient(create_app(live[0].services), raise_server_exceptions=False)
    return Caller(replace(live[0], http=http), {"Authorization": f"Bearer {key}", "Accept-Language": "en"})


PASSAGES = ["연차휴가는 15일이다", "회의실 예약", "연차휴가 신청"]


@pytest.mark.parametrize("path", ["/v1/rerank", "/rerank", "/v1//rerank/", "/rerank/"])
def test_rerank_in_the_shape_of_cohere_and_jina(caller: Caller, path: str) -> None:
    body = {
        "model": "rerank/scripted",
        "query": "연차휴가 신청",
        "documents": [PASSAGES[0], {"text": PASSAGES[1]}, PASSAGES[2]],
    }
    answer = caller.post(path, json=body | {"top_n": 2, "return_documents": True}).json()
    assert [(item["index"], item["relevance_score"]) for item in answer["results"]] == [(2, 1.0), (0, 0.0)]
    assert answer["results"][0]["document"] == {"text": PASSAGES[2]}
    assert answer["model"] == "rerank/scripted"
    plain = caller.post(path, json=body).json()["results"]
    assert len(plain) == 3 and "document" not in plain[0]


def test_rerank_in_the_shapes_of_tei_and_vllm(caller: Caller) -> None:
    tei = caller.post("/rerank", json={"query": "회의실 예약", "texts": PASSAGES, "return_text": True}).json()
    assert tei[0] == {"index": 1, "score": 1.0, "text": PASSAGES[1]}
    body = {"model": "rerank/scripted", "text_1": "회의실 예약", "text_2": PASSAGES}
    scores = caller.post("/v1/score", json=body).json()["data"]
    assert [(item["index"], item["score"]) for item in scores] == [(0, 0.0), (1, 1.0), (2, 0.0)]
    pairs = caller.post("/score", json={"text_1": ["회의실", "예약"], "text_2": ["회의실", "휴가"]}).json()["data"]
    assert [item["score"] for item in pairs] == [1.0, 0.0]


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({"query": "q"}, 422, "invalid_request"),
        ({"query": "q", "documents": ["a"], "texts": ["a"]}, 422, "invalid_request"),
        ({"query": "q", "documents": []}, 422, "invalid_request"),
        ({"query": "q", "documents": [{"image": "x"}]}, 422, "invalid_request"),
        ({"query": "q", "texts": ["a"], "raw_scores": True}, 400, "unsupported_request"),
        ({"query": "q", "documents": ["a"], "model": "rerank/other"}, 404, "unknown_model"),
    ],
)
def test_a_rerank_that_cannot_be_done_says_why(caller: Caller, body: dict[str, Any], status: int, code: str) -> None:
    answer = caller.post("/rerank", json=body)
    assert (answer.status_code, answer.json()["error"]["code"]) == (status, code)


def test_without_a_reranker_there_is_a_typed_error(live: tuple[Running, str], caller: Caller) -> None:
    from starlette.testclient import TestClient

    rag = live[0].services.rag
    bare = replace(live[0].services, rag=replace(rag, retriever=replace(rag.retriever, second_look=SecondLook())))
    http = TestClient(create_app(bare))
    answer = http.post("/v1/rerank", json={"query": "q", "documents": ["a"]}, headers=caller.headers)
    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "reranker_missing")


def _limited(service: Running, *, allowed: bool) -> tuple[Services, dict[str, str]]:
    owner = service.caller(tenant="default")
    name = owner.collection()
    collection = owner.get(f"/api/v1/collections/{name}").json()["id"]
    secret = service.key(Scope.READ, collections=[UUID(collection)])
    settings = service.services.settings.model_copy(update={"limited_keys_use_models": allowed})
    return replace(service.services, settings=settings), {"Authorization": f"Bearer {secret}"}


@pytest.mark.parametrize("allowed", [False, True])
def test_a_key_for_some_collections_uses_models_only_if_the_operator_says_so(
    live: tuple[Running, str], play: Play, allowed: bool
) -> None:
    from starlette.testclient import TestClient

    play(spoken("네"))
    services, headers = _limited(live[0], allowed=allowed)
    http = TestClient(create_app(services), headers=headers)
    listed = {item["id"].split("/")[0] for item in http.get("/v1/models").json()["data"]}
    assert listed == ({"rag", "llm", "embed", "rerank"} if allowed else {"rag"})
    for path, body in (
        ("/v1/chat/completions", {"model": "llm/Qwen3-8B", "messages": ASKED}),
        ("/v1/embeddings", {"model": MINILM, "input": "x"}),
        ("/rerank", {"query": "q", "texts": ["a"]}),
        ("/v1/score", {"text_1": "q", "text_2": "a"}),
    ):
        assert http.post(path, json=body).status_code == (200 if allowed else 404), path
    assert http.get("/v1/models/llm/Qwen3-8B").status_code == (200 if allowed else 404)


@pytest.mark.parametrize("allowed", [False, True])
def test_a_limited_key_names_who_writes_alike_on_all_surfaces(live: tuple[Running, str], allowed: bool) -> None:
    from starlette.testclient import TestClient

    services, headers = _limited(live[0], allowed=allowed)
    http = TestClient(create_app(services), headers=headers)
    for name, status in (("Qwen3-8B", 200), ("gpt-5", 404)):
        for path, body in (
            ("/v1/chat/completions", {"model": "rag/all", "messages": ASKED, "generator": name}),
            ("/v1/responses", {"model": "rag/all", "input": "휴가?", "generator": name}),
            ("/api/v1/answers", {"question": "휴가?", "model": name}),
        ):
            assert http.post(path, json=body).status_code == status, path


class Closing(ScriptedEngine):
    """Says whether it was closed."""

    closed = False

    async def aclose(self) -> None:
        self.closed = True


def test_an_application_brings_its_threads_and_closes_its_engines(live: tuple[Running, str]) -> None:
    engine = Closing([spoken("x")])
    rag = replace(live[0].services.rag, generation=Generation(SingleModel(engine), {"x": engine}))
    settings = live[0].services.settings.model_copy(update={"threads": 77})
    app = create_app(replace(live[0].services, rag=rag, settings=settings))

    async def check() -> float:
        async with app.router.lifespan_context(app):
            assert not engine.closed
            return current_default_thread_limiter().total_tokens

    assert asyncio.run(check()) == 77
    assert engine.closed


def test_every_response_has_a_request_id(caller: Caller) -> None:
    for path in ("/v1/models", "/v1/nowhere", "/api/v1/health/live", "/api/v1/nowhere"):
        made = [caller.get(path).headers["x-request-id"] for _ in range(2)]
        assert made[0].startswith("req_") and made[0] != made[1]
        assert caller.get(path, headers={"x-request-id": "portal-42"}).headers["x-request-id"] == "portal-42"
        assert caller.get(path, headers={"x-request-id": "a b\tc"}).headers["x-request-id"].startswith("req_")


def test_a_wrong_method_and_a_wrong_path_are_openais_errors(caller: Caller) -> None:
    for method, path, status, code in (
        ("GET", "/v1/chat/completions", 405, "method_not_allowed"),
        ("GET", "/rerank", 405, "method_not_allowed"),
        ("POST", "/v1", 404, "not_found"),
        ("POST", "/v1/audio/speech", 404, "not_found"),
    ):
        answer = caller.request(method, path)
        assert (answer.status_code, answer.json()["error"]["code"]) == (status, code), path
    broken = caller.post("/v1/chat/completions", content=b"{", headers={"Content-Type": "application/json"})
    assert (broken.status_code, broken.json()["error"]["type"]) == (422, "invalid_request_error")
    missing = caller.post(
        "/v1/chat/completions", json={"model": "rag/all", "messages": [{"role": "user", "content": 3}]}
    )
    assert missing.json()["error"]["param"] == "messages[0].content"


@pytest.mark.parametrize(
    "path", ["/v1/chat/completions", "/api/v1/answers", "/v1/vector_stores", "/api/v1/collections"]
)
def test_a_form_where_none_is_taken_has_the_limit_of_any_body(service: Running, path: str) -> None:
    headers = {"Content-Type": "multipart/form-data; boundary=x"}
    for who, status in ((service.caller().headers, 413), ({}, 401)):
        body = (b"x" * (1 << 20) for _ in range(40))
        assert service.http.post(path, content=body, headers=headers | dict(who)).status_code == status


def test_bodies_for_models_may_be_larger_and_still_have_a_limit(caller: Caller, play: Play) -> None:
    play(spoken("그림입니다"))
    for megabytes, status in ((3, 200), (17, 413)):
        url = PIXEL + "A" * (megabytes << 20)
        content = [{"type": "image_url", "image_url": {"url": url}}]
        body = {"model": "llm/Qwen3-8B", "messages": [{"role": "user", "content": content}]}
        assert caller.post("/v1/chat/completions", json=body).status_code == status
