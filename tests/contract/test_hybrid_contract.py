"""Fusion inside the engine, a model's own term weights and token vectors, on every backend, beside the twin."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from uuid import UUID

import numpy as np
import pytest

from rag.domain.errors import IndexUnavailable
from rag.domain.filters import Selection
from rag.index.base import (
    DBSF,
    DENSE,
    FUSIONS,
    LEARNED,
    RRF,
    SPARSE,
    HybridQuery,
    IndexPoint,
    IndexSchema,
    LegQuery,
    VectorIndex,
)
from rag.index.memory import MemoryIndex, open_memory
from tests.contract.index_contract import (
    ACME,
    DIMENSIONS,
    MINUTES,
    RIVAL,
    RULES,
    SALARIES,
    SCHEMA,
    TOLERANCE,
    as_of,
    assert_same_hits,
    dense,
    meaning,
    nobody,
    numbers,
    permit,
    point,
    random_points,
    retirement,
    sparse,
    words,
)
from tests.contract.openers import OPENERS, STORED

WIDTH = 4
RICH = IndexSchema("모든 다리/bge-m3", DIMENSIONS, learned=True, multi=WIDTH)


@pytest.fixture(params=["memory", *STORED])
def index(request: pytest.FixtureRequest) -> Iterator[VectorIndex]:
    if request.param == "memory":
        yield open_memory(RICH)
        return
    for make in OPENERS[request.param]():
        opened = make(RICH)
        yield opened
        opened.close()


def tokens(*rows: Sequence[float]) -> np.ndarray:
    """Unit token vectors that start with these components."""
    matrix = np.zeros((len(rows), WIDTH), dtype=np.float32)
    for number, row in enumerate(rows):
        matrix[number, : len(row)] = row
    return matrix / np.linalg.norm(matrix, axis=1, keepdims=True)


def rich(item: IndexPoint, learned: Mapping[int, float] | None = None, multi: np.ndarray | None = None) -> IndexPoint:
    return replace(item, learned=None if learned is None else sparse(learned), multi=multi)


def own_words(weights: Mapping[int, float], limit: int = 10) -> dict[str, LegQuery]:
    return {LEARNED: LegQuery(sparse(weights), limit)}


def random_rich_points(rng: np.random.Generator, amount: int) -> Iterator[IndexPoint]:
    for item in random_points(rng, amount):
        number = item.chunk_id.int
        terms = {int(term): float(rng.uniform(0.1, 1.0)) for term in rng.choice(30, 6, replace=False)}
        multi = tokens(*rng.standard_normal((int(rng.integers(1, 5)), WIDTH)))
        yield rich(item, terms if number % 4 else None, multi if number % 5 else None)


class TestLearnedLeg:
    def test_scores_are_products_of_the_weights_without_idf(self, index: VectorIndex) -> None:
        index.upsert(
            [rich(point(1), {7: 0.5, 8: 1.0}), rich(point(2), {7: 2.0}), rich(point(3), {9: 1.0}), point(4, {7: 1.0})]
        )
        found = index.search(permit(), own_words({7: 0.5, 8: 0.25}))[LEARNED]
        assert numbers(found) == [2, 1]
        assert [hit.score for hit in found] == pytest.approx([1.0, 0.5], abs=TOLERANCE)

    def test_replacing_and_deleting_leave_nothing(self, index: VectorIndex) -> None:
        index.upsert([rich(point(1, version=1), {7: 1.0}), rich(point(2, version=2), {7: 0.5})])
        index.upsert([point(1, version=1)])
        assert numbers(index.search(permit(), own_words({7: 1.0}))[LEARNED]) == [2]
        index.delete_versions([UUID(int=2)])
        assert index.search(permit(), own_words({7: 1.0})) == {LEARNED: []}

    def test_a_permit_is_a_wall(self, index: VectorIndex) -> None:
        for number, tenant, collection in [(1, ACME, RULES), (2, ACME, SALARIES), (3, RIVAL, RULES)]:
            index.upsert([rich(point(number, tenant=tenant, collection=collection), {7: 1.0})])
        assert numbers(index.search(permit(), own_words({7: 1.0}))[LEARNED]) == [1]
        assert numbers(index.search(permit(RIVAL, RULES, SALARIES), own_words({7: 1.0}))[LEARNED]) == [3]

    def test_an_empty_vector_asks_nothing_and_is_no_hit(self, index: VectorIndex) -> None:
        index.upsert([rich(point(1), {}), rich(point(2), {7: 0.0})])
        assert index.search(permit(), own_words({})) == {LEARNED: []}
        assert index.search(permit(), own_words({7: 1.0})) == {LEARNED: []}


BAD_TOKENS = {
    "narrow": np.ones((2, WIDTH - 1), dtype=np.float32),
    "flat": np.ones(WIDTH, dtype=np.float32),
    "none": np.ones((0, WIDTH), dtype=np.float32),
    "nan": np.full((2, WIDTH), np.nan, dtype=np.float32),
}


class TestTokenVectors:
    @pytest.mark.parametrize("bad", BAD_TOKENS.values(), ids=BAD_TOKENS)
    def test_wrong_ones_are_refused_and_nothing_written(self, index: VectorIndex, bad: np.ndarray) -> None:
        with pytest.raises(ValueError, match="token vector"):
            index.upsert([point(2), rich(point(1), multi=bad)])
        assert index.count() == 0
        for asker in (permit(), nobody()):
            with pytest.raises(ValueError, match="token vector"):
                index.hybrid(asker, HybridQuery(words(7), RRF, 5, multi=bad))

    def test_they_order_the_fused_hits_anew(self, index: VectorIndex) -> None:
        index.upsert(
            [
                rich(point(1, {7: 4.0}), multi=tokens([0, 1])),
                rich(point(2, {7: 3.0}), multi=tokens([1, 1], [0, 0, 1])),
                rich(point(3, {7: 2.0}), multi=tokens([1], [0, 1])),
            ]
        )
        plain = index.hybrid(permit(), HybridQuery(words(7), RRF, 5))
        assert numbers(plain) == [1, 2, 3]
        # MaxSim with the question's tokens (1, 0) and (1, 1): 0 + .71, .71 + 1, 1 + .71; the third wins by a second row
        found = index.hybrid(permit(), HybridQuery(words(7), RRF, 5, multi=tokens([1], [1, 0.9])))
        assert numbers(found) == [3, 2, 1]
        assert [hit.score for hit in found] == pytest.approx([hit.score for hit in plain], abs=TOLERANCE)

    def test_hits_without_them_keep_their_rank(self, index: VectorIndex) -> None:
        index.upsert(
            [
                rich(point(1, {7: 5.0}), multi=tokens([0, 1])),
                point(2, {7: 4.0}),
                rich(point(3, {7: 3.0}), multi=tokens([1])),
                point(4, {7: 2.0}),
            ]
        )
        assert numbers(index.hybrid(permit(), HybridQuery(words(7), RRF, 5, multi=tokens([1])))) == [3, 2, 1, 4]

    def test_only_the_best_are_read_again(self, index: VectorIndex) -> None:
        index.upsert([rich(point(n, {7: 9.0 - n}), multi=tokens([1, 4 - n])) for n in range(1, 5)])
        query = HybridQuery(words(7), RRF, 5, multi=tokens([1]))
        assert numbers(index.hybrid(permit(), query)) == [4, 3, 2, 1]
        assert numbers(index.hybrid(permit(), replace(query, rescored=2))) == [2, 1, 3, 4]


class TestHybrid:
    def test_reciprocal_ranks_by_hand(self, index: VectorIndex) -> None:
        index.upsert([point(1, {7: 3.0}, dense(0, 1)), point(2, {7: 2.0}, dense(1)), point(3, {8: 1.0}, dense(1, 0.5))])
        query = HybridQuery({**words(7), **meaning(1, limit=2)}, RRF, 10)
        expected = {2: 1 / 62 + 1 / 61, 1: 1 / 61, 3: 1 / 62}
        found = index.hybrid(permit(), query)
        assert numbers(found) == list(expected)
        assert [hit.score for hit in found] == pytest.approx(list(expected.values()), abs=1e-6)
        weighted = index.hybrid(permit(), replace(query, weights={SPARSE: 2.0, DENSE: 0.5}))
        by_hand = {2: 1 / (2 / 2 + 60) + 1 / (1 / 0.5 + 60), 1: 1 / (1 / 2 + 60), 3: 1 / (2 / 0.5 + 60)}
        assert {hit.chunk_id.int: hit.score for hit in weighted} == pytest.approx(by_hand, abs=1e-6)

    def test_scores_within_three_deviations_by_hand(self, index: VectorIndex) -> None:
        index.upsert([rich(point(1), {7: 3.0}), rich(point(2), {7: 2.0}), rich(point(3), {7: 1.0})])
        found = index.hybrid(permit(), HybridQuery(own_words({7: 1.0}), DBSF, 10))
        # mean 2, sample deviation 1: (score - 2 + 3) / 6
        assert {hit.chunk_id.int: hit.score for hit in found} == pytest.approx(
            {1: 4 / 6, 2: 3 / 6, 3: 2 / 6}, abs=TOLERANCE
        )
        one = index.hybrid(permit(), HybridQuery({**own_words({7: 1.0}, 1), **own_words({7: 1.0}, 1)}, DBSF, 10))
        assert [hit.score for hit in one] == pytest.approx([0.5], abs=TOLERANCE)

    @pytest.mark.parametrize("late", [False, True], ids=["plain", "late-interaction"])
    @pytest.mark.parametrize("method", FUSIONS)
    def test_agrees_with_the_twin(self, index: VectorIndex, method: str, late: bool) -> None:
        rng = np.random.default_rng(20261128)
        twin = MemoryIndex(RICH)
        points = list(random_rich_points(rng, 240))
        for target in (index, twin):
            target.upsert(points)
            target.delete_versions([UUID(int=version) for version in (2, 5)])
            target.retire([retirement(3, 0, 10), retirement(7, 0, 10, collection=MINUTES)])
        wanted = Selection(documents=frozenset(UUID(int=0xD000 + number) for number in range(1, 20)))
        for number in range(6):
            legs = {
                SPARSE: LegQuery(sparse({int(term): 1.0 for term in np.unique(rng.zipf(1.4, 6))}), 15),
                DENSE: LegQuery(dense(*rng.standard_normal(DIMENSIONS)), 12),
                **own_words({int(term): float(rng.uniform(0.2, 1)) for term in rng.choice(30, 4, replace=False)}, 9),
            }
            weights = {SPARSE: 2.5, LEARNED: 0.4} if method == RRF and number % 2 else {}
            multi = tokens(*rng.standard_normal((3, WIDTH))) if late else None
            query = HybridQuery(legs, method, 40, weights, multi, rescored=40)
            for asker in (permit(), permit(RIVAL, SALARIES), as_of(5)):
                for selection in (None, wanted):
                    ours, theirs = (item.hybrid(asker, query, selection) for item in (index, twin))
                    assert theirs
                    assert_same_hits(ours, theirs)

    def test_a_permit_is_a_wall_in_every_part(self, index: VectorIndex) -> None:
        def everything(number: int, **where: UUID) -> IndexPoint:
            return rich(point(number, {7: 1.0}, dense(1), **where), {7: 1.0}, tokens([1]))

        legs = {**words(7), **meaning(1), **own_words({7: 1.0})}
        queries = [HybridQuery(legs, method, 10, multi=multi) for method in FUSIONS for multi in (None, tokens([1]))]
        index.upsert([everything(1)])
        alone = [index.hybrid(permit(), query) for query in queries]
        index.upsert([everything(number, tenant=RIVAL) for number in range(2, 30)])
        index.upsert([everything(number, collection=SALARIES) for number in range(30, 60)])
        for query, before in zip(queries, alone, strict=True):
            found = index.hybrid(permit(), query)
            assert numbers(found) == [1]
            assert_same_hits(found, before)
            assert index.hybrid(permit(UUID(int=0xE), RULES), query) == []
            assert index.hybrid(nobody(), query) == []
            assert index.hybrid(permit(), query, Selection(documents=frozenset())) == []

    def test_nothing_asked_nothing_found(self, index: VectorIndex) -> None:
        index.upsert([point(1, vector=dense(1))])
        for legs in ({}, {SPARSE: LegQuery(sparse({}), 5)}, words(7, limit=0), words(4_000_000_000)):
            assert index.hybrid(permit(), HybridQuery(legs, RRF, 5)) == []
        assert index.hybrid(permit(), HybridQuery(words(7), RRF, 0)) == []

    def test_a_limit_keeps_the_best(self, index: VectorIndex) -> None:
        index.upsert([point(number, {7: number / 10}, dense(1, number)) for number in range(1, 41)])
        legs = {**words(7, limit=40), **meaning(0, 1, limit=40)}
        assert numbers(index.hybrid(permit(), HybridQuery(legs, RRF, 3))) == [40, 39, 38]

    @pytest.mark.parametrize(
        "bad",
        [
            HybridQuery(words(7), "borda", 5),
            HybridQuery(words(7), RRF, 5, {DENSE: 1.0}),
            HybridQuery(words(7), RRF, 5, {SPARSE: 0.0}),
            HybridQuery(words(7), RRF, 5, {SPARSE: float("nan")}),
            HybridQuery(words(7), DBSF, 5, {SPARSE: 2.0}),
            HybridQuery({DENSE: LegQuery(np.ones(3, dtype=np.float32), 5)}, RRF, 5),
            HybridQuery({"colbert": LegQuery(dense(1), 5)}, RRF, 5),
        ],
        ids=["method", "unasked", "zero", "nan", "dbsf", "width", "leg"],
    )
    def test_what_makes_no_sense_is_refused(self, index: VectorIndex, bad: HybridQuery) -> None:
        for asker in (permit(), nobody()):
            with pytest.raises(ValueError, match=r"fusion|weight|vector|leg"):
                index.hybrid(asker, bad)

    def test_a_closed_index_is_unavailable(self, index: VectorIndex) -> None:
        index.close()
        with pytest.raises(IndexUnavailable):
            index.hybrid(permit(), HybridQuery(words(7), RRF, 5))


def test_a_space_without_them_refuses_learned_weights_and_token_vectors() -> None:
    index = open_memory(SCHEMA)
    with pytest.raises(ValueError, match="learned"):
        index.upsert([rich(point(1), {7: 1.0})])
    with pytest.raises(ValueError, match="learned"):
        index.hybrid(permit(), HybridQuery(own_words({7: 1.0}), RRF, 5))
    with pytest.raises(ValueError, match="token vectors"):
        index.hybrid(permit(), HybridQuery(words(7), RRF, 5, multi=tokens([1])))
    assert index.count() == 0
