"""What is launched, as the operator and the catalogue have it, before an engine's words for it are found."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from rag.domain.messages import UiLanguage
from rag.generation.catalogue_entry import Entry, Quantisation

ServingEngine = Literal["vllm", "llamacpp", "sglang", "ollama"]
SERVING_ENGINES: tuple[ServingEngine, ...] = ("vllm", "llamacpp", "sglang", "ollama")
PORTS: Mapping[ServingEngine, int] = {"vllm": 8000, "llamacpp": 8080, "sglang": 30_000, "ollama": 11_434}
"""What each engine listens on when nothing is said."""

_FACTORS = (2.0, 4.0, 8.0)
_GGUF_NAMES: Mapping[str, str] = {
    "GGUF-Q3": "Q3_K_M",
    "GGUF-Q4": "Q4_K_M",
    "GGUF-Q6": "Q6_K",
    "GGUF-Q8": "Q8_0",
    "GGUF-BF16": "BF16",
}


@dataclass(frozen=True, slots=True)
class LaunchOptions:
    """What the operator decides.

    Attributes:
        quantisation: None takes the entry's first that the engine reads.
        context: tokens; None takes the native context.
        context_of: the model of the settings whose `context_tokens` they are; empty where they were given on the command line.
        yarn: allow a context above the native one, by stretching positions.
        lora: folders (vLLM, SGLang) or files (llama.cpp) of adapters, by the name that they are served under.
        model_folder: where the weights lie; None means `/models/<repository's last part>`.
        served_name: what requests call the model; empty means the entry's name.
        host: address to listen on.
        bf16_cache: keep llama.cpp's cache of keys and values in BF16, which helps on CUDA 13.2.
        language: of the notes.
        licence_exception: why a licence that forbids commercial use is no hindrance here.
    """

    engine: ServingEngine = "vllm"
    quantisation: Quantisation | None = None
    gpus: int = 1
    context: int | None = None
    context_of: str = ""
    host: str = "127.0.0.1"
    port: int | None = None
    lora: Mapping[str, Path] = field(default_factory=dict)
    yarn: bool = False
    model_folder: Path | None = None
    served_name: str = ""
    licence_exception: str = ""
    bf16_cache: bool = False
    language: UiLanguage = "en"


@dataclass(frozen=True, slots=True)
class Launch:
    """A command that is ready to run.

    Attributes:
        environment: switches that go before it.
        notes: what its operator has to know, in the language of the options.
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


@dataclass(frozen=True, slots=True)
class Plan:
    """A launch that was checked: `quantisation` and `context` are settled."""

    entry: Entry
    options: LaunchOptions
    quantisation: Quantisation
    context: int | None

    @property
    def name(self) -> str:
        """What requests call the model."""
        return self.options.served_name or self.entry.name

    @property
    def port(self) -> str:
        """Where the engine listens."""
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
