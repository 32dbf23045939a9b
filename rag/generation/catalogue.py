"""The model catalogue: what is known of every model that the platform serves or uses, and from where it is known.

One YAML file per family in `configs/models/`. Each fact names its source; what is not known says `unverified` there and is
None here. Nothing is read at import.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from rag.domain.errors import ConfigurationError, UnknownModel
from rag.generation.catalogue_entry import Entry, MovingTag

UNVERIFIED = "unverified"
"""What stands in a file where a fact is not known."""

_NO_FAMILY = ("sources.yaml", "moving_tags.yaml")
_SAFE_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
"""The one in C reads the same in an eighth of the time, which is a part of every start; not every build of PyYAML has it."""


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
        content = yaml.load(path.read_text(encoding="utf-8"), Loader=_SAFE_LOADER)  # noqa: S506 (safe, either of them)
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
