"""Answers in steps and reports over HTTP and the command line, with engines that say what they are told."""

from __future__ import annotations

from asyncio import sleep
from collections.abc import AsyncGenerator, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from anyio.to_thread import run_sync
from starlette.testclient import TestClient
from typer.testing import CliRunner

from api.app import create_app
from api.cli import commands
from api.cli.main import app
from api.cli.options import Options
from rag.access.accounts import Accounts
from rag.access.grants import Grants
from rag.answering import waiting
from rag.answering.steps import StepwiseAnswerer
from rag.domain.access import Role, user
from rag.domain.answer import Note
from rag.domain.errors import ModelTimeout
from rag.domain.principal import Scope
from rag.generation.base import Draft
from rag.generation.grounded import GroundedGenerator
from rag.generation.planning import ModelPlanner
from rag.generation.routing import SingleModel
from rag.generation.scripted import ScriptedEngine
from rag.settings import AnswerSettings, GenerationSettings
from rag.text.question import QuestionReader
from tests.integration.test_answers import events
from tests.support.running import Caller, Running, running, settings_for

QUESTION = "감사팀장이 속한 부서는 외부 일에 얼마를 쓸 수 있는가?"
SECOND = "준법지원부의 출장비 한도는 얼마인가?"
FILES = {
    "조직.md": "# 조직\n\n감사팀장은 준법지원부 부서에 속한다.\n",
    "여비.md": "# 여비\n\n준법지원부의 출장비 한도는 하루 70,000원이다.\n",
}


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    folder: Path = tmp_path_factory.mktemp("steps")
    with running(settings_for(folder)) as started:
        yield started


@pytest.fixture(scope="module")
def owner(alone: Running) -> Caller:
    caller = alone.caller()
    caller.ingest(caller.collection("규정"), FILES)
    return caller


def with_model(started: Running, owner: Caller, *texts: str) -> Caller:
    """The same caller of a service with a model that says `texts` in turn."""
    rag, router = started.services.rag, SingleModel(ScriptedEngine.saying(*texts))
    generator = GroundedGenerator(router, GenerationSettings())
    reader, planner = QuestionReader(rag.analyzer), ModelPlanner(router)
    answerer = StepwiseAnswerer(rag.retriever, reader, generator, planner, AnswerSettings())
    services = replace(started.services, rag=replace(rag, answerer=answerer))
    served = Running(services, TestClient(create_app(services), raise_server_exceptions=False))
    return Caller(served, owner.headers)


def test_steps_are_shown_as_they_happen_and_the_passages_before_the_answer(alone: Running, owner: Caller) -> None:
    caller = with_model(alone, owner, SECOND, "DONE", "준법지원부의 한도는 하루 70,000원입니다. [1][2]")
    body = {"question": QUESTION, "mode": "steps", "passages": 1, "stream": True}
    streamed = events(caller.post("/api/v1/answers", json=body).text)
    assert [name for name, _ in streamed] == ["passages", "note", "note", "note", "passages", "sentence", "done"]
    details = [data["detail"] for name, data in streamed if name == "note"]
    assert details[0].startswith(f"검색 1: {QUESTION}: ") and details[1].startswith(f"검색 2: {SECOND}: ")
    shown = [[item["source_key"] for item in data["passages"]] for name, data in streamed if name == "passages"]
    assert shown == [["조직.md"], ["조직.md", "여비.md"]]
    notes = streamed[-1][1]["notes"]
    assert [item["detail"] for item in notes if item["kind"] == "step"] == details
    assert {"model", "prompt", "thinking"} <= {item["kind"] for item in notes}


def test_a_response_in_steps_tells_one_search_with_all_its_results(alone: Running, owner: Caller) -> None:
    caller = with_model(alone, owner, SECOND, "DONE", "준법지원부의 한도는 하루 70,000원입니다. [1][2]")
    tool = {"type": "file_search", "vector_store_ids": ["규정"], "max_num_results": 1}
    body = {"model": "rag/all", "input": QUESTION, "mode": "steps", "tools": [tool]}
    made = caller.post("/v1/responses", json=body | {"include": ["file_search_call.results"]}).json()
    assert [item["type"] for item in made["output"]] == ["file_search_call", "message"]
    assert [item["filename"] for item in made["output"][0]["results"]] == ["조직.md", "여비.md"]
    assert "70,000원" in made["output"][1]["content"][0]["text"]


def test_a_report_ends_with_its_sources_only_where_it_cites(alone: Running, owner: Caller) -> None:
    section = "준법지원부의 한도는 하루 70,000원입니다. [1][2]"
    caller = with_model(
        alone, owner, SECOND, "DONE", "출장비 한도\n소속", section, "감사팀장은 그 부서에 속합니다. [1][2]"
    )
    answer = caller.post("/api/v1/answers", json={"question": QUESTION, "mode": "deep", "passages": 1}).json()
    assert answer["status"] == "answered"
    assert answer["text"].startswith("## 출장비 한도\n\n준법지원부의") and "\n\n## 소속\n\n감사팀장은" in answer["text"]
    sources = [item["detail"] for item in answer["notes"] if item["kind"] == "source"]
    cited = {citation["number"] for sentence in answer["sentences"] for citation in sentence["citations"]}
    assert len(sources) == len(cited)
    assert all(answer["text"].rstrip().endswith(f"- {source}") for source in sources[-1:])
    said = (SECOND, "DONE", "출장비 한도\n소속", section, "감사팀장은 그 부서에 속합니다. [1][2]")
    body = {"mode": "deep", "model": "rag/규정", "messages": [{"role": "user", "content": QUESTION}], "input": QUESTION}
    chat = with_model(alone, owner, *said).post("/v1/chat/completions", json=body).json()["choices"][0]
    response = with_model(alone, owner, *said).post("/v1/responses", json=body).json()["output"][-1]
    listed = "\n".join(f"- {source}" for source in sources)
    for text in (chat["message"]["content"], response["content"][0]["text"]):
        assert text.startswith("## 출장비 한도\n\n") and text.endswith(f"**Sources**\n\n{listed}")


