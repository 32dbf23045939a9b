"""Questions that a repository's own history holds: what a commit or an issue says, and the files that the fix changed.

For each of them the corpus is the tree of the parent commit, so neither the change nor what was said of it can be found there.

An issue is joined with its fix by the numbers that messages of commits cite (`#12`), or by those of a request whose own text
says that it closes the issue (`Fixes #12`), for servers that squash a request into a commit that cites the request alone.
"""

from __future__ import annotations

import re
import subprocess
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.code_corpus import LONGEST, CodeBase
from ingest.connectors.history_archive import Bounds
from ingest.connectors.history_export import exported_talks
from ingest.connectors.history_items import Talk
from rag.domain.errors import RefNotFound
from rag.mirrors.mirror import Commit, Mirror

MOST_FILES = 5
Wanted = Callable[[str], bool]
_MOST_CHARACTERS = 1000
_FEWEST_WORDS = 4
_LOOKED_AT = 3000
_CITED = re.compile(r"(?<![\w&/])([#!])(\d{1,7})\b")
"""`#12`, an issue or a request; `!45`, a merge request of GitLab."""
_CLOSED = re.compile(r"\b(?:clos|fix|resolv)(?:e[sd]?|ing)?:?\s+#(\d{1,7})\b", re.IGNORECASE)
_BOUNDS = Bounds(100_000, 4 << 30)
_TRAILER = re.compile(r"^(?:[A-Z][A-Za-z-]+-[Bb]y|Change-Id|Fixes|Closes|Refs|See-also): .*$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class FixQuestion:
    """A commit, or an issue with its fix, as a question.

    Attributes:
        name: hash of the commit, or number of the issue, `#12`.
        parent: the commit before the fix, whose tree is searched.
        files: those of its files that were there before.
    """

    name: str
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


def issue_questions(mirror: Mirror, talks: Iterable[Talk], most: int, *, wanted: Wanted) -> list[FixQuestion]:
    """The issues with the newest fixes, at most `most`, that can be questions, oldest fix first.

    Args:
        talks: what an export of the repository's server holds.
        wanted: which files belong to the corpus, by their paths.
    """
    issues: dict[int, Talk] = {}
    by_request: dict[tuple[str, int], list[int]] = {}
    for talk in talks:
        if talk.kind == "issue":
            issues[talk.number] = talk
        else:
            sign = "!" if talk.kind == "merge request" else "#"
            by_request[sign, talk.number] = [int(number) for number in _CLOSED.findall(talk.text)]
    fixes: dict[int, list[Commit]] = {}
    for commit in mirror.log(mirror.resolve(""), limit=_LOOKED_AT):
        cited = dict.fromkeys((sign, int(number)) for sign, number in _CITED.findall(commit.message))
        named = [number for item in cited for number in (by_request.get(item) or [item[1]] * (item[0] == "#"))]
        for number in dict.fromkeys(named):
            if number in issues and not _merges(mirror, commit):
                fixes.setdefault(number, []).append(commit)
    found: list[FixQuestion] = []
    for number, commits in fixes.items():
        talk = issues[number]
        text = f"{talk.title}\n\n{talk.text}".strip()
        question = (
            _fixed(mirror, f"#{number}", text, commits[::-1], wanted) if len(text.split()) >= _FEWEST_WORDS else None
        )
        if question is not None:
            found.append(question)
        if len(found) == most:
            break
    return found[::-1]


def issues_of(export: Path) -> list[Talk]:
    """Issues and requests of an export: GitLab's, or lists as the API of GitHub or Gitea answers them.

    Raises:
        RepositoryNotRead: there is none.
    """
    return list(exported_talks(export.resolve(), export.name, confidential=True, bounds=_BOUNDS))


def repositories_at(folder: Path) -> list[Path]:
    """The repository in a folder; where there is none, those in the folders below it."""
    if (folder / ".git").exists() or (folder / "HEAD").is_file():
        return [folder]
    return sorted(item for item in folder.iterdir() if (item / ".git").exists() or (item / "HEAD").is_file())


def _question(mirror: Mirror, commit: Commit, *, body: bool, wanted: Wanted) -> FixQuestion | None:
    text = _TRAILER.sub("", commit.message).strip()
    if len(text.split()) < _FEWEST_WORDS or (body and "\n" not in text) or _merges(mirror, commit):
        return None
    return _fixed(mirror, commit.hash, text, [commit], wanted)


def _fixed(mirror: Mirror, name: str, text: str, commits: Sequence[Commit], wanted: Wanted) -> FixQuestion | None:
    """A question whose fix is these commits, oldest first; None where they add all that they touch, or touch too much."""
    try:
        parents = [mirror.resolve(f"{commit.hash}^1") for commit in commits]
    except RefNotFound:
        return None
    changes = [
        item
        for parent, commit in zip(parents, commits, strict=True)
        for item in mirror.changes(parent, commit.hash)
        if wanted(item.path)
    ]
    before = {entry.path for entry in mirror.tree(parents[0])} if len(commits) > 1 else None
    files = dict.fromkeys(item.before or item.path for item in changes if item.status != "added")
    kept = tuple(path for path in files if before is None or path in before)
    if not kept or len({item.path for item in changes}) > MOST_FILES:
        return None
    return FixQuestion(name, parents[0], text[:_MOST_CHARACTERS], kept)


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
