from __future__ import annotations

import asyncio
import random
import sys
import time
from collections.abc import Iterable, Sequence
from contextlib import aclosing
from dataclasses import replace
from types import FrameType
from typing import Any, Protocol

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from rag.domain.errors import GenerationStopped, ModelBroken
from rag.domain.language import Language
from rag.generation.engine import (
    EngineCall,
    EngineEvent,
    Finished,
    ReasoningDelta,
    Sampling,
    TextDelta,
    ToolCallDelta,
    Usage,
)
from rag.generation.guards import ALL_GUARDS, GuardedEngine, Limits, stopped_by_guard
from rag.generation.guards_attempt import LengthWatch
from rag.generation.guards_gibberish import GibberishWatch
from rag.generation.guards_language import LanguageWatch, expected_language
from rag.generation.guards_repetition import RepetitionWatch
from rag.generation.scripted import ScriptedEngine, Step, spoken
from tests.support.proposals import collected
from tests.support.streams import good_texts, pieces, streamed

KOREAN = EngineCall([{"role": "user", "content": "출장비는 언제까지 정산해야 합니까?"}])
ENGLISH = EngineCall([{"role": "user", "content": "When do travel expenses have to be settled?"}])
GOOD_KOREAN = "출장비는 출장이 끝난 날부터 5일 안에 정산해야 합니다. 영수증을 함께 내십시오."
GOOD_ENGLISH = "Travel expenses are settled within five days after the trip. Hand in the receipts."

LOOPS = {
    "korean sentence": "네, 맞습니다. " + "확인한 뒤 다시 안내해 드리겠습니다. " * 80,
    "korean word": "이 규정은 매우 " + "매우 " * 300,
    "english phrase": "The answer is that " + "the employee must, in turn, ask the manager of the unit, and " * 60,
    "one letter": "그렇습니다" + "ㅋ" * 600,
    "paragraph": "서론입니다.\n\n"
    + ("가나다라마바사아자차카타파하 거너더러머버서 고노도로모보소 " * 9 + "마지막 문장이다.\n") * 12,
    "lines": "- 시작\n" + "- 담당 부서: 인사부\n- 처리 기한: 접수한 날\n" * 60,
    "counter": "시작한다. "
    + "".join(f"{n}번째로 다시 확인해 보겠습니다. 잠깐, 앞의 결과를 다시 봐야 합니다.\n" for n in range(400)),
    "ruler without end": "표\n" + "─" * 9000,
}
CHINESE = (
    "根据公司的差旅费管理规定，员工应当在出差结束之日起五日以内办理报销手续，并且需要提交相关的发票和凭证。"
    "逾期不办理的，公司可以不予报销。"
)
JAPANESE = (
    "出張費は、出張が終了した日から五日以内に精算しなければなりません。領収書もあわせて提出してください。"
    "期限を過ぎた場合は、支払われないことがあります。"
)
RUSSIAN = "Командировочные расходы должны быть оплачены в течение пяти дней после окончания поездки."
THAI = "ค่าใช้จ่ายในการเดินทางต้องชำระภายในห้าวันหลังจากสิ้นสุดการเดินทาง กรุณาส่งใบเสร็จรับเงินด้วย"


def salad(count: int = 300) -> str:
    """Random tokens of a multilingual vocabulary."""
    tokens = [
        "ably",
        "кан",
        "的",
        "ません",
        "ไทย",
        "والم",
        "HTMLEl",
        " the",
        "습니다",
        "ção",
        "ที่",
        "ные",
        "は",
        " कर",
        "ющих",
        "})",
    ]
    chance = random.Random(5)
    return "".join(chance.choice(tokens) for _ in range(count))


def random_hangul(count: int = 400) -> str:
    chance = random.Random(6)
    return "".join(chance.choice(" " * 2 + chr(chance.randint(0xAC00, 0xD7A3)) * 5) for _ in range(count))


GIBBERISH = {
    "tokens": salad(),
    "syllables": random_hangul(),
    "replacement characters": "정산은 \ufffd\ufffd 다음 \ufffd\ufffd날 \ufffd\ufffd\ufffd\ufffd까지 \ufffd\ufffd\ufffd"
    * 3,
    "control characters": "Travel \x00\x01 ex\x02pen\x03ses \x0e\x0f are \x10\x11\x12 settled" * 2,
    "private use": "".join(chr(0xE000 + n * 37 % 6000) for n in range(300)),
    "misread UTF-8": "출장비는 영수증과 함께 다음 달까지 정산합니다. ".encode().decode("latin-1") * 5,
    "symbols": "".join(random.Random(7).choices("!@#$%^&*()_+-=[]{}|;:,.<>?/~`", k=600)),
}


