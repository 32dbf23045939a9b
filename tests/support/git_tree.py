"""Real git repositories for tests, and mirrors of them."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping
from pathlib import Path

from rag.mirrors.mirror import Mirror

_ENVIRONMENT = {
    "PATH": os.environ["PATH"],
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_AUTHOR_NAME": "홍길동",
    "GIT_AUTHOR_EMAIL": "hong@example.kr",
    "GIT_COMMITTER_NAME": "홍길동",
    "GIT_COMMITTER_EMAIL": "hong@example.kr",
    "HOME": os.devnull,
}


class GitTree:
    """A bare repository in `folder`, to which commits are added without a working tree of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._git("init", "--bare", "--quiet", "--initial-branch=main", str(folder))

    def commit(self, files: Mapping[str, bytes | str | None], message: str = "변경") -> str:
        """Commit these files on `main` (None removes one); returns the commit."""
        stream = [b"commit refs/heads/main\ncommitter hong <hong@example.kr> now\n", _data(message.encode())]
        if self._has_main():
            stream.append(b"from refs/heads/main^0\n")
        for path, content in files.items():
            if content is None:
                stream.append(f"D {path}\n".encode())
                continue
            data = content.encode() if isinstance(content, str) else content
            stream += [f"M 100644 inline {path}\n".encode(), _data(data)]
        self._git("--git-dir", str(self.folder), "fast-import", "--quiet", "--date-format=now", given=b"".join(stream))
        return self.mirror().resolve("main")

    def mirror(self) -> Mirror:
        """Reads it."""
        return Mirror(self.folder, "payments")

    def _has_main(self) -> bool:
        return bool(self.mirror().refs())

    def _git(self, *arguments: str, given: bytes = b"") -> bytes:
        done = subprocess.run(["git", *arguments], input=given, env=_ENVIRONMENT, capture_output=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout


def _data(content: bytes) -> bytes:
    return b"data %d\n%s\n" % (len(content), content)
