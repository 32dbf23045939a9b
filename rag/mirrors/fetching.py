"""Fetches a repository into its mirror: all branches and tags, as the remote has them now.

A new mirror is made beside its place and moved there when it is whole. One that is there is changed by git, ref by ref, so a
reader always sees commits with all that belongs to them. What a killed fetch left is cleared away by the next.
"""

from __future__ import annotations

import fcntl
import logging
import os
import re
import resource
import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from subprocess import Popen, TimeoutExpired
from threading import Thread
from typing import IO, NamedTuple

from rag.domain.errors import (
    CredentialsRefused,
    RepositoryNotRead,
    RepositoryTooLarge,
    RepositoryUnreachable,
    SeogoError,
)
from rag.mirrors import git
from rag.mirrors.keeping import keep, kept
from rag.mirrors.mirror import Mirror
from rag.mirrors.remotes import Remote, checked_url, folder_below, remote_of

__all__ = ["Remote", "Stage", "checked_url", "fetch", "folder_below", "remote_of"]

log = logging.getLogger(__name__)

_REFS = ("+refs/heads/*:refs/heads/*", "+refs/tags/*:refs/tags/*")
_LOOK_S = 0.25
"""Seconds between two looks at the clock and at the size of what was received."""
_SMALLEST = 1 << 16
"""Bytes that every file may have: those of refs and indexes too."""
_MANY_PACKS = 50
"""Each fetch leaves a pack. git itself puts them together at this number (`gc.autoPackLimit`)."""
_CLOSING_S = 10.0
"""Seconds for the rest of what an ended git has said."""
_HEARD = 64 << 10
"""Bytes of the end of what git says that are kept to learn from."""
_LEFT_OUT = b"because shallow roots are not allowed to be updated"
"""What git says of a branch that it does not take since its history has been cut off."""
_PROGRESS = re.compile(rb"(?:remote: )?([A-Z][a-z]+ [a-z]+):\s+\d+% \((\d+)/(\d+)\)")
_REFUSED = (
    "authentication failed", "could not read username", "could not read password", "access denied", "permission denied",
    "returned error: 401", "returned error: 403", "returned error: 404", "' not found", "repository not found",
    "could not be found or you don't have permission", "terminal prompts disabled",
)  # fmt: skip
_UNREACHABLE = (
    "could not resolve", "failed to connect", "couldn't connect", "connection refused", "connection reset", "timed out",
    "no route to host", "network is unreachable", "early eof", "hung up", "unexpected disconnect", "returned error: 5",
    "returned error: 429", "connection closed", "empty reply", "operation too slow", "rpc failed", "kex_exchange",
    "recv failure", "send failure", "transfer closed",
)  # fmt: skip
_OTHER = (
    ("host key verification failed", "host_key"),
    ("host key for", "host_key"),
    ("certificate", "certificate"),
    ("returned error: 30", "moved"),
    ("not valid: is this a git repository", "no_repository"),
    ("does not appear to be a git repository", "no_repository"),
    ("no space left", "no_space"),
)
"""What git says, in lower case, and the reason that it means; looked for in this order: refused or broken, then unreachable."""


class Stage(NamedTuple):
    """How far a fetch is: git's own name of the stage (`Receiving objects`), and how many of how many objects."""

    name: str
    done: int
    total: int


class _GitFailed(Exception):
    """git ended with a complaint that says nothing of the remote: the mirror itself may be broken."""


def fetch(
    mirror: Mirror,
    remote: Remote,
    *,
    timeout_s: float,
    mirror_mb: int,
    progress: Callable[[Stage], None] | None = None,
) -> None:
    """Bring the mirror to the state of the remote; makes one where there is none, and anew where it is broken.

    Branches and tags that the remote no longer has go. Commits that `keep` named stay. HEAD is the remote's own branch.

    Args:
        timeout_s: longest time for all of it.
        mirror_mb: largest mirror, in MiB of packed objects, while it is being received too.

    Raises:
        CredentialsRefused: they are wrong, or the repository does not exist for them.
        RepositoryUnreachable: nobody answers, or not in time.
        RepositoryTooLarge: it passed `mirror_mb`.
        RepositoryRefused, ConfigurationError: the credential does not fit, or a file of it can't be read.
        RepositoryNotRead: anything else; says what.
    """
    _Fetch(mirror, remote, time.monotonic() + timeout_s, mirror_mb << 20, progress or (lambda stage: None)).run()


