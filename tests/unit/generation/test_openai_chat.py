from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rag.domain.errors import ConfigurationError, ModelUnavailable
from rag.generation.chat import ChatMessage, ChatModel
from rag.generation.openai_chat import OpenAiChat, open_chat, spoken
from rag.settings import ChatSettings
from tests.support.model_server import Answer, Call, ScriptedServer, model_server

TURNS = [ChatMessage("system", "질문을 다듬어라."), ChatMessage("user", "그럼 해외는?")]


def said(content: Any, **more: Any) -> dict[str, Any]:
    message = {"role": "assistant", "content": content} | more
    return {"choices": [{"index": 0, "message": message, "finish_reason": "stop"}]}


@contextmanager
def chatting(respond: Callable[[Call], Answer], path: str = "/v1") -> Iterator[tuple[ChatModel, ScriptedServer]]:
    with model_server(respond) as scripted:
        chat = open_chat(ChatSettings(url=scripted.url + path, model="qwen3"))
        assert isinstance(chat, OpenAiChat)
        try:
            yield chat, scripted
        finally:
            chat.close()


def test_the_conversation_goes_out_and_the_turn_comes_back() -> None:
    with chatting(lambda call: Answer(said("  해외 송금 한도는?\n"))) as (chat, scripted):
        assert chat.complete(TURNS, max_tokens=64, temperature=0.2) == "해외 송금 한도는?"
        assert scripted.calls[0].path == "/v1/chat/completions"
        assert scripted.calls[0].body == {
            "model": "qwen3",
            "messages": [
                {"role": "system", "content": "질문을 다듬어라."},
                {"role": "user", "content": "그럼 해외는?"},
            ],
            "max_tokens": 64,
            "temperature": 0.2,
            "stream": False,
            "chat_template_kwargs": {"enable_thinking": False},
        }


def test_tenants_do_not_share_the_prefix_cache_of_a_server_that_keeps_them_apart() -> None:
    def picky(call: Call) -> Answer:
        return Answer(said("예")) if "cache_salt" not in call.body else Answer({"error": "cache_salt"}, status=400)

    with chatting(lambda call: Answer(said("예"))) as (chat, scripted):
        for tenant in ("은행", "병원", "은행"):
            chat.complete(TURNS, max_tokens=8, tenant=tenant)
        salts = [call.body["cache_salt"] for call in scripted.calls]
        assert salts[0] == salts[2] != salts[1] and "은행" not in salts
    with chatting(picky) as (chat, scripted):
        assert chat.complete(TURNS, max_tokens=8, tenant="은행") == "예"
        assert len(scripted.calls) == 2


@pytest.mark.parametrize(("path", "asked"), [("", "/v1"), ("/v1/", "/v1"), ("/llm/api/v3", "/llm/api/v3")])
def test_any_address_will_do(path: str, asked: str) -> None:
    with chatting(lambda call: Answer(said("예")), path) as (chat, scripted):
        chat.complete(TURNS, max_tokens=8)
        assert scripted.paths() == [f"{asked}/chat/completions"]


@pytest.mark.parametrize(
    ("content", "text"),
    [
        ("<think>음, 해외라면…</think>\n\n해외 한도", "해외 한도"),
        ("<think>\n</think>해외<think>다시</think> 한도", "해외 한도"),
        ("reasoning that the template began</think>해외 한도", "해외 한도"),
        ("[THINK]음, 해외라면…[/THINK]\n해외 한도", "해외 한도"),
        ("<reasoning>음</reasoning>해외 한도", "해외 한도"),
        ("해외 한도<think>and then it was cut", "해외 한도"),
        ("a < b and <thinking> stays", "a < b and <thinking> stays"),
        ("half \ud83d of a pair", "half ? of a pair"),
    ],
)
def test_reasoning_is_dropped(content: str, text: str) -> None:
    assert spoken(said(content, reasoning="secret", reasoning_content="secret")) == text


def test_a_server_that_refuses_the_switch_is_asked_without_it_from_then_on() -> None:
    def strict(call: Call) -> Answer:
        if "chat_template_kwargs" in call.body:
            return Answer({"error": {"message": "Unrecognized request argument"}}, 400)
        return Answer(said("예"))

    with chatting(strict) as (chat, scripted):
        assert [chat.complete(TURNS, max_tokens=8) for _ in range(2)] == ["예", "예"]
        assert ["chat_template_kwargs" in call.body for call in scripted.calls] == [True, False, False]


def test_a_refused_conversation_does_not_cost_the_switch() -> None:
    with chatting(lambda call: Answer({"error": {"message": "context length"}}, 400)) as (chat, scripted):
        for _ in range(2):
            with pytest.raises(ModelUnavailable):
                chat.complete(TURNS, max_tokens=8)
        assert ["chat_template_kwargs" in call.body for call in scripted.calls] == [True, False] * 2


@pytest.mark.parametrize("status", [401, 404, 500])
def test_other_refusals_are_final(status: int) -> None:
    with chatting(lambda call: Answer({}, status)) as (chat, scripted):
        with pytest.raises(ModelUnavailable):
            chat.complete(TURNS, max_tokens=8)
        assert len(scripted.calls) == 1


@pytest.mark.parametrize(
    "answer",
    [
        None,
        [],
        {"choices": []},
        {"choices": {}},
        {"choices": [None]},
        {"choices": [{"message": "예"}]},
        said(None, reasoning="only this"),
        said(""),
        said("<think>cut in the middle"),
        said([{"type": "text", "text": "예"}]),
        said(7),
    ],
)
def test_an_answer_without_text_is_an_unavailable_model(answer: Any) -> None:
    with chatting(lambda call: Answer(answer)) as (chat, _), pytest.raises(ModelUnavailable):
        chat.complete(TURNS, max_tokens=8)


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=6),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(st.sampled_from(["choices", "message", "content"]), inner, max_size=2)
        ),
        max_leaves=10,
    )
)
def test_no_answer_breaks_the_reading(answer: Any) -> None:
    text = spoken(answer)
    assert text == text.strip()


@given(st.lists(st.sampled_from(["<think>", "</think>", "a", "\n"]), max_size=12).map("".join) | st.text(max_size=50))
def test_no_mark_of_reasoning_is_left(content: str) -> None:
    assert "</think>" not in spoken(said(content))


def test_the_deadline_is_kept() -> None:
    def slow(call: Call) -> Answer:
        time.sleep(1.5)
        return Answer(said("늦음"))

    with chatting(slow) as (chat, _):
        begun = time.monotonic()
        with pytest.raises(ModelUnavailable):
            chat.complete(TURNS, max_tokens=8, deadline=begun + 0.2)
        assert time.monotonic() - begun < 1.4


def test_without_an_address_there_is_no_model_and_a_wrong_one_is_told() -> None:
    assert open_chat(ChatSettings()) is None
    for wrong in ({"url": "http://vllm:8000/v1"}, {"url": "vllm", "model": "m"}):
        with pytest.raises(ConfigurationError):
            open_chat(ChatSettings(**wrong))  # type: ignore[arg-type]
