from __future__ import annotations

from typing import Any

import pytest

from rag.domain.errors import ConfigurationError, ImagesNotTaken, ModelNotServed
from rag.generation.engine import EngineCall, Sampling
from rag.generation.openai_engine import open_engine
from rag.generation.openai_engine_dialects import DIALECTS
from rag.generation.openai_engine_request import RequestWriter, salt_of
from rag.settings import ServedModel

TURNS = [{"role": "user", "content": "금리는?"}]
ALL = Sampling(0.6, 0.95, 20, 0.05, 1.5, 0.1, 1.05, 7, ("끝",))
TENANT = "9b1f3c52-77aa-4b2e-9f0e-1f2d3c4b5a69"


def body(engine: str, call: EngineCall, **more: Any) -> dict[str, Any]:
    return RequestWriter("m", "org/model", DIALECTS[engine], **more).body(call)


def test_what_is_left_open_is_not_sent() -> None:
    for engine in DIALECTS:
        assert body(engine, EngineCall(TURNS)) == {
            "model": "org/model",
            "messages": TURNS,
            "stream": True,
            "stream_options": {"include_usage": True},
        }


COMMON = {
    "max_tokens": 99,
    "temperature": 0.6,
    "top_p": 0.95,
    "presence_penalty": 1.5,
    "frequency_penalty": 0.1,
    "seed": 7,
    "stop": ["끝"],
}
OWN: dict[str, dict[str, Any]] = {
    "vllm": {"top_k": 20, "min_p": 0.05, "repetition_penalty": 1.05, "cache_salt": salt_of(TENANT)},
    "sglang": {"top_k": 20, "min_p": 0.05, "repetition_penalty": 1.05},
    "llamacpp": {"top_k": 20, "min_p": 0.05, "repeat_penalty": 1.05},
    "ollama": {},
    "openai": {},
}


@pytest.mark.parametrize("engine", DIALECTS)
def test_each_engine_gets_its_own_names(engine: str) -> None:
    sent = body(engine, EngineCall(TURNS, max_tokens=99, sampling=ALL, tenant=TENANT))
    always = ("model", "messages", "stream", "stream_options")
    assert {name: value for name, value in sent.items() if name not in always} == COMMON | OWN[engine]


def by_template(wanted: bool) -> dict[str, Any]:
    return {"chat_template_kwargs": {"enable_thinking": wanted}}


THINKING: list[tuple[str, dict[str, Any], dict[str, Any]]] = [
    ("vllm", by_template(True), by_template(False)),
    ("sglang", by_template(True), by_template(False)),
    ("llamacpp", by_template(True), by_template(False)),
    ("ollama", {}, {"reasoning_effort": "none"}),
    ("openai", {}, {}),
]


@pytest.mark.parametrize(("engine", "on", "off"), THINKING)
def test_reasoning_is_switched_by_each_engine_s_own_field(engine: str, on: dict[str, Any], off: dict[str, Any]) -> None:
    plain = body(engine, EngineCall(TURNS))
    assert body(engine, EngineCall(TURNS, thinking=True)) == plain | on
    assert body(engine, EngineCall(TURNS, thinking=False)) == plain | off
    for wanted in (True, False):
        assert body(engine, EngineCall(TURNS, thinking=wanted), switches=()) == plain  # a model without a switch


def test_other_template_arguments_of_the_caller_stay() -> None:
    given = Sampling(extra={"chat_template_kwargs": {"preserve_thinking": True, "enable_thinking": True}})
    sent = body("vllm", EngineCall(TURNS, sampling=given, thinking=False), switches=("enable_thinking", "thinking"))
    assert sent["chat_template_kwargs"] == {"preserve_thinking": True, "enable_thinking": False, "thinking": False}


