from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any
from uuid import uuid5

import pytest

from rag.domain.access import AccessRule, Label
from rag.domain.anchor import LineAnchor
from rag.domain.code import CodeContext
from rag.domain.code_places import CodeMatches, CodeScope
from rag.domain.document import Chunk, ElementKind
from rag.domain.errors import InvalidRequest, PatternRefused
from rag.domain.language import Language
from rag.retrieval import code_scope
from rag.retrieval.code_scope import scoped
from rag.retrieval.code_search import CodeSearcher
from rag.retrieval.reranking import SecondLook
from rag.settings import RetrievalSettings
from rag.store import chunk as chunks_table
from rag.store.collection import Collection
from rag.store.session import Database
from tests.support.code_samples import PAYMENTS
from tests.support.code_world import CodeWorld


@pytest.fixture
def world(database: Database) -> CodeWorld:
    made = CodeWorld(database)
    made.repository("payments", PAYMENTS)
    return made


def places(found: CodeMatches) -> list[str]:
    return [item.spot.place.partition("@")[0] for item in found.matches]


def test_a_pattern_is_found_with_its_lines(world: CodeWorld) -> None:
    found = world.searcher.search(world.permit(), r"def (charge|record)\(", regex=True)
    assert places(found) == [
        "payments/src/billing/gateway.py:1",
        "payments/src/payments/audit.py:1",
        "payments/src/payments/gateway.py:4",
    ]
    last = found.matches[-1]
    assert last.spot.text == "def charge(amount: int) -> None:"
    assert last.spans == ((0, 11),) and last.symbol == "charge" and last.language == "python"
    assert last.spot.before == ("", "") and last.spot.after == (
        '    """카드사에 청구한다."""',
        '    send({"amount": amount})',
    )
    assert found.how == "regex" and not found.partial and not found.more


def test_patterns_without_a_literal_and_with_several_matches_in_a_line(world: CodeWorld) -> None:
    found = world.searcher.search(world.permit(), r"\d_\d+", regex=True)
    assert places(found) == ["payments/src/payments/limits.py:4"]
    [match] = world.searcher.search(world.permit(), "감사|기록", regex=True).matches
    assert match.spans == ((7, 9), (10, 12))
    cased = world.searcher.search(world.permit(), "PAYMENTSERVICE", regex=True)
    assert not cased.matches
    assert world.searcher.search(world.permit(), "PAYMENTSERVICE", regex=True, ignore_case=True).matches


def test_a_match_over_lines_crosses_pieces(world: CodeWorld) -> None:
    """Lines 12 and 13 of service.py lie in two chunks."""
    found = world.searcher.search(world.permit(), r"checker\n\n    def approve", regex=True)
    assert places(found) == ["payments/src/payments/service.py:12-14"]
    assert found.matches[0].spot.text == "        self.checker = checker\n\n    def approve(self, amount: int) -> bool:"
    [(start, end)] = found.matches[0].spans
    assert found.matches[0].spot.text[start:end] == "checker\n\n    def approve"


def test_scopes_and_symbols_narrow_a_search(world: CodeWorld) -> None:
    search = world.searcher.search
    scope = CodeScope(("payments",), "src/billing")
    assert places(search(world.permit(), r"charge\(", regex=True, scope=scope)) == [
        "payments/src/billing/gateway.py:1", "payments/src/billing/gateway.py:7",
    ]  # fmt: skip
    inside = search(world.permit(), r"return", regex=True, symbol="PaymentService.approve")
    assert places(inside) == ["payments/src/payments/service.py:17", "payments/src/payments/service.py:20"]
    found = search(world.permit(), "", symbol="LimitChecker")
    assert found.how == "symbol" and places(found) == ["payments/src/payments/limits.py:1"]
    assert search(world.permit(), "charge", regex=True, limit=1).more


def test_words_find_the_best_line(world: CodeWorld) -> None:
    found = world.searcher.search(world.permit(), "카드사 청구", limit=3)
    assert found.how == "words" and places(found)[0] == "payments/src/payments/gateway.py:5"
    assert len(found.passages) == len(found.matches) and found.matches[0].score > 0
    narrow = world.searcher.search(world.permit(), "카드사 청구 charge", scope=CodeScope(path="src/billing/*"))
    assert {item.spot.source.source_key for item in narrow.matches} == {"payments/src/billing/gateway.py"}


def test_of_lines_with_the_same_words_the_one_that_defines_the_name_is_shown(world: CodeWorld) -> None:
    [collection] = world.permit().collections
    text = '"""Fees."""\n\nfee_table = fee(1)\n\n\ndef fee(amount: int) -> int:\n    return amount // 1000\n'
    world.file(collection, "payments/src/fees.py", text)
    found = world.searcher.search(world.permit(), "fee", scope=CodeScope(path="src/fees.py"))
    assert (found.matches[0].spot.first, found.matches[0].symbol) == (6, "fee")
    assert found.matches[0].spot.text == "def fee(amount: int) -> int:"


