"""Every guarded request on the audit trail, at one seam: nothing goes out before what it tells is on record.

`Guard` says who asks and by which route, `Caller.permit` in which collections, and whoever reads documents for a caller says
which (`saw`, `answering`). What this amounts to is written before the next byte of the response is sent, so a stream that finds
more is on record piece by piece. A change is on record twice: before it begins, and when it is done.
"""

from __future__ import annotations

import hashlib
import logging
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from ipaddress import IPv4Network, IPv6Network, ip_address
from typing import Any, Protocol
from uuid import UUID

from anyio import CancelScope
from anyio.to_thread import run_sync
from fastapi import Request
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.errors import respond, speaks_openai
from api.refusals import Refusals
from api.request_ids import request_id
from api.settings import ApiSettings
from rag.access.audit import AuditTrail, Deed, ServiceTrail, outcome_of, who_of, whose
from rag.access.audit_kinds import changes, kind_of, unrecorded
from rag.access.audit_report import SHOWING
from rag.access.personal_data.reading import revealed
from rag.access.policy import Action
from rag.domain.audit import INSTALLATION, AuditEvent, AuditKind, Origin, Outcome, Who
from rag.domain.errors import AuditUnavailable, StoreUnavailable
from rag.domain.principal import Permit, Principal
from rag.store import attribute

log = logging.getLogger(__name__)

_STATE = "audit"
SURFACE = "surface"
"""Where the state of a request that this process sends on to itself says by which door it came."""
_MOST_COLLECTIONS = 100
_CLOSED = 499
"""Status of a request whose client went away before there was one."""
_SEARCHING = frozenset({Action.SEARCH, Action.READ_CODE, Action.ASK})


def some(name: str, values: Iterable[Any]) -> dict[str, Any]:
    """Values for the detail of an entry: the first hundred in order, and how many there are."""
    every = sorted(str(item) for item in values)
    return {name: every[:_MOST_COLLECTIONS], f"{name}_count": len(every)}


class Answering(Protocol):
    """An answer that is being given."""

    @property
    def id(self) -> UUID:
        """By which its record is found."""

    @property
    def question(self) -> str:
        """What was asked."""

    @property
    def complete(self) -> bool:
        """Whether it has come to its end."""

    @property
    def abstained(self) -> bool:
        """Whether that is a refusal."""

    @property
    def found(self) -> Sequence[UUID]:
        """Documents whose passages were found for it, as far as it has come."""

    @property
    def cited(self) -> Sequence[UUID]:
        """Documents that it cites."""

    @property
    def blocked(self) -> Sequence[str]:
        """What kept something of it back: the rules of the prompt would have gone out, or what the reader may not see."""


