"""What every index must do. A backend passes when `IndexContract` passes on it; the fixture `index` gives an empty one.

Scores are compared with the memory twin, and the twin's with numbers worked out from the formula by hand.
"""

import math
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

import numpy as np
import pytest

from rag.domain.errors import IndexUnavailable
from rag.domain.filters import Selection
from rag.domain.principal import Permit, Principal, Scope
from rag.domain.vectors import SparseVector
from rag.index.base import DENSE, SPARSE, IndexPoint, IndexSchema, LegHit, LegQuery, Retirement, VectorIndex
from rag.index.memory import MemoryIndex

DIMENSIONS = 8
SCHEMA = IndexSchema(space="시험용 공간/tiny-é", dimensions=DIMENSIONS)
TOLERANCE = 1e-4

ACME, RIVAL = UUID(int=0xA), UUID(int=0xB)
NEW_YEAR = datetime(2026, 1, 1, tzinfo=UTC)
RULES, MINUTES, SALARIES = UUID(int=0xC1), UUID(int=0xC2), UUID(int=0xC3)


@contextmanager
def fast_folder() -> Iterator[Path]:
    """In memory where there is such a folder: an fsync takes 0.1 s on a slow disk, and durability has its own tests."""
    shared_memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=shared_memory if shared_memory.is_dir() else None) as folder:
        yield Path(folder)


def permit(tenant: UUID = ACME, *collections: UUID) -> Permit:
    """A permit for these collections, by default for RULES and MINUTES."""
    principal = Principal(UUID(int=1), "asker", tenant, frozenset({Scope.READ}))
    return Permit(principal, frozenset(collections or (RULES, MINUTES)))


def as_of(day: int, *collections: UUID) -> Permit:
    """The same permit, `day` days after NEW_YEAR."""
    return Permit(permit().principal, frozenset(collections or (RULES, MINUTES)), NEW_YEAR + timedelta(days=day))


def retirement(
    version: int, first: int, last: int, *, tenant: UUID = ACME, collection: UUID = RULES, ms: int = 0
) -> Retirement:
    """Version `version` answered from day `first` to day `last`."""
    end = NEW_YEAR + timedelta(days=last, milliseconds=ms)
    return Retirement(UUID(int=version), tenant, collection, NEW_YEAR + timedelta(days=first), end)


def nobody() -> Permit:
    return Permit(Principal(UUID(int=1), "asker", ACME, frozenset({Scope.READ})), frozenset())


def sparse(weights: Mapping[int, float]) -> SparseVector:
    return SparseVector(tuple(weights), tuple(weights.values()))


def dense(*leading: float) -> np.ndarray:
    """A unit vector that starts with these components."""
    vector = np.zeros(DIMENSIONS, dtype=np.float32)
    vector[: len(leading)] = leading
    return vector / np.linalg.norm(vector)


def point(
    number: int,
    terms: Mapping[int, float] | None = None,
    vector: np.ndarray | None = None,
    *,
    tenant: UUID = ACME,
    collection: UUID = RULES,
    version: int = 1,
    labels: Sequence[str] = (),
    valid: tuple[int | None, int | None] = (None, None),
) -> IndexPoint:
    weights = sparse({7: 1.0} if terms is None else terms)
    start, end = (None if day is None else NEW_YEAR + timedelta(days=day) for day in valid)
    return IndexPoint(
        UUID(int=number),
        tenant,
        collection,
        UUID(int=0xD000 + version),
        UUID(int=version),
        weights,
        vector,
        tuple(labels),
        start,
        end,
    )


def words(*terms: int, limit: int = 10) -> dict[str, LegQuery]:
    return {SPARSE: LegQuery(sparse(dict.fromkeys(terms, 1.0)), limit)}


def meaning(*leading: float, limit: int = 10) -> dict[str, LegQuery]:
    return {DENSE: LegQuery(dense(*leading), limit)}


def numbers(hits: Sequence[LegHit]) -> list[int]:
    return [hit.chunk_id.int for hit in hits]


def idf(population: int, frequency: int) -> float:
    return math.log((population - frequency + 0.5) / (frequency + 0.5) + 1)


