"""Keeps the documents of a repository's history in its mirror, as a tree of git's own: what is not asked for again stays there.

They are files like those of a commit from then on: the same hash while nothing changed, gone when they are gone, and read the
same way. The ref lies outside of those that a fetch touches. A mirror that is made anew has none, so all is asked for again.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from ingest.connectors.history_api import Crawl
from ingest.connectors.history_commits import COMMITS
from ingest.connectors.history_items import HistoryItem, moment
from ingest.connectors.repository_history import commit_items, talk_items
from ingest.connectors.repository_options import RepositoryOptions
from rag.domain.access import GivenRule
from rag.domain.errors import RefNotFound, RepositoryNotRead
from rag.mirrors import git
from rag.mirrors.fetching import Remote
from rag.mirrors.mirror import Mirror, TreeEntry
from rag.settings_repositories import RepositorySettings

_REF = "refs/history/documents"
_STATE = "state.json"
_FORM = 2
"""Of the documents (`history_items`): one more makes those on record anew, which a server that tells only what changed does not.
2 has the title as text."""


@dataclass(frozen=True, slots=True)
class KeptHistory:
    """What is kept.

    Attributes:
        files: its documents, as files of a commit.
        rules: who may read those that have a rule of their own.
        state: what it was made of.
    """

    files: tuple[TreeEntry, ...] = ()
    rules: Mapping[str, GivenRule] = field(default_factory=dict)
    state: Mapping[str, Any] = field(default_factory=dict)

    @property
    def unfinished(self) -> bool:
        """Whether a server was not read to its end for lack of time: the next look goes on."""
        return bool(self.state.get("marks"))


def kept_history(mirror: Mirror) -> KeptHistory | None:
    """The documents of the history in a mirror; None when nobody has asked for any."""
    try:
        tree = mirror.tree(mirror.resolve(_REF))
    except RefNotFound:
        return None
    blobs = [entry.blob for entry in tree if entry.path == _STATE]
    state: dict[str, Any] = next((json.loads(content) for _, content in mirror.read(blobs)), {})
    rules = {path: GivenRule.from_json(given) for path, given in state.get("rules", {}).items()}
    return KeptHistory(tuple(entry for entry in tree if entry.path != _STATE), rules, state)


def refresh(
    mirror: Mirror,
    commit: str,
    remote: Remote,
    options: RepositoryOptions,
    settings: RepositorySettings,
) -> KeptHistory:
    """Bring the kept history up to date: the messages up to `commit`, and what changed of issues and requests.

    Raises:
        SeogoError: see `repository_history`; what was kept stays as it was.
    """
    before = kept_history(mirror) or KeptHistory()
    source = options.history.model_dump(mode="json", exclude={"commits"})
    same = before.state.get("source") == source
    old = {entry.path: entry for entry in before.files if same and not entry.path.startswith(COMMITS)}
    # In another form all is read anew, in as many looks as it takes; what has not come yet stays as it is.
    crawl = _crawl(before.state) if same and before.state.get("form") == _FORM else Crawl()
    if not options.history.api:
        old, crawl = {}, Crawl()  # an export is read as a whole: what it has no more is gone
    items = {item.path: item for item in talk_items(remote, options, settings, mirror.name, crawl=crawl)}
    found = [*(item.updated for item in items.values()), *crawl.marks.values(), crawl.since]
    newest = crawl.since if crawl.unfinished else max((when for when in found if when is not None), default=None)
    items |= {item.path: item for item in commit_items(mirror, commit, options)}
    state = {
        "source": source,
        "form": _FORM,
        "since": None if newest is None else newest.isoformat(),
        "marks": {place: when.isoformat() for place, when in crawl.marks.items()} if crawl.unfinished else {},
        "rules": {item.path: item.access.to_json() for item in items.values() if item.path.startswith(COMMITS) and item.access},
    }  # fmt: skip
    _write(mirror, {path: entry for path, entry in old.items() if path not in items}, items, state)
    return kept_history(mirror) or KeptHistory()


def rule_of(options: RepositoryOptions, kept: KeptHistory | None, path: str) -> GivenRule | None:
    """Who may read a file of the repository or a document of its history; one of commits has the rule of what they touch."""
    if not path.startswith(COMMITS):
        return options.rule_of(path)
    return None if kept is None else kept.rules.get(path)


def _crawl(state: Mapping[str, Any]) -> Crawl:
    """From where a server is read on."""
    marks = {place: when for place, text in state.get("marks", {}).items() if (when := moment(text)) is not None}
    return Crawl(moment(state.get("since")), marks)


def _write(
    mirror: Mirror, old: Mapping[str, TreeEntry], items: Mapping[str, HistoryItem], state: Mapping[str, Any]
) -> None:
    """One commit without a parent, in one go: whoever reads meanwhile has the one before."""
    with git.started(mirror.folder, "fast-import", "--quiet", "--force", reads=True) as process:
        _, complaint = process.communicate(b"".join(_stream(old, items, state)))
    if process.returncode != 0:
        raise RepositoryNotRead.because("git_said", name=mirror.name, said=git.said(complaint))


def _stream(
    old: Mapping[str, TreeEntry], items: Mapping[str, HistoryItem], state: Mapping[str, Any]
) -> Iterator[bytes]:
    """For `git fast-import`. The paths are made here, of numbers and months."""
    yield f"commit {_REF}\ncommitter seogo <seogo@localhost> 0 +0000\ndata 0\n".encode()
    for path, entry in old.items():
        yield f"M 100644 {entry.blob} {path}\n".encode()
    for path, item in items.items():
        yield _file(path, item.text)
    yield _file(_STATE, json.dumps(state, ensure_ascii=False, sort_keys=True))


def _file(path: str, text: str) -> bytes:
    content = text.encode("utf-8", "replace")
    return f"M 100644 inline {path}\ndata {len(content)}\n".encode() + content + b"\n"
