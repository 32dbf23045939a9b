"""A service in a process of its own, as `seogo serve` starts it."""

from __future__ import annotations

import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path


def seogo(data: Path, *arguments: str) -> list[str]:
    """A command on the data folder."""
    return [sys.executable, "-m", "api.cli.main", "--data-dir", str(data), *arguments]


def free_port() -> int:
    """A port of this machine that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


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
