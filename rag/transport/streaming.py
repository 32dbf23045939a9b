"""One model server inside the network, spoken to in server-sent events on an event loop.

A stream has a connection of its own, which is closed with it: that is what stops an engine's work, and no request ever meets
a connection that the other side is just closing. Nothing is kept between event loops. When to give up waiting is the
caller's to say, by cancelling.
"""

from __future__ import annotations

import asyncio
import logging
import ssl
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from pathlib import Path
from ssl import PROTOCOL_TLS_CLIENT
from typing import Any
from weakref import WeakKeyDictionary

import httpx
from anyio.to_thread import run_sync

from rag.transport.redaction import loggable
from rag.transport.server import (
    NO_JSON,
    RETRIED,
    authorization,
    checked_url,
    complaint,
    parsed_json,
    read_key,
    retry_after,
)
from rag.transport.server_events import EventReader, EventTooLong

log = logging.getLogger(__name__)

_LONGEST_REFUSAL = 64 * 1024
_REFUSAL_S = 1.0
"""What a refusal may take to arrive; the status says enough."""
_LONGEST_STREAM = 256 * 2**20
"""Bytes: a hundred thousand tokens at some 300 bytes each take a tenth of it."""
_CONNECTED = "http11.send_request_headers.started"
"""Comes once per request, after TCP and TLS (httpcore, "Extensions")."""
_HEADERS = {"Content-Type": "application/json", "Accept": "text/event-stream", "Accept-Encoding": "identity"}


class StreamFailed(Exception):
    """A stream that did not begin, or not end. What is said of it is fit for the log.

    Attributes:
        again: whether another try may do better, as long as nothing of an answer has come.
        down: whether it speaks against the server, rather than against the request.
    """

    again = False
    down = True


class Unreached(StreamFailed):
    """No connection."""

    again = True


class Broken(StreamFailed):
    """The connection was lost, or closed before the end."""

    again = True


class Garbled(StreamFailed):
    """What came is not what a model server says."""


class Refused(StreamFailed):
    """A status that is no success.

    Attributes:
        said: the server's words, fit for the log; they may be shown to whoever sent the request.
        complaint: the words as they came, to be looked at, not shown.
        after_s: seconds that the server asks to wait.
    """

    def __init__(self, status: int, said: str, words: str, after_s: float | None) -> None:
        super().__init__(f"status {status}: {said}")
        self.status, self.said, self.complaint, self.after_s = status, said, words, after_s
        self.again = status in RETRIED
        # Too many requests, or one that it can't carry out, says nothing against the server.
        self.down = status >= 500 or status in (401, 403, 404, 405)


class EventStream:
    """The payloads of one answer."""

    def __init__(self, response: httpx.Response) -> None:
        self._response = response
        self._parts: AsyncIterator[bytes] = response.stream.__aiter__()  # type: ignore[union-attr]
        self._reader = EventReader()
        self._size = 0
        self._ended = False

    async def next(self) -> list[bytes]:
        """The next payloads, as many as came together; none at the end.

        Raises:
            Broken, Garbled: the stream is of no further use.
        """
        while not self._ended:
            try:
                received = await anext(self._parts)
                self._size += len(received)
                if self._size > _LONGEST_STREAM:
                    raise Garbled(f"an answer of more than {_LONGEST_STREAM} bytes")
                payloads = list(self._reader.feed(received))
            except StopAsyncIteration:
                self._ended = True
                payloads = list(self._reader.finish())
            except EventTooLong as error:
                raise Garbled(str(error)) from error
            except httpx.TransportError as error:
                raise Broken(f"the answer broke off ({type(error).__name__})") from error
            if payloads:
                return payloads
        return []

    async def aclose(self) -> None:
        """Close the connection: the server notices at once."""
        await self._response.aclose()


