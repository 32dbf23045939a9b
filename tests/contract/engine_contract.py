"""What holds for every generation engine. A subclass gives the fixture `play`."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, aclosing
from dataclasses import dataclass

import pytest

from rag.domain.errors import ModelBroken
from rag.generation.engine import (
    ChatEngine,
    EngineCall,
    EngineEvent,
    Finished,
    ReasoningDelta,
    TextDelta,
    ToolCallDelta,
    Usage,
)
from rag.generation.scripted import Step

CALL = EngineCall([{"role": "user", "content": "대출 금리는 언제 바뀌나?"}], max_tokens=64, tenant="t-1")
LONG = 60.0


@dataclass
class Played:
    """An engine that plays a script.

    Attributes:
        asked: whether a call has reached it.
        stopped: whether its work was stopped early this many times, waited for a second at most.
    """

    engine: ChatEngine
    asked: Callable[[], bool]
    stopped: Callable[[int], bool]


Play = Callable[[Sequence[Step]], AbstractContextManager[Played]]


def read(engine: ChatEngine, call: EngineCall = CALL) -> list[EngineEvent]:
    """All events of one call."""

    async def all_of() -> list[EngineEvent]:
        async with aclosing(engine.stream(call)) as events:
            return [event async for event in events]

    return asyncio.run(all_of())


def text_of(events: Sequence[EngineEvent]) -> str:
    return "".join(event.text for event in events if isinstance(event, TextDelta))


class EngineContract:
    """The rules."""

    @pytest.fixture
    def play(self) -> Play:
        raise NotImplementedError

    def test_text_comes_whole_and_finished_comes_last(self, play: Play) -> None:
        pieces = ["매월 ", "1일에 ", "바뀐다", ".\n\n", "🏦 가산 금리 3.5%"]
        usage = Usage(12, 5, 4)
        with play([*(TextDelta(piece) for piece in pieces), Finished("stop", usage)]) as played:
            events = read(played.engine)
            assert text_of(events) == "".join(pieces)
            assert [isinstance(event, Finished) for event in events] == [False] * (len(events) - 1) + [True]
            last = events[-1]
            assert isinstance(last, Finished)
            assert (last.reason, last.usage) == ("stop", usage)
            assert not played.stopped(1)

    @pytest.mark.parametrize("reason", ["stop", "length", "tool_calls", "content_filter"])
    def test_reasons_are_told(self, play: Play, reason: str) -> None:
        with play([TextDelta("가"), Finished(reason)]) as played:  # type: ignore[arg-type]
            assert read(played.engine)[-1].reason == reason  # type: ignore[union-attr]

    def test_an_answer_may_be_empty(self, play: Play) -> None:
        with play([Finished("stop")]) as played:
            assert [type(event) for event in read(played.engine)] == [Finished]

    def test_reasoning_is_kept_apart(self, play: Play) -> None:
        script = [ReasoningDelta("음, "), ReasoningDelta("제3조를 보면"), TextDelta("매월 "), TextDelta("1일이다.")]
        with play([*script, Finished("stop")]) as played:
            events = read(played.engine)
            assert text_of(events) == "매월 1일이다."
            thought = [event.text for event in events if isinstance(event, ReasoningDelta)]
            assert "".join(thought) == "음, 제3조를 보면"

    def test_tool_calls_grow_by_index(self, play: Play) -> None:
        script: list[Step] = [
            ToolCallDelta(0, "call-1", "search", ""),
            ToolCallDelta(0, arguments='{"질의": "금'),
            ToolCallDelta(1, "call-2", "read", '{"n": 1}'),
            ToolCallDelta(0, arguments='리"}'),
        ]
        with play([*script, Finished("tool_calls")]) as played:
            calls = [event for event in read(played.engine) if isinstance(event, ToolCallDelta)]
            assert calls == script

    def test_a_failure_in_mid_answer_is_a_typed_error_behind_what_came(self, play: Play) -> None:
        async def until_it_fails(engine: ChatEngine) -> list[EngineEvent]:
            seen: list[EngineEvent] = []
            with pytest.raises(ModelBroken):
                async with aclosing(engine.stream(CALL)) as events:
                    async for event in events:
                        seen.append(event)
            return seen

        with play([TextDelta("매월 "), TextDelta("1일"), ModelBroken(name="m")]) as played:
            assert text_of(asyncio.run(until_it_fails(played.engine))) == "매월 1일"

    def test_closing_stops_the_engine(self, play: Play) -> None:
        async def first(engine: ChatEngine) -> EngineEvent:
            async with aclosing(engine.stream(CALL)) as events:
                return await anext(events)

        with play([TextDelta("가"), LONG, Finished("stop")]) as played:
            assert asyncio.run(first(played.engine)) == TextDelta("가")
            assert played.stopped(1)

    @pytest.mark.parametrize("begun", [True, False])
    def test_cancelling_stops_the_engine(self, play: Play, begun: bool) -> None:
        async def cancelled(played: Played) -> None:
            reading = asyncio.Event()

            async def all_of() -> None:
                async with aclosing(played.engine.stream(CALL)) as events:
                    async for _ in events:
                        reading.set()

            task = asyncio.create_task(all_of())
            if begun:
                await reading.wait()
            while not played.asked():
                await asyncio.sleep(0.01)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task

        with play([*([TextDelta("가")] if begun else []), LONG, Finished("stop")]) as played:
            asyncio.run(cancelled(played))
            assert played.stopped(1)

    def test_it_serves_many_at_once_and_one_event_loop_after_the_other(self, play: Play) -> None:
        async def many(engine: ChatEngine) -> list[list[EngineEvent]]:
            async def one() -> list[EngineEvent]:
                async with aclosing(engine.stream(CALL)) as events:
                    return [event async for event in events]

            try:
                return await asyncio.gather(*(one() for _ in range(8)))
            finally:
                await engine.aclose()

        with play([TextDelta("가"), 0.05, TextDelta("나"), Finished("stop")]) as played:
            for _ in range(2):
                assert [text_of(events) for events in asyncio.run(many(played.engine))] == ["가나"] * 8

    def test_it_has_a_name_and_a_length(self, play: Play) -> None:
        with play([Finished("stop")]) as played:
            assert played.engine.name
            assert played.engine.context_tokens > 0
