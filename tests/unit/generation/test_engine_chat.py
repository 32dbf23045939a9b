"""Work around the question, done by one of the configured generators."""

from __future__ import annotations

import time
from typing import Any

import pytest

from rag.domain.errors import InvalidRequest, ModelBusy, ModelUnavailable, PromptTooLong
from rag.generation.catalogue import load_catalogue
from rag.generation.catalogue_routing import CatalogueRouter
from rag.generation.chat import ChatMessage
from rag.generation.engine import Finished, ReasoningDelta, TextDelta
from rag.generation.engine_chat import EngineChat
from rag.generation.guards import GuardedEngine
from rag.generation.routing import Choice, Job, SingleModel
from rag.generation.scripted import ScriptedEngine, Step, spoken
from rag.settings import GenerationSettings

TURNS = (ChatMessage("system", "질문을 다듬어라."), ChatMessage("user", "그럼 해외는?"))
THOUGHT = [ReasoningDelta("음, 앞에서 출장비를 물었다. "), *spoken("해외 출장비는 얼마인가?")]


def chat_of(name: str, script: list[Step]) -> tuple[EngineChat, ScriptedEngine]:
    engine = ScriptedEngine([script], name=name, context_tokens=131_072)
    settings = GenerationSettings.model_validate({"models": [{"name": name, "urls": ["http://gpu1:8000"]}]})
    return EngineChat(CatalogueRouter({name: GuardedEngine(engine)}, load_catalogue(), settings)), engine


def test_a_model_that_always_thinks_has_room_for_it() -> None:
    chat, engine = chat_of("gpt-oss-120b", THOUGHT)
    deadline = time.monotonic() + 10
    assert chat.complete(TURNS, max_tokens=200, deadline=deadline, tenant="은행") == "해외 출장비는 얼마인가?"
    [call] = engine.calls
    assert call.max_tokens == 200 + 8192
    assert (call.tenant, call.deadline) == ("은행", deadline)
    assert [item["role"] for item in call.messages] == ["system", "user"]
    assert call.sampling.temperature != 0.0  # as its card asks for


def test_one_that_can_go_without_does() -> None:
    chat, engine = chat_of("Qwen3-32B", spoken("해외 출장비는 얼마인가?"))
    chat.complete(TURNS, max_tokens=200)
    [call] = engine.calls
    assert (call.thinking, call.max_tokens, call.sampling.temperature) == (False, 200, 0.0)


class TooLong:
    """A router that finds no model, once it is asked for work."""

    def __init__(self) -> None:
        self.jobs = 0

    def choose(self, job: Job) -> Choice:
        self.jobs += 1
        if self.jobs > 1:
            raise InvalidRequest(detail="prompt: too long")
        return Choice(ScriptedEngine.saying("예"))

    def named(self, name: str) -> None:
        return None


@pytest.mark.parametrize(
    "script",
    [
        [ModelBusy(name="m")],
        [PromptTooLong(name="m", limit=100)],
        [ReasoningDelta("음"), Finished("length")],
        [TextDelta("<think>음</think>"), Finished("stop")],
    ],
)
def test_what_fails_is_a_model_that_is_not_available(script: Any) -> None:
    with pytest.raises(ModelUnavailable):
        EngineChat(SingleModel(ScriptedEngine([script]))).complete(TURNS, max_tokens=8)


def test_where_no_model_takes_it_none_is_available() -> None:
    chat = EngineChat(TooLong())
    with pytest.raises(ModelUnavailable):
        chat.complete(TURNS, max_tokens=8)
