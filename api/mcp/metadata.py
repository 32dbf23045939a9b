"""Where a client of `/mcp` gets a token: the metadata of a protected resource (RFC 9728), and the refusal that names it.

Only where a sign-in provider is configured whose tokens the API takes; everybody else comes with a key.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.deps import base_url
from rag.settings_identity import OidcProvider

WELL_KNOWN = "/.well-known/oauth-protected-resource"
RESOURCE = "/mcp"


@dataclass(frozen=True, slots=True)
class ProtectedResource:
    """The metadata of `/mcp`.

    Attributes:
        issuers: providers whose tokens are taken; what a token must be for (`aud`) stands in their settings.
        scopes: what may be asked for there; empty where the settings give tokens their rights whatever their scopes.
    """

    issuers: tuple[str, ...]
    scopes: tuple[str, ...]

    @classmethod
    def of(cls, providers: tuple[OidcProvider, ...]) -> ProtectedResource | None:
        """That of the configured providers; None where the API takes no tokens."""
        taken = [item for item in providers if item.audiences]
        scopes = dict.fromkeys(name for item in taken for name in item.token_scopes)
        return cls(tuple(item.issuer for item in taken), tuple(scopes)) if taken else None

    def response(self, request: Request) -> Response:
        """The document, for `/mcp` or for the whole service: each names what its own address was made from (RFC 9728, 3.3)."""
        path = request.url.path.removeprefix(WELL_KNOWN)
        told: dict[str, Any] = {
            "resource": base_url(request) + path,
            "resource_name": "Seogo (서고)",
            "authorization_servers": list(self.issuers),
            "bearer_methods_supported": ["header"],
        }
        if self.scopes:
            told["scopes_supported"] = list(self.scopes)
        return JSONResponse(told)


class Challenges:
    """Says in the refusal of a message without a valid credential where one is had (RFC 9728, 5.1)."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on."""
        if scope["type"] != "http" or scope["path"] != RESOURCE:
            await self._app(scope, receive, send)
            return

        async def told(message: Message) -> None:
            if message["type"] == "http.response.start" and message["status"] == 401:
                address = f"{base_url(Request(scope))}{WELL_KNOWN}{RESOURCE}"
                MutableHeaders(scope=message)["WWW-Authenticate"] = f'Bearer resource_metadata="{address}"'
            await send(message)

        await self._app(scope, receive, told)
