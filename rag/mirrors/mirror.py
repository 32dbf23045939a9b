"""A mirror of one repository: what can be read of it without a network."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from threading import Thread
from typing import NamedTuple
from uuid import UUID

from rag.domain.code import FileChange
from rag.domain.errors import RefNotFound, RepositoryNotRead
from rag.mirrors import git

_HASH = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
_STATUS = {"A": "added", "M": "modified", "T": "modified", "D": "deleted", "R": "renamed", "C": "added"}
_LOG = "%H%x00%an%x00%aI%x00%B%x01"


class TreeEntry(NamedTuple):
    """A file of a commit.

    Attributes:
        path: as git has it, decoded as UTF-8; what is not UTF-8 stands as `\\xNN`.
        blob: hash of its content; of a submodule, the commit that it points to.
        size: bytes; 0 for a submodule.
        mode: `100644`, `100755`, `120000` (symbolic link) or `160000` (submodule).
    """

    path: str
    blob: str
    size: int
    mode: str


class Commit(NamedTuple):
    """A commit as its author wrote it; `when` is the author's date."""

    hash: str
    author: str
    when: datetime
    message: str


@dataclass(frozen=True, slots=True)
class Mirror:
    """The bare repository in `folder`; `name` is what errors call it.

    Fetching is `rag.mirrors.fetching`. Every method reads only what is there, and raises RepositoryNotRead when git can't.
    """

    folder: Path
    name: str

    @property
    def exists(self) -> bool:
        """Whether there is one."""
        return (self.folder / "HEAD").is_file()

    def resolve(self, ref: str) -> str:
        """The full hash of the commit of a branch, tag or (shortened) hash; of the remote's own branch for an empty one.

        Raises:
            RefNotFound: there is none.
        """
        if not self.exists:
            raise RefNotFound(name=self.name, ref=ref or "HEAD")
        for candidate in (f"refs/heads/{ref}", f"refs/tags/{ref}", ref) if ref else ("HEAD",):
            with suppress(RepositoryNotRead):
                wanted = f"{candidate}^{{commit}}"
                out = git.run(
                    self.folder, "rev-parse", "--verify", "--quiet", "--end-of-options", wanted, name=self.name
                )
                found = out.decode().strip().splitlines()[-1:]
                if found and _HASH.fullmatch(found[0]):
                    return found[0]
        raise RefNotFound(name=self.name, ref=ref or "HEAD")

    def refs(self) -> dict[str, str]:
        """Hash by full name (`refs/heads/main`, `refs/tags/v1.4`) of every branch and tag; of a tag, its commit."""
        form = "%(refname)%00%(objectname)%00%(*objectname)"
        out = git.run(self.folder, "for-each-ref", f"--format={form}", "refs/heads", "refs/tags", name=self.name)
        rows = (line.split("\0") for line in out.decode("utf-8", "replace").splitlines())
        return {name: peeled or plain for name, plain, peeled in rows}

    def tree(self, commit: str) -> list[TreeEntry]:
        """Every file of a commit, by path."""
        out = git.run(
            self.folder, "ls-tree", "-r", "-l", "-z", "--full-tree", _hash(commit), name=self.name, timeout_s=300
        )
        return [_entry(row) for row in out.split(b"\0") if row]

    def read(self, blobs: Iterable[str]) -> Iterator[tuple[str, bytes]]:
        """The contents of blobs, each as soon as git has it, in order; one that is not there is left out."""
        with git.started(self.folder, "cat-file", "--batch", "--buffer", reads=True) as process:
            given, out = process.stdin, process.stdout
            if given is None or out is None:
                raise RepositoryNotRead.because("git_without_pipes", name=self.name)

            def feed() -> None:
                with suppress(OSError, ValueError):  # whoever reads has gone
                    for blob in blobs:
                        given.write(f"{_hash(blob)}\n".encode())
                    given.close()

            feeder = Thread(target=feed, daemon=True)
            feeder.start()
            while head := out.readline():
                parts = head.split()
                if len(parts) != 3:  # "<hash> missing"
                    continue
                size = int(parts[2])
                content = out.read(size)
                out.read(1)
                if len(content) < size:
                    raise RepositoryNotRead.because("blob_cut_off", name=self.name)
                yield parts[0].decode(), content

    def file(self, commit: str, path: str, *, most: int | None = None) -> bytes | None:
        """The content of one file at a commit; None when it is not there, or larger than `most` bytes, which is not read then."""
        listed = git.run(
            self.folder,
            "--literal-pathspecs",
            "ls-tree",
            "-z",
            "-l",
            "--full-tree",
            _hash(commit),
            "--",
            path,
            name=self.name,
        )
        rows = [_entry(row) for row in listed.split(b"\0") if row]
        if len(rows) != 1 or rows[0].mode not in ("100644", "100755"):
            return None
        if most is not None and rows[0].size > most:
            return None
        return next((content for _, content in self.read([rows[0].blob])), None)

    def changes(self, before: str, after: str) -> list[FileChange]:
        """The files that differ between two commits, by path, without patches."""
        common = ("--no-ext-diff", "--no-textconv", "-z", "-M", "--full-index", _hash(before), _hash(after))
        counted = git.run(self.folder, "diff-tree", "-r", "--numstat", *common, name=self.name, timeout_s=300)
        counts = _numstat(counted)
        named = git.run(self.folder, "diff-tree", "-r", "--name-status", *common, name=self.name, timeout_s=300)
        fields = iter(named.decode("utf-8", "backslashreplace").split("\0"))
        found = []
        for status in fields:
            if not status:
                continue
            old = next(fields)
            path = next(fields) if status[0] in "RC" else old
            added, removed = counts.get(path, (0, 0))
            moved = old if status[0] == "R" else ""
            found.append(FileChange(path, _STATUS.get(status[0], "modified"), added, removed, moved))
        return sorted(found, key=lambda change: change.path)

    def patches(
        self, before: str, after: str, changes: Sequence[FileChange], *, context: int = 3, most: int = 60_000
    ) -> Iterator[FileChange]:
        """The given changes with their patches, each cut after `most` characters."""
        for change in changes:
            paths = [change.before, change.path] if change.before else [change.path]
            renames = "-M" if change.before else "--no-renames"
            flags = ("--no-ext-diff", "--no-textconv", renames, "-p", f"-U{context}", _hash(before), _hash(after), "--")
            out = git.run(self.folder, "--literal-pathspecs", "diff-tree", "-r", *flags, *paths, name=self.name)
            patch = _hunks(out, change)
            counts = (change.added, change.removed)
            yield FileChange(change.path, change.status, *counts, change.before, patch[:most], len(patch) > most)

    def log(self, commit: str, *, since: str = "", limit: int = 1000, paths: Sequence[str] = ()) -> list[Commit]:
        """Commits from `commit` backwards, newest first, down to (not with) the commit `since`; of `paths` alone where given."""
        reach = [f"^{_hash(since)}"] if since else []
        flags = (f"--format={_LOG}", f"--max-count={limit}")
        arguments = ("--literal-pathspecs", "log", *flags, _hash(commit), *reach, "--", *paths)
        out = git.run(self.folder, *arguments, name=self.name, timeout_s=300)
        rows = (row.strip("\n").split("\0") for row in out.decode("utf-8", "replace").split("\x01"))
        return [
            Commit(h, author, _moment(when), text.strip()) for h, author, when, text in (r for r in rows if len(r) == 4)
        ]

    def is_ancestor(self, older: str, newer: str) -> bool:
        """Whether `newer` holds the history of `older`: false after a forced push."""
        try:
            git.run(self.folder, "merge-base", "--is-ancestor", _hash(older), _hash(newer), name=self.name)
        except RepositoryNotRead:
            return False
        return True

    def remove(self) -> None:
        """Delete the mirror; no error when there is none."""
        shutil.rmtree(self.folder, ignore_errors=True)


