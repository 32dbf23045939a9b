"""The cookie of a signed-in browser, and the proof that a request with it was meant."""

from __future__ import annotations

from dataclasses import dataclass
from hmac import compare_digest
from urllib.parse import urlsplit

from fastapi import Request
from starlette.responses import Response

from rag.access.federation_provider import is_loopback
from rag.access.federation_sessions import proof_of
from rag.access.identities import Carrier, Presented
from rag.domain.errors import ConfigurationError, NotPermitted

PROOF_HEADER = "X-Seogo-Proof"
"""Header of every request with a cookie that changes something; `GET /auth/session` tells its value."""
_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})


@dataclass(frozen=True, slots=True)
class Site:
    """The address under which browsers reach this service.

    Attributes:
        configured: whether the settings say so; else it is only what the request claims.
    """

    base: str
    configured: bool

    def origin(self) -> str:
        """Scheme and host.

        Raises:
            ConfigurationError: neither this machine nor https, so a cookie would be readable on its way; or nobody vouches
                for the address.
        """
        parts = urlsplit(self.base)
        if not is_loopback(parts.hostname):
            if not self.configured:
                raise ConfigurationError(detail="api.public_url is needed for sign-in")
            if parts.scheme != "https":
                raise ConfigurationError(detail="api.public_url must be https for sign-in")
        return f"{parts.scheme}://{parts.netloc}"

    def cookie(self, what: str) -> str:
        """Name of a cookie, with the prefix that keeps other hosts of the domain from setting it; that takes TLS."""
        return f"{'__Host-' if self.base.startswith('https://') else ''}seogo_{what}"

    def give(self, response: Response, what: str, value: str, max_age_s: int) -> None:
        """Give the browser a cookie that no script reads and no foreign page sends along with what changes something."""
        name = self.cookie(what)
        secure = name.startswith("__Host-")
        response.set_cookie(name, value, max_age=max_age_s, path="/", secure=secure, httponly=True, samesite="lax")

    def take_back(self, response: Response, what: str) -> None:
        """Have the browser forget a cookie."""
        self.give(response, what, "", 0)

    def shown(self, request: Request, what: str) -> str:
        """Value of a cookie of the request; empty when there is none."""
        return request.cookies.get(self.cookie(what), "")


def presented_session(request: Request, site: Site) -> Presented | None:
    """What a request with a session's cookie came with; None when it has none.

    Raises:
        NotPermitted: it would change something, and nothing proves that a page of ours sent it.
    """
    secret = site.shown(request, "session")
    if not secret:
        return None
    if request.method not in _SAFE:
        _require_proof(request, site, secret)
    address = request.client.host if request.client is not None else ""
    return Presented(secret, Carrier.COOKIE, address, request.headers.get("origin"))


def _require_proof(request: Request, site: Site, secret: str) -> None:
    origin, shown = request.headers.get("origin"), request.headers.get(PROOF_HEADER, "")
    try:
        ours = site.origin()
    except ConfigurationError as error:  # where nobody can sign in there are no sessions
        raise NotPermitted from error
    if origin != ours or not compare_digest(shown.encode(), proof_of(secret).encode()):
        raise NotPermitted
