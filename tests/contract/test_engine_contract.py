"""The engine contract on the scripted twin, and on the HTTP engine in each dialect against an engine of sockets."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator, Sequence
from contextlib import aclosing, contextmanager
from typing import Any

import pytest

from rag.generation.engine import Finished, ReasoningDelta, TextDelta, ToolCallDelta
from rag.generation.openai_engine import open_engine
from rag.generation.scripted import ScriptedEngine, Step
from rag.settings import ServedModel
from tests.contract.engine_contract import CALL, EngineContract, Play, Played
from tests.support.engine_server import DONE, Behaviour, Exchange, counted, engine_server

REASONING = {"vllm": "reasoning", "sglang": "reasoning_content", "llamacpp": "reasoning_content", "ollama": "reasoning"}
"""Where each engine puts it; of an unknown one the worst is assumed: tags in the content."""


class TestScripted(EngineContract):
    @pytest.fixture
    def play(self) -> Play:
        @contextmanager
        def playing(script: Sequence[Step]) -> Iterator[Played]:
            engine = ScriptedEngine([script])
            yield Played(engine, lambda: bool(engine.calls), lambda times: len(engine.stopped) >= times)

        return playing


class TestHttp(EngineContract):
    @pytest.fixture(params=["vllm", "sglang", "llamacpp", "ollama", "openai"])
    def play(self, request: pytest.FixtureRequest) -> Play:
        dialect = request.param

        @contextmanager
        def playing(script: Sequence[Step]) -> Iterator[Played]:
            with engine_server(performing(script, dialect)) as stub:
                served = ServedModel(name="m", engine=dialect, urls=(stub.url,), context_tokens=4096)

                def stopped(times: int) -> bool:
                    early = [one for one in stub.exchanges if not one.complete]
                    if len(early) < times:
                        return False
                    return stub.wait_for(lambda: all(one.hung_up.is_set() for one in early), 1.0)

                yield Played(open_engine(served), lambda: bool(stub.exchanges), stopped)

        return playing


def performing(script: Sequence[Step], dialect: str) -> Behaviour:
    """The script as an engine of this dialect sends it."""

    async def perform(exchange: Exchange) -> None:
        await exchange.head()
        thinking = False
        for step in script:
            if isinstance(step, float | int):
                await asyncio.sleep(step)
            elif isinstance(step, Exception):
                await exchange.payload({"error": {"message": "EngineCore died", "code": 500}})
            elif isinstance(step, Finished):
                await finish(exchange, step)
            else:
                tags = ""
                if dialect == "openai" and thinking != isinstance(step, ReasoningDelta):
                    thinking = not thinking
                    tags = "<think>" if thinking else "</think>"
                await exchange.delta(**delta_of(step, dialect, tags))

    return perform


def delta_of(step: Step, dialect: str, tags: str) -> dict[str, Any]:
    if isinstance(step, ToolCallDelta):
        function = {"arguments": step.arguments} | ({"name": step.name} if step.name else {})
        call = {"index": step.index, "function": function} | ({"id": step.id, "type": "function"} if step.id else {})
        return {"tool_calls": [call]}
    assert isinstance(step, TextDelta | ReasoningDelta)
    if isinstance(step, TextDelta) or dialect == "openai":
        return {"content": tags + step.text}
    return {REASONING[dialect]: step.text, "content": "" if dialect == "ollama" else None}


async def finish(exchange: Exchange, step: Finished) -> None:
    await exchange.delta(step.reason)
    if step.usage is not None:
        usage = counted(step.usage.prompt, step.usage.completion, step.usage.cached)
        await exchange.payload({"choices": [], "usage": usage})
    exchange.complete = True
    await exchange.raw(DONE)


def test_the_engine_notices_within_a_second_and_not_before() -> None:
    """The measure of the contract's own tests: while its caller listens, the stub sees nobody hang up."""
    with engine_server(performing([TextDelta("가"), 60.0], "vllm")) as stub:
        engine = open_engine(ServedModel(name="m", urls=(stub.url,), context_tokens=4096))

        async def first() -> float:
            async with aclosing(engine.stream(CALL)) as events:
                await anext(events)
                await asyncio.sleep(0.3)
                assert not stub.exchanges[0].hung_up.is_set()
                return time.monotonic()

        closed = asyncio.run(first())
        assert stub.wait_for(stub.exchanges[0].hung_up.is_set)
        assert (stub.exchanges[0].hung_up_at or 0.0) - closed < 1.0
