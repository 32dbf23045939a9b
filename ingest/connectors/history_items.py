"""Issues, merge and pull requests as documents: what GitLab, GitHub and Gitea say of them, in one form, written as Markdown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal, NamedTuple

from ingest.connectors.repository_options import HISTORY
from rag.domain.access import GivenRule

Kind = Literal["issue", "merge request", "pull request"]
_FOLDERS: dict[Kind, str] = {"issue": "issues", "merge request": "merge_requests", "pull request": "pull_requests"}
_LONGEST_TITLE = 300
_LONGEST_TEXT = 200_000
"""Characters of one text or comment; a log that somebody pasted is cut here."""
_MOST_COMMENTS = 2000
_BEGINNING = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class HistoryItem:
    """A document of a repository's history.

    Attributes:
        path: inside the repository: `.history/issues/123.md`.
        text: Markdown.
        updated: when it last changed where it comes from.
        access: who may read it; None leaves that to the collection.
    """

    path: str
    text: str
    updated: datetime
    access: GivenRule | None = None


class Comment(NamedTuple):
    """What somebody said on an issue or request."""

    author: str
    when: datetime | None
    text: str


@dataclass(frozen=True, slots=True)
class Talk:
    """An issue, or a merge or pull request.

    Attributes:
        number: as people cite it: `#123`, `!45`.
        state: `open`, `closed` or `merged`.
        confidential: whether its project shows it to few.
        answers: how many comments its server says that it has; None where it does not say.
    """

    kind: Kind
    number: int
    title: str
    state: str
    author: str
    opened: datetime | None
    updated: datetime
    closed: datetime | None = None
    labels: tuple[str, ...] = ()
    text: str = ""
    comments: tuple[Comment, ...] = ()
    confidential: bool = False
    answers: int | None = None
    branches: str = ""

    @property
    def path(self) -> str:
        """The name of its document inside the repository."""
        return f"{HISTORY}/{_FOLDERS[self.kind]}/{self.number}.md"

    def with_comments(self, comments: Sequence[Comment]) -> Talk:
        """The same with these comments."""
        return Talk(
            self.kind, self.number, self.title, self.state, self.author, self.opened, self.updated, self.closed,
            self.labels, self.text, tuple(comments), self.confidential, self.answers, self.branches,
        )  # fmt: skip

    def item(self, access: GivenRule | None = None) -> HistoryItem:
        """Its document."""
        sign = "!" if self.kind == "merge request" else "#"
        # The title as text, too: a heading is searched and never quoted.
        told = [f"{self.kind.capitalize()} {sign}{self.number} · {self.title}", f"state: {self.state}"]
        told += [f"author: {self.author}"] if self.author else []
        told += [
            f"{word}: {when:%Y-%m-%d}" for word, when in (("opened", self.opened), ("closed", self.closed)) if when
        ]
        told += [f"labels: {', '.join(self.labels)}"] if self.labels else []
        told += [f"branches: {self.branches}"] if self.branches else []
        parts = [f"# {self.title} ({sign}{self.number})", " · ".join(told)]
        parts += [self.text] if self.text else []
        for comment in self.comments[:_MOST_COMMENTS]:
            when = f", {comment.when:%Y-%m-%d}" if comment.when else ""
            parts += [f"## {comment.author or 'Comment'}{when}", comment.text]
        if len(self.comments) > _MOST_COMMENTS:
            parts.append(f"({len(self.comments) - _MOST_COMMENTS} more comments)")
        return HistoryItem(self.path, "\n\n".join(parts) + "\n", self.updated, access)


def gitlab_talk(data: Mapping[str, Any], kind: Kind) -> Talk | None:
    """An issue or merge request of GitLab's API (v4) or of a line of its export; None when it is neither."""
    number = data.get("iid")
    if not isinstance(number, int) or number < 1:
        return None
    notes = data.get("notes")
    source, target = data.get("source_branch"), data.get("target_branch")
    return Talk(
        kind=kind,
        number=number,
        title=_title(data.get("title")),
        state={"opened": "open", "reopened": "open"}.get(str(data.get("state")), str(data.get("state") or "open")[:20]),
        author=_name(data.get("author")),
        opened=moment(data.get("created_at")),
        updated=moment(data.get("updated_at")) or _BEGINNING,
        closed=moment(data.get("merged_at")) or moment(data.get("closed_at")),
        labels=_labels(data.get("labels") or data.get("label_links")),
        text=_text(data.get("description")),
        comments=gitlab_comments(notes) if isinstance(notes, list) else (),
        confidential=data.get("confidential") is True,
        answers=data["user_notes_count"] if isinstance(data.get("user_notes_count"), int) else None,
        branches=f"{source} → {target}" if isinstance(source, str) and isinstance(target, str) else "",
    )


