from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field

import pytest

from rag.domain.errors import (
    GenerationStopped,
    InvalidRequest,
    ModelBroken,
    ModelUnavailable,
    ModelUnusable,
    PromptTooLong,
)
from rag.domain.language import Language
from rag.domain.passage import LocatedChunk
from rag.evaluation.synthesis import checked_draft, draft_questions, sampled
from rag.generation.chat import ChatMessage
from rag.store.session import Database
from tests.support.passages import SOURCE, make_chunk
from tests.support.shelf import Shelf, shelf

TEXT = "소속장은 업무의 특성을 고려하여 1주에 2일까지 재택근무를 승인할 수 있다. 회사는 통신비로 월 3만원을 지원한다."
PASSAGE = LocatedChunk(make_chunk(TEXT), SOURCE)
QUOTE = "회사는 통신비로 월 3만원을 지원한다."


FAILURES: dict[str, ModelUnavailable] = {
    "down": ModelUnavailable(name="scripted"),
    "broken": ModelBroken(name="scripted"),
    "stopped": GenerationStopped(name="scripted", guard="repetition"),
    "no text": ModelUnusable(name="scripted", detail="an answer without text", detail_ko="글이 없는 답입니다"),
}


@dataclass
class ScriptedChat:
    """Answers in turn, then the same over and over; keeps what it was told."""

    answers: Sequence[str]
    told: list[Sequence[ChatMessage]] = field(default_factory=list)
    name: str = "scripted"

    def complete(
        self,
        messages: Sequence[ChatMessage],
        *,
        max_tokens: int,
        temperature: float = 0.0,
        deadline: float | None = None,
        tenant: str = "",
    ) -> str:
        self.told.append(messages)
        answer = self.answers[min(len(self.told), len(self.answers)) - 1]
        if answer == "too long":  # as `EngineChat` says it
            raise ModelUnavailable(name=self.name) from PromptTooLong(name=self.name, limit=8192)
        if answer in FAILURES:
            raise FAILURES[answer]
        return answer.replace("PASSAGE", messages[-1].content.split("\n", 1)[1][:60])


def draft(question: str, quote: str = QUOTE) -> str:
    return json.dumps({"question": question, "quote": quote}, ensure_ascii=False)


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        ("모르겠습니다", "not_json"),
        ('{"question": "재택근무 통신비", ', "not_json"),
        ("[1, 2]", "not_json"),
        (draft(""), "no_question"),
        (draft("가" * 400), "no_question"),
        (draft("위 문서에서 재택근무는 며칠인가요?"), "pointing"),
        (draft("이 문단은 무엇을 정하나요?"), "pointing"),
        (draft("본문에 따르면 통신비는 얼마인가요?"), "pointing"),
        (draft("What does the passage say about remote work?"), "pointing"),
        (draft("According to the text, who approves it?"), "pointing"),
        (draft("재택근무자의 통신비는?", "통신비는 월 5만원이다."), "quote_not_found"),
        (draft("재택근무자의 통신비는?", ""), "quote_not_found"),
        (draft("소속장은 업무의 특성을 고려하여 1주에 2일까지 재택근무를 승인할 수 있다?"), "copied"),
        (draft("집에서 일하면, 통신비는 얼마나 받나요?"), "duplicate"),
    ],
)
def test_useless_drafts_are_thrown_away(answer: str, reason: str) -> None:
    assert checked_draft(answer, PASSAGE, ["집에서 일하면 통신비를 얼마나 받나요?"]) == (None, reason)


@pytest.mark.parametrize(
    "answer",
    [
        draft("원격 근무자에게 주는 통신비는?"),
        f"물론입니다!\n```json\n{draft('원격 근무자에게 주는 통신비는?')}\n```",
        draft("원격 근무자에게 주는 통신비는?", "회사는  통신비로\n월 3만원을 지원한다."),
        draft("1위 문서보안 등급의 승인권자는?"),
    ],
)
def test_good_drafts_become_rows_for_review(answer: str) -> None:
    row, reason = checked_draft(answer, PASSAGE, ["병가는 며칠까지 유급인가요?"])
    assert row is not None and reason == ""
    assert (row["document"], row["collection"], row["reviewed"]) == ("취업규칙.docx", "규정", "")
    assert "".join(row["quote"].split()) in "".join(TEXT.split())


@pytest.fixture
def filled(sqlite: Database) -> Shelf:
    """A long and a short document of the bank, and one of another tenant."""
    found = shelf(sqlite)
    rules = found.collection("규정")
    text = "담당 부서는 매월 말일까지 점검 결과를 보고하고 기록을 보존하며 사본을 감사부에 보낸다. "
    long = [f"조항 {n}: " + f"구분{n} {text}" * 3 for n in range(9)]
    found.add(rules, "긴 규정.docx", long, language=Language.KOREAN)
    found.add(rules, "short.md", ["The gateway keeps parked events for two weeks. " * 4, "Title"])
    secret = found.collection("인사", tenant="병원")
    found.add(secret, "환자.docx", ["환자의 비밀 기록은 담당 의사만 열람한다. " * 9])
    return found


