"""An engine on the loopback interface, made of raw sockets, so that it can do everything wrong that a real one can.

It speaks OpenAI's streamed chat completions as far as a test lets it, and sees when its caller hangs up.
"""

from __future__ import annotations

import asyncio
import json
import socket
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

DONE = b"data: [DONE]\n\n"
_TLS = b"\x16"
"""How a handshake begins, which this engine does not know."""
Behaviour = Callable[["Exchange"], Awaitable[None]]


@dataclass
class Exchange:
    """One request, and the socket to answer it on.

    Attributes:
        complete: whether a test's behaviour came to its good end.
        over: whether either side closed the connection.
        hung_up: set when the caller closed the connection; `hung_up_at` is the instant of `time.monotonic`.
    """

    path: str
    headers: dict[str, str]
    body: Any
    writer: asyncio.StreamWriter
    hung_up: asyncio.Event = field(default_factory=asyncio.Event)
    hung_up_at: float | None = None
    complete: bool = False
    over: bool = False

    async def raw(self, sent: bytes) -> None:
        """Bytes as they are."""
        self.writer.write(sent)
        await self.writer.drain()

    async def head(self, status: int = 200, kind: str = "text/event-stream; charset=utf-8", **more: str) -> None:
        """Status and headers of an answer whose body goes on until the connection is closed."""
        headers = {"Content-Type": kind, "Connection": "close"} | {k.replace("_", "-"): v for k, v in more.items()}
        lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        await self.raw(f"HTTP/1.1 {status} Status\r\n{lines}\r\n".encode())

    async def refuse(self, status: int, message: str, **headers: str) -> None:
        """A refusal as vLLM words it."""
        await self.head(status, "application/json", **headers)
        await self.raw(json.dumps({"error": {"message": message, "type": "x", "code": status}}).encode())

    async def payload(self, data: Any) -> None:
        """One event."""
        await self.raw(b"data: " + json.dumps(data, ensure_ascii=False).encode() + b"\n\n")

    async def delta(self, finish: str | None = None, **delta: Any) -> None:
        """One chunk."""
        await self.payload(chunk(delta, finish))

    async def say(self, *texts: str, finish: str = "stop", usage: tuple[int, int] | None = (7, 3)) -> None:
        """The rest of an answer to a good end."""
        for text in texts:
            await self.delta(content=text)
        await self.delta(finish)
        if usage is not None:
            await self.payload({"choices": [], "usage": counted(*usage)})
        await self.raw(DONE)


def chunk(delta: dict[str, Any], finish: str | None = None) -> dict[str, Any]:
    """A chunk as vLLM has it."""
    choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}
    return {"id": "c-1", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": [choice]}


def counted(prompt: int, completion: int, cached: int = 0) -> dict[str, Any]:
    """OpenAI's `usage`."""
    details = {"cached_tokens": cached}
    total = prompt + completion
    return {
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "total_tokens": total,
        "prompt_tokens_details": details,
    }


def saying(*texts: str, **more: Any) -> Behaviour:
    """An engine that answers well."""

    async def behave(exchange: Exchange) -> None:
        await exchange.head()
        await exchange.delta(role="assistant", content="")
        await exchange.say(*texts, **more)

    return behave


def refusing(status: int, message: str = "no", **headers: str) -> Behaviour:
    """An engine that refuses."""
    return lambda exchange: exchange.refuse(status, message, **headers)


class EngineServer:
    """The engine, its address and what it saw. `behaviour` may be exchanged at any time."""

    def __init__(self, behaviour: Behaviour) -> None:
        self.behaviour = behaviour
        self.exchanges: list[Exchange] = []
        self.port = 0
        self.ending = False

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def bodies(self) -> list[Any]:
        return [exchange.body for exchange in self.exchanges]

    def wait_for(self, true: Callable[[], bool], timeout_s: float = 5.0) -> bool:
        """Whether it became true in time."""
        end = time.monotonic() + timeout_s
        while time.monotonic() < end:
            if true():
                return True
            time.sleep(0.005)
        return true()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection: one request, then the behaviour, until either side is through."""
        tasks: list[asyncio.Task[Any]] = []
        try:
            first = await reader.readexactly(1)
            if first == _TLS:
                return
            head = (first + await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
            headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in head[1:])}
            raw = await reader.readexactly(int(headers.get("content-length", "0")))
            exchange = Exchange(head[0].split(" ")[1], headers, json.loads(raw or b"null"), writer)
            self.exchanges.append(exchange)
            tasks = [asyncio.create_task(self._behave(exchange)), asyncio.create_task(_watch(reader, exchange))]
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            pass
        finally:
            for task in tasks:
                task.cancel()
            if tasks:
                exchange.over = True
            writer.transport.abort() if self.ending else writer.close()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _behave(self, exchange: Exchange) -> None:
        try:
            await self.behaviour(exchange)
        except ConnectionError:
            exchange.hung_up.set()


async def _watch(reader: asyncio.StreamReader, exchange: Exchange) -> None:
    try:
        while await reader.read(1024):
            pass
    except ConnectionError:
        pass
    exchange.hung_up_at = time.monotonic()
    exchange.hung_up.set()


def unused_port() -> int:
    """A port at which nobody listens."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


@contextmanager
def engine_server(behaviour: Behaviour, port: int = 0) -> Iterator[EngineServer]:
    """Serve on a thread of its own until the block ends."""
    engine = EngineServer(behaviour)
    loop = asyncio.new_event_loop()
    started = threading.Event()
    stop = asyncio.Event()

    async def run() -> None:
        server = await asyncio.start_server(engine.serve, "127.0.0.1", port, limit=2**24)
        engine.port = server.sockets[0].getsockname()[1]
        started.set()
        await stop.wait()
        server.close()
        engine.ending = True
        tasks = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await server.wait_closed()
        await asyncio.sleep(0.01)  # for the sockets that are closing

    thread = threading.Thread(target=lambda: loop.run_until_complete(run()), daemon=True)
    thread.start()
    assert started.wait(10)
    try:
        yield engine
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join(10)
        loop.close()
