"""Hits that the language gate keeps from the model: a Korean passage under an English question has no cosine, not a low one."""

from __future__ import annotations

from typing import NamedTuple

import pytest

from rag.domain.language import CollectionKind, Language
from rag.domain.principal import Permit
from rag.embedding.space import EmbeddingSpace
from rag.index.base import DENSE
from rag.retrieval.engine_fusion import IN_ENGINE
from rag.retrieval.service import Retriever
from rag.settings import RetrievalSettings
from rag.store.session import Database
from tests.support.hash_embedder import HashEmbedder
from tests.support.shelf import shelf

CANDIDATES = 20
QUESTION = "VPN overdraft limit of the Siemens gateway"


class Desk(NamedTuple):
    retriever: Retriever
    permit: Permit


@pytest.fixture
def desk(sqlite: Database) -> Desk:
    """More English passages than a list holds, some of them as near in words as the Korean one."""
    dense = HashEmbedder(dense=True)
    dense.languages = frozenset({Language.ENGLISH, Language.CODE})
    held = shelf(sqlite, EmbeddingSpace(HashEmbedder(), dense))
    rules = held.collection("규정")
    for number in range(CANDIDATES + 5):
        held.add(rules, f"en-{number}.md", [f"VPN access from branch office {number}"])
    for number in range(3):
        held.add(rules, f"near-{number}.md", [f"Siemens gateway {number} overdraft limit"])
    held.add(rules, "ko.md", ["Siemens gateway 의 overdraft 한도는 지점장이 정한다."], language=Language.KOREAN)
    settings = RetrievalSettings(candidates=CANDIDATES, merge_neighbours=False)
    retriever = Retriever(sqlite, held.index, held.space, settings, held.retriever.understander)
    return Desk(retriever, held.permit(rules))


def test_a_korean_passage_is_not_given_the_lowest_cosine_of_a_full_list(desk: Desk) -> None:
    lists = desk.retriever.raw_lists(desk.permit, QUESTION)
    assert len(lists.found[CollectionKind.DOCUMENTS][DENSE]) == CANDIDATES
    [kept] = lists.waiting
    named = {hit.chunk_id: hit for hit in desk.retriever.fused(lists)}[kept]
    buried = {hit.chunk_id: hit for hit in desk.retriever.fused(lists._replace(waiting=frozenset()))}[kept]
    assert DENSE in named.estimated and named.score > buried.score
    found = desk.retriever.search(desk.permit, QUESTION, limit=5).passages
    assert "ko.md" in [item.source.source_key for item in found]


@pytest.mark.parametrize("fusion", IN_ENGINE)
def test_nor_is_it_halved_where_the_engine_fuses(desk: Desk, fusion: str) -> None:
    kept = desk.retriever
    settings = RetrievalSettings.model_validate({"candidates": CANDIDATES, "merge_neighbours": False, "fusion": fusion})
    retriever = Retriever(kept.database, kept.index, kept.space, settings, kept.understander)
    found = retriever.search(desk.permit, QUESTION, limit=5).passages
    assert "ko.md" in [item.source.source_key for item in found]


def test_under_a_korean_question_nothing_is_to_be_estimated(desk: Desk) -> None:
    assert desk.retriever.raw_lists(desk.permit, "overdraft 한도는 누가 정하나").waiting == frozenset()