def run(engine: GuardedEngine, call: EngineCall = KOREAN) -> list[EngineEvent]:
    return collected(engine.stream(call))


def text_of(events: Iterable[EngineEvent]) -> str:
    return "".join(item.text for item in events if isinstance(item, TextDelta))


def end_of(events: Sequence[EngineEvent]) -> Finished:
    last = events[-1]
    assert isinstance(last, Finished)
    assert not any(isinstance(item, Finished) for item in events[:-1])
    return last


def reasoned(text: str, *after: Step) -> list[Step]:
    return [*map(ReasoningDelta, pieces(text, 3)), *after]


@pytest.mark.parametrize("name", LOOPS)
def test_a_loop_is_stopped(name: str) -> None:
    inner = ScriptedEngine([streamed(LOOPS[name])])
    events = run(GuardedEngine(inner))
    end = end_of(events)
    assert (end.reason, end.guard) == ("guard", "repetition")
    shown = text_of(events)
    assert LOOPS[name].startswith(shown)
    assert len(shown) < len(LOOPS[name])
    assert inner.stopped == [0]  # closed, not read to its end


def test_a_loop_in_the_reasoning_is_tried_again_with_a_penalty_and_without_thinking() -> None:
    loop = "잠깐, 다시 생각해 보자. 조건을 확인하면, 앞의 결론과 같다. " * 60
    inner = ScriptedEngine([reasoned(loop, Finished("stop")), spoken(GOOD_KOREAN)])
    events = run(GuardedEngine(inner), replace(KOREAN, thinking=True))
    assert text_of(events) == GOOD_KOREAN
    assert end_of(events) == Finished("stop", retried=("repetition",))
    assert inner.stopped == [0]
    assert inner.calls[1].sampling.repetition_penalty == 1.1
    assert inner.calls[1].thinking is False
    assert inner.calls[0].sampling.repetition_penalty is None


def test_a_guard_of_the_engine_itself_is_obeyed() -> None:
    stopped = Finished("guard", Usage(5, 9), "repetition")
    inner = ScriptedEngine([[ReasoningDelta("음"), stopped], [TextDelta("예."), Finished("stop", Usage(5, 2))]])
    assert end_of(run(GuardedEngine(inner))) == Finished("stop", Usage(10, 11), retried=("repetition",))
    assert (inner.calls[1].thinking, inner.calls[1].sampling.repetition_penalty) == (False, 1.1)
    events = run(GuardedEngine(ScriptedEngine([[TextDelta("예."), stopped]])))
    assert events == [TextDelta("예."), stopped]


def test_a_higher_penalty_of_the_caller_stays() -> None:
    inner = ScriptedEngine([reasoned("again and again, " * 90), spoken(GOOD_ENGLISH)])
    run(GuardedEngine(inner), replace(ENGLISH, sampling=Sampling(repetition_penalty=1.3)))
    assert inner.calls[1].sampling.repetition_penalty == 1.3


def test_a_loop_in_arguments_is_stopped() -> None:
    fragments = [
        ToolCallDelta(0, "c1", "search", '{"query": "'),
        *(ToolCallDelta(0, arguments="출장비 ") for _ in range(200)),
    ]
    inner = ScriptedEngine([[*fragments, Finished("tool_calls")]])
    call = replace(KOREAN, tools=[SEARCH])
    assert end_of(run(GuardedEngine(inner), call)).guard == "repetition"


def test_what_went_out_is_not_tried_again_and_whole_answers_are() -> None:
    scripts = [streamed(LOOPS["lines"]), spoken(GOOD_KOREAN)]
    assert end_of(run(GuardedEngine(ScriptedEngine(scripts)))).guard == "repetition"
    inner = ScriptedEngine(scripts)
    events = run(GuardedEngine(inner, whole=True))
    assert text_of(events) == GOOD_KOREAN
    assert end_of(events).retried == ("repetition",)
    inner = ScriptedEngine(scripts[:1])
    with pytest.raises(GenerationStopped) as stopped:
        run(GuardedEngine(inner).whole())
    assert stopped.value.params == {"name": "scripted", "guard": "repetition"}
    assert len(inner.calls) == 2


def test_half_an_answer_can_be_refused() -> None:
    with pytest.raises(GenerationStopped):
        stopped_by_guard(Finished("guard", guard="repetition"), "m")
    stopped_by_guard(Finished("stop"), "m")
    stopped_by_guard(TextDelta("예"), "m")


