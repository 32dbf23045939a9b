"""The messages of commits as documents: a section each, the commits of a month together.

Most messages are one line, and ten thousand documents of one line help nobody: they cost a row, a version and a chunk each, and
none says enough to be found. A month is how people ask ("what changed in March"), past months do not change any more, and a
section keeps the hash, so that an answer still cites one commit. A busy month is cut into parts, counted from its beginning: what
is added changes the last part only.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from typing import NamedTuple

from ingest.connectors.history_items import HistoryItem
from ingest.connectors.repository_options import HISTORY, RepositoryOptions
from rag.domain.access import GivenRule, Label
from rag.mirrors import git
from rag.mirrors.mirror import Mirror

COMMITS = f"{HISTORY}/commits/"
_PART = 200
"""Commits of one document."""
_PAGE = 2000
"""Commits that git is asked for at once."""
_MOST_PATHS = 30
_LONGEST_MESSAGE = 20_000
_BEGINS = re.compile(rb"(?:[0-9a-f]{40}|[0-9a-f]{64})\0")
_FORMAT = "%x01%H%x00%an%x00%cI%x00%B%x00"


class LoggedCommit(NamedTuple):
    """A commit with the paths that it changed; `when` is when it was committed, which grows along a branch."""

    hash: str
    author: str
    when: datetime
    message: str
    paths: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class CommitDocuments:
    """The documents, and how many commits are in none: they touch paths whose rules have no reader in common."""

    items: list[HistoryItem]
    withheld: int


def commit_documents(mirror: Mirror, commit: str, options: RepositoryOptions) -> CommitDocuments:
    """The newest commits of a history, the oldest first in each document.

    A commit is readable where all that it touches is: its message and its paths tell of that. Commits with the same rule stand
    together.

    Raises:
        RepositoryNotRead: git can't read the history.
    """
    groups: dict[tuple[str, GivenRule | None], list[LoggedCommit]] = {}
    withheld = 0
    for entry in reversed(list(_log(mirror, commit, options.history.commits))):
        month = f"{entry.when:%Y-%m}"
        given = (options.rule_of(path) for path in (f"{COMMITS}{month}.md", *entry.paths))
        try:
            rule = strictest(given)
        except ValueError:
            withheld += 1
            continue
        groups.setdefault((month, rule), []).append(entry)
    items = [
        _document(f"{month}{_mark(options, rule)}", rule, start // _PART + 1, entries[start : start + _PART])
        for (month, rule), entries in groups.items()
        for start in range(0, len(entries), _PART)
    ]
    return CommitDocuments(sorted(items, key=lambda item: item.path), withheld)


def strictest(given: Iterable[GivenRule | None]) -> GivenRule | None:
    """The rule that lets nobody through whom one of these holds back; None when none of them holds anybody back.

    Raises:
        ValueError: their lists of readers name nobody in common.
    """
    rules = [rule for rule in dict.fromkeys(given) if rule is not None and not rule.trivial]
    if not rules:
        return None
    if len(rules) == 1:
        return rules[0]
    lists = [frozenset(rule.allow) for rule in rules if rule.allow]
    allow = frozenset.intersection(*lists) if lists else frozenset[str]()
    if lists and not allow:
        raise ValueError("no reader in common")
    deny = frozenset(subject for rule in rules for subject in rule.deny)
    label = max((rule.label for rule in rules), key=lambda item: item.rank, default=Label.OPEN)
    return GivenRule(tuple(sorted(allow)), tuple(sorted(deny)), label)


def _mark(options: RepositoryOptions, rule: GivenRule | None) -> str:
    """Part of a document's name: with other path rules it is another document, which never had the rights of the one before."""
    if not options.path_rules:
        return ""
    given = [options.to_json()["path_rules"], None if rule is None else rule.to_json()]
    return "-" + sha256(json.dumps(given, sort_keys=True).encode()).hexdigest()[:8]


def _document(name: str, rule: GivenRule | None, part: int, entries: Sequence[LoggedCommit]) -> HistoryItem:
    text = "\n\n".join([f"# Commits of {name[:7]}", *(_section(entry) for entry in entries)])
    return HistoryItem(f"{COMMITS}{name}{'' if part == 1 else f'-{part}'}.md", text + "\n", entries[-1].when, rule)


def _section(entry: LoggedCommit) -> str:
    subject, _, body = entry.message.partition("\n")
    said = subject.strip() or "(no message)"
    who = f"Commit {entry.hash[:12]} · {' '.join(entry.author.split())} · {entry.when:%Y-%m-%d}"
    parts = [
        f"## {said}",
        f"{who} · {said}",
    ]  # a heading is searched and never quoted: an answer has to have both in one
    parts += [body.strip()] if body.strip() else []
    if entry.paths:
        shown = [f"`{path}`" for path in entry.paths[:_MOST_PATHS]]
        more = f", … ({len(entry.paths)} files)" if len(entry.paths) > _MOST_PATHS else ""
        parts.append(f"Files: {', '.join(shown)}{more}")
    return "\n\n".join(parts)


def _log(mirror: Mirror, commit: str, most: int) -> Iterator[LoggedCommit]:
    """Commits with the paths that each changed, newest first; a merge with what it brought to the branch that it is on."""
    hashed = mirror.resolve(commit)
    for skip in range(0, most, _PAGE):
        count = min(_PAGE, most - skip)
        flags = (f"--format={_FORMAT}", "-z", "--name-only", "--no-renames", "--diff-merges=first-parent")
        reach = (f"--max-count={count}", f"--skip={skip}", hashed, "--")
        out = git.run(mirror.folder, "log", *flags, *reach, name=mirror.name, timeout_s=300)
        records = _records(out)
        yield from map(_logged, records)
        if len(records) < count:
            return


def _records(out: bytes) -> list[bytes]:
    """One for each commit. A message may hold the mark that they begin with, but never the zero that ends a hash."""
    found: list[bytes] = []
    for part in out.split(b"\x01")[1:]:
        if _BEGINS.match(part):
            found.append(part)
        elif found:
            found[-1] += b" " + part
    return found


def _logged(record: bytes) -> LoggedCommit:
    hashed, author, when, message, *paths = record.decode("utf-8", "backslashreplace").split("\0")
    changed = tuple(path for path in (item.lstrip("\n") for item in paths) if path)
    moment = datetime.fromisoformat(when).astimezone(UTC)
    return LoggedCommit(hashed, author, moment, message.strip()[:_LONGEST_MESSAGE], changed)
