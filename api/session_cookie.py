"""The cookie of a signed-in browser, and the proof that a request with it was meant."""

from __future__ import annotations

from hmac import compare_digest
from urllib.parse import urlsplit

from fastapi import Request
from starlette.responses import Response

from api.deps import base_url, services_of
from rag.access.federation_provider import is_loopback
from rag.access.federation_sessions import proof_of
from rag.access.identities import Carrier, Presented
from rag.domain.errors import ConfigurationError, NotPermitted

PROOF_HEADER = "X-Seogo-Proof"
"""Header of every request with a cookie that changes something; `GET /auth/session` tells its value."""
_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})


def own_origin(request: Request) -> str:
    """Scheme and host under which browsers reach this service.

    Raises:
        ConfigurationError: neither this machine nor https, so a cookie would be readable on its way; or the address is
            only what the request claims.
    """
    parts = urlsplit(base_url(request))
    if not is_loopback(parts.hostname):
        if services_of(request).settings.public_url is None:
            raise ConfigurationError(detail="api.public_url is needed for sign-in")
        if parts.scheme != "https":
            raise ConfigurationError(detail="api.public_url must be https for sign-in")
    return f"{parts.scheme}://{parts.netloc}"


def cookie_name(request: Request, what: str) -> str:
    """With the prefix that keeps other hosts of the domain from setting it; browsers take that with TLS only."""
    secure = base_url(request).startswith("https://")
    return f"{'__Host-' if secure else ''}seogo_{what}"


def set_cookie(request: Request, response: Response, what: str, value: str, max_age_s: int) -> None:
    """Give the browser a cookie that no script reads and no foreign page sends along with what changes something."""
    name = cookie_name(request, what)
    secure = name.startswith("__Host-")
    response.set_cookie(name, value, max_age=max_age_s, path="/", secure=secure, httponly=True, samesite="lax")


def drop_cookie(request: Request, response: Response, what: str) -> None:
    """Take it back."""
    set_cookie(request, response, what, "", 0)


def session_of(request: Request) -> str:
    """The secret in the session's cookie; empty when there is none."""
    return request.cookies.get(cookie_name(request, "session"), "")


def presented_session(request: Request) -> Presented | None:
    """What a request with a session's cookie came with; None when it has none.

    Raises:
        NotPermitted: it would change something, and nothing proves that a page of ours sent it.
    """
    secret = session_of(request)
    if not secret:
        return None
    if request.method not in _SAFE:
        _require_proof(request, secret)
    address = request.client.host if request.client is not None else ""
    return Presented(secret, Carrier.COOKIE, address, request.headers.get("origin"))


def _require_proof(request: Request, secret: str) -> None:
    origin, shown = request.headers.get("origin"), request.headers.get(PROOF_HEADER, "")
    if origin != own_origin(request) or not compare_digest(shown.encode(), proof_of(secret).encode()):
        raise NotPermitted
