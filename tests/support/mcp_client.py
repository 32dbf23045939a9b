"""The Model Context Protocol's own client, against an application behind a real socket."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from itertools import cycle
from typing import Any, TypeVar

import httpx2
from mcp import Client
from mcp.client.streamable_http import streamable_http_client
from mcp_types import CallToolResult

Result = TypeVar("Result")
PLAIN = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
"""Without certificates, whose reading takes longer than a test: everything here is plain HTTP."""
ERAS = ("legacy", "auto")
"""The handshake of 2025 and before; the requests that stand alone of 2026-07-28."""


@asynccontextmanager
async def connected(
    address: str,
    headers: dict[str, str],
    mode: str = "auto",
    transport: httpx2.AsyncBaseTransport | None = None,
    auth: httpx2.Auth | None = None,
) -> AsyncGenerator[Client, None]:
    """A client that has introduced itself. It looks at nothing in the environment."""
    http = httpx2.AsyncClient(
        headers=headers, trust_env=False, verify=PLAIN, transport=transport, timeout=60, auth=auth
    )
    async with http, Client(streamable_http_client(address, http_client=http), mode=mode) as client:
        yield client


def conversed(address: str, headers: dict[str, str], talk: Callable[[Client], Awaitable[Result]], mode: str) -> Result:
    """What comes of a conversation."""

    async def whole() -> Result:
        async with connected(address, headers, mode) as client:
            return await talk(client)

    return asyncio.run(whole())


def called(
    address: str, headers: dict[str, str], name: str, arguments: dict[str, Any], mode: str = "auto"
) -> CallToolResult:
    """The result of one tool."""
    return conversed(address, headers, lambda client: client.call_tool(name, arguments), mode)


def told(error: BaseException) -> str:
    """What an error says, that of a group of errors included."""
    if isinstance(error, BaseExceptionGroup):
        return " ".join(told(item) for item in error.exceptions)
    return f"{type(error).__name__}: {error}"


class InTurn(httpx2.AsyncBaseTransport):
    """Sends each request to the next of several servers, under the address that the client knows."""

    def __init__(self, *addresses: str) -> None:
        self._inner = httpx2.AsyncHTTPTransport(verify=PLAIN)
        self._addresses = cycle([httpx2.URL(item) for item in addresses])
        self.asked: list[int] = []

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """Answer from the next server."""
        there = next(self._addresses)
        self.asked.append(there.port or 0)
        request.url = request.url.copy_with(host=there.host, port=there.port)
        return await self._inner.handle_async_request(request)

    async def aclose(self) -> None:
        """Close the connections."""
        await self._inner.aclose()
