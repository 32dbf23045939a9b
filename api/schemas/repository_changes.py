"""Bodies of the routes that tell of a repository's history."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from pydantic import BaseModel, Field

from rag.answering.changes import ChangedFile, CommitText, Comparison, FileLines, State
from rag.domain.passage import line_span
from rag.mirrors.mirror import Commit


class StateOut(BaseModel):
    """A state of a repository."""

    name: str = Field(description="branch or tag, or the beginning of the commit's hash", examples=["v1.4"])
    commit: str

    @classmethod
    def of(cls, state: State) -> StateOut:
        """The state as JSON."""
        return cls(name=state.name, commit=state.commit)


class CommitOut(BaseModel):
    """A commit as its author wrote it."""

    commit: str
    author: str
    at: datetime = Field(description="when its author wrote it")
    message: str

    @classmethod
    def of(cls, commit: Commit) -> CommitOut:
        """The commit as JSON."""
        return cls(commit=commit.hash, author=commit.author, at=commit.when, message=commit.message)


class ChangedFileOut(BaseModel):
    """A file that differs, which the key may read."""

    path: str = Field(description="in the repository", examples=["src/login.py"])
    before: str | None = Field(description="its path in the earlier state, where it was moved")
    document_id: UUID
    status: str = Field(examples=["added", "modified", "deleted", "renamed"])
    added: int = Field(description="lines")
    removed: int = Field(description="lines")
    patch: str | None = Field(description="unified diff; null for binary files and where none was asked for")
    cut: bool = Field(description="whether the patch was too long, and ends early or is left out")

    @classmethod
    def of(cls, file: ChangedFile) -> ChangedFileOut:
        """The file as JSON."""
        change = file.change
        return cls(
            path=change.path,
            before=change.before or None,
            document_id=file.document.document_id,
            status=change.status,
            added=change.added,
            removed=change.removed,
            patch=change.patch or None,
            cut=change.cut,
        )


class ChangesOut(BaseModel):
    """What differs between two states, as far as the key may read it: nothing else is told of, or counted."""

    repository_id: UUID
    repository: str
    before: StateOut
    after: StateOut
    files: list[ChangedFileOut] = Field(description="by path")
    more_files: bool
    commits: list[CommitOut] = Field(description="those that touch one of the files, newest first")
    more_commits: bool

    @classmethod
    def of(cls, found: Comparison) -> ChangesOut:
        """The comparison as JSON."""
        return cls(
            repository_id=found.repository_id,
            repository=found.repository,
            before=StateOut.of(found.before),
            after=StateOut.of(found.after),
            files=[ChangedFileOut.of(item) for item in found.files],
            more_files=found.more_files,
            commits=[CommitOut.of(item) for item in found.commits],
            more_commits=found.more_commits,
        )


class FileLinesOut(BaseModel):
    """Lines of a file as they stood at a commit."""

    path: str
    document_id: UUID
    ref: str = Field(description="as it was asked for: branch or tag, or the beginning of the commit's hash")
    commit: str
    first: int
    last: int
    total: int = Field(description="lines of the file")
    lines: list[str]
    marked: list[int] = Field(description="first and last line that were asked for", examples=[[10, 24]])
    place: str = Field(examples=["payments/src/login.py:10-24@abc123def456"])

    @classmethod
    def of(cls, found: FileLines) -> FileLinesOut:
        """The lines as JSON."""
        return cls(
            path=found.path,
            document_id=found.document.document_id,
            ref=found.state.name,
            commit=found.state.commit,
            first=found.shown.first,
            last=found.shown.last,
            total=found.total,
            lines=list(found.lines),
            marked=[found.anchor.first, found.anchor.last],
            place=f"{found.repository}/{found.path}:{line_span(found.anchor)}@{found.state.commit[:12]}",
        )


class CommitFilesOut(CommitOut):
    """A commit, and those of the files that it touches that the key may read."""

    repository: str
    paths: list[str]

    @classmethod
    def told(cls, found: CommitText) -> CommitFilesOut:
        """The commit as JSON."""
        told = CommitOut.of(found.commit)
        return cls(**told.model_dump(), repository=found.repository, paths=list(found.paths))
