"""Server-sent events: begun when there is something to say, kept alive while there is not, ended with their reader."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncGenerator, Callable, Coroutine
from typing import Any, TypeVar, cast

from anyio import CancelScope
from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from api.errors import openai_error, preferred_language, problem, speaks_openai
from api.watching import watched, watched_over
from rag.answering.upcoming import END, Upcoming
from rag.domain.errors import AccessEnded
from rag.domain.messages import localized

Item = TypeVar("Item")
Result = TypeVar("Result")

HEADERS = {"Cache-Control": "no-cache", "X-Accel-Buffering": "no"}
"""So that no proxy holds events back."""

DONE = "data: [DONE]\n\n"
"""End of a stream in OpenAI's protocol."""

FIRST_EVENT_S = 4.5
"""So long a stream waits for its first event, and what fails until then has an HTTP status. Then the headers go out. An engine
that is away has been tried often enough within 4 s, and a reader is to see something within 5."""

KEEP_ALIVE_S = 4.5
"""Silence after which a comment goes out: no reader is left without a sign for 5 s, and no proxy for the 30 to 60 s after which
it cuts a silent connection (nginx `proxy_read_timeout`: 60)."""

GONE = 499
"""Status of a request whose client did not wait for the answer (nginx's); nobody sees it but the log."""

_COMMENT = b": keep-alive\n\n"


def event(data: dict[str, Any], name: str | None = None) -> str:
    """One event; without a name it is a plain message, as OpenAI's are."""
    head = f"event: {name}\n" if name else ""
    return f"{head}data: {json.dumps(data, ensure_ascii=False)}\n\n"


def comment(text: str) -> str:
    """What every client of a stream passes over, and people who look at it read."""
    return f": {' '.join(text.split())}\n\n"


def _any(item: object) -> bool:
    return True


async def started(
    events: AsyncGenerator[Item, None],
    *,
    ready: Callable[[Item], bool] = _any,
    patience_s: float = FIRST_EVENT_S,
) -> AsyncGenerator[Item, None]:
    """`events`, of which the first has come: what fails before it is an error with a status, not an event.

    Args:
        ready: whether an event is worth the headers; those before it are held back until it comes.
        patience_s: after so many seconds the stream begins without it.
    """
    stream = _primed(events, ready, patience_s)
    await anext(stream)
    return cast("AsyncGenerator[Item, None]", stream)


async def _primed(
    events: AsyncGenerator[Item, None], ready: Callable[[Item], bool], patience_s: float
) -> AsyncGenerator[Item | None, None]:
    """None as soon as the stream may begin, then all events. Begun once, it closes `events` however it ends."""
    end = time.monotonic() + patience_s
    held: list[Item] = []
    upcoming = Upcoming(events)
    try:
        while not (held and ready(held[-1])):
            if not await upcoming.comes_within(end - time.monotonic()):
                break
            if (item := await anext(upcoming, END)) is END:
                break
            held.append(item)
        yield None
        for item in held:
            yield item
        async for item in upcoming:
            yield item
    finally:
        await upcoming.aclose()


DOCUMENTED: dict[int | str, dict[str, Any]] = {
    200: {
        "content": {
            "text/event-stream": {
                "schema": {
                    "type": "object",
                    "description": "one event; `data` is JSON",
                    "properties": {"event": {"type": "string"}, "data": {"type": "string"}},
                    "required": ["data"],
                }
            }
        }
    }
}
"""What OpenAPI says of a response that is, or can be, a stream of events."""


class EventStream(StreamingResponse):
    """A stream of events. When it ends, or its reader goes away, its generators are closed, which stops their work."""

    media_type = "text/event-stream"

    def __init__(
        self,
        texts: AsyncGenerator[str, None],
        *sources: AsyncGenerator[Any, None],
        keep_alive_s: float = KEEP_ALIVE_S,
    ) -> None:
        """Prepare the response.

        Args:
            texts: whole events, or several of them, each.
            sources: what `texts` is made from: closed here too, since a generator that was never begun closes nothing.
        """
        super().__init__(texts, headers=HEADERS)
        self._texts = texts
        self._sources = sources
        self._keep_alive_s = keep_alive_s
        self._sent_at = time.monotonic()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the stream, for as long as its reader may see it; whatever becomes of it, nothing goes on behind it."""
        try:
            async with watched(scope, send, last_words) as sent:
                await super().__call__(scope, receive, sent)
        finally:
            with CancelScope(shield=True):
                for generator in (self._texts, *self._sources):
                    await generator.aclose()

    async def stream_response(self, send: Send) -> None:
        """Headers, events as they come, and comments while none does."""
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        # One timer a stream, where waiting for each event with a time limit would cost a task for each.
        timer = asyncio.create_task(self._keep_alive(send))
        try:
            async for text in self._texts:
                self._sent_at = time.monotonic()
                body = text.encode("utf-8", "replace")  # models can write halves of characters
                await send({"type": "http.response.body", "body": body, "more_body": True})
        finally:
            timer.cancel()
            with CancelScope(shield=True):
                await asyncio.gather(timer, return_exceptions=True)
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _keep_alive(self, send: Send) -> None:
        while True:
            left = self._sent_at + self._keep_alive_s - time.monotonic()
            if left > 0:
                await asyncio.sleep(left)
                continue
            self._sent_at = time.monotonic()
            await send({"type": "http.response.body", "body": _COMMENT, "more_body": True})


def last_words(scope: Scope, events: int) -> bytes:
    """What a stream says whose reader may see no more, after so many events, in the shape of its surface."""
    error, language = AccessEnded(), preferred_language(Headers(scope=scope).get("accept-language"))
    if scope["path"].startswith("/v1/responses"):
        said = {"type": "error", "code": error.code, "message": localized(error, language), "param": None}
        text = event(said | {"sequence_number": events}, "error")
    elif speaks_openai(scope["path"]):
        text = event(openai_error(error, language)) + DONE
    else:
        text = event(problem(error, language), "error")
    return text.encode()


async def while_connected(request: Request, work: Coroutine[Any, Any, Result]) -> Result | None:
    """What `work` gives; None when the client went away before, which ends the work.

    Only for requests whose body was read.

    Raises:
        AccessEnded: the caller may not see it any more, which ends the work too.
    """
    job = asyncio.create_task(watched_over(request, work))
    left = asyncio.create_task(_disconnected(request))
    try:
        await asyncio.wait({job, left}, return_when=asyncio.FIRST_COMPLETED)
        return job.result() if job.done() else None
    finally:
        job.cancel()
        left.cancel()
        with CancelScope(shield=True):
            await asyncio.gather(job, left, return_exceptions=True)


async def _disconnected(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass
