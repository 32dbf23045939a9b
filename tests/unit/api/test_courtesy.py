"""Ingestion gives way to what comes in."""

from __future__ import annotations

import pytest
from starlette.responses import PlainTextResponse
from starlette.testclient import TestClient

from api.courtesy import Courtesy
from rag.inference.traffic import Traffic


class Watched(Traffic):
    """Counts what is expected."""

    def __init__(self) -> None:
        super().__init__()
        self.expected = 0

    def expect(self) -> None:
        self.expected += 1
        super().expect()


@pytest.mark.parametrize(
    ("method", "path", "expected"), [("POST", "/answers", 1), ("GET", "/answers", 0), ("POST", "/files", 0)]
)
def test_a_question_is_expected_as_soon_as_it_comes_in(method: str, path: str, expected: int) -> None:
    road, within = Watched(), list[int]()

    async def app(scope, receive, send):  # type: ignore[no-untyped-def]
        within.append(road.expected)
        await PlainTextResponse("ok")(scope, receive, send)

    client = TestClient(Courtesy(app, road, apart=lambda scope: scope["path"] == "/files"))
    assert client.request(method, path).text == "ok"
    assert within == [expected]
