"""The configured generators of one process: the engines by name, and the router that chooses among them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from rag.generation.engine import ChatEngine
from rag.generation.routing import ModelRouter


@dataclass(frozen=True, slots=True)
class Generation:
    """What writes.

    Attributes:
        engines: by the name that users and `llm/<name>` call them.
        aliases: moving names, and the model that each stands for now.
    """

    router: ModelRouter
    engines: Mapping[str, ChatEngine]
    aliases: Mapping[str, str] = field(default_factory=dict)

    async def aclose(self) -> None:
        """Close the connections of all engines."""
        for engine in self.engines.values():
            await engine.aclose()
