"""Ingestion gives way from the moment that a question comes in, before it is known whose it is."""

from __future__ import annotations

from collections.abc import Callable

from starlette.types import ASGIApp, Receive, Scope, Send

from rag.inference.traffic import Traffic


class Courtesy:
    """Tells the traffic of every request by POST that brings no files: a question is one, and what else somebody sends waits too.

    Args:
        apart: tells what is sent in bulk.
    """

    def __init__(self, app: ASGIApp, traffic: Traffic, apart: Callable[[Scope], bool]) -> None:
        self._app = app
        self._traffic = traffic
        self._apart = apart

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on."""
        if scope["type"] == "http" and scope["method"] == "POST" and not self._apart(scope):
            self._traffic.expect()
        await self._app(scope, receive, send)
