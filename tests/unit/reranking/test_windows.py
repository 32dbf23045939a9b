"""Windows of texts whose tokens are estimated: nothing is lost, nothing is too long, each overlaps the next."""

from __future__ import annotations

import tracemalloc
from itertools import pairwise
from string import printable

from hypothesis import given
from hypothesis import strategies as st

from rag.reranking.windows import MOST_TOKENS, MOST_WINDOWS, OVERLAP, shortened, text_windows
from rag.text.token_estimate import characters_within, estimated_starts, estimated_tokens

TEXTS = st.text(st.sampled_from("가나다 abc_\n漢☃"), max_size=400)
AROUND = estimated_tokens("")


@given(st.lists(st.booleans(), max_size=90), st.integers(2, 40))
def test_every_character_is_in_a_window_and_no_window_is_too_long(ascii_: list[bool], room: int) -> None:
    text = "".join(printable[n] if each else chr(0x4E00 + n) for n, each in enumerate(ascii_))  # each character once
    found = text_windows(text, room)
    assert all(part in text and estimated_tokens(part) - AROUND <= room for part in found)
    assert set("".join(found)) == set(text)
    assert [text.index(part) for part in found] == sorted(text.index(part) for part in found)


@given(st.sampled_from("가a"), st.integers(1, 40), st.integers(1, 100_000))
def test_however_long_a_text_is_it_is_read_in_so_many_windows(letter: str, room: int, length: int) -> None:
    found = text_windows(letter * length, room)
    assert len(found) <= MOST_WINDOWS
    assert all(estimated_tokens(part) - AROUND <= room for part in found)


def test_a_text_of_megabytes_takes_no_more_memory_than_its_windows() -> None:
    text = "a" * (4 << 20)
    tracemalloc.start()
    try:
        found = text_windows(text, 1000)
        shortened(text, 1000)
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert sum(map(estimated_tokens, found)) >= MOST_TOKENS
    assert len(found) < 30 and most < 4 << 20


def test_what_stands_on_an_edge_is_whole_in_one_window() -> None:
    parts = text_windows("".join(chr(0xAC00 + n) for n in range(1000)), 100)
    for one, other in pairwise(parts):
        assert ord(one[-1]) - ord(other[0]) + 1 >= int(100 * OVERLAP)
    assert text_windows("가" * 100, 100) == ["가" * 100]
    assert text_windows("", 10) == [""]


@given(TEXTS, st.integers(0, 60))
def test_a_text_is_cut_behind_the_last_character_that_fits(text: str, limit: int) -> None:
    found = shortened(text, limit)
    assert text.startswith(found)
    assert estimated_tokens(found) - AROUND <= limit
    assert found == text or estimated_starts(text[: len(found) + 1])[-1] > limit - 1e-9


def test_starts_are_those_of_the_estimate() -> None:
    text = "가나 abcde"
    starts = estimated_starts(text)
    assert starts[:3] == [0.0, 1.0, 2.0]
    assert -int(-starts[-1] // 1) + AROUND == estimated_tokens(text)
    assert characters_within(starts, slice(1, 3)) == slice(1, 4)
