"""An engine that a whole module of tests shares: each test puts its own scripts on it."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import Any

from rag.generation.engine import EngineCall, EngineEvent
from rag.generation.routing import SingleModel
from rag.generation.scripted import ScriptedEngine


class ScriptedDesk:
    """Says what the engine says that was put last."""

    name = "scripted"
    context_tokens = 32_768

    def __init__(self, text: str) -> None:
        self.engine = ScriptedEngine.saying(text)
        self.router = SingleModel(self)

    def put(self, *scripts: Any) -> ScriptedEngine:
        """What is said from now on, call by call."""
        self.engine = ScriptedEngine(scripts)
        return self.engine

    async def stream(self, call: EngineCall) -> AsyncGenerator[EngineEvent, None]:
        """See `ChatEngine.stream`."""
        async for event in self.engine.stream(call):
            yield event

    async def aclose(self) -> None:
        """Nothing to close."""
