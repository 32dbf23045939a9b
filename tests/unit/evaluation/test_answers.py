"""Answers measured on a small store: with what answers a question, and with that hidden."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest

from rag.answering.service import Answerer, Asked
from rag.domain.answer import Citation, Sentence, Support
from rag.domain.language import Language
from rag.domain.messages import UiLanguage
from rag.evaluation import answers_report
from rag.evaluation.answers import (
    AnswerResult,
    Trial,
    answer_contained,
    ask_all,
    ask_foreign,
    holds_up,
    numbers_found,
)
from rag.evaluation.answers_curves import COVERAGE, bar_for, halves, point_at, refusals
from rag.evaluation.answers_report import AnswersRun
from rag.evaluation.judging import Judge
from rag.evaluation.questions import Expected, Question
from rag.generation.extractive import ExtractiveGenerator
from rag.store.session import Database
from tests.support.passages import make_passage
from tests.support.questions import READER
from tests.support.shelf import Shelf, shelf

VACATION = Question(
    "q1", "연차휴가 신청 기한은 며칠 전인가요?", (Expected(("휴가규정.docx",)),), 2, answers=("3일 전",)
)
TRAVEL = Question(
    "q2", "출장 여비 정산 기한은 며칠인가요?", (Expected(("여비규정.docx",)),), 3, answers=("귀임 후 7일",)
)


@pytest.fixture
def filled(database: Database) -> Shelf:
    found = shelf(database)
    rules = found.collection("규정")
    korean = Language.KOREAN
    found.add(rules, "휴가규정.docx", ["연차휴가 신청 기한은 휴가 시작 3일 전이다."], title="휴가규정", language=korean)
    found.add(rules, "여비규정.docx", ["출장 여비 정산 기한은 귀임 후 7일이다."], title="여비규정", language=korean)
    for number in range(12):
        found.add(rules, f"회의록 {number}.docx", [f"회의실 {number}호 예약 현황과 청소 일정"], language=korean)
    return found


def answerer_on(place: Shelf, least: float = 0.6) -> Answerer:
    return Answerer(place.retriever, READER, ExtractiveGenerator(READER.terms_of), 3, min_confidence=least)


def measured(place: Shelf, *questions: Question) -> list[AnswerResult]:
    judged, problems = Judge(place.database, place.policy, place.permit()).judge(questions)
    assert problems == []
    return asyncio.run(ask_all(answerer_on(place), judged, READER.content_terms, 8))


def test_an_answer_is_measured_against_what_was_expected(filled: Shelf) -> None:
    first, second = measured(filled, VACATION, TRAVEL)
    for found in (first, second):
        assert (found.precision, found.first, found.recall, found.unsupported) == (1.0, 1.0, 1.0, 0.0)
        assert (found.numbers, found.contained) == (1.0, 1.0)
        assert not found.asked.refused and found.asked.confidence > 0.6
    assert first.cited[0] == "휴가규정.docx" and "3일 전" in first.given
    assert first.overlap == 1.0


def test_the_same_question_is_refused_when_its_passage_is_hidden(filled: Shelf) -> None:
    [found] = measured(filled, VACATION)
    assert found.without.refused and found.without.confidence < found.asked.confidence


def test_hidden_passages_are_neither_cited_nor_shown(filled: Shelf) -> None:
    asked = Asked(VACATION.text, 8, hides=lambda passage: passage.source.source_key == "휴가규정.docx")
    outcome = asyncio.run(answerer_on(filled).refusing_nothing().complete(filled.permit(), asked))
    keys = {passage.source.source_key for passage in outcome.search.passages}
    assert keys and "휴가규정.docx" not in keys
    assert "휴가규정.docx" not in {item.passage.source.source_key for s in outcome.sentences for item in s.citations}


def test_a_refusal_says_how_sure_and_why(filled: Shelf) -> None:
    outcome = asyncio.run(
        answerer_on(filled).complete(filled.permit(), Asked("화성 탐사선의 회의실 연료는 얼마인가요?", 8))
    )
    assert outcome.abstention is not None and outcome.abstention.because == tuple(outcome.search.doubts)
    assert outcome.search.confidence == outcome.abstention.confidence < 0.6
    assert outcome.sentences == ()


def test_the_bar_is_the_service_s_and_not_the_callers(filled: Shelf) -> None:
    sure = asyncio.run(answerer_on(filled, 0.999).complete(filled.permit(), Asked(VACATION.text, 1)))
    assert sure.abstention is not None and sure.search.confidence is not None
    many = asyncio.run(answerer_on(filled).complete(filled.permit(), Asked(VACATION.text, 50)))
    assert many.search.confidence == sure.search.confidence and many.sentences


def test_questions_about_something_else_are_refused(filled: Shelf) -> None:
    texts = ["화성 탐사선의 연료 탱크 용량은 몇 리터인가요?", "How many moons does Saturn have?"]
    trials = asyncio.run(ask_foreign(answerer_on(filled), filled.permit(), texts, 8))
    assert [trial.refused for trial in trials] == [True, True]


@pytest.mark.parametrize(
    ("expected", "given", "share"),
    [
        ("1억 2,500만원을 30일 안에", "12500만원… 2500만원을 30일", 2 / 3),
        ("제32조제1항에 따라 20일", "20일 이내", 1.0),
        ("20% 이하", "100분의 20", 1.0),
        ("20% 이하", "100분의 30", 0.0),
        ("대통령령으로 정한다", "무엇이든", None),
    ],
)
def test_numbers_of_the_expected_answer_are_looked_for(expected: str, given: str, share: float | None) -> None:
    assert numbers_found([expected], given) == (share if share is None else pytest.approx(share))


def test_one_of_several_wordings_is_enough() -> None:
    assert numbers_found(["7일", "이레", "8일"], "8일 이내") == 1.0
    assert answer_contained(["Kevin Spacey", "Spacey"], "It was kevin-spacey who starred.") == 1.0
    assert answer_contained(["Kevin Spacey"], "It was Kevin.") == 0.0
    assert answer_contained(["승인을 받아야 합니다."], "승인을 받아야 한다.") is None
    assert answer_contained(["yes"], "yes") is None and answer_contained(["가" * 60], "가") is None


def test_a_sentence_that_its_citation_does_not_hold_up_is_not_precise() -> None:
    passage = make_passage("휴가 기한은 3일이다. 여비 기한은 7일이다.")
    citation = Citation(1, passage, 0, 12)
    assert holds_up(Sentence(citation.quote, (citation,), Support.VERBATIM), citation)
    assert not holds_up(Sentence("휴가 기한은 9일이다.", (citation,), Support.UNSUPPORTED), citation)


def result(name: str, asked: float, without: float, *, first: float = 1.0, bar: float = 0.5) -> AnswerResult:
    trials = [Trial(value, value < bar, False) for value in (asked, without)]
    return AnswerResult(name, name, "", ("a",), *trials, 1.0, first, first, first, 0.0, None, None, None)


RESULTS = [result(f"q{n}", 0.3 + 0.06 * n, 0.1 + 0.06 * n, first=float(n > 2)) for n in range(10)]


def test_a_bar_is_found_for_a_coverage_and_says_what_it_costs() -> None:
    bar = bar_for(RESULTS, COVERAGE)
    point = point_at(RESULTS, [Trial(0.9, False, False), Trial(0.2, True, False), Trial(0.99, True, True)], bar)
    assert point.coverage == COVERAGE and point.risk == 0.0
    assert point.false == sum(item.without.confidence >= bar for item in RESULTS) / 10
    assert point.foreign == pytest.approx(1 / 3), "what found nothing is refused at any bar"
    assert point_at(RESULTS, [], bar_for(RESULTS, 1.0)).risk == pytest.approx(0.3)


def test_the_bar_of_one_half_is_measured_on_the_other() -> None:
    found = refusals(RESULTS, [], 0.5)
    first, second = halves(RESULTS)
    assert {item.id for item in first}.isdisjoint(item.id for item in second) and len(first) == len(second) == 5
    assert halves(list(reversed(RESULTS))) == (first, second)
    assert found.halves is not None and found.held_out is not None
    assert found.halves[0].point == point_at(second, [], bar_for(first, COVERAGE))
    assert found.halves[1].point == point_at(first, [], bar_for(second, COVERAGE))
    assert found.held_out.false == pytest.approx((found.halves[0].point.false + found.halves[1].point.false) / 2)
    assert found.held_out.foreign is None
    assert found.false_refusal.mean == pytest.approx(0.4) and found.at_bar.coverage == pytest.approx(0.6)


def test_auroc_is_that_of_pairs_and_ties_count_half() -> None:
    assert refusals([result("a", 0.9, 0.1), result("b", 0.8, 0.2)], [], 0.5).auroc.mean == 1.0
    assert refusals([result("a", 0.5, 0.5), result("b", 0.5, 0.5)], [], 0.5).auroc.mean == 0.5
    auroc = refusals(RESULTS, [], 0.5).auroc
    assert auroc.low < auroc.mean < auroc.high
    with pytest.raises(ValueError, match="no results"):
        refusals([], [], 0.5)


@pytest.mark.parametrize(("language", "words"), [("ko", "첫 인용이 정답 문단"), ("en", "False refusals")])
def test_the_report_is_text_page_picture_and_json(tmp_path: Path, language: UiLanguage, words: str) -> None:
    risky = result("<script>", 0.95, 0.9, first=0.0)
    run = AnswersRun((*RESULTS, risky), (Trial(0.2, True, False),), 0.5, {"generator": "extractive/1"})
    answers_report.save(run, tmp_path, language, ["3행: <b>"])
    assert words in answers_report.as_text(run, language)
    page = (tmp_path / "answers.html").read_text(encoding="utf-8")
    assert words in page and "&lt;script&gt;" in page and "<script" not in page and "&lt;b&gt;" in page
    assert (tmp_path / "risk-coverage.png").read_bytes().startswith(b"\x89PNG")
    body = json.loads((tmp_path / "answers.json").read_text(encoding="utf-8"))
    assert body["measures"]["first"]["questions"] == 11 and len(body["refusing"]["curve"]) == 10
    assert body["refusing"]["held_out"]["foreign"] == 0.0
