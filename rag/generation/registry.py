"""The configured generators of one process: the engines by name, and the router that chooses among them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from rag.domain.errors import ConfigurationError
from rag.generation.catalogue import load_catalogue
from rag.generation.catalogue_routing import CatalogueRouter
from rag.generation.catalogue_serving import described
from rag.generation.engine import ChatEngine
from rag.generation.guards import GuardedEngine
from rag.generation.metering import MeteredEngine
from rag.generation.openai_engine import open_engine
from rag.generation.routing import ModelRouter
from rag.settings import GenerationSettings


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


def open_generation(settings: GenerationSettings) -> Generation | None:
    """The generators of the settings, each under its guards; None where there is none. No server is asked yet.

    Raises:
        ConfigurationError: an address is none, a key file can't be read, a job or alias names what is not configured, or nobody
            knows how long a prompt may be.
    """
    if not settings.models:
        return None
    catalogue = load_catalogue()
    engines: dict[str, ChatEngine] = {}
    for served in settings.models:
        if served.name in engines:
            raise ConfigurationError(detail=f"rag.generation.models: {served.name} is there twice")
        known = described(served, catalogue, settings.aliases)
        engine = open_engine(
            served,
            context_tokens=known.context_tokens,
            vision=known.vision,
            switches=known.switches,
            leads=known.leads,
        )
        engines[served.name] = GuardedEngine(MeteredEngine(engine))
    return Generation(CatalogueRouter(engines, catalogue, settings), engines, settings.aliases)