@pytest.mark.parametrize("whole", [False, True])
def test_an_answer_far_longer_than_asked_for_is_cut_off(whole: bool) -> None:
    chance = random.Random(1)
    words = "".join(chance.choice("가나다라마바사아자차카타파하 ") for _ in range(4000))
    inner = ScriptedEngine([streamed(words)])
    events = run(GuardedEngine(inner, whole=whole), replace(KOREAN, max_tokens=100))
    assert (end_of(events).reason, end_of(events).retried) == ("length", ())
    said = text_of(events)
    assert words.startswith(said) and 464 <= len(said) <= 530
    assert inner.stopped == [0]
    assert end_of(run(GuardedEngine(ScriptedEngine([streamed(words)])))).reason == "stop"


def test_an_answer_longer_than_any_is_stopped() -> None:
    chance = random.Random(1)
    words = "".join(chance.choice("가나다라마바사아자차카타파하 ") for _ in range(4000))
    events = run(GuardedEngine(ScriptedEngine([streamed(words)]), limits=Limits(answer=1600)), KOREAN)
    assert end_of(events).guard == "runaway"
    assert len(text_of(events)) == 1601


def test_letters_and_blanks_take_less_room_than_syllables() -> None:
    chance = random.Random(1)
    words = " ".join("".join(chance.choices("abcdefghijklmnop", k=7)) for _ in range(400))
    events = run(GuardedEngine(ScriptedEngine([streamed(words)])), replace(KOREAN, max_tokens=100))
    assert end_of(events).reason == "length" and 928 <= len(text_of(events)) <= 1060


@pytest.mark.parametrize(
    ("tokens", "said"),
    [
        (1, "안녕하세요"),
        (1, "Internationalisation"),
        (2, "```\n" + " " * 40 + "x"),
        (40, "предприятие получило разрешение на строительство нового завода в Московской области " * 3),
    ],
)
def test_what_few_tokens_can_hold_is_left_whole(tokens: int, said: str) -> None:
    events = run(
        GuardedEngine(ScriptedEngine([streamed(said)])), replace(KOREAN, max_tokens=tokens, language=Language.OTHER)
    )
    assert text_of(events) == said


def test_reasoning_without_end_is_tried_again_without_thinking() -> None:
    chance = random.Random(2)
    thoughts = "".join(chance.choice("가나다라마바사아자차카타파하 ") for _ in range(5000))
    inner = ScriptedEngine([reasoned(thoughts), spoken(GOOD_KOREAN)])
    events = run(GuardedEngine(inner, limits=Limits(reasoning=2000)))
    assert end_of(events).retried == ("runaway",)
    assert inner.calls[1].thinking is False


@pytest.mark.parametrize("text", [CHINESE, JAPANESE, RUSSIAN, THAI])
@pytest.mark.parametrize("call", [KOREAN, ENGLISH])
def test_an_answer_in_another_language_is_tried_once_more(text: str, call: EngineCall) -> None:
    good = GOOD_KOREAN if call is KOREAN else GOOD_ENGLISH
    inner = ScriptedEngine([streamed(text), spoken(good)])
    events = run(GuardedEngine(inner), call)
    assert text_of(events) == good
    assert end_of(events).retried == ("language",)
    wanted = "한국어로만" if call is KOREAN else "English only"
    assert wanted in inner.calls[1].messages[-1]["content"]
    assert inner.calls[1].messages[-1]["content"].startswith(call.messages[-1]["content"])
    with pytest.raises(GenerationStopped):
        run(GuardedEngine(ScriptedEngine([streamed(text)])), call)


SHORT_FOREIGN = {
    "chinese": "请问您想了解什么？[1]",
    "chinese sentence": "育儿假最长可以使用一年六个月。",
    "chinese with a name": "请您向HR部门咨询，他们会为您解答。",
    "japanese": "五日以内に精算してください。",
    "russian": "В течение пяти дней.",
}


@pytest.mark.parametrize("text", SHORT_FOREIGN.values(), ids=SHORT_FOREIGN.keys())
@pytest.mark.parametrize("call", [KOREAN, ENGLISH], ids=["ko", "en"])
def test_a_short_answer_that_is_all_in_another_language_is_tried_once_more(text: str, call: EngineCall) -> None:
    good = GOOD_KOREAN if call is KOREAN else GOOD_ENGLISH
    inner = ScriptedEngine([streamed(text), spoken(good)])
    events = run(GuardedEngine(inner), call)
    assert text_of(events) == good
    assert end_of(events).retried == ("language",)
    again = run(GuardedEngine(ScriptedEngine([streamed(text)])), call)
    assert text_of(again) == text, "said twice, it may be what was asked for: a verse, a name"
    assert end_of(again).reason == "stop"
    whole = GuardedEngine(ScriptedEngine([streamed(text), spoken(good)])).whole()
    assert text_of(run(whole, call)) == good


