"""Secrets come from files that nobody else can read."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from urllib.parse import quote, urlsplit, urlunsplit

from rag.domain.errors import ConfigurationError

_LONGEST = 16_384


def read_secret(file: Path) -> str:
    """The secret in `file`, without white space around it.

    Raises:
        ConfigurationError: it can't be read, is empty or far too long, or others can read it. Says how to mend it.
    """
    try:
        descriptor = os.open(file, os.O_RDONLY | os.O_CLOEXEC)
    except OSError as error:
        raise ConfigurationError(detail=f"{file}: {error.strerror}") from error
    try:
        _require_private(file, os.fstat(descriptor))  # of what was opened: the name may stand for another file by now
        raw = os.read(descriptor, _LONGEST + 1)
    finally:
        os.close(descriptor)
    try:
        secret = raw.decode("utf-8").strip()
    except UnicodeDecodeError:
        secret = ""
    if not secret or len(raw) > _LONGEST:
        raise ConfigurationError(detail=f"{file}: expected a secret as text")
    return secret


def _require_private(file: Path, found: os.stat_result) -> None:
    if not stat.S_ISREG(found.st_mode):
        raise ConfigurationError(detail=f"{file}: expected a file")
    if found.st_mode & stat.S_IRWXO or found.st_mode & stat.S_IWGRP:
        mode = stat.S_IMODE(found.st_mode)
        raise ConfigurationError(
            detail=f"{file} holds a secret and its mode is {mode:04o}: others can read or change it. Run: chmod 600 {file}"
            " (of a secret that Docker or Kubernetes mounts: mode or defaultMode 0400)"
        )


def with_password(url: str, file: Path | None) -> str:
    """A database's address, the password of `file` put into it for whoever connects; never shown and never kept.

    Raises:
        ConfigurationError: the file holds no secret, or the address names no user whose password it could be.
    """
    if file is None:
        return url
    parts = urlsplit(url)
    user, at, host = parts.netloc.rpartition("@")
    if not at or ":" in user:
        raise ConfigurationError(detail=f"{file}: the address of the database must name a user, and no password")
    return urlunsplit(parts._replace(netloc=f"{user}:{quote(read_secret(file), safe='')}@{host}"))
