from __future__ import annotations

import sys
import threading
from collections.abc import Sequence

import numpy as np
import pytest

from rag.domain.errors import ModelUnavailable
from rag.domain.language import Language
from rag.domain.vectors import Embeddings, SparseVector
from rag.embedding.base import Role
from rag.embedding.cached import CachedEmbedder
from tests.support.hash_embedder import HashEmbedder
from tests.support.threads import at_once


class CountingEmbedder(HashEmbedder):
    """Notes what it is asked to embed; waits while `gate` is closed; fails while `broken`."""

    def __init__(self, *, dense: bool = True) -> None:
        super().__init__(dense=dense)
        self.asked: list[tuple[str, ...]] = []
        self.entered, self.gate = threading.Event(), threading.Event()
        self.gate.set()
        self.broken = False

    def embed(self, texts: Sequence[str], role: Role) -> Embeddings:
        self.asked.append(tuple(texts))
        self.entered.set()
        assert self.gate.wait(30)
        if self.broken:
            raise ModelUnavailable(name=self.name)
        return super().embed(texts, role)


class WholeEmbedder(CountingEmbedder):
    """Gives all three parts."""

    def embed(self, texts: Sequence[str], role: Role) -> Embeddings:
        dense = super().embed(texts, role).dense
        assert dense is not None
        return Embeddings(
            dense=dense,
            sparse=tuple(SparseVector((len(text),), (1.0,)) for text in texts),
            multi=tuple(np.repeat(row[None], 3, axis=0) for row in dense),
        )


def rows(embedder: CachedEmbedder | HashEmbedder, *texts: str) -> np.ndarray:
    dense = embedder.embed(texts, Role.QUERY).dense
    assert dense is not None
    return dense


def test_a_question_is_embedded_once_and_its_vectors_stay_the_same() -> None:
    inner = CountingEmbedder()
    cached = CachedEmbedder(inner)
    first = rows(cached, "휴가는 며칠인가?")
    np.testing.assert_array_equal(rows(cached, "휴가는 며칠인가?"), first)
    assert inner.asked == [("휴가는 며칠인가?",)]


def test_only_the_new_ones_of_several_are_embedded_and_the_order_is_the_caller_s() -> None:
    inner = CountingEmbedder()
    cached = CachedEmbedder(inner)
    rows(cached, "b")
    np.testing.assert_array_equal(rows(cached, "c", "b", "a", "c"), rows(HashEmbedder(dense=True), "c", "b", "a", "c"))
    assert inner.asked == [("b",), ("c", "a")]


def test_every_part_is_kept() -> None:
    inner = WholeEmbedder()
    cached = CachedEmbedder(inner)
    fresh = cached.embed(["one", "three"], Role.QUERY)
    again = cached.embed(["three", "one"], Role.QUERY)
    assert len(inner.asked) == 1
    assert fresh.sparse is not None and again.sparse == fresh.sparse[::-1]
    assert fresh.multi is not None and again.multi is not None
    np.testing.assert_array_equal(again.multi[0], fresh.multi[1])
    assert again.multi[0].shape == (3, 8)


def test_sparse_vectors_alone_are_kept_too() -> None:
    inner = CountingEmbedder(dense=False)
    cached = CachedEmbedder(inner)
    assert cached.embed(["one two"], Role.QUERY) == cached.embed(["one two"], Role.QUERY)
    assert len(inner.asked) == 1


def test_passages_are_passed_on_and_nothing_of_them_is_kept() -> None:
    inner = CountingEmbedder()
    cached = CachedEmbedder(inner)
    for _ in range(2):
        cached.embed(["text"], Role.PASSAGE)
    assert inner.asked == [("text",)] * 2
    assert cached.size_bytes == 0
    rows(cached, "text")  # the same text as a question is another thing
    assert len(inner.asked) == 3


def test_no_texts_are_no_question() -> None:
    assert CachedEmbedder(CountingEmbedder(dense=False)).embed([], Role.QUERY).sparse == ()