class RequestAudit:
    """What is known of one request, and what of it is on the trail already."""

    def __init__(
        self,
        trail: AuditTrail | None,
        origin: Origin,
        subject_attribute: str = "",
        refusals: Refusals | None = None,
    ) -> None:
        self._trail, self._origin, self._subject_attribute = trail, origin, subject_attribute
        self._refusals = refusals
        self._action: Action | None = None
        self._kind: AuditKind | None = None
        self._what = ""
        self._changes = self._quiet = False
        self._principal: Principal | None = None
        self._collections: dict[UUID, None] = {}
        self._documents: dict[UUID, None] = {}
        self._told: set[UUID] = set()
        self._detail: dict[str, Any] = {}
        self._answer: Answering | None = None
        self._status = 0
        self._further: list[tuple[AuditKind, dict[str, Any], list[UUID]]] = []
        self._opened = self._answer_told = False

    @property
    def origin(self) -> Origin:
        """From where it comes."""
        return self._origin

    def matched(self, action: Action, request: Request) -> None:
        """Note the route: what it does, and the ids in its path."""
        path = getattr(request.scope.get("route"), "path", request.url.path)
        self._action, self._kind = action, kind_of(action, request.method, path)
        self._what = f"{request.method} {request.url.path}"
        self._changes = changes(action, request.method)
        self._quiet = unrecorded(action, request.method)
        given = request.path_params.get("document_id")
        if given is not None:
            self._documents |= _as_id(given)

    def known(self, principal: Principal) -> None:
        """Note who asks."""
        self._principal = principal

    def arrived(self, request: Request, principal: Principal | None, **detail: Any) -> None:
        """Note a sign-in, which no guard stands before: who came, or that nobody was let in."""
        self._what, self._principal = f"{request.method} {request.url.path}", principal
        self.did(AuditKind.SIGN_IN_FAILED if principal is None else AuditKind.SIGNED_IN, **detail)

    def turned_away(self, request: Request) -> None:
        """Note that the request ends before its route is looked for, since nobody known sent it."""
        self._what, self._kind = f"{request.method} {request.url.path}", AuditKind.DENIED

    def did(self, kind: AuditKind, **detail: Any) -> None:
        """Say that the request is something else than its action, or more about it; no words of questions or documents."""
        self._kind = kind
        self._detail |= detail

    def also(self, kind: AuditKind, **detail: Any) -> None:
        """Say that the request did this too, which is an entry of its own."""
        self._further.append((kind, detail, list(self._documents)))

    def permitted(self, permit: Permit, *, named: bool) -> None:
        """Note the collections of a permit, where they were named or all of them are searched."""
        if named or self._action in _SEARCHING:
            self._collections |= dict.fromkeys(sorted(permit.collections))

    def about(self, collection_id: UUID, **detail: Any) -> None:
        """Say in which collection, where no permit names it, and more about what was done."""
        self._collections[collection_id] = None
        self._detail |= detail

    def saw(self, documents: Iterable[UUID | None]) -> None:
        """Say which documents the response tells of."""
        self._documents |= {item: None for item in documents if item is not None}

    def listed(self, documents: Iterable[tuple[UUID, UUID | None]]) -> None:
        """Say which documents, each behind its collection, the response lists: they are named, and counted by collection."""
        rows = list(documents)
        counts = Counter(str(collection_id) for collection_id, _ in rows)
        self._detail["listed"] = dict(sorted(counts.items())[:_MOST_COLLECTIONS])
        self._collections |= dict.fromkeys(sorted({collection_id for collection_id, _ in rows}))
        self.saw(document_id for _, document_id in rows)

    def searched(self, question: str, documents: Iterable[UUID]) -> None:
        """Say what was found for a question."""
        self._detail |= _digest(question)
        self.saw(documents)

    def answering(self, answer: Answering) -> None:
        """Follow an answer that the response gives."""
        self._answer = answer
        self._detail |= _digest(answer.question) | {"answer_id": str(answer.id)}

    def begin(self) -> None:
        """Put a change on record before it begins; anything else is when it is done.

        Raises:
            AuditUnavailable: it can't be, so it must not begin.
        """
        if self._trail is not None and self._changes:
            event = self._event(self._kind or AuditKind.DENIED, Outcome.BEGUN, self._documents)
            self._trail.record(event)

    def opening(self, status: int) -> None:
        """Note the status that is about to go out."""
        self._status = status

    def due(self) -> bool:
        """Whether there is something to put on record."""
        if self._kind is None or self._trail is None:
            return False
        return not self._opened or bool(self._untold()) or self._answer_due() or bool(self._further)

    def record(self) -> None:
        """Put on record what is not yet.

        Raises:
            AuditUnavailable: it could not be.
        """
        events = [] if self._opened else self._opening_events()
        new = self._untold() if self._opened else []
        if new:
            events.append(self._event(AuditKind.DOCUMENTS_SHOWN, Outcome.DONE, new))
        if self._answer is not None and self._answer_due():
            events.append(self._answer_event(self._answer))
            self._note_blocked()
        events += self._revealing(events)
        further = list(self._further)
        events += [self._event(kind, Outcome.DONE, named, more) for kind, more, named in further]
        if self._trail is not None:
            self._trail.record(*events)
        del self._further[: len(further)]
        self._told.update(self._documents_so_far())
        self._opened = True
        self._answer_told = self._answer_told or self._answer_due()

    def close(self) -> None:
        """The request has ended: what is left to say of it, such as an answer that broke off.

        Raises:
            AuditUnavailable: see `record`.
        """
        self._status = self._status or _CLOSED
        broken_off = self._opened and self._answer is not None and not self._answer_told and self._status < 400
        if not self._answer_told:
            self._note_blocked()
        if self.due():
            self.record()
        if broken_off and not self._answer_told and self._trail is not None and self._answer is not None:
            self._trail.record(self._event(AuditKind.ANSWER_BROKEN_OFF, Outcome.FAILED, self._answer.cited))
            self._answer_told = True

    def _opening_events(self) -> list[AuditEvent]:
        outcome = outcome_of(self._status)
        kind = self._kind or AuditKind.DENIED
        if kind is AuditKind.SIGN_IN_FAILED:
            outcome = Outcome.DENIED
        elif outcome is Outcome.DENIED:
            if kind is not AuditKind.DENIED:
                self._detail["attempted"] = kind.value
            kind = _refusal(self._status)
        elif self._quiet:
            return []
        if outcome is Outcome.DENIED and self._principal is None and self._refusals is not None:
            before = self._refusals.told(self._origin.ip)
            if before is None:  # counted, and told of by a later entry
                return []
            self._detail |= before
        shown = self._documents_so_far() if outcome is not Outcome.DENIED else ()
        self._detail["status"] = self._status
        return [self._event(kind, outcome, shown)]

    def _answer_due(self) -> bool:
        return self._answer is not None and self._answer.complete and not self._answer_told

    def _answer_event(self, answer: Answering) -> AuditEvent:
        kind = AuditKind.ANSWER_REFUSED if answer.abstained else AuditKind.ANSWERED
        return self._event(kind, Outcome.DONE, answer.cited)

    def _note_blocked(self) -> None:
        if self._answer is not None and self._answer.blocked:
            self.also(AuditKind.OUTPUT_BLOCKED, blocked=list(dict.fromkeys(self._answer.blocked)))

    def _revealing(self, events: Sequence[AuditEvent]) -> list[AuditEvent]:
        """That raw values of persons were among what was shown, where a collection hides them from others."""
        principal, trail = self._principal, self._trail
        shown = {item for event in events if event.kind in SHOWING for item in event.whose.documents}
        if principal is None or trail is None or not shown:
            return []
        try:
            with trail.database.read() as session:
                found = revealed(session, principal, shown)
        except StoreUnavailable as error:
            if trail.required:
                raise AuditUnavailable from error
            return []
        return [self._event(AuditKind.PERSONAL_DATA_REVEALED, Outcome.DONE, found)] if found else []

    def _documents_so_far(self) -> list[UUID]:
        found = self._answer.found if self._answer is not None else ()
        return list(dict.fromkeys((*self._documents, *found)))

    def _untold(self) -> list[UUID]:
        return [item for item in self._documents_so_far() if item not in self._told]

    def _event(
        self, kind: AuditKind, outcome: Outcome, documents: Iterable[UUID], more: Mapping[str, Any] | None = None
    ) -> AuditEvent:
        principal, trail = self._principal, self._trail
        if trail is None:
            raise AssertionError("an application without services answers no guarded request")
        named = list(documents)
        collections = list(self._collections)
        detail = self._detail | dict(more or {})
        if principal is not None and principal.made_by is not None:
            detail["made_by"] = str(principal.made_by)  # who knows the credential beside whom it is for
        if len(collections) > _MOST_COLLECTIONS:
            detail["collections"] = len(collections)
        return AuditEvent(
            kind,
            principal.tenant_id if principal is not None else INSTALLATION,
            who_of(principal) if principal is not None else Who(),
            trail.now(),
            self._origin,
            whose(collections[:_MOST_COLLECTIONS], named, self._subjects(named)),
            self._what,
            outcome,
            detail,
        )

    def _subjects(self, documents: Sequence[UUID]) -> list[str]:
        """The persons that the documents are about, where an attribute names them."""
        if not self._subject_attribute or not documents or self._trail is None:
            return []
        with self._trail.database.read() as session:
            found = attribute.of_documents(session, set(documents))
        return [item[self._subject_attribute].text for item in found.values() if self._subject_attribute in item]


