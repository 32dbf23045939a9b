"""The frames that a parsing child writes to its result pipe: one tag byte, four length bytes, the payload.

Any number of frames that say how far it has come (`pack_pages`), then its answer. Nothing else is ever accepted from a child: it
has read a file that nobody trusts.
"""

from __future__ import annotations

import json
import os
import struct
from typing import Any, Literal

Tag = Literal["R", "E", "N", "M"]
"""R: the document with its children (`wire.py`).

E: `{"code", "params", "detail"}` of an error. N: `{"parsers"}` to load first. M: `{"media_type"}`, where only that was asked."""

_TAGS: dict[int, Tag] = {ord("R"): "R", ord("E"): "E", ord("N"): "N", ord("M"): "M"}
HEADER_BYTES = 5
_PAGES = struct.Struct(">cIII")
"""The tag P, the length of the rest, pages that were read, and all that there are."""

_PAGES_LENGTH = _PAGES.size - HEADER_BYTES


def pack(tag: Tag, payload: bytes) -> bytes:
    """One frame."""
    return tag.encode() + len(payload).to_bytes(4, "big") + payload


def pack_json(tag: Tag, data: dict[str, Any]) -> bytes:
    """One frame with a JSON object; what JSON can't hold (lone surrogates) is escaped."""
    return pack(tag, json.dumps(data).encode())


def unpack(data: bytes | bytearray) -> tuple[Tag, memoryview] | None:
    """The only frame in `data`, None if it is cut off, has something after it, or is no frame."""
    if len(data) < HEADER_BYTES or data[0] not in _TAGS:
        return None
    payload = memoryview(data)[HEADER_BYTES:]
    return (_TAGS[data[0]], payload) if len(payload) == int.from_bytes(data[1:HEADER_BYTES], "big") else None


def pack_pages(read: int, total: int) -> bytes:
    """The frame that says that so many pages of all were read; short enough to be written whole."""
    return _PAGES.pack(b"P", _PAGES_LENGTH, read, total)


def take_pages(data: bytearray) -> tuple[int, int] | None:
    """What the last of the frames with which `data` begins says of pages; all of those are removed. None where there is none."""
    said = None
    start = 0
    while data[start : start + 1] == b"P" and len(data) - start >= _PAGES.size:
        _, length, read, total = _PAGES.unpack_from(data, start)
        if length != _PAGES_LENGTH:
            break  # no such frame, and no answer either
        said = (read, total)
        start += _PAGES.size
    del data[:start]
    return said


def write_all(descriptor: int, data: bytes) -> None:
    """Write everything, however little the pipe takes at a time."""
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]
