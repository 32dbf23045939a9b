"""What differs between two states of a repository, and what stood at a place of it then: read from its mirror, under a permit.

The permit is asked of documents, of which a repository has one for each path. A file's lines are told only where the permit
covers the document at its path (and at the path that it was moved from); of all other files nothing is told, not even that there
are any, and of commits only those that touch a file that may be told of, and none that is kept from the reader: the message of a
commit tells of all that it touches. What never was a document, or is one no more, is kept from whom the rule of its path holds
back.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

from sqlalchemy.orm import Session

from rag.access.path_rules import kept_from, told_at
from rag.access.personal_data.reading import HistoryView, history_view
from rag.domain.anchor import LineAnchor
from rag.domain.code import FileChange
from rag.domain.errors import DocumentNotFound, InvalidRequest
from rag.domain.principal import Permit
from rag.mirrors import comparing
from rag.mirrors.keeping import standing_for
from rag.mirrors.mirror import Commit, Mirror, mirror_at
from rag.store import repository as repositories
from rag.store import repository_commits
from rag.store.repository import Repository
from rag.store.repository_documents import PathDocument, lies_at
from rag.store.session import Database

MOST_FILES = 2000
"""Files of a comparison that are told of; their commits are looked for by these paths."""
_MOST_COMMITS = 200
_PATCH = 60_000
_PATCHES = 2_000_000
"""Characters of one patch, and of all together."""
_MOST_BYTES = 5 << 20
"""Of a file at a commit; a longer one is no text that anybody reads here."""


@dataclass(frozen=True, slots=True)
class State:
    """A state of a repository: how it was asked for, and its commit."""

    name: str
    commit: str


@dataclass(frozen=True, slots=True)
class ChangedFile:
    """A file that differs, and the document that it is, or was.

    Attributes:
        moved: whether it is told as new, and came from where the reader may be told of nothing. Not for the reader.
    """

    change: FileChange
    document: PathDocument
    moved: bool = False

    @property
    def weight(self) -> tuple[bool, int]:
        """Less is more of a change: the lines of a file that only lies elsewhere now are all new, and nobody wrote them."""
        return self.moved, -self.change.added - self.change.removed


@dataclass(frozen=True, slots=True)
class Comparison:
    """What differs between two states, as far as the permit covers it.

    Attributes:
        collection: its name.
        files: by path.
        commits: that touch one of them and are in the later state and not in the earlier one, newest first.
        more_files, more_commits: whether there are others that the permit covers.
        paths: the files and folders that it is about; everything when empty.
    """

    repository_id: UUID
    repository: str
    collection_id: UUID
    collection: str
    before: State
    after: State
    files: tuple[ChangedFile, ...]
    commits: tuple[Commit, ...] = ()
    more_files: bool = False
    more_commits: bool = False
    paths: tuple[str, ...] = ()

    @property
    def documents(self) -> tuple[UUID, ...]:
        """The documents of which it tells."""
        return tuple(dict.fromkeys(item.document.document_id for item in self.files))

    def key_of(self, path: str) -> str:
        """The source key of a file."""
        return f"{self.repository}/{path}"


@dataclass(frozen=True, slots=True)
class FileLines:
    """Lines of a file at a commit.

    Attributes:
        anchor: the lines that were asked for.
        shown: those of `lines`, which may stand around them.
        total: how many the file has.
    """

    repository: str
    path: str
    state: State
    anchor: LineAnchor
    shown: LineAnchor
    lines: tuple[str, ...]
    total: int
    document: PathDocument


@dataclass(frozen=True, slots=True)
class CommitText:
    """A commit, and those of the paths that it touches that the permit covers."""

    repository: str
    commit: Commit
    paths: tuple[str, ...]
    documents: tuple[UUID, ...]


@dataclass(frozen=True, slots=True)
class _Opened:
    """A repository that the permit covers, with its mirror."""

    row: Repository
    mirror: Mirror
    view: HistoryView
    collection: str = ""

    def state(self, name: str, *, named_by: Collection[str] = ()) -> State:
        """The state of a name, as `comparing.state` finds it.

        Raises:
            RefNotFound: there is none.
        """
        return State(*comparing.state(self.mirror, name, indexed=self.row.commit, named_by=named_by))


@dataclass(frozen=True, slots=True)
class History:
    """Reads the history of repositories. Thread-safe; every method reads files and runs git, so none is for the event loop.

    Attributes:
        mirrors: folder of the mirrors.
    """

    database: Database
    mirrors: Path

    def compare(
        self,
        permit: Permit,
        repository_id: UUID,
        before: str,
        after: str,
        *,
        path: str | Sequence[str] = "",
        patches: int = MOST_FILES,
    ) -> Comparison:
        """What differs between two branches, tags or commits.

        Args:
            path: a file or folder, or several; everything when empty.
            patches: for so many files, from the most changed on, the lines that changed are read as well.

        Raises:
            RepositoryNotFound: the permit does not cover it.
            RefNotFound: one of the two is not there.
            RepositoryNotRead: git can't read it.
        """
        inside = tuple(item for item in ((path,) if isinstance(path, str) else path) if item.strip("/"))
        with self.database.read() as session:
            opened = self._opened(session, permit, repository_id)
            first, last = opened.state(before), opened.state(after or opened.row.commit)
            changes = [item for item in opened.mirror.changes(first.commit, last.commit) if _within(item, inside)]
            documents = told_at(session, permit, opened.row, [p for item in changes for p in _paths(item)])
            named = {path for path in documents if opened.view.name(path) == path}
            new = _new_to_all(session, permit, opened, changes, named)
        told = [item for item in changes if all(p in named for p in _paths(item))]
        # `changes` were looked at by where they came from, too: nobody learns that by asking for it.
        new = [item for item in new if not inside or _within(FileChange(item.path, "added", 0, 0), inside)]
        told += comparing.as_added(opened.mirror, first.commit, last.commit, new, counted=MOST_FILES)
        told.sort(key=lambda item: item.path)
        moved = {item.path for item in new}
        files = [ChangedFile(item, documents[item.path], item.path in moved) for item in told[:MOST_FILES]]
        files = self._with_patches(opened, first, last, files, patches)
        commits = self._commits(permit, opened, first, last, [p for item in files for p in _paths(item.change)])
        return Comparison(
            opened.row.id,
            opened.row.name,
            opened.row.collection_id,
            opened.collection,
            first,
            last,
            tuple(files),
            tuple(commits[:_MOST_COMMITS]),
            len(told) > MOST_FILES,
            len(commits) > _MOST_COMMITS,
            inside,
        )

    def is_path(self, permit: Permit, repository_id: UUID, path: str) -> bool:
        """Whether a document that the permit covers lies at this path of a repository, or below it."""
        with self.database.read() as session:
            row = repositories.get_permitted(session, permit, repository_id)
            return lies_at(session, permit, row, path)

    def file(
        self,
        permit: Permit,
        repository_id: UUID,
        path: str,
        *,
        commit: str = "",
        first: int = 1,
        last: int | None = None,
        around: int = 0,
    ) -> FileLines:
        """Lines of a file at a branch, tag or commit; at the commit that the index holds when none is given.

        A commit that a forced push took away opens for the files alone whose versions on record name it.

        Args:
            around: lines before and after them that are shown, too.

        Raises:
            RepositoryNotFound, RefNotFound: as in `compare`.
            DocumentNotFound: there is no such file then, or the permit does not cover it: the caller can't tell which.
            InvalidRequest: it has no such lines.
        """
        if "\0" in path:  # which neither a database nor git can take
            raise DocumentNotFound(name=path.replace("\0", "?"))
        with self.database.read() as session:
            opened = self._opened(session, permit, repository_id)
            document = told_at(session, permit, opened.row, [path]).get(path)
            own = repository_commits.of_path(session, opened.row, path)
        if document is None:
            raise DocumentNotFound(name=path)
        at = opened.state(commit or opened.row.commit, named_by=own)
        root = standing_for(opened.mirror, at.commit) if at.commit in own else at.commit
        content = opened.mirror.file(root, path, most=_MOST_BYTES)
        text = None if content is None else opened.view.text(decoded(content))
        if text is None:
            raise DocumentNotFound(name=path)
        lines = text.removesuffix("\n").split("\n")
        end = len(lines) if last is None else last
        if not 1 <= first <= end <= len(lines):
            raise InvalidRequest(
                detail=f"first, last: it has lines 1-{len(lines)}",
                detail_ko=f"first, last: 이 파일의 줄은 1-{len(lines)}입니다",
            )
        shown = LineAnchor(max(1, first - around), min(len(lines), end + around))
        told = tuple(lines[shown.first - 1 : shown.last])
        return FileLines(opened.row.name, path, at, LineAnchor(first, end), shown, told, len(lines), document)

    def commit(self, permit: Permit, repository_id: UUID, commit: str) -> CommitText:
        """A commit, if it touches a file that the permit covers.

        Raises:
            RepositoryNotFound, RefNotFound: as in `compare`; a commit that touches nothing that the permit covers, or anything
                that it keeps from the reader, is not there.
        """
        with self.database.read() as session:
            opened = self._opened(session, permit, repository_id)
            found = opened.state(commit).commit
            paths = comparing.touched(opened.mirror, [found]).get(found, ())
            documents = told_at(session, permit, opened.row, paths)
            whole = bool(documents) and not kept_from(session, permit, opened.row, paths)
        told = next(iter(self._shown(opened, opened.mirror.log(found, limit=1))), None) if whole else None
        if told is None:
            raise comparing.unknown(opened.mirror, commit)
        shown = tuple(path for path in paths if path in documents)
        return CommitText(
            opened.row.name,
            told,
            tuple(opened.view.name(path) for path in shown),
            tuple(documents[path].document_id for path in shown),
        )

    def repositories(self, permit: Permit) -> list[tuple[UUID, str, str, Mirror]]:
        """Id, name, commit that the index holds, and mirror of each repository that the permit covers and that was fetched."""
        with self.database.read() as session:
            rows = repositories.of_reader(session, permit)
            found = [(row.id, row.name, row.commit, mirror_at(self.mirrors, row.id, row.name)) for row in rows]
        return [item for item in found if item[3].exists]

    def mirror(self, repository_id: UUID, name: str) -> Mirror:
        """The mirror of a repository; for what a comparison under a permit has given already."""
        return mirror_at(self.mirrors, repository_id, name)

    def _opened(self, session: Session, permit: Permit, repository_id: UUID) -> _Opened:
        row = repositories.get_permitted(session, permit, repository_id)
        view = history_view(session, permit, row.collection_id)
        name = repositories.collection_name(session, row)
        return _Opened(row, mirror_at(self.mirrors, row.id, row.name), view, name)

    def _with_patches(
        self, opened: _Opened, first: State, last: State, files: Sequence[ChangedFile], most: int
    ) -> list[ChangedFile]:
        """The files with their patches as the principal may see them, from the most changed on until there are enough."""
        by_size = [item.change for item in sorted(files, key=lambda item: (item.weight, item.change.path))]
        read = comparing.patches(opened.mirror, first.commit, last.commit, by_size[:most], most=_PATCH)
        left, shown = _PATCHES, dict[str, FileChange]()
        for change in read:
            text = opened.view.text(change.patch) if len(change.patch) <= left else None
            left -= len(text or "")
            shown[change.path] = change.with_patch(text or "", cut=change.cut or text is None)
        return [ChangedFile(shown.get(item.change.path, item.change), item.document, item.moved) for item in files]

    def _commits(
        self, permit: Permit, opened: _Opened, first: State, last: State, paths: Sequence[str]
    ) -> list[Commit]:
        if not paths:
            return []
        found = opened.mirror.log(last.commit, since=first.commit, limit=_MOST_COMMITS + 1, paths=paths)
        touched = comparing.touched(opened.mirror, [item.hash for item in found])
        with self.database.read() as session:
            every = dict.fromkeys(path for paths in touched.values() for path in paths)
            held = kept_from(session, permit, opened.row, list(every))
        whole = [item for item in found if item.hash in touched and held.isdisjoint(touched[item.hash])]
        return self._shown(opened, whole)

    def _shown(self, opened: _Opened, commits: Sequence[Commit]) -> list[Commit]:
        """Commits as the principal may see them; one whose message the policy holds back is left out."""
        view = opened.view
        texts = [(item, view.text(item.message)) for item in commits]
        return [item._replace(author=view.name(item.author), message=text) for item, text in texts if text is not None]


def decoded(content: bytes) -> str:
    """The text of a file, with one kind of line break."""
    lines = content.removeprefix(b"\xef\xbb\xbf").replace(b"\r\n", b"\n").replace(b"\r", b"\n").split(b"\n")
    return "\n".join(comparing.text_of(line) for line in lines)


def _new_to_all(
    session: Session, permit: Permit, opened: _Opened, changes: Sequence[FileChange], named: Collection[str]
) -> list[FileChange]:
    """Files that came from a path at which there never was a document, as of all that was moved before the first look: the reader
    may be told of what they are now, and of nothing that they were."""
    moved = [item for item in changes if item.path in named and item.before and item.before not in named]
    kept = kept_from(session, permit, opened.row, [item.before for item in moved])
    return [item for item in moved if item.before not in kept]


def _paths(change: FileChange) -> tuple[str, ...]:
    """The names of a changed file: both of one that was moved."""
    return (change.path, change.before) if change.before else (change.path,)


def _within(change: FileChange, paths: Sequence[str]) -> bool:
    folders = [path.strip("/") for path in paths]
    return not folders or any(
        name == folder or name.startswith(f"{folder}/") for folder in folders for name in _paths(change)
    )
