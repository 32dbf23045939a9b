"""One short answer of a model, whole: for what is asked around an answer, never for what a reader sees unchecked."""

from __future__ import annotations

from contextlib import aclosing

from rag.domain.errors import ModelBroken
from rag.generation.engine import EngineCall, Finished, TextDelta
from rag.generation.routing import Choice

_LONGEST = 20_000
_REASONING_TOKENS = 8192
"""What a model may think before it answers, on top of the answer; no more than a quarter of its context."""


def reasoning_tokens(choice: Choice) -> int:
    """Tokens to allow for reasoning: engines count it with the answer."""
    return 0 if choice.thinking is False else min(_REASONING_TOKENS, choice.engine.context_tokens // 4)


async def said(choice: Choice, system: str, user: str, *, max_tokens: int, tenant: str) -> str:
    """What the model says to `user`, without its reasoning.

    Args:
        max_tokens: of what it says; reasoning comes on top, where the model does not go without.

    Raises:
        ModelBroken: a guard ended it, or it ended in something else than text.
        ModelUnavailable, or another of its kinds: as the engine says.
    """
    call = EngineCall(
        ({"role": "system", "content": system}, {"role": "user", "content": user}),
        max_tokens=max_tokens + reasoning_tokens(choice),
        sampling=choice.sampling,
        thinking=choice.thinking,
        adapter=choice.adapter,
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
