"""Server-sent events."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any, TypeVar

Item = TypeVar("Item")

HEADERS = {"Cache-Control": "no-cache", "X-Accel-Buffering": "no"}
"""So that no proxy holds events back."""

DONE = "data: [DONE]\n\n"
"""End of a stream in OpenAI's protocol."""


def event(data: dict[str, Any], name: str | None = None) -> str:
    """One event; without a name it is a plain message, as OpenAI's are."""
    head = f"event: {name}\n" if name else ""
    return f"{head}data: {json.dumps(data, ensure_ascii=False)}\n\n"


async def started(events: AsyncGenerator[Item, None]) -> AsyncGenerator[Item, None]:
    """`events`, of which the first has come: what fails before it is an error with a status, not an event."""
    try:
        first = await anext(events)
    except StopAsyncIteration:
        return events

    async def all_of() -> AsyncGenerator[Item, None]:
        async with aclosing(events):
            yield first
            async for item in events:
                yield item

    return all_of()
