"""Parsing in a disposable child process, from the service's side: start the zygote, send a file, collect the answer.

```
service ── SOCK_SEQPACKET: request + file, result pipe, status pipe ──► zygote ── fork ──► child ── one frame ──► result pipe
```
Whatever the file does to its parser, the service gets a `ParsedDocument` or a `SeogoError`: never a hang, a crash, or more
memory than the output cap. The child's bytes are JSON and are checked (`frames.py`, `wire.py`).
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import select
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from ingest.parsing import frames
from ingest.parsing.wire import WireError, decode_document
from rag.domain.document import ParsedDocument
from rag.domain.errors import (
    ConfigurationError,
    EmptyFile,
    InputError,
    ParseLimitExceeded,
    ParserCrashed,
    SeogoError,
    all_error_types,
    error_type_of,
)

_LOG = logging.getLogger(__name__)
_CHUNK_BYTES = 1 << 18
_START_S = 30.0
_GRACE_S = 2.0
_PARAM_CHARACTERS = 300
_MEMORY_SHARE = 0.75
"""A child that dies without a word and had this share of its memory resident died of the lack of more."""

_FROM_CHILD = frozenset(
    kind.code for root in (InputError, ParseLimitExceeded, ParserCrashed) for kind in all_error_types(root)
)
"""Errors that a child may name; a parser taken over by its file can't claim, say, a configuration error."""


@dataclass(frozen=True, slots=True)
class ParseLimits:
    """What one parse may take.

    Attributes:
        memory_bytes: address space on top of what the libraries themselves take.
        wall_s: seconds from the request to the answer, waiting for a library to be imported the first time included.
        output_bytes: size of the answer.
    """

    memory_bytes: int = 1 << 30
    cpu_s: int = 60
    wall_s: float = 120.0
    output_bytes: int = 50 << 20


@dataclass
class _Outcome:
    """What came back for one request."""

    frame: bytearray = field(default_factory=bytearray)
    status: dict[str, Any] = field(default_factory=dict)
    exceeded: str = ""


class ParseSandbox:
    """Parses files in children of one zygote process. Thread-safe; `close` when done.

    Args:
        registry: module whose `PARSERS` the zygote uses. A constant of the program, never a setting: it is imported.
        concurrency: children at once; more calls wait.
    """

    def __init__(
        self,
        limits: ParseLimits | None = None,
        *,
        concurrency: int = 2,
        registry: str = "ingest.parsing.registry",
    ) -> None:
        self._limits = limits or ParseLimits()
        self._registry = registry
        self._slots = threading.BoundedSemaphore(concurrency)
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._control: socket.socket | None = None
        self._capabilities: dict[str, bool] = {}
        self._closed = False

    def parse(self, path: Path, name: str) -> ParsedDocument:
        """Identify the file at `path`, which was uploaded as `name`, and parse it.

        Raises:
            EmptyFile, UnsupportedFormat, FileEncrypted, FileDamaged, NoTextFound: what is wrong with the file.
            ParseLimitExceeded: it took more than its share (`resource`: CPU time, time, memory, output, unpacked size).
            ParserCrashed: the child died, or its parser failed in a way nobody foresaw; the log has the details.
            ConfigurationError: children can't be kept off the network here, or a parser's library is missing.
        """
        with path.open("rb") as file, self._slots:
            if os.fstat(file.fileno()).st_size == 0:
                raise EmptyFile(name=name)
            return self._parse(file.fileno(), name)

    def capabilities(self) -> dict[str, bool]:
        """Which layers of confinement hold: `network_namespace`, `seccomp`, `landlock`."""
        self._control_socket()
        return dict(self._capabilities)

    def zygote_rss_kb(self) -> int:
        """Resident memory of the zygote, for the operator's metrics."""
        return int(self._hello(self._control_socket())["rss_kb"])

    def warm_up(self, *keys: str) -> None:
        """Import these parsers in the zygote now (all of them if none is named), instead of at their first file."""
        outcome = _Outcome()
        self._exchange(None, "", list(keys), outcome, time.monotonic() + self._limits.wall_s)
        if refused := outcome.status.get("refused"):
            raise ConfigurationError(detail=f"parser: {refused}")

    def close(self) -> None:
        """Kill what is running and wait for the zygote's end."""
        with self._lock:
            self._closed = True
            self._stop()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
