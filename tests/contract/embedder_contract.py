"""What every embedder must do. A backend passes when `EmbedderContract` passes on it; the fixture `embedder` gives one."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np

from rag.domain.language import Language
from rag.domain.vectors import Embeddings, SparseVector
from rag.embedding.base import Embedder, Role
from tests.support.threads import at_once

TEXTS = [
    "The supplier keeps every record for five years.",
    "",
    "환자의 동의를 받은 때에는 기록을 제출하여야 한다.",
    "def add(a, b):\n    return a + b",
    "word " * 600,
    "a",
    " ".join(f"Clause {i} limits the liability of the supplier." for i in range(20)),
    "Wombats dig burrows.",
]
"""Short, empty, Korean, code, over-long."""

OVER_LONG = TEXTS.index("word " * 600)
TOLERANCE = 2e-3
"""Between two runs in the narrowest number format that a self-test lets through (bfloat16), in which company counts."""


def assert_same(ours: Embeddings, other: Embeddings, tolerance: float = TOLERANCE) -> None:
    """The same parts, the same numbers within `tolerance`."""
    for name in ("dense", "sparse", "multi"):
        assert (getattr(ours, name) is None) == (getattr(other, name) is None), name
    if ours.dense is not None and other.dense is not None:
        np.testing.assert_allclose(ours.dense, other.dense, atol=tolerance)
    for vector, expected in zip(ours.sparse or (), other.sparse or (), strict=True):
        assert_same_weights(vector, expected, tolerance)
    for matrix, rows in zip(ours.multi or (), other.multi or (), strict=True):
        np.testing.assert_allclose(matrix, rows, atol=tolerance)


def assert_same_weights(vector: SparseVector, expected: SparseVector, tolerance: float) -> None:
    """A term may be missing on one side only when its weight is next to nothing."""
    ours, theirs = (dict(zip(item.indices, item.values, strict=True)) for item in (vector, expected))
    for term in ours.keys() | theirs.keys():
        assert abs(ours.get(term, 0.0) - theirs.get(term, 0.0)) <= tolerance * max(1.0, abs(theirs.get(term, 0.0)))


def at(embeddings: Embeddings, positions: Sequence[int]) -> Embeddings:
    return Embeddings(
        dense=embeddings.dense[list(positions)] if embeddings.dense is not None else None,
        sparse=tuple(embeddings.sparse[i] for i in positions) if embeddings.sparse is not None else None,
        multi=tuple(embeddings.multi[i] for i in positions) if embeddings.multi is not None else None,
    )


class EmbedderContract:
    """The tests."""

    def test_it_gives_what_it_declares(self, embedder: Embedder) -> None:
        for role in Role:
            made = embedder.embed(TEXTS, role)
            self._is_as_declared(embedder, made, len(TEXTS))

    def test_no_texts_give_nothing_of_the_same_kinds(self, embedder: Embedder) -> None:
        for role in Role:
            self._is_as_declared(embedder, embedder.embed([], role), 0)

    def test_dense_rows_and_token_vectors_have_unit_length_and_are_finite(self, embedder: Embedder) -> None:
        made = embedder.embed(TEXTS, Role.PASSAGE)
        for matrix in itertools.chain([] if made.dense is None else [made.dense], made.multi or ()):
            np.testing.assert_allclose(np.linalg.norm(matrix, axis=1), 1.0, atol=1e-3)

    def test_term_ids_are_distinct_unsigned_32_bit_numbers_with_positive_weights(self, embedder: Embedder) -> None:
        for role in Role:
            for vector in embedder.embed(TEXTS, role).sparse or ():
                assert len(set(vector.indices)) == len(vector.indices) == len(vector.values)
                assert all(0 <= term < 2**32 for term in vector.indices)
                assert all(0.0 < weight < float("inf") for weight in vector.values)

    def test_the_order_of_the_texts_is_kept(self, embedder: Embedder) -> None:
        straight = embedder.embed(TEXTS, Role.PASSAGE)
        order = list(np.random.default_rng(1).permutation(len(TEXTS)))
        shuffled = embedder.embed([TEXTS[i] for i in order], Role.PASSAGE)
        assert_same(shuffled, at(straight, order))

    def test_company_does_not_change_a_text_s_vectors(self, embedder: Embedder) -> None:
        for role in Role:
            together = embedder.embed(TEXTS, role)
            for i, text in enumerate(TEXTS):
                assert_same(embedder.embed([text], role), at(together, [i]))

    def test_different_texts_have_different_vectors(self, embedder: Embedder) -> None:
        made = embedder.embed([TEXTS[0], TEXTS[7]], Role.PASSAGE)
        if made.dense is not None:
            assert float(made.dense[0] @ made.dense[1]) < 0.9999
        if made.sparse is not None:
            assert made.sparse[0] != made.sparse[1]

    def test_the_same_text_has_the_same_vectors_again(self, embedder: Embedder) -> None:
        assert_same(embedder.embed(TEXTS, Role.QUERY), embedder.embed(TEXTS, Role.QUERY))

    def test_an_over_long_text_is_cut_but_counted_whole(self, embedder: Embedder) -> None:
        if embedder.max_tokens > 2**20:
            return  # practically unlimited: nothing is cut
        longer = TEXTS[OVER_LONG] + "word " * 600
        lengths = embedder.count_tokens([TEXTS[OVER_LONG], longer])
        assert embedder.max_tokens < lengths[0] < lengths[1]
        made = embedder.embed([TEXTS[OVER_LONG], longer], Role.PASSAGE)
        assert_same(at(made, [0]), at(made, [1]))
        for matrix in made.multi or ():
            assert len(matrix) <= embedder.max_tokens

    def test_a_longer_text_has_more_tokens_and_texts_are_counted_one_by_one(self, embedder: Embedder) -> None:
        lengths = embedder.count_tokens(TEXTS)
        assert len(lengths) == len(TEXTS)
        assert lengths == [embedder.count_tokens([text])[0] for text in TEXTS]
        assert lengths[OVER_LONG] > lengths[6] > lengths[7] > lengths[1] >= 0
        assert embedder.count_tokens([]) == []

    def test_many_callers_at_once_each_get_their_own_vectors(self, embedder: Embedder) -> None:
        expected = {role: embedder.embed(TEXTS, role) for role in Role}

        def caller(number: int) -> None:
            role = Role.QUERY if number % 2 else Role.PASSAGE
            order = list(np.random.default_rng(number).permutation(len(TEXTS)))[: number % 3 + 1]
            embedder.count_tokens(TEXTS)
            assert_same(embedder.embed([TEXTS[i] for i in order], role), at(expected[role], order))

        at_once([lambda number=i: caller(number) for i in range(12)])  # type: ignore[misc]

    def test_its_name_and_languages_are_stated(self, embedder: Embedder) -> None:
        assert embedder.name == embedder.name.strip() != ""
        assert embedder.languages <= frozenset(Language)
        assert embedder.max_tokens > 0

    @staticmethod
    def _is_as_declared(embedder: Embedder, made: Embeddings, count: int) -> None:
        if embedder.dimensions is None:
            assert made.dense is None
        else:
            assert made.dense is not None
            assert made.dense.shape == (count, embedder.dimensions)
            assert made.dense.dtype == np.float32
        # A lexical embedder gives sparse vectors, a model when it declares term weights of its own.
        if embedder.learned or embedder.dimensions is None:
            assert made.sparse is not None
            assert len(made.sparse) == count
        else:
            assert made.sparse is None
        if embedder.multi is None:
            assert made.multi is None
        else:
            assert made.multi is not None
            assert len(made.multi) == count
            assert all(item.ndim == 2 and item.shape[1] == embedder.multi for item in made.multi)
            assert all(item.dtype == np.float32 for item in made.multi)
