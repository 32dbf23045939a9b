"""A service in a process of its own, as `seogo serve` starts it."""

from __future__ import annotations

import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import httpx


def seogo(data: Path, *arguments: str) -> list[str]:
    """A command on the data folder."""
    return [sys.executable, "-m", "api.cli.main", "--data-dir", str(data), *arguments]


def free_port() -> int:
    """A port of this machine that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def made_key(command: list[str], *options: str) -> str:
    """A new key of the service of `command`."""
    create = [*command, "keys", "create", "bench", *options]
    return subprocess.run(create, check=True, capture_output=True, text=True).stdout.strip()


def client_of(port: int, key: str) -> httpx.Client:
    """A client of the service on `port`, with patience for a first use, which loads models."""
    headers = {"Authorization": f"Bearer {key}"}
    return httpx.Client(base_url=f"http://127.0.0.1:{port}", headers=headers, timeout=120, trust_env=False)


@contextmanager
def started(
    command: list[str], port: int, environment: Mapping[str, str] | None = None
) -> Iterator[subprocess.Popen[bytes]]:
    """The service of `command` on `port`, which may not answer yet; it has ended when the block has."""
    serve = [*command, "serve", "--port", str(port)]
    server = subprocess.Popen(serve, env=environment, stderr=subprocess.DEVNULL)
    try:
        yield server
    finally:
        server.terminate()
        server.wait()
