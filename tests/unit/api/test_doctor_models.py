"""What the doctor says about generators, their licences and CUDA."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from api.cli.cuda import Cuda
from api.cli.doctor import _anchors
from api.cli.doctor_models import Line, cuda_lines, generator_lines, reranker_line
from api.cli.main import app
from rag import bootstrap as rag_bootstrap
from rag.generation.catalogue_check import EngineCheck
from rag.reranking.registry import open_reranker
from rag.settings import GenerationSettings, RerankingSettings, ServedModel
from tests.support.model_server import Answer, Call, model_server
from tests.support.running import settings_for


@pytest.fixture(autouse=True)
def english(monkeypatch: pytest.MonkeyPatch) -> None:
    """The language in which the tests read the lines, whatever the locale."""
    monkeypatch.setenv("SEOGO_LANG", "en")


def lines(*models: dict[str, Any], checks: list[EngineCheck] | None = None) -> list[Line]:
    served = tuple(ServedModel(**({"urls": ("http://gpu1:8000/v1",)} | one)) for one in models)
    return list(generator_lines(GenerationSettings(models=served), lambda settings, catalogue: checks or []))


@pytest.mark.parametrize(
    ("model", "status", "said"),
    [
        ({"name": "Qwen3.6-27B"}, "ok", "Apache-2.0: free"),
        ({"name": "house", "catalogue": "Llama-3.3-70B"}, "ok", "700 million"),
        ({"name": "A.X-4.0"}, "warning", "unverified"),
        ({"name": "사내모델".encode().hex()}, "warning", "not in the catalogue"),
        ({"name": "EXAONE-3.5-32B"}, "error", "forbidden"),
        ({"name": "EXAONE-3.5-32B", "licence_exception": "연구 과제 7"}, "warning", "연구 과제 7"),
    ],
)
def test_licences(model: dict[str, Any], status: str, said: str) -> None:
    [(check, found, detail, advice)] = lines(model)
    assert check == f"licence: {model['name']}"
    assert found == status and said in detail
    assert bool(advice) is (status != "ok")


def test_engines() -> None:
    states = ("ok", "unreachable", "refused", "not_a_model_server", "other_model", "no_adapter", "shorter", "longer")
    checks = [EngineCheck("Qwen3-32B", f"http://gpu{i}/v1", state) for i, state in enumerate(states)]
    found = lines({"name": "Qwen3-32B"}, checks=checks)[1:]
    assert [status for _, status, _, _ in found] == ["ok", *["error"] * 6, "warning"]
    assert all(bool(advice) is (status != "ok") for _, status, _, advice in found)


def test_no_generator_is_no_fault() -> None:
    assert lines() == [("generators", "ok", "none: answers are quotations", "")]


def test_cuda_13_2_is_refused_and_its_neighbours_are_not() -> None:
    [(_, status, detail, advice)] = cuda_lines([Cuda("driver", 13, 3), Cuda("toolkit", 13, 2)])
    assert (status, detail) == ("error", "toolkit 13.2") and "13.1 or 13.3" in advice
    assert list(cuda_lines([Cuda("driver", 13, 1)])) == [("cuda", "ok", "driver 13.1", "")]
    assert list(cuda_lines([])) == []


def reranked(call: Call) -> Answer:
    scores = [1.0 / len(text) for text in call.body["documents"]]
    return Answer({"results": [{"index": i, "relevance_score": score} for i, score in enumerate(scores)]})


def logits(call: Call) -> Answer:
    return Answer({"results": [{"index": i, "relevance_score": -3.5 - i} for i in range(len(call.body["documents"]))]})


def late(call: Call) -> Answer:
    time.sleep(0.6)
    return reranked(call)


def backwards(call: Call) -> Answer:
    return Answer({"results": [{"index": i, "relevance_score": i / 2} for i in range(len(call.body["documents"]))]})


@pytest.mark.parametrize(
    ("respond", "status", "said", "advised"),
    [
        (reranked, "ok", "to a passage that answers", ""),
        (logits, "error", "set reranking.scores to logits", "correct it in rag.reranking"),
        (lambda call: Answer({}, 404), "error", "reranking.shape", "correct it in rag.reranking"),
        (lambda call: Answer({}, 500), "error", "not available", "answered with an error"),
        (late, "error", "not available", "budget_ms (300)"),
        (backwards, "warning", "0.500", "--chat-template"),
    ],
    ids=["fine", "logits", "no_such_path", "broken", "late", "blind"],
)
def test_a_reranker_s_server_says_why_it_can_t_be_used(
    respond: Callable[[Call], Answer], status: str, said: str, advised: str
) -> None:
    with model_server(respond) as server:
        budget_ms = 300 if respond is late else 5000
        settings = RerankingSettings(backend="http", url=server.url, model="bge-reranker-v2-m3", budget_ms=budget_ms)
        reranker = open_reranker(settings)
        check, found, detail, advice = reranker_line(reranker, settings)
    assert (check, found) == ("reranker", status)
    assert said in detail and advised in advice and bool(advice) is (status != "ok")


def test_the_doctor_says_it(tmp_path: Path) -> None:
    config = tmp_path / "seogo.yaml"
    model = {"name": "EXAONE-3.5-32B", "urls": ["http://127.0.0.1:9/v1"]}
    reranking = {"backend": "http", "url": "http://127.0.0.1:9", "model": "bge-reranker-v2-m3"}
    rag = {"data_dir": str(tmp_path / "data"), "generation": {"models": [model]}, "reranking": reranking}
    config.write_text(json.dumps({"rag": rag}))
    assert CliRunner().invoke(app, ["--config", str(config), "db", "upgrade"]).exit_code == 0
    result = CliRunner().invoke(app, ["--config", str(config), "doctor", "--json"])
    assert result.exit_code == 1
    found = {item["check"]: item for item in json.loads(result.stdout)}
    assert found["licence: EXAONE-3.5-32B"]["status"] == "error"
    assert found["engine: EXAONE-3.5-32B"]["status"] == "error"
    assert "not reachable" in found["engine: EXAONE-3.5-32B"]["detail"]
    assert found["reranker"]["status"] == "error" and "can't be reached" in found["reranker"]["detail"]
    assert found["audit anchors"]["status"] == "warning" and "anchor_file" in found["audit anchors"]["advice"]


def test_the_reranker_is_asked_while_the_service_holds_the_folder(tmp_path: Path) -> None:
    with model_server(reranked) as server:
        reranking = {"backend": "http", "url": server.url, "model": "bge-reranker-v2-m3"}
        settings = settings_for(tmp_path / "data", {"rag": {"reranking": reranking}})
        config = tmp_path / "seogo.yaml"
        config.write_text(json.dumps({"rag": {"data_dir": str(settings.rag.data_dir), "reranking": reranking}}))
        assert CliRunner().invoke(app, ["--config", str(config), "db", "upgrade"]).exit_code == 0
        running = rag_bootstrap.build(settings.rag)
        try:
            result = CliRunner().invoke(app, ["--config", str(config), "doctor", "--json"])
        finally:
            running.close()
    found = {item["check"]: item for item in json.loads(result.stdout)}
    assert "a Seogo process is running" in found["models and index"]["detail"]
    assert found["reranker"]["status"] == "ok" and "to a passage that answers" in found["reranker"]["detail"]


def test_whom_the_ends_of_the_trail_are_told_is_named(tmp_path: Path) -> None:
    audit = {"anchor_file": tmp_path / "worm" / "anchors.jsonl", "anchor_every_s": 60}
    told = settings_for(tmp_path, {"rag": {"audit": audit}})
    [finding] = _anchors(told)
    assert (finding.status, finding.detail) == ("ok", f"{audit['anchor_file']} every 60 s")
    [finding] = _anchors(settings_for(tmp_path))
    assert finding.status == "warning"
