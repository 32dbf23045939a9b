"""What health costs while a thousand connections are held for nothing.

    python -m benchmarks.slow_loris [--connections N] [--seconds S] [--only TEXT]

A service is started as `seogo serve` starts it. Attackers connect, send what looks like the beginning of a request, one byte a
second, and connect again when they are put out; in rounds: heads from one address, heads from a thousand addresses, bodies of
uploads, and readers who take nothing. Meanwhile a client at an address of its own asks for health on a new connection each
time, in turn whether the process lives and whether it is ready, for which store and index are asked.

Bar: p95 <= 500 ms for either in every round, and no probe without an answer. Attackers are a process of their own, or the prober
would wait for them in place of the service. Still the three share one machine's cores, so the round without attackers and the
machine's load are printed too, and the most memory that the service held.
"""

from __future__ import annotations

import argparse
import asyncio
import multiprocessing
import os
import resource
import socket
import statistics
import subprocess
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from itertools import cycle
from multiprocessing.connection import Connection
from pathlib import Path

from benchmarks.serving import free_port, seogo, started

BAR_MS = 500.0
HEALTH = ("/api/v1/health/live", "/api/v1/health/ready")
PROBER = "127.9.9.9"
_WAIT_S = 10.0

_SIP = 1024
"""Bytes an attacker takes in a second, so that it sees being put out."""

Beginning = bytes
Source = Callable[[int], str]


