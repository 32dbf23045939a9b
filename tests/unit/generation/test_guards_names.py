"""Short answers in another script: names go out as they are, sentences are asked for once more, and none is lost by it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from rag.domain.errors import GenerationStopped, ModelBroken
from rag.generation.engine import EngineCall, Finished
from rag.generation.guards import GuardedEngine
from rag.generation.scripted import ScriptedEngine, Step, spoken
from tests.support.streams import streamed
from tests.unit.generation.test_guards import CHINESE, GOOD_KOREAN, KOREAN, end_of, run, text_of

SENTENCE = "育儿假最长可以使用一年六个月。"
NAMES = [
    "Виктор Цой",
    "Виктор Цой.",
    "Иванов Иван Иванович",
    "กรุงเทพมหานคร",
    "株式会社みずほ銀行",
    "東京電力ホールディングス株式会社",
    "あつまれ どうぶつの森",
    "ぷよぷよテトリス",
    "學而時習之 不亦說乎",
    "محمد بن سلمان",
]


@pytest.mark.parametrize("text", NAMES)
def test_a_name_of_some_length_is_an_answer(text: str) -> None:
    inner = ScriptedEngine([streamed(text), spoken("또 답합니다.")])
    assert text_of(run(GuardedEngine(inner))) == text
    assert len(inner.calls) == 1


@pytest.mark.parametrize(
    "text",
    [
        SENTENCE,
        "五日以内に精算してください",
        "規程により五日以内に精算することとします。[1]",
        "В течение пяти дней",
        "Оплата производится в срок",
        "ต้องชำระภายในห้าวัน",
        "يجب الدفع خلال خمسة أيام",
    ],
)
def test_a_short_sentence_is_asked_for_once_more(text: str) -> None:
    inner = ScriptedEngine([streamed(text), spoken(GOOD_KOREAN)])
    assert text_of(run(GuardedEngine(inner))) == GOOD_KOREAN
    assert len(inner.calls) == 2


@pytest.mark.parametrize(
    "asked",
    [
        "이 표어를 현지 표기로만 답해 주세요.",
        "계약서의 첫 문장을 원문 그대로 적어 주세요.",
        "표어를 현지 문자로 써 주세요.",
        "What is the slogan in its original spelling?",
        "Give the slogan in its native script.",
    ],
)
def test_whose_question_asks_for_the_original_has_it(asked: str) -> None:
    inner = ScriptedEngine([streamed(SENTENCE), spoken(GOOD_KOREAN)])
    call = EngineCall([{"role": "user", "content": asked}])
    assert text_of(run(GuardedEngine(inner), call)) == SENTENCE
    assert len(inner.calls) == 1


@pytest.mark.parametrize("whole", [False, True], ids=["streamed", "whole"])
@pytest.mark.parametrize(
    "second",
    [[ModelBroken(name="m")], streamed(CHINESE), [Finished("stop")]],
    ids=["fails", "is stopped", "is empty"],
)
def test_where_the_second_try_comes_to_nothing_the_first_goes_out(second: list[Step], whole: bool) -> None:
    engine = GuardedEngine(ScriptedEngine([streamed(SENTENCE), second]))
    events = run(engine.whole() if whole else engine)
    assert text_of(events) == SENTENCE
    assert (end_of(events).reason, end_of(events).retried) == ("stop", ("language",))


def test_where_no_time_is_left_for_a_second_try_the_first_goes_out() -> None:
    inner = ScriptedEngine([streamed(SENTENCE), spoken(GOOD_KOREAN)])
    assert text_of(run(GuardedEngine(inner), replace(KOREAN, deadline=0.0))) == SENTENCE
    assert len(inner.calls) == 1


def test_a_long_answer_in_another_language_is_still_an_error_where_it_comes_twice() -> None:
    with pytest.raises(GenerationStopped):
        run(GuardedEngine(ScriptedEngine([streamed(CHINESE)])))