@pytest.mark.parametrize(
    "text",
    [
        "敬天愛人",
        "北京",
        "三星電子, 現代自動車, 大韓航空, 浦項製鐵",
        "「學而時習之 不亦說乎」",
        "出差 결재는 5일",
        "Москва",
        "5 × 3 = 15",
    ],
)
def test_a_name_in_another_script_is_an_answer(text: str) -> None:
    inner = ScriptedEngine([streamed(text), spoken("또 답합니다.")])
    assert text_of(run(GuardedEngine(inner))) == text
    assert len(inner.calls) == 1


def test_where_passages_are_in_the_question_its_own_language_is_asked_for() -> None:
    passages = "제1조 이 규정은 여비를 정한다. " * 60
    call = EngineCall([{"role": "user", "content": f"{passages}\nQuestion: what is the allowance?"}])
    inner = ScriptedEngine([streamed(CHINESE), spoken(GOOD_ENGLISH)])
    run(GuardedEngine(inner), call)
    assert "language of the question" in inner.calls[1].messages[-1]["content"]


def test_an_engine_that_ends_without_a_word() -> None:
    held = ScriptedEngine([[TextDelta("42")]])  # held back: no letter has come
    assert run(GuardedEngine(held)) == [TextDelta("42"), Finished("stop")]
    with pytest.raises(GenerationStopped):
        run(GuardedEngine(ScriptedEngine([[ReasoningDelta("음")]])))


def test_an_answer_that_changes_its_language_is_stopped() -> None:
    events = run(GuardedEngine(ScriptedEngine([streamed(f"{GOOD_KOREAN}\n\n{CHINESE}")])))
    assert (end_of(events).reason, end_of(events).guard) == ("guard", "language")
    assert text_of(events).startswith(GOOD_KOREAN)


@pytest.mark.parametrize(
    "asked",
    [
        "다음 문장을 중국어로 옮겨 주세요: 출장비는 5일 안에 정산합니다.",
        "Translate this: settle within five days.",
        "差旅费什么时候报销？",
        "이 문서를 요약해 주세요.\n\n" + CHINESE,
        "논어의 첫 구절을 한문으로 보여 주세요.",
    ],
)
def test_other_languages_that_were_asked_for_are_fine(asked: str) -> None:
    call = EngineCall([{"role": "system", "content": "한국어로 답한다."}, {"role": "user", "content": asked}])
    assert expected_language(call.messages) is None
    events = run(GuardedEngine(ScriptedEngine([streamed(CHINESE)])), call)
    assert text_of(events) == CHINESE


def turns(*said: tuple[str, str]) -> list[dict[str, str]]:
    return [{"role": role, "content": content} for role, content in said]


@pytest.mark.parametrize(
    "messages",
    [
        turns(("system", "Translate what the user writes into Japanese."), ("user", "출장비는 5일 안에 정산합니다.")),
        turns(("system", "사용자의 글을 일본어로 옮기고 설명은 하지 마라."), ("user", "출장비는 5일 안에 정산합니다.")),
        turns(("system", "Target: zh-CN"), ("user", "Settle within five days.")),
        turns(("system", "请用中文回答。"), ("user", "ok")),
        turns(("user", "差旅费什么时候报销？"), ("assistant", CHINESE), ("user", "ok")),
        turns(("user", "hi"), ("assistant", f"{CHINESE} {GOOD_ENGLISH}"), ("user", "more")),
        turns(("user", "이제부터 러시아어로 답해 줘."), ("assistant", RUSSIAN), ("user", "출장비는?")),
    ],
)
def test_a_conversation_in_another_language_goes_on_in_it(messages: list[dict[str, str]]) -> None:
    inner = ScriptedEngine([streamed(JAPANESE)])
    events = run(GuardedEngine(inner), EngineCall(messages))
    assert (text_of(events), end_of(events)) == (JAPANESE, Finished("stop"))


@pytest.mark.parametrize(
    "messages",
    [
        turns(("system", "You are a large language model. Answer in the language of the user."), ("user", "연차는?")),
        turns(("system", "Never answer in Chinese."), ("user", "연차는?")),
        turns(("system", "중국어나 일본어를 섞지 마라."), ("user", "연차는?")),
        turns(
            ("user", "大韓民國 헌법 제1조는?"), ("assistant", "제1조는 民主共和國이라고 정합니다."), ("user", "연차는?")
        ),
        turns(("user", "사전은?"), ("assistant", "중국어 사전이 있습니다."), ("tool", CHINESE), ("user", "연차는?")),
    ],
)
def test_a_conversation_that_only_mentions_other_languages_is_still_watched(messages: list[dict[str, str]]) -> None:
    inner = ScriptedEngine([streamed(CHINESE), spoken(GOOD_KOREAN)])
    assert end_of(run(GuardedEngine(inner), EngineCall(messages))).retried == ("language",)
    assert "한국어로만" in inner.calls[1].messages[-1]["content"]


