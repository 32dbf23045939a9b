"""The model catalogue: complete, sourced, strict."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml

from rag.domain.errors import ConfigurationError, UnknownModel
from rag.generation.catalogue import Catalogue, facts_of, followed, load_catalogue, models_folder

GENERATORS = [
    "Qwen3-32B",
    "Qwen3-30B-A3B",
    "Qwen3-30B-A3B-Thinking",
    "Qwen3-Coder-30B-A3B",
    "Qwen2.5-Coder-32B",
    "Qwen2.5-72B",
    "Qwen2.5-VL-72B",
    "Qwen2-VL-72B",
    "Qwen3-Next-80B-A3B",
    "Qwen3-235B-A22B",
    "Qwen3.6-27B",
    "Qwen3.6-35B-A3B",
    "A.X-4.0",
    "Llama-3.1-8B",
    "Llama-3.1-70B",
    "Llama-3.1-405B",
    "Llama-3.3-70B",
    "Llama-4-Scout",
    "Llama-4-Maverick",
    "Mistral-7B",
    "Mixtral-8x7B",
    "Mixtral-8x22B",
    "Mistral-Small-3.1-24B",
    "Pixtral",
    "Gemma-2-9B",
    "Gemma-2-27B",
    "Gemma-3-27b-it",
    "Gemma-3n",
    "Phi-3-mini",
    "Phi-4",
    "Phi-4-multimodal",
    "Falcon-2-11B",
    "DeepSeek-V3",
    "DeepSeek-R1",
    "DeepSeek-Coder-V2",
    "OLMo-2-7B",
    "SmolLM3",
    "Kimi-K2",
    "Kimi-Linear",
    "gpt-oss-20b",
    "gpt-oss-120b",
    "Grok-2.5",
    "GLM-4.5",
    "MiniMax-M2",
    "SOLAR-10.7B",
    "Kanana-1.5-2.1B",
    "Kanana-1.5-8B",
    "EXAONE-3.5-2.4B",
    "EXAONE-3.5-7.8B",
    "EXAONE-3.5-32B",
    "HyperCLOVAX-SEED",
    "LLaVA-NeXT",
    "IDEFICS2",
    "Florence-2",
]
VECTORS = [
    "bge-m3",
    "Qwen3-Embedding-0.6B",
    "Qwen3-Embedding-4B",
    "Qwen3-Embedding-8B",
    "bge-reranker-v2-m3",
    "Qwen3-Reranker",
]


@pytest.fixture(scope="module")
def catalogue() -> Catalogue:
    return load_catalogue()


@pytest.mark.parametrize("name", GENERATORS)
def test_every_generator_is_there(catalogue: Catalogue, name: str) -> None:
    assert catalogue.get(name).entry.kind == "generator"


@pytest.mark.parametrize("name", VECTORS)
def test_every_embedder_and_reranker_is_there(catalogue: Catalogue, name: str) -> None:
    assert catalogue.get(name).entry.kind in ("embedder", "reranker")


def test_every_fact_is_sourced_or_unverified(catalogue: Catalogue) -> None:
    for entry in catalogue:
        for fact in facts_of(entry.kind):
            assert (getattr(entry, fact) is None) != (fact in entry.sources), (entry.name, fact)


def test_what_every_operator_needs_is_known(catalogue: Catalogue) -> None:
    for entry in catalogue:
        assert entry.developer and entry.repository and entry.licence and entry.licence.name, entry.name
        assert entry.quantisations and entry.engines, entry.name
        assert set(entry.engines) == {"vllm", "sglang", "llamacpp", "ollama", "mlx"}, entry.name


def test_the_licences_that_matter(catalogue: Catalogue) -> None:
    said = {entry.name: entry.licence.commercial for entry in catalogue if entry.licence}
    assert said["Qwen3.6-27B"] == said["gpt-oss-120b"] == "free"
    assert said["Llama-3.3-70B"] == said["Gemma-3-27b-it"] == "conditions"
    assert said["SOLAR-10.7B"] == "free"
    assert {name for name, value in said.items() if value == "forbidden"} == {
        "SOLAR-10.7B-Instruct",
        "EXAONE-3.5-2.4B",
        "EXAONE-3.5-7.8B",
        "EXAONE-3.5-32B",
    }
    assert said["A.X-4.0"] is None


def test_the_presets_of_qwen(catalogue: Catalogue) -> None:
    for name in ("Qwen3.6-27B", "Qwen3.6-35B-A3B", "Qwen3-32B"):
        presets = catalogue.entries[name].sampling
        assert presets is not None
        precise, general, instruct = (presets[kind] for kind in ("precise", "general", "instruct"))
        assert (precise.temperature, precise.top_p, precise.top_k) == (0.6, 0.95, 20)
        assert (general.thinking, general.temperature, general.top_p, general.top_k) == (True, 1.0, 0.95, 20)
        assert (instruct.thinking, instruct.temperature, instruct.top_p) == (False, 0.7, 0.8)
        assert instruct.presence_penalty == 1.5


def test_known_failures_name_their_guard(catalogue: Catalogue) -> None:
    entry = catalogue.entries["Qwen3.6-35B-A3B"]
    loop = entry.failure("route_long_context")
    assert loop is not None and loop.above_tokens == 80_000
    assert "1.1" in loop.fallback
    both = {
        "tool_parser",
        "tool_call",
        "preserve_thinking",
        "refuse_cuda",
        "gibberish",
        "yarn_when_long",
        "route_images",
    }
    assert {guard for item in entry.failures or () for guard in item.guards} == both | {
        "route_long_context",
        "repetition",
    }
    assert {guard for item in catalogue.entries["Qwen3.6-27B"].failures or () for guard in item.guards} == both
    assert entry.support("sglang").broken == ("tools",)
    assert entry.support("ollama").broken == ("images",)


def test_names_are_found_by_alias_and_repository(catalogue: Catalogue) -> None:
    assert catalogue.get("Qwen3.6-27B").reason == ""
    assert catalogue.get("qwen/qwen3.6-27b").entry.name == "Qwen3.6-27B"
    assert catalogue.get("Kimi K2").entry.name == "Kimi-K2"
    assert catalogue.get("llama 3.1 405b").entry.name == "Llama-3.1-405B"
    found = catalogue.get("Qwen3-30B-A3B-Thinking")
    assert found.reason == "Qwen3-30B-A3B-Thinking is Qwen3-30B-A3B-Thinking-2507"
    with pytest.raises(UnknownModel):
        catalogue.get("없는-모델")


def test_a_moving_tag_is_the_installations_to_say(catalogue: Catalogue) -> None:
    assert "HCP-LLM-Latest" in catalogue.moving
    assert catalogue.find("HCP-LLM-Latest") is None
    found = catalogue.get("HCP-LLM-Latest", {"HCP-LLM-Latest": "사내-표준", "사내-표준": "Qwen3.6-27B"})
    assert found.reason == "HCP-LLM-Latest is Qwen3.6-27B"


def test_aliases_in_a_circle_are_refused() -> None:
    with pytest.raises(ConfigurationError, match="a → b → a"):
        followed("a", {"a": "b", "b": "a"})


def changed(tmp_path: Path, file: str, **changes: Any) -> Path:
    folder = tmp_path / "models"
    shutil.copytree(models_folder(), folder)
    path = folder / file
    content = yaml.safe_load(path.read_text(encoding="utf-8"))
    model = content["models"][0]
    content["models"][0] = model | changes | {"sources": model["sources"] | changes.get("sources", {})}
    path.write_text(yaml.safe_dump(content, allow_unicode=True), encoding="utf-8")
    return folder


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"colour": "blue"}, "Extra inputs"),
        ({"release": "spring"}, "release"),
        ({"parameters": {"total": "many", "active": 1.0}}, "parameters.total"),
        ({"aliases": ["Qwen3-32B"]}, "Qwen3-32B"),
        ({"based_on": "GPT-7"}, "GPT-7"),
        ({"failures": [{"name": "x", "what": "y", "guards": ["hope"]}]}, "guards"),
        ({"sources": {"developer": "hearsay"}}, "hearsay"),
        ({"licence": "unverified", "sources": {"licence": "card"}}, "licence"),
    ],
)
def test_a_file_is_read_strictly(tmp_path: Path, changes: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigurationError, match=said):
        load_catalogue(changed(tmp_path, "ax.yaml", **changes))


def test_a_fact_left_out_or_without_a_source_is_refused(tmp_path: Path) -> None:
    folder = changed(tmp_path, "ax.yaml")
    path = folder / "ax.yaml"
    content = yaml.safe_load(path.read_text(encoding="utf-8"))
    model = content["models"][0]
    for broken, said in (
        ({key: value for key, value in model.items() if key != "context"}, "neither there nor unverified: context"),
        (
            model | {"sources": {k: v for k, v in model["sources"].items() if k != "release"}},
            "without a source: release",
        ),
    ):
        path.write_text(yaml.safe_dump({"family": "A.X", "models": [broken]}), encoding="utf-8")
        with pytest.raises(ConfigurationError, match=said):
            load_catalogue(folder)
