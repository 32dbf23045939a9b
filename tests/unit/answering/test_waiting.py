"""Who waits for a model is told that nothing comes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing

import anyio
import pytest

from rag.answering import waiting
from rag.answering.waiting import SLOW, Silence, telling_of_silence
from rag.domain.answer import Note
from rag.domain.errors import ModelTimeout
from tests.support import skipped_time
from tests.support.played import Played


@pytest.fixture(autouse=True)
def by_the_clock_of_the_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(waiting, "time", skipped_time.LoopClock)


def told(
    source: Played[str | Note], after_s: float, *, most: int = 99, silence: Silence | None = None, reads_s: float = 0.0
) -> list[str]:
    """What comes, notes by their kind; given up after `most`. Its reader takes `reads_s` for each."""
    found: list[str] = []

    async def read() -> None:
        async with aclosing(telling_of_silence(source.play(), after_s, silence)) as events:
            async for event in events:
                found.append(event.kind if isinstance(event, Note) else event)
                if len(found) == most:
                    return
                await asyncio.sleep(reads_s)

    skipped_time.run(read())
    return found


def test_a_silence_is_told_of_once_until_something_comes() -> None:
    source = Played(0.5, "가", 0.5, "나")
    assert told(source, 0.05) == [SLOW, "가", "나"]
    assert source.closed
    assert told(Played("가", 0.5, "나"), 0.05) == ["가", "나"], "a slow model's reader sees that it writes"


def test_notes_are_nothing_that_was_waited_for() -> None:
    model = Note("model", "m")
    assert told(Played(model, 0.5, model, 0.5, "가"), 0.05) == ["model", SLOW, "model", "가"]


def test_notes_do_not_put_off_what_is_said_of_a_silence() -> None:
    removed = Note("removed", "a sentence")
    kinds = told(Played(0.3, removed, 0.3, removed, 0.3, removed, 0.3, "가"), 0.6)
    assert kinds.count(SLOW) == 1 and kinds[-1] == "가"


def test_a_slow_reader_is_no_slow_model() -> None:
    model = Note("model", "m")
    assert told(Played(model, 0.05, "가"), 1.0, reads_s=1.2) == ["model", "가"]
    assert told(Played(0.6, model, 0.9, "가"), 1.0, reads_s=1.2) == ["model", SLOW, "가"], "its silences add up"


def test_one_answer_tells_of_one_silence_however_many_models_it_asks() -> None:
    silence = Silence()
    assert told(Played(0.5, "가"), 0.05, silence=silence) == [SLOW, "가"]
    later = Played(0.5, "나")
    assert told(later, 0.05, silence=silence) == ["나"]
    assert later.closed


def test_what_was_waited_for_the_search_is_a_part_of_the_wait() -> None:
    assert told(Played(0.9, "가"), 3.5, silence=Silence(waited=4.0)) == [SLOW, "가"], (
        "0.5 s of the model's own are enough"
    )
    assert told(Played(0.9, "가"), 3.5, silence=Silence(waited=0.2)) == ["가"]
    assert told(Played(0.1, "가"), 3.5, silence=Silence(waited=60.0)) == ["가"], "and as much as that it always has"


def test_the_search_counts_for_the_first_model_alone() -> None:
    silence = Silence(waited=4.0)
    assert told(Played("가"), 3.5, silence=silence) == ["가"]
    assert told(Played(0.9, "나"), 3.5, silence=silence) == ["나"]


def test_what_comes_in_time_is_given_as_it_is() -> None:
    assert told(Played("가", "나"), 30.0) == ["가", "나"]
    assert told(Played(), 30.0) == []


def test_who_gives_up_while_nothing_comes_closes_the_source() -> None:
    source = Played(3600.0, "가")
    assert told(source, 0.02, most=1) == [SLOW]
    assert source.closed


@pytest.mark.parametrize("after_s", [0.02, 30.0])
def test_who_is_cancelled_by_a_scope_lets_the_source_end_in_peace(after_s: float) -> None:
    """A scope of anyio, in which responses are sent, cancels whoever waits in it again and again until they are gone."""
    ended: list[bool] = []

    async def source() -> AsyncGenerator[str, None]:
        try:
            yield "가"
            await asyncio.sleep(3600)
        finally:
            with anyio.CancelScope(shield=True):
                await asyncio.sleep(0.05)  # a connection is closed
                ended.append(True)

    async def read() -> None:
        async with aclosing(telling_of_silence(late(), after_s)) as events:
            async for _ in events:
                pass

    async def late() -> AsyncGenerator[str, None]:
        async with aclosing(source()) as events:
            await anext(events)
            yield await anext(events)

    async def leave() -> None:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(read)
            await asyncio.sleep(0.3)
            tasks.cancel_scope.cancel()

    skipped_time.run(leave())
    assert ended == [True]


def test_what_fails_after_a_silence_fails() -> None:
    source = Played(0.3, ModelTimeout(name="m"))
    with pytest.raises(ModelTimeout):
        told(source, 0.02)
    assert source.closed
