"""The fusion inside the engine as search sees it."""

from typing import Any
from uuid import UUID

import pytest

from rag.domain.filters import Selection
from rag.domain.language import CollectionKind, Language
from rag.index.base import DENSE, LEARNED, SPARSE
from rag.index.memory import open_memory
from rag.retrieval.engine_fusion import IN_ENGINE, fused_in_engine, rank_weights
from rag.retrieval.fusion import LearnedWeights, Weights, profile_for
from rag.retrieval.service import Retriever
from rag.settings import RetrievalSettings
from rag.store.session import Database
from tests.contract.index_contract import RIVAL, SCHEMA, dense, meaning, permit, point, words
from tests.support.shelf import shelf


@pytest.mark.parametrize("method", IN_ENGINE)
def test_hits_carry_their_rank_in_the_whole(method: str) -> None:
    index = open_memory(SCHEMA)
    index.upsert([point(1, {7: 2.0}, dense(1)), point(2, {7: 1.0}, dense(0, 1), version=2), point(3, tenant=RIVAL)])
    settings = RetrievalSettings.model_validate({"fusion": method, "candidates": 20})
    legs = {SPARSE: words(7)[SPARSE], DENSE: meaning(1)[DENSE]}
    found = fused_in_engine(index, permit(), legs, settings)
    assert [hit.chunk_id.int for hit in found] == [1, 2]
    assert [hit.legs[method].rank for hit in found] == [1, 2]
    assert [hit.legs[method].score for hit in found] == [hit.score for hit in found]
    nothing = Selection(documents=frozenset())
    assert fused_in_engine(index, permit(), legs, settings, selection=nothing) == []


@pytest.mark.parametrize(("kind", "best"), [(CollectionKind.DOCUMENTS, 1), (CollectionKind.CODE, 2)])
def test_legs_weigh_what_was_measured_for_the_kind_of_collection(kind: CollectionKind, best: int) -> None:
    index = open_memory(SCHEMA)
    # 1: first of the words and third in meaning; 2: the other way round, and behind 1 where both legs count alike
    index.upsert(
        [
            point(1, {7: 9.0}, dense(1, 3), version=1),
            point(2, {7: 1.0}, dense(1), version=2),
            point(3, {7: 5.0}, dense(1, 1), version=3),
        ]
    )
    settings = RetrievalSettings(fusion="rrf")
    legs = {SPARSE: words(7)[SPARSE], DENSE: meaning(1)[DENSE]}
    profile = profile_for(Language.ENGLISH, kind)
    found = fused_in_engine(index, permit(), legs, settings, profile=profile)
    assert found[0].chunk_id.int == best
    assert fused_in_engine(index, permit(), legs, RetrievalSettings(fusion="dbsf"), profile=profile)


def test_learned_weights_reach_the_engine() -> None:
    weights = {(Language.KOREAN, CollectionKind.DOCUMENTS): LearnedWeights(10.0, 0.0)}
    profile = profile_for(Language.KOREAN, CollectionKind.DOCUMENTS, weights=weights)
    assert rank_weights(profile, (SPARSE, DENSE, LEARNED)) == {SPARSE: 0.125, LEARNED: 100.0}
    assert rank_weights(profile, (SPARSE,)) == {}
    assert rank_weights(profile_for(Language.ENGLISH, CollectionKind.DOCUMENTS), (SPARSE, DENSE)) == {SPARSE: 1.0}


def test_a_search_asks_the_engine_with_the_weights_that_were_learned(sqlite: Database) -> None:
    held = shelf(sqlite)
    rules = held.collection("규정")
    for number in range(4):
        held.add(rules, f"{number}.md", [f"leave rule {number}" + " annual" * (number % 2)])

    def scores(weights: Weights) -> list[float]:
        settings = RetrievalSettings(fusion="rrf", merge_neighbours=False)
        understander = held.retriever.understander
        retriever = Retriever(sqlite, held.index, held.space, settings, understander, weights=weights)
        found = retriever.search(held.permit(rules), "annual leave of the year", limit=4).passages
        return [item.legs["rrf"].score for item in found]

    learned = {(Language.ENGLISH, CollectionKind.DOCUMENTS): LearnedWeights(0.5, 0.0)}
    assert len(scores({})) == 4 and scores({}) != scores(learned)


@pytest.mark.parametrize("method", IN_ENGINE)
def test_a_hit_without_a_vector_counts_like_its_lexical_equals(method: str) -> None:
    index = open_memory(SCHEMA)
    index.upsert([point(n, {7: 10.0 - n}, dense(1, n), version=n) for n in (1, 3, 4)] + [point(2, {7: 8.0}, version=2)])
    settings = RetrievalSettings.model_validate({"fusion": method})
    legs = {SPARSE: words(7)[SPARSE], DENSE: meaning(1)[DENSE]}
    waiting = {UUID(int=2)}

    def order(**known: Any) -> list[int]:
        return [hit.chunk_id.int for hit in fused_in_engine(index, permit(), legs, settings, **known)]

    assert order()[-1] == 2  # half of the others' score, whatever it says
    assert order(without_dense=waiting.intersection) == [1, 2, 3, 4]


def test_every_value_of_the_setting_is_answered_for() -> None:
    allowed = RetrievalSettings.model_json_schema()["properties"]["fusion"]["enum"]
    assert sorted(allowed) == sorted(("scores", *IN_ENGINE))
