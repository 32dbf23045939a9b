"""What routes depend on: the services of this process, and the caller behind the one policy."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from fastapi import Request

from api.audit import RequestAudit, audit_of, client_address
from api.errors import language_of
from api.hardening.admission import admit
from api.schemas.common import Problem
from api.session_cookie import Site, presented_session
from api.settings import ApiSettings
from ingest.bootstrap import Ingest
from rag.access.identities import Carrier, Presented
from rag.access.policy import Action
from rag.bootstrap import Rag
from rag.domain.errors import NotAuthenticated, NotPermitted
from rag.domain.filters import DocumentFilter
from rag.domain.messages import UiLanguage
from rag.domain.principal import Permit, Principal, PrincipalKind


@dataclass(frozen=True, slots=True)
class Services:
    """The two lanes of this process."""

    settings: ApiSettings
    rag: Rag
    ingest: Ingest


def services_of(request: Request) -> Services:
    """The services that the application was built with."""
    found = request.app.state.services
    if not isinstance(found, Services):
        raise TypeError("the application has no services")
    return found


@dataclass(frozen=True, slots=True)
class Caller:
    """An authenticated caller of a route that is bound to one action."""

    principal: Principal
    action: Action
    language: UiLanguage
    services: Services
    audit: RequestAudit

    def permit(
        self,
        collections: Sequence[str] | None = None,
        as_of: datetime | None = None,
        where: DocumentFilter | None = None,
    ) -> Permit:
        """What the caller may do on these collections (names or ids), or on all that it may see."""
        permit = self.services.rag.policy.authorize(self.principal, self.action, collections, as_of, where)
        self.audit.permitted(permit, named=collections is not None)
        return permit

    def anew(self, request: Request) -> Caller:
        """The same caller as it is on record now, for what is done long after the request began.

        Raises:
            NotAuthenticated, NotPermitted: what it came with is not in force any more, or not good for the action.
        """
        principal = self._principal_now(request)
        self.services.rag.policy.require(principal, self.action)
        return Caller(principal, self.action, self.language, self.services, self.audit)

    def _principal_now(self, request: Request) -> Principal:
        before = self.principal
        if before.kind not in (PrincipalKind.USER, PrincipalKind.SERVICE) or before.credential is not None:
            return authenticated(request)
        # A provider's token, which has no record here: it was good when the request began, and may have run out since.
        return self.services.rag.identities.of_account(
            before.id,
            before.scopes,
            tenant_id=before.tenant_id,
            collections=before.collections,
            clearance=before.clearance,
            citation_style=before.citation_style,
        )

    def require_whole_tenant(self) -> None:
        """Refuse a key that is limited to some collections: what concerns the others is not its to do, nor to learn.

        Raises:
            NotPermitted: it is.
        """
        if not self.principal.whole_tenant:
            raise NotPermitted


def presented(request: Request) -> Presented:
    """The credential of a request, from the headers that clients use, else a session's cookie; never from the query string.

    Raises:
        NotAuthenticated: there is none.
        NotPermitted: a cookie alone, and nothing proves that a page of ours sent the request.
    """
    address = audit_of(request).origin.ip  # the client's, behind proxies of ours too, as the trail has it
    origin = request.headers.get("origin")
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer" and token.strip():
        return Presented(token.strip(), Carrier.BEARER, address, origin)
    for header in ("x-api-key", "api-key"):
        if key := request.headers.get(header, "").strip():
            return Presented(key, Carrier.HEADER, address, origin)
    session = presented_session(request, site_of(request))
    if session is None:
        raise NotAuthenticated
    return session


def authenticated(request: Request) -> Principal:
    """Who sent a request, as the record says now.

    Raises:
        NotAuthenticated, NotPermitted: see `presented`; or the credential is none, or not in force.
    """
    services = services_of(request)
    return services.rag.authenticate(presented(request))


_QUESTIONS = frozenset({Action.ASK, Action.SEARCH})
"""Ingestion gives way to them from the moment that they are let in. Not to what is asked again and again by who only waits, such
as how far an upload is."""


class Guard:
    """The dependency that every route but the public ones has: authenticates, and binds the route to one action."""

    def __init__(self, action: Action) -> None:
        self.action = action

    def __call__(self, request: Request) -> Caller:
        """The caller; refuses before the body is looked at when the scope is missing."""
        services = services_of(request)
        audit = audit_of(request)
        audit.matched(self.action, request)
        principal = authenticated(request)
        audit.known(principal)
        self.admit(request, principal)
        services.rag.policy.require(principal, self.action)
        if self.action in _QUESTIONS:
            services.rag.traffic.expect()
        audit.begin()
        request.state.principal = principal  # whose access is watched while the response is sent
        return Caller(principal, self.action, language_of(request), services, audit)

    def admit(self, request: Request, principal: Principal) -> None:
        """Count the request under the allowances of its caller.

        Raises:
            RateLimited: one of them is used up.
        """
        admit(request, principal, self.action)


def guarded(action: Action) -> Callable[[Request], Caller]:
    """A guard for `action`, to be used in `Depends`."""
    return Guard(action)


PROBLEMS: dict[int | str, dict[str, Any]] = {
    status: {"model": Problem, "content": {"application/problem+json": {}}, "description": reason}
    for status, reason in (
        (401, "no valid key"),
        (403, "the key lacks the scope"),
        (404, "nothing there that the key may see"),
        (422, "the request is not valid"),
        (429, "more than the key or its tenant may ask for at once or in a minute; retry"),
        (503, "a part of the service is away; retry"),
    )
}
"""Errors that every native route can answer with."""


def base_url(request: Request) -> str:
    """Address of the service for links: the configured one, else the one that the request came to."""
    configured = services_of(request).settings.public_url
    return (configured or str(request.base_url)).rstrip("/")


def address_of(request: Request) -> str:
    """Where a request comes from; whoever is no proxy of ours can't say otherwise."""
    return client_address(request.scope, request.headers, services_of(request).settings.connections.proxies())


def site_of(request: Request) -> Site:
    """The address under which browsers reach the service, and whether the settings vouch for it."""
    return Site(base_url(request), services_of(request).settings.public_url is not None)
