"""Sign-in at the portal with a provider, the session that it begins, and the ways out."""

from __future__ import annotations

import logging
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Form, Query, Request, Response
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse

from api import sign_in_page
from api.audit import audit_of
from api.deps import PROBLEMS, Caller, address_of, guarded, services_of, site_of
from api.errors import language_of
from api.schemas.sign_in import CurrentSessionOut, LogoutOut, ProviderOut, ProvidersOut, SessionOut, SessionsOut
from rag.access.audit import Deed, ServiceTrail
from rag.access.federation import Federation
from rag.access.federation_sessions import proof_of
from rag.access.federation_sign_in import SignIn
from rag.access.policy import Action
from rag.domain.audit import AuditKind, Outcome
from rag.domain.errors import NotAuthenticated, NotFound, SeogoError
from rag.domain.principal import Principal

log = logging.getLogger(__name__)

router = APIRouter(tags=["sign-in"])
me_router = APIRouter(prefix="/me/sessions", tags=["sign-in"], responses=PROBLEMS)
_UNSTORED = {"Cache-Control": "no-store"}
_PAGE: dict[str, Any] = {"content": {"text/html": {"schema": {"type": "string"}}}}
_PAGES: dict[int | str, dict[str, Any]] = {
    303: {"description": "on to the next page"},
    **{status: {**_PAGE, "description": "a page that says why not"} for status in (400, 403, 404, 422, 429, 500, 503)},
}
_OWN = Depends(guarded(Action.READ_OWN_IDENTITY))


def federation_of(request: Request) -> Federation:
    """The sign-in providers of this process."""
    return services_of(request).rag.federation


@router.get("/auth/providers")
def list_providers(request: Request) -> ProvidersOut:
    """Providers that people can sign in with. Anybody may know: it is what the first page shows."""
    names = sorted(federation_of(request).sign_ins)
    return ProvidersOut(providers=[ProviderOut(name=name, login=f"/auth/{name}/login") for name in names])


@router.get("/auth/session", responses=PROBLEMS)
def get_session(request: Request, response: Response, caller: Annotated[Caller, _OWN]) -> CurrentSessionOut:
    """The session that this request came by, with the proof for requests that change something."""
    secret = site_of(request).shown(request, "session")
    if not secret or caller.principal.credential is None:
        raise NotFound
    row = federation_of(request).sessions.found(secret)
    if row.id != caller.principal.credential:
        raise NotFound
    response.headers.update(_UNSTORED)
    return CurrentSessionOut(session=SessionOut.of(row, row.id), proof=proof_of(secret))


@router.get("/auth/{provider}/login", response_class=HTMLResponse, responses=_PAGES, status_code=303)
def login(
    request: Request,
    provider: str,
    return_to: Annotated[str, Query(max_length=2000, description="path on this service to go to afterwards")] = "/",
) -> Response:
    """Send the browser to the provider."""
    known: SignIn | None = None
    site = site_of(request)
    try:
        known = federation_of(request).sign_in(provider)
        request.app.state.sign_ins.enter(address_of(request))
        before = site.shown(request, "sign_in")
        departure = known.depart(f"{site.origin()}/auth/{provider}/callback", return_to, before, language_of(request))
    except SeogoError as error:
        return _failed(request, error, known)
    response = RedirectResponse(departure.url, 303, sign_in_page.HEADERS)
    patience_s = services_of(request).rag.settings.identity.sessions.sign_in_s
    site.give(response, "sign_in", departure.browser, patience_s)
    return response


@router.get("/auth/{provider}/callback", response_class=HTMLResponse, responses=_PAGES, status_code=303)
def callback(request: Request, provider: str) -> Response:
    """Take the browser back from the provider, and begin its session."""
    known: SignIn | None = None
    site = site_of(request)
    try:
        known = federation_of(request).sign_in(provider)
        site.origin()
        arrival = known.arrive(
            request.query_params,
            site.shown(request, "sign_in"),
            agent=request.headers.get("user-agent", ""),
            address=request.client.host if request.client is not None else "",
            replacing=site.shown(request, "session"),
        )
    except SeogoError as error:
        audit_of(request).arrived(request, None, provider=provider[:100], code=error.code)
        return _failed(request, error, known)
    audit_of(request).arrived(request, arrival.principal, provider=provider)
    response = RedirectResponse(arrival.return_to, 303, sign_in_page.HEADERS)
    longest_s = services_of(request).rag.settings.identity.sessions.absolute_s
    site.give(response, "session", arrival.session, longest_s)
    site.take_back(response, "sign_in")
    return response


@router.post("/auth/{provider}/logout", responses=PROBLEMS)
def logout(request: Request, response: Response, provider: str, caller: Annotated[Caller, _OWN]) -> LogoutOut:
    """End the session of this browser. The answer names the provider's page that ends the sign-in there too."""
    federation = federation_of(request)
    known, principal = federation.sign_in(provider), caller.principal
    if principal.credential is None or not federation.sessions.end(principal.credential, principal.id):
        raise NotFound
    site = site_of(request)
    site.take_back(response, "session")
    response.headers.update(_UNSTORED)
    return LogoutOut(url=known.farewell(f"{site.origin()}/"))


_NO_ORDER: dict[int | str, dict[str, Any]] = {
    400: {
        "description": "not an order of the provider",
        "content": {
            "application/json": {
                "schema": {"type": "object", "properties": {"error": {"type": "string"}}, "required": ["error"]}
            }
        },
    }
}


@router.post("/auth/{provider}/backchannel-logout", responses=_NO_ORDER)
def backchannel_logout(request: Request, provider: str, logout_token: Annotated[str, Form()] = "") -> Response:
    """Take the provider's own order to end somebody's sessions (OpenID Connect Back-Channel Logout 1.0)."""
    audit = audit_of(request)
    try:
        known = federation_of(request).sign_in(provider)
        order = known.order_of(logout_token)
    except SeogoError as error:
        audit.arrived(request, None, provider=provider[:100], code=error.code, attempted="end sessions")
        if not isinstance(error, NotAuthenticated | NotFound):
            raise
        return JSONResponse({"error": "invalid_request"}, 400, _UNSTORED)
    trail = ServiceTrail(services_of(request).rag.audit, known.tenant_id, provider, "auth", audit.origin)
    told = {"issuer": known.settings.issuer, "sub": order.subject, "sid": order.session}
    what = f"{request.method} {request.url.path}"
    trail.record([Deed(AuditKind.SESSION_ENDED, what, told)], Outcome.BEGUN)
    ended = known.obey(order)
    trail.record([Deed(AuditKind.SESSION_ENDED, what, {**told, "ended": ended})])
    return Response(None, 200, _UNSTORED)


@me_router.get("")
def list_sessions(request: Request, caller: Annotated[Caller, _OWN]) -> SessionsOut:
    """One's own signed-in browsers."""
    rows = federation_of(request).sessions.of_account(caller.principal.id)
    return SessionsOut(sessions=[SessionOut.of(row, _session_id(caller.principal)) for row in rows])


@me_router.delete("/{session_id}", status_code=204)
def end_session(request: Request, session_id: UUID, caller: Annotated[Caller, _OWN]) -> None:
    """End one of one's own sessions, as when a laptop is lost."""
    if not federation_of(request).sessions.end(session_id, caller.principal.id):
        raise NotFound


def _session_id(principal: Principal) -> UUID | None:
    return principal.credential


def _failed(request: Request, error: SeogoError, known: SignIn | None) -> Response:
    name = None if known is None else known.settings.name
    log.info("sign-in with %s failed: %s", name, type(error).__name__)
    return sign_in_page.failed(request, error, name)