def assert_same_hits(left: Sequence[LegHit], right: Sequence[LegHit]) -> None:
    """Equal scores rank by rank, and equal chunks except where scores are too close to say which comes first."""
    assert len(left) == len(right)
    for ours, theirs in zip(left, right, strict=True):
        assert ours.score == pytest.approx(theirs.score, abs=TOLERANCE)
    last = right[-1].score if right else 0.0
    expected = {hit.chunk_id: hit.score for hit in right}
    for hit in left:
        assert hit.chunk_id in expected or hit.score == pytest.approx(last, abs=TOLERANCE)
        assert hit.score == pytest.approx(expected.get(hit.chunk_id, hit.score), abs=TOLERANCE)


def random_points(rng: np.random.Generator, amount: int) -> Iterator[IndexPoint]:
    """Two tenants, three collections, Zipf-like terms, a third without a dense vector."""
    for number in range(1, amount + 1):
        terms = {int(term): float(rng.uniform(0.2, 2.2)) for term in np.unique(rng.zipf(1.4, 12) % 4_000_000_011)}
        vector = None if number % 3 == 0 else dense(*rng.standard_normal(DIMENSIONS))
        yield point(
            number,
            terms,
            vector,
            tenant=(ACME, RIVAL)[number % 2],
            collection=(RULES, MINUTES, SALARIES)[number % 5 % 3],
            version=number // 10 + 1,
        )


