"""Chooses the files of a commit that go into the index, and says of each other one why it does not.

`.gitignore` says nothing of files that are tracked, and a commit has no others, unless the options of a repository want it
taken at its word. `.seogoignore` does, in the same syntax, in any folder; so do
`linguist-generated` and `linguist-vendored` in `.gitattributes`, as on GitHub and GitLab. What somebody decided goes before
what a name or the contents suggest.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from ingest.connectors import git_contents, git_paths
from ingest.connectors.repository_options import HISTORY, RepositoryOptions
from rag.domain.errors import RepositoryTooLarge
from rag.mirrors.mirror import Mirror, TreeEntry
from rag.mirrors.path_patterns import PathPatterns
from rag.settings_repositories import RepositorySettings

IGNORE = ".seogoignore"
GITIGNORE = ".gitignore"
ATTRIBUTES = ".gitattributes"
SUBMODULE, SYMLINK, LFS_POINTER = "submodule", "symlink", "lfs_pointer"
NAME_UNUSABLE, SAME_NAME, EMPTY, TOO_LARGE, BINARY = "name_unusable", "same_name", "empty", "too_large", "binary"
EXCLUDED, NOT_INCLUDED, IGNORED, VENDORED, GENERATED = "excluded", "not_included", "ignored", "vendored", "generated"
MINIFIED, LOCK_FILE, RESERVED = "minified", "lock_file", "reserved"
REASONS = frozenset((
    SUBMODULE, SYMLINK, LFS_POINTER, NAME_UNUSABLE, SAME_NAME, EMPTY, TOO_LARGE, BINARY, EXCLUDED, NOT_INCLUDED, IGNORED,
    VENDORED, GENERATED, MINIFIED, LOCK_FILE, RESERVED,
))  # fmt: skip
"""Every reason that a file is skipped for here."""
BY_CONTENT = frozenset({"", LFS_POINTER, BINARY, GENERATED, MINIFIED})
"""What a look into a file can end with: the same for the same contents at the same path."""
_MAX_RULES_BYTES = 256 << 10
_MAX_RULES = 2000
_FORCED_PAST = frozenset({VENDORED, GENERATED, MINIFIED, LOCK_FILE})
_MODE_REASONS = {"160000": SUBMODULE, "120000": SYMLINK}


class Seen(NamedTuple):
    """What an earlier choice found at a path: the file's hash and size, and why it was not taken (empty: it was)."""

    blob: str
    size: int
    reason: str


@dataclass(frozen=True, slots=True)
class Selected:
    """The files of a commit, each once, by path.

    Attributes:
        taken: files for the index.
        skipped: the others, each with a code of `rag.domain.messages.SKIPPED`. `size` of a pointer of LFS is that of what it
            stands for; `blob` of a submodule is the commit that it points to.
    """

    taken: list[TreeEntry]
    skipped: list[tuple[TreeEntry, str]]


def select(
    mirror: Mirror,
    commit: str,
    options: RepositoryOptions,
    settings: RepositorySettings,
    *,
    seen: Mapping[str, Seen] | None = None,
) -> Selected:
    """The files of a commit that go into the index.

    Symbolic links are never followed, so a cycle of them is a number of names; git keeps no other kind of cycle.

    Args:
        seen: what was found at each path before, under the same options, so that only what changed is looked into.

    Raises:
        RepositoryTooLarge: more files than the settings allow would be taken.
        RepositoryNotRead: git can't read the commit.
    """
    tree = mirror.tree(commit)
    chooser = _Chooser(_Rules(mirror, tree, gitignore=options.gitignore), options, settings)
    reasons: dict[str, str] = {}
    looked_into: dict[str, bool] = {}
    doubtful: list[TreeEntry] = []
    for entry in tree:
        reasons[entry.path], forced = chooser.by_path(entry)
        if not reasons[entry.path]:
            looked_into[entry.path] = forced
        elif reasons[entry.path] == BINARY and 0 < entry.size <= git_contents.POINTER_BYTES:
            doubtful.append(entry)
    if len(looked_into) > settings.max_files:
        raise RepositoryTooLarge(
            name=mirror.name,
            detail=f"more than {settings.max_files} files (max_files)",
            reason="max_files",
            limit=settings.max_files,
        )
    waiting = [entry for entry in tree if entry.path in looked_into]
    sizes = _look(mirror, waiting, looked_into, seen if seen and _same_rules(tree, seen) else {}, reasons)
    sizes |= _pointers(mirror, doubtful, reasons)
    named = [entry._replace(size=sizes.get(entry.path, entry.size)) for entry in tree]
    taken = [entry for entry in named if not reasons[entry.path]]
    return Selected(taken, [(entry, reasons[entry.path]) for entry in named if reasons[entry.path]])