@dataclass
class Attack:
    """One way to hold connections, and what became of it."""

    name: str
    source: Source
    beginning: Beginning
    drip: bytes = b"a"
    tally: Counter[str] = field(default_factory=Counter)

    async def hold(self, port: int, index: int) -> None:
        """Connect, say little, and come again when put out."""
        while True:
            try:
                reader, writer = await connected(port, self.source(index))
            except OSError:
                self.tally["not connected"] += 1
                await asyncio.sleep(1)
                continue
            self.tally["connected"] += 1
            with suppress(OSError):
                await self._drip(reader, writer)
            self.tally["put out"] += 1
            writer.close()
            await asyncio.sleep(1)

    async def _drip(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(self.beginning)
        while not reader.at_eof():
            if self.drip:
                writer.write(self.drip)
                await writer.drain()
            begin = time.monotonic()
            with suppress(TimeoutError):
                async with asyncio.timeout(1):
                    if not await reader.read(_SIP):
                        return
            await asyncio.sleep(max(0.0, begin + 1 - time.monotonic()))


async def connected(port: int, source: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """A connection from `source` that takes in little."""
    own = socket.socket()
    own.setblocking(False)
    own.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    own.bind((source, 0))
    try:
        await asyncio.get_running_loop().sock_connect(own, ("127.0.0.1", port))
    except OSError:
        own.close()
        raise
    return await asyncio.open_connection(sock=own, limit=1024)


def one_address(_: int) -> str:
    """Everybody comes from here."""
    return "127.0.0.1"


def many_addresses(index: int) -> str:
    """Everybody comes from somewhere else."""
    return f"127.1.{index // 250}.{1 + index % 250}"


HEAD = b"GET /api/v1/health/live HTTP/1.1\r\nHost: seogo\r\nX-Slow: "
BODY = (
    b"POST /api/v1/collections/a/documents HTTP/1.1\r\nHost: seogo\r\nContent-Type: multipart/form-data; boundary=b\r\n"
    b"Authorization: Bearer none\r\nContent-Length: 100000000\r\n\r\n--b\r\n"
)
JSON_BODY = (
    b"POST /api/v1/answers HTTP/1.1\r\nHost: seogo\r\nContent-Type: application/json\r\nContent-Length: 100000\r\n\r\n"
)
READER = b"GET /api/v1/openapi.json HTTP/1.1\r\nHost: seogo\r\n\r\n"


def attacks() -> list[Attack]:
    """All rounds."""
    return [
        Attack("nobody", one_address, b""),
        Attack("heads, one address", one_address, HEAD),
        Attack("heads, 1,000 addresses", many_addresses, HEAD),
        Attack("silence, 1,000 addresses", many_addresses, b"", b""),
        Attack("JSON bodies, 1,000 addresses", many_addresses, JSON_BODY),
        Attack("uploads without a key, 1,000 addresses", many_addresses, BODY),
        Attack("answers not taken, 1,000 addresses", many_addresses, READER, b""),
    ]


async def probe(port: int, path: str = HEALTH[1]) -> float:
    """Milliseconds until health has answered on a new connection; raises when it does not."""
    begin = time.perf_counter()
    async with asyncio.timeout(_WAIT_S):
        reader, writer = await asyncio.open_connection("127.0.0.1", port, local_addr=(PROBER, 0))
        writer.write(f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode())
        answer = await reader.read()
        writer.close()
    if not answer.startswith(b"HTTP/1.1 200"):
        raise OSError(answer[:40])
    return (time.perf_counter() - begin) * 1000


@contextmanager
def under(attack: Attack, port: int, connections: int) -> Iterator[None]:
    """While `connections` attackers hold theirs; the attack's tally is complete afterwards."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_attack, args=(attack, port, connections, theirs), daemon=True)
    process.start()
    try:
        ours.recv()
        yield
        ours.send(None)
        attack.tally.update(ours.recv())
    finally:
        process.terminate()
        process.join()


def _attack(attack: Attack, port: int, connections: int, told: Connection) -> None:
    """The process of the attackers: tells that they are on their way, and what became of them when asked."""
    _open_files(2 * connections + 500)
    told.send(None)

    async def hold() -> None:
        attackers = [asyncio.create_task(attack.hold(port, index)) for index in range(connections)]
        await asyncio.to_thread(told.recv)
        told.send(attack.tally)
        for task in attackers:
            task.cancel()

    asyncio.run(hold())


def _open_files(wanted: int) -> None:
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, wanted), hard))


async def probes(port: int, seconds: float) -> tuple[dict[str, list[float]], Counter[str]]:
    """Latencies in ms by what was asked, and what came of probes without an answer."""
    latencies: dict[str, list[float]] = {path: [] for path in HEALTH}
    failures: Counter[str] = Counter()
    turns = cycle(HEALTH)
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        path = next(turns)
        try:
            latencies[path].append(await probe(port, path))
        except (OSError, TimeoutError) as error:
            failures[f"{path}: {type(error).__name__} {error}"] += 1
        await asyncio.sleep(0.1)
    return latencies, failures


def measure(rounds: list[Attack], pid: int, port: int, connections: int, seconds: float) -> bool:
    """These rounds; whether each is within the bar."""
    good = True
    for attack in rounds:
        with under(attack, port, 0 if attack.name == "nobody" else connections):
            found, failures = asyncio.run(probes(port, seconds))
        for path, latencies in found.items():
            p95 = statistics.quantiles(latencies, n=20)[-1] if len(latencies) > 1 else float("inf")
            good &= p95 <= BAR_MS and not failures
            median = statistics.median(latencies) if latencies else float("inf")
            print(
                f"{attack.name:<40} {path.rpartition('/')[2]:<6} p50 {median:7.1f} ms  p95 {p95:7.1f} ms  "
                f"max {max(latencies, default=0):7.1f} ms  {len(latencies)} answered",
                flush=True,
            )
        print(f"{'':<40} {failures.total()} not answered  {dict(failures)}  {dict(attack.tally)}", flush=True)
        print(f"{'':<40} the service has held {_most_mb(pid)} MB at most", flush=True)
        time.sleep(2)
    return good


@contextmanager
def serve(data: Path) -> Iterator[tuple[int, int]]:
    """Process number and port of a service on an empty store."""
    command = seogo(data)
    subprocess.run([*command, "db", "upgrade"], check=True, stdout=subprocess.DEVNULL)
    port = free_port()
    with started(command, port, os.environ | {"SEOGO_RAG__EMBEDDING__DENSE": "none"}) as server:
        deadline = time.monotonic() + 120
        while time.monotonic() < deadline:
            with suppress(OSError, TimeoutError):
                asyncio.run(probe(port))
                break
            time.sleep(0.2)
        else:
            raise SystemExit("the service did not start")
        yield server.pid, port


def _most_mb(pid: int) -> int:
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) // 1024


def main() -> None:
    """Print the figures; exit 1 past the bar."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--connections", type=int, default=1000)
    parser.add_argument("--seconds", type=float, default=20.0, help="of each round; heads are put out after 10")
    parser.add_argument("--only", default="", help="rounds whose names have this")
    chosen = parser.parse_args()
    rounds = [attack for attack in attacks() if chosen.only in attack.name or attack.name == "nobody"]
    _open_files(2 * chosen.connections + 500)
    print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f} before the service starts")
    with tempfile.TemporaryDirectory() as folder, serve(Path(folder)) as (pid, port):
        good = measure(rounds, pid, port, chosen.connections, chosen.seconds)
    raise SystemExit(0 if good else 1)


if __name__ == "__main__":
    main()
