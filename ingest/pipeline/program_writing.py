"""One generation of a job: read to its end, while somebody looks now and then whether it is still wanted."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing, suppress
from dataclasses import asdict, dataclass, field
from typing import Any

from rag.domain.errors import GenerationStopped, ModelTimeout
from rag.generation.engine import ChatEngine, EngineCall, EngineEvent, Finished, ReasoningDelta, TextDelta
from rag.generation.guards import stopped_by_guard
from rag.text.token_estimate import estimated_tokens


@dataclass(slots=True)
class Written:
    """What has come of an answer."""

    parts: list[str] = field(default_factory=list)
    reasoning: list[str] = field(default_factory=list)
    end: Finished | None = None

    @property
    def text(self) -> str:
        """All of it."""
        return "".join(self.parts)

    @property
    def cut_off(self) -> bool:
        """Whether the model came to the end of its room first."""
        return self.end is not None and self.end.reason == "length"

    @property
    def tokens(self) -> int:
        """How many they are, reasoning included: an estimate until the engine has counted."""
        if self.end is not None and self.end.usage is not None:
            return self.end.usage.completion
        return sum(estimated_tokens("".join(parts)) for parts in (self.parts, self.reasoning) if parts)

    @property
    def facts(self) -> dict[str, Any]:
        """For the manifest: the engine's own count, where it gave one, and the guards after which it was asked again."""
        if self.end is None:
            return {}
        usage = {} if self.end.usage is None else {"usage": asdict(self.end.usage)}
        return {**usage, "retried": list(self.end.retried)}

    def take(self, event: EngineEvent, model: str) -> None:
        """Add an event.

        Raises:
            GenerationStopped: it is the end that a guard made.
        """
        if isinstance(event, TextDelta):
            self.parts.append(event.text)
        elif isinstance(event, ReasoningDelta):
            self.reasoning.append(event.text)
        elif isinstance(event, Finished):
            stopped_by_guard(event, model)
            self.end = event


async def written_by(
    engine: ChatEngine, call: EngineCall, look: Callable[[Written], Awaitable[None]], every_s: float
) -> Written:
    """The answer; `look` may end it by an error, which closes the engine's stream.

    Raises:
        GenerationStopped: a guard stopped it, or it took all the time that it had: it would do so again.
        ModelUnavailable, or another of its kinds: as the engine says.
    """
    written, begun = Written(), time.monotonic()

    async def look_now() -> None:
        await look(written)

    try:
        async with (
            aclosing(engine.stream(call)) as stream,
            aclosing(watched(stream, look_now, every_s)) as events,
        ):
            async for event in events:
                written.take(event, engine.name)
    except ModelTimeout as error:
        if call.patience is None or time.monotonic() - begun < call.patience.total_s:
            raise
        raise GenerationStopped(name=engine.name, guard="too_slow") from error
    return written


async def watched(
    stream: AsyncGenerator[EngineEvent, None], look: Callable[[], Awaitable[None]], every_s: float
) -> AsyncGenerator[EngineEvent, None]:
    """The events of `stream`; `look` is called every so often, while it is silent too, and may end it by an error."""
    pending: asyncio.Future[EngineEvent] | None = None
    looked_at = time.monotonic()
    try:
        while True:
            pending = pending or asyncio.ensure_future(anext(stream))
            done, _ = await asyncio.wait({pending}, timeout=every_s)
            if time.monotonic() - looked_at >= every_s:
                await look()
                looked_at = time.monotonic()
            if not done:
                continue
            try:
                event = pending.result()
            except StopAsyncIteration:
                return
            finally:
                pending = None
            yield event
    finally:
        if pending is not None:
            pending.cancel()
            with suppress(asyncio.CancelledError):
                await pending
