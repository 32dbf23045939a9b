"""What `seogo doctor` looks at around repositories: git and OpenSSH. Lines are check, status, detail, advice."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator

from api.cli.doctor_models import Line
from api.cli.doctor_texts import text
from rag.mirrors import git

Version = Callable[[], tuple[int, ...] | None]


def git_lines(version: Version = git.version, find: Callable[[str], str | None] = shutil.which) -> Iterator[Line]:
    """Whether repositories can be fetched, and over SSH too."""
    found, oldest = version(), ".".join(map(str, git.OLDEST))
    if found is None:
        yield "git", "warning", text("git_missing"), text("git_missing_advice", oldest=oldest)
    else:
        old = found < git.OLDEST
        advice = text("git_old_advice", oldest=oldest) if old else ""
        yield "git", "warning" if old else "ok", ".".join(map(str, found)), advice
    ssh = find("ssh")
    yield "ssh", "ok" if ssh else "warning", ssh or text("ssh_missing"), "" if ssh else text("ssh_advice")
