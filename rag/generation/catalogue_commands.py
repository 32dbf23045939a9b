"""The exact command that serves a model of the catalogue, for each engine that is known to run it.

Nothing is run here. Commands are lists of arguments, so that no shell takes them apart. Every engine is told to stay off
the network, and on the loopback unless its operator says otherwise: `--api-key` guards a part of vLLM's addresses alone.
"""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from rag.domain.errors import InvalidRequest, LicenceForbids
from rag.generation.catalogue import Entry, Quantisation
from rag.generation.catalogue_memory import GB, kv_bytes_per_sequence, kv_bytes_per_token, weight_bytes

ServingEngine = Literal["vllm", "llamacpp", "sglang", "ollama"]
SERVING_ENGINES: tuple[ServingEngine, ...] = ("vllm", "llamacpp", "sglang", "ollama")
PORTS: Mapping[ServingEngine, int] = {"vllm": 8000, "llamacpp": 8080, "sglang": 30_000, "ollama": 11_434}
"""What each engine listens on when nothing is said."""

_OFFLINE = {"HF_HUB_OFFLINE": "1", "HF_HUB_DISABLE_TELEMETRY": "1", "TRANSFORMERS_OFFLINE": "1", "DO_NOT_TRACK": "1"}
_LORA_RANK = 64
"""Adapters trained in house have ranks of 32 to 64."""
_FACTORS = (2.0, 4.0, 8.0)
_GGUF_NAMES: Mapping[str, str] = {
    "GGUF-Q3": "Q3_K_M",
    "GGUF-Q4": "Q4_K_M",
    "GGUF-Q6": "Q6_K",
    "GGUF-Q8": "Q8_0",
    "GGUF-BF16": "BF16",
}
_NAME = re.compile(r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$")


@dataclass(frozen=True, slots=True)
class LaunchOptions:
    """What the operator decides.

    Attributes:
        quantisation: None takes the entry's first that the engine reads.
        context: tokens; None takes the native context.
        yarn: allow a context above the native one, by stretching positions.
        lora: folders (vLLM, SGLang) or files (llama.cpp) of adapters, by the name that they are served under.
        model_folder: where the weights lie; None means `/models/<repository's last part>`.
        served_name: what requests call the model; empty means the entry's name.
        host: address to listen on.
        bf16_cache: keep llama.cpp's cache of keys and values in BF16, which helps on CUDA 13.2.
        licence_exception: why a licence that forbids commercial use is no hindrance here.
    """

    engine: ServingEngine = "vllm"
    quantisation: Quantisation | None = None
    gpus: int = 1
    context: int | None = None
    host: str = "127.0.0.1"
    port: int | None = None
    lora: Mapping[str, Path] = field(default_factory=dict)
    yarn: bool = False
    model_folder: Path | None = None
    served_name: str = ""
    licence_exception: str = ""
    bf16_cache: bool = False


@dataclass(frozen=True, slots=True)
class Launch:
    """A command that is ready to run.

    Attributes:
        environment: switches that go before it.
        notes: what its operator has to know, in English; each names the fact of the catalogue behind it.
        model: folder or file that has to be there.
    """

    engine: ServingEngine
    command: tuple[str, ...]
    environment: Mapping[str, str]
    model: Path
    notes: tuple[str, ...] = ()

    def shell(self) -> str:
        """The same as a line for a POSIX shell."""
        switches = [f"{name}={shlex.quote(value)}" for name, value in self.environment.items()]
        return " ".join([*switches, shlex.join(self.command)])


def render(entry: Entry, options: LaunchOptions) -> Launch:
    """The command for `entry`.

    Raises:
        LicenceForbids: and no exception is stated.
        InvalidRequest: the engine does not run it, the context is longer than it can be, or an option makes no sense.
    """
    _check_licence(entry, options)
    _check_engine(entry, options.engine)
    _check_names(options)
    quantisation = options.quantisation or _first(entry, options.engine)
    _check_quantisation(entry, options.engine, quantisation)
    context = _context(entry, options)
    plan = _Plan(entry, options, quantisation, context)
    made = {"vllm": _vllm, "llamacpp": _llamacpp, "sglang": _sglang, "ollama": _ollama}[options.engine](plan)
    environment = {**made.environment, **entry.support(options.engine).environment}
    return Launch(made.engine, made.command, environment, made.model, (*_notes(plan), *made.notes))


@dataclass(frozen=True, slots=True)
class _Plan:
    entry: Entry
    options: LaunchOptions
    quantisation: Quantisation
    context: int | None

    @property
    def name(self) -> str:
        return self.options.served_name or self.entry.name

    @property
    def port(self) -> str:
        return str(self.options.port or PORTS[self.options.engine])

    @property
    def factor(self) -> float | None:
        """Of YaRN; None where the context needs none."""
        context = self.entry.context
        if context is None or context.native is None or self.context is None or self.context <= context.native:
            return None
        wanted = self.context / (context.original or context.native)
        return next((factor for factor in _FACTORS if factor >= wanted), wanted)

    def folder(self) -> Path:
        """Of the weights as the engine's own files: the published ones of the number format, else the BF16 ones."""
        if self.options.model_folder is not None:
            return self.options.model_folder
        known = (self.entry.quantisations or {}).get(self.quantisation)
        repository = (known.repository if known else None) or self.entry.repository or self.entry.name
        return Path("/models") / repository.rpartition("/")[2]

    def gguf(self) -> Path:
        """The file for llama.cpp and Ollama."""
        given = self.options.model_folder
        if given is not None and given.suffix == ".gguf":
            return given
        return (given or Path("/models") / self.entry.name) / f"{self.entry.name}-{_GGUF_NAMES[self.quantisation]}.gguf"


def _vllm(plan: _Plan) -> Launch:
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


def _own_format(plan: _Plan) -> list[str]:
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


def _rope_override(plan: _Plan) -> dict[str, Any]:
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


def _sglang(plan: _Plan) -> Launch:
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


def _llamacpp(plan: _Plan) -> Launch:
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
    notes = ("llama.cpp applies adapters to every request; it does not serve them by name",) if options.lora else ()
    return Launch("llamacpp", (*command, *entry.support("llamacpp").options), dict(_OFFLINE), file, notes)


def _ollama(plan: _Plan) -> Launch:
    if plan.options.lora:
        raise InvalidRequest(detail="Ollama does not serve adapters by name; use vLLM")
    if plan.factor is not None:
        raise InvalidRequest(detail="Ollama has no setting for YaRN; use vLLM or llama.cpp")
    file = plan.gguf()
    environment = {"OLLAMA_HOST": f"{plan.options.host}:{plan.port}", "OLLAMA_NO_CLOUD": "1", "DO_NOT_TRACK": "1"}
    if plan.context is not None:
        environment["OLLAMA_CONTEXT_LENGTH"] = str(plan.context)
    create = f"ollama create {shlex.quote(plan.name)} -f Modelfile"
    note = f"once, while it runs: write `FROM {file}` into a file Modelfile, then `{create}`"
    return Launch("ollama", ("ollama", "serve"), environment, file, (note,))


def _check_licence(entry: Entry, options: LaunchOptions) -> None:
    if entry.licence is not None and entry.licence.commercial == "forbidden" and not options.licence_exception.strip():
        raise LicenceForbids(name=entry.name, licence=entry.licence.name or "?", option="--licence-exception")


def _check_engine(entry: Entry, engine: ServingEngine) -> None:
    support = entry.support(engine)
    if support.works is False:
        able = [name for name in SERVING_ENGINES if entry.support(name).works]
        note = f" ({support.note})" if support.note else ""
        raise InvalidRequest(
            detail=f"{engine} does not run {entry.name}{note}; known to run it: {', '.join(able) or 'none'}"
        )


def _check_names(options: LaunchOptions) -> None:
    for name in (*options.lora, *([options.served_name] if options.served_name else [])):
        if not _NAME.match(name):
            raise InvalidRequest(detail=f"{name!r} is no name for a model: letters, digits, dots, lines; 100 at most")
    if options.gpus < 1:
        raise InvalidRequest(detail="a model needs one GPU or more")


def _first(entry: Entry, engine: ServingEngine) -> Quantisation:
    wants_gguf = engine in ("llamacpp", "ollama")
    for name in entry.quantisations or {}:
        if name.startswith("GGUF") == wants_gguf:
            return name
    return "GGUF-Q8" if wants_gguf else "BF16"


def _check_quantisation(entry: Entry, engine: ServingEngine, quantisation: Quantisation) -> None:
    if quantisation.startswith("GGUF") != (engine in ("llamacpp", "ollama")):
        other = "llamacpp or ollama" if quantisation.startswith("GGUF") else "vllm or sglang"
        raise InvalidRequest(detail=f"{quantisation} is not what {engine} reads; take --engine {other}")
    known = entry.quantisations or {}
    if known and quantisation not in known and not quantisation.startswith("GGUF"):
        raise InvalidRequest(detail=f"{entry.name} is not known as {quantisation}; known: {', '.join(known)}")


def _context(entry: Entry, options: LaunchOptions) -> int | None:
    """Tokens to start the engine with.

    Raises:
        InvalidRequest: more than the model can, or more than its native context without YaRN being allowed.
    """
    known = entry.context
    if known is None or known.native is None:
        return options.context
    wanted = options.context or known.native
    longest = known.extended or known.native
    if wanted > longest:
        raise InvalidRequest(detail=f"{entry.name} has a context of {longest:,} tokens at most, not {wanted:,}")
    if wanted > known.native and not options.yarn:
        raise InvalidRequest(
            detail=f"{wanted:,} tokens are above the native {known.native:,} of {entry.name}: give --yarn, which costs "
            "quality on short inputs, or a smaller --context"
        )
    return wanted


def _notes(plan: _Plan) -> tuple[str, ...]:
    entry, engine = plan.entry, plan.options.engine
    support = entry.support(engine)
    found = [support.note] if support.note else []
    if support.works is None:
        found.append(f"nobody has said whether {engine} runs {entry.name}")
    if entry.licence is None or entry.licence.commercial is None:
        name = entry.licence.name if entry.licence else None
        found.append(f"commercial use is unverified: read the licence ({name or 'unknown'}) first")
    elif entry.licence.commercial == "conditions":
        found.append(f"licence {entry.licence.name}: {entry.licence.terms}")
    elif entry.licence.commercial == "forbidden":
        found.append(
            f"licence {entry.licence.name} forbids commercial use; exception: {plan.options.licence_exception}"
        )
    if plan.options.yarn and plan.factor is None:
        found.append("--yarn was left out: the context is not above the native one, and stretching costs quality")
    if plan.factor is not None:
        found.append(f"YaRN with factor {plan.factor:g}: for a deployment that is meant for long inputs")
    if plan.options.host not in ("127.0.0.1", "::1", "localhost"):
        found.append("only for a network that Seogo alone reaches: an engine's key guards a part of its addresses")
    found += _memory(plan)
    found += [f"known failure: {item.name} ({item.what}); guards: {', '.join(item.guards)}" for item in _relevant(plan)]
    return tuple(found)


def _memory(plan: _Plan) -> list[str]:
    """What it takes on the GPUs together, where that is known."""
    weights, architecture = weight_bytes(plan.entry, plan.quantisation), plan.entry.architecture
    if weights is None or architecture is None or plan.context is None or plan.entry.kind != "generator":
        return []
    each, apart = kv_bytes_per_token(architecture), kv_bytes_per_sequence(architecture, plan.context)
    if each is None or apart is None:
        return []
    context = (each * plan.context + apart) / GB
    return [f"memory: weights {weights / GB:.1f} GB; one context of {plan.context:,} tokens {context:.1f} GB (BF16)"]


def _relevant(plan: _Plan) -> list[Any]:
    """Failures that this deployment can meet."""
    context = plan.context or 0
    return [
        item
        for item in plan.entry.failures or ()
        if ("yarn_when_long" not in item.guards or plan.factor is not None)
        and ("route_images" not in item.guards or plan.options.engine == "ollama")
        and ("route_long_context" not in item.guards or context > item.above_tokens)
    ]
