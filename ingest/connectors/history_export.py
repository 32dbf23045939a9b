"""Reads issues, merge and pull requests from files: a GitLab project export, or answers of the API of GitLab, GitHub or Gitea.

project.json-export/tree/project/issues.ndjson          GitLab: an object a line, comments inside
issues.json, issues-2.json, pulls.json, comments.json   GitHub, Gitea: lists as `GET /repos/…/issues` and so on answer
issues.json, merge_requests.json                        GitLab: lists as `GET /projects/…/issues` and so on answer

They lie in a folder, or in a `.tar.gz` as GitLab gives it, which is read in one pass and never unpacked to disk.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePath
from typing import IO, Any

from ingest.connectors.history_archive import Bounds, members_of
from ingest.connectors.history_items import Comment, Kind, Talk, github_comments, github_talk, gitlab_talk
from rag.domain.errors import RepositoryNotRead

_LINES: dict[str, Kind] = {"issues.ndjson": "issue", "merge_requests.ndjson": "merge request"}
_LISTS: dict[str, Kind] = {
    "issues": "issue",
    "merge_requests": "merge request",
    "pulls": "pull request",
    "pull_requests": "pull request",
}
"""What a list of GitLab's API holds; of one of the others each entry says it."""
_COMMENTS = ("comments", "issue_comments")
_MAX_LINE = 32 << 20
_MAX_FILE = 512 << 20
_DEEPEST = 6
_UPLOADS = "uploads"
"""Where GitLab's export has what people attached."""
_ENDINGS = (".tar.gz", ".tgz")


@dataclass(slots=True)
class _Read:
    """What the files of an export hold.

    Attributes:
        talks: by the path of their file.
        comments: of lists beside the issues, by the number of the issue or request that their address ends with.
        unknown: names of files that hold something, and no issue or request.
    """

    name: str
    talks: dict[PurePath, list[Talk]] = field(default_factory=dict)
    comments: dict[int, list[Mapping[str, Any]]] = field(default_factory=dict)
    unknown: list[str] = field(default_factory=list)

    def take(self, path: PurePath, size: int, content: IO[bytes]) -> None:
        """Read one file; `path` is the one inside the export."""
        if kind := _LINES.get(path.name):
            self._take(path, (gitlab_talk(data, kind) for data in _of_lines(path, content, self.name)))
            return
        items = _of_list(path, size, content, self.name)
        if (listed := _LISTS.get(_list_name(path))) is not None:
            self._take(path, (gitlab_talk(data, listed) if "iid" in data else github_talk(data) for data in items))
            return
        for data in items:
            address = data.get("issue_url") or data.get("pull_request_url")
            number = str(address or "").rpartition("/")[2]
            if number.isdecimal():
                self.comments.setdefault(int(number), []).append(data)

    def _take(self, path: PurePath, read: Iterator[Talk | None]) -> None:
        """Keep the issues and requests of a file; what has no number is none."""
        given = list(read)
        self.talks[path] = [talk for talk in given if talk is not None]
        if given and not self.talks[path]:
            if path.name in _LINES:  # nobody else's file is called so: without it what it had would be taken for gone
                raise RepositoryNotRead.because("export_unknown", name=self.name, file=path.name)
            self.unknown.append(path.name)


def exported_talks(place: Path, name: str, *, confidential: bool, bounds: Bounds) -> Iterator[Talk]:
    """What an export holds, each number of a kind once.

    Args:
        place: a folder or an archive inside the roots of the settings, by its real path.

    Raises:
        RepositoryNotRead: there is no export, or a file of it can't be read, or what it holds is no issue or request anywhere, or
            an archive is more than `bounds`.
    """
    read = _Read(name)
    if place.is_dir():
        for file in _files(place):
            with file.open("rb") as content:
                read.take(file.relative_to(place), file.stat().st_size, content)
    elif place.name.endswith(_ENDINGS) and place.is_file():
        for member in members_of(place, _is_known, bounds, name):
            read.take(member.path, member.size, member.content)
    else:
        raise RepositoryNotRead.because("archive_kind" if place.exists() else "export_empty", name=name)
    if not read.talks and not read.comments:
        raise RepositoryNotRead.because("export_empty", name=name)
    if read.unknown and not any(read.talks.values()):
        raise RepositoryNotRead.because("export_unknown", name=name, file=read.unknown[0])
    comments: dict[int, tuple[Comment, ...]] = {n: github_comments(items) for n, items in read.comments.items()}
    found: dict[str, Talk] = {}
    for path in sorted(read.talks):
        for talk in read.talks[path]:
            if confidential or not talk.confidential:
                own = comments.get(talk.number, ()) if path.suffix == ".json" else ()
                found[talk.path] = talk.with_comments(own) if own else talk
    yield from found.values()


def _files(folder: Path) -> list[Path]:
    """The files of an export below a folder, sorted; no link leads out of it."""
    found = []
    for path, folders, names in os.walk(folder):
        here = Path(path)
        if len(here.relative_to(folder).parts) >= _DEEPEST:
            folders.clear()
        files = (here / name for name in names)
        found += [
            file for file in files if _is_known(file.relative_to(folder)) and not file.is_symlink() and file.is_file()
        ]
    return sorted(found)


def _is_known(path: PurePath) -> bool:
    """Whether a file of an export is read, by its path inside. What people attached may be called anything."""
    if len(path.parts) > _DEEPEST + 1 or _UPLOADS in path.parts[:-1]:
        return False
    return path.name in _LINES or (path.suffix == ".json" and _list_name(path) in (*_LISTS, *_COMMENTS))


def _list_name(file: PurePath) -> str:
    """`issues` for `issues-2.json`."""
    return file.stem.rstrip("0123456789").rstrip("-_.")


def _of_lines(file: PurePath, content: IO[bytes], name: str) -> Iterator[Mapping[str, Any]]:
    while line := content.readline(_MAX_LINE + 1):
        if len(line) > _MAX_LINE:
            raise RepositoryNotRead.because("export_line", name=name, file=file.name, limit_mb=_MAX_LINE >> 20)
        if line.strip():
            data = _parsed(line, file, name)
            if isinstance(data, Mapping):
                yield data


def _of_list(file: PurePath, size: int, content: IO[bytes], name: str) -> Iterator[Mapping[str, Any]]:
    if size > _MAX_FILE:
        raise RepositoryNotRead.because("export_file", name=name, file=file.name, limit_mb=_MAX_FILE >> 20)
    data = _parsed(content.read(), file, name)
    yield from (item for item in (data if isinstance(data, list) else [data]) if isinstance(item, Mapping))


def _parsed(raw: bytes, file: PurePath, name: str) -> Any:
    try:
        return json.loads(raw)
    except (ValueError, RecursionError):
        raise RepositoryNotRead.because("export_json", name=name, file=file.name) from None
