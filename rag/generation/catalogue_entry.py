"""One model of the catalogue: the facts that are held of it, each with its source. What is not known is None."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

Kind = Literal["generator", "embedder", "reranker"]
EngineName = Literal["vllm", "sglang", "llamacpp", "ollama", "mlx"]
Preset = Literal["precise", "general", "instruct"]
Quantisation = Literal["BF16", "FP8", "MXFP4", "AWQ", "GPTQ", "GGUF-Q3", "GGUF-Q4", "GGUF-Q6", "GGUF-Q8", "GGUF-BF16"]
Need = Literal["interactive", "precise", "long_context", "code", "batch", "tools", "korean", "images", "small_memory"]
"""What a model can be good for: the jobs of `rag.settings.JobKind`, and needs that come on top of a job."""
GuardName = Literal[
    "route_long_context",
    "route_images",
    "preserve_thinking",
    "tool_parser",
    "yarn_when_long",
    "refuse_cuda",
    "repetition",
    "tool_call",
    "gibberish",
]
"""What the platform does against a known failure: the router (`route_long_context`, `route_images`, `preserve_thinking`), the
command that `launch` renders (`tool_parser`, `yarn_when_long`), `seogo doctor` and `launch` (`refuse_cuda`), and the guards of
a stream (`repetition`, `tool_call`, `gibberish`)."""

FACTS = (
    "developer",
    "release",
    "parameters",
    "architecture",
    "context",
    "languages",
    "modalities",
    "licence",
    "quantisations",
    "engines",
)
"""Facts that every entry has, each with its source unless unverified."""
GENERATOR_FACTS = ("parsers", "thinking", "sampling", "failures", "good_for")
VECTOR_FACTS = ("vectors",)


class _Fact(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class Parameters(_Fact):
    """Weights, in 10⁹. `active` is what one token passes through; the same as `total` in a dense model."""

    total: float = Field(gt=0)
    active: float = Field(gt=0)


class Layers(_Fact):
    """How many layers attend to everything, to a window, and by a state of constant size (linear attention)."""

    full: int = Field(ge=0)
    local: int = Field(0, ge=0)
    linear: int = Field(0, ge=0)


class Architecture(_Fact):
    """What the memory of a context follows from.

    Attributes:
        model_class: as `architectures` in `config.json` has it.
        window: tokens that a local layer sees.
        latent: numbers that a layer keeps per token in multi-head latent attention, in the place of keys and values.
    """

    model_class: str | None
    mixture: bool | None
    layers: Layers | None
    kv_heads: int | None = Field(ge=1)
    head_dim: int | None = Field(ge=1)
    window: int | None = None
    latent: int | None = None


class Context(_Fact):
    """Tokens of prompt and answer together.

    Attributes:
        native: without any change to the positions.
        extended: the longest, with YaRN where `rope` is given.
        original: `original_max_position_embeddings`, what YaRN's factor multiplies.
        rope: further rope parameters that an override has to repeat.
        rope_within: section of `config.json` that holds the rope parameters; empty for the top.
    """

    native: int | None = Field(ge=1)
    extended: int | None = None
    original: int | None = None
    rope: dict[str, Any] = {}
    rope_within: str = ""


class Licence(_Fact):
    """Attributes:
    commercial: free, under conditions, forbidden; None where it is not known.
    terms: what the conditions are, in a few words.
    """

    name: str | None
    commercial: Literal["free", "conditions", "forbidden"] | None
    terms: str = ""


class Weights(_Fact):
    """Weights in one number format.

    Attributes:
        weights_gb: of the files, in 10⁹ bytes; None where only the number of parameters tells.
        vram_gb: measured with the engine running, in 10⁹ bytes.
        repository: where they are published; None means that they are made from the BF16 weights.
    """

    weights_gb: float | None = None
    vram_gb: float | None = None
    repository: str | None = None


class EngineSupport(_Fact):
    """Attributes:
    works: None where nobody has said.
    broken: needs that fail on this engine although the model has them.
    note: what else its operator has to know.
    options: that its command needs for this model, beside the usual ones.
    environment: the same for variables.
    """

    works: bool | None
    broken: tuple[Literal["tools", "images"], ...] = ()
    note: str = ""
    options: tuple[str, ...] = ()
    environment: dict[str, str] = {}


class Parsers(_Fact):
    """vLLM's names of the parsers, which SGLang mostly shares; `none` where there is nothing to parse."""

    reasoning: str | None
    tool: str | None


