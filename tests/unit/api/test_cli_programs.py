"""`seogo code generate`: which collections are meant."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from api.cli.coding import collections_meant
from api.cli.connection import CommandFailed

REPOSITORIES = [
    {"name": "payments", "collection": "backend"},
    {"name": "ledger", "collection": "backend"},
    {"name": "portal", "collection": "web"},
    {"name": "batch", "collection": "backend"},
    {"name": "batch", "collection": "web"},
    {"name": "twice", "collection": "web"},
    {"name": "twice", "collection": "web"},
]
COLLECTIONS = [{"id": "c-1", "name": "backend"}, {"id": "c-2", "name": "web"}, {"id": "c-3", "name": "portal"}]


def service(asked: list[str]) -> httpx.Client:
    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request.url.path)
        body: dict[str, Any] = {"repositories": REPOSITORIES, "collections": COLLECTIONS}
        return httpx.Response(200, json=body)

    return httpx.Client(transport=httpx.MockTransport(answer), base_url="http://seogo")


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        (["payments"], ["backend"]),
        (["payments", "ledger", "web"], ["backend", "web"]),
        (["portal"], ["portal"]),
        (["twice"], ["web"]),
        (["backend", "c-2"], ["backend", "c-2"]),
        (["nowhere"], ["nowhere"]),
    ],
)
def test_the_name_of_a_repository_stands_for_its_collection(given: list[str], meant: list[str]) -> None:
    """A collection of the name comes first; what is neither is left for the service to refuse."""
    with service([]) as client:
        assert collections_meant(client, given) == meant


@pytest.mark.parametrize(("language", "word"), [("ko", "여러 컬렉션"), ("en", "several collections")])
def test_a_name_in_several_collections_is_refused_with_these(
    monkeypatch: pytest.MonkeyPatch, language: str, word: str
) -> None:
    monkeypatch.setattr("api.cli.texts.ui_language", lambda: language)
    with service([]) as client, pytest.raises(CommandFailed, match=word) as refused:
        collections_meant(client, ["ledger", "batch"])
    assert "batch" in str(refused.value) and "backend, web" in str(refused.value)
