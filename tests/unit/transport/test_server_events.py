from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rag.transport.server_events import EventReader, EventTooLong

SENT = (
    b": welcome\n\n"
    b'event: message\nid: 7\ndata: {"n": 1}\n\n'
    b'data:{"n": 2}\r\n\r\n'
    b"data: first\ndata: second\n\n"
    b": ping\r\r" + "data: 금리는 3.5%\n\n".encode() + b"retry: 5\n\n"
    b'error: {"code": 500}\n\n'
    b'{"error": "stopped"}\n'
    b"data: [DONE]\n\n"
)
PAYLOADS = [
    b'{"n": 1}',
    b'{"n": 2}',
    b"first\nsecond",
    "금리는 3.5%".encode(),
    b'{"error": {"code": 500}}',
    b'{"error": "stopped"}',
    b"[DONE]",
]


@given(st.lists(st.integers(0, len(SENT)), max_size=40))
def test_events_are_the_same_however_they_are_cut(cuts: list[int]) -> None:
    reader = EventReader()
    edges = [0, *sorted(cuts), len(SENT)]
    got = [one for a, b in itertools.pairwise(edges) for one in reader.feed(SENT[a:b])]
    assert got + list(reader.finish()) == PAYLOADS


def test_byte_by_byte() -> None:
    reader = EventReader()
    assert [one for byte in SENT for one in reader.feed(bytes([byte]))] == PAYLOADS


def test_an_event_comes_as_soon_as_it_is_complete() -> None:
    reader = EventReader()
    assert list(reader.feed(b"data: a\n")) == []
    assert list(reader.feed(b"\ndata: b\n\nda")) == [b"a", b"b"]
    assert list(reader.feed(b"ta: c")) == []
    assert list(reader.finish()) == [b"c"]
    assert list(reader.finish()) == []


@pytest.mark.parametrize("piece", [b"x" * 100, b"data: " + b"x" * 94, b"data: xxxx\n" * 10, b"data: x\n: ping\n"])
def test_what_does_not_end_is_refused_before_it_fills_the_memory(piece: bytes) -> None:
    reader = EventReader(longest=1000)
    with pytest.raises(EventTooLong):
        for _ in range(2000):
            list(reader.feed(piece))


def test_many_events_are_not_one_long_event() -> None:
    reader = EventReader(longest=1000)
    for _ in range(100):
        assert len(list(reader.feed(b"data: " + b"x" * 500 + b"\n\n"))) == 1
    assert list(reader.feed(b"data: x\n\n" * 500)) == [b"x"] * 500
