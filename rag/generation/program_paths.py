"""Which paths a generated file may have: relative, inside their folder, and valid on every system."""

from __future__ import annotations

import re
import unicodedata

MAX_PATH = 300
"""Characters of a path."""
_MAX_NAME_BYTES = 200
_MAX_DEPTH = 20
_FORBIDDEN = frozenset('<>:"|?*\\')
_RESERVED = re.compile(r"(?:con|prn|aux|nul|com[0-9]|lpt[0-9])(?:\..*)?", re.IGNORECASE)
_PRIVATE = frozenset({".git", ".hg", ".svn", ".ssh"})
"""Folders that programs act upon by themselves: a file in `.git/hooks` would be run."""


class PathRefused(ValueError):
    """The path is not allowed; its text is a stable name of the reason."""


def checked_path(written: str) -> str:
    """The path in its one form.

    Raises:
        PathRefused: `empty`, `too_long`, `absolute`, `parent`, `characters` or `reserved`.
    """
    path = unicodedata.normalize("NFC", written.strip().strip("`'\"*").strip()).replace("\\", "/")
    path = path.removeprefix("./")
    if not path or path.endswith("/"):
        raise PathRefused("empty")
    if len(path) > MAX_PATH:
        raise PathRefused("too_long")
    if path.startswith(("/", "~")) or re.match(r"[A-Za-z]:", path):
        raise PathRefused("absolute")
    names = path.split("/")
    if len(names) > _MAX_DEPTH:
        raise PathRefused("too_long")
    for name in names:
        _check_name(name)
    return path


def _check_name(name: str) -> None:
    if name == "..":
        raise PathRefused("parent")
    if name in ("", ".") or name != name.strip() or name.endswith("."):
        raise PathRefused("characters")
    if any(char in _FORBIDDEN or unicodedata.category(char)[0] == "C" for char in name):
        raise PathRefused("characters")
    if len(name.encode()) > _MAX_NAME_BYTES:
        raise PathRefused("too_long")
    if _RESERVED.fullmatch(name) or name.lower() in _PRIVATE:
        raise PathRefused("reserved")