@pytest.mark.parametrize("path", ["/api/v1/answers", "/v1/responses", "/v1/chat/completions"])
def test_a_right_that_ends_between_two_steps_ends_the_answer(
    alone: Running, owner: Caller, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    """A grant, which no watch over credentials looks for."""
    rag, name = alone.services.rag, owner.get("/api/v1/me").json()["tenant"]
    tenant = rag.authenticate(owner.headers["Authorization"].split()[1]).tenant_id
    kim = Accounts(rag.database).create(tenant, f"김-{uuid4().hex[:6]}")
    Grants(rag.database).add(None, tenant, user(kim.id), Role.VIEWER, None)
    secret, _ = rag.keys.create(name, "열쇠", [Scope.READ], owner_id=kim.id)
    further = ModelPlanner.further

    async def revoked(self: ModelPlanner, *given: Any) -> tuple[str, ...]:
        for held in await run_sync(Grants(rag.database).list, None, tenant):
            await run_sync(Grants(rag.database).remove, None, tenant, held.id)
        return await further(self, *given)

    served = with_model(alone, owner, SECOND, "DONE", "준법지원부의 한도는 하루 70,000원입니다. [1][2]").running
    caller = Caller(served, {**owner.headers, "Authorization": f"Bearer {secret}"})
    monkeypatch.setattr(ModelPlanner, "further", revoked)
    body: dict[str, Any] = {"mode": "steps"}
    if path == "/api/v1/answers":
        body |= {"question": QUESTION, "passages": 1}
    elif path == "/v1/responses":
        body |= {"model": "rag/all", "input": QUESTION}
    else:
        body |= {"model": "rag/all", "messages": [{"role": "user", "content": QUESTION}]}
    told = caller.post(path, json=body)
    assert "70,000" not in told.text and told.status_code in (200, 403, 404), told.text


@pytest.mark.parametrize("mode", ["steps", "deep"])
def test_without_a_model_the_refusal_says_so(owner: Caller, mode: str) -> None:
    for stream in (False, True):
        body = {"question": QUESTION, "mode": mode, "stream": stream}
        refused = owner.post("/api/v1/answers", json=body, headers={"Accept-Language": "ko"})
        assert (refused.status_code, refused.json()["code"]) == (422, "generator_missing")
        assert "언어 모델" in refused.json()["title"] + refused.json().get("detail", "")
    assert owner.post("/api/v1/answers", json={"question": QUESTION, "mode": "guess"}).status_code == 422


def test_the_command_line_asks_in_steps(alone: Running, owner: Caller, monkeypatch: pytest.MonkeyPatch) -> None:
    caller = with_model(alone, owner, SECOND, "DONE", "준법지원부의 한도는 하루 70,000원입니다. [1][2]")

    @contextmanager
    def connected(_: Options) -> Iterator[TestClient]:
        yield TestClient(caller.running.http.app, headers=owner.headers)

    monkeypatch.setattr(commands, "connect", connected)
    shown = CliRunner().invoke(app, ["ask", "--steps", QUESTION], env={"COLUMNS": "200"})
    assert shown.exit_code == 0, shown.output
    assert f"검색 2: {SECOND}" in shown.output and "70,000원입니다." in shown.output


def test_a_planner_that_takes_long_is_told_of(alone: Running, owner: Caller, monkeypatch: pytest.MonkeyPatch) -> None:
    further = ModelPlanner.further

    async def slow(self: ModelPlanner, *given: Any) -> tuple[str, ...]:
        await sleep(0.5)
        return await further(self, *given)

    monkeypatch.setattr(ModelPlanner, "further", slow)
    monkeypatch.setattr(waiting, "SLOW_AFTER_S", 0.1)
    caller = with_model(alone, owner, "DONE", "감사팀장은 준법지원부 부서에 속한다. [1]")
    body = {"question": "감사팀장은 어느 부서에 속하는가?", "mode": "steps", "stream": True}
    streamed = events(caller.post("/api/v1/answers", json=body, headers={"Accept-Language": "en"}).text)
    assert [name for name, _ in streamed] == ["passages", "note", "waiting", "note", "passages", "sentence", "done"]
    [told] = [data for name, data in streamed if name == "waiting"]
    assert (told["code"], told["message"].split(";")[0]) == ("engine_slow", "The model has not answered yet")


def test_the_command_line_says_that_a_model_takes_long_and_what_was_found(
    alone: Running, owner: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def silent(self: GroundedGenerator, request: Any) -> AsyncGenerator[Draft | Note, None]:
        await sleep(0.5)
        raise ModelTimeout(name="m")
        yield Draft()

    monkeypatch.setattr(GroundedGenerator, "generate", silent)
    monkeypatch.setattr(waiting, "SLOW_AFTER_S", 0.1)
    caller = with_model(alone, owner, "")

    @contextmanager
    def connected(_: Options) -> Iterator[TestClient]:
        yield TestClient(caller.running.http.app, headers=owner.headers)

    monkeypatch.setattr(commands, "connect", connected)
    question = "감사팀장은 어느 부서에 속하는가?"
    shown = CliRunner().invoke(app, ["ask", question], env={"COLUMNS": "200"})
    assert shown.exit_code == 1
    assert "The model has not answered yet" in shown.output or "모델이 아직 답하지 않아" in shown.output
    assert "조직.md" in shown.output and "model_timeout" in shown.output
