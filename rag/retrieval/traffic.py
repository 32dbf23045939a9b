"""Who goes first when questions and ingestion want the same processor."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

LONGEST_WAIT_S = 0.25
"""Ingestion yields so long at most, however many questions come: it must never stand still."""


class Traffic:
    """Counts the questions that are being answered; background work waits for a gap between two pieces. Thread-safe."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._open = 0
        self._quiet = threading.Event()
        self._quiet.set()

    @contextmanager
    def question(self) -> Iterator[None]:
        """While the block runs, somebody waits for an answer. May be nested."""
        with self._guard:
            self._open += 1
            self._quiet.clear()
        try:
            yield
        finally:
            with self._guard:
                self._open -= 1
                if not self._open:
                    self._quiet.set()

    def give_way(self) -> None:
        """Return when nobody waits for an answer, or after `LONGEST_WAIT_S`."""
        self._quiet.wait(LONGEST_WAIT_S)
