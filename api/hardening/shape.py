"""What a request may hold, looked at before anything parses it."""

from __future__ import annotations

from anyio.to_thread import run_sync
from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api import errors
from api.hardening.json_shape import check_shape
from api.hardening.ranges import parsed_ranges
from api.hardening.settings import RequestSettings
from rag.domain.errors import InvalidRequest, RangeRefused

_IN_A_THREAD = 1 << 17
"""Bodies from this size on are looked at beside the event loop; smaller ones take less than a change of threads."""


class RequestShape:
    """Refuses JSON that is too deep or too wide, and ranges of bytes that overlap. Bodies of files pass as they come."""

    def __init__(self, app: ASGIApp, settings: RequestSettings) -> None:
        self._app = app
        self._settings = settings

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, its body read and looked at when the application asks for it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        if "range" in headers:
            try:
                parsed_ranges(",".join(headers.getlist("range")), self._settings.ranges)
            except RangeRefused as error:
                await errors.respond(Request(scope), error)(scope, receive, send)
                return
        if headers.get("content-type", "").lower().startswith("multipart/"):
            await self._app(scope, receive, send)
            return
        await self._app(scope, _Looked(receive, scope["path"], self._settings), send)


class _Looked:
    """A `receive` whose first message is the whole body, or a refusal."""

    def __init__(self, receive: Receive, path: str, settings: RequestSettings) -> None:
        self._receive = receive
        self._depth = settings.json_depth
        wide = errors.json_limit(path) > errors.MAX_JSON_BYTES
        self._members = settings.model_json_members if wide else settings.json_members
        self._read = False

    async def __call__(self) -> Message:
        if self._read:
            return await self._receive()
        self._read = True
        pieces: list[bytes] = []
        more = True
        while more:
            message = await self._receive()
            if message["type"] != "http.request":
                return message
            pieces.append(message.get("body", b""))
            more = message.get("more_body", False)
        body = b"".join(pieces)
        await self._check(body)
        return {"type": "http.request", "body": body, "more_body": False}

    async def _check(self, body: bytes) -> None:
        try:
            if len(body) < _IN_A_THREAD:
                check_shape(body, depth=self._depth, members=self._members)
            else:
                await run_sync(lambda: check_shape(body, depth=self._depth, members=self._members))
        except InvalidRequest as error:
            # The framework lets only its own exceptions out of the reading of a body.
            raise HTTPException(422, detail=str(error.params["detail"])) from error
