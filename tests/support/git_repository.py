"""A repository that a test writes: real git, the authors and dates fixed, nothing of the machine's configuration."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

_ENVIRONMENT = {
    "PATH": os.environ.get("PATH", os.defpath),
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_AUTHOR_NAME": "김개발",
    "GIT_AUTHOR_EMAIL": "dev@example.kr",
    "GIT_COMMITTER_NAME": "김개발",
    "GIT_COMMITTER_EMAIL": "dev@example.kr",
    "LC_ALL": "C.UTF-8",
}


@dataclass
class GitRepository:
    """A working tree in `folder`; `clock` is the second of the next commit, a minute after the one before."""

    folder: Path
    clock: int = 1_780_000_000

    @classmethod
    def new(cls, folder: Path, files: Mapping[str, str | bytes] | None = None) -> GitRepository:
        """A repository on the branch `main`, with one commit where files are given."""
        folder.mkdir(parents=True)
        made = cls(folder)
        made.git("init", "--quiet", "--initial-branch=main")
        if files:
            made.commit("처음", files)
        return made

    def git(self, *arguments: str, stdin: bytes | None = None) -> str:
        """What a command prints; a test that lets it fail fails."""
        dated = {**_ENVIRONMENT, "GIT_AUTHOR_DATE": f"{self.clock} +0900", "GIT_COMMITTER_DATE": f"{self.clock} +0900"}
        command = ["git", "-C", str(self.folder), "-c", "gc.auto=0", *arguments]
        done = subprocess.run(command, env=dated, input=stdin, capture_output=True, check=False)
        assert done.returncode == 0, done.stderr.decode()
        return done.stdout.decode().strip()

    def write(self, files: Mapping[str, str | bytes]) -> None:
        """Put files into the working tree."""
        for name, content in files.items():
            path = self.folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content.encode() if isinstance(content, str) else content)

    def commit(self, message: str, files: Mapping[str, str | bytes] | None = None) -> str:
        """The hash of a commit of all that lies in the working tree."""
        self.write(files or {})
        self.git("add", "--all", "--force")
        self.git("commit", "--quiet", "--allow-empty", "-F", "-", stdin=message.encode())
        self.clock += 60
        return self.git("rev-parse", "HEAD")

    def bare(self, folder: Path) -> Path:
        """A bare clone, as a server keeps it."""
        self.git("clone", "--quiet", "--bare", str(self.folder), str(folder))
        return folder