def test_the_longest_unused_question_goes_first_and_the_bytes_stay_bounded() -> None:
    inner = CountingEmbedder()
    probe = CachedEmbedder(inner)
    rows(probe, "x")
    cached = CachedEmbedder(inner, max_bytes=3 * probe.size_bytes)
    for text in ("a", "b", "c"):
        rows(cached, text)
    rows(cached, "a")  # used again, so that b is the oldest
    rows(cached, "d")
    assert cached.size_bytes <= 3 * probe.size_bytes
    inner.asked.clear()
    rows(cached, "a", "c", "d", "b")
    assert inner.asked == [("b",)]


def test_the_stated_bytes_are_about_what_python_takes() -> None:
    row = Embeddings(sparse=(SparseVector(tuple(range(10**6, 10**6 + 500)), tuple(i / 7 for i in range(500))),))
    taken = sum(
        sys.getsizeof(part) + sum(map(sys.getsizeof, part)) for part in (row.sparse[0].indices, row.sparse[0].values)
    )  # type: ignore[index]

    class One(HashEmbedder):
        def embed(self, texts: Sequence[str], role: Role) -> Embeddings:
            return row

    cached = CachedEmbedder(One())
    cached.embed(["x"], Role.QUERY)
    assert taken <= cached.size_bytes <= 2 * taken


def test_a_question_too_large_for_the_cache_is_answered_and_not_kept() -> None:
    cached = CachedEmbedder(CountingEmbedder(), max_bytes=10)
    assert rows(cached, "x").shape == (1, 8)
    assert cached.size_bytes == 0


def test_two_who_ask_the_same_new_question_at_once_embed_it_once() -> None:
    inner = CountingEmbedder()
    inner.gate.clear()
    cached = CachedEmbedder(inner)
    opener = threading.Thread(target=lambda: inner.entered.wait(30) and inner.gate.set())
    opener.start()
    found = at_once([lambda: rows(cached, "같은 질문")] * 6)
    opener.join()
    assert inner.asked == [("같은 질문",)]
    for item in found:
        np.testing.assert_array_equal(item, found[0])


def test_callers_with_questions_in_common_never_wait_for_each_other_for_ever() -> None:
    cached = CachedEmbedder(CountingEmbedder(), max_bytes=4000)
    names = [f"q{i}" for i in range(12)]

    def caller(number: int) -> None:
        order = [names[i] for i in np.random.default_rng(number).permutation(len(names))]
        np.testing.assert_array_equal(rows(cached, *order), rows(HashEmbedder(dense=True), *order))

    at_once([lambda number=i: caller(number) for i in range(24)])  # type: ignore[misc]


def test_a_failure_reaches_everyone_who_waits_and_is_not_kept() -> None:
    inner = CountingEmbedder()
    inner.broken = True
    cached = CachedEmbedder(inner)
    with pytest.raises(ModelUnavailable):
        rows(cached, "x", "y")
    inner.broken = False
    assert rows(cached, "x", "y").shape == (2, 8)


def test_shared_vectors_can_t_be_written() -> None:
    cached = CachedEmbedder(WholeEmbedder())
    made = cached.embed(["x"], Role.QUERY)
    assert made.dense is not None and made.multi is not None
    for array in (made.dense, made.multi[0]):
        with pytest.raises(ValueError, match="read-only"):
            array[0, 0] = 1.0


def test_it_says_of_itself_what_its_embedder_says() -> None:
    inner = HashEmbedder(dense=True)
    cached = CachedEmbedder(inner)
    assert (cached.name, cached.dimensions, cached.learned, cached.multi) == ("hash-dense", 8, False, None)
    assert (cached.max_tokens, cached.languages) == (200, frozenset(Language))
    assert cached.count_tokens(["a b"]) == [2]


def test_a_lone_surrogate_is_a_question_like_any_other() -> None:
    class Blank(HashEmbedder):
        def embed(self, texts: Sequence[str], role: Role) -> Embeddings:
            return Embeddings(dense=np.ones((len(texts), 1), dtype=np.float32))

    assert rows(CachedEmbedder(Blank()), "\ud800").shape == (1, 1)
