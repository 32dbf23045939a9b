"""Of who does not say who it is, no more is taken than a sign-in needs."""

from __future__ import annotations

import json
from typing import Any

import pytest
from anyio.from_thread import start_blocking_portal

from api.known_first import UNKNOWN_BYTES
from rag.domain.audit import INSTALLATION
from rag.store import audit_event
from rag.store.audit_event import Wanted
from tests.support.running import Running

PIECE = 32 << 10
PIECES = 40
QUESTION = json.dumps({"question": "연차는 며칠인가?"}).encode()


def send(
    service: Running, path: str, headers: dict[str, str], *, told: bool, address: str = "203.0.113.9"
) -> tuple[int, int, bytes]:
    """Status, pieces of the body that were taken, and the response: of a JSON body in pieces, its length told or not."""
    taken, sent = [], []
    body = QUESTION + b" " * (PIECE * PIECES - len(QUESTION))
    lengths = {"content-length": str(len(body))} if told else {"transfer-encoding": "chunked"}
    given = {"host": "testserver", "content-type": "application/json", "accept-language": "ko"} | headers | lengths

    async def receive() -> dict[str, Any]:
        begin = len(taken) * PIECE
        taken.append(begin)
        return {"type": "http.request", "body": body[begin : begin + PIECE], "more_body": len(taken) < PIECES}

    async def collect(message: dict[str, Any]) -> None:
        sent.append(message)

    scope = {
        "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": "POST", "path": path,
        "raw_path": path.encode(), "root_path": "", "query_string": b"", "scheme": "http",
        "client": (address, 1), "server": ("testserver", 80), "state": {},
        "headers": [(name.lower().encode(), value.encode()) for name, value in given.items()],
    }  # fmt: skip
    with start_blocking_portal() as portal:
        portal.call(service.http.app, scope, receive, collect)
    return sent[0]["status"], len(taken), b"".join(item.get("body", b"") for item in sent)


STRANGERS: dict[str, dict[str, str]] = {
    "nobody": {},
    "a key that nobody made": {"authorization": "Bearer sk-seogo-none"},
    "in a header of clients": {"x-api-key": "none"},
    "a cookie without proof": {"cookie": "seogo_session=none"},
}


@pytest.mark.parametrize("told", [True, False], ids=["length told", "length not told"])
@pytest.mark.parametrize("who", STRANGERS)
def test_a_stranger_is_refused_before_a_large_body_is_taken(service: Running, who: str, told: bool) -> None:
    for path in (
        "/api/v1/search",
        "/v1/chat/completions",
        "/v1/embeddings",
        "/scim/v2/Users",
        "/mcp",
        "/api/v1/nothing",
    ):
        status, taken, body = send(service, path, STRANGERS[who], told=told)
        assert status == (403 if "cookie" in STRANGERS[who] else 401), (path, body)
        assert taken <= UNKNOWN_BYTES // PIECE + 1, path
        assert body, path


@pytest.mark.parametrize("told", [True, False], ids=["length told", "length not told"])
def test_who_is_known_is_heard_out(service: Running, told: bool) -> None:
    caller = service.caller()
    caller.ingest(caller.collection(), {"휴가.md": "# 휴가\n\n연차는 15일이다.\n".encode()})
    status, taken, body = send(service, "/api/v1/search", dict(caller.headers), told=told)
    assert (status, taken) == (200, PIECES)
    assert "15일" in body.decode()


def test_the_refusal_is_the_guards_own_and_on_the_trail(service: Running) -> None:
    _, _, early = send(service, "/api/v1/search", {"authorization": "Bearer none"}, told=True, address="203.0.113.77")
    with service.services.rag.database.read() as session:
        rows = list(audit_event.oldest(session, INSTALLATION, Wanted()))
    [entry] = [row for row in rows if row.ip == "203.0.113.77"]
    assert (entry.kind, entry.outcome, entry.what) == ("authentication.failed", "denied", "POST /api/v1/search")
    assert entry.detail["status"] == 401 and "attempted" not in entry.detail
    headers = {"authorization": "Bearer none", "accept-language": "ko"}
    late = service.http.post("/api/v1/search", content=QUESTION, headers=headers)
    assert late.status_code == 401
    assert {**json.loads(early), "instance": ""} == {**late.json(), "instance": ""}
