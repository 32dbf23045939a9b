"""How conditions are put to Edge: value by value where that is cheaper, with the same hits and scores either way."""

from collections.abc import Iterator, Sequence
from uuid import UUID

import pytest
import qdrant_edge as edge

from rag.domain.filters import Selection
from rag.domain.principal import Permit
from rag.index.base import SPARSE, IndexPoint, VectorIndex
from rag.index.edge import open_edge
from rag.index.edge_requests import VALUES_ALONE, VALUES_BESIDE_OTHERS, filter_of
from rag.index.layout import LABELS, SCOPE, VALID_FROM, AnyOf, Between, NoneOf
from rag.index.memory import open_memory
from tests.contract.index_contract import (
    ACME,
    SCHEMA,
    as_of,
    assert_same_hits,
    dense,
    fast_folder,
    meaning,
    permit,
    point,
    retirement,
    words,
)

COLLECTIONS = [UUID(int=0xC000 + number) for number in range(VALUES_ALONE + 20)]
WIDTHS = [1, 2, VALUES_BESIDE_OTHERS, VALUES_BESIDE_OTHERS + 1, VALUES_ALONE, VALUES_ALONE + 1]


def points() -> list[IndexPoint]:
    """Two chunks of each collection under a version of their own, with labels that a half, a tenth and all of them have."""
    return [
        point(
            2 * number + half + 1,
            {7: 1.0 + number / 500, 8 + half: 1.0},
            dense(1, number / 50, half),
            collection=collection,
            version=number + 1,
            labels=[f"half:{number % 2}", f"tenth:{number % 10}", "all"],
        )
        for number, collection in enumerate(COLLECTIONS)
        for half in range(2)
    ]


@pytest.fixture(scope="module")
def indexes() -> Iterator[tuple[VectorIndex, VectorIndex]]:
    """Edge and its twin with the same points, every third version retired."""
    with fast_folder() as folder:
        stored, twin = open_edge(folder, SCHEMA), open_memory(SCHEMA)
        for index in (stored, twin):
            index.upsert(points())
            index.retire(
                [
                    retirement(number + 1, 0, 9, collection=COLLECTIONS[number])
                    for number in range(0, len(COLLECTIONS), 3)
                ]
            )
        yield stored, twin
        stored.close()


def selections() -> Iterator[Selection | None]:
    """No filter; one label, several, a group more than may stand value by value; documents, and documents to look past."""
    yield None
    yield Selection((("half:0",),))
    yield Selection((("tenth:1", "tenth:2", "tenth:4"), ("half:1", "half:0")))
    yield Selection((("all", *(f"none:{number}" for number in range(VALUES_BESIDE_OTHERS))),))
    documents = frozenset(UUID(int=0xD000 + version) for version in range(1, len(COLLECTIONS), 4))
    yield Selection(documents=documents)
    yield Selection((("all",),), excluded=documents)


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("dated", [False, True], ids=["present", "as-of"])
def test_any_number_of_scopes_finds_what_the_twin_finds(
    indexes: tuple[VectorIndex, VectorIndex], width: int, dated: bool
) -> None:
    stored, twin = indexes
    asker: Permit = as_of(5, *COLLECTIONS[:width]) if dated else permit(ACME, *COLLECTIONS[:width])
    both = {**words(7, 8, limit=700), **meaning(1, 0.5, limit=700)}
    for selection in selections():
        ours, theirs = stored.search(asker, both, selection), twin.search(asker, both, selection)
        for leg in both:
            assert_same_hits(ours[leg], theirs[leg])
    retired = 0 if dated else len(range(0, width, 3))
    assert len(stored.search(asker, both)[SPARSE]) == 2 * (width - retired)


def values_of(conditions: Sequence[object] | None) -> list[object]:
    """The values that stand one by one among these conditions."""
    matches = [item.match for item in conditions or () if isinstance(item, edge.FieldCondition)]
    return [match.value for match in matches if isinstance(match, edge.MatchValue)]


def names(amount: int) -> tuple[str, ...]:
    return tuple(f"v{number:03}" for number in range(amount))


def test_one_value_is_no_list() -> None:
    asked = filter_of([AnyOf(SCOPE, ("a",)), AnyOf(LABELS, ("b",)), Between(VALID_FROM, most=5)])
    assert values_of(asked.must) == ["a", "b"]
    assert len(asked.must or []) == 3
    assert not asked.should


@pytest.mark.parametrize("amount", [2, VALUES_ALONE])
def test_an_only_condition_stands_value_by_value(amount: int) -> None:
    asked = filter_of([AnyOf(SCOPE, names(amount)), NoneOf(LABELS, ("x", "y"))])
    assert values_of(asked.should) == list(names(amount))
    assert not asked.must
    assert len(asked.must_not or []) == 1


def test_beside_others_one_short_list_stands_value_by_value() -> None:
    """Two lists of alternatives would be one, of which any value would do."""
    short = names(VALUES_BESIDE_OTHERS)
    asked = filter_of([AnyOf(SCOPE, short), AnyOf(LABELS, ("x", "y"))])
    assert values_of(asked.should) == list(short)
    assert len(asked.must or []) == 1


@pytest.mark.parametrize("beside", [True, False], ids=["beside-others", "alone"])
def test_a_long_list_stays_a_list(beside: bool) -> None:
    long = names(VALUES_BESIDE_OTHERS + 1 if beside else VALUES_ALONE + 1)
    others = [Between(VALID_FROM, most=5)] if beside else []
    asked = filter_of([AnyOf(SCOPE, long), *others])
    assert not asked.should
    assert len(asked.must or []) == 1 + len(others)
