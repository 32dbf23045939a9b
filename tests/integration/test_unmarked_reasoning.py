"""Reasoning whose beginning the template wrote, so that only its end is in the content: never shown as the answer.

Asked of the whole service, with an engine that streams what such models stream, its tag cut between two pieces.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from rag.domain.principal import Scope
from tests.integration.test_answers import events
from tests.support.engine_server import Behaviour, EngineServer, Exchange, engine_server, saying
from tests.support.running import Caller, Running, running, settings_for

ALWAYS, APART, UNKNOWN = "Qwen3-30B-A3B-Thinking-2507", "DeepSeek-R1", "our-own-model"
QUIET, STOPPED, GRAMMAR = "quiet", "stopped", "grammar"
"""Names under which such a model is served too, so that nothing has been learned of it."""
SAID = {
    "ko": (
        "가산 금리는 언제 바뀌나요?",
        (
            "사용자가 가산 금리를 묻는다. 문서 1에 금리가 나온다. ",
            "가산 금리는 매월 9일에 바뀌는 걸까? 아니다, 다시 읽어 보자. 문서에 매월 1일이라고 적혀 있다.\n</thi",
            "nk>\n\n",
            "가산 금리는 ",
            "매월 1일에 바뀝니다. [1]",
        ),
        "묻는다",
        "매월 1일에 바뀝니다.",
    ),
    "en": (
        "When does the margin change?",
        (
            "The user asks about the margin. Document 1 speaks of it. ",
            "Does it change on the 9th? No, let me read it again. It says the 1st of a month.\n<",
            "/think>",
            "\n\nThe margin changes on the ",
            "1st of a month. [1]",
        ),
        "user asks",
        "changes on the 1st of a month.",
    ),
}
FILES = {
    "금리.md": "# 가산 금리\n\n가산 금리는 매월 1일에 바뀐다.\n",
    "margin.md": "# Margin\n\nThe margin changes on the 1st of a month.\n",
}


@pytest.fixture(scope="module")
def stub() -> Iterator[EngineServer]:
    with engine_server(saying("예")) as server:
        yield server


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory, stub: EngineServer) -> Iterator[Running]:
    folder: Path = tmp_path_factory.mktemp("reasoning")
    names = {name: name for name in (ALWAYS, APART, UNKNOWN)} | dict.fromkeys((QUIET, STOPPED, GRAMMAR), ALWAYS)
    models = [
        {"name": name, "catalogue": entry, "urls": (stub.url,), "context_tokens": 32_768}
        for name, entry in names.items()
    ]
    with running(settings_for(folder, {"rag": {"generation": {"models": models}}})) as started:
        yield started


@pytest.fixture(scope="module")
def owner(alone: Running) -> Caller:
    caller = alone.caller(Scope.ADMIN, language="ko")
    caller.ingest(caller.collection("규정"), FILES, timeout_s=240)
    return caller


def slowly(*pieces: str) -> Behaviour:
    """Says it so that each piece is read by itself."""

    async def behave(exchange: Exchange) -> None:
        await exchange.head()
        for piece in pieces:
            await exchange.delta(content=piece)
            await asyncio.sleep(0.05)
        await exchange.say()

    return behave


def content_of(text: str) -> tuple[str, str]:
    """What a streamed chat completion says, and what it says as reasoning."""
    chunks = [json.loads(line[6:]) for line in text.splitlines() if line.startswith("data: {")]
    deltas = [choice["delta"] for chunk in chunks for choice in chunk.get("choices", ())]
    said = "".join(delta.get("content") or "" for delta in deltas)
    return said, "".join(delta.get("reasoning") or "" for delta in deltas)


def asked(owner: Caller, surface: str, question: str, model: str) -> tuple[str, str]:
    """The answer over one of the surfaces, and what went out as reasoning."""
    stream = surface.endswith("streamed")
    if surface.startswith("answers"):
        reply = owner.post("/api/v1/answers", json={"question": question, "model": f"llm/{model}", "stream": stream})
        if stream:
            found = events(reply.text)
            return "".join(data["text"] for name, data in found if name == "sentence"), str(found[-1])
        return "".join(item["text"] for item in reply.json().get("sentences", ())), reply.text
    body: dict[str, Any] = {"messages": [{"role": "user", "content": question}], "stream": stream}
    grounded = surface.startswith("grounded")
    body |= {"model": "rag/all", "generator": f"llm/{model}"} if grounded else {"model": f"llm/{model}"}
    reply = owner.post("/v1/chat/completions", json=body)
    if stream:
        return content_of(reply.text)
    if reply.status_code != 200:
        return "", reply.text
    message = reply.json()["choices"][0]["message"]
    return message["content"], message.get("reasoning") or ""


SURFACES = [
    "answers", "answers, streamed", "grounded chat", "grounded chat, streamed", "raw chat", "raw chat, streamed",
]  # fmt: skip


@pytest.mark.parametrize("language", ["ko", "en"])
@pytest.mark.parametrize("surface", SURFACES)
def test_reasoning_without_its_beginning_is_no_answer(
    stub: EngineServer, owner: Caller, surface: str, language: str
) -> None:
    question, pieces, thought, answer = SAID[language]
    stub.behaviour = slowly(*pieces)
    said, reasoning = asked(owner, surface, question, ALWAYS)
    assert thought not in said and "think>" not in said
    assert answer.rstrip(".") in said
    if surface.startswith("raw"):
        assert thought in reasoning


@pytest.mark.parametrize("surface", SURFACES)
def test_an_answer_without_reasoning_is_the_answer(stub: EngineServer, owner: Caller, surface: str) -> None:
    stub.behaviour = saying("가산 금리는 ", "매월 1일에 바뀝니다. [1]")
    assert "매월 1일에 바뀝니다" in asked(owner, surface, SAID["ko"][0], ALWAYS)[0]


def test_what_an_engine_keeps_apart_leaves_nothing_to_guess(stub: EngineServer, owner: Caller) -> None:
    async def apart(exchange: Exchange) -> None:
        await exchange.head()
        await exchange.delta(reasoning="사용자가 묻는다.")
        await exchange.say("가산 금리는 ", "매월 1일에 바뀝니다.")

    stub.behaviour = apart
    said = asked(owner, "raw chat, streamed", SAID["ko"][0], APART)
    assert said == ("가산 금리는 매월 1일에 바뀝니다.", "사용자가 묻는다.")


@pytest.mark.parametrize("stream", [True, False])
def test_an_answer_that_is_cut_off_stands_where_reasoning_is_kept_back(
    stub: EngineServer, owner: Caller, stream: bool
) -> None:
    """A gateway takes the reasoning out, and gives it nowhere."""
    surface = "raw chat, streamed" if stream else "raw chat"
    stub.behaviour = saying("가산 금리는 매월 1일에 바뀝니다.")
    assert asked(owner, surface, SAID["ko"][0], QUIET)[0] == "가산 금리는 매월 1일에 바뀝니다."
    stub.behaviour = saying("가산 금리는 ", "매월 1일에", finish="length")
    assert asked(owner, surface, SAID["ko"][0], QUIET) == ("가산 금리는 매월 1일에", "")


@pytest.mark.parametrize("stream", [True, False])
def test_a_string_that_ends_the_reasoning_makes_no_answer_of_it(
    stub: EngineServer, owner: Caller, stream: bool
) -> None:
    stub.behaviour = saying("사용자가 묻는다. ", "문서 1을 본다.")
    body = {"model": f"llm/{STOPPED}", "messages": [{"role": "user", "content": "금리는?"}], "stop": ["\n\n"]}
    reply = owner.post("/v1/chat/completions", json=body | {"stream": stream})
    said = content_of(reply.text)[0] if stream else reply.json()["choices"][0]["message"]["content"]
    assert not said
    stub.behaviour = slowly(*SAID["ko"][1])
    assert "묻는다" not in asked(owner, "raw chat, streamed", SAID["ko"][0], STOPPED)[0]


def test_what_a_grammar_let_through_says_nothing_of_the_next_answer(stub: EngineServer, owner: Caller) -> None:
    stub.behaviour = saying('{"day": 1}')
    body = {"model": f"llm/{GRAMMAR}", "messages": [{"role": "user", "content": "금리는?"}]}
    made = owner.post("/v1/chat/completions", json=body | {"response_format": {"type": "json_object"}}).json()
    assert made["choices"][0]["message"]["content"] == '{"day": 1}'
    stub.behaviour = slowly(*SAID["ko"][1])
    assert "묻는다" not in asked(owner, "raw chat, streamed", SAID["ko"][0], GRAMMAR)[0]


@pytest.mark.parametrize("surface", SURFACES)
def test_an_answer_of_a_model_that_is_not_known_may_speak_of_the_tag(
    stub: EngineServer, owner: Caller, surface: str
) -> None:
    stub.behaviour = slowly(
        "가산 금리는 매월 1일에 바뀝니다. [1]\n\n", "</think>\n", "가산 금리는 매월 1일에 바뀝니다. [1]"
    )
    for _ in range(2):
        said, rest = asked(owner, surface, SAID["ko"][0], UNKNOWN)
        assert said.startswith("가산 금리는 매월 1일에 바뀝니다.")
        assert "error" not in rest.replace('"error":null', "")


def test_a_title(stub: EngineServer, owner: Caller) -> None:
    prompt = "Provide a concise, 5-word-or-less title for the conversation, using title case conventions.\n\nUser: 금리\nAI: 예"
    stub.behaviour = saying("대화는 금리에 관한 것이다.\n</thi", "nk>\n\n가산 금리 문의")
    for model in (ALWAYS, UNKNOWN):
        body = {"model": "rag/all", "generator": f"llm/{model}", "messages": [{"role": "user", "content": prompt}]}
        made = owner.post("/v1/chat/completions", json=body).json()
        assert made["choices"][0]["message"]["content"] == "가산 금리 문의"


def calling(*texts: str) -> Behaviour:
    """Says something, then calls a tool."""

    async def behave(exchange: Exchange) -> None:
        await exchange.head()
        for text in texts:
            await exchange.delta(content=text)
        function = {"name": "rates", "arguments": '{"day": 1}'}
        await exchange.delta(tool_calls=[{"index": 0, "id": "c1", "type": "function", "function": function}])
        await exchange.say(finish="tool_calls")

    return behave


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize(
    "behaviour",
    [
        calling("금리를 찾아야 한다.\n</thi", "nk>\n\n"),
        calling("금리를 찾아야 한다."),
        saying(
            "금리를 찾아야 한다.\n</think>\n\n", '<tool_call>{"name": "rates", "arguments": {"day": 1}}</tool_call>'
        ),
    ],
    ids=["by the engine", "by the engine, no tag", "in the text"],
)
def test_a_call_of_a_tool(stub: EngineServer, owner: Caller, behaviour: Behaviour, stream: bool) -> None:
    stub.behaviour = behaviour
    tool = {"type": "function", "function": {"name": "rates", "parameters": {"type": "object", "properties": {}}}}
    body = {"model": f"llm/{ALWAYS}", "messages": [{"role": "user", "content": "금리는?"}], "tools": [tool]}
    reply = owner.post("/v1/chat/completions", json=body | {"stream": stream})
    if stream:
        assert "찾아야" not in content_of(reply.text)[0] and '"rates"' in reply.text
        return
    message = reply.json()["choices"][0]["message"]
    assert [call["function"]["name"] for call in message["tool_calls"]] == ["rates"]
    assert "찾아야" not in (message["content"] or "") and "찾아야" in message["reasoning"]


@pytest.mark.parametrize("model", [ALWAYS, UNKNOWN])
def test_a_program(stub: EngineServer, owner: Caller, model: str) -> None:
    draft = "먼저 이렇게 쓸까?\n<<<FILE draft.py>>>\nx = 0\n<<<END FILE>>>\n아니다.\n</thi"
    stub.behaviour = saying(draft, "nk>\n\n<<<FILE app.py>>>\nx = ", "1\n<<<END FILE>>>")
    code = owner.collection(f"code-{model}", kind="code")
    owner.ingest(code, {"main.py": "x = 0\n"}, timeout_s=240)
    body = {"specification": "x를 1로", "repositories": [code], "model": model}
    made = owner.post("/api/v1/generations", json=body)
    assert made.status_code == 202, made.text
    end = time.monotonic() + 60
    while owner.get(f"/api/v1/generations/{made.json()['id']}").json()["state"] not in ("done", "failed"):
        assert time.monotonic() < end
        time.sleep(0.1)
    manifest = owner.get(f"/api/v1/generations/{made.json()['id']}/manifest").json()
    assert [item["path"] for item in manifest["files"]] == ["app.py"]
