from __future__ import annotations

import itertools
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rag.generation.engine import EngineEvent, ReasoningDelta, TextDelta, ToolCallDelta, Usage
from rag.generation.openai_engine_chunks import ChunkReader, EngineSaid, NotAChunk, ReasoningSplitter
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


def test_text_is_held_back_only_while_it_may_be_a_tag() -> None:
    splitter = ReasoningSplitter()
    assert list(splitter.feed("금리는 <")) == [TextDelta("금리는 <")]  # inside a line no reasoning begins
    assert list(splitter.feed("3\n<th")) == [TextDelta("3\n")]
    assert list(splitter.feed("e>")) == [TextDelta("<the>")]


@pytest.mark.parametrize("field", ["reasoning", "reasoning_content"])
def test_either_name_of_reasoning(field: str) -> None:
    events, _ = read(chunk({field: "음", "content": None}), chunk({"content": "예"}))
    assert events == [ReasoningDelta("음"), TextDelta("예")]


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
