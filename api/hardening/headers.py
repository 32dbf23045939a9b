"""Headers that every response carries, and the names under which the service is asked."""

from __future__ import annotations

from starlette.datastructures import Headers, MutableHeaders
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api import errors
from api.hardening.settings import BrowserSettings
from rag.domain.errors import HostNotServed

_HEALTH = "/api/v1/health/"
"""Balancers ask for it by address."""
_ASKED_WITH = ("Authorization", "Content-Type", "X-API-Key", "Api-Key", "Accept-Language", "X-Request-Id", "Range")
_SHOWN = (
    "Content-Disposition",
    "Content-Language",
    "Content-Range",
    "Retry-After",
    "X-Answer-Id",
    "X-Request-Id",
    "X-RateLimit-Limit-Requests",
    "X-RateLimit-Remaining-Requests",
    "X-RateLimit-Reset-Requests",
    "X-RateLimit-Limit-Tokens",
    "X-RateLimit-Remaining-Tokens",
    "X-RateLimit-Reset-Tokens",
)
_METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")


def content_policy(settings: BrowserSettings) -> str:
    """The policy of whatever has none of its own: JSON and events load nothing and are shown in no frame."""
    ancestors = " ".join(settings.frame_ancestors) or "'none'"
    return f"default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors {ancestors}"


class SecurityHeaders:
    """Puts them on every response, those of the unexpected error included; a route that knows better keeps its own.

    Nothing is stored by a cache on the way or a browser: answers are somebody's, whatever their address.
    """

    def __init__(self, app: ASGIApp, settings: BrowserSettings) -> None:
        self._app = app
        self._hsts_s = settings.hsts_s
        self._always = {
            "Content-Security-Policy": content_policy(settings),
            "X-Content-Type-Options": "nosniff",
            "Referrer-Policy": "no-referrer",
            "Cross-Origin-Opener-Policy": "same-origin",
            "Cross-Origin-Resource-Policy": "same-origin",
            "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
            "Cache-Control": "no-store",
        }
        if not settings.frame_ancestors:
            self._always["X-Frame-Options"] = "DENY"  # for browsers that do not know frame-ancestors

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, its response clothed."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def clothed(message: Message) -> None:
            if message["type"] == "http.response.start":
                self._clothe(MutableHeaders(scope=message), secure=scope.get("scheme") == "https")
            await send(message)

        await self._app(scope, receive, clothed)

    def _clothe(self, headers: MutableHeaders, *, secure: bool) -> None:
        for name, value in self._always.items():
            headers.setdefault(name, value)
        kept = headers["Cache-Control"]
        if "no-store" not in kept and "public" not in kept:
            headers["Cache-Control"] = f"{kept}, no-store"
        if self._hsts_s and secure:  # browsers ignore it on plain connections (RFC 6797, 7.2)
            headers.setdefault("Strict-Transport-Security", f"max-age={self._hsts_s}; includeSubDomains")


class KnownHosts:
    """Refuses requests that ask for another host: links in answers are made from it, and a foreign name may point here."""

    def __init__(self, app: ASGIApp, settings: BrowserSettings) -> None:
        self._app = app
        self._names = frozenset(host for host in settings.hosts if not host.startswith("*."))
        self._endings = tuple(host[1:] for host in settings.hosts if host.startswith("*."))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, or refuse it. What comes by a socket of the file system names no host that could be wrong."""
        by_network = scope["type"] == "http" and scope.get("client") is not None
        if by_network and not scope["path"].startswith(_HEALTH):
            host = _without_port(Headers(scope=scope).get("host", ""))
            if host not in self._names and not host.endswith(self._endings):
                shown = "".join(char for char in host[:100] if char.isalnum() or char in ".-[]:")
                await errors.respond(Request(scope), HostNotServed(host=shown))(scope, receive, send)
                return
        await self._app(scope, receive, send)


def _without_port(host: str) -> str:
    if host.startswith("["):
        return host[: host.find("]") + 1].lower()
    return host.partition(":")[0].lower().removesuffix(".")


def guarded_against_browsers(app: ASGIApp, settings: BrowserSettings) -> ASGIApp:
    """`app` behind the headers; behind the known hosts and open to the portals, where the settings name some."""
    if settings.cors_origins:
        # Keys travel in a header that a portal's page sets itself: no cookie of a browser is ever taken along.
        app = CORSMiddleware(
            app,
            allow_origins=settings.cors_origins,
            allow_methods=_METHODS,
            allow_headers=_ASKED_WITH,
            expose_headers=_SHOWN,
            allow_credentials=False,
            max_age=600,
        )
    if settings.hosts:
        app = KnownHosts(app, settings)
    return SecurityHeaders(app, settings)
