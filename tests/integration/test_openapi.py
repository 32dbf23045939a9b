"""The committed OpenAPI document is what the application serves."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import httpx
import pytest

from api import openapi
from api.app import create_app
from api.export import document

COMMITTED = Path(__file__).resolve().parents[2] / "docs" / "openapi.json"


def test_the_committed_document_is_current() -> None:
    assert json.loads(COMMITTED.read_text(encoding="utf-8")) == document(), "run `make openapi` and commit the result"


def test_every_operation_says_what_it_returns_on_errors() -> None:
    for path, methods in document()["paths"].items():
        for method, operation in methods.items():
            assert operation.get("summary"), (method, path)
            if path.startswith("/api/v1") and "health" not in path:
                assert {"401", "403"} <= operation["responses"].keys(), (method, path)


def test_however_many_ask_at_once_it_is_made_once(monkeypatch: pytest.MonkeyPatch) -> None:
    made, make = [], openapi.get_openapi
    monkeypatch.setattr(openapi, "get_openapi", lambda **given: made.append(given) or make(**given))

    async def ask() -> list[httpx.Response]:
        transport = httpx.ASGITransport(app=create_app())
        async with httpx.AsyncClient(transport=transport, base_url="http://seogo") as client:
            return await asyncio.gather(*(client.get("/api/v1/openapi.json") for _ in range(50)))

    answers = asyncio.run(ask())
    assert len(made) == 1
    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.content for answer in answers}) == 1
    assert int(answers[0].headers["content-length"]) == len(answers[0].content)


def test_it_is_handed_to_the_connection_in_small_pieces() -> None:
    pieces: list[bytes] = []
    asked: list[bool] = []

    async def send(message: dict[str, bytes]) -> None:
        pieces.append(message.get("body", b""))

    async def receive() -> dict[str, object]:
        if asked:
            await asyncio.Event().wait()
        asked.append(True)
        return {"type": "http.request", "body": b"", "more_body": False}

    scope = {"type": "http", "method": "GET", "path": "/api/v1/openapi.json", "query_string": b"", "headers": []}
    scope |= {"http_version": "1.1", "scheme": "http", "server": ("seogo", 80)}
    asyncio.run(create_app()(scope, receive, send))  # type: ignore[arg-type]
    assert json.loads(b"".join(pieces))["paths"]
    assert max(map(len, pieces)) <= 64 * 1024