def test_a_caller_s_extras_are_passed_on_but_never_take_the_place_of_ours() -> None:
    extra = {
        "logit_bias": {"5": -100},
        "logprobs": True,
        "model": "another",
        "messages": [],
        "stream": False,
        "n": 5,
        "cache_salt": "someone else's",
        "chat_template": "{{ 1/0 }}",
        "temperature": 2.0,
    }
    sent = body("vllm", EngineCall(TURNS, sampling=Sampling(0.1, extra=extra), tenant=TENANT))
    assert (sent["logit_bias"], sent["logprobs"]) == ({"5": -100}, True)
    assert (sent["model"], sent["messages"], sent["stream"], sent["temperature"]) == ("org/model", TURNS, True, 0.1)
    assert sent["cache_salt"] == salt_of(TENANT)
    assert not {"n", "chat_template"} & sent.keys()
    assert "cache_salt" not in body("vllm", EngineCall(TURNS, sampling=Sampling(extra=extra)))


def test_the_salt_tells_tenants_apart_and_names_none() -> None:
    other = "9b1f3c52-77aa-4b2e-9f0e-1f2d3c4b5a6a"
    assert salt_of(TENANT) == salt_of(TENANT) != salt_of(other)
    assert TENANT not in str(body("vllm", EngineCall(TURNS, tenant=TENANT)))
    assert len(salt_of("부서-1")) == 64


def test_tools_and_formats_are_passed_on() -> None:
    tool = {"type": "function", "function": {"name": "검색", "parameters": {"type": "object"}}}
    schema = {"type": "json_schema", "json_schema": {"name": "a", "schema": {"type": "object"}}}
    call = EngineCall(TURNS, tools=[tool], tool_choice="auto", parallel_tool_calls=False, response_format=schema)
    for engine in DIALECTS:
        sent = body(engine, call)
        assert (sent["tools"], sent["tool_choice"], sent["parallel_tool_calls"]) == ([tool], "auto", False)
        assert sent["response_format"] == schema
    assert "tool_choice" not in body("vllm", EngineCall(TURNS, tool_choice="auto"))  # which vLLM refuses without tools


@pytest.mark.parametrize(("engine", "named"), [("vllm", "여신"), ("sglang", "org/model:여신"), ("ollama", "여신")])
def test_an_adapter_is_named_as_the_engine_wants_it(engine: str, named: str) -> None:
    assert body(engine, EngineCall(TURNS, adapter="여신"), adapters=("여신",))["model"] == named


def test_an_adapter_that_is_not_served_is_not_asked_for() -> None:
    with pytest.raises(ModelNotServed):
        body("vllm", EngineCall(TURNS, adapter="another-model"), adapters=("여신",))


PIXEL = "data:image/png;base64,iVBORw0KGgo="


def picture(url: Any) -> EngineCall:
    parts = [{"type": "text", "text": "무엇인가?"}, {"type": "image_url", "image_url": url}]
    return EngineCall([{"role": "user", "content": parts}])


def test_images_go_to_models_that_take_them() -> None:
    call = picture({"url": PIXEL})
    assert body("vllm", call, vision=True)["messages"] == call.messages
    with pytest.raises(ImagesNotTaken):
        body("ollama", call)


@pytest.mark.parametrize("url", [{"url": "http://10.0.0.5/x.png"}, "file:///etc/passwd", {"url": 7}, None, {}])
def test_no_engine_is_sent_to_fetch_an_image(url: Any) -> None:
    with pytest.raises(ImagesNotTaken):
        body("vllm", picture(url), vision=True)


@pytest.mark.parametrize("part", [{"type": "video_url", "video_url": {"url": PIXEL}}, {"type": "input_audio"}, 7, {}])
def test_other_media_are_refused(part: Any) -> None:
    with pytest.raises(ImagesNotTaken):
        body("vllm", EngineCall([{"role": "user", "content": [part]}]), vision=True)


def test_settings_that_can_not_work_are_refused_at_once() -> None:
    with pytest.raises(ConfigurationError, match="context_tokens"):
        open_engine(ServedModel(name="m", urls=("http://gpu:8000",)))
    with pytest.raises(ConfigurationError, match="adapters"):
        open_engine(
            ServedModel(name="m", urls=("http://gpu:8000",), context_tokens=512, engine="llamacpp", adapters=("a",))
        )
    with pytest.raises(ConfigurationError):
        open_engine(ServedModel(name="m", urls=("http://user:pw@gpu:8000",), context_tokens=512))
    assert open_engine(ServedModel(name="m", urls=("http://gpu:8000",)), context_tokens=8192).context_tokens == 8192
