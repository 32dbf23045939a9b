"""How far the reading of a file has come, and how long the rest will take."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

_KNOWN_AFTER_S = 5.0
"""A scanned page takes one to four seconds on a lane of Tesseract; this is a few of them, and all that is read twice."""

_LONG_S = 30.0
"""Longer than that nobody's document should wait for another one to be read."""


@dataclass(frozen=True, slots=True)
class ReadSoFar:
    """What is known while a file is being read.

    Attributes:
        pages: read, from the first on.
        total: pages of the file; more than none, and no fewer than were read.
        seconds: that children have worked on it; waiting for their turn is not counted.
    """

    pages: int
    total: int
    seconds: float

    @property
    def left_s(self) -> float:
        """Seconds that the other pages will take at the pace of those that were read; infinite while none was."""
        return self.seconds / self.pages * (self.total - self.pages) if self.pages else float("inf")


def is_long(read: ReadSoFar) -> bool:
    """Whether other documents should not wait for this one. Its first page, which may be the only scanned one, does not tell."""
    return read.seconds >= _KNOWN_AFTER_S and read.left_s >= _LONG_S


@dataclass(slots=True)
class Listener:
    """Tells `told` how far a file is, with the time that it took. Not thread-safe."""

    told: Callable[[ReadSoFar], None] | None
    _worked_s: float = 0.0
    _begun: float | None = None

    @contextmanager
    def at_work(self) -> Iterator[None]:
        """The time inside of the block counts."""
        self._begun = time.monotonic()
        try:
            yield
        finally:
            self._worked_s, self._begun = self._seconds(), None

    def has_read(self, pages: int, total: int) -> None:
        """Pass it on."""
        if self.told is not None and 0 < pages <= total:
            self.told(ReadSoFar(pages, total, self._seconds()))

    def _seconds(self) -> float:
        return self._worked_s + (time.monotonic() - self._begun if self._begun is not None else 0.0)
