"""Engine commands: what stands in them, and what is refused."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import Any

import pytest
from jinja2.sandbox import ImmutableSandboxedEnvironment

from rag.domain.errors import InvalidRequest, LicenceForbids
from rag.generation.catalogue import load_catalogue
from rag.generation.catalogue_commands import render
from rag.generation.catalogue_plan import SERVING_ENGINES, Launch, LaunchOptions
from rag.reranking.pair_tokenizer import ChatPrompt

CATALOGUE = load_catalogue()


def launch(name: str, **options: Any) -> Launch:
    return render(CATALOGUE.get(name).entry, LaunchOptions(**options))


def after(made: Launch, option: str) -> str:
    return made.command[made.command.index(option) + 1]


def test_vllm() -> None:
    made = launch("Qwen3.6-27B", gpus=2, quantisation="FP8", lora={"hr": Path("/adapters/hr")})
    assert made.command[:3] == ("vllm", "serve", "/models/Qwen3.6-27B-FP8")
    assert after(made, "--served-model-name") == "Qwen3.6-27B"
    assert after(made, "--host") == "127.0.0.1"
    assert after(made, "--tensor-parallel-size") == "2"
    assert after(made, "--max-model-len") == "262144"
    assert after(made, "--reasoning-parser") == "qwen3"
    assert after(made, "--tool-call-parser") == "qwen3_coder"
    assert json.loads(after(made, "--default-chat-template-kwargs")) == {"preserve_thinking": True}
    assert after(made, "--lora-modules") == "hr=/adapters/hr"
    assert {"--enable-prefix-caching", "--enable-auto-tool-choice", "--enable-lora"} <= set(made.command)
    assert "--quantization" not in made.command  # the published FP8 weights say it themselves
    assert made.environment["VLLM_NO_USAGE_STATS"] == made.environment["HF_HUB_OFFLINE"] == "1"


def test_a_number_format_is_made_where_none_is_published() -> None:
    made = launch("Llama-3.3-70B", quantisation="FP8")
    assert made.command[2] == "/models/Llama-3.3-70B-Instruct"
    assert after(made, "--quantization") == "fp8"


def test_a_folder_that_says_its_format_is_believed(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text('{"quantization_config": {"quant_method": "fp8"}}')
    made = launch("Llama-3.3-70B", quantisation="FP8", model_folder=tmp_path)
    assert "--quantization" not in made.command
    assert made.model == tmp_path


@pytest.mark.parametrize(("context", "factor"), [(300_000, 2.0), (524_288, 2.0), (524_289, 4.0), (1_010_000, 4.0)])
def test_positions_are_stretched_only_above_the_native_context(context: int, factor: float) -> None:
    made = launch("Qwen3.6-27B", context=context, yarn=True)
    rope = json.loads(after(made, "--hf-overrides"))["text_config"]["rope_parameters"]
    assert (rope["rope_type"], rope["factor"]) == ("yarn", factor)
    assert rope["original_max_position_embeddings"] == 262_144
    assert rope["rope_theta"] == 10_000_000
    assert made.environment["VLLM_ALLOW_LONG_MAX_MODEL_LEN"] == "1"


def test_yarn_without_need_is_left_out_and_said() -> None:
    made = launch("Qwen3.6-27B", context=100_000, yarn=True)
    assert "--hf-overrides" not in made.command
    assert any("--yarn was left out" in note for note in made.notes)


@pytest.mark.parametrize(
    ("name", "options", "said"),
    [
        ("Qwen3.6-27B", {"context": 300_000}, "--yarn"),
        ("Qwen3.6-27B", {"context": 2_000_000, "yarn": True}, "1,010,000"),
        ("SOLAR-10.7B", {"context": 8192, "yarn": True}, "4,096"),
        ("Grok-2.5", {}, "known to run it: sglang"),
        ("Qwen3-32B", {"quantisation": "GGUF-Q4"}, "llamacpp or ollama"),
        ("Qwen3-32B", {"engine": "llamacpp", "quantisation": "FP8"}, "vllm or sglang"),
        ("Qwen3-32B", {"quantisation": "MXFP4"}, "not known as MXFP4"),
        ("Qwen3-32B", {"lora": {"--run": Path("/x")}}, "no name"),
        ("Qwen3-32B", {"served_name": "a b"}, "no name"),
        ("Qwen3-32B", {"gpus": 0}, "one GPU"),
        ("Qwen3-32B", {"engine": "ollama", "lora": {"hr": Path("/x")}}, "adapters"),
        ("Qwen3-32B", {"engine": "ollama", "context": 100_000, "yarn": True}, "YaRN"),
    ],
)
def test_what_makes_no_sense_is_refused(name: str, options: dict[str, Any], said: str) -> None:
    with pytest.raises(InvalidRequest, match=said):
        launch(name, **options)


@pytest.mark.parametrize("name", ["SOLAR-10.7B-Instruct", "EXAONE-3.5-32B"])
def test_a_licence_that_forbids_blocks_until_an_exception_is_stated(name: str) -> None:
    for reason in ("", "   "):
        with pytest.raises(LicenceForbids):
            launch(name, licence_exception=reason)
    made = launch(name, licence_exception="연구용, 2026-11 계약")
    assert any("연구용" in note for note in made.notes)


def test_conditions_and_doubts_about_a_licence_are_said() -> None:
    assert any("700 million" in note for note in launch("Llama-3.3-70B").notes)
    assert any("unverified" in note for note in launch("A.X-4.0").notes)
    assert not any("licence" in note for note in launch("Qwen3-32B").notes)


def test_llamacpp() -> None:
    made = launch("Qwen3.6-27B", engine="llamacpp", quantisation="GGUF-Q6", context=524_288, yarn=True, bf16_cache=True)
    assert made.command[0] == "llama-server"
    assert made.model == Path("/models/Qwen3.6-27B/Qwen3.6-27B-Q6_K.gguf")
    assert after(made, "--mmproj") == "/models/Qwen3.6-27B/mmproj-Qwen3.6-27B.gguf"
    assert (after(made, "--rope-scaling"), after(made, "--rope-scale")) == ("yarn", "2")
    assert after(made, "--yarn-orig-ctx") == "262144"
    assert after(made, "--cache-type-k") == after(made, "--cache-type-v") == "bf16"
    assert {"--offline", "--jinja"} <= set(made.command)
    assert "--cpu-moe" not in made.command
    assert "--cpu-moe" in launch("Qwen3.6-35B-A3B", engine="llamacpp", quantisation="GGUF-Q3").command
    assert "--mmproj" not in launch("Qwen3-32B", engine="llamacpp").command


def test_a_model_can_need_a_variable_of_its_own() -> None:
    """vLLM 0.32 answers every chat with gpt-oss with status 400 where the vocabulary of its format is not there."""
    made = launch("gpt-oss-20b")
    assert made.environment["TIKTOKEN_ENCODINGS_BASE"] == "/models/harmony"
    assert any("o200k_base.tiktoken" in note for note in made.notes)
    assert "TIKTOKEN_ENCODINGS_BASE" not in launch("gpt-oss-20b", engine="llamacpp").environment


def test_sglang_has_names_of_its_own() -> None:
    made = launch("gpt-oss-120b", engine="sglang", gpus=2)
    assert made.command[:3] == ("python3", "-m", "sglang.launch_server")
    assert after(made, "--reasoning-parser") == after(made, "--tool-call-parser") == "gpt-oss"
    assert after(made, "--tp-size") == "2"
    assert any("open bug" in note for note in launch("Qwen3.6-27B", engine="sglang").notes)


def test_ollama_says_what_goes_before() -> None:
    made = launch("Qwen3.6-27B", engine="ollama", context=32_768)
    assert made.command == ("ollama", "serve")
    assert made.environment["OLLAMA_CONTEXT_LENGTH"] == "32768"
    assert any("ollama create Qwen3.6-27B" in note for note in made.notes)
    assert any("text only" in note for note in made.notes)


def test_an_open_address_is_warned_of() -> None:
    assert any("Seogo alone" in note for note in launch("Qwen3-32B", host="0.0.0.0").notes)
    assert not any("Seogo alone" in note for note in launch("Qwen3-32B").notes)


def test_the_memory_is_said_where_it_is_known() -> None:
    made = launch("Qwen3.6-27B", quantisation="FP8")
    assert "memory: weights 27.8 GB; one context of 262,144 tokens 17.2 GB (BF16)" in made.notes
    assert not any("memory" in note for note in launch("Gemma-3n").notes)


def test_notes_are_korean_where_that_is_asked_for() -> None:
    made = launch("Qwen3.6-27B", context=300_000, yarn=True, host="0.0.0.0", language="ko", quantisation="FP8")
    for wanted in (
        "YaRN 배율 2",
        "서고만",
        "메모리: 가중치 27.8GB",
        "알려진 문제: gibberish on CUDA 13.2",
        "대책: refuse_cuda",
    ):
        assert any(wanted in note for note in made.notes), wanted
    assert any("조건" in note for note in launch("Llama-3.3-70B", language="ko").notes)


def test_the_shell_line_is_the_same_command() -> None:
    made = launch("Qwen3.6-27B", context=300_000, yarn=True, model_folder=Path("/모델 폴더/qwen"))
    words = shlex.split(made.shell())
    assert words[len(made.environment) :] == list(made.command)


@pytest.mark.parametrize("engine", SERVING_ENGINES)
def test_every_entry_is_rendered_or_refused(engine: Any) -> None:
    for entry in CATALOGUE:
        options = LaunchOptions(engine=engine, licence_exception="test")
        if entry.support(engine).works is False:
            with pytest.raises(InvalidRequest):
                render(entry, options)
        else:
            made = render(entry, options)
            assert made.environment and all(isinstance(word, str) and word for word in made.command)


@pytest.mark.parametrize("name", ["Qwen3-Reranker-0.6B", "Qwen3-Reranker-4B", "Qwen3-Reranker-8B"])
def test_qwen3_reranker_is_served_with_the_chat_that_it_was_trained_on(name: str) -> None:
    """Without it vLLM starts all the same and answers with scores that mean nothing. Rendered as transformers does it."""
    command = launch(name).command
    template = command[command.index("--chat-template") + 1]
    environment = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True)
    messages = [{"role": "query", "content": "휴가는?"}, {"role": "document", "content": " 15일\n"}]
    for task in ("", "Given a question of a bank's employee, retrieve the rule"):
        asked = {"instruction": task} if task else {}
        before, after = ChatPrompt.around(task).split("\n<Query>: \n<Document>:")
        expected = f"{before}\n<Query>: 휴가는?\n<Document>:  15일\n{after}"
        assert environment.from_string(template).render(messages=messages, **asked) == expected
