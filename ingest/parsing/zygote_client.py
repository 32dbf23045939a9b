"""The parent's handle on the zygote process (`zygote.py`): start it, send it requests with open files, stop it."""

from __future__ import annotations

import contextlib
import json
import os
import select
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from rag.domain.errors import ConfigurationError

_HELLO_S = 60.0
"""An interpreter start on a busy machine takes seconds; no answer after this means that it will not come."""

_STOP_S = 5.0


class ZygoteGone(Exception):
    """The zygote process has died, or does not answer. The caller starts another one."""


class ZygoteClient:
    """One zygote process.

    Raises:
        ConfigurationError: it does not start.
    """

    def __init__(self, argument: str, module: str = "ingest.parsing.zygote") -> None:
        """Start `module` with `argument`: for the parsers' zygote, the module of their registry."""
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            command = [sys.executable, "-m", module, str(theirs.fileno()), argument]
            try:
                # A session of its own: Ctrl-C in the operator's terminal is for the service, which then closes us.
                self._process = subprocess.Popen(  # noqa: S603 (our own interpreter, fixed arguments)
                    command,
                    env=_environment(),
                    pass_fds=[theirs.fileno()],
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    cwd="/",
                    start_new_session=True,
                )
            except BaseException:
                ours.close()
                raise
        self._control = ours
        try:
            answer = self.hello()
        except ZygoteGone as error:
            self.stop()
            raise ConfigurationError(detail="the parsing process does not start; its message is in the log") from error
        if "capabilities" not in answer:  # it could not fork
            self.stop()
            raise ConfigurationError(detail=f"the parsing process does not start: {answer.get('refused', '')}")
        self.capabilities: dict[str, bool] = answer["capabilities"]

    @property
    def pid(self) -> int:
        """Process id."""
        return self._process.pid

    def hello(self) -> dict[str, Any]:
        """`{"capabilities", "rss_kb"}`.

        Raises:
            ZygoteGone: no answer.
        """
        return self.ask({"op": "hello"}, _HELLO_S)

    def ask(self, request: dict[str, Any], timeout_s: float) -> dict[str, Any]:
        """The one-line answer to a request that starts no child.

        Raises:
            ZygoteGone: no answer within the time.
        """
        reader, writer = os.pipe()
        try:
            try:
                self.send(request, [writer])
            finally:
                os.close(writer)
            line = _read_line(reader, timeout_s)
        finally:
            os.close(reader)
        if not line:
            raise ZygoteGone
        answer: dict[str, Any] = json.loads(line)
        return answer

    def send(self, request: dict[str, Any], descriptors: list[int]) -> None:
        """Hand a request over with open files; the caller closes its own copies.

        Raises:
            ZygoteGone: nobody takes it.
        """
        try:
            # One packet, so that threads need no lock.
            socket.send_fds(self._control, [json.dumps(request).encode()], descriptors)
        except OSError as error:
            raise ZygoteGone from error

    def stop(self) -> None:
        """Hang up, upon which the zygote kills its children and ends; wait for it."""
        self._control.close()
        try:
            self._process.wait(_STOP_S)
        except subprocess.TimeoutExpired:
            self.kill()

    def kill(self) -> None:
        """End it at once. Its children die with it."""
        with contextlib.suppress(ProcessLookupError):
            self._process.kill()
        self._process.wait()
        self._control.close()


def _environment() -> dict[str, str]:
    """Nothing of the service's own environment, which holds secrets.

    One thread per numeric library: a process with threads must not fork. Few heaps: each takes 64 MB of address space, which is
    capped. The switches keep `unstructured` and others from looking for the network that they will not find.
    """
    root = Path(__file__).resolve().parents[2]
    return {
        "PATH": os.defpath,
        "LANG": "C.UTF-8",
        "PYTHONUTF8": "1",
        "PYTHONPATH": str(root),
        "PYTHONSAFEPATH": "1",
        "PYTHONDONTWRITEBYTECODE": "1",
        "OMP_NUM_THREADS": "1",
        "OPENBLAS_NUM_THREADS": "1",
        "MKL_NUM_THREADS": "1",
        "MALLOC_ARENA_MAX": "2",
        "DO_NOT_TRACK": "1",
        "SCARF_NO_ANALYTICS": "1",
        "HF_HUB_OFFLINE": "1",
    }


def _read_line(reader: int, timeout_s: float) -> bytes:
    """What stands before the first line end; empty when it does not come."""
    deadline = time.monotonic() + timeout_s
    poll = select.poll()  # not select, which knows no descriptors above 1,023
    poll.register(reader, select.POLLIN)
    data = b""
    while b"\n" not in data:
        ready = poll.poll(max(0.0, deadline - time.monotonic()) * 1000)
        chunk = os.read(reader, 65536) if ready else b""
        if not chunk:
            return b""
        data += chunk
    return data.split(b"\n", 1)[0]
