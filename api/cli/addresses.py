"""Paths of the native API."""

from __future__ import annotations

from urllib.parse import quote


def at(*parts: str) -> str:
    """The path of something: `at("collections", name, "documents")`. Names hold `#`, `?` and `%` too, and stay whole."""
    return "/".join(("/api/v1", *(quote(part, safe="") for part in parts)))