class IndexContract:
    """Inherit it in a test module that has the fixture `index`."""

    def test_knows_its_schema(self, index: VectorIndex) -> None:
        assert index.schema == SCHEMA

    def test_empty_index_finds_nothing(self, index: VectorIndex) -> None:
        assert index.search(permit(), {**words(7), **meaning(1)}) == {SPARSE: [], DENSE: []}
        assert index.count() == 0
        assert list(index.versions_of()) == []

    def test_upsert_can_be_repeated(self, index: VectorIndex) -> None:
        points = [point(number, {7: 1.0, number: 1.0}, dense(number)) for number in range(1, 6)]
        index.upsert(points)
        once = index.search(permit(), {**words(7, 3), **meaning(1)})
        index.upsert(points)
        index.upsert(points[:2])
        assert index.count() == 5
        again = index.search(permit(), {**words(7, 3), **meaning(1)})
        for leg in (SPARSE, DENSE):
            assert_same_hits(again[leg], once[leg])

    def test_the_last_of_two_equal_ids_counts(self, index: VectorIndex) -> None:
        index.upsert([point(1, {7: 1.0}), point(1, {8: 1.0})])
        assert index.count() == 1
        assert numbers(index.search(permit(), words(7))[SPARSE]) == []
        assert numbers(index.search(permit(), words(8))[SPARSE]) == [1]

    def test_replacing_leaves_nothing_of_the_old_point(self, index: VectorIndex) -> None:
        index.upsert([point(1, {7: 1.0}, dense(1)), point(2, {7: 1.0}, dense(1))])
        index.upsert([point(1, {8: 1.0}, collection=MINUTES, version=2)])
        assert numbers(index.search(permit(), meaning(1))[DENSE]) == [2]
        assert numbers(index.search(permit(), words(7))[SPARSE]) == [2]
        assert numbers(index.search(permit(ACME, MINUTES), words(8))[SPARSE]) == [1]
        assert index.search(permit(ACME, RULES), words(8)) == {SPARSE: []}
        assert (index.count(), index.count(UUID(int=1)), index.count(UUID(int=2))) == (2, 1, 1)

    def test_what_was_inserted_is_found_as_if_it_had_been_upserted(self, index: VectorIndex) -> None:
        points = [
            replace(item, labels=(f"n:{item.version_id.int % 3}",), valid_from=NEW_YEAR)
            for item in random_points(np.random.default_rng(11), 400)
        ]
        plain = MemoryIndex(SCHEMA)
        plain.upsert(points)
        index.insert(points)
        index.insert(points[:50])
        legs = {**words(1, 2, 3, limit=100), **meaning(1, -1, limit=100)}
        for asked in (permit(), permit(RIVAL), permit(ACME, MINUTES), as_of(3)):
            for selection in (
                None,
                Selection(label_groups=(("n:1",),)),
                Selection(documents=frozenset([UUID(int=0xD003)])),
            ):
                found, expected = index.search(asked, legs, selection), plain.search(asked, legs, selection)
                for leg in (SPARSE, DENSE):
                    assert_same_hits(found[leg], expected[leg])
        assert sorted(index.versions_of()) == sorted(plain.versions_of())
        versions = {item.version_id for item in points}
        assert {item: index.count(item) for item in versions} == {item: plain.count(item) for item in versions}

    def test_nothing_to_write_is_no_error(self, index: VectorIndex) -> None:
        index.upsert([])
        index.insert([])
        index.delete_versions([])
        assert index.count() == 0

    def test_counts_what_was_written(self, index: VectorIndex) -> None:
        index.upsert([point(number, version=1 + number % 3) for number in range(1, 701)])
        assert index.count() == 700
        assert [index.count(UUID(int=version)) for version in (1, 2, 3, 4)] == [233, 234, 233, 0]
        assert index.count(UUID(int=1), UUID(int=3), UUID(int=4)) == 466

    def test_deletes_versions(self, index: VectorIndex) -> None:
        index.upsert([point(number, {7: 1.0}, dense(1), version=number % 3) for number in range(1, 31)])
        index.delete_versions([UUID(int=1), UUID(int=2), UUID(int=99)])
        assert (index.count(), index.count(UUID(int=1))) == (10, 0)
        left = list(range(3, 31, 3))
        found = index.search(permit(), {**words(7, limit=50), **meaning(1, limit=50)})
        assert numbers(found[SPARSE]) == numbers(found[DENSE]) == left
        assert {chunk.int for chunk, _ in index.versions_of()} == set(left)

    def test_a_permit_is_a_wall(self, index: VectorIndex) -> None:
        text, vector = {7: 1.0, 8: 1.0}, dense(1)
        index.upsert(
            [
                point(1, text, vector, tenant=ACME, collection=RULES),
                point(2, text, vector, tenant=ACME, collection=SALARIES),
                point(3, text, vector, tenant=RIVAL, collection=RULES),  # the same text under the same collection id
                point(4, text, vector, tenant=RIVAL, collection=UUID(int=0xBB)),
            ]
        )
        both = {**words(7, 8), **meaning(1)}
        for tenant, collections, expected in [
            (ACME, [RULES], [1]),
            (ACME, [RULES, SALARIES], [1, 2]),
            (ACME, [UUID(int=0xBB)], []),  # a collection of somebody else
            (ACME, [RULES, UUID(int=0xBB)], [1]),
            (RIVAL, [RULES], [3]),
            (RIVAL, [SALARIES], []),
            (UUID(int=0xE), [RULES, SALARIES, UUID(int=0xBB)], []),
        ]:
            found = index.search(permit(tenant, *collections), both)
            assert numbers(found[SPARSE]) == numbers(found[DENSE]) == expected

    def test_an_empty_permit_finds_nothing(self, index: VectorIndex) -> None:
        index.upsert([point(1, vector=dense(1))])
        assert index.search(nobody(), {**words(7), **meaning(1)}) == {SPARSE: [], DENSE: []}
        assert index.search_batch(nobody(), [words(7), {}]) == [{SPARSE: []}, {}]

    def test_a_wide_permit(self, index: VectorIndex) -> None:
        collections = [UUID(int=0xC000 + number) for number in range(300)]
        index.upsert([point(number + 1, collection=collections[number]) for number in range(300)])
        found = index.search(permit(ACME, *collections[10:]), words(7, limit=500))[SPARSE]
        assert numbers(found) == list(range(11, 301))

    def test_points_without_a_dense_vector_stay_out_of_that_leg(self, index: VectorIndex) -> None:
        index.upsert([point(1, vector=dense(-1)), point(2), point(3, vector=dense(0, 1))])
        found = index.search(permit(), {**words(7), **meaning(1)})
        assert numbers(found[DENSE]) == [3, 1]
        assert [hit.score for hit in found[DENSE]] == pytest.approx([0.0, -1.0], abs=TOLERANCE)
        assert numbers(found[SPARSE]) == [1, 2, 3]

    def test_a_point_without_terms_stays_out_of_the_sparse_leg(self, index: VectorIndex) -> None:
        index.upsert([point(1, {7: 1.0}), point(2, {}, dense(1)), point(3, {}), point(4, {9: 1.0})])
        found = index.search(permit(), {**words(7), **meaning(1)})
        assert numbers(found[SPARSE]) == [1]
        assert found[SPARSE][0].score == pytest.approx(idf(2, 1), abs=TOLERANCE)
        assert numbers(found[DENSE]) == [2]
        assert index.count() == 4

    def test_unknown_terms_and_empty_queries_find_nothing(self, index: VectorIndex) -> None:
        index.upsert([point(1)])
        assert index.search(permit(), words(4_000_000_000)) == {SPARSE: []}
        assert index.search(permit(), {SPARSE: LegQuery(SparseVector((), ()), 5)}) == {SPARSE: []}
        assert index.search(permit(), {}) == {}
        assert index.search(permit(), words(7, limit=0)) == {SPARSE: []}

    def test_stored_zeros_are_no_hits(self, index: VectorIndex) -> None:
        index.upsert([point(1, {7: 0.0, 8: 1.0}), point(2, {7: 1.0})])
        assert numbers(index.search(permit(), words(7))[SPARSE]) == [2]

    def test_best_first(self, index: VectorIndex) -> None:
        index.upsert([point(number, {7: number / 10}, dense(1, number / 10)) for number in range(1, 21)])
        found = index.search(permit(), {**words(7, limit=4), **meaning(1, limit=4)})
        assert numbers(found[SPARSE]) == [20, 19, 18, 17]
        assert numbers(found[DENSE]) == [1, 2, 3, 4]

    def test_ties_are_cut_by_chunk_id(self, index: VectorIndex) -> None:
        same = [
            point(number, {7: 1.0}, dense(1, 1), collection=(RULES, MINUTES)[number % 2]) for number in range(1, 91)
        ]
        index.upsert([*same[::-1], point(200, {7: 2.0}, dense(1))])
        found = index.search(permit(), {**words(7, limit=4), **meaning(1, limit=4)})
        assert numbers(found[SPARSE]) == numbers(found[DENSE]) == [200, 1, 2, 3]

    def test_sparse_scores_are_bm25_with_the_idf_of_the_permitted(self, index: VectorIndex) -> None:
        index.upsert(
            [
                point(1, {7: 2.0, 8: 0.5}),
                point(2, {7: 1.0}, collection=MINUTES),
                point(3, {8: 1.0}),
                point(4, {7: 1.0}, collection=SALARIES),
                point(5, {7: 1.0, 8: 1.0}, tenant=RIVAL),
            ]
        )
        query = {SPARSE: LegQuery(sparse({7: 1.0, 8: 3.0}), 10)}
        scores = {hit.chunk_id.int: hit.score for hit in index.search(permit(), query)[SPARSE]}
        expected = {1: idf(3, 2) * 2 + 3 * idf(3, 2) * 0.5, 2: idf(3, 2), 3: 3 * idf(3, 2)}
        assert scores == pytest.approx(expected, abs=TOLERANCE)

    def test_scores_tell_nothing_about_what_may_not_be_read(self, index: VectorIndex) -> None:
        index.upsert([point(number, {7: 1.0, number + 100: 1.0}) for number in range(1, 6)])
        before = index.search(permit(), words(7, 101))[SPARSE]
        index.upsert([point(number, {101: 1.0}, tenant=RIVAL) for number in range(10, 60)])
        index.upsert([point(number, {101: 1.0}, collection=SALARIES) for number in range(60, 90)])
        assert_same_hits(index.search(permit(), words(7, 101))[SPARSE], before)

    def test_idf_forgets_what_is_deleted_or_replaced(self, index: VectorIndex) -> None:
        index.upsert([point(number, {7: 1.0}, version=number) for number in range(1, 9)])
        index.delete_versions([UUID(int=number) for number in (5, 6, 7, 8)])
        index.upsert([point(4, {9: 1.0}, version=4)])
        found = index.search(permit(), words(7, 9))[SPARSE]
        assert numbers(found) == [4, 1, 2, 3]
        assert [hit.score for hit in found] == pytest.approx([idf(4, 1)] + [idf(4, 3)] * 3, abs=TOLERANCE)

    def test_a_retired_version_is_seen_only_as_of_its_time(self, index: VectorIndex) -> None:
        both = {**words(7), **meaning(1)}
        index.upsert([point(1, vector=dense(1), version=1, valid=(0, None))])
        index.retire([retirement(1, 0, 10), retirement(99, 0, 1)])
        index.upsert([point(2, vector=dense(1), version=2, valid=(10, None))])
        assert index.count() == 2 and index.count(UUID(int=1)) == 1
        for asker, expected in [
            (permit(), [2]),
            (as_of(-1), []),
            (as_of(0), [1]),
            (as_of(9), [1]),
            (as_of(11), [2]),
            (as_of(5, MINUTES), []),
        ]:
            found = index.search(asker, both)
            assert numbers(found[SPARSE]) == numbers(found[DENSE]) == expected, asker

    def test_retiring_can_be_repeated_and_corrected(self, index: VectorIndex) -> None:
        index.upsert([point(1, version=1, valid=(0, None))])
        for last in (20, 10, 10):
            index.retire([retirement(1, 5, last)])
        assert [numbers(index.search(as_of(day), words(7))[SPARSE]) for day in (4, 6, 9, 12)] == [[], [1], [1], []]
        index.retire([])
        index.upsert([point(1, version=1, valid=(0, None))])  # such as a step that is replayed
        assert numbers(index.search(permit(), words(7))[SPARSE]) == [1]

    def test_a_point_with_an_end_is_archived_from_the_start(self, index: VectorIndex) -> None:
        index.upsert([point(1, valid=(0, 10)), point(2, version=2, valid=(10, None))])
        assert numbers(index.search(permit(), words(7))[SPARSE]) == [2]
        assert numbers(index.search(as_of(3), words(7))[SPARSE]) == [1]

    def test_the_archive_changes_no_present_score(self, index: VectorIndex) -> None:
        index.upsert([point(number, {7: 1.0, number + 100: 1.0}) for number in range(1, 6)])
        before = index.search(permit(), words(7, 101))[SPARSE]
        index.upsert([point(number, {101: 1.0}, version=number) for number in range(10, 40)])
        index.retire([retirement(number, 0, 10) for number in range(10, 40)])
        assert_same_hits(index.search(permit(), words(7, 101))[SPARSE], before)

    def test_idf_as_of_a_date_is_that_of_what_was_valid_then(self, index: VectorIndex) -> None:
        index.upsert([point(number, version=number, valid=(0, None)) for number in range(1, 5)])
        index.upsert([point(number, version=number, valid=(20, None)) for number in range(5, 9)])
        index.retire([retirement(1, 0, 10), retirement(2, 0, 30)])
        found = index.search(as_of(15), words(7))[SPARSE]
        assert numbers(found) == [2, 3, 4]
        assert [hit.score for hit in found] == pytest.approx([idf(3, 3)] * 3, abs=TOLERANCE)

    def test_a_permit_is_a_wall_in_the_archive_too(self, index: VectorIndex) -> None:
        index.upsert(
            [
                point(1, collection=RULES, version=1),
                point(2, collection=SALARIES, version=2),
                point(3, tenant=RIVAL, collection=RULES, version=3),
            ]
        )
        index.retire(
            [
                retirement(1, 0, 9),
                retirement(2, 0, 9, collection=SALARIES),
                retirement(3, 0, 9, tenant=RIVAL),
            ]
        )
        assert numbers(index.search(as_of(5), words(7))[SPARSE]) == [1]
        assert numbers(index.search(as_of(5, RULES, SALARIES), words(7))[SPARSE]) == [1, 2]
        assert index.search(permit(ACME, RULES, SALARIES), words(7)) == {SPARSE: []}

    def test_deleting_takes_archived_points_too(self, index: VectorIndex) -> None:
        index.upsert([point(1, version=1), point(2, version=2)])
        index.retire([retirement(1, 0, 9)])
        index.delete_versions([UUID(int=1)])
        assert index.count() == 1
        assert numbers(index.search(as_of(5), words(7))[SPARSE]) == [2]

    def test_labels_narrow_and_leave_the_scores_alone(self, index: VectorIndex) -> None:
        index.upsert(
            [
                point(1, vector=dense(1), version=1, labels=["t:부서=인사", "n:연도#c0"]),
                point(2, vector=dense(1), version=2, labels=["t:부서=총무", "n:연도#c0"]),
                point(3, vector=dense(1), version=3),
            ]
        )
        both = {**words(7), **meaning(1)}
        everything = {hit.chunk_id: hit.score for hit in index.search(permit(), both)[SPARSE]}
        for groups, expected in [
            ([["t:부서=인사"]], [1]),
            ([["t:부서=인사", "t:부서=총무"]], [1, 2]),
            ([["n:연도#c0"], ["t:부서=총무"]], [2]),
            ([["t:부서=재무"]], []),
            ([[]], []),
            ([], [1, 2, 3]),
        ]:
            selection = Selection(tuple(tuple(group) for group in groups))
            found = index.search(permit(), both, selection)
            assert numbers(found[SPARSE]) == numbers(found[DENSE]) == expected
            assert all(hit.score == pytest.approx(everything[hit.chunk_id], abs=TOLERANCE) for hit in found[SPARSE])

    def test_documents_narrow(self, index: VectorIndex) -> None:
        index.upsert([point(number, version=number) for number in range(1, 6)])
        chosen = Selection(documents=frozenset({UUID(int=0xD002), UUID(int=0xD004), UUID(int=0xDEAD)}))
        assert numbers(index.search(permit(), words(7), chosen)[SPARSE]) == [2, 4]
        assert index.search(permit(), words(7), Selection(documents=frozenset())) == {SPARSE: []}
        assert index.search(permit(ACME, MINUTES), words(7), chosen) == {SPARSE: []}
        assert [numbers(item[SPARSE]) for item in index.search_batch(permit(), [words(7)] * 2, chosen)] == [[2, 4]] * 2

    def test_thousands_of_documents_narrow(self, index: VectorIndex) -> None:
        index.upsert([point(number, version=number) for number in range(1, 101)])
        wide = Selection(documents=frozenset(UUID(int=0xD000 + number) for number in range(51, 5001)))
        assert numbers(index.search(permit(), words(7, limit=200), wide)[SPARSE]) == list(range(51, 101))

    def test_relabelling_reaches_every_point_of_a_version(self, index: VectorIndex) -> None:
        index.upsert([point(number, version=1, labels=["alt"]) for number in range(1, 4)])
        index.upsert([point(4, version=2, labels=["alt"])])
        index.retire([retirement(1, 0, 9)])
        index.relabel(UUID(int=1), ["neu", "auch"])
        index.relabel(UUID(int=99), ["neu"])
        assert numbers(index.search(permit(), words(7), Selection((("alt",),)))[SPARSE]) == [4]
        assert numbers(index.search(as_of(5), words(7), Selection((("neu",),)))[SPARSE]) == [1, 2, 3]
        index.relabel(UUID(int=1), [])
        assert index.search(as_of(5), words(7), Selection((("neu",),))) == {SPARSE: []}

    def test_agrees_with_the_twin(self, index: VectorIndex) -> None:
        rng = np.random.default_rng(20261121)
        twin = MemoryIndex(SCHEMA)
        points = list(random_points(rng, 300))
        for target in (index, twin):
            target.upsert(points)
            target.delete_versions([UUID(int=version) for version in (2, 5, 9)])
            target.upsert([point(number, {1: 1.5, 2: 0.5}, version=40) for number in range(100, 120)])
        assert index.count() == twin.count()
        assert set(index.versions_of()) == set(twin.versions_of())
        permits = [permit(), permit(RIVAL, SALARIES), permit(ACME, RULES, MINUTES, SALARIES)]
        for _ in range(12):
            terms = {int(term): float(rng.uniform(0.5, 1.5)) for term in np.unique(rng.zipf(1.4, 6))}
            query = {
                SPARSE: LegQuery(sparse(terms), 15),
                DENSE: LegQuery(dense(*rng.standard_normal(DIMENSIONS)), 15),
            }
            for asker in permits:
                ours, theirs = index.search(asker, query), twin.search(asker, query)
                assert ours[SPARSE]
                for leg in (SPARSE, DENSE):
                    assert_same_hits(ours[leg], theirs[leg])

    def test_a_batch_equals_single_searches(self, index: VectorIndex) -> None:
        index.upsert(list(random_points(np.random.default_rng(3), 120)))
        queries = [{**words(1, 2, 3), **meaning(1, 2)}, words(5), {}, meaning(0, 0, 1, limit=3), words(1, limit=2)]
        assert index.search_batch(permit(), []) == []
        together = index.search_batch(permit(), queries)
        for query, found in zip(queries, together, strict=True):
            alone = index.search(permit(), query)
            assert list(found) == list(alone) == list(query)
            for leg in query:
                assert_same_hits(found[leg], alone[leg])

    def test_a_limit_beyond_the_index(self, index: VectorIndex) -> None:
        index.upsert([point(number, vector=dense(1, number)) for number in range(1, 41)])
        found = index.search(permit(), {**words(7, limit=100_000), **meaning(1, limit=100_000)})
        assert len(found[SPARSE]) == len(found[DENSE]) == 40

    def test_versions_of_reads_every_page(self, index: VectorIndex) -> None:
        index.upsert([point(number, version=number % 7) for number in range(1, 1202)])
        pairs = list(index.versions_of())
        assert len(pairs) == 1201
        assert set(pairs) == {(UUID(int=number), UUID(int=number % 7)) for number in range(1, 1202)}

    def test_term_ids_use_all_32_bits(self, index: VectorIndex) -> None:
        index.upsert([point(1, {0: 1.0, 2**32 - 1: 1.0}), point(2, {2**31: 1.0})])
        assert numbers(index.search(permit(), words(2**32 - 1))[SPARSE]) == [1]
        assert numbers(index.search(permit(), words(2**31, 0))[SPARSE]) == [1, 2]

    @pytest.mark.parametrize(
        "bad",
        [
            point(1, vector=np.ones(DIMENSIONS - 1, dtype=np.float32)),
            point(1, vector=np.ones((1, DIMENSIONS), dtype=np.float32)),
            point(1, vector=np.full(DIMENSIONS, np.nan, dtype=np.float32)),
            IndexPoint(UUID(int=1), ACME, RULES, UUID(int=2), UUID(int=3), SparseVector((7, 7), (1.0, 1.0))),
        ],
        ids=["short", "matrix", "nan", "repeated-term"],
    )
    def test_a_bad_vector_is_refused_and_nothing_written(self, index: VectorIndex, bad: IndexPoint) -> None:
        with pytest.raises(ValueError, match="vector"):
            index.upsert([point(2), bad])
        assert index.count() == 0

    @pytest.mark.parametrize(
        "bad",
        [
            {DENSE: LegQuery(np.ones(3, dtype=np.float32), 5)},
            {DENSE: LegQuery(sparse({7: 1.0}), 5)},
            {SPARSE: LegQuery(dense(1), 5)},
            {"colbert": LegQuery(dense(1), 5)},
        ],
    )
    def test_a_query_that_does_not_fit_is_refused(self, index: VectorIndex, bad: Mapping[str, LegQuery]) -> None:
        for asker in (permit(), nobody()):
            with pytest.raises(ValueError, match=r"vector|leg"):
                index.search(asker, bad)

    def test_clear_leaves_a_working_index(self, index: VectorIndex) -> None:
        index.upsert([point(number, vector=dense(1)) for number in range(1, 30)])
        index.clear()
        assert index.count() == 0
        assert index.search(permit(), {**words(7), **meaning(1)}) == {SPARSE: [], DENSE: []}
        index.upsert([point(1, {7: 2.0}), point(2, {8: 1.0})])
        found = index.search(permit(), words(7))[SPARSE]
        assert [hit.score for hit in found] == pytest.approx([2 * idf(2, 1)], abs=TOLERANCE)

    def test_optimize_changes_no_answer(self, index: VectorIndex) -> None:
        index.upsert(list(random_points(np.random.default_rng(5), 200)))
        index.delete_versions([UUID(int=3)])
        query = {**words(1, 2, 3), **meaning(1, 1)}
        before = index.search(permit(), query)
        index.optimize()
        after = index.search(permit(), query)
        for leg in query:
            assert_same_hits(after[leg], before[leg])

    def test_threads_write_and_search_at_once(self, index: VectorIndex, thread_safe: None) -> None:
        def work(worker: int) -> None:
            for number in range(20):
                index.upsert([point(worker * 100 + number, {7: 1.0}, dense(1, number), version=worker)])
                found = index.search(permit(), {**words(7, limit=100), **meaning(1, limit=100)})
                assert worker * 100 + number in numbers(found[SPARSE])

        with ThreadPoolExecutor(4) as pool:
            list(pool.map(work, range(1, 5)))
        assert index.count() == 80

    def test_a_closed_index_is_unavailable(self, index: VectorIndex) -> None:
        index.close()
        index.close()
        with pytest.raises(IndexUnavailable):
            index.search(permit(), words(7))
        with pytest.raises(IndexUnavailable):
            index.upsert([point(1)])
        with pytest.raises(IndexUnavailable):
            index.count()
