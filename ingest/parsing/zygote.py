"""The process that parsing children are forked from: started once, off the network, with parsers already imported.

`python -m ingest.parsing.zygote FD REGISTRY`: FD is a SOCK_SEQPACKET socket to the parent (`zygote_client.py`),
REGISTRY the module whose `PARSERS` are used. Each message is one JSON object with open files:

- `{"op": "parse", "name", "load", "memory_bytes", "cpu_s", "wall_s", "output_bytes", "first_child", "parser"}` with the input
  file, the result pipe and the status pipe. `parser` names the only one to use, or is empty. With the op `identify` the
  child only says what the file is. `first_page`, `may_stop` and `seam` are about pages (`SourceFile`), and may be missing.
  `load` names parsers to import here first: trusted code, and no byte of the file is looked at in this process. The
  child writes its frames (`frames.py`) to the result pipe: how far it is, then one answer. This process writes to the
  status pipe `{"pid", "base_rss_kb"}` at the fork and, after the child's death, `{"status", "max_rss_kb", "cpu_s"}`; or
  `{"refused"}` if it could not start one.
- `{"op": "hello"}` with a status pipe: `{"capabilities", "rss_kb"}`.
- `{"op": "load", "load"}` with a status pipe: `{"loaded"}` once these parsers are imported.

A status pipe whose reader has gone means that nobody waits: its child is killed. A closed socket means that the parent
is gone: everything is.
"""

from __future__ import annotations

import contextlib
import errno
import gc
import importlib
import json
import os
import resource
import select
import signal
import socket
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ingest.parsing import child, confine
from ingest.parsing.base import Parser
from ingest.parsing.registry import ParserEntry

_MESSAGE_BYTES = 1 << 16
_DESCRIPTORS = 3
_NICENESS = 10


