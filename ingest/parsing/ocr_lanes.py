"""Tesseract for a parser in the sandbox: processes that are forked before the parser gives up starting programs.

```
parser (no new processes) ── request pipe ──► lane ── stdin ──► tesseract
                          ◄── answer pipe ──       ◄── stdout ──
```
A lane never sees the file: it takes pixels and gives back text. It has no network, writes no file, and dies with the
parser, as the program that it runs dies with it.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import queue
import select
import struct
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from ingest.parsing import confine
from ingest.parsing.ocr import MAX_PIXELS, GrayImage, Tesseract, find_tesseract

_REQUEST = struct.Struct(">III")
"""Width, height, dpi; the pixels follow."""

_ANSWER = struct.Struct(">i")
"""Length of the TSV that follows; -1 for a page that could not be read."""

_MAX_LANES = 4
_NICE = 10
"""Scans wait for questions, not questions for scans."""

_RESERVE_S = 6.0
_RESERVE_SHARE = 0.1
"""Of the wall-clock time, kept for what follows the last page: layout, and the way back."""

_SCAN_HEADS = (b"\x89PNG", b"\xff\xd8\xff", b"II*\0", b"MM\0*", b"BM")


@dataclass(frozen=True, slots=True)
class _Lane:
    """The parser's ends of a lane's pipes."""

    request: int
    answer: int


@dataclass(slots=True)
class OcrLanes:
    """The lanes of one parse; a `PageReader`."""

    deadline: float
    _all: list[_Lane] = field(default_factory=list)
    _free: queue.SimpleQueue[_Lane] = field(default_factory=queue.SimpleQueue)

    @property
    def lanes(self) -> int:
        """How many pages are read at once."""
        return len(self._all)

    def descriptors(self) -> set[int]:
        """What must stay open in the parser."""
        return {descriptor for lane in self._all for descriptor in (lane.request, lane.answer)}

    def add(self, request: int, answer: int) -> None:
        """A lane that has been started."""
        lane = _Lane(request, answer)
        self._all.append(lane)
        self._free.put(lane)

    def read(self, image: GrayImage) -> bytes | None:
        """Wait for a free lane, and for its answer."""
        lane = self._free.get()
        try:
            _write(lane.request, _REQUEST.pack(image.width, image.height, image.dpi) + image.pixels)
            head = _read(lane.answer, _ANSWER.size)
            length = _ANSWER.unpack(head)[0] if len(head) == _ANSWER.size else -1
            return _read(lane.answer, length) if length >= 0 else None
        except OSError:
            return None
        finally:
            self._free.put(lane)


def may_need_ocr(descriptor: int) -> bool:
    """Whether the open file begins as PDFs and pictures do: the only ones whose pixels may be read."""
    head = os.pread(descriptor, 1024, 0)
    return b"%PDF-" in head or head.startswith(_SCAN_HEADS) or head[8:12] == b"WEBP"


def open_lanes(wall_s: float, close: set[int], confine_lane: Callable[[], None]) -> OcrLanes:
    """Fork what keeps the lanes; none where Tesseract is missing.

    Args:
        wall_s: seconds that the whole parse has from now on.
        close: the parser's descriptors, which a lane must not keep open.
        confine_lane: gives up everything but starting programs; runs in the lane.
    """
    lanes = OcrLanes(time.monotonic() + wall_s - max(_RESERVE_S, _RESERVE_SHARE * wall_s))
    tesseract = find_tesseract()
    if tesseract is None:
        return lanes
    ends: list[tuple[int, int]] = []
    for _ in range(min(_MAX_LANES, len(os.sched_getaffinity(0)))):
        request_reader, request_writer = os.pipe()
        answer_reader, answer_writer = os.pipe()
        ends.append((request_reader, answer_writer))
        lanes.add(request_writer, answer_reader)
    parser = os.getpid()
    if os.fork() == 0:
        try:
            confine.die_with_parent(parser)
            for descriptor in close | lanes.descriptors():
                os.close(descriptor)
            confine_lane()
            _keep(ends, tesseract)
        finally:
            os._exit(0)
    for descriptor in itertools.chain.from_iterable(ends):
        os.close(descriptor)
    return lanes


def _keep(ends: list[tuple[int, int]], tesseract: Tesseract) -> None:
    """Start the lanes at the first request: most PDFs have none, and then one waiting process is all they cost."""
    poll = select.poll()
    for request, _ in ends:
        poll.register(request, select.POLLIN)
    if not any(event & select.POLLIN for _, event in poll.poll()):
        return
    keeper = os.getpid()
    os.nice(_NICE)
    for own in ends:
        if os.fork() == 0:
            try:
                confine.die_with_parent(keeper)
                for descriptor in itertools.chain.from_iterable(other for other in ends if other != own):
                    os.close(descriptor)
                _serve(*own, tesseract)
            finally:
                os._exit(0)
    for descriptor in itertools.chain.from_iterable(ends):
        os.close(descriptor)
    for _ in ends:
        os.wait()


def _serve(request: int, answer: int, tesseract: Tesseract) -> None:
    """Until the parser has gone."""
    lane = os.getpid()
    with contextlib.suppress(OSError):
        while len(head := _read(request, _REQUEST.size)) == _REQUEST.size:
            width, height, dpi = _REQUEST.unpack(head)
            if not 0 < width * height <= MAX_PIXELS:
                return
            pixels = _read(request, width * height)
            if len(pixels) < width * height:
                return
            found = tesseract.read(GrayImage(width, height, dpi, pixels), lambda: confine.die_with_parent(lane))
            _write(answer, _ANSWER.pack(-1) if found is None else _ANSWER.pack(len(found)) + found)


def _read(descriptor: int, length: int) -> bytes:
    parts = bytearray()
    while len(parts) < length and (part := os.read(descriptor, min(1 << 20, length - len(parts)))):
        parts += part
    return bytes(parts)


def _write(descriptor: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]