class _Chooser:
    """Decides by path, size and kind."""

    def __init__(self, rules: _Rules, options: RepositoryOptions, settings: RepositorySettings) -> None:
        self._rules, self._options = rules, options
        self._most = min(options.max_file_kb or settings.max_file_kb, settings.max_file_kb) << 10
        self._names: set[str] = set()

    def by_path(self, entry: TreeEntry) -> tuple[str, bool]:
        """Why an entry is not taken, or an empty text; and whether it is wanted whatever it looks like."""
        if reason := _MODE_REASONS.get(entry.mode):
            return reason, False
        path = entry.path
        if not git_paths.is_usable(path):
            return NAME_UNUSABLE, False
        if path.startswith(f"{HISTORY}/"):
            return RESERVED, False
        decided, forced = self._decided(path)
        if not decided and not forced:
            decided = git_paths.reason_of(path)
        return decided or self._by_kind(entry), forced

    def _decided(self, path: str) -> tuple[str, bool]:
        """What people said: the options of the repository, its `.seogoignore`, its attributes."""
        excluded = self._options.excluded.verdict(path)
        if excluded:
            return EXCLUDED, False
        if self._options.included is not None and not self._options.included.matches(path):
            return NOT_INCLUDED, False
        ignored = self._rules.ignored(path)
        if ignored:
            return IGNORED, False
        if excluded is False or ignored is False:
            return "", True
        if self._rules.git_ignored(path):
            return IGNORED, False
        for reason, verdict in self._rules.marked(path):
            if verdict is not None:
                return (reason, False) if verdict else ("", True)
        return "", False

    def _by_kind(self, entry: TreeEntry) -> str:
        if git_paths.is_binary(entry.path):
            return BINARY
        if entry.size == 0:
            return EMPTY
        if entry.size > self._most:
            return TOO_LARGE
        name = unicodedata.normalize("NFC", entry.path)
        if name in self._names:
            return SAME_NAME
        self._names.add(name)
        return ""


class _Rules:
    """The `.seogoignore`, `.gitattributes` and, where it is wanted, `.gitignore` of all folders of a tree; what stands deeper
    weighs more."""

    def __init__(self, mirror: Mirror, tree: Iterable[TreeEntry], *, gitignore: bool) -> None:
        names = (IGNORE, ATTRIBUTES, GITIGNORE) if gitignore else (IGNORE, ATTRIBUTES)
        ignoring: dict[str, PathPatterns] = {}
        git_ignoring: dict[str, PathPatterns] = {}
        generated: dict[str, PathPatterns] = {}
        vendored: dict[str, PathPatterns] = {}
        found = [
            entry
            for entry in tree
            if entry.path.rpartition("/")[2] in names
            and entry.mode in ("100644", "100755")
            and entry.size <= _MAX_RULES_BYTES
        ]
        contents = dict(mirror.read(dict.fromkeys(entry.blob for entry in found)))
        for entry in found:
            folder, _, name = entry.path.rpartition("/")
            lines = contents.get(entry.blob, b"").decode("utf-8-sig", "replace").splitlines()[:_MAX_RULES]
            if name == IGNORE:
                ignoring[folder] = PathPatterns(lines, lenient=True)
            elif name == GITIGNORE:
                git_ignoring[folder] = PathPatterns(lines, lenient=True)
            else:
                generated[folder] = PathPatterns(_attribute_lines(lines, "linguist-generated"), lenient=True)
                vendored[folder] = PathPatterns(_attribute_lines(lines, "linguist-vendored"), lenient=True)
        self._ignoring, self._git_ignoring = _Nested(ignoring), _Nested(git_ignoring)
        self._marks = ((GENERATED, _Nested(generated)), (VENDORED, _Nested(vendored)))

    def ignored(self, path: str) -> bool | None:
        """Whether `.seogoignore` means a path (True) or takes it back (False)."""
        return self._ignoring.verdict(path)

    def git_ignored(self, path: str) -> bool:
        """Whether a `.gitignore` means a path. What one takes back is as if it had not been named: a wish it is not."""
        return bool(self._git_ignoring.verdict(path))

    def marked(self, path: str) -> list[tuple[str, bool | None]]:
        """What the attributes say, by reason."""
        return [(reason, nested.verdict(path)) for reason, nested in self._marks]


