"""From a question to an answer over a store, with a generator that proposes what a test says."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, get_args

import pytest

from api.schemas.answers import abstention_message
from rag.answering import waiting
from rag.answering.contract import ContractRules
from rag.answering.contract_problems import REMOVED
from rag.answering.report import SECTION_TRUNCATED
from rag.answering.service import Answerer, AnswerOutcome, Asked
from rag.domain.answer import Abstention, AbstentionReason, Note, Support, Weakness
from rag.domain.language import Language
from rag.domain.messages import UiLanguage
from rag.domain.passage import SearchResult
from rag.generation.base import NO_ANSWER, TRUNCATED, Draft, GenerationRequest
from rag.reranking.base import Reranker
from rag.retrieval.reranking import SecondLook
from rag.retrieval.service import Retriever
from rag.store.session import Database
from tests.support.proposals import Proposing
from tests.support.questions import READER
from tests.support.shelf import Shelf
from tests.support.shelf import shelf as empty_shelf
from tests.support.stores import migrated

RULES = [
    "제60조(연차휴가) 회사는 1년간 80퍼센트 이상 출근한 직원에게 15일의 연차휴가를 준다.",
    "제61조(경조휴가) 본인 결혼에는 5일의 경조휴가를 준다.",
]
QUESTION = "연차휴가는 며칠인가요?"


@pytest.fixture(scope="module")
def shelf(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shelf]:
    file: Path = tmp_path_factory.mktemp("store") / "seogo.sqlite"
    database: Database = migrated(f"sqlite:///{file}")
    opened = empty_shelf(database)
    opened.add(opened.collection("규정"), "취업규칙", RULES, language=Language.KOREAN)
    yield opened
    database.close()


def answered(shelf: Shelf, drafts: Sequence[Draft], rules: ContractRules = ContractRules(repairs=0)) -> AnswerOutcome:  # noqa: B008
    answerer = Answerer(shelf.retriever, READER, Proposing(drafts), 5, rules)
    return asyncio.run(answerer.complete(shelf.permit(), Asked(QUESTION, 5)))


def cites(shelf: Shelf, words: str) -> tuple[int, ...]:
    """The place of a passage among those that the question finds."""
    found = shelf.retriever.search(shelf.permit(), QUESTION, limit=5).passages
    return (next(index for index, passage in enumerate(found) if words in passage.chunk.text),)


def test_what_holds_is_the_answer(shelf: Shelf) -> None:
    outcome = answered(shelf, [Draft(text="연차휴가는 15일입니다.", cites=cites(shelf, "연차휴가"))])
    assert outcome.abstention is None
    assert [item.support for item in outcome.sentences] == [Support.SUPPORTED]
    assert "15일" in outcome.sentences[0].citations[0].quote


@pytest.mark.parametrize(
    "text", ["연차휴가는 16일입니다.", "연차휴가는 주지 않습니다.", "연차휴가는 지점장과 노조가 협의하여 추첨합니다."]
)
def test_an_answer_of_marks_alone_is_an_abstention(shelf: Shelf, text: str) -> None:
    outcome = answered(shelf, [Draft(text=text, cites=cites(shelf, "연차휴가"))] * 3)
    assert outcome.sentences == ()
    assert outcome.abstention is not None and outcome.abstention.reason is AbstentionReason.NOT_HELD
    assert {note.kind for note in outcome.notes} == {"unsupported"}


class _Slow(Proposing):
    async def generate(self, request: GenerationRequest) -> AsyncGenerator[Draft | Note, None]:
        await asyncio.sleep(0.3)
        async for item in super().generate(request):
            yield item


@pytest.mark.parametrize(("search_s", "told"), [(0.0, False), (1.0, True)])
def test_a_search_that_waited_for_a_model_is_a_part_of_the_readers_wait(
    shelf: Shelf, monkeypatch: pytest.MonkeyPatch, search_s: float, told: bool
) -> None:
    search = Retriever.search

    def slow(self: Retriever, *given: Any, **more: Any) -> SearchResult:
        time.sleep(search_s)
        return search(self, *given, **more)

    monkeypatch.setattr(Retriever, "search", slow)
    monkeypatch.setattr(waiting, "SLOW_AFTER_S", 1.1)
    monkeypatch.setattr(waiting, "_LEAST_S", 0.05)
    answerer = Answerer(shelf.retriever, READER, _Slow([Draft(text="연차휴가는 15일입니다.", cites=(0,))]), 5)
    outcome = asyncio.run(answerer.complete(shelf.permit(), Asked(QUESTION, 5)))
    assert (waiting.SLOW in [note.kind for note in outcome.notes]) is told


def test_what_is_removed_leaves_an_abstention(shelf: Shelf) -> None:
    rules = ContractRules(repairs=0, unsupported="remove")
    outcome = answered(shelf, [Draft(text="연차휴가는 16일입니다.", cites=cites(shelf, "연차휴가"))], rules)
    assert outcome.sentences == () and outcome.abstention is not None
    assert outcome.abstention.reason is AbstentionReason.NOT_HELD
    assert [(note.kind, note.detail) for note in outcome.notes] == [("removed", "1 sentence: facts")]


@pytest.mark.parametrize(
    ("notes", "reason"),
    [
        ([], AbstentionReason.WEAK_EVIDENCE),
        ([Note(NO_ANSWER, "none")], AbstentionReason.WEAK_EVIDENCE),
        ([Note(TRUNCATED, "cut"), Note(NO_ANSWER, "none")], AbstentionReason.WEAK_EVIDENCE),
        ([Note(TRUNCATED, "cut")], AbstentionReason.CUT_SHORT),
        ([Note(SECTION_TRUNCATED, "절")], AbstentionReason.CUT_SHORT),
        ([Note(REMOVED, "1 sentence"), Note(TRUNCATED, "cut")], AbstentionReason.NOT_HELD),
    ],
)
def test_a_refusal_says_whose_fault_it_is(shelf: Shelf, notes: list[Note], reason: AbstentionReason) -> None:
    outcome = asyncio.run(
        Answerer(shelf.retriever, READER, Proposing(notes), 5).complete(shelf.permit(), Asked(QUESTION, 5))
    )
    assert outcome.abstention is not None and outcome.abstention.reason is reason


@pytest.mark.parametrize("language", get_args(UiLanguage))
@pytest.mark.parametrize("reason", AbstentionReason)
def test_every_reason_for_a_refusal_is_said_in_both_languages(reason: AbstentionReason, language: UiLanguage) -> None:
    said = abstention_message(Abstention(reason, ("규정",), ("말",)), language)
    others = [abstention_message(Abstention(other, ("규정",), ("말",)), language) for other in AbstentionReason]
    assert "규정" in said and others.count(said) == 1
    assert any("가" <= character <= "힣" for character in said.replace("규정", "").replace("말", "")) is (
        language == "ko"
    )


@pytest.mark.parametrize("language", get_args(UiLanguage))
def test_an_answer_that_broke_off_is_no_fault_of_the_evidence(language: UiLanguage) -> None:
    refused = Abstention(AbstentionReason.CUT_SHORT, ("규정",), ("가산율",), because=tuple(Weakness))
    said = abstention_message(refused, language)
    assert said == abstention_message(replace(refused, missing_terms=(), because=()), language)
    assert "가산율" not in said and "가산율" in abstention_message(
        replace(refused, reason=AbstentionReason.WEAK_EVIDENCE), language
    )


def test_what_was_searched_is_not_what_the_model_wrote() -> None:
    said = abstention_message(Abstention(AbstentionReason.NOT_HELD, ("규정",), ()), "ko")
    assert said == "찾아본 컬렉션(규정)의 내용으로는 모델이 쓴 답을 확인할 수 없어 보여 드리지 않습니다."


class _Vouching(Reranker):
    name, max_tokens = "vouching", 512

    def score(self, query: str, passages: Sequence[str], *, deadline: float | None = None) -> list[float]:
        return [0.9] * len(passages)


def test_the_retrievers_reranker_judges_too(shelf: Shelf) -> None:
    drafts = [Draft(text="열심히 나오면 쉬는 날을 15일 얻습니다.", cites=cites(shelf, "연차휴가"))]
    assert answered(shelf, drafts).abstention is not None
    judged = replace(shelf, retriever=replace(shelf.retriever, second_look=SecondLook(_Vouching(), 10, 2000)))
    assert [item.support for item in answered(judged, drafts).sentences] == [Support.SUPPORTED]
