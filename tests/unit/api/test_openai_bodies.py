"""Bodies of the OpenAI surface: what is read of them, what goes to an engine, and that no body holds the event loop."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from api.generators import Writer
from api.openai.chat_calls import check_answerable, engine_call, pictures
from api.openai.chat_chunks import Chunks, usage_of
from api.openai.chat_tasks import errand_of
from api.openai.embeddings import EmbeddingsRequest
from api.openai.rerank import RerankRequest
from api.openai.schemas import ChatRequest
from rag.domain.errors import InvalidRequest, UnsupportedRequest
from rag.generation.scripted import ScriptedEngine

ASKED: list[Any] = [{"role": "user", "content": "휴가는?"}]
WRITER = Writer(ScriptedEngine.saying("x"))


def body(**fields: Any) -> ChatRequest:
    return ChatRequest.model_validate({"model": "llm/x", "messages": ASKED, **fields})


@pytest.mark.parametrize(
    ("fields", "thinking"),
    [
        ({}, None),
        ({"reasoning_effort": "none"}, False),
        ({"reasoning_effort": "medium"}, True),
        ({"chat_template_kwargs": {"enable_thinking": True}, "reasoning_effort": "none"}, True),
        ({"chat_template_kwargs": {"thinking": False}}, False),
        ({"chat_template_kwargs": {"enable_thinking": "yes"}}, None),
        ({"enable_thinking": False}, False),
    ],
)
def test_thinking_is_asked_for_in_many_ways(fields: dict[str, Any], thinking: bool | None) -> None:
    assert body(**fields).thinking() is thinking


def test_a_reasoning_effort_goes_to_engines_that_know_degrees() -> None:
    assert engine_call(body(reasoning_effort="high"), WRITER, "t").sampling.extra == {"reasoning_effort": "high"}
    assert engine_call(body(reasoning_effort="none"), WRITER, "t").sampling.extra == {}


def test_a_limit_that_the_caller_sets_is_the_callers() -> None:
    for limited in (body(max_tokens=5), body(max_completion_tokens=5)):
        call = engine_call(limited, WRITER, "t")
        assert (call.max_tokens, call.may_be_cut) == (5, True)
    assert not engine_call(body(), WRITER, "t").may_be_cut


def test_calls_that_begin_alike_are_alike_to_the_router_but_not_between_tenants() -> None:
    long = [{"role": "system", "content": "규정 " * 3000}, *ASKED]
    first = engine_call(body(messages=long), WRITER, "a").affinity
    assert engine_call(body(messages=[*long, *ASKED]), WRITER, "a").affinity == first
    assert engine_call(body(messages=long), WRITER, "b").affinity != first
    assert engine_call(body(messages=[{"role": "system", "content": "x"}]), WRITER, "a").affinity != first


def test_an_unknown_field_of_a_part_never_reaches_an_engine() -> None:
    part = {"type": "text", "text": "보세요", "image_url": "http://intranet/secret.png", "cache_control": {"type": "x"}}
    assert engine_call(body(messages=[{"role": "user", "content": [part]}]), WRITER, "t").messages == [
        {"role": "user", "content": "보세요"}
    ]
    sound = {"type": "input_audio", "input_audio": {"data": "AAAA", "format": "wav", "url": "http://x"}}
    call = engine_call(body(messages=[{"role": "user", "content": [sound]}]), WRITER, "t")
    assert call.messages[0]["content"] == [{"type": "input_audio", "input_audio": {"data": "AAAA", "format": "wav"}}]


@pytest.mark.parametrize(
    "url", [None, 3, "", "HTTP://x/a.png", "data:text/html;base64,AA", "data:image/png,AA", {"a": 1}]
)
def test_only_pictures_in_the_request_itself(url: Any) -> None:
    for given in (url, {"url": url}):
        message = {"role": "user", "content": [{"type": "image_url", "image_url": given}]}
        with pytest.raises(UnsupportedRequest):
            engine_call(body(messages=[message]), WRITER, "t")
    assert list(pictures(body(messages=[message]).messages[0])) == [0]


@pytest.mark.parametrize("fields", [{"n": 2}, {"functions": [{}]}, {"logprobs": True}])
def test_what_no_model_here_answers(fields: dict[str, Any]) -> None:
    with pytest.raises((InvalidRequest, UnsupportedRequest)):
        check_answerable(body(**fields))
    check_answerable(body(n=1, functions=[], logprobs=False))


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity"])
def test_numbers_that_are_none_are_refused(number: str) -> None:
    for field in ("temperature", "length_penalty"):
        with pytest.raises(ValidationError):
            body(**json.loads(f'{{"{field}": {number}}}'))
    with pytest.raises(ValidationError):
        body(logit_bias=json.loads(f'{{"1": {number}}}'))


MILLION = 10**6
HOSTILE: dict[str, tuple[Any, dict[str, Any]]] = {
    "tokens as texts": (EmbeddingsRequest, {"model": "m", "input": [1] * MILLION}),
    "nothing as texts": (EmbeddingsRequest, {"model": "m", "input": [None] * MILLION}),
    "lists of nothing": (EmbeddingsRequest, {"model": "m", "input": [[None] * MILLION]}),
    "empty parts": (ChatRequest, {"model": "m", "messages": [{"role": "user", "content": [{}] * MILLION}]}),
    "empty messages": (ChatRequest, {"model": "m", "messages": [{}] * MILLION}),
    "documents": (RerankRequest, {"query": "q", "documents": [{}] * MILLION}),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_million_wrong_items_make_few_errors(name: str) -> None:
    model, given = HOSTILE[name]
    began = time.process_time()
    with pytest.raises(ValidationError) as refused:
        TypeAdapter(model).validate_python(given)
    assert refused.value.error_count() <= 6
    assert time.process_time() - began < 5  # seconds of this process; with all errors collected it is tens


def test_chunks_are_the_same_json_however_they_are_written() -> None:
    chunks = Chunks("rag/규정")
    fast, slow = chunks.delta({"content": '"따옴표"\n'}), chunks.delta({"content": '"따옴표"\n'}, "stop")
    read = [json.loads(text.removeprefix("data: ")) for text in (fast, slow)]
    assert fast.endswith("\n\n") and "\n" not in fast.rstrip("\n")
    assert [item["choices"][0].pop("finish_reason") for item in read] == [None, "stop"]
    assert read[0] == read[1]
    assert read[0]["model"] == "rag/규정"
    assert usage_of(3, 4, 2)["prompt_tokens_details"] == {"cached_tokens": 2}


def test_an_errand_is_told_by_the_form_that_it_asks_for() -> None:
    prompt = '### Task:\nSuggest tags.\n### Output:\nJSON format: { "tags": ["tag1"] }\n'
    turns = [{"role": "user", "content": "경조휴가"}, {"role": "assistant", "content": "5일"}]
    found = errand_of(body(messages=[*turns, {"role": "user", "content": prompt}]))
    assert found is not None and (found.form, found.said) == ("tags", ("경조휴가",))
    written = prompt + "<chat_history>\nUSER: 첫째\n줄\nASSISTANT: 답\nUSER: 둘째\n</chat_history>"
    found = errand_of(body(messages=[{"role": "user", "content": written}]))
    assert found is not None and found.said == ("첫째\n줄", "둘째")
    for question in (
        prompt.replace("### Task", "Task"),
        prompt.replace("tags", "poem"),
        "### Task:\n제1조를 요약해 줘",
        '### Task:\n### Output:\n<context>"title": 1</context>',
    ):
        assert errand_of(body(messages=[{"role": "user", "content": question}])) is None
    assert (
        errand_of(body(messages=[{"role": "user", "content": prompt}, {"role": "assistant", "content": "x"}])) is None
    )


@pytest.mark.parametrize("text", ["### Task:<chat_history>" + " " * 100_000, "### Task:" + "<chat_history>" * 12_000])
def test_an_errand_that_is_none_is_seen_in_one_pass(text: str) -> None:
    assert errand_of(body(messages=[{"role": "user", "content": text}])) is None


def test_an_errand_is_read_past_its_conversation() -> None:
    text = '### Task:\n### Output:\nJSON: {"title": "…"}\n<chat_history>\nUSER: 휴가는?\n</chat_history>'
    found = errand_of(body(messages=[{"role": "user", "content": text}]))
    assert found is not None and (found.form, found.said) == ("title", ("휴가는?",))
