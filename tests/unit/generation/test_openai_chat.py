from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from rag.domain.errors import ConfigurationError, ModelUnavailable
from rag.generation.chat import ChatMessage
from rag.generation.openai_chat import open_chat
from rag.settings import ChatSettings
from tests.support.model_server import Answer, Asked, ScriptedServer, scripted_server

TURNS = [ChatMessage("system", "질문을 한 문장으로 다시 쓴다."), ChatMessage("user", "그럼 수습은?")]


def saying(content: Any, **fields: Any) -> Answer:
    return Answer({"choices": [{"message": {"role": "assistant", "content": content, **fields}}]})


def completed(behaviour: Callable[[Asked], Answer], times: int = 1) -> tuple[list[str], ScriptedServer]:
    with scripted_server(behaviour) as server:
        chat = open_chat(ChatSettings(url=f"{server.url}/v1", model="qwen3"))
        assert chat is not None
        try:
            return [chat.complete(TURNS, max_tokens=64) for _ in range(times)], server
        finally:
            chat._server.close()  # type: ignore[attr-defined]


def test_a_turn_goes_out_as_written_and_comes_back_stripped() -> None:
    [text], server = completed(lambda asked: saying("  수습 직원의 연차는 며칠인가요?\n"))
    assert text == "수습 직원의 연차는 며칠인가요?"
    [asked] = server.asked
    assert asked.path == "/v1/chat/completions"
    assert asked.body["messages"] == [{"role": turn.role, "content": turn.content} for turn in TURNS]
    assert (asked.body["model"], asked.body["max_tokens"], asked.body["temperature"]) == ("qwen3", 64, 0.0)
    assert asked.body["chat_template_kwargs"] == {"enable_thinking": False}


@pytest.mark.parametrize(
    "content",
    ["<think>흠\n어디 보자</think>\n답", "생각이 이어지고</think>답", "답"],
)
def test_reasoning_is_left_out(content: str) -> None:
    assert completed(lambda asked: saying(content, reasoning="흠", reasoning_content="흠"))[0] == ["답"]


def test_a_server_without_template_options_is_asked_without_them_from_then_on() -> None:
    def strict(asked: Asked) -> Answer:
        if "chat_template_kwargs" in asked.body:
            return Answer({"error": {"message": "unknown field"}}, status=400)
        return saying("답")

    found, server = completed(strict, times=3)
    assert found == ["답"] * 3
    assert ["chat_template_kwargs" in asked.body for asked in server.asked] == [True, False, False, False]


@pytest.mark.parametrize(
    "answer",
    [
        saying(None),
        saying("   "),
        saying("<think>ohne Ende"),
        saying(["답"]),
        Answer({"choices": []}),
        Answer({"choices": [{}]}),
        Answer([]),
        Answer({"error": "no"}, status=404),
    ],
)
def test_no_text_is_an_error(answer: Answer) -> None:
    with pytest.raises(ModelUnavailable):
        completed(lambda asked: answer)


def test_without_a_url_there_is_no_chat_model() -> None:
    assert open_chat(ChatSettings()) is None
    with pytest.raises(ConfigurationError):
        open_chat(ChatSettings(url="http://vllm:8000/v1"))
