"""What the platform adds to a stream: time to the first token beside the same engine asked directly.

    python -m benchmarks.stream_overhead [--streams 1 8 32 100] [--requests N] [--memory N] [--through URL --path PATH …]

The engine is a process of its own that does no work: it sends its first token after a fixed time and the others at a fixed
pace, as a served model does. Clients run in a third process, on raw sockets, so that what they cost is not taken for ours; each
keeps a stream open, and begins the next one when its own has ended. Direct: the clients ask the engine. Through: they ask a
process that streams through `OpenAiEngine` and writes the text out again, or, with `--through`, any address that answers as
OpenAI's chat completions do (`llm/<model>` of a service whose settings name the engine that `--serve-engine` starts).

Bars: p95 at 32 streams <= 50 ms above direct, no error at 100, memory flat over 10,000 requests.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import multiprocessing
import os
import statistics
import sys
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import aclosing, contextmanager
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path
from urllib.parse import urlsplit

from rag.generation.engine import EngineCall, TextDelta
from rag.generation.openai_engine import open_engine
from rag.settings import ServedModel

FIRST_S = 0.05
"""What the engine takes for its first token: a short prefill."""
PACE_S = 0.02
"""Between tokens: 50 a second, as one reader gets from a served model of 30B."""
TOKENS = 64
BAR_MS = 50.0
STREAMS = (1, 8, 32, 100)
_WAVES = 6
"""Streams that each client of a measurement runs, the first not counted: all of them begin at once."""
_LIMIT_S = 60.0

Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n"


def chunk(text: str, finish: str | None = None) -> bytes:
    """An event as vLLM has it."""
    choice = {"index": 0, "delta": {"content": text}, "logprobs": None, "finish_reason": finish}
    made = {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "stub", "choices": [choice]}
    return b"data: " + json.dumps(made).encode() + b"\n\n"


_TOKEN, _END = chunk("token "), chunk("", "stop") + b"data: [DONE]\n\n"


async def request_of(reader: asyncio.StreamReader) -> bytes:
    """The body of a request."""
    head = await reader.readuntil(b"\r\n\r\n")
    for line in head.split(b"\r\n"):
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length":
            return await reader.readexactly(int(value))
    return b""


async def stub(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """The engine: a paced answer."""
    tokens = int(json.loads(await request_of(reader)).get("max_tokens") or TOKENS)
    start = time.monotonic()
    writer.write(HEAD)
    for number in range(tokens):
        await asyncio.sleep(max(0.0, start + FIRST_S + number * PACE_S - time.monotonic()))
        writer.write(_TOKEN)
    writer.write(_END)
    await writer.drain()
    writer.close()


def relay(engine_url: str) -> Serve:
    """The platform, cut down to its engine client: the same answer, through `OpenAiEngine`."""
    engine = open_engine(ServedModel(name="stub", urls=(engine_url,), context_tokens=8192, concurrency=10_000))

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked = json.loads(await request_of(reader))
        writer.write(HEAD)
        call = EngineCall(asked["messages"], max_tokens=asked["max_tokens"], tenant="t", thinking=False)
        async with aclosing(engine.stream(call)) as events:
            async for event in events:
                if isinstance(event, TextDelta):
                    writer.write(b"data: " + json.dumps({"text": event.text}).encode() + b"\n\n")
        writer.write(b"data: [DONE]\n\n")
        await writer.drain()
        writer.close()

    return serve


def _listen(ready: Connection, engine_url: str | None) -> None:
    async def run() -> None:
        serve: Serve = stub if engine_url is None else relay(engine_url)
        server = await asyncio.start_server(serve, "127.0.0.1", 0, backlog=1024)
        ready.send(server.sockets[0].getsockname()[1])
        await server.serve_forever()

    asyncio.run(run())


@contextmanager
def serving(engine_url: str | None = None) -> Iterator[tuple[str, int]]:
    """Address and process number of a stub engine, or of a relay in front of one."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_listen, args=(theirs, engine_url), daemon=True)
    process.start()
    try:
        yield f"http://127.0.0.1:{ours.recv()}", process.pid or 0
    finally:
        process.terminate()
        process.join()


@dataclass
class Target:
    """Where to ask."""

    url: str
    path: str = "/v1/chat/completions"
    model: str = "stub"
    key: str = ""

    def request(self, tokens: int) -> bytes:
        """The bytes of a request."""
        body = {"model": self.model, "stream": True, "max_tokens": tokens}
        content = json.dumps(body | {"messages": [{"role": "user", "content": "금리는 언제 바뀌나?"}]}).encode()
        authorization = f"Authorization: Bearer {self.key}\r\n" if self.key else ""
        head = f"POST {self.path} HTTP/1.1\r\nHost: bench\r\nContent-Type: application/json\r\n{authorization}"
        return f"{head}Content-Length: {len(content)}\r\nConnection: close\r\n\r\n".encode() + content


