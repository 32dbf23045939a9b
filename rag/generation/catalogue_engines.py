"""The commands of each engine: vLLM, SGLang, llama.cpp's server, Ollama. One function per engine."""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from rag.domain.errors import InvalidRequest
from rag.generation.catalogue_entry import Entry
from rag.generation.catalogue_notes import note
from rag.generation.catalogue_plan import Launch, Plan, ServingEngine

_OFFLINE = {"HF_HUB_OFFLINE": "1", "HF_HUB_DISABLE_TELEMETRY": "1", "TRANSFORMERS_OFFLINE": "1", "DO_NOT_TRACK": "1"}
_LORA_RANK = 64
"""Adapters trained in house have ranks of 32 to 64."""


def _vllm(plan: Plan) -> Launch:
    entry, options = plan.entry, plan.options
    folder = plan.folder()
    command = [
        "vllm",
        "serve",
        str(folder),
        "--served-model-name",
        plan.name,
        "--host",
        options.host,
        "--port",
        plan.port,
    ]
    command += _own_format(plan)
    if options.gpus > 1:
        command += ["--tensor-parallel-size", str(options.gpus)]
    if plan.context is not None:
        command += ["--max-model-len", str(plan.context)]
    environment = {**_OFFLINE, "VLLM_NO_USAGE_STATS": "1"}
    if plan.factor is not None:
        command += ["--hf-overrides", json.dumps(_rope_override(plan), separators=(",", ":"))]
        environment["VLLM_ALLOW_LONG_MAX_MODEL_LEN"] = "1"
    if entry.kind == "generator":
        command += ["--enable-prefix-caching", "--enable-prompt-tokens-details", *_vllm_parsers(entry)]
        if entry.template_arguments:
            command += ["--default-chat-template-kwargs", json.dumps(entry.template_arguments, separators=(",", ":"))]
    if options.lora:
        command += ["--enable-lora", "--max-loras", str(len(options.lora)), "--max-lora-rank", str(_LORA_RANK)]
        command += ["--lora-modules", *(f"{name}={path}" for name, path in options.lora.items())]
    return Launch("vllm", (*command, *entry.support("vllm").options), environment, folder)


def _vllm_parsers(entry: Entry) -> list[str]:
    parsers = entry.parsers
    found = []
    if parsers is not None and parsers.reasoning not in (None, "none"):
        found += ["--reasoning-parser", str(parsers.reasoning)]
    if parsers is not None and parsers.tool not in (None, "none"):
        found += ["--enable-auto-tool-choice", "--tool-call-parser", str(parsers.tool)]
    return found


def _own_format(plan: Plan) -> list[str]:
    """How the number format is asked for: only where the folder does not say it itself."""
    if plan.quantisation == "BF16":
        return ["--dtype", "bfloat16"]
    known = (plan.entry.quantisations or {}).get(plan.quantisation)
    if (
        plan.quantisation == "FP8"
        and (known is None or known.repository is None)
        and not _says_its_format(plan.folder())
    ):
        return ["--quantization", "fp8"]
    return []