def test_who_asks_may_say_which_language_is_wanted() -> None:
    asked = "Passages\n" + "The allowance is 50,000 won. " * 60 + "\nAnswer in the language of the question."
    for language, instruction in ((Language.ENGLISH, "English only"), (Language.KOREAN, "한국어로만")):
        inner = ScriptedEngine([streamed(CHINESE), spoken(GOOD_ENGLISH)])
        run(GuardedEngine(inner), EngineCall(turns(("user", asked)), language=language))
        assert instruction in inner.calls[1].messages[-1]["content"]
    any_language = EngineCall(KOREAN.messages, language=Language.OTHER)
    assert text_of(run(GuardedEngine(ScriptedEngine([streamed(CHINESE)])), any_language)) == CHINESE


def test_the_question_is_read_in_parts_and_between_passages() -> None:
    parts = [{"type": "image_url", "image_url": {"url": "data:"}}, {"type": "text", "text": "이 그림은 무엇입니까?"}]
    inner = ScriptedEngine([streamed(CHINESE), spoken(GOOD_KOREAN)])
    run(GuardedEngine(inner), EngineCall([{"role": "user", "content": parts}]))
    assert inner.calls[1].messages[0]["content"][:2] == parts
    passages = (
        "제1조 이 규정은 여비를 정한다. " * 60 + "중국어 통역비는 따로 정한다. " + "제2조 여비는 정액으로 한다. " * 60
    )
    asked = [{"role": "user", "content": f"자료입니다.\n{passages}\n질문: 여비는 얼마입니까?"}]
    assert expected_language(asked) == "ko"


@pytest.mark.parametrize("name", GIBBERISH)
def test_gibberish_is_stopped(name: str) -> None:
    text = f"{GOOD_KOREAN}\n{GIBBERISH[name]}"
    events = run(GuardedEngine(ScriptedEngine([streamed(text)]), ("gibberish",)))
    assert (end_of(events).reason, end_of(events).guard) == ("guard", "gibberish")


def test_gibberish_in_the_reasoning_is_tried_again_cooler() -> None:
    inner = ScriptedEngine([reasoned(salad()), spoken(GOOD_KOREAN)])
    call = replace(KOREAN, sampling=Sampling(temperature=1.0, seed=7))
    assert end_of(run(GuardedEngine(inner), call)).retried == ("gibberish",)
    assert inner.calls[1].sampling == Sampling(temperature=0.3)


@pytest.mark.parametrize("script", [[], [TextDelta(" \n")], [ReasoningDelta("음, 출장비라…")]])
@pytest.mark.parametrize("reason", ["stop", "length"])
def test_an_empty_answer_is_tried_again_without_thinking(script: list[Step], reason: Any) -> None:
    used = Finished(reason, Usage(10, 5))
    inner = ScriptedEngine(
        [[*script, used], [TextDelta("예."), Finished("stop", Usage(10, 2, 8), replica="http://g1")]]
    )
    events = run(GuardedEngine(inner))
    assert text_of(events) == "예."
    assert end_of(events) == Finished("stop", Usage(20, 7, 8), replica="http://g1", retried=("empty",))
    assert inner.calls[1].thinking is False
    with pytest.raises(GenerationStopped) as stopped:
        run(GuardedEngine(ScriptedEngine([[*script, used]])))
    assert stopped.value.params["guard"] == "empty"


def test_who_set_the_limit_gets_what_came_until_then_also_if_that_is_reasoning_alone() -> None:
    script = [ReasoningDelta("음, 출장비라…"), TextDelta("\n"), Finished("length", Usage(10, 5))]
    for call in (KOREAN, TOOLS, replace(TOOLS, tool_choice="required")):
        inner = ScriptedEngine([script])
        events = run(GuardedEngine(inner), replace(call, max_tokens=5, may_be_cut=True))
        assert events == [script[0], script[-1]]
    inner = ScriptedEngine([[ReasoningDelta("음"), Finished("stop")], spoken(GOOD_KOREAN)])
    events = run(GuardedEngine(inner), replace(KOREAN, max_tokens=5, may_be_cut=True))
    assert end_of(events).retried == ("empty",)  # it was not the limit that ended it
    cut = ScriptedEngine([[TextDelta('<tool_call>{"name": "se'), Finished("length")]])
    with pytest.raises(GenerationStopped):  # half a call is no answer
        run(GuardedEngine(cut), replace(TOOLS, max_tokens=5, may_be_cut=True))


