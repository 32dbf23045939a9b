"""Time to first token that the platform adds to an engine, and what it keeps of 10,000 requests.

    python -m benchmarks.openai_overhead [--streams 1 8 32 100] [--rounds N] [--memory REQUESTS]

An engine without a model waits `FIRST_S` and then says a word every `PACE_S`. It is asked twice by the same client, over real
sockets and in turn: through the platform (`/v1/chat/completions`, model `llm/stub`: key, policy, engine call, events) and through
a bare ASGI application under the same uvicorn that does nothing but write the engine's words as events. Each stream is followed
by the next on its connection, so that as many as asked for are always in work; they begin spread over a second. Bar: at 32
streams the 95th percentile is at most 50 ms above the bare one, and no request of 100 at once fails.

With `--memory`, so many short streams go through the platform, 32 at once, and the growth of the process is told.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncGenerator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

FIRST_S, PACE_S, WORDS = 0.05, 0.02, 30
BAR_MS, BAR_STREAMS = 50.0, 32
_MEBIBYTE = 2**20


class StubEngine:
    """A `ChatEngine` that says the same words to everybody."""

    name = "stub"
    context_tokens = 32_768

    def __init__(self, first_s: float, pace_s: float, words: int) -> None:
        self._first_s, self._pace_s, self._words = first_s, pace_s, words

    async def stream(self, call: Any) -> AsyncGenerator[Any, None]:
        """The words, in time."""
        from rag.generation.engine import Finished, TextDelta, Usage

        await asyncio.sleep(self._first_s)
        for _ in range(self._words):
            yield TextDelta("낱말 ")
            await asyncio.sleep(self._pace_s)
        yield Finished("stop", Usage(10, self._words))

    async def aclose(self) -> None:
        """Nothing to close."""


def serve(kind: str, port: int, engine: StubEngine) -> None:
    """Serve the platform or the bare application until killed; the first line of output is the key."""
    import uvicorn

    if kind == "bare":
        print("none", flush=True)
        uvicorn.run(_bare(engine), port=port, log_level="warning", lifespan="off")
        return
    from api.app import create_app
    from api.cli.services import both_lanes, upgrade_schema
    from api.settings import Settings, load_settings
    from rag.domain.principal import Scope
    from rag.generation.registry import Generation
    from rag.generation.routing import SingleModel

    with tempfile.TemporaryDirectory() as folder:
        values = load_settings(None, Path(folder)).model_dump()
        values["rag"]["embedding"]["dense"] = "none"
        settings = Settings(**values)
        upgrade_schema(settings)
        with both_lanes(settings, listen=False, local_operator=False) as services:
            generation = Generation(SingleModel(engine), {"stub": engine})
            services = replace(services, rag=replace(services.rag, generation=generation))
            print(services.rag.keys.create("default", "benchmark", [Scope.READ])[0], flush=True)
            uvicorn.run(create_app(services), port=port, log_level="warning", lifespan="on")


def _bare(engine: StubEngine) -> Any:
    async def application(scope: Any, receive: Any, send: Any) -> None:
        while (await receive()).get("more_body"):
            pass
        headers = [(b"content-type", b"text/event-stream")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        async for item in engine.stream(None):
            delta = {"content": getattr(item, "text", "")}
            body = f"data: {json.dumps({'choices': [{'index': 0, 'delta': delta}]}, ensure_ascii=False)}\n\n".encode()
            await send({"type": "http.response.body", "body": body, "more_body": True})
        await send({"type": "http.response.body", "body": b"data: [DONE]\n\n", "more_body": False})

    return application


@dataclass
class Measured:
    """What the streams of one run took: milliseconds to the first word, and how many went wrong."""

    first_ms: list[float] = field(default_factory=list)
    failed: int = 0

    def percentile(self, share: float) -> float:
        """The time under which this share of the streams began."""
        return float(np.percentile(self.first_ms, share))


@dataclass(frozen=True)
class Server:
    """A server process, and what opens it."""

    port: int
    key: str
    pid: int

    async def load(self, streams: int, rounds: int) -> Measured:
        """So many streams at once, each followed by the next."""
        measured = Measured()
        await asyncio.gather(*(self._ask(i / streams, rounds, measured) for i in range(streams)))
        return measured

    async def _ask(self, after_s: float, rounds: int, measured: Measured) -> None:
        await asyncio.sleep(after_s)
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        body = {"model": "llm/stub", "stream": True, "messages": [{"role": "user", "content": "서고란?"}]}
        content = json.dumps(body).encode()
        head = f"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {self.key}\r\n"
        head += f"Content-Type: application/json\r\nContent-Length: {len(content)}\r\n\r\n"
        for _ in range(rounds):
            began = time.perf_counter()
            writer.write(head.encode() + content)
            first_s, whole = await _answer(reader, began)
            if first_s is None or not whole:
                measured.failed += 1
                break
            measured.first_ms.append(first_s * 1000)
        writer.close()

    def memory_mb(self) -> float:
        """What the process holds in memory."""
        pages = int(Path(f"/proc/{self.pid}/statm").read_text(encoding="ascii").split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE") / _MEBIBYTE


async def _answer(reader: asyncio.StreamReader, began: float) -> tuple[float | None, bool]:
    """Seconds to the first word, and whether the stream came to its end."""
    first_s, seen = None, b""
    while part := await reader.read(65_536):
        seen += part
        if first_s is None and "낱말".encode() in seen:
            first_s = time.perf_counter() - began
        if seen.endswith(b"\r\n0\r\n\r\n"):
            return first_s, b"[DONE]" in seen and b'"error"' not in seen
    return first_s, False


@contextmanager
def server(kind: str, port: int, engine: tuple[float, float, int]) -> Iterator[Server]:
    """A server of its own process."""
    timing = [str(value) for value in engine]
    command = [
        sys.executable,
        "-m",
        "benchmarks.openai_overhead",
        "--serve",
        kind,
        "--port",
        str(port),
        "--engine",
        *timing,
    ]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        made = Server(port, process.stdout.readline().strip(), process.pid)
        asyncio.run(_reachable(made))
        yield made
    finally:
        process.terminate()
        process.wait()


async def _reachable(made: Server) -> None:
    while True:
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", made.port)
        except OSError:
            await asyncio.sleep(0.05)
            continue
        writer.close()
        await made.load(1, 3)
        return


def overhead(streams: list[int], rounds: int) -> bool:
    """Print the table; whether the bars hold."""
    timing = (FIRST_S, PACE_S, WORDS)
    held = True
    print("streams | requests | bare p50 / p95 ms | platform p50 / p95 ms | added p50 / p95 ms | failed")
    with server("bare", 18_191, timing) as bare, server("platform", 18_192, timing) as platform:
        for count in streams:
            one, two = Measured(), Measured()
            for _ in range(rounds):  # in turn, so that a disturbance of the machine meets both
                for made, measured in ((bare, one), (platform, two)):
                    found = asyncio.run(made.load(count, 3))
                    measured.first_ms += found.first_ms
                    measured.failed += found.failed
            added = [two.percentile(share) - one.percentile(share) for share in (50, 95)]
            print(
                f"{count} | {len(two.first_ms)} | {one.percentile(50):.1f} / {one.percentile(95):.1f}"
                f" | {two.percentile(50):.1f} / {two.percentile(95):.1f} | {added[0]:.1f} / {added[1]:.1f}"
                f" | {one.failed + two.failed}",
                flush=True,
            )
            held = held and not two.failed and (count != BAR_STREAMS or added[1] <= BAR_MS)
    return held


def memory(requests: int) -> None:
    """Print the size of the process after each fifth of the requests."""
    with server("platform", 18_193, (0.0, 0.0, 5)) as platform:
        print(f"after 3 requests: {platform.memory_mb():.0f} MB")
        for part in range(1, 6):
            began = time.perf_counter()
            measured = asyncio.run(platform.load(32, requests // 5 // 32))
            rate = len(measured.first_ms) / (time.perf_counter() - began)
            print(
                f"after {part * requests // 5}: {platform.memory_mb():.0f} MB, {measured.failed} failed, {rate:.0f}/s",
                flush=True,
            )


def main() -> int:
    """Run what was asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--streams", type=int, nargs="+", default=[1, 8, 32, 100])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--memory", type=int, default=0)
    parser.add_argument("--serve", choices=("bare", "platform"), help=argparse.SUPPRESS)
    parser.add_argument("--port", type=int, default=0, help=argparse.SUPPRESS)
    parser.add_argument("--engine", nargs=3, type=float, default=[0.0, 0.0, 1.0], help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.serve:
        serve(asked.serve, asked.port, StubEngine(asked.engine[0], asked.engine[1], int(asked.engine[2])))
        return 0
    if asked.memory:
        memory(asked.memory)
        return 0
    return 0 if overhead(asked.streams, asked.rounds) else 1


if __name__ == "__main__":
    sys.exit(main())