@pytest.mark.parametrize("spelling", ["python", "Python", "py", ".py", "PYI"])
def test_a_language_is_known_by_its_names_and_suffixes(world: CodeWorld, spelling: str) -> None:
    assert world.searcher.search(world.permit(), "charge", scope=CodeScope(language=spelling)).matches
    assert not world.searcher.search(world.permit(), "charge", scope=CodeScope(language="golang")).matches


@pytest.mark.parametrize(
    ("spelling", "language"),
    [
        *((name, "sql") for name in ("postgresql", "pgsql", "tsql", "T-SQL", "pl/sql", "mysql")),
        ("react", "javascript"),
    ],
)
def test_dialects_and_libraries_are_names_of_languages(world: CodeWorld, spelling: str, language: str) -> None:
    with world.database.read() as session:
        assert scoped(session, world.permit(), CodeScope(language=spelling)).language == language


@pytest.mark.parametrize("spelling", ["markdown", "md", "text", "plaintext", "rst", "csv"])
def test_there_is_no_code_in_a_format_of_texts(world: CodeWorld, spelling: str) -> None:
    """Clients fill in the language by themselves."""
    scope = CodeScope(language=spelling)
    assert not world.searcher.search(world.permit(), "charge", scope=scope).matches
    assert not world.searcher.search(world.permit(), "charge", regex=True, scope=scope).matches
    assert not world.searcher.search(world.permit(), "", symbol="charge", scope=scope).matches


def test_a_language_that_none_is_called_is_refused_with_those_that_are(world: CodeWorld) -> None:
    """An empty list would say that nothing in the code is about the question."""
    with pytest.raises(InvalidRequest) as refused:
        world.searcher.search(world.permit(), "charge", scope=CodeScope(language="klingon"))
    assert "klingon" in str(refused.value) and "python" in str(refused.value) and "c#" in str(refused.value)


MANY = {f"src/job_{n}.py": f"def settle_{n}():\n    return settle_account({n})\n" for n in range(90)}
RARE = {f"native/part_{n}.rs": f"fn settle_account_{n}() {{ settle_account({n}); }}\n" for n in range(12)}