def test_an_empty_answer_can_be_what_was_asked_for() -> None:
    call = replace(KOREAN, sampling=Sampling(stop=("\n",)))
    assert run(GuardedEngine(ScriptedEngine([[Finished("stop")]])), call) == [Finished("stop")]
    filtered = [Finished("content_filter")]
    assert run(GuardedEngine(ScriptedEngine([filtered]))) == filtered


SEARCH = {
    "type": "function",
    "function": {
        "name": "search",
        "parameters": {
            "type": "object",
            "properties": {"query": {"type": "string"}, "limit": {"type": "integer"}},
            "required": ["query"],
        },
    },
}
TOOLS = replace(KOREAN, tools=[SEARCH])
REAL: list[Step] = [
    ToolCallDelta(0, "c1", "search", '{"query":'),
    ToolCallDelta(0, arguments='"여비"}'),
    Finished("tool_calls"),
]


def calls_of(events: Iterable[EngineEvent]) -> list[tuple[str, str]]:
    return [(item.name, item.arguments) for item in events if isinstance(item, ToolCallDelta)]


@pytest.mark.parametrize(
    "text",
    [
        '<tool_call>\n{"name": "search", "arguments": {"query": "여비", "limit": 3}}\n</tool_call>',
        "<tool_call>\n<function=search>\n<parameter=query>\n여비\n</parameter>\n<parameter=limit>\n3\n</parameter>\n"
        "</function>\n</tool_call>",
        "<function=search>\n<parameter=query>\n여비\n</parameter>\n<parameter=limit>\n3\n</parameter>\n</function>",
        '[TOOL_CALLS] [{"name": "search", "arguments": {"query": "여비", "limit": 3}}]',
        '<|python_tag|>{"name": "search", "parameters": {"query": "여비", "limit": 3}}',
        '{"name": "search", "parameters": {"query": "여비", "limit": 3}}',
        '```json\n{"name": "search", "arguments": {"query": "여비", "limit": 3}}\n```',
        '{"type": "function", "function": {"name": "search", "arguments": "{\\"query\\": \\"여비\\", \\"limit\\": 3}"}}',
    ],
)
def test_a_written_call_becomes_a_real_one(text: str) -> None:
    before = "" if text[0] in "{`" else "규정을 찾아보겠습니다.\n"  # JSON behind a sentence is JSON
    inner = ScriptedEngine([streamed(before + text)])
    events = run(GuardedEngine(inner), TOOLS)
    assert calls_of(events) == [("search", '{"query": "여비", "limit": 3}')]
    assert text_of(events).strip() == before.strip()
    assert end_of(events).reason == "tool_calls"
    assert len(inner.calls) == 1


@pytest.mark.parametrize(
    "text",
    [
        '<tool_call>{"name": "search", "arguments": {"query": ',
        '<tool_call>{"name": "delete_all", "arguments": {}}</tool_call>',
        '<tool_call>{"name": "search", "arguments": {"limit": 3}}</tool_call>',
        "<tool_call>search(여비)</tool_call>",
        "<function=search>\n<parameter=query>\n여비\n</parameter>\n<parameter=limit>\n셋\n</parameter>\n</function>",
        "네, search 도구를 호출했습니다. 잠시만 기다려 주십시오.",
        "search 함수를 실행하겠습니다.",
        "I have called the search tool. Please wait.",
        "Let me call the `search` tool now.",
        "I just used the search tool.",
        "I'm now running the search function.",
        "One moment. Now calling search.",
        "I'll quickly invoke the `search` function for you.",
    ],
)
def test_a_call_that_is_told_is_asked_for_once(text: str) -> None:
    inner = ScriptedEngine([streamed(text), REAL])
    events = run(GuardedEngine(inner), TOOLS)
    assert "".join(arguments for _, arguments in calls_of(events)) == '{"query":"여비"}'
    assert "<" not in text_of(events)
    assert end_of(events).reason == "tool_calls"
    assert end_of(events).retried == ("tool_call",)
    assert "도구 호출 형식" in inner.calls[1].messages[-1]["content"]


def test_empty_tool_calls_are_asked_for_once_and_then_an_error() -> None:
    inner = ScriptedEngine([[Finished("tool_calls")], REAL])
    assert len(calls_of(run(GuardedEngine(inner), TOOLS))) == 2
    with pytest.raises(GenerationStopped) as stopped:
        run(GuardedEngine(ScriptedEngine([[Finished("tool_calls")]])), TOOLS)
    assert stopped.value.params["guard"] == "tool_call"