@dataclass
class Measured:
    """Milliseconds to the first token, and what failed."""

    first_ms: list[float] = field(default_factory=list)
    errors: int = 0

    def percentile(self, share: float) -> float:
        """By nearest rank."""
        ordered = sorted(self.first_ms)
        return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else float("nan")


async def one(target: Target, tokens: int) -> float:
    """Seconds to the first token of one stream, read to its end.

    Raises:
        ValueError: no whole answer came.
    """
    address = urlsplit(target.url)
    start = time.perf_counter()
    reader, writer = await asyncio.open_connection(address.hostname, address.port)
    try:
        writer.write(target.request(tokens))
        seen, first = b"", 0.0
        while part := await reader.read(65_536):
            seen += part
            if not first and b"token " in seen:
                first = time.perf_counter() - start
        if not first or seen.count(b"token ") != tokens or b"[DONE]" not in seen:
            raise ValueError("no whole answer")
        return first
    finally:
        writer.close()


async def measured(target: Target, streams: int, waves: int, tokens: int) -> Measured:
    """`streams` clients, each running `waves` streams one after the other; the first of each warms up."""
    found = Measured()

    async def client(number: int) -> None:
        await asyncio.sleep(number * (FIRST_S + tokens * PACE_S) / streams)  # readers do not come in step
        for wave in range(waves):
            try:
                async with asyncio.timeout(_LIMIT_S):
                    first = await one(target, tokens)
            except (ValueError, OSError, TimeoutError):
                found.errors += 1
                continue
            if wave:
                found.first_ms.append(first * 1000)

    await asyncio.gather(*(client(number) for number in range(streams)))
    return found


def compare(direct: Target, through: Target, counts: Sequence[int], waves: int) -> bool:
    """Print a line per number of streams; whether the bars hold."""
    print(f"{'streams':>8} {'direct p50/p95':>18} {'through p50/p95':>18} {'added p50/p95':>18} {'errors':>7}  (ms)")
    held = True
    for count in counts:
        runs = max(waves, -(-40 // count) + 1)  # 40 figures at least
        base = asyncio.run(measured(direct, count, runs, TOKENS))
        ours = asyncio.run(measured(through, count, runs, TOKENS))
        pairs = [(one.percentile(0.5), one.percentile(0.95)) for one in (base, ours)]
        added = [b - a for a, b in zip(*pairs, strict=True)]
        shown = "".join(f"{f'{a:.1f} / {b:.1f}':>19}" for a, b in [*pairs, (added[0], added[1])])
        print(f"{count:>8}{shown} {ours.errors:>7}", flush=True)
        held &= ours.errors == 0 and (count != 32 or added[1] <= BAR_MS)
    return held


def resident_mb(process: int) -> float:
    """Memory that a process holds."""
    pages = int(Path(f"/proc/{process}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def memory(through: Target, process: int, requests: int) -> bool:
    """Print the memory of a process over many short streams; whether the last half grew by less than a tenth."""
    taken: list[float] = []
    errors = 0
    for _ in range(10):
        found = asyncio.run(measured(through, 50, max(1, requests // 500), 1))
        errors += found.errors
        taken.append(resident_mb(process))
    print(f"memory over {requests} requests (MB): {', '.join(f'{mb:.1f}' for mb in taken)}; errors: {errors}")
    return errors == 0 and taken[-1] - statistics.median(taken[:5]) < max(2.0, taken[0] / 10)


def main() -> None:
    """Measure and print; exit 1 when a bar is missed."""
    parser = argparse.ArgumentParser(description="time to the first token that the platform adds")
    parser.add_argument("--streams", type=int, nargs="+", default=list(STREAMS))
    parser.add_argument("--waves", type=int, default=_WAVES, help="streams that each client runs")
    parser.add_argument(
        "--memory", type=int, default=10_000, help="requests of the memory measurement; 0 leaves it out"
    )
    parser.add_argument(
        "--serve-engine", action="store_true", help="print a stub engine's address and serve until ended"
    )
    parser.add_argument("--engine", help="address of a running stub engine")
    parser.add_argument("--through", help="address of a running service in front of that engine")
    parser.add_argument("--path", default="/v1/chat/completions")
    parser.add_argument("--model", default="llm/stub")
    parser.add_argument("--key-file", type=Path)
    parser.add_argument("--process", type=int, help="process number of that service, for its memory")
    given = parser.parse_args()
    if given.serve_engine:
        with serving() as (url, _):
            print(url, flush=True)
            time.sleep(1e9)
    if given.through:
        key = given.key_file.read_text().strip() if given.key_file else ""
        target = Target(given.through, given.path, given.model, key)
        held = compare(Target(given.engine), target, given.streams, given.waves)
        if given.process and given.memory:
            held &= memory(target, given.process, given.memory)
        sys.exit(not held)
    with serving() as (engine, _), serving(f"{engine}/v1") as (through, process):
        held = compare(Target(engine), Target(through), given.streams, given.waves)
        if given.memory:
            held &= memory(Target(through), process, given.memory)
    sys.exit(not held)


if __name__ == "__main__":
    main()
