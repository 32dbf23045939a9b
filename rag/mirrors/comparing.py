"""What is asked of a mirror to compare two states of a repository: refs by the names that people give them, patches, who touched
what. All of it reads, none of it fetches."""

from __future__ import annotations

import re
import secrets
from collections.abc import Collection, Iterator, Mapping, Sequence

from rag.domain.code import FileChange
from rag.domain.errors import RefNotFound, RepositoryNotRead
from rag.mirrors import git
from rag.mirrors.mirror import Mirror

_TOGETHER = 100
"""Files whose patches one command prints."""
_HASH = re.compile(r"[0-9a-f]{7,64}")
_VERSION = re.compile(r"(?:^|[-_/])v?(\d+(?:\.\d+)+(?:[-.+]?(?:rc|alpha|beta|final|release|m)\.?\d*)?)$", re.IGNORECASE)
_TAGS, _HEADS = "refs/tags/", "refs/heads/"


def named(refs: Mapping[str, str], name: str) -> str | None:
    """The full name of the ref that people call `name`: a tag or branch of that name, with or without its `v`, or the one tag
    that ends with that version (`payments-1.4` for `1.4`); None where there is none, or several end so."""
    spelled = [name, f"v{name}", name.removeprefix("v"), name.removeprefix("V")]
    for folder in (_TAGS, _HEADS):
        for spelling in spelled:
            if folder + spelling in refs:
                return folder + spelling
    version = name.lower().removeprefix("v")
    ending = [ref for ref in refs if ref.startswith(_TAGS) and (m := _VERSION.search(ref)) and m[1].lower() == version]
    return ending[0] if len(ending) == 1 else None


def short_name(ref: str) -> str:
    """`v1.4` of `refs/tags/v1.4`."""
    return ref.removeprefix(_TAGS).removeprefix(_HEADS)


def version_before(mirror: Mirror, refs: Mapping[str, str], ref: str) -> str | None:
    """The tag that came before a tag: of those whose history it holds, the one that the fewest commits part from it."""
    older = {
        name: commit
        for name, commit in refs.items()
        if name.startswith(_TAGS) and commit != refs[ref] and mirror.is_ancestor(commit, refs[ref])
    }
    return min(older, key=lambda name: (_between(mirror, older[name], refs[ref]), name), default=None)


def _between(mirror: Mirror, older: str, newer: str) -> int:
    return int(git.run(mirror.folder, "rev-list", "--count", newer, f"^{older}", name=mirror.name).decode())


def state(mirror: Mirror, name: str, *, indexed: str = "", named_by: Collection[str] = ()) -> tuple[str, str]:
    """How a state of a repository is called, and its commit: by the name of a branch or tag, or by the hash of a commit.

    A hash that no branch, no tag and not the index leads to is not found: what a forced push took away is gone.

    Args:
        indexed: commit that the index holds; what it leads to is found, as with a branch.
        named_by: commits that the versions of the file that is asked for name; these are found, and nothing that they lead to.
            Read the file from what stands for them (`keeping.standing_for`).

    Raises:
        RefNotFound: there is none.
    """
    if not mirror.exists or "\0" in name:
        raise RefNotFound(name=mirror.name, ref=name)
    if not name:
        return "HEAD", mirror.resolve("")
    refs = mirror.refs()
    ref = named(refs, name)
    if ref is not None:
        return short_name(ref), refs[ref]
    if not _HASH.fullmatch(name):
        raise RefNotFound(name=mirror.name, ref=name)
    own = [commit for commit in named_by if commit.startswith(name)]
    if len(own) == 1:  # which git may have no more, but for a part of it
        return own[0][:12], own[0]
    commit = mirror.resolve(name)
    if _is_led_to(mirror, commit) or (indexed and mirror.is_ancestor(commit, indexed)):
        return commit[:12], commit
    raise RefNotFound(name=mirror.name, ref=name)


def _is_led_to(mirror: Mirror, commit: str) -> bool:
    """Whether a branch or tag does. What is kept for versions (`rag.mirrors.keeping`) leads nowhere: it would open all that lay
    beside the file."""
    flags = ("--count=1", f"--contains={commit}", "refs/heads", "refs/tags")
    return bool(git.run(mirror.folder, "for-each-ref", *flags, name=mirror.name).strip())


def unknown(mirror: Mirror, name: str) -> RefNotFound:
    """That there is no such state, as an error to raise."""
    return RefNotFound(name=mirror.name, ref=name)