@pytest.mark.parametrize("whole", [False, True])
@pytest.mark.parametrize(
    "second",
    [
        streamed("search 도구를 호출했습니다."),
        [TextDelta("네."), Finished("stop")],
        streamed(LOOPS["lines"]),
        [ModelBroken(name="m")],
    ],
)
def test_where_no_call_follows_what_was_told_stays_as_it_was_said(second: list[Step], whole: bool) -> None:
    told = "I will call the search tool once you tell me the name <"  # a mark may begin there
    inner = ScriptedEngine([[*streamed(told)[:-1], Finished("stop", Usage(5, 9))], second])
    events = run(GuardedEngine(inner, whole=whole), TOOLS)
    if whole and second[0] == TextDelta("네."):  # nothing has gone out, and the second try is a good answer
        assert text_of(events) == "네."
    else:
        assert text_of(events) == told
    assert end_of(events) == Finished("stop", Usage(5, 9), retried=("tool_call",))
    assert len(inner.calls) == 2


def test_of_a_call_that_breaks_off_behind_what_was_told_nothing_goes_out() -> None:
    loop = [
        ToolCallDelta(0, "c1", "search", '{"query": "'),
        *(ToolCallDelta(0, arguments="출장비 ") for _ in range(200)),
    ]
    events = run(GuardedEngine(ScriptedEngine([streamed("search 도구를 호출했습니다."), loop])), TOOLS)
    assert (calls_of(events), end_of(events)) == ([], Finished("stop", retried=("tool_call",)))
    late = replace(TOOLS, deadline=time.monotonic() - 1)
    assert end_of(run(GuardedEngine(ScriptedEngine([streamed("search 도구를 호출했습니다.")])), late)) == Finished(
        "stop"
    )


def test_a_required_call_that_is_missing_is_asked_for() -> None:
    inner = ScriptedEngine([spoken("여비는 5일 안에 정산합니다."), REAL])
    events = run(GuardedEngine(inner), replace(TOOLS, tool_choice="required"))
    assert len(calls_of(events)) == 2


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (TOOLS, GOOD_KOREAN),
        (TOOLS, "도구를 쓰지 않고 답하면, 여비는 5일 안에 정산합니다."),
        (TOOLS, '{"answer": "5일"}'),
        (TOOLS, "a < b 이고 <tool> 은 그대로입니다."),
        (TOOLS, "이 함수를 호출하면 검색 결과가 나옵니다."),
        (TOOLS, "I can use the following tools: search. What shall I look up?"),
        (TOOLS, "I could use the search tool, and I would have used a function, if you had named a rule."),
        (TOOLS, "I cannot use any tool here, and I did not call the search function."),
        (TOOLS, "You can now run the function yourself."),
        (TOOLS, "I use the search tool for questions about rules."),
        (KOREAN, '<tool_call>{"name": "search", "arguments": {"query": "x"}}</tool_call>'),
        (replace(TOOLS, tool_choice="none"), "search 도구를 호출했습니다."),
        (
            replace(TOOLS, messages=[*KOREAN.messages, {"role": "tool", "tool_call_id": "c1", "content": "5일"}]),
            "search 도구를 호출했습니다. 결과는 5일입니다.",
        ),
    ],
)
def test_answers_that_are_no_calls_stay(call: EngineCall, text: str) -> None:
    inner = ScriptedEngine([streamed(text)])
    events = run(GuardedEngine(inner), call)
    assert text_of(events) == text
    assert end_of(events) == Finished("stop")
    assert len(inner.calls) == 1


def test_real_calls_pass_with_their_text() -> None:
    inner = ScriptedEngine([[TextDelta("찾아보겠습니다. <"), *REAL]])
    events = run(GuardedEngine(inner), TOOLS)
    assert text_of(events) == "찾아보겠습니다. <"
    assert calls_of(events) == [("search", '{"query":'), ("", '"여비"}')]


def test_only_the_guards_that_are_named_act() -> None:
    events = run(GuardedEngine(ScriptedEngine([streamed(LOOPS["lines"])]), ("gibberish", "empty")))
    assert end_of(events).reason == "stop"
    with pytest.raises(ValueError, match="typo"):
        GuardedEngine(ScriptedEngine.saying("예"), ("typo",))
    assert run(GuardedEngine(ScriptedEngine([[Finished("stop")]]), ())) == [Finished("stop")]


def test_no_second_try_after_the_deadline() -> None:
    inner = ScriptedEngine([[Finished("stop")], spoken(GOOD_KOREAN)])
    with pytest.raises(GenerationStopped):
        run(GuardedEngine(inner), replace(KOREAN, deadline=time.monotonic() - 1))
    assert len(inner.calls) == 1