def mirror_at(root: Path, repository_id: UUID, name: str) -> Mirror:
    """The mirror of a repository on record below the folder of all mirrors."""
    return Mirror(root / f"{repository_id}.git", name)


def _hash(value: str) -> str:
    if not _HASH.fullmatch(value):
        raise ValueError("not a hash that git printed")
    return value


def _entry(row: bytes) -> TreeEntry:
    """`mode type hash size\\tpath`."""
    meta, _, path = row.partition(b"\t")
    mode, _, blob, size = meta.split()
    return TreeEntry(
        path.decode("utf-8", "backslashreplace"), blob.decode(), int(size) if size != b"-" else 0, mode.decode()
    )


def _numstat(out: bytes) -> dict[str, tuple[int, int]]:
    """Lines added and removed by path. A rename is `added removed NUL old NUL new`, anything else `added removed path`."""
    found: dict[str, tuple[int, int]] = {}
    fields = iter(out.decode("utf-8", "backslashreplace").split("\0"))
    for field in fields:
        if not field:
            continue
        added, removed, path = field.split("\t", 2)
        if not path:
            next(fields)
            path = next(fields)
        found[path] = (_count(added), _count(removed))
    return found


def _hunks(out: bytes, change: FileChange) -> str:
    """The hunks of one file. Where a folder took its place, the files in there are of the same diff, and nobody asked for them:
    git gives the file itself first, and of one that was moved it says from where to where."""
    moved = f"\nrename from {change.before}\nrename to {change.path}\n".encode("utf-8", "backslashreplace")
    for part in re.split(rb"^diff --git ", out, flags=re.MULTILINE)[1:]:
        head, mark, rest = part.partition(b"\n@@ ")
        if not change.before or moved in head + b"\n":
            return f"@@ {rest.decode('utf-8', 'replace')}" if mark else ""
    return ""


def _count(text: str) -> int:
    return int(text) if text.isdigit() else 0


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)