def gitlab_comments(notes: Sequence[Any]) -> tuple[Comment, ...]:
    """Notes by people that whoever sees the issue sees."""
    return tuple(
        Comment(_name(note.get("author")), moment(note.get("created_at")), _text(note.get("note") or note.get("body")))
        for note in notes
        if isinstance(note, Mapping)
        and not any(note.get(flag) is True for flag in ("system", "internal", "confidential"))
        and _text(note.get("note") or note.get("body"))
    )


def github_talk(data: Mapping[str, Any]) -> Talk | None:
    """An issue or pull request of the API of GitHub (v3) or Gitea (v1), which call both issues; None when it is neither."""
    number = data.get("number")
    if not isinstance(number, int) or number < 1:
        return None
    request = data.get("pull_request")
    is_request = isinstance(request, Mapping) or isinstance(data.get("head"), Mapping)
    merged = moment((request if isinstance(request, Mapping) else data).get("merged_at"))
    head, base = data.get("head"), data.get("base")
    return Talk(
        kind="pull request" if is_request else "issue",
        number=number,
        title=_title(data.get("title")),
        state="merged" if merged or data.get("merged") is True else str(data.get("state") or "open")[:20],
        author=_name(data.get("user")),
        opened=moment(data.get("created_at")),
        updated=moment(data.get("updated_at")) or _BEGINNING,
        closed=merged or moment(data.get("closed_at")),
        labels=_labels(data.get("labels")),
        text=_text(data.get("body")),
        answers=data["comments"] if isinstance(data.get("comments"), int) else None,
        branches=(
            f"{head.get('ref')} → {base.get('ref')}" if isinstance(head, Mapping) and isinstance(base, Mapping) else ""
        ),
    )


def github_comments(comments: Sequence[Any]) -> tuple[Comment, ...]:
    """Comments on an issue or pull request."""
    return tuple(
        Comment(_name(item.get("user")), moment(item.get("created_at")), _text(item.get("body")))
        for item in comments
        if isinstance(item, Mapping) and _text(item.get("body"))
    )


def moment(value: object) -> datetime | None:
    """A moment as these servers write it; None for anything else."""
    if not isinstance(value, str):
        return None
    try:
        found = datetime.fromisoformat(value.replace(" UTC", "+00:00"))
    except ValueError:
        return None
    return (found if found.tzinfo is not None else found.replace(tzinfo=UTC)).astimezone(UTC)


def _title(value: object) -> str:
    return " ".join(value.split())[:_LONGEST_TITLE] if isinstance(value, str) and value.strip() else "(no title)"


def _text(value: object) -> str:
    return value.replace("\r\n", "\n").strip()[:_LONGEST_TEXT] if isinstance(value, str) else ""


def _name(value: object) -> str:
    """How somebody is called: `username` of GitLab, `login` of the others; of an export only the name."""
    if not isinstance(value, Mapping):
        return ""
    found = next((value[key] for key in ("username", "login", "name") if isinstance(value.get(key), str)), "")
    return " ".join(str(found).split())[:100]


def _labels(value: object) -> tuple[str, ...]:
    """Names (GitLab's API), or objects with a name or title, by themselves or below `label` (its export)."""
    found: list[str] = []
    for item in value if isinstance(value, list) else ():
        inner = item.get("label", item) if isinstance(item, Mapping) else item
        name = (inner.get("name") or inner.get("title")) if isinstance(inner, Mapping) else inner
        if isinstance(name, str) and name.strip():
            found.append(" ".join(name.split())[:100])
    return tuple(found[:50])
