"""An address that is written out is a resource of its own, also for the methods that it does not take."""

from __future__ import annotations

from collections.abc import Sequence

from fastapi import APIRouter, Request
from fastapi.routing import APIRoute
from starlette.types import ASGIApp, Receive, Scope, Send

from api import errors
from rag.domain.errors import MethodNotAllowed


class LiteralPaths:
    """Keeps `PATCH /documents/status` from being taken for `PATCH /documents/{document_id}`: it is a 405, with what is allowed.

    Args:
        routers: all that the application serves, with their prefixes.
    """

    def __init__(self, app: ASGIApp, routers: Sequence[tuple[str, APIRouter]]) -> None:
        self._app = app
        self._methods: dict[str, set[str]] = {}
        for prefix, router in routers:
            for route in router.routes:
                if isinstance(route, APIRoute) and not route.param_convertors:
                    self._methods.setdefault(prefix + route.path, set()).update(route.methods or ())

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, unless its address is written out and does not take its method."""
        methods = self._methods.get(scope["path"]) if scope["type"] == "http" else None
        if methods is None or scope["method"] in methods:
            await self._app(scope, receive, send)
            return
        response = errors.respond(Request(scope), MethodNotAllowed(method=scope["method"]))
        response.headers["Allow"] = ", ".join(sorted(methods))
        await response(scope, receive, send)
