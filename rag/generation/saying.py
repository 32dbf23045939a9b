"""One short answer of a model, whole: for what is asked around an answer, never for what a reader sees unchecked."""

from __future__ import annotations

from contextlib import aclosing

from rag.domain.errors import ModelBroken
from rag.generation.engine import EngineCall, Finished, TextDelta
from rag.generation.routing import Choice

_LONGEST = 20_000


async def said(choice: Choice, system: str, user: str, *, max_tokens: int, tenant: str) -> str:
    """What the model says to `user`, without its reasoning.

    Raises:
        ModelBroken: a guard ended it, or it ended in something else than text.
        ModelUnavailable, or another of its kinds: as the engine says.
    """
    call = EngineCall(
        ({"role": "system", "content": system}, {"role": "user", "content": user}),
        max_tokens=max_tokens,
        sampling=choice.sampling,
        thinking=choice.thinking,
        tenant=tenant,
    )
    parts: list[str] = []
    async with aclosing(choice.engine.stream(call)) as events:
        async for event in events:
            if isinstance(event, TextDelta):
                parts.append(event.text)
            elif isinstance(event, Finished) and event.reason not in ("stop", "length"):
                raise ModelBroken(name=choice.engine.name)
    return "".join(parts)[:_LONGEST]
