"""Reads issues, merge and pull requests from files: a GitLab project export, or answers of the API of GitHub or Gitea.

project.json-export/tree/project/issues.ndjson          GitLab: an object a line, comments inside
issues.json, issues-2.json, pulls.json, comments.json   GitHub, Gitea: lists as `GET /repos/…/issues` and so on answer
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from ingest.connectors.history_items import Comment, Kind, Talk, github_comments, github_talk, gitlab_talk
from rag.domain.errors import RepositoryNotRead

_LINES: dict[str, Kind] = {"issues.ndjson": "issue", "merge_requests.ndjson": "merge request"}
_LISTS = ("issues", "pulls", "pull_requests")
_COMMENTS = ("comments", "issue_comments")
_MAX_LINE = 32 << 20
_MAX_FILE = 512 << 20
_DEEPEST = 6


def exported_talks(folder: Path, name: str, *, confidential: bool) -> Iterator[Talk]:
    """What an export holds, each number of a kind once.

    Args:
        folder: inside the roots of the settings, by its real path.

    Raises:
        RepositoryNotRead: there is no export, or a file of it is not what its name says.
    """
    files = _files(folder)
    if not files:
        raise RepositoryNotRead(name=name, detail="the folder of history.export holds no issues and no requests")
    comments = _comments(files, name)
    found: dict[str, Talk] = {}
    for file in files:
        for talk in _talks(file, name):
            if confidential or not talk.confidential:
                own = comments.get(talk.number, ()) if file.suffix == ".json" else ()
                found[talk.path] = talk.with_comments(own) if own else talk
    yield from found.values()


def _files(folder: Path) -> list[Path]:
    """The files of an export below a folder, sorted; no link leads out of it."""
    found = []
    for path, folders, names in os.walk(folder):
        here = Path(path)
        if len(here.relative_to(folder).parts) >= _DEEPEST:
            folders.clear()
        for name in names:
            file = here / name
            known = name in _LINES or (name.endswith(".json") and _list_name(file) in (*_LISTS, *_COMMENTS))
            if known and not file.is_symlink() and file.is_file():
                found.append(file)
    return sorted(found)


def _list_name(file: Path) -> str:
    """`issues` for `issues-2.json`."""
    return file.stem.rstrip("0123456789").rstrip("-_.")


def _talks(file: Path, name: str) -> Iterator[Talk]:
    if kind := _LINES.get(file.name):
        for data in _of_lines(file, name):
            if (talk := gitlab_talk(data, kind)) is not None:
                yield talk
    elif _list_name(file) in _LISTS:
        for data in _of_list(file, name):
            if (talk := github_talk(data)) is not None:
                yield talk


def _comments(files: list[Path], name: str) -> dict[int, tuple[Comment, ...]]:
    """Comments by the number of the issue or request that their address ends with."""
    found: dict[int, list[Mapping[str, Any]]] = {}
    for file in files:
        if file.suffix == ".json" and _list_name(file) in _COMMENTS:
            for data in _of_list(file, name):
                address = data.get("issue_url") or data.get("pull_request_url")
                number = str(address or "").rpartition("/")[2]
                if number.isdecimal():
                    found.setdefault(int(number), []).append(data)
    return {number: github_comments(items) for number, items in found.items()}


def _of_lines(file: Path, name: str) -> Iterator[Mapping[str, Any]]:
    with file.open("rb") as content:
        while line := content.readline(_MAX_LINE + 1):
            if len(line) > _MAX_LINE:
                raise RepositoryNotRead(name=name, detail=f"{file.name}: a line of more than 32 MB")
            if line.strip():
                data = _parsed(line, file, name)
                if isinstance(data, Mapping):
                    yield data


def _of_list(file: Path, name: str) -> Iterator[Mapping[str, Any]]:
    if file.stat().st_size > _MAX_FILE:
        raise RepositoryNotRead(name=name, detail=f"{file.name}: more than 512 MB; cut it into several")
    data = _parsed(file.read_bytes(), file, name)
    yield from (item for item in (data if isinstance(data, list) else [data]) if isinstance(item, Mapping))


def _parsed(raw: bytes, file: Path, name: str) -> Any:
    try:
        return json.loads(raw)
    except (ValueError, RecursionError):
        raise RepositoryNotRead(name=name, detail=f"{file.name}: not valid JSON") from None
