"""Who sends much says first who it is: bodies are read, looked at and parsed before any route's guard has its turn."""

from __future__ import annotations

from collections.abc import Callable

from anyio.to_thread import run_sync
from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api import errors
from api.audit import audit_of
from api.deps import authenticated
from rag.domain.errors import SeogoError

UNKNOWN_BYTES = 64 << 10
"""So much of a body anybody may send: sign-ins and orders to sign out are smaller by far."""


class KnownFirst:
    """Refuses more than `UNKNOWN_BYTES` of a body from a caller whose credential is none, before more of it is taken.

    The route's guard asks again, for the action. Bodies that `apart` names have a guard that comes before they are read.
    """

    def __init__(self, app: ASGIApp, apart: Callable[[Scope], bool]) -> None:
        self._app = app
        self._apart = apart

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, or answer as its guard would have."""
        if scope["type"] != "http" or self._apart(scope):
            await self._app(scope, receive, send)
            return
        taken, much = await _beginning(scope, receive)
        if much and (error := await run_sync(_refusal, Request(scope))) is not None:
            await errors.respond(Request(scope), error)(scope, receive, send)
            return
        await self._app(scope, _resumed(taken, receive), send)


async def _beginning(scope: Scope, receive: Receive) -> tuple[list[Message], bool]:
    """What was taken of a body that does not tell its size, and whether there is more of it than anybody may send."""
    headers = Headers(scope=scope)
    if "transfer-encoding" not in headers:
        return [], int(headers.get("content-length", 0)) > UNKNOWN_BYTES  # the protocol has refused what is no number
    taken: list[Message] = []
    size, more = 0, True
    while more and size <= UNKNOWN_BYTES:
        taken.append(await receive())
        size += len(taken[-1].get("body", b""))
        more = taken[-1].get("more_body", False)
    return taken, size > UNKNOWN_BYTES


def _refusal(request: Request) -> SeogoError | None:
    try:
        authenticated(request)
    except SeogoError as error:
        audit_of(request).turned_away(request)
        return error
    return None


def _resumed(taken: list[Message], receive: Receive) -> Receive:
    """A `receive` that begins with what was taken already."""
    waiting = iter(taken)

    async def resumed() -> Message:
        return next(waiting, None) or await receive()

    return resumed
