"""Code and documents in one ranking where the engine fuses: neither kind buries the other, and each keeps its own order."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from uuid import UUID
from zlib import crc32

import numpy as np
import pytest
from numpy.typing import NDArray

from rag.domain.language import Language
from rag.domain.passage import LegScore
from rag.domain.vectors import Embeddings
from rag.embedding.base import Role
from rag.index.base import DBSF, RRF, IndexSchema, VectorIndex
from rag.index.memory import open_memory
from rag.retrieval.engine_fusion import IN_ENGINE, Asked, fused_kinds
from rag.retrieval.fusion import FusedHit
from rag.retrieval.service import Retriever
from rag.settings import RetrievalSettings
from rag.store.collection import Collection
from rag.store.session import Database
from tests.contract.index_contract import permit
from tests.contract.openers import local_opener
from tests.support.code_shelf import code_collection, put_file
from tests.support.hash_embedder import HashEmbedder
from tests.support.questions import Library

LIMITS = "def check_payment_limit(amount):\n    return amount < PAYMENT_LIMIT\n"
RULE = "일일 결제 한도는 부서장이 승인한다. 결제 한도를 넘으면 이사회가 승인한다."
ENGLISH_RULE = "The board approves a payment above the daily limit."
OTHERS = 24

Open = Callable[[IndexSchema], VectorIndex]


@pytest.fixture(params=["memory", "qdrant-local"])
def opened(request: pytest.FixtureRequest) -> Iterator[Open]:
    """Opens the index that is searched."""
    if request.param == "memory":
        yield open_memory
    else:
        yield from local_opener()


class Overlap(HashEmbedder):
    """Dense vectors that are near where texts share English words, those of identifiers too."""

    def __init__(self) -> None:
        super().__init__(dense=True)
        self.dimensions, self.languages = 64, frozenset({Language.ENGLISH, Language.CODE})

    def embed(self, texts: Sequence[str], role: Role) -> Embeddings:
        return Embeddings(dense=np.stack([self._of(text) for text in texts]))

    def _of(self, text: str) -> NDArray[np.float32]:
        words = sorted(set(re.findall("[a-z]{4,}", text.lower()))) or ["nothing"]
        rows = [np.random.default_rng(crc32(word.encode())).standard_normal(64) for word in words]
        found = np.sum(rows, axis=0).astype(np.float32)
        return np.asarray(found / np.linalg.norm(found), dtype=np.float32)


class Bank:
    """A collection of code and one of rules; many texts of each hold a word of every question."""

    def __init__(self, database: Database, opened: Open, method: str) -> None:
        settings = RetrievalSettings.model_validate({"fusion": method})
        library = Library.open(database, Overlap())
        library.index = opened(library.index.schema)  # type: ignore[assignment]
        reader = library.retriever.understander
        library.retriever = Retriever(database, library.index, library.space, settings, reader)
        self.library, self.code, self.rules = library, code_collection(library), library.collection("규정")
        put_file(library, self.code, "bank/limits.py", LIMITS)
        for number in range(OTHERS):
            text = f"def payment_{number}(amount):\n    return approve(amount, {number})\n"
            put_file(library, self.code, f"bank/part_{number}.py", text)
        korean = {f"rules/{number}.md": f"제{number}조 결제 서류는 {number}부를 낸다." for number in range(OTHERS)}
        english = {f"rules/{number}.en.md": f"A payment needs form {number}." for number in range(OTHERS)}
        library.add(self.rules, {**korean, "rules/limit.md": RULE})
        library.add(self.rules, {**english, "rules/limit.en.md": ENGLISH_RULE}, Language.ENGLISH)

    def ask(self, question: str, *collections: Collection) -> list[str]:
        found = self.library.retriever.search(self.library.permit(*collections), question, limit=100)
        return [item.source.source_key for item in found.passages]


QUESTIONS = [
    ("일일 결제 한도는 누가 승인하나", "rules/limit.md"),
    ("결제 한도를 확인하는 함수는 어디에 있나", "bank/limits.py"),
    ("who approves a payment above the daily limit", "rules/limit.en.md"),
    ("where is the payment limit checked", "bank/limits.py"),
]


@pytest.mark.parametrize("method", IN_ENGINE)
def test_questions_on_code_and_on_documents_find_theirs_over_both(sqlite: Database, opened: Open, method: str) -> None:
    bank = Bank(sqlite, opened, method)
    for question, wanted in QUESTIONS:
        both = bank.ask(question, bank.code, bank.rules)
        assert wanted in both[:3], (question, both[:5])
        assert bank.ask(question, bank.code, bank.rules) == both
        for of_kind, kind in (("bank/", bank.code), ("rules/", bank.rules)):
            alone = bank.ask(question, kind)
            if method == RRF:  # the order of a kind is its own, whoever else is asked
                assert [key for key in both if key.startswith(of_kind)] == alone, question


def hits(*scored: tuple[int, float], method: str = RRF) -> list[FusedHit]:
    return [FusedHit(UUID(int=key), score, {method: LegScore(n, score)}) for n, (key, score) in enumerate(scored, 1)]


def asked() -> Asked:
    return Asked(permit(), {})


def test_one_kind_alone_is_as_the_engine_says() -> None:
    own = hits((3, 0.03), (1, 0.03), (2, 0.01))
    for method in IN_ENGINE:
        assert fused_kinds(lambda item, how: own, [asked()], None, method) == own
        assert fused_kinds(lambda item, how: own, [asked()], asked(), method) == own


def test_kinds_that_are_asked_alike_take_the_places_of_one_query() -> None:
    rules, code, whole = asked(), asked(), asked()
    answers = {
        id(rules): hits((1, 0.02), (2, 0.01), (3, 0.005)),
        id(code): hits((12, 0.9), (11, 0.8)),
        id(whole): hits((11, 0.03), (3, 0.02), (99, 0.015), (1, 0.01)),  # of 99 no kind knows
    }

    def fuse(item: Asked, method: str) -> Sequence[FusedHit]:
        assert method == RRF
        return answers[id(item)]

    found = fused_kinds(fuse, [rules, code], whole, RRF)
    assert [hit.chunk_id.int for hit in found] == [12, 1, 2, 3, 11]
    assert [round(1 / hit.score) for hit in found] == [61, 62, 63, 64, 65]
    assert [hit.legs[RRF] for hit in found][:2] == [LegScore(1, 0.9), LegScore(1, 0.02)]


def test_kinds_that_are_asked_differently_take_their_turns_by_how_far_their_hits_stand_out() -> None:
    rules, code = asked(), asked()
    answers = {
        (id(rules), RRF): hits((1, 0.016), (2, 0.015), (3, 0.014)),
        (id(code), RRF): hits((11, 0.033), (12, 0.033), (13, 0.032)),
        (id(rules), DBSF): hits((2, 0.9), (1, 0.7), (3, 0.3), method=DBSF),
        (id(code), DBSF): hits((12, 0.7), (13, 0.5), (11, 0.4), method=DBSF),
    }
    found = fused_kinds(lambda item, method: answers[id(item), method], [rules, code], None, RRF)
    assert [hit.chunk_id.int for hit in found] == [1, 2, 11, 12, 13, 3]
    raw = fused_kinds(lambda item, method: answers[id(item), method], [rules, code], None, DBSF)
    assert [hit.chunk_id.int for hit in raw] == [2, 1, 12, 13, 11, 3]
