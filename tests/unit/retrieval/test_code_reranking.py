"""A reranker beside code: it reads what collections of code are asked, and does not undo what names and places count."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

import pytest

from rag.domain.passage import RerankState, SearchResult
from rag.retrieval.code_ranking import PLACE, SYMBOL
from rag.retrieval.reranking import SecondLook
from rag.retrieval.service import Retriever
from rag.store.collection import Collection
from rag.store.session import Database
from tests.support.code_shelf import code_collection, put_file
from tests.support.questions import Library

SERVICE = '''class PaymentService:
    """승인한다."""

    def approve(self, amount):
        return amount
'''
CALLERS = "def nightly(service):\n    PaymentService.approve(1)\n"
LIMITS = "def check_limit(amount):\n    return amount < DAILY_LIMIT\n"
RULES = "결제 한도는 부서장이 확인한다. 일일 한도는 오백만 원이다."
QUESTION = "결제 한도를 어디에서 확인하나"


class Recording:
    """Scores by what the test says of a text, and remembers each question with what was read for it."""

    name = "recording"
    max_tokens = 1000

    def __init__(self, judge: Callable[[str], float] = lambda text: 0.5, missing: str = "") -> None:
        self.judge = judge
        self.missing = missing
        self.read: list[tuple[str, str]] = []

    def score(self, query: str, passages: Sequence[str], *, deadline: float | None = None) -> list[float]:
        self.read += [(query, text) for text in passages]
        scores = [self.judge(text) for text in passages]
        return scores[1:] if self.missing and any(self.missing in text for text in passages) else scores

    def asked_of(self, part: str) -> set[str]:
        return {query for query, text in self.read if part in text}


@pytest.fixture
def bank(sqlite: Database) -> tuple[Library, Collection, Collection]:
    library = Library.open(sqlite)
    code, rules = code_collection(library), library.collection("규정")
    for name, text in (("service.py", SERVICE), ("callers.py", CALLERS), ("limits.py", LIMITS)):
        put_file(library, code, f"bank/{name}", text)
    library.add(code, {"bank/docs/limits.md": "결제 한도 확인: payment limit check. 한도는 어디에서나 확인한다."})
    library.add(rules, {"rules/limit.md": RULES})
    return library, code, rules


def search(library: Library, reranker: Recording, question: str, *collections: Collection) -> SearchResult:
    look = SecondLook(reranker, 50, 5000)
    held = library.retriever
    retriever = Retriever(held.database, held.index, held.space, held.settings, held.understander, second_look=look)
    return retriever.search(library.permit(*collections), question, limit=8)


def order(result: SearchResult) -> list[str]:
    return [passage.source.source_key for passage in result.passages]


def test_code_is_read_with_the_english_words_and_rules_without(bank: tuple[Library, Collection, Collection]) -> None:
    library, code, rules = bank
    library.glossary(code, 결제=["settlement"])
    reranker = Recording()
    found = search(library, reranker, QUESTION, code, rules)
    [asked] = reranker.asked_of("check_limit")
    assert asked.startswith(f"{QUESTION} (") and asked.endswith(")")
    said = re.findall(r"\w+", asked.removeprefix(QUESTION))
    assert {"settlement", "limit"} <= set(said) and said.count("settlement") == 1
    assert reranker.asked_of("limit check") == {asked}, "a page of a repository is asked as its code is"
    assert reranker.asked_of("부서장이") == {f"{QUESTION} (settlement)"}, "what the glossary says holds for all"
    assert found.trace.rerank.state is RerankState.DONE
    assert found.trace.rerank.candidates == len(reranker.read) == len(found.passages)


@pytest.mark.parametrize("question", ["where is the daily limit checked", "PaymentService.approve"])
def test_a_question_without_korean_is_the_same_for_all(
    bank: tuple[Library, Collection, Collection], question: str
) -> None:
    library, code, rules = bank
    reranker = Recording()
    search(library, reranker, question, code, rules)
    assert {query for query, _ in reranker.read} == {question}


def test_a_question_of_rules_alone_is_not_translated(bank: tuple[Library, Collection, Collection]) -> None:
    library, _, rules = bank
    reranker = Recording()
    search(library, reranker, QUESTION, rules)
    assert {query for query, _ in reranker.read} == {QUESTION}


def test_a_definition_that_is_named_stands_first_whatever_the_reranker_likes(
    bank: tuple[Library, Collection, Collection],
) -> None:
    library, code, _ = bank
    reranker = Recording(lambda text: 0.9 if "nightly" in text else 0.1)
    found = search(library, reranker, "PaymentService.approve 는 어디서 쓰나", code)
    assert order(found)[:2] == ["bank/service.py", "bank/callers.py"]
    first, second = found.passages[:2]
    assert (first.rerank, second.rerank) == (0.1, 0.9)
    assert first.boosts[SYMBOL] > 0.0 and SYMBOL not in second.boosts


def test_what_is_no_program_counts_less_for_the_reranker_too(bank: tuple[Library, Collection, Collection]) -> None:
    library, code, _ = bank
    found = search(library, Recording(lambda text: 0.6 if "limit check" in text else 0.5), QUESTION, code)
    places = {key: found.passages[number] for number, key in enumerate(order(found))}
    assert places["bank/limits.py"].rank < places["bank/docs/limits.md"].rank
    assert places["bank/docs/limits.md"].boosts[PLACE] < 0.0
    told = search(library, Recording(lambda text: 0.9 if "limit check" in text else 0.1), QUESTION, code)
    assert order(told)[0] == "bank/docs/limits.md", "less, not nothing"


@pytest.mark.parametrize("missing", ["check_limit", "부서장이"])
def test_a_score_too_few_for_either_kind_leaves_the_fused_order(
    bank: tuple[Library, Collection, Collection], missing: str
) -> None:
    library, code, rules = bank
    fused = library.retriever.search(library.permit(code, rules), QUESTION, limit=8)
    found = search(library, Recording(lambda text: 1 / len(text), missing), QUESTION, code, rules)
    assert found.trace.rerank.state is RerankState.UNAVAILABLE
    assert order(found) == order(fused)
    assert {passage.rerank for passage in found.passages} == {None}
