"""Edge beside its twin: whatever is written, deleted, cleared and reopened, both answer the same."""

from contextlib import ExitStack
from uuid import UUID

import numpy as np
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from rag.domain.filters import Selection
from rag.index.base import DENSE, SPARSE, IndexPoint, LegQuery
from rag.index.edge import open_edge
from rag.index.memory import open_memory
from tests.contract.index_contract import (
    ACME,
    MINUTES,
    RIVAL,
    RULES,
    SALARIES,
    SCHEMA,
    as_of,
    assert_same_hits,
    dense,
    fast_folder,
    permit,
    point,
    retirement,
    sparse,
)

TERMS = st.dictionaries(st.integers(0, 9), st.sampled_from([0.5, 1.0, 1.0, 2.0]), max_size=5)
VECTORS = st.lists(st.integers(-2, 2), min_size=3, max_size=3).filter(any).map(lambda parts: dense(*parts))
TENANTS = st.sampled_from([ACME, RIVAL])
COLLECTIONS = st.sampled_from([RULES, MINUTES, SALARIES])
VERSIONS = st.integers(1, 6)
DAYS = st.integers(0, 20)
LABELS = st.lists(st.sampled_from(["t:부서=인사", "t:부서=총무", "n:연도#c0"]), max_size=2, unique=True)


@st.composite
def points(draw: st.DrawFn) -> IndexPoint:
    vector = draw(st.none() | VECTORS)
    return point(
        draw(st.integers(1, 25)),
        draw(TERMS),
        vector,
        tenant=draw(TENANTS),
        collection=draw(COLLECTIONS),
        version=draw(VERSIONS),
        labels=draw(LABELS),
        valid=(draw(DAYS), None),
    )


class EdgeBesideTwin(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.cleanup = ExitStack()
        self.folder = self.cleanup.enter_context(fast_folder())
        self.edge = open_edge(self.folder, SCHEMA)
        self.twin = open_memory(SCHEMA)

    @rule(batch=st.lists(points(), min_size=1, max_size=8))
    def upsert(self, batch: list[IndexPoint]) -> None:
        self.edge.upsert(batch)
        self.twin.upsert(batch)

    @rule(versions=st.lists(VERSIONS, max_size=2))
    def delete(self, versions: list[int]) -> None:
        for index in (self.edge, self.twin):
            index.delete_versions([UUID(int=version) for version in versions])

    @rule(version=VERSIONS, tenant=TENANTS, collection=COLLECTIONS, first=DAYS, length=st.integers(1, 10))
    def retire(self, version: int, tenant: UUID, collection: UUID, first: int, length: int) -> None:
        item = retirement(version, first, first + length, tenant=tenant, collection=collection)
        for index in (self.edge, self.twin):
            index.retire([item])

    @rule(version=VERSIONS, labels=LABELS)
    def relabel(self, version: int, labels: list[str]) -> None:
        for index in (self.edge, self.twin):
            index.relabel(UUID(int=version), labels)

    @rule(collections=st.sets(COLLECTIONS, min_size=1), day=DAYS, terms=TERMS.filter(bool), wanted=LABELS)
    def search_as_of(self, collections: set[UUID], day: int, terms: dict[int, float], wanted: list[str]) -> None:
        query = {SPARSE: LegQuery(sparse(terms), 12)}
        asker = as_of(day, *collections)
        selection = Selection((tuple(wanted),)) if wanted else None
        ours, theirs = self.edge.search(asker, query, selection), self.twin.search(asker, query, selection)
        assert_same_hits(ours[SPARSE], theirs[SPARSE])

    @rule()
    def reopen(self) -> None:
        self.edge.close()
        self.edge = open_edge(self.folder, SCHEMA)

    @precondition(lambda self: self.twin.count() > 10)
    @rule()
    def clear(self) -> None:
        self.edge.clear()
        self.twin.clear()

    @rule(
        tenant=TENANTS,
        collections=st.sets(COLLECTIONS, min_size=1),
        terms=TERMS.filter(bool),
        vector=VECTORS,
        limit=st.integers(1, 30),
    )
    def search(
        self, tenant: UUID, collections: set[UUID], terms: dict[int, float], vector: np.ndarray, limit: int
    ) -> None:
        query = {SPARSE: LegQuery(sparse(terms), limit), DENSE: LegQuery(vector, limit)}
        asker = permit(tenant, *collections)
        ours, theirs = self.edge.search(asker, query), self.twin.search(asker, query)
        for leg in query:
            assert_same_hits(ours[leg], theirs[leg])

    @invariant()
    def holds_the_same_points(self) -> None:
        assert self.edge.count() == self.twin.count()
        assert sorted(self.edge.versions_of()) == sorted(self.twin.versions_of())

    def teardown(self) -> None:
        self.edge.close()
        self.cleanup.close()


EdgeBesideTwin.TestCase.settings = settings(max_examples=12, stateful_step_count=25, deadline=None)
TestEdgeBesideTwin = EdgeBesideTwin.TestCase
