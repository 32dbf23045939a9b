"""An engine that knows no `max_tokens` and never ends: it is ended where so many tokens hold no more, and what it said stands."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from rag.domain.principal import Scope
from tests.integration.test_answers import events
from tests.integration.test_unmarked_reasoning import FILES, SAID, content_of
from tests.support.engine_server import Behaviour, EngineServer, Exchange, engine_server, saying
from tests.support.running import Caller, running, settings_for

SWITCH, UNKNOWN = "Qwen3-32B", "our-own-model"
_WORDS = [
    "금리",
    "한도",
    "직원",
    "승인",
    "문서",
    "규정",
    "영업점",
    "고객",
    "계좌",
    "이자",
    "기간",
    "신청",
    "조건",
    "담보",
    "대출",
    "상환",
    "심사",
    "등급",
    "부서",
    "보고",
]
SOON_S = 10.0
"""Of a stub that writes as fast as it can; an engine takes as long as it takes for so many tokens."""


def rambling(size: int) -> Behaviour:
    """Says what is true, and goes on for ever, `size` characters at a time, never the same."""

    async def behave(exchange: Exchange) -> None:
        chance = random.Random(3)
        await exchange.head()
        await exchange.delta(content="가산 금리는 매월 1일에 바뀝니다. [1]\n\n")
        kept = ""
        while True:
            while len(kept) < size:
                words = chance.choices(_WORDS, k=8)
                kept += f"{' '.join(words)}입니다. "
            await exchange.delta(content=kept[:size])
            kept = kept[size:]
            await asyncio.sleep(0.001)

    return behave


@pytest.fixture(scope="module")
def stub() -> Iterator[EngineServer]:
    with engine_server(saying("예")) as server:
        yield server


@pytest.fixture(scope="module")
def owner(tmp_path_factory: pytest.TempPathFactory, stub: EngineServer) -> Iterator[Caller]:
    folder: Path = tmp_path_factory.mktemp("endless")
    models = [{"name": name, "urls": (stub.url,), "context_tokens": 32_768} for name in (SWITCH, UNKNOWN)]
    with running(settings_for(folder, {"rag": {"generation": {"models": models}}})) as started:
        caller = started.caller(Scope.ADMIN, language="ko")
        caller.ingest(caller.collection("규정"), FILES, timeout_s=240)
        yield caller


@pytest.mark.parametrize("size", [8, 40])
@pytest.mark.parametrize("model", [SWITCH, UNKNOWN])
def test_an_answer_is_ended_where_it_should_have_ended(
    stub: EngineServer, owner: Caller, model: str, size: int
) -> None:
    stub.behaviour = rambling(size)
    begun = time.monotonic()
    body = {"question": SAID["ko"][0], "model": f"llm/{model}", "stream": True}
    found = events(owner.post("/api/v1/answers", json=body).text)
    took = time.monotonic() - begun
    name, data = found[-1]
    assert name == "done", data
    assert next(item["text"] for kind, item in found if kind == "sentence") == "가산 금리는 매월 1일에 바뀝니다."
    assert [note["kind"] for note in data["notes"] if note["kind"] == "truncated"] == ["truncated"]
    assert took < SOON_S, took
    assert stub.wait_for(stub.exchanges[-1].hung_up.is_set)


@pytest.mark.parametrize("stream", [True, False])
def test_a_client_gets_no_more_than_what_it_asked_for_can_be(stub: EngineServer, owner: Caller, stream: bool) -> None:
    stub.behaviour = rambling(2)
    body: dict[str, Any] = {"model": f"llm/{SWITCH}", "max_tokens": 100, "stream": stream}
    reply = owner.post("/v1/chat/completions", json=body | {"messages": [{"role": "user", "content": "금리는?"}]})
    if stream:
        assert '"finish_reason":"length"' in reply.text.replace(" ", "")
        text = content_of(reply.text)[0]
    else:
        [choice] = reply.json()["choices"]
        assert choice["finish_reason"] == "length"
        text = choice["message"]["content"]
    assert text.startswith("가산 금리는 매월 1일에") and 400 <= len(text) <= 700  # what 100 tokens hold at most
