"""`/mcp`: who may come in, and how a message becomes a request of this very application.

A message that reads something is sent on, inside the process, to the route of its tool: credentials, rates, permits, the audit
trail and the errors are those of that route. What is left to this door are the messages by which clients get to know it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any

import anyio
from anyio.to_thread import run_sync
from fastapi import APIRouter, Depends, Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.audit import SURFACE
from api.deps import PROBLEMS, Caller, Guard
from api.hardening.admission import admit
from api.mcp.tools import NAMES
from api.request_ids import HEADER, request_id
from rag.access.policy import Action
from rag.domain.errors import InvalidRequest, Unavailable
from rag.domain.principal import Principal
from rag.retrieval.opening import DOC, REPO

router = APIRouter(tags=["tools"], responses=PROBLEMS)

_ASIDE = frozenset({b"content-length", b"content-type", b"transfer-encoding", b"accept", b"expect", b"connection"})
_LIKE = ("type", "asgi", "http_version", "scheme", "server", "client", "root_path")


class Door(Guard):
    """Lets in who may list what there is to read; whether the message is counted, its own method says."""

    def __init__(self) -> None:
        super().__init__(Action.LIST_MODELS)

    def admit(self, request: Request, principal: Principal) -> None:
        """Nothing yet: a message that is sent on would be counted twice."""


@router.post("/mcp", response_class=Response, status_code=200)
async def message(request: Request, caller: Annotated[Caller, Depends(Door())]) -> Response:
    """One message of the Model Context Protocol, streamable HTTP without sessions: 2026-07-28, and 2025-11-25 and before."""
    manager = getattr(request.app.state, "mcp", None)
    if manager is None:  # the application was not started, or is about to end
        raise Unavailable
    if not request.headers.get("content-type", "").lower().startswith("application/json"):
        raise InvalidRequest(
            detail="Content-Type: application/json is needed",
            detail_ko="Content-Type: application/json 헤더가 필요합니다",
        )  # the kit would say so in plain text
    body = await request.body()
    if not is_sent_on(body):
        await run_sync(admit, request, caller.principal, caller.action)
    return _Conversation(manager, body)


def is_sent_on(body: bytes) -> bool:
    """Whether a message leads to a request of a route, which counts it: so that no other goes uncounted, it has to have all that
    such a message must have."""
    try:
        said = json.loads(body)
    except (ValueError, RecursionError):
        return False
    if not isinstance(said, dict) or "id" not in said or not isinstance(params := said.get("params"), dict):
        return False
    match said.get("method"):
        case "tools/call":
            named = isinstance(name := params.get("name"), str) and name in NAMES
            return named and isinstance(params.get("arguments"), dict | None)
        case "resources/read":
            return isinstance(uri := params.get("uri"), str) and uri.startswith((DOC, REPO))
    return False


class _Conversation(Response):
    """What the protocol's kit answers."""

    def __init__(self, manager: ASGIApp, body: bytes) -> None:
        super().__init__()
        self._manager, self._read = manager, body

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let the kit answer; the body, which was read to know its method, is given to it again."""
        pending: list[Message] = [{"type": "http.request", "body": self._read, "more_body": False}]

        async def again() -> Message:
            return pending.pop() if pending else await receive()

        await self._manager(scope, again, send)


@dataclass(frozen=True, slots=True)
class Reply:
    """What a route answered: its status, and its JSON."""

    status: int
    body: dict[str, Any]


async def sent_on(request: Request, path: str, body: Mapping[str, Any]) -> Reply:
    """What this application answers to a POST of `body` at `path`, asked by who sent `request`, in their language."""
    content = json.dumps(body, ensure_ascii=False).encode("utf-8", "replace")
    scope = _scope_of(request, path, len(content))
    pending: list[Message] = [{"type": "http.request", "body": content, "more_body": False}]
    status, parts, ended = 500, list[bytes](), False

    async def receive() -> Message:
        if not pending:
            await anyio.sleep_forever()  # whoever hangs up ends the task that waits here
        return pending.pop()

    async def send(message: Message) -> None:
        nonlocal status, ended
        if message["type"] == "http.response.start":
            status = message["status"]
        else:
            parts.append(message.get("body", b""))
            ended = not message.get("more_body", False)

    try:
        await request.app(scope, receive, send)
    except Exception:
        if not ended:  # else the handler of unexpected errors has answered, and has written it to the log
            raise
    found = json.loads(b"".join(parts) or b"{}")
    return Reply(status, found if isinstance(found, dict) else {})


def _scope_of(request: Request, path: str, length: int) -> Scope:
    headers = [
        (name, value)
        for name, value in request.scope["headers"]
        if name not in _ASIDE and name != HEADER.encode() and not name.startswith(b"mcp-")
    ]
    headers += [
        (b"content-type", b"application/json"),
        (b"content-length", str(length).encode()),
        (HEADER.encode(), request_id(request.scope).encode()),
    ]
    return {
        **{name: request.scope[name] for name in _LIKE if name in request.scope},
        "method": "POST",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "headers": headers,
        "state": {SURFACE: "mcp"},
    }
