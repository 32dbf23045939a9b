"""Runs git for mirrors: no configuration of the machine, no hooks, no prompt, no shell, bounded time and output.

git is a program beside ours, like a database: what it reads comes from people, so every argument that they give stands after
`--end-of-options` or is a hash that git itself printed.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Thread
from typing import IO

from rag.domain.errors import RepositoryNotRead, RepositoryUnreachable

TEXT_LIMIT = 64 << 20
"""Bytes of output that one command may print."""
_CLOSING_S = 10.0
"""Seconds for the rest of what an ended command has said."""
_LOCAL = {
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_TERMINAL_PROMPT": "0",
    "GIT_ALLOW_PROTOCOL": "",
    "GIT_NO_LAZY_FETCH": "1",
    "GIT_OPTIONAL_LOCKS": "0",
    "GIT_ATTR_NOSYSTEM": "1",
    "LC_ALL": "C.UTF-8",
}
"""The whole environment of a command besides PATH: nothing of ours is seen by it, and no protocol is allowed."""
_SAFE = (
    "core.hooksPath=/dev/null", "core.fsmonitor=false", "core.attributesFile=/dev/null", "diff.external=",
    "core.quotePath=false", "gc.auto=0", "maintenance.auto=false", "safe.directory=*", "uploadpack.packObjectsHook=",
    "core.bigFileThreshold=16m",
)  # fmt: skip
"""A file above the last of these is streamed when it is fetched, and binary to a diff: nobody reads a patch of it, and comparing
its lines takes gigabytes."""


OLDEST = (2, 32)
"""The first git that knows `GIT_CONFIG_GLOBAL`, without which configuration of the machine would be read."""


def version() -> tuple[int, ...] | None:
    """The version of git that is installed; None without one."""
    try:
        done = subprocess.run(["git", "--version"], env=environment(), capture_output=True, timeout=10, check=True)  # noqa: S607
    except (OSError, subprocess.SubprocessError):
        return None
    found = re.search(rb"\d+(?:\.\d+)+", done.stdout)
    return tuple(map(int, found[0].split(b"."))) if found else None


def command(folder: Path, *arguments: str) -> list[str]:
    """The argument list of a git command on the bare repository in `folder`."""
    safe = [part for setting in _SAFE for part in ("-c", setting)]
    return ["git", *safe, "--git-dir", str(folder), *arguments]


def environment(more: Mapping[str, str] | None = None) -> dict[str, str]:
    """The environment of a command; `more` opens what it needs, such as a protocol."""
    return {"PATH": os.environ.get("PATH", os.defpath), **_LOCAL, **(more or {})}


def run(
    folder: Path, *arguments: str, name: str, timeout_s: float = 60.0, more: Mapping[str, str] | None = None
) -> bytes:
    """What a command prints.

    Args:
        name: what the repository is called in errors.

    Raises:
        RepositoryNotRead: it failed, or printed more than `TEXT_LIMIT`.
        RepositoryUnreachable: it took longer than `timeout_s`.
    """
    with started(folder, *arguments, more=more) as process:
        out, errors = _Heard(process, process.stdout, ends=True), _Heard(process, process.stderr)
        try:
            process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            raise RepositoryUnreachable(name=name) from None
        printed, complaint = out.all(), errors.all()
    if out.too_much:
        raise RepositoryNotRead.because("output_too_long", name=name, limit_mb=TEXT_LIMIT >> 20)
    if process.returncode != 0:
        raise RepositoryNotRead.because("git_said", name=name, said=said(complaint))
    return printed


class _Heard:
    """Reads a pipe in a thread, as far as there is room: a hostile repository makes one command print gigabytes.

    Args:
        ends: whether the command is ended when it prints more; otherwise the rest is passed over.
    """

    def __init__(self, process: subprocess.Popen[bytes], pipe: IO[bytes] | None, *, ends: bool = False) -> None:
        self.too_much = False
        self._process, self._pipe, self._ends = process, pipe, ends
        self._kept = bytearray()
        self._thread = Thread(target=self._listen, daemon=True)
        self._thread.start()

    def all(self) -> bytes:
        """What was printed, once the command has ended."""
        self._thread.join(_CLOSING_S)
        return bytes(self._kept)

    def _listen(self) -> None:
        if self._pipe is None:
            return
        with suppress(OSError, ValueError):  # closed: the command was ended
            while part := self._pipe.read1(1 << 16):  # type: ignore[attr-defined]
                if len(self._kept) + len(part) <= TEXT_LIMIT:
                    self._kept += part
                    continue
                self.too_much = True
                if self._ends:
                    with suppress(ProcessLookupError):
                        os.killpg(self._process.pid, signal.SIGKILL)
                    return


@contextmanager
def started(
    folder: Path, *arguments: str, more: Mapping[str, str] | None = None, reads: bool = False, holds: Sequence[int] = ()
) -> Iterator[subprocess.Popen[bytes]]:
    """A running command with pipes for its output and errors (and input, when it `reads`); ended with all its children.

    `holds` are open files that it keeps open, such as a lock: where this process is killed, it lives on until its next word.
    """
    process = subprocess.Popen(  # noqa: S603 (a fixed program; what people give stands where git takes no option)
        command(folder, *arguments),
        env=environment(more),
        stdin=subprocess.PIPE if reads else subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
        pass_fds=tuple(holds),
    )
    try:
        yield process
    finally:
        if process.poll() is None:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
        for pipe in (process.stdin, process.stdout, process.stderr):
            _close(pipe)
        process.wait()


def said(errors: bytes) -> str:
    """What git complained about, on one line without addresses of users: the first line that says `fatal` or `error`."""
    lines = errors.decode("utf-8", "replace").splitlines()
    found: Sequence[str] = [line for line in lines if line.startswith(("fatal:", "error:"))] or lines[-1:]
    return " ".join(found[0].split())[:300] if found else "git ended without a word"


def _close(pipe: IO[bytes] | None) -> None:
    if pipe is not None:
        with suppress(OSError):
            pipe.close()
