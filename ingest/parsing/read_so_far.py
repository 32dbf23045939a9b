"""How far the reading of a file has come, and how long the rest will take."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

_KNOWN_AFTER_S = 5.0
"""Of reading, by which the pace is known: a scanned page takes one to four seconds on a lane of Tesseract."""

_LONG_S = 30.0
"""Longer than that nobody's document should wait for another one to be read."""


@dataclass(frozen=True, slots=True)
class ReadSoFar:
    """What is known while a file is being read.

    Attributes:
        pages: how many were read.
        total: pages of the file; more than none, and no fewer than were read.
        seconds: that children have worked on it since the first word of its pages; waiting for their turn is not counted.
        page_s: seconds that a page took of late; 0 while nobody knows.
    """

    pages: int
    total: int
    seconds: float
    page_s: float

    @property
    def left_s(self) -> float:
        """Seconds that the other pages will take at that pace."""
        return self.page_s * (self.total - self.pages)


def is_long(read: ReadSoFar) -> bool:
    """Whether other documents should not wait for this one."""
    return read.seconds >= _KNOWN_AFTER_S and read.left_s >= _LONG_S


@dataclass(slots=True)
class Listener:
    """Tells `told` how far a file is, with the time that it took. Not thread-safe.

    The clock begins with the first word of its pages: the start of the zygote and the import of a parser's library come before
    that, and tell nothing of the file. The pace is that of the last few seconds: a body of text goes by in no time, and a scanned
    annex behind it does not.
    """

    told: Callable[[ReadSoFar], None] | None
    _worked_s: float = 0.0
    _begun: float | None = None
    _said: deque[tuple[float, int]] = field(default_factory=deque)
    """Seconds and pages; the oldest is the last that is `_KNOWN_AFTER_S` ago, or the first of all."""

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
        if self.told is None or not 0 < pages <= total:
            return
        if not self._said and self._begun is not None:
            self._begun = time.monotonic()
        seconds = self._seconds()
        self._said.append((seconds, pages))
        while len(self._said) > 2 and seconds - self._said[1][0] >= _KNOWN_AFTER_S:
            self._said.popleft()
        self.told(ReadSoFar(pages, total, seconds, self._page_s()))

    def _page_s(self) -> float:
        (since, before), (now, pages) = self._said[0], self._said[-1]
        return (now - since) / (pages - before) if pages > before else 0.0

    def _seconds(self) -> float:
        if not self._said:
            return 0.0
        return self._worked_s + (time.monotonic() - self._begun if self._begun is not None else 0.0)
