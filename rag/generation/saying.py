"""Asking a model: as a stream, or for one short answer, whole; also models whose template knows no system message."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import replace

from rag.domain.errors import InvalidRequest, ModelBroken, PromptTooLong
from rag.domain.language import Language
from rag.generation.canary import Canaries
from rag.generation.engine import ChatEngine, EngineCall, EngineEvent, Finished, Message, TextDelta, digest_of
from rag.generation.guards import GuardedEngine
from rag.generation.routing import Choice

_LONGEST = 20_000
_REASONING_TOKENS = 8192
"""What a model may think before it answers, on top of the answer; no more than a quarter of its context."""


def reasoning_tokens(choice: Choice) -> int:
    """Tokens to allow for reasoning: engines count it with the answer."""
    return 0 if choice.thinking is False else min(_REASONING_TOKENS, choice.engine.context_tokens // 4)


class Speaker:
    """Asks engines. Remembers which of them take no system message (Gemma 2, the first Mistral): their rules go to the user's."""

    def __init__(self, canaries: Canaries | None = None) -> None:
        self._without_system: set[str] = set()
        self._canaries = canaries or Canaries()

    def as_sent(self, engine: ChatEngine, call: EngineCall) -> EngineCall:
        """The call as this engine gets it: its rules with a canary, at which the guards stop it, and where it takes them."""
        call = self._canaries.put_in(call)
        plain = engine.name in self._without_system
        return replace(call, messages=without_system(call.messages)) if plain else call

    async def stream(self, engine: ChatEngine, call: EngineCall) -> AsyncGenerator[EngineEvent, None]:
        """What the engine says to the call `as_sent`; raises what it raises. Its end tells what was sent in fact."""
        call = self.as_sent(engine, call)
        plain = replace(call, messages=without_system(call.messages))
        refused = engine.name in self._without_system
        if not refused:
            begun = False
            try:
                async with aclosing(engine.stream(call)) as events:
                    async for event in events:
                        begun = True
                        yield _telling(event, call)
                return
            except PromptTooLong:
                raise  # and would be as long without a system message
            except InvalidRequest:
                if begun or plain.messages == call.messages:
                    raise
        async with aclosing(engine.stream(plain)) as events:
            async for event in events:
                self._without_system.add(engine.name)
                yield _telling(event, plain)

    async def said(
        self,
        choice: Choice,
        system: str,
        user: str,
        *,
        max_tokens: int,
        tenant: str,
        language: Language | None = None,
    ) -> str:
        """What the model says to `user`, without its reasoning. Where the engine is guarded, half of it is never taken.

        Args:
            max_tokens: of what it says; reasoning comes on top, where the model does not go without.
            language: what it has to be in, as in `EngineCall`.

        Raises:
            GenerationStopped: a guard has stopped both tries.
            ModelBroken: it ended in something else than text.
            ModelUnavailable, or another of its kinds: as the engine says.
        """
        call = EngineCall(
            ({"role": "system", "content": system}, {"role": "user", "content": user}),
            max_tokens=max_tokens + reasoning_tokens(choice),
            sampling=choice.sampling,
            thinking=choice.thinking,
            adapter=choice.adapter,
            tenant=tenant,
            language=language,
        )
        return await self.answer(choice.engine, call)

    async def answer(self, engine: ChatEngine, call: EngineCall) -> str:
        """The text that the engine says to `call`; raises what `said` raises."""
        engine = engine.whole() if isinstance(engine, GuardedEngine) else engine
        parts: list[str] = []
        async with aclosing(self.stream(engine, call)) as events:
            async for event in events:
                if isinstance(event, TextDelta):
                    parts.append(event.text)
                elif isinstance(event, Finished) and event.reason not in ("stop", "length"):
                    raise ModelBroken(name=engine.name)
        return "".join(parts)[:_LONGEST]


def _telling(event: EngineEvent, call: EngineCall) -> EngineEvent:
    """The event; an end of an engine without guards, which change calls, with what the call was."""
    if not isinstance(event, Finished) or event.sent:
        return event
    return replace(event, sent=digest_of(call.messages))


def without_system(messages: Sequence[Message]) -> tuple[Message, ...]:
    """The messages with the text of a leading system message at the beginning of the user message that follows it."""
    if len(messages) < 2 or (messages[0]["role"], messages[1]["role"]) != ("system", "user"):
        return tuple(messages)
    first = {**messages[1], "content": f"{messages[0]['content']}\n\n{messages[1]['content']}"}
    return (first, *messages[2:])