class _Nested:
    """Patterns by the folder that they stand in."""

    def __init__(self, by_folder: Mapping[str, PathPatterns]) -> None:
        self._by_folder = by_folder
        self._chains: dict[str, list[tuple[int, PathPatterns]]] = {}

    def verdict(self, path: str) -> bool | None:
        """Of the deepest folder that says something of a path."""
        if not self._by_folder:
            return None
        for cut, patterns in self._chain(path.rpartition("/")[0]):
            verdict = patterns.verdict(path[cut:])
            if verdict is not None:
                return verdict
        return None

    def _chain(self, folder: str) -> list[tuple[int, PathPatterns]]:
        """The patterns of a folder and of those around it, the deepest first, each with the length of what it does not see."""
        if folder not in self._chains:
            around = self._chain(folder.rpartition("/")[0]) if folder else []
            own = self._by_folder.get(folder)
            cut = len(folder) + 1 if folder else 0
            self._chains[folder] = around if own is None else [(cut, own), *around]
        return self._chains[folder]


def _attribute_lines(lines: Iterable[str], attribute: str) -> list[str]:
    """The patterns that set an attribute, and with `!` those that take it away, in their order."""
    found = []
    for line in lines:
        pattern, _, rest = line.strip().partition(" ") if not line.startswith('"') else _quoted(line)
        if not pattern or pattern.startswith(("#", "!", "[attr]")):
            continue
        for word in rest.split():
            if word in (attribute, f"{attribute}=true"):
                found.append(pattern)
            elif word in (f"-{attribute}", f"!{attribute}", f"{attribute}=false"):
                found.append(f"!{pattern}")
    return found


def _quoted(line: str) -> tuple[str, str, str]:
    return line[1:].partition('"')


def _same_rules(tree: Iterable[TreeEntry], seen: Mapping[str, Seen]) -> bool:
    """Whether no file of rules has changed: one may have let a file in whatever its contents are."""
    names = (IGNORE, ATTRIBUTES)
    now = {entry.path: entry.blob for entry in tree if entry.path.rpartition("/")[2] in names}
    return now == {path: found.blob for path, found in seen.items() if path.rpartition("/")[2] in names}


def _look(
    mirror: Mirror,
    waiting: list[TreeEntry],
    forced: Mapping[str, bool],
    seen: Mapping[str, Seen],
    reasons: dict[str, str],
) -> dict[str, int]:
    """Put into `reasons` what the contents tell, a blob at a time. Returns the sizes of what pointers stand for."""
    sizes: dict[str, int] = {}
    by_blob: dict[str, list[str]] = {}
    for entry in waiting:
        before = seen.get(entry.path)
        if before is not None and before.blob == entry.blob and before.reason in BY_CONTENT:
            if before.reason == LFS_POINTER:
                sizes[entry.path] = before.size
            reasons[entry.path] = _unless_forced(before.reason, forced[entry.path])
        elif git_contents.needs_a_look(entry.path, entry.size):
            by_blob.setdefault(entry.blob, []).append(entry.path)
    for blob, content in mirror.read(by_blob):
        pointed = git_contents.lfs_size(content)
        for path in by_blob[blob]:
            if pointed is not None:
                reasons[path], sizes[path] = LFS_POINTER, pointed
            else:
                reasons[path] = _unless_forced(git_contents.reason_of(path, content), forced[path])
    return sizes


def _pointers(mirror: Mirror, entries: Iterable[TreeEntry], reasons: dict[str, str]) -> dict[str, int]:
    """Put into `reasons` which small files of a binary kind are pointers of LFS, as most of what LFS keeps is. Returns the sizes
    of what these stand for. They are read each time: it is a kilobyte at most."""
    by_blob: dict[str, list[str]] = {}
    for entry in entries:
        by_blob.setdefault(entry.blob, []).append(entry.path)
    sizes: dict[str, int] = {}
    for blob, content in mirror.read(by_blob) if by_blob else ():
        pointed = git_contents.lfs_size(content)
        if pointed is not None:
            sizes |= dict.fromkeys(by_blob[blob], pointed)
    reasons |= dict.fromkeys(sizes, LFS_POINTER)
    return sizes


def _unless_forced(reason: str, forced: bool) -> str:
    return "" if forced and reason in _FORCED_PAST else reason
