"""Definitions that a question names stand first, under the permit; chunks that wait for vectors are not buried."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import update

from rag.domain.filters import DocumentFilter
from rag.domain.passage import SearchResult
from rag.retrieval.code_ranking import PLACE, SYMBOL
from rag.settings import RetrievalSettings
from rag.store.base import utc_now
from rag.store.collection import Collection
from rag.store.document import Document
from rag.store.session import Database
from tests.support.code_shelf import code_collection, put_file
from tests.support.hash_embedder import HashEmbedder
from tests.support.questions import Library
from tests.support.stores import add_collection

SERVICE = '''class PaymentService:
    """승인한다."""

    def approve(self, amount):
        return amount
'''
LOANS = """class LoanService:
    def approve(self, application):
        return application
"""
CALLERS = """def nightly(service):
    PaymentService.approve(1); PaymentService.approve(2); PaymentService.approve(3)


def hourly(service):
    PaymentService.approve(4)
"""


@pytest.fixture
def bank(sqlite: Database) -> tuple[Library, Collection]:
    library = Library.open(sqlite)
    code = code_collection(library)
    for name, text in (("service.py", SERVICE), ("loans.py", LOANS), ("callers.py", CALLERS)):
        put_file(library, code, f"bank/{name}", text)
    return library, code


def ask(library: Library, question: str, *collections: Collection) -> SearchResult:
    return library.retriever.search(library.permit(*collections), question, limit=8)


def first(result: SearchResult) -> tuple[str, str]:
    passage = result.passages[0]
    return passage.source.source_key, passage.chunk.code.symbol if passage.chunk.code else ""


@pytest.mark.parametrize(
    "question",
    ["where is PaymentService.approve used", "PaymentService.approve 는 어디서 쓰나", "`PaymentService.approve`"],
)
def test_a_name_that_is_written_out_leads_to_its_definition(bank: tuple[Library, Collection], question: str) -> None:
    library, code = bank
    result = ask(library, question, code)
    assert first(result) == ("bank/service.py", "PaymentService.approve")
    assert result.passages[0].boosts[SYMBOL] > 0.0
    assert [SYMBOL in passage.boosts for passage in result.passages[1:]] == [False] * (len(result.passages) - 1)


def test_a_name_that_two_classes_have_leads_to_both_before_their_callers(bank: tuple[Library, Collection]) -> None:
    library, code = bank
    found = ask(library, "approve() 는 무엇을 하나", code).passages
    assert {passage.source.source_key for passage in found[:2]} == {"bank/service.py", "bank/loans.py"}


def test_a_definition_that_no_leg_found_is_there_too(bank: tuple[Library, Collection]) -> None:
    library, code = bank
    put_file(library, code, "bank/short.py", "def tx_rollback(day):\n    return day\n")
    result = ask(library, "txRollback 대신 tx_rollback 을 nightly 에서 부르나", code)
    assert first(result) == ("bank/short.py", "tx_rollback")


def test_a_name_that_everything_has_lifts_nothing_and_hides_no_other(bank: tuple[Library, Collection]) -> None:
    library, code = bank
    put_file(
        library, code, "bank/many.py", "\n".join(f"class C{i}:\n    def get(self):\n        pass" for i in range(70))
    )
    result = ask(library, "get() 과 PaymentService.approve 의 차이", code)
    assert first(result) == ("bank/service.py", "PaymentService.approve")
    assert [item.source.source_key for item in result.passages if SYMBOL in item.boosts] == ["bank/service.py"]


def test_a_word_of_prose_leads_nowhere(bank: tuple[Library, Collection]) -> None:
    library, code = bank
    assert all(SYMBOL not in passage.boosts for passage in ask(library, "who may approve a loan", code).passages)


SETTLE = "def settle_day(day):\n    # 정산\n    return day\n"
TESTS = "def check_settle():\n    # 정산 정산 정산\n    return settle_day(1)\n"
PAGE = "정산 settle: 정산은 정산 담당이 정산일에 한다. settle day 정산"


def settling(library: Library, code: Collection) -> None:
    put_file(library, code, "bank/settle.py", SETTLE)
    put_file(library, code, "bank/tests/test_settle.py", TESTS)
    library.add(code, {"bank/docs/settle.md": PAGE})


@pytest.mark.parametrize("question", ["정산은 어디에서 하나", "정산하는 코드", "which function does settle 정산"])
def test_a_place_is_looked_for_in_programs_before_tests_and_pages(
    bank: tuple[Library, Collection], question: str
) -> None:
    library, code = bank
    settling(library, code)
    found = ask(library, question, code).passages
    assert [item.source.source_key for item in found][:2] == ["bank/settle.py", "bank/tests/test_settle.py"]
    set_aside = {item.source.source_key: item.boosts[PLACE] for item in found if PLACE in item.boosts}
    assert set_aside["bank/docs/settle.md"] < set_aside["bank/tests/test_settle.py"] < 0.0
    assert "bank/settle.py" not in set_aside


def test_tests_are_found_like_programs_where_they_are_asked_for(bank: tuple[Library, Collection]) -> None:
    library, code = bank
    settling(library, code)
    found = {item.source.source_key: item for item in ask(library, "정산을 시험하는 테스트 코드", code).passages}
    assert PLACE not in found["bank/tests/test_settle.py"].boosts
    assert found["bank/tests/test_settle.py"].rank < found["bank/docs/settle.md"].rank


@pytest.mark.parametrize("question", ["정산을 했는데 왜 늦나", "정산 코드 번호의 규칙", "정산은 어느 팀이 하나"])
def test_not_every_question_asks_for_a_place(bank: tuple[Library, Collection], question: str) -> None:
    library, code = bank
    settling(library, code)
    found = {item.source.source_key: item.boosts for item in ask(library, question, code).passages}
    assert found["bank/docs/settle.md"][PLACE] == pytest.approx(-0.3)


def test_a_file_that_the_question_names_is_not_set_aside(bank: tuple[Library, Collection]) -> None:
    library, code = bank
    settling(library, code)
    found = {item.source.source_key: item for item in ask(library, "settle.md 어디에 정산이 나오나", code).passages}
    assert PLACE not in found["bank/docs/settle.md"].boosts


def test_pages_of_other_collections_keep_what_they_count(bank: tuple[Library, Collection]) -> None:
    library, code = bank
    settling(library, code)
    rules = add_collection(library.database, "규정")
    library.add(rules, {"rules/settle.md": "정산은 어디에서 누가 언제 하나: 정산 팀이 본점에서 한다."})
    found = {item.source.source_key: item for item in ask(library, "정산은 어디에서 하나", code, rules).passages}
    assert PLACE in found["bank/docs/settle.md"].boosts
    assert PLACE not in found["rules/settle.md"].boosts


def test_definitions_of_others_lift_nothing_and_add_nothing(bank: tuple[Library, Collection]) -> None:
    library, code = bank
    secret = code_collection(library, "비밀")
    put_file(library, secret, "secret/merger.py", "def merge_bank(one, other):\n    return one\n")
    question = "merge_bank 는 어디서 부르나 nightly"
    assert all("secret" not in item.source.source_key for item in ask(library, question, code).passages)
    assert ask(library, question, code).trace.withheld == 0
    assert first(ask(library, question, code, secret))[0] == "secret/merger.py"


def test_what_is_gone_or_was_replaced_is_not_lifted(bank: tuple[Library, Collection]) -> None:
    library, code = bank
    with library.database.write() as session:
        key = Document.source_key == "bank/service.py"
        session.execute(update(Document).where(key).values(deleted_at=utc_now() - timedelta(minutes=1)))
    found = ask(library, "PaymentService.approve", code).passages
    assert found
    assert all(item.source.source_key != "bank/service.py" for item in found)


def test_a_filter_holds_for_definitions_too(bank: tuple[Library, Collection]) -> None:
    library, code = bank
    permit = library.permit(code).filtered(DocumentFilter(source_key="bank/c"))
    found = library.retriever.search(permit, "PaymentService.approve", limit=8).passages
    assert {item.source.source_key for item in found} == {"bank/callers.py"}


def test_chunks_that_wait_for_vectors_are_known_and_count_like_their_equals(sqlite: Database) -> None:
    library = Library.open(sqlite, dense=HashEmbedder(dense=True), settings=RetrievalSettings(candidates=20))
    code = code_collection(library)
    for number in range(25):
        put_file(library, code, f"bank/done{number}.py", f"def done{number}(x):\n    return ledger\n")
    for number in range(3):  # the hits that stand where it stands among words, and near in meaning too
        put_file(library, code, f"bank/like{number}.py", f"def settle{number}(ledger):\n    return overdraft\n")
    put_file(library, code, "bank/new.py", "def settle(ledger):\n    return overdraft\n", pending=True)
    lists = library.retriever.raw_lists(library.permit(code), "overdraft of the ledger")
    [waiting] = lists.waiting
    place = {hit.chunk_id: hit for hit in library.retriever.fused(lists)}[waiting]
    buried = {hit.chunk_id: hit for hit in library.retriever.fused(lists._replace(waiting=frozenset()))}[waiting]
    assert place.legs["sparse"].rank <= 4
    assert "dense" in place.estimated
    assert place.score > buried.score


def test_nothing_waits_where_all_vectors_are_made(sqlite: Database) -> None:
    library = Library.open(sqlite, dense=HashEmbedder(dense=True), settings=RetrievalSettings(candidates=20))
    code = code_collection(library)
    for number in range(25):
        put_file(library, code, f"bank/done{number}.py", f"def done{number}(x):\n    return ledger\n")
    assert library.retriever.raw_lists(library.permit(code), "the ledger of done3").waiting == frozenset()