class StreamingServer:
    """Opens streams at one server. May be used from any event loop, and from several."""

    def __init__(self, name: str, url: str, path: str, *, key_file: Path | None = None, connect_s: float = 3.0) -> None:
        """Prepare the calls; the server is not asked.

        Proxies and keys in the environment are not looked at, redirects not followed, and certificates are checked against
        the system's store, where the company's own authority is.

        Args:
            name: of the model, for messages.
            url: root that `path` is put behind.
            key_file: file with the server's key; read for each call, so that a key can be exchanged.
            connect_s: seconds for a connection.

        Raises:
            ConfigurationError: the address is none, or the file holds no key.
        """
        self.url = checked_url(name, url)
        self._target = httpx.URL(self.url + path)
        self._key_file = key_file
        self._connect_s = connect_s
        read_key(key_file)
        secure = self.url.startswith("https:")
        self._context = ssl.create_default_context() if secure else ssl.SSLContext(PROTOCOL_TLS_CLIENT)
        self._guard = threading.Lock()
        self._transports: WeakKeyDictionary[asyncio.AbstractEventLoop, httpx.AsyncHTTPTransport] = WeakKeyDictionary()

    async def open(
        self,
        content: bytes,
        sent: Mapping[str, Any],
        *,
        connect_s: float | None = None,
        connected: Callable[[], None] | None = None,
    ) -> EventStream:
        """The answer to the JSON in `content`, its head read.

        Args:
            sent: what `content` holds, so that nothing of it is logged.
            connect_s: a shorter time for the connection.
            connected: called when the connection is made, and the request about to be written.

        Raises:
            StreamFailed: there is no stream.
        """
        within = self._connect_s if connect_s is None else min(connect_s, self._connect_s)
        timeout = {"connect": within, "read": None, "write": None, "pool": None}
        headers = _HEADERS | {"Host": self._target.netloc.decode("ascii")} | authorization(self._key_file)
        extensions: dict[str, Any] = {"timeout": timeout}
        if connected is not None:
            extensions["trace"] = _calling(connected)
        request = httpx.Request("POST", self._target, headers=headers, content=content, extensions=extensions)
        try:
            # The transport alone: a client around it would keep cookies, and take half a millisecond.
            response = await self._transport().handle_async_request(request)
        except (httpx.ConnectError, httpx.ConnectTimeout) as error:
            raise Unreached(f"no connection ({type(error).__name__})") from error
        except httpx.TransportError as error:
            raise Broken(f"no answer ({type(error).__name__})") from error
        try:
            await self._check(response, sent)
        except BaseException:
            await response.aclose()
            raise
        return EventStream(response)

    async def aclose(self) -> None:
        """Close what this event loop has open."""
        with self._guard:
            transport = self._transports.pop(asyncio.get_running_loop(), None)
        if transport is not None:
            await transport.aclose()

    def _transport(self) -> httpx.AsyncHTTPTransport:
        loop = asyncio.get_running_loop()
        with self._guard:
            found = self._transports.get(loop)
            if found is None:
                limits = httpx.Limits(max_connections=None, max_keepalive_connections=0)
                found = httpx.AsyncHTTPTransport(verify=self._context, trust_env=False, limits=limits)
                self._transports[loop] = found
        return found

    async def _check(self, response: httpx.Response, sent: Mapping[str, Any]) -> None:
        if response.headers.get("content-encoding", "identity").lower() != "identity":
            raise Garbled("a compressed answer, which was not asked for")
        status = response.status_code
        if status != 200:
            parsed = parsed_json(await _beginning(response))
            words = str(complaint(None if parsed is NO_JSON else parsed))
            said = await run_sync(loggable, words, sent, read_key(self._key_file))  # pictures are megabytes
            raise Refused(status, said, words, retry_after(response.headers))
        kind = response.headers.get("content-type", "").partition(";")[0].strip().lower()
        if kind != "text/event-stream":
            raise Garbled("an answer that is no stream of events")


def _calling(connected: Callable[[], None]) -> Callable[[str, Any], Awaitable[None]]:
    """For the `trace` extension of httpcore, which tells what a request has come to."""

    async def trace(event: str, _: Any) -> None:
        if event == _CONNECTED:
            connected()

    return trace


async def _beginning(response: httpx.Response) -> bytes:
    """The body as far as a complaint can reach."""
    parts, size = [], 0
    try:
        async with asyncio.timeout(_REFUSAL_S):
            async for part in response.stream:  # type: ignore[union-attr]
                parts.append(part)
                size += len(part)
                if size >= _LONGEST_REFUSAL:
                    break
    except (httpx.TransportError, TimeoutError):
        pass
    return b"".join(parts)[:_LONGEST_REFUSAL]