def audit_of(request: Request) -> RequestAudit:
    """What is known of a request; of one that no middleware watches, something that leaves no trace."""
    found = request.scope.get("state", {}).get(_STATE)
    return found if isinstance(found, RequestAudit) else RequestAudit(None, Origin())


class Audited:
    """Puts each guarded request on the trail before its response, or the next piece of it, goes out."""

    def __init__(
        self,
        app: ASGIApp,
        trail: AuditTrail,
        settings: ApiSettings,
        subject_attribute: str = "",
        refusals: Refusals | None = None,
    ) -> None:
        self._app, self._trail, self._proxies = app, trail, settings.connections.proxies()
        self._subject_attribute, self._refusals = subject_attribute, refusals

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on; where it can't be put on record, it is refused."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        state = scope.setdefault("state", {})
        audit = RequestAudit(self._trail, self._origin(scope), self._subject_attribute, self._refusals)
        state[_STATE] = audit
        watched = _Watched(audit, send)
        try:
            await self._app(scope, receive, watched.send)
        except Exception:
            if watched.unrecorded is None or watched.began:
                raise
        finally:
            with CancelScope(shield=True):
                await self._close(audit, watched)
        if watched.unrecorded is not None and not watched.began:
            await respond(Request(scope), watched.unrecorded)(scope, receive, send)

    async def _close(self, audit: RequestAudit, watched: _Watched) -> None:
        if watched.unrecorded is not None:
            return
        try:
            await run_sync(audit.close)
        except AuditUnavailable:
            log.error("the end of a request could not be put on record")

    def _origin(self, scope: Scope) -> Origin:
        headers = Headers(scope=scope)
        return Origin(
            client_address(scope, headers, self._proxies),
            scope["state"].get(SURFACE) or surface_of(scope["path"]),
            headers.get("user-agent", ""),
            request_id(scope),
        )


