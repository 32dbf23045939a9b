"""Which of the configured generators does the work around the question."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from rag.bootstrap import _open_chat
from rag.generation.chat import ChatMessage
from rag.generation.engine_chat import EngineChat
from rag.generation.openai_chat import OpenAiChat
from rag.generation.registry import open_generation
from rag.settings import RagSettings
from tests.support.engine_server import Exchange, engine_server, unused_port

MODELS: list[dict[str, Any]] = [
    {"name": "Qwen3-32B", "urls": ["http://gpu1:8000/v1"]},
    {
        "name": "house",
        "catalogue": "Qwen3.6-27B",
        "engine": "sglang",
        "served_as": "/models/house",
        "urls": ["http://gpu2:8000/v1"],
        "adapters": ["hr"],
    },
]


@pytest.mark.parametrize(
    ("job", "expected"),
    [
        ("Qwen3-32B", "Qwen3-32B"),
        ("house", "house"),
        ("HCP-LLM-Latest", "house"),
        ("Qwen3.6-27B", "house"),
        ("인사", "house:hr"),
    ],
)
def test_the_model_of_quick_answers_by_any_of_its_names(tmp_path: Path, job: str, expected: str) -> None:
    aliases = {"HCP-LLM-Latest": "newest", "newest": "house", "인사": "hr"}
    generation = {"models": MODELS, "aliases": aliases, "jobs": {"interactive": job}}
    settings = RagSettings.model_validate({"data_dir": tmp_path, "generation": generation})
    chat = _open_chat(settings, open_generation(settings.generation))
    assert isinstance(chat, EngineChat)
    assert chat.name == expected


async def thinking_first(exchange: Exchange) -> None:
    """As a model that can't go without: what is left of its tokens after that is for the answer."""
    left = int(exchange.body["max_tokens"]) - 500
    await exchange.head()
    await exchange.delta(reasoning="음, 앞에서 출장비를 물었다.")
    if left > 0:
        await exchange.delta(content="해외 출장비는 얼마인가?")
    await exchange.payload({"choices": [{"index": 0, "delta": {}, "finish_reason": "stop" if left > 0 else "length"}]})


def test_a_model_that_always_thinks_is_asked_with_room_for_it_and_at_any_replica(tmp_path: Path) -> None:
    with engine_server(thinking_first) as stub:
        urls = [f"http://127.0.0.1:{unused_port()}", stub.url]
        generation = {"models": [{"name": "gpt-oss-120b", "urls": urls}]}
        settings = RagSettings.model_validate({"data_dir": tmp_path, "generation": generation})
        chat = _open_chat(settings, open_generation(settings.generation))
        assert chat is not None
        turns = (ChatMessage("system", "질문을 다듬어라."), ChatMessage("user", "그럼 해외는?"))
        for _ in range(2):
            assert chat.complete(turns, max_tokens=200) == "해외 출장비는 얼마인가?"


def test_the_server_that_is_named_for_it_comes_first_and_without_models_there_is_none(tmp_path: Path) -> None:
    given: dict[str, Any] = {"data_dir": tmp_path, "generation": {"models": MODELS}}
    settings = RagSettings.model_validate(given | {"chat": {"url": "http://cpu1:8000", "model": "small"}})
    chat = _open_chat(settings, open_generation(settings.generation))
    assert isinstance(chat, OpenAiChat)
    chat.close()
    assert chat.name == "small at http://cpu1:8000/v1"
    assert _open_chat(RagSettings(data_dir=tmp_path), None) is None