def as_added(
    mirror: Mirror, before: str, after: str, changes: Sequence[FileChange], *, counted: int
) -> list[FileChange]:
    """Moved files as such that were not there before, by path: nothing of what they were. The lines of the first `counted` are
    counted, a command for a hundred of them."""
    paths = sorted(item.path for item in changes)
    flags = ("--no-ext-diff", "--no-textconv", "-r", "--no-renames", "--numstat", "-z", before, after, "--")
    counts = {}
    for start in range(0, min(len(paths), counted), _TOGETHER):
        group = paths[start : start + _TOGETHER]
        out = git.run(
            mirror.folder, "--literal-pathspecs", "diff-tree", *flags, *group, name=mirror.name, timeout_s=300
        )
        for row in filter(None, out.decode("utf-8", "backslashreplace").split("\0")):
            added, _, path = row.split("\t", 2)
            counts[path] = int(added) if added.isdigit() else 0
    return [FileChange(path, "added", counts.get(path, 0), 0) for path in paths]


def patches(mirror: Mirror, before: str, after: str, changes: Sequence[FileChange], *, most: int) -> list[FileChange]:
    """The given changes with their patches, each cut after `most` characters, in their order; a command for a hundred files."""
    found: dict[str, FileChange] = {}
    moved, others = [item for item in changes if item.before], [item for item in changes if not item.before]
    for kind in (moved, others):  # git would pair what is told as new with another file that is gone
        for start in range(0, len(kind), _TOGETHER):
            group = kind[start : start + _TOGETHER]
            found |= {item.path: item for item in _together(mirror, before, after, group, most)}
    return [found[item.path] for item in changes]


def _together(mirror: Mirror, before: str, after: str, group: Sequence[FileChange], most: int) -> Iterator[FileChange]:
    """A group with its patches: all of them were moved, or none."""
    try:
        texts = dict(_split(mirror, before, after, group))
    except RepositoryNotRead:  # more than one command may print: each by itself
        texts = {}
    for change in group:
        text = texts.get(change.path)
        if text is None:
            yield from mirror.patches(before, after, [change], most=most)
        else:
            yield change.with_patch(text[:most], cut=len(text) > most)


def _split(mirror: Mirror, before: str, after: str, group: Sequence[FileChange]) -> Iterator[tuple[str, str]]:
    """Path and patch of each of the files that a diff is of, where git spells the path as it is."""
    paths = [path for change in group for path in (change.before, change.path) if path]
    renames = "-M" if group[0].before else "--no-renames"
    flags = ("--no-ext-diff", "--no-textconv", "-r", renames, "-p", "-U3", before, after, "--", *paths)
    out = git.run(mirror.folder, "--literal-pathspecs", "diff-tree", *flags, name=mirror.name, timeout_s=300)
    for part in re.split(rb"^diff --git ", out, flags=re.MULTILINE)[1:]:
        head, mark, rest = "\n".join(text_of(line) for line in part.split(b"\n")).partition("\n@@ ")
        path = _path_in(head)
        if path is not None and mark:
            yield path, f"@@ {rest}"


def _path_in(head: str) -> str | None:
    for line in reversed(head.split("\n")):
        for mark in ("+++ b/", "--- a/", "rename to "):
            if line.startswith(mark):
                return line.removeprefix(mark).removesuffix("\t")
    return None


def text_of(line: bytes) -> str:
    """A line of a file: UTF-8, else what Korean editors write; whatever is neither is shown as such."""
    for encoding in ("utf-8", "cp949"):
        try:
            return line.decode(encoding)
        except UnicodeDecodeError:
            continue
    return line.decode("utf-8", "replace")


def touched(mirror: Mirror, commits: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """Paths that each of these commits changed against its (first) parent, both names of what it moved; none for what git has
    no commit of."""
    mark = secrets.token_hex(8)  # nobody who named a path knew it
    flags = (f"--format={mark}%H", "--name-only", "--no-renames", "-z", "--diff-merges=first-parent")
    found: dict[str, tuple[str, ...]] = {}
    for start in range(0, len(commits), _TOGETHER):
        group = commits[start : start + _TOGETHER]
        try:
            out = git.run(
                mirror.folder, "log", "--no-walk=unsorted", *flags, *group, "--", name=mirror.name, timeout_s=300
            )
        except RepositoryNotRead:
            continue
        for part in out.decode("utf-8", "backslashreplace").split(mark)[1:]:
            commit, *paths = part.split("\0")
            found[commit] = tuple(path for item in paths if (path := item.removeprefix("\n")))
    return found
