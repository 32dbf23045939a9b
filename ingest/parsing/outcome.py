"""What comes back through the pipes of one child: its answer, what the zygote says of its end, and how far it is meanwhile."""

from __future__ import annotations

import fcntl
import json
import os
import select
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from ingest.parsing import frames

_CHUNK_BYTES = 1 << 18
_STATUS_BYTES = 4096
_PIPE_BYTES = 1 << 18
"""For what a child writes while nobody looks. All pipes of a user may hold 64 MB together; then they stay as they are."""
_REST_S = 0.02
"""Between two looks at what a child writes. One of the code lane has an answer every few milliseconds, and who is woken by each
stands in the way of those who write."""

_TOLD_EVERY_S = 1.0
"""Whoever listens writes to the database; pages without pictures go by in milliseconds, most files in less than this."""

Told = Callable[[int, int], None]
"""Takes the pages that were read, and all that there are."""


@dataclass
class Outcome:
    """What came back for one request.

    Attributes:
        exceeded: which limit was passed; empty where none was.
    """

    frame: bytearray = field(default_factory=bytearray)
    status_lines: bytearray = field(default_factory=bytearray)
    exceeded: str = ""
    _taken: int = 0
    _told_at: float = 0.0

    @property
    def status(self) -> dict[str, Any]:
        """All that the zygote said about the child, in one."""
        merged: dict[str, Any] = {}
        for line in bytes(self.status_lines).splitlines():
            merged |= json.loads(line)
        return merged

    def collect(self, result: int, status: int, deadline: float, output_bytes: int, told: Told | None) -> None:
        """Read both pipes until the zygote and the child have closed them, or a limit is passed.

        Args:
            told: is called now and then with what the child says; what it raises goes up.
        """
        self._told_at = time.monotonic()
        with suppress(OSError):
            fcntl.fcntl(result, fcntl.F_SETPIPE_SZ, _PIPE_BYTES)
        little = fcntl.fcntl(result, fcntl.F_GETPIPE_SZ) // 4  # from a pipe with more than that, more comes at once
        end = select.poll()
        end.register(status, select.POLLIN)
        poll = select.poll()
        sinks = {result: (self.frame, output_bytes), status: (self.status_lines, _STATUS_BYTES)}
        for descriptor in sinks:
            poll.register(descriptor, select.POLLIN)
        while sinks:
            left_s = deadline - time.monotonic()
            ready = poll.poll(max(0.0, left_s) * 1000)
            if not ready:
                self.exceeded = "time"
                return
            drained = False
            for descriptor, _ in ready:
                sink, cap = sinks[descriptor]
                chunk = os.read(descriptor, _CHUNK_BYTES)
                sink += chunk
                if descriptor == result:
                    cap -= self._taken
                    self._take_pages(told)
                    drained = 0 < len(chunk) < little
                if len(sink) > cap:
                    self.exceeded = "output"
                    return
                if not chunk:
                    poll.unregister(descriptor)
                    del sinks[descriptor]
            if drained and status in sinks:
                end.poll(_REST_S * 1000)  # the end of the child is heard at once

    def _take_pages(self, told: Told | None) -> None:
        """Take out what the child says of its pages, which counts as output, and pass it on. It has read the file: it may lie."""
        before = len(self.frame)
        said = frames.take_pages(self.frame)
        self._taken += before - len(self.frame)
        now = time.monotonic()
        if told is None or said is None or now < self._told_at + _TOLD_EVERY_S:
            return
        read, total = said
        if 0 < read <= total < 2**31:
            self._told_at = now
            told(read, total)
