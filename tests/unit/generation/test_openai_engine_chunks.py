from __future__ import annotations

import itertools
import json
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rag.generation.engine import EngineEvent, ReasoningDelta, TextDelta, ToolCallDelta, Usage
from rag.generation.openai_engine_chunks import ChunkReader, EngineSaid, NotAChunk
from rag.generation.openai_engine_reasoning import LeadingReasoning, ReasoningSplitter
from tests.support.engine_server import chunk


def read(*payloads: Any) -> tuple[list[EngineEvent], ChunkReader]:
    reader = ChunkReader()
    events = [event for payload in payloads for event in reader.read(json.dumps(payload).encode())]
    return [*events, *reader.finish()], reader


def split(pieces: list[str]) -> tuple[str, str]:
    splitter = ReasoningSplitter()
    events = [event for piece in pieces for event in splitter.feed(piece)] + list(splitter.finish())
    assert all(event.text for event in events)
    text = "".join(event.text for event in events if isinstance(event, TextDelta))
    return text, "".join(event.text for event in events if isinstance(event, ReasoningDelta))


CONTENTS = [
    ("<think>음, 해외라면…</think>\n\n해외 한도", "\n\n해외 한도", "음, 해외라면…"),
    ("\n <think>\n</think>해외", "\n 해외", "\n"),
    ("<think>하나</think><think>둘</think>답", "답", "하나둘"),
    ("답\n<think>다시 보면</think>\n한도", "답\n\n한도", "다시 보면"),
    ("태그 `<think>`는 글이다", "태그 `<think>`는 글이다", ""),
    ("a < b and <thinking> stays <", "a < b and <thinking> stays <", ""),
    ("<think>a < b, </thin k> </th", "", "a < b, </thin k> </th"),
    ("<think>잘린", "", "잘린"),
    ("<thi", "<thi", ""),
    ("본문에 </think> 홀로", "본문에 </think> 홀로", ""),
]


@pytest.mark.parametrize(("content", "text", "reasoning"), CONTENTS)
def test_reasoning_in_the_content_is_taken_out(content: str, text: str, reasoning: str) -> None:
    assert split([content]) == (text, reasoning)
    assert split(list(content)) == (text, reasoning)


@given(st.sampled_from(CONTENTS), st.lists(st.integers(0, 40), max_size=12))
def test_tags_may_be_cut_anywhere(case: tuple[str, str, str], cuts: list[int]) -> None:
    content, text, reasoning = case
    edges = [0, *sorted(min(cut, len(content)) for cut in cuts), len(content)]
    assert split([content[a:b] for a, b in itertools.pairwise(edges)]) == (text, reasoning)


LEADING = [
    ("묻는다.\n</think>\n\n답", "\n\n답", "묻는다.\n", True),
    (" \n<think>묻는다.</think>답", "답", "묻는다.", None),
    ("</think>답", "답", "", True),
    ("답이다. <thin", "답이다. <thin", "답이다. ", False),
    ("<thi", "<thi", "", False),
    ("<think>잘린", "", "잘린", None),
    ("묻는다.</think>답\n<think>다시</think>\n끝", "답\n\n끝", "묻는다.다시", True),
]


def leading(pieces: list[str], *, whole: bool = True) -> tuple[str, str, bool | None]:
    splitter = ReasoningSplitter(leads=True)
    events = [event for piece in pieces for event in splitter.feed(piece)] + list(splitter.finish(whole=whole))
    text = "".join(event.text for event in events if isinstance(event, TextDelta))
    return text, "".join(event.text for event in events if isinstance(event, ReasoningDelta)), splitter.led


@given(st.sampled_from(LEADING), st.lists(st.integers(0, 40), max_size=12))
def test_content_that_begins_as_reasoning(case: tuple[str, str, str, bool | None], cuts: list[int]) -> None:
    content, text, reasoning, led = case
    edges = [0, *sorted(min(cut, len(content)) for cut in cuts), len(content)]
    found = leading([content[a:b] for a, b in itertools.pairwise(edges)])
    assert (found[0], found[2]) == (text, led)
    assert found[1].startswith(reasoning) if led is False else found[1] == reasoning


def test_what_was_cut_off_before_the_end_of_the_reasoning_is_no_answer() -> None:
    assert leading(["묻는다. ", "아마 <"], whole=False) == ("", "묻는다. 아마 <", None)


@pytest.mark.parametrize(
    ("content", "led"),
    [
        ("묻는다.\n</think>\n\n답", True),
        ("</think>답", True),
        ("태그 `</think>`로 끝난다.", None),
        ("<think>\n</think>\n답", None),
    ],
)
def test_plain_content_that_had_an_end_without_a_beginning_is_told(content: str, led: bool | None) -> None:
    for pieces in ([content], list(content)):
        splitter = ReasoningSplitter()
        text = "".join(event.text for piece in pieces for event in splitter.feed(piece) if isinstance(event, TextDelta))
        assert splitter.led is led
        assert text == content.replace("<think>\n</think>", "")


def test_ends_that_are_spoken_of_take_no_time() -> None:
    """Took 17 s once: for each of them what stood before was counted from the beginning of the text."""
    splitter = ReasoningSplitter()
    begun = time.process_time()
    for piece in ["```\n", *["</think>\n", "x\n"] * 8000]:
        list(splitter.feed(piece))
    assert time.process_time() - begun < 2


