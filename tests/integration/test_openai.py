"""The OpenAI surface, driven by the real openai client over a real socket."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator

import httpx
import openai
import pytest
import uvicorn

from api.app import create_app
from tests.support.running import Caller, Running

QUESTION = [{"role": "user", "content": "How many days of parental leave?"}]
RULES = "# Leave\n\nParental leave lasts 365 days.\n\n# Pay\n\nWages are paid on the 25th day of each month.\n"


@pytest.fixture(scope="module")
def caller(service: Running) -> Caller:
    made = service.caller()
    made.ingest(made.collection("rules"), {"rules.md": RULES})
    return made


@pytest.fixture(scope="module")
def address(service: Running) -> Iterator[str]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    config = uvicorn.Config(create_app(service.services), port=port, lifespan="off", log_level="warning")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    yield f"http://127.0.0.1:{port}/v1"
    server.should_exit = True
    thread.join()


@pytest.fixture
def client(address: str, caller: Caller) -> Iterator[openai.OpenAI]:
    key = caller.headers["Authorization"].split()[1]
    http = httpx.Client(headers={"Accept-Language": "en"}, trust_env=False)
    with openai.OpenAI(base_url=address, api_key=key, http_client=http, max_retries=0) as made:
        yield made


def test_models_are_those_of_the_key(client: openai.OpenAI) -> None:
    assert {model.id for model in client.models.list()} == {"rag/all", "rag/rules", "embed/all-MiniLM-L6-v2"}
    assert client.models.retrieve("rag/rules").id == "rag/rules"
    with pytest.raises(openai.NotFoundError) as caught:
        client.models.retrieve("rag/other")
    assert caught.value.code == "unknown_model"


def test_a_completion_carries_url_citations(client: openai.OpenAI, caller: Caller) -> None:
    completion = client.chat.completions.create(model="rag/rules", messages=QUESTION)
    message = completion.choices[0].message
    assert message.content == "Parental leave lasts 365 days. [1]"
    [annotation] = message.annotations or []
    citation = annotation.url_citation
    assert message.content[citation.start_index : citation.end_index] == message.content
    opened = caller.get("/api/v1/" + citation.url.split("/api/v1/")[1])
    assert "365 days" in opened.json()["text"]
    assert completion.usage is not None and completion.usage.total_tokens > 0


def test_a_stream_says_the_same_in_openais_order(client: openai.OpenAI) -> None:
    stream = client.chat.completions.create(
        model="rag/all", messages=QUESTION, stream=True, stream_options={"include_usage": True}
    )
    chunks = list(stream)
    assert chunks[0].choices[0].delta.role == "assistant"
    text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
    assert text == "Parental leave lasts 365 days. [1]"
    assert chunks[-2].choices[0].finish_reason == "stop"
    assert chunks[-1].choices == [] and chunks[-1].usage is not None


def test_a_question_without_evidence_is_refused_in_words(client: openai.OpenAI) -> None:
    messages = [{"role": "user", "content": "What is the boiling point of tungsten hexafluoride?"}]
    message = client.chat.completions.create(model="rag/rules", messages=messages).choices[0].message
    assert "enough to answer" in (message.content or "") or "hold nothing" in (message.content or "")
    assert not message.annotations


def test_errors_are_openais(client: openai.OpenAI, address: str) -> None:
    with pytest.raises(openai.NotFoundError) as unknown:
        client.chat.completions.create(model="gpt-4o", messages=QUESTION)
    assert unknown.value.code == "unknown_model"
    with pytest.raises(openai.UnprocessableEntityError) as empty:
        client.chat.completions.create(model="rag/all", messages=[{"role": "system", "content": "x"}])
    assert empty.value.code == "invalid_request"
    wrong = openai.OpenAI(base_url=address, api_key="wrong", http_client=httpx.Client(trust_env=False), max_retries=0)
    with wrong, pytest.raises(openai.AuthenticationError):
        wrong.models.list()


@pytest.mark.parametrize("path", ["/v1/models/", "/v1//models", "//v1/models"])
def test_addresses_that_clients_join_badly_are_tolerated(caller: Caller, path: str) -> None:
    response = caller.running.http.request("GET", f"http://testserver{path}", headers=caller.headers)
    assert response.status_code == 200


def test_an_unknown_path_is_openais_404(caller: Caller) -> None:
    response = caller.get("/v1/audio/speech")
    assert response.status_code == 404
    assert response.json()["error"]["code"] == "not_found"


@pytest.mark.parametrize("header", ["x-api-key", "api-key"])
def test_the_other_key_headers_work(service: Running, caller: Caller, header: str) -> None:
    key = caller.headers["Authorization"].split()[1]
    assert service.http.get("/v1/models", headers={header: key}).status_code == 200
    assert service.http.get(f"/v1/models?api_key={key}").status_code == 401
