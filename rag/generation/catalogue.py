"""The model catalogue: what is known of every model that the platform serves or uses, and from where it is known.

One YAML file per family in `configs/models/`. Each fact names its source; what is not known says `unverified` there and is
None here. Nothing is read at import.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from rag.domain.errors import ConfigurationError, UnknownModel

UNVERIFIED = "unverified"
"""What stands in a file where a fact is not known."""

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


_NO_FAMILY = ("sources.yaml", "moving_tags.yaml")


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


@dataclass(frozen=True, slots=True)
class Resolved:
    """An entry, and the name it was asked by where that is not its own."""

    entry: Entry
    alias: str = ""

    @property
    def reason(self) -> str:
        """`HCP-LLM-Latest is Qwen3.6-27B`; empty where there is nothing to say."""
        return f"{self.alias} is {self.entry.name}" if self.alias else ""


@dataclass(frozen=True, slots=True)
class Catalogue:
    """All entries by name, what the names of sources stand for, and the moving tags."""

    entries: Mapping[str, Entry]
    sources: Mapping[str, str]
    moving: Mapping[str, MovingTag]

    def __iter__(self) -> Iterator[Entry]:
        return iter(self.entries.values())

    def find(self, name: str, aliases: Mapping[str, str] | None = None) -> Resolved | None:
        """The entry called `name`, by itself, by an alias of the installation, or by one of its own aliases.

        Capitals don't matter, nor whether words are joined: `Kimi K2` is Kimi-K2.

        Args:
            aliases: moving names of the installation (`rag.generation.aliases`); they are looked up first, and may
                stand for one another.
        """
        published = {tag: moving.target for tag, moving in self.moving.items() if moving.target is not None}
        target = followed(name, published | dict(aliases or {}))
        found = self._named(target)
        if found is None:
            return None
        return Resolved(found, name if name != found.name else "")

    def get(self, name: str, aliases: Mapping[str, str] | None = None) -> Resolved:
        """As `find`.

        Raises:
            UnknownModel: there is none.
        """
        found = self.find(name, aliases)
        if found is None:
            raise UnknownModel(name=name)
        return found

    def _named(self, name: str) -> Entry | None:
        if name in self.entries:
            return self.entries[name]
        wanted = name.casefold().replace(" ", "-")
        for entry in self:
            if wanted in {known.casefold() for known in (entry.name, *entry.aliases, entry.repository or entry.name)}:
                return entry
        return None


def followed(name: str, aliases: Mapping[str, str]) -> str:
    """What `name` stands for in the end.

    Raises:
        ConfigurationError: the aliases go round in a circle.
    """
    passed = [name]
    while passed[-1] in aliases:
        passed.append(aliases[passed[-1]])
        if passed[-1] in passed[:-1]:
            raise ConfigurationError(detail=f"rag.generation.aliases: {' → '.join(passed)} is a circle")
    return passed[-1]


def models_folder() -> Path:
    """The catalogue's files: beside the packages in a checkout, inside `rag` in an installed wheel.

    Raises:
        ConfigurationError: they are in neither place.
    """
    root = Path(__file__).resolve().parents[2]
    for folder in (root / "configs" / "models", root / "rag" / "generation" / "models"):
        if (folder / "sources.yaml").is_file():
            return folder
    raise ConfigurationError(detail="the model catalogue is missing from this installation")


def load_catalogue(folder: Path | None = None) -> Catalogue:
    """Read every family, checked to the last key.

    Raises:
        ConfigurationError: a file can't be read, a key is unknown, a fact has no source, or a name is given twice.
    """
    folder = folder or models_folder()
    sources = _read(folder / "sources.yaml")
    entries: dict[str, Entry] = {}
    taken: dict[str, str] = {}
    for path in sorted(folder.glob("*.yaml")):
        if path.name in _NO_FAMILY:
            continue
        for entry in _family(path):
            for name in (entry.name, *entry.aliases):
                if name.casefold() in taken:
                    raise ConfigurationError(detail=f"{path}: the name {name} is that of {taken[name.casefold()]} too")
                taken[name.casefold()] = entry.name
            entries[entry.name] = entry
    catalogue = Catalogue(entries, sources, _moving(folder / "moving_tags.yaml"))
    _check_references(catalogue)
    return catalogue


def _family(path: Path) -> Iterator[Entry]:
    content = _read(path)
    if unknown := set(content) - {"family", "shared", "models"}:
        raise ConfigurationError(detail=f"{path}: unknown keys: {', '.join(sorted(unknown))}")
    shared = content.get("shared", {})
    for model in content["models"]:
        values = _known({"family": content["family"], **_merged(shared, model)})
        values["sources"] = _sources(values, model)
        try:
            yield Entry.model_validate(_tuples(values))
        except ValidationError as error:
            detail = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors())
            raise ConfigurationError(detail=f"{path}, {model.get('name')}: {detail}") from error


def _sources(values: Mapping[str, Any], model: Mapping[str, Any]) -> dict[str, Any]:
    """The family's sources, without those of what this model leaves unverified, and the model's own."""
    merged = values.get("sources", {})
    known = {fact: source for fact, source in merged.items() if values.get(fact.partition(".")[0]) is not None}
    return known | dict(model.get("sources", {}))


def _moving(path: Path) -> dict[str, MovingTag]:
    try:
        return {name: MovingTag.model_validate(_known(value)) for name, value in _read(path).items()}
    except ValidationError as error:
        raise ConfigurationError(detail=f"{path}: {error}") from error


def _check_references(catalogue: Catalogue) -> None:
    for entry in catalogue:
        if entry.based_on is not None and entry.based_on not in catalogue.entries:
            raise ConfigurationError(detail=f"{entry.name} is based on {entry.based_on}, which has no entry")
        for fact, sources in entry.sources.items():
            if unknown := set(sources) - set(catalogue.sources):
                raise ConfigurationError(detail=f"{entry.name}: unknown source of {fact}: {', '.join(sorted(unknown))}")


def _read(path: Path) -> dict[str, Any]:
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise ConfigurationError(detail=f"{path}: {error}") from error
    if not isinstance(content, dict):
        raise ConfigurationError(detail=f"{path}: expected keys and values")
    return content


def _merged(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """What a family shares, and over it what a model says for itself, key by key."""
    result = dict(below)
    for key, value in above.items():
        known = result.get(key)
        if isinstance(value, Mapping) and isinstance(known, Mapping):
            result[key] = _merged(known, value)
        else:
            result[key] = value
    return result


def _known(value: Any) -> Any:
    """The same with None for what is unverified."""
    if isinstance(value, Mapping):
        return {key: _known(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_known(item) for item in value]
    return None if value == UNVERIFIED else value


def _tuples(value: Any) -> Any:
    """Lists as tuples, as the frozen types have them; a source may be one name alone."""
    if isinstance(value, Mapping):
        made = {key: _tuples(item) for key, item in value.items()}
        if isinstance(made.get("sources"), Mapping):
            made["sources"] = {key: (item,) if isinstance(item, str) else item for key, item in made["sources"].items()}
        return made
    return tuple(_tuples(item) for item in value) if isinstance(value, list) else value