class _Fetch:
    """One fetch."""

    def __init__(
        self, mirror: Mirror, remote: Remote, end: float, limit: int, progress: Callable[[Stage], None]
    ) -> None:
        self._mirror, self._remote, self._end, self._limit, self._progress = mirror, remote, end, limit, progress
        self._name = mirror.name
        self._environment: dict[str, str] = {}
        self._lock = -1
        self._shallow = False

    def run(self) -> None:
        """All of it, alone: two fetches of one mirror wait for each other."""
        folder = self._mirror.folder
        folder.parent.mkdir(parents=True, exist_ok=True)
        self._environment = self._remote.environment()
        lock = folder.with_name(f"{folder.name}.lock")
        with _locked(lock, self._end, self._name) as self._lock, self._trusting(folder):
            for left in folder.parent.glob(f"{folder.name}.new-*"):
                shutil.rmtree(left, ignore_errors=True)
            if not _is_whole(self._mirror):
                self._anew()
                return
            _clear(folder)
            try:
                self._into(folder)
            except _GitFailed as error:
                log.warning("repository %s: the mirror is made anew (%s)", self._name, error)
                self._anew()

    @contextmanager
    def _trusting(self, folder: Path) -> Iterator[None]:
        """git reads folders of other users only where a configuration file names them, and passes no argument on to itself."""
        if self._remote.way != "file":
            yield
            return
        if not Path(self._remote.url).is_dir():
            raise RepositoryNotRead.because("no_folder", name=self._name)
        trust = folder.with_name(f"{folder.name}.trust")
        path = self._remote.url.replace("\\", "\\\\").replace('"', '\\"')
        trust.write_text(f'[safe]\n\tdirectory = "{path}"\n\tdirectory = "{path}/.git"\n', encoding="utf-8")
        self._environment["GIT_CONFIG_GLOBAL"] = str(trust)
        try:
            yield
        finally:
            trust.unlink(missing_ok=True)

    def _anew(self) -> None:
        """A mirror from nothing, in place of the one that is there. What was kept there is kept as far as it is here again."""
        folder = self._mirror.folder
        new = Mirror(folder.with_name(f"{folder.name}.new-{os.getpid()}-{time.monotonic_ns()}"), self._name)
        try:
            git.run(new.folder, "init", "--quiet", "--bare", "--template=", name=self._name)
            try:
                self._into(new.folder)
            except _GitFailed as error:
                raise RepositoryNotRead.because("git_said", name=self._name, said=str(error)) from None
            self._keep_again(new)
            shutil.rmtree(folder, ignore_errors=True)
            new.folder.rename(folder)
        finally:
            new.remove()

    def _keep_again(self, new: Mirror) -> None:
        commits: list[str] = []
        with suppress(RepositoryNotRead):
            commits = list(kept(self._mirror)) if self._mirror.exists else []
        for commit in commits:
            try:
                keep(new, commit)
            except RepositoryNotRead:
                log.warning("repository %s: the remote no longer has the commit %s", self._name, commit)

    def _into(self, folder: Path) -> None:
        head, offered = self._offered(folder)
        if offered != _refs(folder, self._name):
            flags = (
                "--force",
                "--prune",
                "--no-tags",
                "--no-recurse-submodules",
                "--no-write-fetch-head",
                "--progress",
            )
            self._git(
                folder, "-c", "fetch.unpackLimit=1", "fetch", *flags, "--end-of-options", self._remote.url, *_REFS
            )
            if self._shallow:  # git leaves such branches out, and ends well
                raise RepositoryNotRead.because("shallow_clone", name=self._name)
        self._point(folder, head, offered)
        if len(list((folder / "objects" / "pack").glob("*.pack"))) >= _MANY_PACKS:
            git.run(
                folder,
                "gc",
                "--quiet",
                "--prune=1.day.ago",
                name=self._name,
                timeout_s=max(self._end - time.monotonic(), 1),
            )

    def _offered(self, folder: Path) -> tuple[str, dict[str, str]]:
        """HEAD of the remote (a branch, or a hash where it is on none; empty where it has none), and hash by ref."""
        patterns = ("HEAD", "refs/heads/*", "refs/tags/*")
        out = self._git(folder, "ls-remote", "--symref", "--end-of-options", self._remote.url, *patterns)
        head, offered = "", {}
        for line in out.decode("utf-8", "backslashreplace").splitlines():
            value, _, ref = line.partition("\t")
            if ref == "HEAD":
                head = head or value.removeprefix("ref: ")
            elif ref.startswith(("refs/heads/", "refs/tags/")) and not ref.endswith("^{}"):
                offered[ref] = value
        return head, offered

    def _point(self, folder: Path, head: str, offered: Mapping[str, str]) -> None:
        """Let HEAD of the mirror be what it is there."""
        if head.startswith("refs/heads/"):
            git.run(folder, "symbolic-ref", "HEAD", head, name=self._name)
        elif head:
            usual = [ref for ref in ("refs/heads/main", "refs/heads/master") if offered.get(ref) == head]
            if usual:  # a server so old that it does not say which branch it is on
                git.run(folder, "symbolic-ref", "HEAD", usual[0], name=self._name)
            else:
                git.run(folder, "update-ref", "--no-deref", "HEAD", head, name=self._name)

    def _git(self, folder: Path, *arguments: str) -> bytes:
        """What a command that goes to the remote prints, while the clock and the size are watched."""
        with git.started(folder, *arguments, more=self._environment, holds=(self._lock,)) as process:
            self._bound(process, folder)
            out, said = _Ear(process.stdout), _Ear(process.stderr, self._progress)
            self._watch(process, folder)
            printed, complaint = out.all(), said.all()
        if process.returncode == 0:
            self._shallow = _LEFT_OUT in complaint
            return printed
        if b"File too large" in complaint or _size(folder) >= self._limit:
            raise self._too_large()
        raise self._failure(complaint)

    def _bound(self, process: Popen[bytes], folder: Path) -> None:
        """Let the kernel end whoever writes a file that does not fit: a small pack is there before anybody looks."""
        left = self._limit - _size(folder)
        if left <= 0:
            raise self._too_large()
        with suppress(ProcessLookupError):
            resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (max(left, _SMALLEST), max(left, _SMALLEST)))

    def _too_large(self) -> RepositoryTooLarge:
        return RepositoryTooLarge(
            name=self._name,
            detail=f"more than {self._limit >> 20} MB (mirror_mb)",
            reason="mirror_mb",
            limit=self._limit >> 20,
        )

    def _watch(self, process: Popen[bytes], folder: Path) -> None:
        while True:
            with suppress(TimeoutExpired):
                process.wait(_LOOK_S)
                return
            if time.monotonic() >= self._end:
                raise RepositoryUnreachable(name=self._name)
            if _size(folder) > self._limit:
                raise self._too_large()

    def _failure(self, complaint: bytes) -> SeogoError | _GitFailed:
        text = complaint.decode("utf-8", "replace").casefold()
        if self._remote.way == "ssh" and "does not appear to be a git repository" in text:
            return CredentialsRefused(name=self._name)  # as over HTTPS, where a server does not tell one from the other
        for sign, reason in _OTHER:
            if sign in text:
                return RepositoryNotRead.because(reason, name=self._name)
        if any(sign in text for sign in _REFUSED):
            return CredentialsRefused(name=self._name)
        if any(sign in text for sign in _UNREACHABLE):
            return RepositoryUnreachable(name=self._name)
        return _GitFailed(git.said(complaint))


