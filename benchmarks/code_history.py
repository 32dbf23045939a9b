"""Questions that a repository's own history holds: what a commit says, and the files that it changed.

For each of them the corpus is the tree of the parent commit, so neither the change nor what was said of it can be found there.
"""

from __future__ import annotations

import re
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.code_corpus import LONGEST, CodeBase
from rag.domain.errors import RefNotFound
from rag.mirrors.mirror import Commit, Mirror

MOST_FILES = 5
Wanted = Callable[[str], bool]
_MOST_CHARACTERS = 1000
_FEWEST_WORDS = 4
_LOOKED_AT = 3000
_TRAILER = re.compile(r"^(?:[A-Z][A-Za-z-]+-[Bb]y|Change-Id|Fixes|Closes|Refs|See-also): .*$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class FixQuestion:
    """A commit as a question.

    Attributes:
        parent: the commit before it, whose tree is searched.
        files: those of its files that were there before.
    """

    commit: str
    parent: str
    text: str
    files: tuple[str, ...]


@contextmanager
def mirrored(repository: Path) -> Iterator[Mirror]:
    """A bare clone of a local repository, in a temporary folder."""
    with tempfile.TemporaryDirectory(prefix="seogo-bench-") as folder:
        place = Path(folder) / "mirror.git"
        subprocess.run(["git", "clone", "--quiet", "--bare", str(repository), str(place)], check=True)
        yield Mirror(place, repository.name)


def fix_questions(mirror: Mirror, most: int, *, body: bool, wanted: Wanted) -> list[FixQuestion]:
    """The newest `most` commits that can be questions, oldest first.

    Args:
        body: take only messages that say more than their first line.
        wanted: which files belong to the corpus, by their paths.
    """
    found: list[FixQuestion] = []
    for commit in mirror.log(mirror.resolve(""), limit=_LOOKED_AT):
        question = _question(mirror, commit, body=body, wanted=wanted)
        if question is not None:
            found.append(question)
        if len(found) == most:
            break
    return found[::-1]


def _question(mirror: Mirror, commit: Commit, *, body: bool, wanted: Wanted) -> FixQuestion | None:
    text = _TRAILER.sub("", commit.message).strip()
    if len(text.split()) < _FEWEST_WORDS or (body and "\n" not in text):
        return None
    try:
        parent = mirror.resolve(f"{commit.hash}^1")
    except RefNotFound:
        return None
    changes = [item for item in mirror.changes(parent, commit.hash) if wanted(item.path)]
    files = tuple(item.before or item.path for item in changes if item.status != "added")
    if not files or len(changes) > MOST_FILES or _merges(mirror, commit):
        return None
    return FixQuestion(commit.hash, parent, text[:_MOST_CHARACTERS], files)


def _merges(mirror: Mirror, commit: Commit) -> bool:
    try:
        mirror.resolve(f"{commit.hash}^2")
    except RefNotFound:
        return False
    return True


def move_to(base: CodeBase, mirror: Mirror, before: str, commit: str, wanted: Wanted) -> None:
    """Bring a code base from the tree of one commit (none at first) to that of another."""
    if before == commit:
        return
    entries = {
        entry.path: entry.blob
        for entry in mirror.tree(commit)
        if entry.mode in ("100644", "100755") and entry.size <= LONGEST and wanted(entry.path)
    }
    fresh = entries
    if before:
        changed = {path for item in mirror.changes(before, commit) for path in (item.path, item.before) if path}
        fresh = {path: blob for path, blob in entries.items() if path in changed}
        base.take(path for path in changed if path not in entries)
    contents = dict(mirror.read(sorted(set(fresh.values()))))
    texts = {path: contents[blob].decode("utf-8", "replace") for path, blob in fresh.items() if blob in contents}
    base.put({path: text for path, text in texts.items() if text.strip()})