def test_errors_of_the_engine_pass_and_closing_closes_it() -> None:
    inner = ScriptedEngine([[TextDelta("여비"), ModelBroken(name="m")]])
    with pytest.raises(ModelBroken):
        run(GuardedEngine(inner))
    inner = ScriptedEngine([[TextDelta("여비는 "), 60.0, TextDelta("5일")]])

    async def leave() -> None:
        async with aclosing(GuardedEngine(inner).stream(KOREAN)) as events:
            async for _ in events:
                break

    asyncio.run(leave())
    assert inner.stopped == [0]


def test_the_first_words_of_a_good_answer_are_not_held_back() -> None:
    inner = ScriptedEngine([[TextDelta("여"), Finished("stop")]])

    async def first() -> EngineEvent:
        async with aclosing(GuardedEngine(inner).stream(KOREAN)) as events:
            return await anext(events)

    assert asyncio.run(first()) == TextDelta("여")


def test_no_good_text_is_stopped() -> None:
    texts = list(good_texts())
    assert len(texts) > 300

    async def all_pass() -> list[tuple[str, str]]:
        alarms: list[tuple[str, str]] = []
        for number, (name, text) in enumerate(texts):
            call = TOOLS if number % 2 else ENGLISH
            async with aclosing(GuardedEngine(ScriptedEngine([streamed(text, number)])).stream(call)) as stream:
                events = [event async for event in stream]
            assert text_of(events) == text or not text.strip(), name
            if end_of(events) != Finished("stop"):
                alarms.append((name, end_of(events).guard))
        return alarms

    assert asyncio.run(all_pass()) == []


STREAMS = [
    *LOOPS.values(),
    *GIBBERISH.values(),
    CHINESE,
    JAPANESE,
    f"{GOOD_KOREAN} {CHINESE}",
    GOOD_KOREAN,
    GOOD_ENGLISH,
]
WRITTEN = '찾겠습니다. <tool_call>{"name": "search", "arguments": {"query": "여비"}}</tool_call>'


@settings(max_examples=60, deadline=None)
@given(st.sampled_from([*STREAMS, WRITTEN, "search 도구를 호출했습니다."]), st.integers(0, 1000), st.booleans())
@example(WRITTEN, 0, True)
def test_the_size_of_pieces_does_not_matter(text: str, seed: int, with_tools: bool) -> None:
    call = TOOLS if with_tools else KOREAN

    def outcome(script: Sequence[Step]) -> tuple[str, list[tuple[str, str]], Finished | None]:
        inner = ScriptedEngine([script, [*spoken("다시 씁니다.")]])
        events = run(GuardedEngine(inner), call)
        return text_of(events), calls_of(events), end_of(events)

    at_once = outcome([TextDelta(text), Finished("stop")])
    assert outcome(streamed(text, seed)) == at_once
    assert outcome(spoken(text, 1)) == at_once


class Feeding(Protocol):
    def feed(self, text: str) -> int | None: ...


def lines_run(watch: Feeding, text: str) -> int:
    """Lines of Python that the watch runs for `text`, in small pieces."""
    count = 0

    def trace(frame: FrameType, event: str, _: Any) -> Any:
        nonlocal count
        count += event == "line"
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        for start in range(0, len(text), 7):
            assert watch.feed(text[start : start + 7]) is None
    finally:
        sys.settrace(before)
    return count


@pytest.mark.parametrize(
    "make",
    [
        RepetitionWatch,
        lambda: RepetitionWatch(fold_digits=True),
        GibberishWatch,
        LanguageWatch,
        lambda: LengthWatch(10**9),
    ],
)
def test_the_work_per_character_does_not_grow(make: Any) -> None:
    chance = random.Random(9)
    words = [
        "규정은",
        "여비를",
        "정산한다",
        "within",
        "five",
        "days",
        "제3조",
        "(여비)",
        "출장이",
        "끝난",
        "날부터",
        "5일",
        "\n",
        ",",
        "다만",
    ]
    text = "".join(chance.choice(words) + " " for _ in range(8_000))
    watch = make()
    sizes = [len(text) // 4] * 4
    counts, held, start = [], [], 0
    for size in sizes:
        counts.append(lines_run(watch, text[start : start + size]) / size)
        held.append(getattr(watch, "held", 0))
        start += size
    assert max(counts[1:]) <= 1.1 * counts[1]  # nothing grows with what came before
    assert max(held) <= 20_000


def test_names_of_guards_are_stable() -> None:
    assert ALL_GUARDS == ("repetition", "runaway", "language", "gibberish", "tool_call", "empty", "leak")
