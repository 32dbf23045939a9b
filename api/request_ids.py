"""A name for every request, by which its caller and the operator's log speak of the same one."""

from __future__ import annotations

import re
from uuid import uuid4

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

HEADER = "x-request-id"
_FIT = re.compile(r"[A-Za-z0-9._:-]{1,128}")
_STATE = "request_id"


class RequestIds:
    """Puts `x-request-id` on every response: the caller's own, where it is fit for a log, else a new one."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, named."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        given = Headers(scope=scope).get(HEADER, "")
        name = given if _FIT.fullmatch(given) else f"req_{uuid4().hex}"
        # In this very mapping, which the handler of unexpected errors sees too: it stands outside of all middleware.
        scope.setdefault("state", {})[_STATE] = name

        async def named(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message)[HEADER] = name
            await send(message)

        await self._app(scope, receive, named)


def request_id(scope: Scope) -> str:
    """The name of a request; empty where the application runs without `RequestIds`."""
    found = scope.get("state", {}).get(_STATE, "")
    return found if isinstance(found, str) else ""
