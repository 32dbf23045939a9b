"""The fusion inside the engine as search sees it."""

import pytest

from rag.domain.filters import Selection
from rag.index.base import DENSE, SPARSE
from rag.index.memory import open_memory
from rag.retrieval.engine_fusion import IN_ENGINE, fused_in_engine
from rag.settings import RetrievalSettings
from tests.contract.index_contract import RIVAL, SCHEMA, dense, meaning, permit, point, words


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


def test_every_value_of_the_setting_is_answered_for() -> None:
    allowed = RetrievalSettings.model_json_schema()["properties"]["fusion"]["enum"]
    assert sorted(allowed) == sorted(("scores", *IN_ENGINE))
