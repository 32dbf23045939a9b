"""The configured generators by the names that callers give them."""

from __future__ import annotations

from dataclasses import dataclass

from api.deps import Caller
from rag.domain.errors import UnknownModel
from rag.generation.engine import ChatEngine

RAW = "llm/"
"""What stands before the name of a generator on the OpenAI surface."""


@dataclass(frozen=True, slots=True)
class Writer:
    """A generator that was asked for by name.

    Attributes:
        adapter: LoRA adapter on it; empty means the base.
    """

    engine: ChatEngine
    adapter: str = ""

    @property
    def name(self) -> str:
        """What it is called behind `llm/`."""
        return f"{self.engine.name}:{self.adapter}" if self.adapter else self.engine.name


def writer_named(caller: Caller, name: str) -> Writer | None:
    """The generator that goes by `name`, in any way that the router knows; None where none is configured."""
    generation = caller.services.rag.generation
    found = generation.router.named(name) if generation is not None else None
    return None if found is None else Writer(*found)


def generator_name(caller: Caller, wanted: str, param: str = "generator") -> str:
    """The name of a configured generator that shall write a grounded answer, with or without `llm/`; empty for none.

    Args:
        param: what the request calls it.

    Raises:
        UnknownModel: none is configured under that name.
    """
    name = wanted.removeprefix(RAW)
    if name and writer_named(caller, name) is None:
        raise UnknownModel(name=wanted, param=param)
    return name