def tell_rest(trail: AuditTrail, refusals: Refusals) -> None:
    """Put the refusals on record that were counted and that no entry tells of: this process is about to end."""
    if count := refusals.rest():
        detail = {"refused_elsewhere": count}
        deed = Deed(AuditKind.SIGN_IN_FAILED, "refuse callers that nobody knows", detail)
        try:
            ServiceTrail(trail, INSTALLATION, "refusals", "api").record([deed], Outcome.DENIED)
        except AuditUnavailable:
            log.error("%d refusals were counted and could not be put on record", count)


class _Watched:
    """A way out that holds each message back until what it tells is on record."""

    def __init__(self, audit: RequestAudit, send: Send) -> None:
        self._audit, self._send = audit, send
        self.began = False
        self.unrecorded: AuditUnavailable | None = None

    async def send(self, message: Message) -> None:
        """Record, then send."""
        if self.unrecorded is not None:
            raise _Unrecorded
        if message["type"] == "http.response.start":
            self._audit.opening(message["status"])
        if self._audit.due():
            try:
                await run_sync(self._audit.record)
            except AuditUnavailable as error:
                self.unrecorded = error
                raise _Unrecorded from error
        self.began = True
        await self._send(message)


class _Unrecorded(Exception):
    """Ends the response of a request that could not be put on record; no handler of errors takes it for one of its own."""


def surface_of(path: str) -> str:
    """The door that a path belongs to."""
    if speaks_openai(path):
        return "openai"
    head = path.split("/")[1] if "/" in path else ""
    return head if head in ("auth", "dify", "continue", "scim", "mcp", "tools") else "native"


def client_address(scope: Scope, headers: Mapping[str, str], trusted: Sequence[IPv4Network | IPv6Network]) -> str:
    """Where a request comes from: the nearest address that is no proxy of ours. Whoever is not one can't say otherwise."""
    peer = scope.get("client")
    address = str(peer[0]) if peer else "local"
    told = [item.strip() for item in headers.get("x-forwarded-for", "").split(",") if item.strip()]
    while told and _trusted(address, trusted):
        nearer = told.pop()
        if not _is_address(nearer):
            break
        address = nearer
    return address


def _trusted(address: str, trusted: Sequence[IPv4Network | IPv6Network]) -> bool:
    return _is_address(address) and any(ip_address(address) in network for network in trusted)


def _is_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True


def _refusal(status: int) -> AuditKind:
    return {401: AuditKind.SIGN_IN_FAILED, 429: AuditKind.RATE_LIMITED}.get(status, AuditKind.DENIED)


def _digest(question: str) -> dict[str, Any]:
    """By which a question that is known can be found again; not its words."""
    said = question.strip().encode("utf-8", "replace")
    return {"question_sha256": hashlib.sha256(said).hexdigest(), "question_characters": len(question)}


def _as_id(given: object) -> dict[UUID, None]:
    try:
        return {given if isinstance(given, UUID) else UUID(str(given)): None}
    except ValueError:
        return {}
