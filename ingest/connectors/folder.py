"""The folder connector: lists the files below a folder for a synchronisation."""

from __future__ import annotations

import os
import stat
import time
from collections.abc import Callable, Iterator, Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from typing import BinaryIO

from ingest.connectors.access_files import MAX_BYTES, RULES, ruled, told
from ingest.connectors.sync_plan import FoundItem, Listing, Problem, ruled_fingerprint
from rag.domain.access import GivenRule
from rag.domain.errors import InvalidRequest

IGNORED = (".*", "__pycache__", "~$*", "Thumbs.db", "desktop.ini", "*.tmp", "*.crdownload", "*.part")
"""Names that no document has: hidden files, caches, locks of office programs, half downloads."""
_DEEPEST = 100


class FolderSource:
    """Files below `root`.

    Args:
        clean: turns a relative path into the name that the document is kept under.
        ignore: patterns (`*.bak`, `draft/*`) on a name or on the whole relative path, beside `IGNORED`.
        quiet_s: files changed within so many seconds are left for the next time: they may be still being written. One that
            bears a time to come, which tells nothing of that, is left until two listings find it the same.
    """

    kind = "folder"

    def __init__(
        self, root: Path, clean: Callable[[str], str], *, ignore: Sequence[str] = (), quiet_s: float = 0.0
    ) -> None:
        self._root = Path(os.path.realpath(root))
        self._clean = clean
        self._ignore = (*IGNORED, *ignore)
        self._quiet_s = quiet_s
        self._ahead: dict[str, str] = {}

    @property
    def location(self) -> str:
        """The folder's real path."""
        return str(self._root)

    def listing(self) -> Listing:
        """Every file, sorted by key. Links are followed inside the root only, each folder is entered once.

        Raises:
            InvalidRequest: the folder is not there.
        """
        if not self._root.is_dir():
            raise InvalidRequest(
                detail=f"{self._root}: no such folder", detail_ko=f"{self._root}: 그런 폴더가 없습니다"
            )
        items: dict[str, FoundItem] = {}
        problems: list[Problem] = []
        for found in self._walk(problems):
            if found.key in items:
                problems.append(Problem(found.key, "two files have this name"))
                continue
            items[found.key] = found
        return Listing(tuple(items[key] for key in sorted(items)), tuple(problems))

    def open(self, item: FoundItem) -> BinaryIO:
        """The content of a file; a link that points out of the root by now is not followed."""
        path = self._root / item.place
        if not self._is_inside(path):
            raise PermissionError(f"{item.place}: a link out of the folder")
        return path.open("rb")

    def _walk(self, problems: list[Problem]) -> Iterator[FoundItem]:
        entered = {_identity(self._root.stat())}
        open_folders: list[tuple[Path, int, GivenRule | None]] = [(self._root, 0, None)]
        while open_folders:
            folder, depth, around = open_folders.pop()
            opened = self._opened(folder, around, problems)
            if opened is None:
                continue
            paths, rule = opened
            for path in paths:
                relative = self._relative(path)
                if self._is_ignored(path.name, relative):
                    continue
                try:
                    state = self._state(path)
                    access = self._followed(path, rule) if path.is_symlink() else rule
                except (OSError, ValueError, InvalidRequest) as error:
                    problems.append(Problem(self._key(relative) or relative, _told(error)))
                    continue
                if stat.S_ISDIR(state.st_mode):
                    if depth < _DEEPEST and _identity(state) not in entered:
                        entered.add(_identity(state))
                        open_folders.append((path, depth + 1, access))
                elif stat.S_ISREG(state.st_mode):
                    yield from self._file(relative, state, problems, access)

    def _followed(self, path: Path, around: GivenRule | None) -> GivenRule | None:
        """The rule behind a link: of the folders that its target lies in as well."""
        target = Path(os.path.realpath(path)).relative_to(self._root)
        folder, rule = self._root, _ruled(self._root, around)
        for part in target.parts[:-1]:
            folder /= part
            rule = _ruled(folder, rule)
        return rule

    def _opened(
        self, folder: Path, around: GivenRule | None, problems: list[Problem]
    ) -> tuple[list[Path], GivenRule | None] | None:
        """What lies in a folder, and its rule; None when one of both can't be read: nothing in it is taken without its
        rule, nor taken for gone."""
        try:
            return sorted(folder.iterdir()), _ruled(folder, around)
        except (OSError, ValueError, InvalidRequest) as error:
            reason = _told(error)
            if folder == self._root:
                raise InvalidRequest(
                    detail=f"{folder}: {reason}", detail_ko=f"{folder}: 읽을 수 없습니다: {reason}"
                ) from error
            relative = self._relative(folder)
            problems.append(Problem(f"{self._key(relative) or relative}/", reason))
            return None

    def _file(
        self, relative: str, state: os.stat_result, problems: list[Problem], access: GivenRule | None
    ) -> Iterator[FoundItem]:
        key = self._key(relative)
        if key is None:
            problems.append(Problem(os.fsencode(relative).decode("utf-8", "replace"), "the name is not valid text"))
        elif self._may_be_in_writing(relative, state):
            problems.append(Problem(key, "changed just now; left for the next time"))
        else:
            fingerprint = ruled_fingerprint(_fingerprint(state), access)
            yield FoundItem(key, relative, state.st_size, fingerprint, access)

    def _may_be_in_writing(self, relative: str, state: os.stat_result) -> bool:
        if not self._quiet_s:
            return False
        age = time.time() - state.st_mtime
        if age >= 0:
            return age < self._quiet_s
        before, now = self._ahead.get(relative), _fingerprint(state)
        self._ahead[relative] = now
        return before != now

    def _state(self, path: Path) -> os.stat_result:
        if path.is_symlink() and not self._is_inside(path):
            raise PermissionError("a link out of the folder")
        return path.stat()

    def _is_inside(self, path: Path) -> bool:
        return Path(os.path.realpath(path)).is_relative_to(self._root)

    def _is_ignored(self, name: str, relative: str) -> bool:
        return any(fnmatchcase(name, pattern) or fnmatchcase(relative, pattern) for pattern in self._ignore)

    def _key(self, relative: str) -> str | None:
        try:
            relative.encode()
            return self._clean(relative)
        except (UnicodeEncodeError, InvalidRequest):
            return None

    def _relative(self, path: Path) -> str:
        return path.relative_to(self._root).as_posix()


def _ruled(folder: Path, around: GivenRule | None) -> GivenRule | None:
    """The rule of what lies in a folder, given that of the folder around it.

    Raises:
        OSError, ValueError, InvalidRequest: its file of rules can't be read.
    """
    path = folder / RULES
    if path.is_symlink():
        raise ValueError("a link")
    if not path.is_file():
        return around
    if path.stat().st_size > MAX_BYTES:
        raise ValueError("too long")
    return ruled(path.read_bytes(), around)


def _told(error: Exception) -> str:
    return _reason(error) if isinstance(error, OSError) else told(error)


def _fingerprint(state: os.stat_result) -> str:
    """Changes with the content even where size and modification time are put back, as `cp -p`, `rsync -t` and a restore do: the
    time of the last change of the inode can't be set, and what is moved into its place has another inode."""
    return f"{state.st_size}:{state.st_mtime_ns}:{state.st_ctime_ns}:{state.st_ino}"


def _identity(state: os.stat_result) -> tuple[int, int]:
    return state.st_dev, state.st_ino


def _reason(error: OSError) -> str:
    return error.strerror or str(error)
