"""What `seogo doctor` looks at around repositories: git and OpenSSH. Lines are check, status, detail, advice."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator

from api.cli.doctor_models import Line
from rag.mirrors import git

Version = Callable[[], tuple[int, ...] | None]


def git_lines(version: Version = git.version, find: Callable[[str], str | None] = shutil.which) -> Iterator[Line]:
    """Whether repositories can be fetched, and over SSH too."""
    found, oldest = version(), ".".join(map(str, git.OLDEST))
    if found is None:
        yield "git", "warning", "not installed: no repository can be read", f"install git {oldest} or newer"
    else:
        old = found < git.OLDEST
        advice = f"install git {oldest} or newer: an older one reads configuration of this machine" if old else ""
        yield "git", "warning" if old else "ok", ".".join(map(str, found)), advice
    ssh = find("ssh")
    missing = "not installed: repositories are fetched over HTTPS or from folders alone"
    yield "ssh", "ok" if ssh else "warning", ssh or missing, "" if ssh else "for SSH, install openssh-client"
