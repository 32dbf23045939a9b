"""`/v1/responses` with `file_search`, driven by the real openai client over a real socket."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterator
from dataclasses import replace
from typing import Any
from uuid import UUID

import httpx
import openai
import pytest
from starlette.testclient import TestClient

from api.app import create_app
from rag.answering.service import Answerer
from rag.domain.answer import Note
from rag.domain.errors import ModelTimeout
from rag.generation.base import Draft, GenerationRequest
from rag.store.answer_record import AnswerRecord
from tests.support.live import listening
from tests.support.running import Caller, Running, running, settings_for

RULES = "# 휴가\n\n경조휴가는 5일이다.\n\n# 급여\n\n급여는 매월 25일에 지급한다.\n"
OLD = "# 휴가\n\n경조휴가는 3일이다.\n"
QUESTION = "경조휴가는 며칠인가요?"
RESULTS: Any = ["file_search_call.results"]


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A service on the embedded store alone: what is asked of the record here, the tests of files ask on both."""
    with running(settings_for(tmp_path_factory.mktemp("service"))) as started:
        yield started


@pytest.fixture(scope="module")
def caller(service: Running) -> Caller:
    made = service.caller()
    made.ingest(made.collection("사규"), {"휴가.md": RULES}, attributes={"year": 2024})
    made.ingest(made.collection("옛 사규"), {"옛휴가.md": OLD}, attributes={"year": 2019})
    return made


@pytest.fixture(scope="module")
def client(service: Running, caller: Caller) -> Iterator[openai.OpenAI]:
    key = caller.headers["Authorization"].split()[1]
    http = httpx.Client(headers={"Accept-Language": "en"}, trust_env=False)
    with (
        listening(service.services) as address,
        openai.OpenAI(base_url=f"{address}/v1", api_key=key, http_client=http, max_retries=0) as made,
    ):
        yield made


def store_of(caller: Caller, name: str) -> str:
    return f"vs_{UUID(caller.get(f'/api/v1/collections/{name}').json()['id']).hex}"


def search(*stores: str, **options: Any) -> Any:
    return [{"type": "file_search", "vector_store_ids": list(stores), **options}]


def test_a_response_cites_files_and_tells_its_results(service: Running, client: openai.OpenAI, caller: Caller) -> None:
    store = store_of(caller, "사규")
    made = client.responses.create(model="rag/all", input=QUESTION, tools=search(store), include=RESULTS)
    assert (made.status, made.error, made.output_text) == ("completed", None, "경조휴가는 5일이다. [1]")
    call, message = made.output
    assert call.type == "file_search_call" and message.type == "message"
    assert call.queries == [QUESTION] and call.results
    assert {item.filename for item in call.results} == {"휴가.md"}
    assert call.results[0].attributes == {"year": 2024} and "5일" in (call.results[0].text or "")
    [annotation] = message.content[0].annotations
    assert (annotation.type, annotation.filename) == ("file_citation", "휴가.md")
    assert annotation.index == len(made.output_text)
    assert client.files.retrieve(annotation.file_id).filename == "휴가.md"
    assert "5일" in caller.get("/api/v1/" + annotation.url.split("/api/v1/")[1]).json()["text"]
    assert made.usage is not None and made.usage.total_tokens == made.usage.input_tokens + made.usage.output_tokens > 0
    with service.services.rag.database.read() as session:
        row = session.get(AnswerRecord, UUID(made.id.removeprefix("resp_")))
    assert row is not None and (row.surface, row.text) == ("responses", made.output_text)
    said = caller.post(f"/api/v1/answers/{made.id}/feedback", json={"rating": "up"})
    assert said.status_code == 200


def test_results_are_told_only_when_asked_for(client: openai.OpenAI, caller: Caller) -> None:
    made = client.responses.create(model="rag/all", input=QUESTION, tools=search("사규"))
    assert made.output[0].type == "file_search_call" and made.output[0].results is None
    plain = client.responses.create(model="rag/사규", input=QUESTION)
    assert [item.type for item in plain.output] == ["message"], "no tool was asked for"
    assert plain.output_text == made.output_text


def test_the_stream_is_the_response_in_openais_order(client: openai.OpenAI, caller: Caller) -> None:
    events = list(client.responses.create(model="rag/all", input=QUESTION, tools=search("사규"), stream=True))
    assert [item.sequence_number for item in events] == list(range(len(events)))
    kinds = [item.type for item in events]
    assert kinds == [
        "response.created",
        "response.in_progress",
        "response.output_item.added",
        "response.file_search_call.in_progress",
        "response.file_search_call.searching",
        "response.file_search_call.completed",
        "response.output_item.done",
        "response.output_item.added",
        "response.content_part.added",
        "response.output_text.delta",
        "response.output_text.annotation.added",
        "response.output_text.done",
        "response.content_part.done",
        "response.output_item.done",
        "response.completed",
    ]
    text = "".join(item.delta for item in events if item.type == "response.output_text.delta")
    last = events[-1]
    assert last.type == "response.completed" and last.response.output_text == text == "경조휴가는 5일이다. [1]"
    added = events[kinds.index("response.output_text.annotation.added")]
    assert added.type == "response.output_text.annotation.added" and added.output_index == 1
    assert added.annotation is not None and added.annotation.type == "file_citation"


def test_the_clients_stream_helper_reads_it(client: openai.OpenAI, caller: Caller) -> None:
    with client.responses.stream(model="rag/all", input=QUESTION, tools=search("사규")) as stream:
        for _ in stream:
            pass
        assert stream.get_final_response().output_text == "경조휴가는 5일이다. [1]"