def test_passages_are_spread_over_documents_and_stay_within_the_permit(filled: Shelf) -> None:
    found = list(sampled(filled.database, filled.permit(), 6, seed=1))
    keys = [located.source.source_key for located in found]
    assert sorted(keys[:2]) == ["short.md", "긴 규정.docx"]
    assert keys[2:] == ["긴 규정.docx"] * 4, "a heading is nothing to ask about"
    assert len({located.chunk.id for located in found}) == 6
    again = sampled(filled.database, filled.permit(), 6, seed=1)
    assert [located.chunk.id for located in again] == [located.chunk.id for located in found]


def test_drafts_are_made_until_there_are_enough(filled: Shelf) -> None:
    questions = [f"{name} 보고는 누구에게 언제까지 하나요?" for name in ("점검", "결산 마감", "사고 대응 훈련")]
    chat = ScriptedChat(["잡담", *(draft(question, "PASSAGE") for question in questions)])
    steps: list[tuple[int, int]] = []
    drafts = draft_questions(
        filled.database, filled.permit(), chat, 3, progress=lambda done, total: steps.append((done, total))
    )
    assert [row["question"] for row in drafts.rows] == questions
    assert drafts.thrown == {"not_json": 1}
    assert steps == [(0, 3), (1, 3), (2, 3), (3, 3)]
    assert not any("환자" in message.content for told in chat.told for message in told)


def test_a_model_asks_in_the_language_of_the_passage(filled: Shelf) -> None:
    chat = ScriptedChat(["잡담"])
    draft_questions(filled.database, filled.permit(), chat, 3)
    systems = {told[1].content.split("]")[0]: told[0].content for told in chat.told}
    assert systems["[short.md"].startswith("You write questions")
    assert systems["[긴 규정.docx"].startswith("당신은")


def test_a_model_that_only_repeats_itself_ends(filled: Shelf) -> None:
    drafts = draft_questions(
        filled.database, filled.permit(), ScriptedChat([draft("점검 보고는 언제까지?", "PASSAGE")]), 5
    )
    assert len(drafts.rows) == 1
    assert drafts.thrown == {"duplicate": 9}


def test_a_model_that_fails_is_no_empty_sheet(filled: Shelf) -> None:
    with pytest.raises(ModelUnavailable):
        draft_questions(filled.database, filled.permit(), ScriptedChat(["down"]), 5)


@pytest.mark.parametrize("failure", ["broken", "stopped", "no text", "too long"])
def test_a_passage_that_the_model_fails_on_is_left_out(filled: Shelf, failure: str) -> None:
    good = [draft(f"{name} 보고는 누구에게 언제까지 하나요?", "PASSAGE") for name in ("점검", "결산 마감")]
    found = draft_questions(
        filled.database, filled.permit(), ScriptedChat([failure, good[0], *[failure] * 4, good[1]]), 2
    )
    assert (len(found.rows), found.thrown, found.stopped) == (2, {"no_answer": 5}, None)


@pytest.mark.parametrize("failure", ["broken", "too long"])
def test_a_model_that_fails_on_every_passage_is_asked_no_further(filled: Shelf, failure: str) -> None:
    chat = ScriptedChat([draft("점검 보고는 누구에게 언제까지 하나요?", "PASSAGE"), failure])
    found = draft_questions(filled.database, filled.permit(), chat, 5)
    assert len(found.rows) == 1 and isinstance(found.stopped, ModelUnavailable)
    assert len(chat.told) == 1 + 5
    chat = ScriptedChat([failure])
    with pytest.raises(ModelUnavailable):
        draft_questions(filled.database, filled.permit(), chat, 5)
    assert len(chat.told) == 5


def test_what_was_drafted_before_the_model_failed_is_kept(sqlite: Database) -> None:
    filled = shelf(sqlite)
    manuals = filled.collection("규정")
    for number in range(4):
        filled.add(manuals, f"{number}.md", [f"{number}번 규정: {TEXT} {TEXT}"], language=Language.KOREAN)
    chat = ScriptedChat([draft("통신비는 얼마를 주나요?", "PASSAGE"), "down"])
    found = draft_questions(sqlite, filled.permit(), chat, 3)
    assert len(found.rows) == 1 and isinstance(found.stopped, ModelUnavailable)
    with pytest.raises(ModelUnavailable):
        draft_questions(sqlite, filled.permit(), ScriptedChat(["down"]), 3)


def test_nothing_to_ask_about_is_said(sqlite: Database) -> None:
    empty = shelf(sqlite)
    with pytest.raises(InvalidRequest, match="no document here"):
        draft_questions(sqlite, empty.permit(), ScriptedChat(["x"]), 5)