@dataclass
class Zygote:
    """State of the process: what is loaded, and who is running."""

    control: socket.socket
    parsers: dict[str, ParserEntry]
    network_namespace: bool
    loaded: dict[str, Parser] = field(default_factory=dict)
    running: dict[int, int] = field(default_factory=dict)
    """Process id to the status pipe's descriptor, -1 when nobody reads it any more."""

    def serve(self) -> None:
        """Until the parent hangs up."""
        wake_reader, wake_writer = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        signal.set_wakeup_fd(wake_writer, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda _signal, _frame: None)
        while True:
            poll = select.poll()
            poll.register(self.control, select.POLLIN)
            poll.register(wake_reader, select.POLLIN)
            for status in self.running.values():
                if status >= 0:
                    poll.register(status, 0)  # only that the reader has gone
            ready = {descriptor for descriptor, _ in poll.poll()}
            if wake_reader in ready:
                _drain(wake_reader)
            self._kill_abandoned(ready)
            self._reap()
            if self.control.fileno() in ready and not self._receive():
                self._kill(list(self.running))
                return

    def _receive(self) -> bool:
        """Handle one message; False when the parent has hung up."""
        message, descriptors, _, _ = socket.recv_fds(self.control, _MESSAGE_BYTES, _DESCRIPTORS)
        if not message:
            return False
        status = descriptors[-1]
        keep_status = False
        try:
            request = json.loads(message)
            match request["op"]:
                case "hello":
                    _say(status, {"capabilities": self._capabilities(), "rss_kb": rss_kb()})
                case "load":
                    self._load(request["load"])
                    _say(status, {"loaded": sorted(self.loaded)})
                case _:
                    keep_status = self._start(request, *descriptors)
        except Exception as error:
            # Too many processes, a parser that can't be imported: the request fails, the zygote goes on.
            _say(status, {"refused": f"{type(error).__name__}: {error}"})
        finally:
            for descriptor in descriptors:
                if descriptor != status or not keep_status:
                    os.close(descriptor)
        return True

    def _start(self, request: dict[str, Any], source: int, result: int, status: int) -> bool:
        self._load(request["load"])
        zygote = os.getpid()
        pid = os.fork()
        if pid == 0:
            limits = request["memory_bytes"], request["cpu_s"], request["wall_s"], request["output_bytes"]
            asked = request["first_child"], request["parser"], request["op"] == "identify"
            pages = request.get("first_page", 1), request.get("may_stop", False), request.get("seam", "")
            job = child.Job(request["name"], source, result, *limits, *asked, *pages)
            self.work(job, zygote)
        self.running[pid] = status
        _say(status, {"pid": pid, "base_rss_kb": rss_kb()})
        return True

    def work(self, job: child.Job, zygote: int) -> None:
        """What a forked child does with its file; never returns."""
        child.run(job, zygote, self.parsers, self.loaded)

    def _load(self, keys: list[str]) -> None:
        missing = [key for key in keys if key not in self.loaded]
        for key in missing:
            self.loaded[key] = self.parsers[key].factory()
        if missing:
            keep_shared()

    def _reap(self) -> None:
        while self.running:
            try:
                pid, status, usage = os.wait4(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            pipe = self.running.pop(pid, -1)
            if pipe >= 0:
                cpu_s = usage.ru_utime + usage.ru_stime
                _say(pipe, {"status": status, "max_rss_kb": usage.ru_maxrss, "cpu_s": round(cpu_s, 3)})
                os.close(pipe)

    def _kill_abandoned(self, ready: set[int]) -> None:
        abandoned = [pid for pid, status in self.running.items() if status in ready]
        self._kill(abandoned)
        for pid in abandoned:
            os.close(self.running[pid])
            self.running[pid] = -1

    def _kill(self, pids: list[int]) -> None:
        for pid in pids:
            # The group for what it may have started; the process itself in case it has no group of its own yet.
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(pid, signal.SIGKILL)

    def _capabilities(self) -> dict[str, bool]:
        """Which layers hold, tried out in a child that has nothing to parse."""
        reader, writer = os.pipe()
        pid = os.fork()
        if pid == 0:
            try:
                os.write(writer, json.dumps(child.confine_process(reader)).encode())
            finally:
                os._exit(0)
        os.close(writer)
        with open(reader, "rb") as pipe:  # noqa: PTH123 (a descriptor, not a path)
            layers = pipe.read()
        os.waitpid(pid, 0)
        return {"network_namespace": self.network_namespace, **json.loads(layers or b"{}")}


def rss_kb() -> int:
    """Resident memory of this process."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize() // 1024


def _say(status: int, data: dict[str, Any]) -> None:
    """One line on a status pipe. It holds a few of them, so this never waits for the reader."""
    try:
        os.write(status, json.dumps(data).encode() + b"\n")
    except OSError as error:
        if error.errno != errno.EPIPE:
            raise


def _drain(descriptor: int) -> None:
    with contextlib.suppress(BlockingIOError):
        os.read(descriptor, 4096)


def main(arguments: list[str]) -> None:
    """Entry point of the process."""
    descriptor, registry = int(arguments[0]), arguments[1]
    serve(descriptor, lambda control, apart: Zygote(control, importlib.import_module(registry).PARSERS, apart))


def serve(descriptor: int, make: Callable[[socket.socket, bool], Zygote]) -> None:
    """Be the zygote that `make` gives for the socket and for whether this process left the network; until the parent hangs up."""
    network_namespace = withdraw()
    with socket.socket(fileno=descriptor) as control:
        make(control, network_namespace).serve()


def keep_shared() -> None:
    """What was imported and loaded stays: kept out of the collector's sight, its pages stay shared with every child."""
    gc.collect()
    gc.freeze()


def withdraw() -> bool:
    """What such a process does first: step back behind the service, and leave the network; whether the kernel allowed that."""
    # Parsing is never urgent; the service that answers questions goes first on a busy machine.
    os.nice(_NICENESS)
    network_namespace = confine.enter_namespaces()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    return network_namespace


if __name__ == "__main__":
    main(sys.argv[1:])
