"""What the configured engines are found to serve."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx
import pytest

from rag.generation.catalogue import load_catalogue
from rag.generation.catalogue_check import EngineCheck, check_engines
from rag.settings import GenerationSettings, ServedModel

CATALOGUE = load_catalogue()
VLLM = {"object": "list", "data": [{"id": "Qwen3-32B", "max_model_len": 40_960}, {"id": "hr"}]}


def checked(answer: Any, *, status: int = 200, **model: Any) -> EngineCheck:
    served = ServedModel(**({"name": "Qwen3-32B", "urls": ("http://gpu1:8000/v1",)} | model))

    def respond(request: httpx.Request) -> httpx.Response:
        if isinstance(answer, Exception):
            raise answer
        assert request.url.path == "/v1/models"
        return (
            httpx.Response(status, json=answer)
            if not isinstance(answer, bytes)
            else httpx.Response(200, content=answer)
        )

    settings = GenerationSettings(models=(served,))
    [found] = check_engines(settings, CATALOGUE, transport=lambda: httpx.MockTransport(respond))
    return found


@pytest.mark.parametrize(
    ("answer", "model", "state", "trouble"),
    [
        (VLLM, {}, "ok", False),
        (VLLM, {"urls": ("http://gpu1:8000",)}, "ok", False),
        (VLLM, {"adapters": ("hr",)}, "ok", False),
        (VLLM, {"adapters": ("hr", "법무")}, "no_adapter", True),
        (VLLM, {"served_as": "Qwen3.6-27B"}, "other_model", True),
        (VLLM, {"context_tokens": 65_536}, "shorter", True),
        (VLLM, {"context_tokens": 32_768}, "longer", False),
        ({"data": [{"id": "Qwen3-32B:latest"}]}, {"engine": "ollama"}, "ok", False),
        ({"data": [{"id": "Qwen3-32B", "max_model_len": "long"}]}, {}, "ok", False),
        ({"data": []}, {}, "other_model", True),
        ({"models": []}, {}, "not_a_model_server", True),
        ({"data": [{"name": "x"}]}, {}, "not_a_model_server", True),
        (b"<html>", {}, "not_a_model_server", True),
        (httpx.ConnectError("refused"), {}, "unreachable", True),
        (httpx.ReadTimeout("slow"), {}, "unreachable", True),
        (VLLM, {"urls": ("ftp://gpu1",)}, "refused", True),
    ],
)
def test_states(answer: Any, model: dict[str, Any], state: str, trouble: bool) -> None:
    found = checked(answer, **model)
    assert (found.state, found.trouble) == (state, trouble)


def test_the_native_context_is_expected_where_the_settings_say_none() -> None:
    found = checked({"data": [{"id": "Qwen3-32B", "max_model_len": 8192}]})
    assert (found.state, found.found, found.expected) == ("shorter", 8192, 40_960)


@pytest.mark.parametrize("status", [401, 403])
def test_a_refused_key(status: int) -> None:
    assert checked({}, status=status).state == "refused"


def test_another_status_is_no_model_server() -> None:
    assert checked({}, status=404).state == "not_a_model_server"


def test_the_key_is_sent_and_a_missing_file_is_said(tmp_path: Path) -> None:
    seen: list[str | None] = []

    def respond(request: httpx.Request) -> httpx.Response:
        seen.append(request.headers.get("authorization"))
        return httpx.Response(200, json=VLLM)

    (tmp_path / "key").write_text("secret\n")
    (tmp_path / "key").chmod(0o600)
    for name, state in (("key", "ok"), ("none", "refused")):
        served = ServedModel(name="Qwen3-32B", urls=("http://gpu1:8000/v1",), api_key_file=tmp_path / name)
        settings = GenerationSettings(models=(served,))
        [found] = check_engines(settings, CATALOGUE, transport=lambda: httpx.MockTransport(respond))
        assert found.state == state
    assert seen == ["Bearer secret"]


def test_every_replica_is_asked_in_order() -> None:
    served = ServedModel(name="a", urls=tuple(f"http://gpu{i}:8000/v1" for i in range(12)))
    settings = GenerationSettings(models=(served,))

    def respond(request: httpx.Request) -> httpx.Response:
        return httpx.Response(200, json={"data": [{"id": "a"}]}) if request.url.host != "gpu3" else httpx.Response(500)

    found = check_engines(settings, CATALOGUE, transport=lambda: httpx.MockTransport(respond))
    assert [item.url for item in found] == list(served.urls)
    assert [item.model for item in found if item.trouble] == ["a"]
    assert check_engines(GenerationSettings(), CATALOGUE) == []
