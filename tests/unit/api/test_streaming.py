"""Streams: when they begin, what keeps them alive, and that nothing goes on behind a reader who left."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any

import pytest
from starlette.requests import Request

from api.streaming import EventStream, started, while_connected
from rag.domain.errors import ModelBusy
from tests.support.played import Played


async def read(events: AsyncGenerator[str, None]) -> list[str]:
    async with aclosing(events):
        return [item async for item in events]


def test_a_stream_begins_with_its_first_event() -> None:
    async def check() -> list[str]:
        return await read(await started(Played("가", "나").play()))

    assert asyncio.run(check()) == ["가", "나"]


def test_a_stream_of_nothing_begins_too() -> None:
    async def check() -> list[str]:
        return await read(await started(Played().play()))

    assert asyncio.run(check()) == []


def test_what_fails_before_the_first_event_is_raised_at_once() -> None:
    source = Played(ModelBusy(name="m"))
    with pytest.raises(ModelBusy):
        asyncio.run(started(source.play()))
    assert source.closed


def test_an_event_that_is_not_worth_the_headers_is_held_back() -> None:
    async def check() -> list[str]:
        return await read(
            await started(Played("search", "search", "text", "more").play(), ready=lambda item: item != "search")
        )

    assert asyncio.run(check()) == ["search", "search", "text", "more"]
    with pytest.raises(ModelBusy):
        asyncio.run(started(Played("search", ModelBusy(name="m")).play(), ready=lambda item: item != "search"))


def test_a_slow_stream_begins_without_its_first_event() -> None:
    source = Played("search", 0.05, "text", ModelBusy(name="m"))

    async def check() -> list[str]:
        events = await started(source.play(), ready=lambda item: item == "text", patience_s=0.01)
        found: list[str] = []
        with pytest.raises(ModelBusy):
            async with aclosing(events):
                async for item in events:
                    found.append(item)
        return found

    assert asyncio.run(check()) == ["search", "text"]
    assert source.closed


def test_a_stream_that_nobody_reads_is_closed_with_what_it_waits_for() -> None:
    source = Played(60.0, "never")

    async def check() -> None:
        events = await started(source.play(), patience_s=0.01)
        await events.aclose()

    asyncio.run(check())
    assert source.closed


def test_a_request_that_is_given_up_while_it_waits_leaves_nothing_running() -> None:
    source = Played(60.0)

    async def check() -> None:
        waiting = asyncio.create_task(started(source.play()))
        await asyncio.sleep(0.01)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting

    asyncio.run(check())
    assert source.closed


class Wire:
    """The two ends of an ASGI response. The client goes away after `leaves_after` messages, if it does."""

    def __init__(self, leaves_after: int | None = None) -> None:
        self.sent: list[bytes] = []
        self.status = 0
        self.headers: dict[bytes, bytes] = {}
        self._leaves_after = leaves_after
        self._left = asyncio.Event()

    async def receive(self) -> dict[str, Any]:
        await self._left.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: Any) -> None:
        if message["type"] == "http.response.start":
            self.status, self.headers = message["status"], dict(message["headers"])
            return
        self.sent.append(message["body"])
        if self._leaves_after is not None and len(self.sent) >= self._leaves_after:
            self._left.set()


async def respond(response: EventStream, wire: Wire, version: str = "2.3") -> None:
    scope = {"type": "http", "asgi": {"spec_version": version}}
    await asyncio.wait_for(response(scope, wire.receive, wire.send), 20)


@pytest.mark.parametrize("version", ["2.3", "2.4"])
def test_events_go_out_as_they_come_and_no_proxy_may_hold_them(version: str) -> None:
    source = Played("data: 가\n\n", "data: \ud800\n\n")

    async def check() -> Wire:
        wire = Wire()
        await respond(EventStream(source.play()), wire, version)
        return wire

    wire = asyncio.run(check())
    assert wire.sent == ["data: 가\n\n".encode(), b"data: ?\n\n", b""]
    assert wire.headers[b"x-accel-buffering"] == b"no" and wire.headers[b"cache-control"] == b"no-cache"
    assert wire.headers[b"content-type"].startswith(b"text/event-stream")


def test_silence_is_bridged_by_comments() -> None:
    source = Played("a", 0.2, "b")

    async def check() -> Wire:
        wire = Wire()
        await respond(EventStream(source.play(), keep_alive_s=0.02), wire)
        return wire

    sent = asyncio.run(check()).sent
    assert sent[0] == b"a" and sent[-2:] == [b"b", b""]
    assert sent[1:-2] and set(sent[1:-2]) == {b": keep-alive\n\n"}


def test_a_reader_who_leaves_ends_the_work() -> None:
    source = Played("a", 60.0, "b")

    async def check() -> None:
        await respond(EventStream(source.play()), Wire(leaves_after=1))

    asyncio.run(check())
    assert source.closed


def test_a_response_that_never_began_closes_its_source() -> None:
    source = Played("a", 60.0)

    async def rendered(events: AsyncGenerator[str, None]) -> AsyncGenerator[str, None]:
        async for item in events:
            yield item

    async def check() -> None:
        events = await started(source.play())

        async def broken(message: Any) -> None:
            raise OSError("gone")

        with pytest.raises(Exception, match=r"gone|disconnect|^$"):
            await EventStream(rendered(events), events)(
                {"type": "http", "asgi": {"spec_version": "2.4"}}, Wire().receive, broken
            )

    asyncio.run(check())
    assert source.closed


def test_work_ends_with_its_client_and_else_gives_what_it_found() -> None:
    ended: list[str] = []

    async def work(seconds: float) -> str:
        try:
            await asyncio.sleep(seconds)
            return "found"
        finally:
            ended.append("work")

    async def fail() -> str:
        raise ModelBusy(name="m")

    async def check() -> None:
        wire = Wire()
        request = Request({"type": "http", "headers": []}, wire.receive)
        assert await while_connected(request, work(0.0)) == "found"
        with pytest.raises(ModelBusy):
            await while_connected(request, fail())
        wire._left.set()
        assert await while_connected(request, work(60.0)) is None

    asyncio.run(check())
    assert ended == ["work", "work"]
