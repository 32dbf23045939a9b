"""What the catalogue says about a model of the settings: what its engine is opened with, and what a router goes by."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from rag.generation.catalogue import Catalogue
from rag.generation.catalogue_entry import Entry
from rag.settings import ServedModel

_TAGGED = frozenset({"deepseek_r1", "glm45", "minimax_m2_append_think", "qwen3"})
"""vLLM's parsers of reasoning that ends in `</think>`. Others look for other marks, as gpt-oss's does for channels."""


@dataclass(frozen=True, slots=True)
class Described:
    """A served model with what is known of it.

    Attributes:
        entry: None where the catalogue does not have it.
        context_tokens: from the settings, else the catalogue's native context; None where neither says.
        vision: whether it takes images, on the engine that it has.
        switches: what its chat template calls the switch for thinking; none where there is nothing to switch.
        leads: values of `EngineCall.thinking` with which its content begins with reasoning, where the engine leaves it there.
    """

    served: ServedModel
    entry: Entry | None
    context_tokens: int | None
    vision: bool
    switches: tuple[str, ...]
    leads: frozenset[bool | None] = frozenset()


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
        leads=_leads(entry),
    )


def _leads(entry: Entry | None) -> frozenset[bool | None]:
    """A model that always thinks does so also when it is told not to; one with a switch surely where it is told to."""
    if entry is None or entry.parsers is None or entry.parsers.reasoning not in _TAGGED:
        return frozenset()
    return {"always": frozenset((True, False, None)), "switch": frozenset((True,))}.get(
        str(entry.thinking), frozenset()
    )


def _vision(served: ServedModel, entry: Entry | None) -> bool:
    return entry is not None and bool(entry.sees_images) and "images" not in entry.support(served.engine).broken
