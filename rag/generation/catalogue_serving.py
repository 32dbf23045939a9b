"""What the catalogue says about a model of the settings: what its engine is opened with, and what a router goes by."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from rag.generation.catalogue import Catalogue, Entry
from rag.settings import ServedModel


@dataclass(frozen=True, slots=True)
class Described:
    """A served model with what is known of it.

    Attributes:
        entry: None where the catalogue does not have it.
        context_tokens: from the settings, else the catalogue's native context; None where neither says.
        vision: whether it takes images, on the engine that it has.
        switches: what its chat template calls the switch for thinking; none where there is nothing to switch.
    """

    served: ServedModel
    entry: Entry | None
    context_tokens: int | None
    vision: bool
    switches: tuple[str, ...]


def described(served: ServedModel, catalogue: Catalogue, aliases: Mapping[str, str] | None = None) -> Described:
    """What is known of `served`; the settings stand above the catalogue."""
    found = catalogue.find(served.catalogue or served.name, aliases)
    entry = found.entry if found is not None else None
    return Described(
        served=served,
        entry=entry,
        context_tokens=served.context_tokens or (entry.native_tokens if entry is not None else None),
        vision=served.vision if served.vision is not None else _vision(served, entry),
        switches=() if entry is not None and entry.thinking in ("none", "always") else ("enable_thinking",),
    )


def _vision(served: ServedModel, entry: Entry | None) -> bool:
    return entry is not None and bool(entry.sees_images) and "images" not in entry.support(served.engine).broken
