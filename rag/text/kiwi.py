"""The one Kiwi instance of a process: its model takes 2 s and 500 MB to load and is read-only afterwards."""

from __future__ import annotations

from threading import Lock
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from kiwipiepy import Kiwi

_LOCK = Lock()
_LOADED: list[Kiwi] = []


def shared_kiwi() -> Kiwi:
    """Kiwi with its default model, loaded at the first call. Thread-safe; so is `Kiwi.tokenize`."""
    with _LOCK:
        if not _LOADED:
            from kiwipiepy import Kiwi

            _LOADED.append(Kiwi())
        return _LOADED[0]
