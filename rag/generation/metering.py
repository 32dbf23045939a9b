"""Tokens that models read and wrote, told to whoever asked for them: an engine around an engine."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from contextvars import ContextVar

from rag.generation.engine import ChatEngine, EngineCall, EngineEvent, Finished

Meter = Callable[[int, int], None]
"""Takes tokens read and tokens written."""

METER: ContextVar[Meter | None] = ContextVar("METER", default=None)
"""Whose tokens they are: set for a request, empty for work that nobody waits for."""
_CHARS_PER_TOKEN = 3
"""Between Korean (about 2) and English (about 4), where an engine did not come to count."""


def spent(tokens_in: int, tokens_out: int) -> None:
    """Tell the meter of this request, where there is one."""
    if (meter := METER.get()) is not None:
        meter(tokens_in, tokens_out)


class MeteredEngine:
    """`engine`, whose tokens are told: as it counted them, or as they came where it was stopped before it could."""

    def __init__(self, engine: ChatEngine) -> None:
        self._engine = engine

    @property
    def name(self) -> str:
        """The model's name."""
        return self._engine.name

    @property
    def context_tokens(self) -> int:
        """Longest prompt and answer together."""
        return self._engine.context_tokens

    async def stream(self, call: EngineCall) -> AsyncGenerator[EngineEvent, None]:
        """The engine's stream.

        Raises:
            ModelUnavailable, InvalidRequest: as the engine itself.
        """
        usage, pieces, meter = None, 0, METER.get()
        try:
            async with aclosing(self._engine.stream(call)) as events:
                async for event in events:
                    if isinstance(event, Finished):
                        usage = event.usage
                    else:
                        pieces += 1
                    yield event
        finally:
            if meter is not None and usage is not None:
                meter(usage.prompt, usage.completion)
            elif meter is not None and pieces:
                meter(_estimated(call), pieces)

    async def aclose(self) -> None:
        """Close the engine."""
        await self._engine.aclose()


def _estimated(call: EngineCall) -> int:
    texts = json.dumps([dict(message) for message in call.messages], ensure_ascii=False, default=str)
    return len(texts) // _CHARS_PER_TOKEN