class _Ear:
    """Reads a pipe to its end in a thread, so that git never waits for us; hears of progress in what it reads."""

    def __init__(self, pipe: IO[bytes] | None, progress: Callable[[Stage], None] | None = None) -> None:
        self._pipe, self._progress = pipe, progress
        self._heard = bytearray()
        self._thread = Thread(target=self._listen, daemon=True)
        self._thread.start()

    def all(self) -> bytes:
        """What came, once git has ended: of complaints the end, of anything else up to `git.TEXT_LIMIT`."""
        self._thread.join(_CLOSING_S)
        return bytes(self._heard)

    def _listen(self) -> None:
        if self._pipe is None:
            return
        with suppress(OSError, ValueError):  # closed: git was ended
            while part := self._pipe.read1(1 << 16):  # type: ignore[attr-defined]
                if self._progress is None:
                    self._heard += part[: max(git.TEXT_LIMIT - len(self._heard), 0)]
                    continue
                self._tell(part)
                self._heard = (self._heard + part)[-_HEARD:]

    def _tell(self, part: bytes) -> None:
        found = _PROGRESS.findall(part)
        if found and self._progress is not None:
            name, done, total = found[-1]
            self._progress(Stage(name.decode(), int(done), int(total)))


@contextmanager
def _locked(path: Path, end: float, name: str) -> Iterator[int]:
    """Hold the lock of a mirror: a descriptor, which goes with all processes that have it, however they end."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        while True:
            with suppress(BlockingIOError):
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            if time.monotonic() >= end:
                raise RepositoryUnreachable(name=name)
            time.sleep(_LOOK_S)
        yield descriptor
    finally:
        os.close(descriptor)


def _is_whole(mirror: Mirror) -> bool:
    """Whether every branch and tag of the mirror leads to a commit with its tree, and git takes it for a repository."""
    if not mirror.exists:
        return False
    try:
        names = list(_refs(mirror.folder, mirror.name))
        if not names:
            return True
        with git.started(mirror.folder, "cat-file", "--batch-check", reads=True) as process:
            out, _ = process.communicate("".join(f"{name}^{{tree}}\n" for name in names).encode("utf-8", "replace"))
    except RepositoryNotRead:
        return False
    lines = out.splitlines()
    return (
        process.returncode == 0 and len(lines) == len(names) and not any(line.endswith(b" missing") for line in lines)
    )


def _refs(folder: Path, name: str) -> dict[str, str]:
    """Hash by full name of every branch and tag; of a tag that is an object, its own."""
    out = git.run(folder, "for-each-ref", "--format=%(refname)%00%(objectname)", "refs/heads", "refs/tags", name=name)
    rows = (line.partition("\0") for line in out.decode("utf-8", "backslashreplace").splitlines())
    return {ref: value for ref, _, value in rows}


def _clear(folder: Path) -> None:
    """Take away what a fetch that was killed left: locks, and packs that were never finished."""
    for lock in (*folder.glob("*.lock"), *(folder / "refs").rglob("*.lock")):
        lock.unlink(missing_ok=True)
    for left in (folder / "objects" / "pack").glob("tmp_*"):
        left.unlink(missing_ok=True)


def _size(folder: Path) -> int:
    """Bytes of all packs, those in work too."""
    total = 0
    with suppress(OSError), os.scandir(folder / "objects" / "pack") as found:
        for entry in found:
            with suppress(OSError):  # moved to its name just now
                total += entry.stat().st_size
    return total
