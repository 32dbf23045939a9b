"""Which files a model was: told by a digest that costs milliseconds, so that other weights in the same folder show."""

from __future__ import annotations

import hashlib
from functools import lru_cache
from pathlib import Path

_EDGE = 1 << 20
"""Bytes that are read of a large file at each end: weights that were trained on differ everywhere, and reading all of some
gigabytes would hold up every start."""
_HEX = 32

Listing = tuple[tuple[str, int, int], ...]
"""Name below the folder, bytes and time of the last change of each file, sorted."""


_ABOUT = frozenset({".md", ".pdf", ".png", ".jpg", ".jpeg", ".gif", ".svg", ".webp"})
_ABOUT_NAMES = frozenset({"license", "notice", "readme"})
"""Files that tell people of a model, by ending and by name without one: it computes the same with others, or with none."""


def fingerprint(folder: Path) -> str:
    """32 hex digits of a SHA-256 over names and sizes of a model's files, the whole of small ones (configuration, tokenizer) and
    the first and last MiB of large ones. Files and folders that begin with a dot are none of the model's."""
    folder = folder.resolve()
    return _digest(folder, _listing(folder))


def computing_fingerprint(folder: Path) -> str:
    """The same over what a model computes with alone: a new model card does not make another model of it."""
    folder = folder.resolve()
    return _digest(folder, tuple(item for item in _listing(folder) if not _is_about(Path(item[0]))))


def _is_about(name: Path) -> bool:
    return name.suffix.lower() in _ABOUT or name.stem.lower() in _ABOUT_NAMES


def _listing(folder: Path) -> Listing:
    found: list[tuple[str, int, int]] = []
    for path in folder.rglob("*"):
        name = path.relative_to(folder)
        if not any(part.startswith(".") for part in name.parts) and path.is_file():
            stat = path.stat()
            found.append((name.as_posix(), stat.st_size, stat.st_mtime_ns))
    return tuple(sorted(found))


@lru_cache(64)
def _digest(folder: Path, listing: Listing) -> str:
    """Read once for a folder as it stands."""
    digest = hashlib.sha256()
    for name, size, _ in listing:
        digest.update(f"{len(name)}:{name}:{size}\n".encode("utf-8", "surrogateescape"))
        with (folder / name).open("rb") as file:
            digest.update(file.read(_EDGE))
            if size > _EDGE:
                file.seek(max(_EDGE, size - _EDGE))
                digest.update(file.read(_EDGE))
    return digest.hexdigest()[:_HEX]