def test_stores_and_filters_bound_what_is_read(client: openai.OpenAI, caller: Caller) -> None:
    old = client.responses.create(model="rag/all", input=QUESTION, tools=search("옛 사규"))
    assert "3일" in old.output_text and "5일" not in old.output_text
    filters = {"type": "lt", "key": "year", "value": 2020}
    both = client.responses.create(model="rag/all", input=QUESTION, tools=search("사규", "옛 사규", filters=filters))
    assert "3일" in both.output_text and "5일" not in both.output_text
    with pytest.raises(openai.UnprocessableEntityError):
        client.responses.create(model="rag/사규", input=QUESTION, tools=search("옛 사규"))
    inside = client.responses.create(model="rag/사규", input=QUESTION, tools=search("사규", "옛 사규"))
    assert "5일" in inside.output_text and "3일" not in inside.output_text


def test_a_conversation_is_sent_as_turns(client: openai.OpenAI, caller: Caller) -> None:
    first = client.responses.create(model="rag/사규", input=QUESTION, instructions="친절하게 답하라.")
    assert first.instructions == "친절하게 답하라."
    turns: Any = [{"role": "user", "content": QUESTION}, *(item.to_dict() for item in first.output)]
    turns.append({"role": "user", "content": [{"type": "input_text", "text": "급여는 언제 지급하나요?"}]})
    second = client.responses.create(model="rag/사규", input=turns)
    assert "25일" in second.output_text


def test_no_evidence_is_a_refusal_in_words(client: openai.OpenAI, caller: Caller) -> None:
    made = client.responses.create(
        model="rag/all", input="What is the boiling point of tungsten hexafluoride?", tools=search("사규")
    )
    assert made.status == "completed" and not made.output[-1].content[0].annotations  # type: ignore[union-attr]
    assert "사규" in made.output_text


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"model": "llm/house"}, "model"),
        ({"previous_response_id": "resp_1"}, "previous_response_id"),
        ({"conversation": "conv_1"}, "conversation"),
        ({"background": True}, "background"),
        ({"tools": [{"type": "web_search"}]}, "tools"),
        ({"tools": [{"type": "file_search", "vector_store_ids": ["사규"]}] * 2}, "tools"),
        ({"tools": search("사규", ranking_options={"score_threshold": 0.5})}, "tools"),
        ({"text": {"format": {"type": "json_schema"}}}, "text.format"),
        ({"input": [{"role": "user", "content": [{"type": "input_image", "image_url": "x"}]}]}, "input"),
        ({"input": [{"type": "item_reference", "id": "msg_1"}]}, "input"),
    ],
)
def test_what_is_not_done_is_refused(caller: Caller, body: dict[str, Any], param: str) -> None:
    refused = caller.post("/v1/responses", json={"model": "rag/all", "input": QUESTION, **body})
    error = refused.json()["error"]
    assert (refused.status_code, error["code"], error["param"]) == (400, "unsupported_request", param), refused.text


@pytest.mark.parametrize(
    "body",
    [
        {"tools": [{"type": "file_search", "vector_store_ids": []}]},
        {"input": [{"role": "assistant", "content": "x"}]},
        {"input": [{"content": "x"}]},
    ],
)
def test_what_is_no_valid_body_is_refused(caller: Caller, body: dict[str, Any]) -> None:
    refused = caller.post("/v1/responses", json={"model": "rag/all", "input": QUESTION, **body})
    assert (refused.status_code, refused.json()["error"]["code"]) == (422, "invalid_request"), refused.text


def test_a_stranger_gets_what_does_not_exist(service: Running, caller: Caller) -> None:
    stranger = service.caller()
    stranger.ingest(stranger.collection("mine"), {"a.md": "# A\n\nwords\n"})
    theirs, nothing = store_of(caller, "사규"), f"vs_{'1' * 32}"
    for stream in (False, True):
        bodies = [
            {"model": "rag/all", "input": QUESTION, "tools": search(store), "stream": stream}
            for store in (theirs, nothing)
        ]
        refused, absent = (stranger.post("/v1/responses", json=body) for body in bodies)
        assert refused.status_code == absent.status_code == 404
        assert refused.text.replace(theirs, nothing) == absent.text
        mixed = {"model": "rag/all", "input": QUESTION, "tools": search("mine", theirs), "stream": stream}
        assert stranger.post("/v1/responses", json=mixed).status_code == 404
        named = {"model": "rag/사규", "input": QUESTION, "stream": stream}
        assert stranger.post("/v1/responses", json=named).status_code == 404
        assert service.http.post("/v1/responses", json=bodies[0]).status_code == 401


class Breaking:
    """Writes one sentence, and then its engine is silent for too long."""

    name = "breaking"

    async def generate(self, request: GenerationRequest) -> AsyncGenerator[Draft | Note, None]:
        yield Draft(text="경조휴가는 5일이다.", spans=())
        raise ModelTimeout(name="느린 모델")

    async def repair(self, request: GenerationRequest, draft: Draft, problems: Any) -> Draft | None:
        return None


def test_an_error_in_mid_stream_ends_as_a_failed_response(service: Running, caller: Caller) -> None:
    rag = service.services.rag
    broken = Answerer(rag.retriever, rag.answerer._reader, Breaking(), 4)
    services = replace(service.services, rag=replace(rag, answerer=broken))
    http = TestClient(create_app(services), raise_server_exceptions=False)
    body = {"model": "rag/all", "input": QUESTION, "tools": search("사규"), "stream": True}
    streamed = http.post("/v1/responses", json=body, headers=caller.headers).text
    assert "response.failed" in streamed and "(model_timeout)" in streamed
    assert "response.completed" not in streamed
    whole = http.post("/v1/responses", json={**body, "stream": False}, headers=caller.headers)
    assert (whole.status_code, whole.json()["error"]["code"]) == (504, "model_timeout")
