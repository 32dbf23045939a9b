"""Korean questions to English code: by glossary, by the shipped table, by a chat model; and documents beside code."""

from __future__ import annotations

import time

import pytest

from rag.domain.errors import ModelUnavailable
from rag.domain.language import Language
from rag.domain.passage import SearchResult
from rag.retrieval.code_question import TRANSLATION_S
from rag.settings import RetrievalSettings
from rag.store.collection import Collection
from rag.store.session import Database
from tests.support.code_shelf import code_collection, put_file
from tests.support.questions import Library, RecordingEmbedder, ScriptedChat

LOGIN = '''class LoginService:
    """Counts what fails."""

    def sign_in(self, user, password):
        return self.check(user, password)

    def lock_account(self, user):
        """After five failures nobody gets in."""
        self.locked.add(user)
'''
PAYMENT = """class PaymentService:
    def approve(self, amount):
        return self.gateway.charge(amount)

    def cancel(self, payment_id):
        # 결제 취소는 당일에만 된다
        return self.gateway.refund(payment_id)
"""
LEDGER = """def close_ledger(day):
    return day.closing
"""
ENGLISH = frozenset({Language.ENGLISH, Language.CODE})


def shelf(database: Database, **options: object) -> tuple[Library, Collection]:
    library = Library.open(database, **options)  # type: ignore[arg-type]
    code = code_collection(library)
    for name, text in (("login.py", LOGIN), ("payment.py", PAYMENT), ("ledger.py", LEDGER)):
        put_file(library, code, f"bank/{name}", text)
    return library, code


def ask(library: Library, question: str, *collections: Collection) -> SearchResult:
    return library.retriever.search(library.permit(*collections), question, limit=5)


def top(result: SearchResult) -> str:
    return result.passages[0].source.source_key if result.passages else ""


MESSAGES = """TEXTS = {
    "login": "로그인 실패 횟수가 한도를 넘으면 계정 잠금: 로그인 실패 로그인 실패 계정 잠금 계정 잠금",
}
"""


def test_korean_messages_do_not_stand_before_the_program_that_is_meant(sqlite: Database) -> None:
    library, code = shelf(sqlite)
    put_file(library, code, "bank/messages.py", MESSAGES)
    assert top(ask(library, "로그인 실패로 계정을 잠그는 곳은 어디인가", code)) == "bank/login.py"


def test_a_number_keeps_its_weight(sqlite: Database) -> None:
    library, code = shelf(sqlite)
    put_file(library, code, "bank/codes.py", "def outcome(reply):\n    return reply == 40001\n")
    put_file(library, code, "bank/errors.py", "def error(reply):\n    return reply == error\n")
    assert top(ask(library, "오류 40001", code)) == "bank/codes.py"


def test_what_is_written_in_latin_letters_keeps_its_weight(sqlite: Database) -> None:
    library, code = shelf(sqlite)
    put_file(library, code, "bank/queue.py", "def drain(queue):\n    return queue.kafka_offset()\n")
    assert top(ask(library, "kafka 에서 계정을 확인하는 곳", code)) == "bank/queue.py"


@pytest.mark.parametrize(
    ("question", "file"),
    [
        ("계정을 잠그는 곳은 어디인가요", "bank/login.py"),
        ("환불은 어디서 처리하나요", "bank/payment.py"),
        ("원장을 마감하는 코드", "bank/ledger.py"),
    ],
)
def test_a_korean_question_finds_english_code(sqlite: Database, question: str, file: str) -> None:
    library, code = shelf(sqlite)
    result = ask(library, question, code)
    assert top(result) == file
    terms = [note for note in result.trace.notes if note.kind == "code_term"]
    assert terms
    assert all(note.found in question and note.added for note in terms)


def test_korean_comments_are_still_found_by_their_own_words(sqlite: Database) -> None:
    library, code = shelf(sqlite)
    assert "당일" in ask(library, "당일에만 되는 것은?", code).passages[0].chunk.text


def test_the_glossary_of_the_collection_knows_better_than_the_table(sqlite: Database) -> None:
    library, code = shelf(sqlite, dense=(dense := RecordingEmbedder(ENGLISH)))
    library.glossary(code, 승인=["charge"])
    ask(library, "승인은 어디서 해", code)
    assert dense.asked[-1] == "charge"