def _says_its_format(folder: Path) -> bool:
    """Whether the weights in the folder are in a number format of their own already."""
    try:
        return "quantization_config" in json.loads((folder / "config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False


def _rope_override(plan: Plan) -> dict[str, Any]:
    context = plan.entry.context
    assert context is not None  # noqa: S101  # there is a factor
    rope = {
        **context.rope,
        "rope_type": "yarn",
        "factor": plan.factor,
        "original_max_position_embeddings": context.original or context.native,
    }
    override: dict[str, Any] = {"rope_parameters": rope}
    return {context.rope_within: override} if context.rope_within else override


def _sglang(plan: Plan) -> Launch:
    entry, options = plan.entry, plan.options
    folder = plan.folder()
    command = ["python3", "-m", "sglang.launch_server", "--model-path", str(folder), "--served-model-name", plan.name]
    command += ["--host", options.host, "--port", plan.port]
    command += [part for part in _own_format(plan) if part not in ("--dtype", "bfloat16")]
    if options.gpus > 1:
        command += ["--tp-size", str(options.gpus)]
    if plan.context is not None:
        command += ["--context-length", str(plan.context)]
    environment = dict(_OFFLINE)
    if plan.factor is not None:
        command += ["--json-model-override-args", json.dumps(_rope_override(plan), separators=(",", ":"))]
        environment["SGLANG_ALLOW_OVERWRITE_LONGER_CONTEXT_LEN"] = "1"
    if entry.kind == "embedder":
        command += ["--is-embedding"]
    parsers = entry.parsers
    if parsers is not None and parsers.reasoning not in (None, "none"):
        command += ["--reasoning-parser", _SGLANG_PARSERS.get(str(parsers.reasoning), str(parsers.reasoning))]
    if parsers is not None and parsers.tool not in (None, "none"):
        command += ["--tool-call-parser", _SGLANG_PARSERS.get(str(parsers.tool), str(parsers.tool))]
    if options.lora:
        command += ["--enable-lora", "--max-lora-rank", str(_LORA_RANK)]
        command += ["--lora-paths", *(f"{name}={path}" for name, path in options.lora.items())]
    return Launch("sglang", (*command, *entry.support("sglang").options), environment, folder)


_SGLANG_PARSERS: Mapping[str, str] = {
    "hermes": "qwen25",
    "openai": "gpt-oss",
    "openai_gptoss": "gpt-oss",
    "deepseek_r1": "deepseek-r1",
    "deepseek_v3": "deepseekv3",
    "llama3_json": "llama3",
    "llama4_pythonic": "pythonic",
    "minimax_m2": "minimax-m2",
    "minimax_m2_append_think": "minimax-append-think",
    "glm45": "glm45",
}
"""SGLang's names of parsers that vLLM calls otherwise (SGLang's documentation, "Tool Parser" and "Reasoning Parser")."""


def _llamacpp(plan: Plan) -> Launch:
    entry, options = plan.entry, plan.options
    file = plan.gguf()
    command = ["llama-server", "--model", str(file), "--alias", plan.name, "--host", options.host, "--port", plan.port]
    command += ["--offline", "--no-webui", "--n-gpu-layers", "999"]
    if plan.context is not None:
        command += ["--ctx-size", str(plan.context)]
    if plan.factor is not None and entry.context is not None:
        command += ["--rope-scaling", "yarn", "--rope-scale", f"{plan.factor:g}"]
        command += ["--yarn-orig-ctx", str(entry.context.original or entry.context.native)]
    command += {"generator": ["--jinja"], "embedder": ["--embeddings"], "reranker": ["--reranking"]}[entry.kind]
    if (
        entry.sees_images
        and "images" not in entry.support("llamacpp").broken
        and "mmproj" in entry.support("llamacpp").note
    ):
        command += ["--mmproj", str(file.parent / f"mmproj-{entry.name}.gguf")]
    if plan.quantisation == "GGUF-Q3" and entry.architecture is not None and entry.architecture.mixture:
        command += ["--cpu-moe"]  # what 16 GB or less of video memory are left for: experts stay in main memory
    if options.bf16_cache:
        command += ["--cache-type-k", "bf16", "--cache-type-v", "bf16"]
    for path in options.lora.values():
        command += ["--lora", str(path)]
    notes = (note(options.language, "lora_all"),) if options.lora else ()
    return Launch("llamacpp", (*command, *entry.support("llamacpp").options), dict(_OFFLINE), file, notes)


def _ollama(plan: Plan) -> Launch:
    if plan.options.lora:
        raise InvalidRequest(
            detail="Ollama does not serve adapters by name; use vLLM",
            detail_ko="Ollama는 어댑터를 이름으로 서비스하지 않습니다. vLLM을 쓰세요",
        )
    if plan.factor is not None:
        raise InvalidRequest(
            detail="Ollama has no setting for YaRN; use vLLM or llama.cpp",
            detail_ko="Ollama에는 YaRN 설정이 없습니다. vLLM이나 llama.cpp를 쓰세요",
        )
    file = plan.gguf()
    environment = {"OLLAMA_HOST": f"{plan.options.host}:{plan.port}", "OLLAMA_NO_CLOUD": "1", "DO_NOT_TRACK": "1"}
    if plan.context is not None:
        environment["OLLAMA_CONTEXT_LENGTH"] = str(plan.context)
    create = f"ollama create {shlex.quote(plan.name)} -f Modelfile"
    said = note(plan.options.language, "ollama", file=file, create=create)
    return Launch("ollama", ("ollama", "serve"), environment, file, (said,))


RENDERERS: Mapping[ServingEngine, Callable[[Plan], Launch]] = {
    "vllm": _vllm,
    "llamacpp": _llamacpp,
    "sglang": _sglang,
    "ollama": _ollama,
}
"""The command of each engine for a plan that was checked."""
