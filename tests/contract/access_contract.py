"""What every index must do about rules of documents: they lie in the scope, move with it, and forbidden points count nowhere."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import timedelta
from uuid import UUID

import pytest

from rag.domain.filters import Selection
from rag.domain.principal import PassedRule, Permit
from rag.index.base import DENSE, RRF, SPARSE, HybridQuery, IndexPoint, Placement, VectorIndex
from tests.contract.index_contract import (
    ACME,
    MINUTES,
    NEW_YEAR,
    RIVAL,
    RULES,
    SALARIES,
    TOLERANCE,
    assert_same_hits,
    dense,
    idf,
    meaning,
    numbers,
    permit,
    point,
    retirement,
    words,
)

STAFF, BOARD = UUID(int=0xE1), UUID(int=0xE2)


def ruled(number: int, rule: UUID | None, **options: object) -> IndexPoint:
    """A point under a rule; its version has its number."""
    made = point(number, vector=dense(1), version=number, **options)  # type: ignore[arg-type]
    return replace(made, access=rule)


def passing(*rules: UUID, day: int | None = None, collections: Iterable[UUID] = (RULES, MINUTES)) -> Permit:
    """A permit that passes these rules in RULES."""
    passed = frozenset(PassedRule(RULES, rule) for rule in rules)
    moment = None if day is None else NEW_YEAR + timedelta(days=day)
    return Permit(permit().principal, frozenset(collections), moment, None, passed)


def placement(number: int, rule: UUID | None, *, archived: bool = False) -> Placement:
    return Placement(UUID(int=number), ACME, RULES, rule, archived)


class AccessContract:
    """Inherit it in a test module that has the fixture `index`."""

    def test_a_rule_is_a_wall_in_every_leg(self, index: VectorIndex) -> None:
        index.upsert([ruled(1, None), ruled(2, STAFF), ruled(3, BOARD), ruled(4, STAFF, tenant=RIVAL)])
        both = {**words(7), **meaning(1)}
        for asker, expected in [
            (passing(), [1]),
            (passing(STAFF), [1, 2]),
            (passing(BOARD), [1, 3]),
            (passing(STAFF, BOARD), [1, 2, 3]),
            (passing(STAFF, BOARD, collections=[MINUTES]), []),
            (passing(UUID(int=0xE9)), [1]),
        ]:
            found = index.search(asker, both)
            assert numbers(found[SPARSE]) == sorted(numbers(found[DENSE])) == expected, asker
            fused = index.hybrid(asker, HybridQuery(both, RRF, 10))
            assert sorted(numbers(fused)) == expected, asker

    def test_a_rule_counts_in_its_own_collection_alone(self, index: VectorIndex) -> None:
        index.upsert([ruled(1, STAFF), ruled(2, STAFF, collection=SALARIES)])
        assert numbers(index.search(passing(STAFF, collections=[RULES, SALARIES]), words(7))[SPARSE]) == [1]

    def test_scores_tell_nothing_of_what_a_rule_keeps_back(self, index: VectorIndex) -> None:
        index.upsert([ruled(number, None, terms={7: 1.0, 100 + number: 1.0}) for number in range(1, 6)])
        before = index.search(passing(STAFF), words(7, 101))[SPARSE]
        index.upsert([ruled(number, BOARD, terms={101: 2.0}) for number in range(10, 40)])
        assert_same_hits(index.search(passing(STAFF), words(7, 101))[SPARSE], before)
        index.upsert([ruled(number, STAFF, terms={7: 1.0}) for number in range(40, 43)])
        scores = [hit.score for hit in index.search(passing(STAFF), words(7, limit=20))[SPARSE]]
        assert scores == pytest.approx([idf(8, 8)] * 8, abs=TOLERANCE)

    def test_placing_moves_every_point_of_a_version(self, index: VectorIndex) -> None:
        index.upsert([replace(point(number, version=1), access=STAFF) for number in range(1, 4)])
        index.upsert([ruled(9, STAFF)])
        index.place(placement(1, BOARD))
        assert numbers(index.search(passing(STAFF), words(7))[SPARSE]) == [9]
        assert numbers(index.search(passing(BOARD), words(7))[SPARSE]) == [1, 2, 3]
        for _ in range(2):
            index.place(placement(1, None))
        assert numbers(index.search(passing(), words(7))[SPARSE]) == [1, 2, 3]
        index.place(placement(77, BOARD))
        assert index.count() == 4

    def test_placing_keeps_what_is_archived_there(self, index: VectorIndex) -> None:
        index.upsert([ruled(1, None, valid=(0, None)), ruled(2, None, valid=(10, None))])
        index.retire([retirement(1, 0, 10)])
        index.place(placement(1, STAFF, archived=True))
        assert numbers(index.search(passing(STAFF), words(7))[SPARSE]) == [2]
        assert index.search(passing(day=5), words(7)) == {SPARSE: []}
        assert numbers(index.search(passing(STAFF, day=5), words(7))[SPARSE]) == [1]
        index.place(placement(1, None, archived=True))
        assert numbers(index.search(passing(day=5), words(7))[SPARSE]) == [1]

    def test_retiring_keeps_the_rule(self, index: VectorIndex) -> None:
        index.upsert([ruled(1, STAFF, valid=(0, None))])
        index.retire([replace(retirement(1, 0, 10), access=STAFF)])
        assert index.search(passing(day=5), words(7)) == {SPARSE: []}
        assert numbers(index.search(passing(STAFF, day=5), words(7))[SPARSE]) == [1]
        assert index.search(passing(STAFF), words(7)) == {SPARSE: []}

    def test_documents_are_looked_past(self, index: VectorIndex) -> None:
        index.upsert([ruled(number, None) for number in range(1, 6)])
        both = {**words(7), **meaning(1)}
        past = Selection(excluded=frozenset({UUID(int=0xD002), UUID(int=0xD004), UUID(int=0xDEAD)}))
        found = index.search(passing(), both, past)
        assert numbers(found[SPARSE]) == sorted(numbers(found[DENSE])) == [1, 3, 5]
        assert sorted(numbers(index.hybrid(passing(), HybridQuery(both, RRF, 10), past))) == [1, 3, 5]
        assert [numbers(item[SPARSE]) for item in index.search_batch(passing(), [words(7)] * 2, past)] == [
            [1, 3, 5]
        ] * 2
        chosen = Selection(documents=frozenset({UUID(int=0xD001), UUID(int=0xD002)}), excluded=past.excluded)
        assert numbers(index.search(passing(), words(7), chosen)[SPARSE]) == [1]

    def test_what_is_looked_past_changes_no_score(self, index: VectorIndex) -> None:
        index.upsert([ruled(number, None, terms={7: 1.0, 100 + number: 1.0}) for number in range(1, 6)])
        before = index.search(passing(), words(7, 101))[SPARSE]
        index.upsert([ruled(number, None, terms={101: 2.0}) for number in range(10, 40)])
        past = Selection(excluded=frozenset(UUID(int=0xD000 + number) for number in range(10, 40)))
        assert_same_hits(index.search(passing(), words(7, 101), past)[SPARSE], before)

    def test_a_thousand_rules_and_exclusions(self, index: VectorIndex) -> None:
        rules = [UUID(int=0xE000 + number) for number in range(1000)]
        index.upsert([ruled(number, rules[number]) for number in range(1, 101)])
        past = Selection(excluded=frozenset(UUID(int=0xD000 + number) for number in range(51, 1051)))
        found = index.search(passing(*rules), words(7, limit=200), past)[SPARSE]
        assert numbers(found) == list(range(1, 51))