def test_a_filter_holds_however_many_files_are_in_scope(world: CodeWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    """A filter names so many documents at most. A rare language among many files is still few documents."""
    monkeypatch.setattr(code_scope, "MAX_DOCUMENTS", 20)
    world.repository("settlement", MANY | RARE)
    found = world.searcher.search(
        world.permit(), "def settle_account return", scope=CodeScope(language="rust"), limit=10
    )
    assert len(found.matches) == 10 and found.more and not found.partial
    assert {item.language for item in found.matches} == {"rust"}


def test_without_a_filter_what_is_meant_is_looked_for_further_down(
    world: CodeWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(code_scope, "MAX_DOCUMENTS", 5)
    world.repository("settlement", MANY | RARE)
    search = world.searcher.search
    found = search(world.permit(), "settle_account", scope=CodeScope(path="native/*"), limit=10)
    assert len(found.matches) == 10 and found.more and not found.partial
    few = replace(world.retriever, settings=RetrievalSettings(candidates=40))
    shallow = CodeSearcher(world.database, few, world.navigator)
    found = shallow.search(world.permit(), "def settle_account return", scope=CodeScope(path="native/*"), limit=10)
    assert len(found.matches) < 10 and found.partial  # nobody takes it for all there is


class Counting:
    """A reranker that finds all alike, and knows what it was given."""

    name, max_tokens = "counting", 512

    def __init__(self) -> None:
        self.given: list[list[str]] = []

    def score(self, query: str, texts: Sequence[str], *, deadline: float | None = None) -> list[float]:
        self.given.append(list(texts))
        return [0.5] * len(texts)


def reranking(world: CodeWorld, **settings: Any) -> tuple[CodeSearcher, Counting]:
    reranker = Counting()
    look = SecondLook(reranker, candidates=20, budget_ms=60_000)
    retriever = replace(world.retriever, settings=RetrievalSettings(**settings), second_look=look)
    return CodeSearcher(world.database, retriever, world.navigator), reranker


def test_a_definition_is_searched_once_and_nothing_else_is_reranked(world: CodeWorld) -> None:
    """However far down its file stands among all that say the same."""
    world.repository("settlement", MANY)
    searcher, reranker = reranking(world)
    found = searcher.search(world.permit(), "def return settle_account", symbol="settle_77", limit=5)
    assert places(found) == ["settlement/src/job_77.py:2"] and not (found.more or found.partial)
    [texts] = reranker.given
    assert len(texts) == 1 and "settle_77" in texts[0]
    scope = CodeScope(path="src/job_7*")
    assert places(searcher.search(world.permit(), "settle_account", symbol="settle_77", scope=scope)) == places(found)
    assert not searcher.search(world.permit(), "settle_account", symbol="settle_88", scope=scope).matches
    assert not searcher.search(world.permit(), "settle_account", symbol="nowhere").matches
    assert len(reranker.given) == 2  # nothing is searched for what is defined nowhere


def test_a_search_that_no_filter_narrows_goes_down_once(world: CodeWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(code_scope, "MAX_DOCUMENTS", 5)
    world.repository("settlement", MANY | RARE)
    searcher, reranker = reranking(world)
    words = "def settle_account return"
    found = searcher.search(world.permit(), words, scope=CodeScope(path="native/*"), limit=10)
    assert len(found.matches) == 10 and found.more and len(reranker.given) == 1


def test_what_can_not_be_searched_is_refused(world: CodeWorld) -> None:
    for pattern in ("a*", "(", r"(?=x)"):
        with pytest.raises(PatternRefused):
            world.searcher.search(world.permit(), pattern, regex=True)
    with pytest.raises(PatternRefused):
        world.searcher.search(world.permit(), "a", regex=True, scope=CodeScope(path="[z-a]*"))
    with pytest.raises(InvalidRequest):
        world.searcher.search(world.permit(), "  ")


def put_line(world: CodeWorld, path: str, parts: Sequence[str]) -> None:
    """One line that is several chunks, in place of a file's own."""
    version = world.versions[f"payments/{path}"]
    with world.database.write() as session:
        chunks = [
            Chunk(
                uuid5(version, f"part {n}"), n, text, LineAnchor(1, 1), (f"payments/{path}",), Language.KOREAN,
                ElementKind.TEXT, code=CodeContext("python"),
            )
            for n, text in enumerate(parts)
        ]  # fmt: skip
        chunks_table.replace_chunks(session, version, chunks)


def test_offsets_are_those_of_the_line_where_that_is_several_pieces(world: CodeWorld) -> None:
    put_line(world, "src/payments/limits.py", ["ROWS = ('a', ", "'needle', ", "'z', 'needle')"])
    [match] = world.searcher.search(world.permit(), "needle", regex=True).matches
    assert match.spot.text == "ROWS = ('a', 'needle', 'z', 'needle')"
    assert [match.spot.text[start:end] for start, end in match.spans] == ["needle", "needle"]
    assert not world.searcher.search(world.permit(), "^'needle", regex=True).matches, "it does not begin the line"
    put_line(world, "src/payments/limits.py", ["ROWS = ('a', ", *["'needle', "] * 2000])
    [match] = world.searcher.search(world.permit(), "needle", regex=True).matches
    assert 100 <= len(match.spans) <= 1000 and match.spans[0] == (14, 20)


def test_the_time_is_up(world: CodeWorld) -> None:
    late = CodeSearcher(world.database, world.retriever, world.navigator, seconds=-1.0)
    found = late.search(world.permit(), "charge", regex=True)
    assert found.partial and not found.matches


class Ticking:
    """A clock that stands still for so many looks, and is far ahead from then on."""

    def __init__(self, looks: int) -> None:
        self.left = looks + 1  # the first one tells when the search began

    def __call__(self) -> float:
        self.left -= 1
        return 0.0 if self.left >= 0 else 1000.0


@pytest.mark.parametrize("pattern", [r"amount\b", r"amount[^\n]*\n"])
def test_what_was_found_before_the_time_was_up_is_told(world: CodeWorld, pattern: str) -> None:
    """The clock is looked at between the pieces of one group of files, not before the group alone."""

    def searched(looks: int) -> CodeMatches:
        searcher = CodeSearcher(world.database, world.retriever, world.navigator, seconds=1.0, clock=Ticking(looks))
        return searcher.search(world.permit(), pattern, regex=True, limit=100)

    whole = searched(1000)
    assert not whole.partial and len(whole.matches) > 8
    counts = []
    for looks in range(1000):
        found = searched(looks)
        assert places(found) == places(whole)[: len(found.matches)], "the first ones, and each once"
        counts.append(len(found.matches))
        if not found.partial:
            break
    assert found.matches == whole.matches
    assert counts == sorted(counts) and counts[0] == 0
    steps = [after - before for before, after in pairwise(counts)]
    files = {match.spot.source.source_key for match in whole.matches}
    assert sum(step > 0 for step in steps) >= len(files) > 3, "no two files between two looks"


def test_nothing_forbidden_or_hidden_is_found(world: CodeWorld) -> None:
    [collection] = world.permit().collections
    secret = 'KEY = "zulu-4711"\n'
    world.file(collection, "payments/secret.py", secret, rule=AccessRule(label=Label.CONFIDENTIAL))
    assert not world.searcher.search(world.permit(), "zulu", regex=True).matches
    assert not world.searcher.search(world.permit("남의 은행"), "charge", regex=True).matches
    world.file(collection, "payments/phone.py", 'PHONE = "010-2345-6789"\n')
    assert world.searcher.search(world.permit(), "2345", regex=True).matches
    with world.database.write() as session:
        session.get_one(Collection, collection).privacy = {"default": "mask"}
    for pattern in ("2345", r"\d{4}-\d{4}"):
        assert not world.searcher.search(world.permit(), pattern, regex=True).matches
    [found] = world.searcher.search(world.permit(), "PHONE", regex=True).matches
    assert "2345" not in found.spot.text
