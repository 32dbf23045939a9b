"""`seogo models`: list, show, launch, check."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from api.cli import cuda
from api.cli.cuda import Cuda, installed_cuda
from api.cli.main import app
from tests.support.model_server import Answer, model_server


@pytest.fixture(autouse=True)
def english(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEOGO_LANG", "en")
    monkeypatch.setenv("COLUMNS", "200")


def configured(tmp_path: Path, url: str = "http://127.0.0.1:9/v1", **more: Any) -> Path:
    path = tmp_path / "seogo.yaml"
    model = {"name": "house", "catalogue": "Qwen3.6-27B", "urls": [url]} | more
    aliases = {"HCP-LLM-Latest": "house", "newest": "Qwen3.6-35B-A3B"}
    path.write_text(json.dumps({"rag": {"generation": {"models": [model], "aliases": aliases}}}), encoding="utf-8")
    return path


def seogo(*words: str, config: Path | None = None) -> Result:
    before = ["--config", str(config)] if config else []
    return CliRunner().invoke(app, [*before, "models", *words])


def test_list(tmp_path: Path) -> None:
    rows = json.loads(seogo("list", "--json", config=configured(tmp_path)).stdout)["models"]
    found = {row["name"]: row for row in rows}
    assert len(found) >= 60
    assert found["Qwen3.6-27B"]["configured"] == ["house"]
    assert found["Qwen3-32B"]["configured"] == []
    assert found["EXAONE-3.5-32B"]["commercial"] == "forbidden"
    shown = seogo("list", "--kind", "reranker").stdout
    assert "bge-reranker-v2-m3" in shown and "Qwen3-32B" not in shown


@pytest.mark.parametrize(("width", "whole"), [(80, False), (120, True)])
def test_words_of_the_list_are_not_cut_up(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, width: int, whole: bool
) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    shown = seogo("list", config=configured(tmp_path)).stdout
    assert all(
        word in shown for word in ("Qwen3.6-27B", "262,144", "forbidden", "unverified", "671B-A37B", "Served", "house")
    )
    assert ("seogo models show" in shown) is not whole and ("Developer" in shown) is whole
    assert (
        "unverified │" in shown and shown.splitlines()[0].endswith("┓") and max(map(len, shown.splitlines())) <= width
    )


@pytest.mark.parametrize("width", [40, 60, 72])
def test_no_column_of_the_list_vanishes(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, width: int) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    shown = seogo("list", config=configured(tmp_path)).stdout
    rows = [line.strip("┃│").split("│") for line in shown.splitlines() if line.startswith("│")]
    assert all(len(row) == 5 and min(map(len, row)) >= 6 for row in rows), shown
    assert "".join(row[-1].strip() for row in rows) == "house"


def test_a_list_for_a_program_has_all_columns(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("COLUMNS")
    shown = seogo("list", config=configured(tmp_path)).stdout
    assert "Developer" in shown and "seogo models show" not in shown
    names = [line.split("│")[1].strip() for line in shown.splitlines() if line.startswith("│")]
    assert all(names), shown


def test_list_in_korean(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEOGO_LANG", "ko")
    shown = seogo("list").stdout
    assert "상업적 이용" in shown and "금지" in shown and "확인 안 됨" in shown


def test_show_has_every_fact_and_its_source() -> None:
    shown = seogo("show", "Qwen3.6-35B-A3B").stdout
    for wanted in (
        "20 KiB / token",
        "repetition loop",
        "262,144 (YaRN 1,010,000)",
        "broken: tools",
        "survey:",
        "unverified",
    ):
        assert wanted in shown
    found = json.loads(seogo("show", "Qwen3.6-35B-A3B", "--json").stdout)
    assert found["kv_bytes_per_token"] == 20 * 1024
    assert found["unverified"] == ["release", "languages"]
    assert set(found["sources"]) >= {"licence", "context", "failures"}


def test_aliases_say_what_they_are(tmp_path: Path) -> None:
    config = configured(tmp_path)
    for name, entry in (("HCP-LLM-Latest", "Qwen3.6-27B"), ("newest", "Qwen3.6-35B-A3B"), ("house", "Qwen3.6-27B")):
        assert f"{name} is {entry}." in seogo("show", name, config=config).stdout
        made = json.loads(seogo("launch", name, "--json", config=config).stdout)
        assert (made["model"], made["alias"]) == (entry, name)


def test_a_moving_tag_without_a_target_and_an_unknown_name() -> None:
    for name, said in (("HCP-LLM-Latest", "rag.generation.aliases"), ("GPT-7", "seogo models list")):
        result = seogo("show", name)
        assert result.exit_code == 1 and said in result.stderr


def test_launch_prints_the_command_alone_on_stdout() -> None:
    result = seogo(
        "launch", "Qwen3-32B", "--quantisation", "fp8", "--gpus", "2", "--port", "9000", "--lora", "hr=/a/hr"
    )
    assert result.exit_code == 0
    [line] = result.stdout.splitlines()
    assert "vllm serve /models/Qwen3-32B-FP8" in line
    assert "--port 9000" in line and "--lora-modules hr=/a/hr" in line and "VLLM_NO_USAGE_STATS=1" in line


def test_launch_minds_the_licence() -> None:
    refused = seogo("launch", "EXAONE-3.5-32B")
    assert refused.exit_code == 1 and "licence_forbids" in refused.stderr and refused.stdout == ""
    allowed = seogo("launch", "EXAONE-3.5-32B", "--licence-exception", "연구 과제 7")
    assert allowed.exit_code == 0 and "연구 과제 7" in allowed.stderr


@pytest.mark.parametrize("words", [["--quantisation", "Q9"], ["--lora", "hr"], ["--lora", "=x"]])
def test_launch_refuses_what_it_does_not_know(words: list[str]) -> None:
    assert seogo("launch", "Qwen3-32B", *words).exit_code == 1


def program(folder: Path, name: str) -> Path:
    path = folder / name
    path.write_text("#!/bin/sh\n")
    path.chmod(0o755)
    return path


def test_run_becomes_the_engine_without_a_shell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ran: list[tuple[str, list[str], dict[str, str]]] = []
    monkeypatch.setattr(os, "execvpe", lambda file, args, env: ran.append((file, args, env)))
    missing = seogo("launch", "Qwen3-32B", "--run", "--model-folder", str(tmp_path / "없음"))
    assert missing.exit_code == 1 and "없음" in missing.stderr
    folder = tmp_path / "모델; rm -rf"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(tmp_path))
    no_program = seogo("launch", "Qwen3-32B", "--run", "--model-folder", str(folder))
    assert no_program.exit_code == 1 and "vllm" in no_program.stderr and not ran
    program(tmp_path, "vllm")
    assert seogo("launch", "Qwen3-32B", "--run", "--model-folder", str(folder)).exit_code == 0
    [(file, args, environment)] = ran
    assert (file, args[:3]) == ("vllm", ["vllm", "serve", str(folder)])
    assert environment["HF_HUB_OFFLINE"] == "1" and environment["PATH"] == str(tmp_path)


def test_cuda_13_2_is_refused_or_worked_around(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cuda, "installed_cuda", lambda: [Cuda("driver", 13, 2)])
    result = seogo("launch", "Qwen3.6-27B", "--run", "--model-folder", str(tmp_path))
    assert result.exit_code == 1 and "CUDA 13.2" in result.stderr
    made = seogo("launch", "Qwen3.6-27B", "--engine", "llamacpp")
    assert made.exit_code == 0 and "--cache-type-k bf16" in made.stdout
    assert "CUDA" not in seogo("launch", "Qwen3-32B").stderr


def test_cuda_is_read_from_driver_toolkit_and_wheels(tmp_path: Path) -> None:
    toolkit = tmp_path / "version.json"
    toolkit.write_text('{"cuda": {"name": "CUDA SDK", "version": "13.2.0"}}')
    wheels = {"nvidia-cuda-runtime": "13.1.80"}
    found = installed_cuda(lambda: 13_030, wheels.get, toolkit)
    assert found == [Cuda("driver", 13, 3), Cuda("toolkit", 13, 2), Cuda("nvidia-cuda-runtime", 13, 1)]
    assert [one.refused for one in found] == [False, True, False]
    toolkit.write_text("[]")
    assert installed_cuda(lambda: None, lambda name: None, toolkit) == []
    assert installed_cuda(lambda: None, lambda name: "unknown", tmp_path / "none") == []


def test_check(tmp_path: Path) -> None:
    listed: dict[str, Any] = {"data": [{"id": "house", "max_model_len": 262_144}]}
    with model_server(lambda call: Answer(listed)) as server:
        config = configured(tmp_path, f"{server.url}/v1")
        good = seogo("check", config=config)
        assert good.exit_code == 0 and "ok" in good.stdout
        listed["data"][0]["max_model_len"] = 32_768
        short = seogo("check", config=config)
        assert short.exit_code == 1 and "32,768" in short.stdout and "262,144" in short.stdout
        listed["data"][0]["id"] = "other"
        other = json.loads(seogo("check", "--json", config=config).stdout)["engines"]
        assert [(item["state"], item["trouble"], item["served"]) for item in other] == [
            ("other_model", True, ["other"])
        ]
    gone = seogo("check", config=config)
    assert gone.exit_code == 1 and "not reachable" in gone.stdout


def test_check_without_models() -> None:
    result = seogo("check")
    assert result.exit_code == 0 and "quotations" in result.stdout


@pytest.mark.parametrize("name", ["house", "HCP-LLM-Latest"])
def test_a_configured_model_is_launched_as_it_is_asked_for(tmp_path: Path, name: str) -> None:
    """What it prints serves the model under the name, and with the context, that `seogo models check` looks for."""
    config = configured(tmp_path, context_tokens=65_536)
    command = json.loads(seogo("launch", name, "--json", config=config).stdout)["command"]
    assert command[command.index("--served-model-name") + 1] == "house"
    assert command[command.index("--max-model-len") + 1] == "65536"
    own = ("--served-name", "x", "--context", "8192")
    command = json.loads(seogo("launch", name, "--json", *own, config=config).stdout)["command"]
    assert command[command.index("--served-model-name") + 1] == "x"
    assert command[command.index("--max-model-len") + 1] == "8192"


def test_a_configured_model_is_launched_by_its_engine_and_with_its_exception(tmp_path: Path) -> None:
    config = configured(
        tmp_path, engine="llamacpp", served_as="big", catalogue="EXAONE-3.5-32B", licence_exception="a trial"
    )
    made = json.loads(seogo("launch", "house", "--json", config=config).stdout)
    assert (made["engine"], made["licence_exception"]) == ("llamacpp", "a trial")
    assert made["command"][made["command"].index("--alias") + 1] == "big"
    assert json.loads(seogo("launch", "house", "--engine", "vllm", "--json", config=config).stdout)["engine"] == "vllm"
    other = configured(tmp_path, engine="openai")
    assert json.loads(seogo("launch", "house", "--json", config=other).stdout)["engine"] == "vllm"


def test_launch_says_which_adapters_of_the_settings_it_leaves_out(tmp_path: Path) -> None:
    config = configured(tmp_path, adapters=["hr", "law"])
    assert "--lora law=" in seogo("launch", "house", "--lora", "hr=/a/hr", config=config).stderr
    assert "--lora" not in seogo("launch", "house", "--lora", "hr=/a", "--lora", "law=/b", config=config).stderr


def test_an_entry_that_is_configured_under_another_name_is_told_of(tmp_path: Path) -> None:
    config = configured(tmp_path)
    made = seogo("launch", "Qwen3.6-27B", config=config)
    assert "--served-model-name Qwen3.6-27B" in made.stdout and "seogo models launch house" in made.stderr
    assert "seogo models launch house" not in seogo("launch", "house", config=config).stderr


def port_of(*words: str, config: Path) -> str:
    command = json.loads(seogo("launch", *words, "--json", config=config).stdout)["command"]
    return str(command[command.index("--port") + 1])


def test_a_configured_model_listens_where_the_settings_ask_for_it(tmp_path: Path) -> None:
    config = configured(tmp_path, urls=["http://127.0.0.1:8123/v1"])
    assert port_of("house", config=config) == "8123"
    assert "8123" not in seogo("launch", "house", config=config).stderr
    assert port_of("house", "--port", "9000", config=config) == "9000"
    assert "http://127.0.0.1:8123/v1" in seogo("launch", "house", "--port", "9000", config=config).stderr


@pytest.mark.parametrize(
    "urls",
    [["http://gpu1:8123/v1"], ["http://localhost:8123/v1", "http://localhost:8124/v1"]],
    ids=["elsewhere", "two of them"],
)
def test_where_the_settings_leave_the_port_open_it_is_told_which_they_ask_for(tmp_path: Path, urls: list[str]) -> None:
    config = configured(tmp_path, urls=urls)
    assert port_of("house", config=config) == "8000"
    told = seogo("launch", "house", config=config).stderr
    assert all(url in told for url in urls) and "8000" in told
    assert urls[0] not in seogo("launch", "house", "--port", "8123", config=config).stderr


def test_a_context_of_the_settings_that_needs_yarn_is_told_as_theirs(tmp_path: Path) -> None:
    config = configured(tmp_path, context_tokens=500_000)
    told = seogo("launch", "house", config=config)
    assert told.exit_code == 1
    assert "context_tokens of house" in told.stderr and "--yarn" in told.stderr and "--context" not in told.stderr
    longer = seogo("launch", "house", config=configured(tmp_path, context_tokens=2_000_000))
    assert "context_tokens of house" in longer.stderr
    given = seogo("launch", "house", "--context", "500000", config=config)
    assert "--context" in given.stderr and "context_tokens" not in given.stderr


def test_an_address_of_the_settings_that_is_none_is_told_of(tmp_path: Path) -> None:
    told = seogo("launch", "house", config=configured(tmp_path, urls=["http://127.0.0.1:99999/v1"]))
    assert told.exit_code == 1 and "the address of the server of house is not valid" in told.stderr
