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
        detail_ko = f"{file}: 파일을 열 수 없습니다({error.strerror})"
        raise ConfigurationError(detail=f"{file}: {error.strerror}", detail_ko=detail_ko) from error
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
        raise ConfigurationError(
            detail=f"{file}: expected a secret as text",
            detail_ko=f"{file}: 비밀값이 텍스트로 들어 있어야 합니다(최대 {_LONGEST:,}바이트)",
        )
    return secret


def _require_private(file: Path, found: os.stat_result) -> None:
    if not stat.S_ISREG(found.st_mode):
        raise ConfigurationError(detail=f"{file}: expected a file", detail_ko=f"{file}: 일반 파일이어야 합니다")
    if found.st_mode & stat.S_IRWXO or found.st_mode & stat.S_IWGRP:
        mode = stat.S_IMODE(found.st_mode)
        raise ConfigurationError(
            detail=f"{file} holds a secret and its mode is {mode:04o}: others can read or change it. Run: chmod 600 {file}"
            " (of a secret that Docker or Kubernetes mounts: mode or defaultMode 0400)",
            detail_ko=f"{file}에는 비밀값이 있는데 권한이 {mode:04o}여서 다른 사용자가 읽거나 바꿀 수 있습니다. 실행할 명령: "
            f"chmod 600 {file} (Docker나 Kubernetes가 마운트한 비밀값이면 mode 또는 defaultMode를 0400으로)",
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
        raise ConfigurationError(
            detail=f"{file}: the address of the database must name a user, and no password",
            detail_ko=f"{file}: 데이터베이스 주소에는 사용자 이름이 있고 비밀번호는 없어야 합니다",
        )
    return urlunsplit(parts._replace(netloc=f"{user}:{quote(read_secret(file), safe='')}@{host}"))
