"""Pages on their way through OCR: several at once, in bounded memory, and never past the deadline."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as NotInTime
from dataclasses import dataclass, field

from ingest.parsing.ocr import GrayImage, PageReader
from ingest.parsing.ocr_upright import Reading, read_upright
from ingest.parsing.ocr_words import words_of
from ingest.parsing.page_numbers import page_ranges
from ingest.parsing.pdf_page import Line, Lying

OCR = "ocr"
"""Pages whose text was read from a picture: expect wrong characters."""

OCR_DOUBTFUL = "ocr_doubtful"
"""Pages of which Tesseract believes too little: handwriting, photographs, faded copies. Their text is kept, and said to be so."""

OCR_UNAVAILABLE = "ocr_unavailable"
"""Tesseract or its Korean data is missing on this machine."""

OCR_OUT_OF_TIME = "ocr_out_of_time"
"""Pages that were not read because the parse ran out of its time."""

PAGES_WITHOUT_TEXT = "pages_without_text"
"""Some pages have no text layer (scans) and were not read; the others were."""


@dataclass(frozen=True, slots=True)
class ReadPage:
    """A page that was read.

    Attributes:
        lines: in points of the sheet as it was read.
        height: of that sheet.
        turn: how it lies on the page as shown.
        doubtful: it was read badly.
    """

    lines: list[Line]
    height: float
    turn: Lying | None
    doubtful: bool


def _nobody_listens(_pages: int) -> None:
    """Nobody wants to know."""


@dataclass(slots=True)
class OcrQueue:
    """Give it pages in order, then take `results`.

    Attributes:
        has_read: is called with the number of pages that are done, those without pictures and those before the first among
            them; pages for which no time was left are not.
        left_out: pages for which no time was left.
        unread: pages that Tesseract failed on, or all of them where there is none.
    """

    reader: PageReader | None
    has_read: Callable[[int], None] = _nobody_listens
    left_out: list[int] = field(default_factory=list)
    unread: list[int] = field(default_factory=list)
    read: list[int] = field(default_factory=list)
    _waiting: list[tuple[int, Future[Reading | None]]] = field(default_factory=list)
    _pages: dict[int, ReadPage] = field(default_factory=dict)
    _last: int = 0
    _pool: ThreadPoolExecutor | None = None
    _begin: float = field(default_factory=time.monotonic)

    @property
    def usable(self) -> bool:
        """There is something to read with."""
        return self.reader is not None and self.reader.lanes > 0

    def add(self, number: int, picture: Callable[[], GrayImage]) -> None:
        """Queue a page; its picture is made when its turn comes, and only if there is time."""
        if self.reader is None or not self.usable:
            self.unread.append(number)
            self.pass_by(number)
            return
        if self._pool is None:
            self._pool = ThreadPoolExecutor(self.reader.lanes)
        while len(self._waiting) > self.reader.lanes:  # one in hand for each lane that comes free
            self._collect_oldest()
        if time.monotonic() + self._usual_s() > self.reader.deadline:
            self.left_out.append(number)
        else:
            self._waiting.append((number, self._pool.submit(read_upright, self.reader, picture())))
        self._last = number

    def pass_by(self, number: int) -> None:
        """A page that needs no reading. It counts at once, also where pictures before it are on their way: many pages of text
        behind a few pictures are not left to read."""
        self._last = number
        self._tell()

    def results(self) -> dict[int, ReadPage]:
        """Every page that was read."""
        while self._waiting:
            self._collect_oldest()
        if self._pool:
            self._pool.shutdown(wait=False, cancel_futures=True)
        return self._pages

    def stop(self, first: int) -> int:
        """The page at which another parser should go on, which began at `first`: the first that this one had no time for; 0
        where it had for all. One page is read in any case, or given up. What is left to the other is forgotten."""
        later = [number for number in self.left_out if number > first]
        if not later:
            return 0
        end = min(later)
        self.left_out = [number for number in self.left_out if number < end]
        self.unread = [number for number in self.unread if number < end]
        self.read = [number for number in self.read if number < end]
        return end

    def left_aside(self, numbers: Collection[int]) -> None:
        """Pages that were read and whose text layer is better: nobody sees what was read of them."""
        self.read = [number for number in self.read if number not in numbers]

    def warnings(self) -> set[str]:
        """What to tell the user, pages named."""
        found = set()
        if self.read:
            found.add(f"{OCR}:{page_ranges(self.read)}")
        if doubtful := [number for number in self.read if self._pages[number].doubtful]:
            found.add(f"{OCR_DOUBTFUL}:{page_ranges(doubtful)}")
        if self.left_out:
            found.add(f"{OCR_OUT_OF_TIME}:{page_ranges(self.left_out)}")
        if self.unread and not self.usable and self.reader is not None:
            found.add(OCR_UNAVAILABLE)
        return found

    def _usual_s(self) -> float:
        """Seconds until a page that begins now would be done."""
        done = len(self.read)
        lanes = self.reader.lanes if self.reader else 1
        return (time.monotonic() - self._begin) / done * min(lanes, done) if done else 0.0

    def _collect_oldest(self) -> None:
        number, future = self._waiting.pop(0)
        deadline = self.reader.deadline if self.reader else 0.0
        try:
            reading = future.result(timeout=max(0.0, deadline - time.monotonic()))
        except NotInTime:
            self.left_out.append(number)
            return
        if reading is None:
            self.unread.append(number)
        else:
            self.read.append(number)
            lines = words_of(reading.tsv, reading.image)
            self._pages[number] = ReadPage(lines, reading.height, reading.turn, reading.doubtful)
        self._tell()

    def _tell(self) -> None:
        self.has_read(self._last - len(self._waiting) - len(self.left_out))