class SamplingPreset(_Fact):
    """Attributes:
    thinking: whether it is meant for thinking on, off, or either (None).
    """

    thinking: bool | None = None
    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None
    min_p: float | None = None
    presence_penalty: float | None = None
    repetition_penalty: float | None = None


class Failure(_Fact):
    """What is known to go wrong, and what the platform does against it.

    Attributes:
        above_tokens: context from which on it happens; 0 means always.
        fallback: what is left where the guards can't help.
    """

    name: str
    what: str
    guards: tuple[GuardName, ...] = Field(min_length=1)
    above_tokens: int = Field(0, ge=0)
    fallback: str = ""


class Vectors(_Fact):
    """What an embedder gives."""

    dimensions: int | None = None
    matryoshka: bool | None = None
    sparse: bool = False
    multi_vector: bool = False
    instruction: bool | None = None


class Entry(_Fact):
    """Everything that is known of a model.

    Attributes:
        name: as commands and settings call it.
        repository: where its weights are published, for whoever carries them in; nothing is downloaded.
        aliases: other names for exactly this model.
        based_on: entry of the model that it was trained from.
        good_for: needs with a rank, 1 being the first choice.
        template_arguments: arguments of the chat template for conversations with tools.
        measured: figures with their circumstances in the name.
        sources: by fact, or by a part of one (`licence.commercial`); names of `sources.yaml`.
    """

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$")
    family: str
    kind: Kind
    repository: str | None = None
    aliases: tuple[str, ...] = ()
    based_on: str | None = None
    developer: str | None
    release: str | None = Field(pattern=r"^20\d\d-[01]\d$")
    parameters: Parameters | None
    architecture: Architecture | None
    context: Context | None
    languages: tuple[str, ...] | None
    modalities: tuple[Literal["text", "image", "audio", "video"], ...] | None
    licence: Licence | None
    quantisations: dict[Quantisation, Weights] | None
    engines: dict[EngineName, EngineSupport | None] | None
    parsers: Parsers | None = None
    thinking: Literal["none", "switch", "always"] | None = None
    sampling: dict[Preset, SamplingPreset] | None = None
    failures: tuple[Failure, ...] | None = None
    good_for: dict[Need, int] | None = None
    vectors: Vectors | None = None
    template_arguments: dict[str, Any] = {}
    measured: dict[str, float] = {}
    sources: dict[str, tuple[str, ...]]

    @model_validator(mode="before")
    @classmethod
    def _complete(cls, values: Any) -> Any:
        """Every fact of its kind is there or is said to be unverified, and has a source or is unverified."""
        facts = facts_of(values.get("kind"))
        if missing := [name for name in facts if name not in values]:
            raise ValueError(f"facts that are neither there nor unverified: {', '.join(missing)}")
        sources = values.get("sources", {})
        if bare := [name for name in facts if values[name] is not None and name not in sources]:
            raise ValueError(f"facts without a source: {', '.join(bare)}")
        if vain := [name for name in sources if values.get(name.partition(".")[0]) is None]:
            raise ValueError(f"sources of what is unverified or absent: {', '.join(vain)}")
        return values

    @property
    def native_tokens(self) -> int | None:
        """The longest context without an extension."""
        return self.context.native if self.context is not None else None

    @property
    def sees_images(self) -> bool | None:
        """Whether images are among its inputs; None where nobody has said."""
        return "image" in self.modalities if self.modalities is not None else None

    def failure(self, guard: GuardName) -> Failure | None:
        """The known failure that `guard` is against."""
        return next((item for item in self.failures or () if guard in item.guards), None)

    def support(self, engine: str) -> EngineSupport:
        """What is known of it on `engine`."""
        found = next((support for name, support in (self.engines or {}).items() if name == engine), None)
        return found or EngineSupport(works=None)


def facts_of(kind: object) -> tuple[str, ...]:
    """The facts that an entry of this kind has to hold."""
    return (*FACTS, *(GENERATOR_FACTS if kind == "generator" else VECTOR_FACTS if kind == "embedder" else ()))


class MovingTag(_Fact):
    """A name that stands for another model at another time.

    Attributes:
        target: entry that it stands for; None where only the installation can know.
    """

    target: str | None
    what: str
