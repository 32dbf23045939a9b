"""What a schema refuses is told in the caller's language, without what was given."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from pydantic import BaseModel, ConfigDict, Field

from api import errors
from api.schemas.common import Body as Written
from api.schemas.documents import DocumentChange
from api.schemas.filters import FilterIn


class Body(BaseModel):
    model_config = ConfigDict(extra="forbid")

    question: Annotated[str, Field(min_length=2, max_length=5, pattern=r"^[^/]*$")] = "ok"
    limit: Annotated[int, Field(ge=1, le=100)] = 1
    share: Annotated[float, Field(gt=0, lt=1)] = 0.5
    kind: Literal["documents", "code"] = "code"
    names: Annotated[list[str], Field(min_length=1, max_length=2)] = ["x"]
    at: datetime | None = None
    flag: bool = True
    inner: dict[str, str] = {}


class Strict(Written):
    commits: int = 0
    share: float = 0.5
    flag: bool = True


@pytest.fixture(scope="module")
def client() -> TestClient:
    app = FastAPI()
    errors.install(app)

    @app.post("/api/v1/things/{identity}")
    def things(identity: UUID, body: Body) -> None: ...

    @app.post("/api/v1/strict")
    def strict(body: Strict) -> None: ...

    @app.post("/api/v1/change")
    def change(body: DocumentChange) -> None: ...

    @app.post("/api/v1/filter")
    def narrowed(body: FilterIn) -> None: ...

    @app.post("/v1/things")
    def openai_things(body: Body) -> None: ...

    return TestClient(app, raise_server_exceptions=False)


REFUSED = [
    ('{"question": "1"}', "body.question: 2자 이상이어야 합니다"),
    ('{"question": "123456"}', "body.question: 5자 이하여야 합니다"),
    ('{"question": "a/b"}', "쓸 수 없는 글자"),
    ('{"question": 3}', "문자열이어야 합니다"),
    ('{"limit": 0}', "1 이상이어야 합니다"),
    ('{"limit": 101}', "100 이하여야 합니다"),
    ('{"limit": "secret"}', "정수여야 합니다"),
    ('{"share": 0}', "0.0보다 커야 합니다"),
    ('{"share": 1}', "1.0보다 작아야 합니다"),
    ('{"kind": "secret"}', "'documents', 'code' 가운데 하나여야 합니다"),
    ('{"names": []}', "1개 이상이어야 합니다"),
    ('{"names": ["a", "b", "c"]}', "2개 이하여야 합니다"),
    ('{"names": "secret"}', "목록이어야 합니다"),
    ('{"at": "secret"}', "시각이 아닙니다"),
    ('{"flag": "secret"}', "true 또는 false여야 합니다"),
    ('{"inner": "secret"}', "JSON 객체여야 합니다"),
    ('{"secret_field_of_mine": 1}', "이런 항목은 없습니다"),
    ("{bad", "body: JSON이 아닙니다"),
    ("[]", "body: JSON 객체여야 합니다"),
]


@pytest.mark.parametrize(("body", "korean"), REFUSED, ids=[body for body, _ in REFUSED])
def test_a_refusal_speaks_the_language_that_was_asked_for(client: TestClient, body: str, korean: str) -> None:
    path, sent = f"/api/v1/things/{UUID(int=1)}", {"Content-Type": "application/json"}
    told = {
        language: client.post(path, content=body, headers=sent | {"Accept-Language": language}).json()["title"]
        for language in ("ko", "en")
    }
    assert korean in told["ko"], told
    assert not re.search("[A-Z][a-z]+ [a-z]+ [a-z]+", told["ko"]), told  # no English sentence in it
    assert not re.search("[가-힣]", told["en"]) and told["en"].startswith("The request is not valid: body"), told
    assert '"secret"' not in told["ko"] + told["en"]


@pytest.mark.parametrize(
    ("body", "korean", "english"),
    [
        ('{"commits": true}', "body.commits: 정수여야 합니다", "body.commits: Input should be a valid integer"),
        ('{"commits": "5"}', "body.commits: 정수여야 합니다", "body.commits: Input should be a valid integer"),
        ('{"share": "0.5"}', "body.share: 숫자여야 합니다", "body.share: Input should be a valid number"),
        ('{"flag": 1}', "body.flag: true 또는 false여야 합니다", "body.flag: Input should be a valid boolean"),
    ],
)
def test_a_value_in_another_type_is_told_which_is_wanted(
    client: TestClient, body: str, korean: str, english: str
) -> None:
    for language, said in (("ko", korean), ("en", english)):
        headers = {"Content-Type": "application/json", "Accept-Language": language}
        assert said in client.post("/api/v1/strict", content=body, headers=headers).json()["title"]
    assert client.post("/api/v1/strict", json={"commits": 5, "share": 1, "flag": False}).status_code == 200


@pytest.mark.parametrize("value", [True, ["x"], {"x": 1}])
def test_a_value_of_an_attribute_is_refused_once(client: TestClient, value: object) -> None:
    for language, said in (("ko", "텍스트, 숫자 또는 날짜"), ("en", "a text, a number or a date")):
        refused = client.post(
            "/api/v1/change", json={"attributes": {"a1": value}}, headers={"Accept-Language": language}
        )
        title = refused.json()["title"]
        assert refused.status_code == 422 and f"body.attributes.a1: {said}" in title and ";" not in title
    assert client.post("/api/v1/change", json={"attributes": {"a1": None, "a2": 1.5, "a3": "x"}}).status_code == 200


def test_a_condition_that_is_none_is_refused_once(client: TestClient) -> None:
    refused = client.post("/api/v1/filter", json={"attributes": {"a1": True}}, headers={"Accept-Language": "ko"})
    assert (
        "body.attributes.a1: 텍스트, 숫자 또는 날짜" in refused.json()["title"] and ";" not in refused.json()["title"]
    )
    for wanted in ("x", 1, [1, 2], {"gte": 1}):
        assert client.post("/api/v1/filter", json={"attributes": {"a1": wanted}}).status_code == 200
    empty = client.post("/api/v1/filter", json={"attributes": {"a1": {}}}).json()["title"]
    assert "gte" in empty, "of a range, what it lacks"


def test_what_stands_in_the_address_is_told_so_too(client: TestClient) -> None:
    refused = client.post("/api/v1/things/nope", json={}, headers={"Accept-Language": "ko"}).json()
    assert "path.identity: ID(UUID)가 아닙니다" in refused["title"]


def test_no_field_is_named_where_nothing_could_be_read(client: TestClient) -> None:
    error = client.post("/v1/things", content="{bad", headers={"Content-Type": "application/json"}).json()["error"]
    assert not error["param"] and "JSON이 아닙니다" in error["message"]