def test_how_answers_came_says_how_the_next_ones_are_read() -> None:
    leads = LeadingReasoning(frozenset({True, None}))
    assert [leads.expected(thinking) for thinking in (True, False, None)] == [True, False, True]
    leads.learn(True, led=False, apart=False)
    assert [leads.expected(thinking) for thinking in (True, False, None)] == [False, False, True]
    leads.learn(True, led=True, apart=False)
    assert leads.expected(True)
    leads.learn(True, led=False, apart=False)
    assert leads.expected(
        True
    )  # it does think aloud: one answer that looks otherwise is no reason to show the next one's thoughts
    leads.learn(None, led=None, apart=True)
    assert not leads.expected(True) and not leads.expected(None)
    leads.learn(None, led=True, apart=False)
    assert leads.expected(True) and leads.expected(None)


def test_nothing_is_guessed_of_a_model_that_is_not_known() -> None:
    leads = LeadingReasoning(frozenset())
    leads.learn(None, led=True, apart=False)
    assert not leads.expected(None)


def test_a_string_of_the_caller_that_ends_the_reasoning_is_no_end_of_the_answer() -> None:
    reader = ChunkReader(leads=True, stops=True)
    events = list(reader.read(json.dumps(chunk({"content": "사용자가 묻는다."}, "stop")).encode()))
    assert [*events, *reader.finish()] == [ReasoningDelta("사용자가 묻는다.")]
    assert reader.led is None


def test_a_call_that_ends_as_an_answer_does_makes_no_answer_of_the_reasoning() -> None:
    call = {"index": 0, "id": "c", "type": "function", "function": {"name": "rates", "arguments": "{}"}}
    for content in ("", "금리를 찾아야 한다."):
        reader = ChunkReader(leads=True)
        chunks = [chunk({"content": content}), chunk({"tool_calls": [call]}), chunk({}, "stop")]
        events = [event for one in chunks for event in reader.read(json.dumps(one).encode())] + list(reader.finish())
        assert not any(isinstance(event, TextDelta) for event in events)
        assert reader.led is None


def test_text_is_held_back_only_while_it_may_be_a_tag() -> None:
    splitter = ReasoningSplitter()
    assert list(splitter.feed("금리는 <")) == [TextDelta("금리는 <")]  # inside a line no reasoning begins
    assert list(splitter.feed("3\n<th")) == [TextDelta("3\n")]
    assert list(splitter.feed("e>")) == [TextDelta("<the>")]


@pytest.mark.parametrize("field", ["reasoning", "reasoning_content"])
def test_either_name_of_reasoning(field: str) -> None:
    events, _ = read(chunk({field: "음", "content": None}), chunk({"content": "예"}))
    assert events == [ReasoningDelta("음"), TextDelta("예")]


def test_a_field_for_reasoning_leaves_nothing_to_guess() -> None:
    reader = ChunkReader(leads=True)
    chunks = [chunk({"reasoning": "음"}), chunk({"content": "예, "}), chunk({"content": "답"}, "stop")]
    events = [event for one in chunks for event in reader.read(json.dumps(one).encode())]
    assert [*events, *reader.finish()] == [ReasoningDelta("음"), TextDelta("예, "), TextDelta("답")]
    assert reader.apart and reader.led is None


def test_both_names_of_reasoning_are_one() -> None:
    assert read(chunk({"reasoning": "음", "reasoning_content": "음"}))[0] == [ReasoningDelta("음")]


def test_other_choices_are_left_out() -> None:
    other = {"choices": [{"index": 1, "delta": {"content": "다른"}}, {"index": 0, "delta": {"content": "이"}}]}
    assert read(other)[0] == [TextDelta("이")]


def test_halves_of_characters_do_no_harm() -> None:
    (event,), _ = read(chunk({"content": "\ud83d 반쪽"}))
    assert isinstance(event, TextDelta)
    event.text.encode()


def test_tool_calls_of_ollama_come_whole() -> None:
    call = {"id": "c", "type": "function", "function": {"name": "검색", "arguments": {"질의": "금리"}}}
    assert read(chunk({"tool_calls": [call]}))[0] == [ToolCallDelta(0, "c", "검색", '{"질의": "금리"}')]


def test_usage_reason_and_end() -> None:
    usage = {"prompt_tokens": 9, "completion_tokens": 4, "prompt_tokens_details": {"cached_tokens": 8}}
    _, reader = read(chunk({}, "tool_calls"), {"choices": [], "usage": usage}, {"object": "x", "usage": None})
    assert (reader.reason, reader.usage, reader.done) == ("tool_calls", Usage(9, 4, 8), False)
    assert list(reader.read(b"[DONE]")) == []
    assert reader.done


@pytest.mark.parametrize("reason", ["eos", "function_call"])
def test_a_reason_unknown_here_is_still_an_end(reason: str) -> None:
    assert read(chunk({}, reason))[1].reason in ("stop", "tool_calls")


@pytest.mark.parametrize(
    "payload",
    [
        {"error": {"message": "dead", "code": 500}},
        {"error": "dead"},
        {"object": "error", "message": "dead"},
        chunk({}, "abort"),
        chunk({}, "error"),
    ],
)
def test_errors_inside_the_stream(payload: Any) -> None:
    with pytest.raises(EngineSaid):
        read(payload)


@pytest.mark.parametrize(
    "payload",
    [
        [],
        7,
        {},
        {"choices": {}},
        {"choices": [7]},
        {"choices": [{"index": 0, "delta": [1]}]},
        chunk({"content": 7}),
        chunk({"tool_calls": {"0": 1}}),
        chunk({"tool_calls": [7]}),
        chunk({"tool_calls": [{"index": -1, "function": {}}]}),
        chunk({"tool_calls": [{"index": 10**9, "function": {}}]}),
        chunk({"tool_calls": [{"index": 0, "function": {"arguments": 7}}]}),
    ],
)
def test_what_is_no_chunk(payload: Any) -> None:
    with pytest.raises(NotAChunk):
        read(payload)