def test_the_dense_model_that_knows_no_korean_gets_english_words_in_their_order(sqlite: Database) -> None:
    library, code = shelf(sqlite, dense=(dense := RecordingEmbedder(ENGLISH)))
    ask(library, "PaymentService에서 결제를 취소하는 함수", code)
    assert dense.asked == ["PaymentService payment cancel function"]


def test_a_question_without_a_known_word_asks_no_dense_model(sqlite: Database) -> None:
    library, code = shelf(sqlite, dense=(dense := RecordingEmbedder(ENGLISH)))
    assert "dense" not in ask(library, "오늘 점심은 무엇인가요", code).trace.legs
    assert dense.asked == []


def test_a_multilingual_model_reads_both(sqlite: Database) -> None:
    library, code = shelf(sqlite, dense=(dense := RecordingEmbedder(frozenset(Language))))
    ask(library, "결제 취소", code)
    assert "결제 취소 (payment cancel)" in dense.asked


def test_a_chat_model_translates_once_for_the_same_question(sqlite: Database) -> None:
    chat = ScriptedChat("where is an account locked after failures")
    library, code = shelf(sqlite, dense=(dense := RecordingEmbedder(ENGLISH)), chat=chat)
    for _ in range(2):
        result = ask(library, "몇 번 틀리면 계정이 잠기나", code)
        assert ("translation", ("where is an account locked after failures",)) in [
            (note.kind, note.added) for note in result.trace.notes
        ]
    assert len(chat.calls) == 1
    assert dense.asked == ["where is an account locked after failures"] * 2


def test_words_of_the_model_find_what_the_table_does_not_know(sqlite: Database) -> None:
    library, code = shelf(sqlite, chat=ScriptedChat("sign in with a password"))
    assert top(ask(library, "들어오는 절차", code)) == "bank/login.py"


@pytest.mark.parametrize("reply", [ModelUnavailable(), "모르겠습니다", "", "12"])
def test_a_model_that_fails_leaves_the_table(sqlite: Database, reply: str | Exception) -> None:
    library, code = shelf(sqlite, chat=ScriptedChat(reply))
    result = ask(library, "계정을 잠그는 곳", code)
    assert top(result) == "bank/login.py"
    assert "model_failed" in [note.kind for note in result.trace.notes]


def test_the_model_has_little_time_and_gets_the_terms_as_data(sqlite: Database) -> None:
    chat = ScriptedChat("cancel a payment")
    library, code = shelf(sqlite, chat=chat)
    before = time.monotonic()
    ask(library, "결제 취소", code)
    [deadline] = chat.deadlines
    assert deadline is not None
    assert deadline <= time.monotonic() + TRANSLATION_S
    assert deadline >= before
    assert '"결제": "payment"' in chat.calls[0][1].content


@pytest.mark.parametrize("question", ["결제 취소", "how to cancel"])
def test_nobody_is_asked_where_there_is_no_code_or_no_korean_or_it_is_off(sqlite: Database, question: str) -> None:
    chat = ScriptedChat()
    off = RetrievalSettings(translate_for_code=False)
    library, code = shelf(sqlite, chat=chat, settings=off if question == "결제 취소" else None)
    documents = library.collection()
    library.add(documents, {"규정": "결제 취소는 당일에만 된다."})
    ask(library, question, code)
    assert not [n for n in ask(library, question, documents).trace.notes if n.kind in ("code_term", "translation")]
    assert chat.calls == []


def test_a_document_and_code_stand_in_one_result_and_translation_changes_no_document(sqlite: Database) -> None:
    library, code = shelf(sqlite, dense=RecordingEmbedder(ENGLISH))
    documents = library.collection()
    texts = {
        "취소 규정": "결제 취소는 당일 영업시간에만 할 수 있다.",
        "영문": "payment cancel refund",
        "휴가": "연차는 15일이다.",
    }
    library.add(documents, texts)
    both = ask(library, "결제 취소는 어떻게 처리하나", documents, code)
    kinds = [passage.source.collection_kind for passage in both.passages]
    assert {"documents", "code"} <= set(kinds)
    alone = ask(library, "결제 취소는 어떻게 처리하나", documents)
    assert [p.source.source_key for p in alone.passages] == ["취소 규정"]
    assert [p.source.source_key for p in both.passages if p.source.collection_kind == "documents"] == ["취소 규정"]


def test_what_is_missing_knows_that_english_words_say_the_same(sqlite: Database) -> None:
    library, code = shelf(sqlite)
    found = ask(library, "결제 취소", code).alternatives
    assert any("취소" in item.terms and "cancel" in item.by for item in found)
