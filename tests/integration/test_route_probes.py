"""Every route × every field that holds an id × every kind of caller without the right: refused alike, and nothing done."""

from __future__ import annotations

import json
import sys
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from itertools import islice
from typing import Any
from uuid import UUID, uuid4

import pytest
from anyio.from_thread import start_blocking_portal
from fastapi.routing import APIRoute
from sqlalchemy import func, select

from api.app import ROUTERS
from api.deps import Guard
from rag.access.federation import open_federation
from rag.access.policy import Action
from rag.domain.access import AccessRule, Label, user
from rag.domain.principal import Scope
from rag.settings_identity import IdentitySettings
from rag.store import access_rule
from rag.store.audit_event import AuditRow
from rag.store.base import utc_now
from rag.store.document import Document
from rag.store.tenant import Tenant
from tests.support.audit_kinds import UNRECORDED, written
from tests.support.furnishing import VAULT, documents, furnished, secret_of, session_of, until
from tests.support.oidc_provider import FakeProvider
from tests.support.probing import (
    Objects,
    Slot,
    Target,
    absent,
    api,
    blanked,
    changed,
    fields_of,
    request_for,
    routes,
    shape_of,
    standing,
    targets,
    told_by,
)
from tests.support.running import Caller, Running

DESCRIPTION = api()
TARGETS, UNKNOWN = targets(DESCRIPTION)
LEAST = 1000
READING = {"GET", "HEAD"}
ASKING = {
    "/api/v1/documents/status", "/api/v1/search", "/api/v1/answers", "/v1/chat/completions", "/v1/responses",
    "/v1/vector_stores/{store_id}/search", "/dify/retrieval", "/continue/context", "/v1/embeddings", "/v1/rerank",
    "/rerank", "/v1/score", "/score", "/api/v1/answers/{answer}/feedback",
    "/api/v1/widget-tokens",
    "/api/v1/code/search", "/api/v1/code/map", "/api/v1/code/pack",
    "/tools/search", "/tools/fetch", "/tools/search_code", "/tools/list_knowledge_bases", "/tools/ask", "/mcp",
}  # fmt: skip
"""Routes that a key which reads may use though they are sent by POST (see `UNSAFE_WITH_READ`)."""


OUTSIDE = (
    "anonymous",
    "another tenant",
    "same tenant, other collections",
    "same tenant, no role",
    "suspended account",
    "suspended session",
    "suspended token",
    "revoked",
    "expired",
    "widget for other collections",
)
"""Callers who may do nothing with any of the owner's objects."""

NOBODY = {"anonymous", "suspended account", "suspended session", "suspended token", "revoked", "expired"}
"""Those of them whose credential says nothing: what is aimed at is not even looked for."""

WITHHELD = {
    (
        "GET",
        "/api/v1/answers/{answer}/replay",
    ): "an auditor learns what was asked and on which documents, and no word of them"
}


@dataclass
class World:
    """The owner's objects, open ones and such as nobody but the owner may read, and the callers without the right."""

    owner: Caller
    open: Objects
    ruled: Objects
    labelled: Objects
    own: Objects
    callers: dict[str, Caller]


@pytest.fixture(scope="module")
def world(service: Running) -> Iterator[World]:
    if not service.services.rag.database.is_sqlite:  # few requests
        yield _world(service)
        return
    # One event loop for all requests, as in a server: the client's own would be one for each.
    with start_blocking_portal() as portal:
        service.http.portal = portal
        yield _world(service)
        service.http.portal = None


def _world(service: Running) -> World:
    tenant = f"owner-{uuid4().hex[:8]}"
    owner = _caller(service.key(Scope.ADMIN, Scope.OPERATOR, tenant=tenant), service)
    opened = furnished(service, owner, "vault")
    # The collections themselves are open to all of the tenant: what is closed are the documents.
    readers = AccessRule(allow=frozenset({user(service.services.rag.authenticate(secret_of(owner)).id)}))
    secret = AccessRule(label=Label.CONFIDENTIAL)
    if service.services.rag.database.is_sqlite:
        ruled, labelled = (
            _closed(service, owner, opened, name, rule) for name, rule in (("ruled", readers), ("labelled", secret))
        )
    else:
        ruled = labelled = _closed(service, owner, opened, "ruled", AccessRule(readers.allow, label=secret.label))
    stranger = service.caller()
    own = furnished(service, stranger, "mine")
    other = owner.collection()
    limits = [UUID(owner.get(f"/api/v1/collections/{other}").json()["id"])]
    keys = service.services.rag.keys
    revoked, row = keys.create(tenant, "revoked", [Scope.ADMIN])
    keys.revoke(row.prefix)
    expired, _ = keys.create(tenant, "expired", [Scope.ADMIN], expires_at=utc_now() - timedelta(seconds=1))
    bare = owner.post("/api/v1/accounts", json={"user_name": "no role"}).json()["id"]
    widget = owner.post("/api/v1/widget-tokens", json={"collections": [other]}).json()["token"]
    callers = {
        **_suspended(service, owner, tenant),
        "same tenant, no role": _caller(_key_of(service, tenant, bare), service),
        "widget for other collections": _caller(widget, service),
        "anonymous": Caller(service, {}),
        "another tenant": stranger,
        "same tenant, other collections": _caller(service.key(Scope.ADMIN, tenant=tenant, collections=limits), service),
        "same tenant, not among the readers": _caller(service.key(Scope.WRITE, tenant=tenant), service),
        "same tenant, no clearance": _caller(service.key(Scope.ADMIN, tenant=tenant), service),
        "same tenant, read only": _caller(service.key(Scope.READ, tenant=tenant), service),
        "revoked": _caller(revoked, service),
        "expired": _caller(expired, service),
    }
    return World(owner, opened, ruled, labelled, own, callers)


def _suspended(service: Running, owner: Caller, tenant: str) -> dict[str, Caller]:
    """An admin with a key, a session and a provider's token, each of which opened the door before the account was suspended."""
    rag, provider = service.services.rag, FakeProvider(now=time.time())
    sso = {"name": "sso", "tenant": tenant, "issuer": provider.issuer, "client_id": "seogo", "audiences": ["seogo-api"]}
    settings = IdentitySettings.model_validate({"oidc": [{**sso, "provision": True, "default_role": "viewer"}]})
    open_federation(settings, rag.database, rag.identities, rag.audit, provider.transport())
    token = {"Authorization": f"Bearer {provider.token(provider.claims(sub='gone', exp=int(provider.now) + 3600))}"}
    gone = service.http.get("/api/v1/me", headers=token).json()["id"]
    assert owner.post("/api/v1/grants", json={"subject": f"user:{gone}", "role": "admin"}).status_code == 201
    callers = {
        "suspended account": _caller(_key_of(service, tenant, gone), service),
        "suspended session": Caller(service, session_of(service, owner, gone).headers | {"Accept-Language": "en"}),
        "suspended token": Caller(service, token | {"Accept-Language": "en"}),
    }
    for name, caller in callers.items():
        assert caller.get("/api/v1/collections").status_code == 200, name
        made = caller.post("/api/v1/collections", json={"name": f"by {name}"})
        assert made.status_code == (201 if "session" in name else made.status_code), (name, made.text)
    assert owner.request("PATCH", f"/api/v1/accounts/{gone}", json={"suspended": True}).status_code == 200
    return callers


def _key_of(service: Running, tenant: str, account_id: str) -> str:
    """A new key of an account that may do all that its account may."""
    secret, _ = service.services.rag.keys.create(tenant, "of an account", [Scope.ADMIN], owner_id=UUID(account_id))
    return secret


def _caller(secret: str, service: Running) -> Caller:
    return Caller(service, {"Authorization": f"Bearer {secret}", "Accept-Language": "en"})


def _close(service: Running, documents: list[str], rule: AccessRule) -> None:
    """Give documents a rule, and wait until their points have followed: before, they are no candidates for anybody."""
    rag = service.services.rag
    with rag.database.write() as session:
        for identity in documents:
            access_rule.set_own_rule(session, session.get_one(Document, UUID(identity)), rule)
    for identity in documents:
        service.services.ingest.jobs.upkeep.relabel(UUID(identity))
    until(lambda: not _waiting(service, documents))


def _waiting(service: Running, documents: list[str]) -> list[UUID]:
    """Documents of the tenant of these whose points have not followed their rules."""
    with service.services.rag.database.read() as session:
        tenant_id = session.get_one(Document, UUID(documents[0])).tenant_id
        return list(
            session.scalars(select(Document.id).where(Document.tenant_id == tenant_id, Document.access_pending))
        )


def _closed(service: Running, owner: Caller, opened: Objects, name: str, rule: AccessRule) -> Objects:
    """Documents under a rule, and what speaks of them; the rest is that of the open ones."""
    known = documents(owner, name)
    _close(service, known["document"], rule)
    filling = opened.filling | {sort: ids[0] for sort, ids in known.items()}
    return Objects({sort: known[sort] for sort in ("document", "chunk", "answer", "file")}, filling)


@dataclass(frozen=True)
class Probe:
    """One request that must be refused, and what stands in its other fields."""

    actor: str
    target: Target
    value: str
    filling: dict[str, str]


def probes(world: World) -> Iterator[Probe]:
    """Every route and field for every caller without the right."""
    for target in TARGETS:
        sort = target.slot.sort
        # A field beside others: the caller's own objects stand there, so that only the field aimed at can refuse.
        for actor in OUTSIDE:
            filling = (world.own if actor == "another tenant" and target.where[0] != "path" else world.open).filling
            for value in world.open.known[sort][: 1 if actor in NOBODY else None]:
                yield Probe(actor, target, value, filling)
        for actor, objects in (
            ("same tenant, not among the readers", world.ruled),
            ("same tenant, no clearance", world.labelled),
        ):
            for value in objects.known.get(sort, ()):
                yield Probe(actor, target, value, objects.filling)
        if target.method not in READING and target.path not in ASKING:
            for value in world.open.known[sort]:
                yield Probe("same tenant, read only", target, value, world.open.filling)


def _send(world: World, probe: Probe, value: str) -> Any:
    wanted = request_for(DESCRIPTION, probe.target, value, probe.filling)
    return world.callers[probe.actor].request(wanted.method, wanted.path, **wanted.arguments)


def test_every_field_that_looks_like_an_id_is_probed_or_declared() -> None:
    assert UNKNOWN == []


@pytest.mark.timeout(1200)  # with all that it is aimed at, which is made first; some two minutes on a core of its own
def test_every_probe_is_refused_as_if_nothing_were_there(service: Running, world: World, capsys: Any) -> None:
    tenant_id = service.services.rag.authenticate(secret_of(world.owner)).tenant_id
    before, counts, failures = standing(service, tenant_id), Counter[str](), []
    nothings: dict[tuple[Any, ...], tuple[int, str, dict[str, str]]] = {}
    # The whole on SQLite; on PostgreSQL, where only the database differs, a tenth.
    step = 1 if service.services.rag.database.is_sqlite else 10
    for probe in islice(probes(world), 0, None, step):
        counts[probe.actor] += 1
        refused = _send(world, probe, probe.value)
        # What nothing is answered with is the same however often it is asked: once for all ids of a shape.
        key = (probe.actor, probe.target.name, shape_of(probe.value), *sorted(probe.filling.items()))
        if key not in nothings:
            other = absent(probe.value)
            nothing = _send(world, probe, other)
            nothings[key] = nothing.status_code, blanked(nothing.text, other), told_by(nothing.headers, other)
        status, told, headers = nothings[key]
        if (probe.target.method, probe.target.path) in WITHHELD and probe.actor == "same tenant, no clearance":
            assert refused.json()["answer"]["withheld"] and VAULT not in refused.text
            continue
        allowed = {401, 403, 404} | ({200, 201, 202, 422} if probe.target.slot.filters else set())
        alike = refused.status_code == status and blanked(refused.text, probe.value) == told
        alike = alike and told_by(refused.headers, probe.value) == headers
        if refused.status_code not in allowed or not alike or VAULT in refused.text:
            failures.append(
                f"{probe.actor}: {probe.target.name} -> {refused.status_code} / {status}\n"
                f"   {refused.text[:300]}\n   {told[:300]}\n"
                f"   {sorted(told_by(refused.headers, probe.value).items() ^ headers.items())}"
            )
    after = standing(service, tenant_id)
    with capsys.disabled():
        sys.stdout.write(f"\nprobes: {sum(counts.values())} {json.dumps(counts, ensure_ascii=False)}\n")
    assert not failures, f"{len(failures)} of {sum(counts.values())}\n" + "\n".join(failures)
    assert changed(before, after) == {}
    assert set(counts) == set(world.callers)
    assert sum(counts.values()) >= LEAST // step


def test_a_side_effect_would_be_seen(service: Running, world: World) -> None:
    """A file in the blobs, one beside the mirrors, a job and a header: none of them is in a row of the store."""
    rag, tenant_id = service.services.rag, service.services.rag.authenticate(secret_of(world.owner)).tenant_id
    before = standing(service, tenant_id)
    assert changed(before, standing(service, tenant_id)) == {}
    ref = rag.blobs.put_original(b"left behind by a refused request")
    left = rag.settings.mirror_folder() / "left-behind"
    left.parent.mkdir(parents=True, exist_ok=True)
    left.write_text("x")
    assert set(changed(before, standing(service, tenant_id))) == {"blobs", "mirrors"}
    rag.blobs.delete_original(ref.content_hash)
    left.unlink()
    assert changed(before, standing(service, tenant_id)) == {} and before["jobs"], "there were jobs, and no other came"
    refused = world.callers["anonymous"].get("/api/v1/collections")
    assert told_by(refused.headers) != told_by({**refused.headers, "X-Documents": "2"})
    assert told_by(refused.headers) == told_by({**refused.headers, "Date": "x", "X-Request-Id": "y"})


_OF_A_REPOSITORY = ("ref_not_found", "document_not_found")


def test_the_owner_is_let_in_everywhere(world: World) -> None:
    """Proof that the requests are valid: what refuses the others is the right, not the form."""
    for target in TARGETS:
        if target.method in READING or target.path in ASKING:
            wanted = request_for(DESCRIPTION, target, world.open.known[target.slot.sort][0], world.open.filling)
            if not wanted.path.endswith("/events"):  # does not end by itself
                response = world.owner.request(wanted.method, wanted.path, **wanted.arguments)
                # Branches and paths are the repository's own: that it has none of this name, only those are told who may see it.
                inside = target.path.startswith("/api/v1/repositories/") and response.status_code >= 400
                let_in = response.status_code < 400 or (inside and response.json()["code"] in _OF_A_REPOSITORY)
                assert let_in, (target.name, response.text)


def _guards(route: APIRoute) -> list[Action]:
    return [item.call.action for item in route.dependant.dependencies if isinstance(item.call, Guard)]


UNSAFE_WITH_READ = {
    Action.SEARCH: "a question is sent by POST",
    Action.READ_CODE: "a task is sent by POST",
    Action.ASK: "a question is sent by POST",
    Action.GIVE_FEEDBACK: "whoever may ask may say what the answer was worth",
    Action.ISSUE_WIDGET_TOKENS: "a token never does more than the key that it is made with",
    Action.READ_OWN_IDENTITY: "the end of one's own session",
    Action.USE_MODELS: "texts are sent by POST",
    Action.READ_DOCUMENTS: "a list of ids is sent by POST",
    Action.LIST_COLLECTIONS: "tools are called by POST",
    Action.LIST_MODELS: "messages of a protocol are sent by POST",
}


def test_every_action_fits_the_method_of_its_routes_and_is_used() -> None:
    used = set()
    for _, router in ROUTERS:
        for route in router.routes:
            assert isinstance(route, APIRoute)
            for action in _guards(route):
                used.add(action)
                unsafe = not route.methods <= READING
                if unsafe and action.scope is Scope.READ:
                    assert action in UNSAFE_WITH_READ, f"{route.methods} {route.path} changes something with a read key"
    assert used == set(Action)


def test_no_route_takes_its_tenant_from_the_request() -> None:
    for method, path, operation in routes(DESCRIPTION):
        named = [where for where in fields_of(DESCRIPTION, operation) if "tenant" in where[-1].lower()]
        assert named == [], f"{method} {path}"


def test_the_tenant_of_the_probes_is_not_the_default_one(service: Running, world: World) -> None:
    principal = service.services.rag.authenticate(secret_of(world.owner))
    with service.services.rag.database.read() as session:
        assert session.get_one(Tenant, principal.tenant_id).name.startswith("owner-")


NOT_DEEDS = {"/api/v1/collections/{name}/ingestion/events": "does not end by itself"}


def test_whatever_the_owner_does_is_on_the_trail_as_what_it_is(service: Running, world: World) -> None:
    """Every route once, done by somebody who may, what destroys last: the entry has the kind that is written for the route."""
    if not service.services.rag.database.is_sqlite:
        pytest.skip("the kinds are the same on every store")
    tenant_id = service.services.rag.authenticate(secret_of(world.owner)).tenant_id
    kinds = {route.replace(":path", ""): kind for route, kind in written().items()}
    # Who reads first, who makes next; and what goes with something else goes before it.
    ways, first = ("GET", "POST", "PUT", "PATCH", "DELETE"), "/api/v1/grants/{grant_id}"
    order = sorted(routes(DESCRIPTION), key=lambda item: (ways.index(item[0]), item[1] != first, -len(item[1])))
    wrong, done = [], set[str]()
    for method, path, _ in order:
        kind = kinds.get(f"{method} {path}")
        if kind is None or path in NOT_DEEDS:
            continue
        since = _last_entry(service, tenant_id)
        target = Target(method, path, ("nowhere",), Slot(""))
        wanted = request_for(DESCRIPTION, target, "", world.open.filling)
        response = world.owner.request(wanted.method, wanted.path, **wanted.arguments)
        found = [(row.kind, row.outcome) for row in _entries(service, tenant_id, since)]
        done |= {told for told, outcome in found if outcome == "done"}
        expected = {"refusal.denied"} if response.status_code == 403 else {kind} - {UNRECORDED}
        if not expected <= {told for told, _ in found} or (not expected and found):
            wrong.append(f"{method} {path}: {response.status_code}, {found}, should be {kind}")
    assert not wrong, "\n".join(wrong)
    assert set(kinds.values()) - done - {UNRECORDED} == set(ELSEWHERE), (
        "kinds that no request of the owner came to the end of"
    )


ELSEWHERE = {
    "authentication.signed_out": "of a browser's session: test_sign_in.py",
    "authentication.session_ended": "of one's own account: test_sign_in.py",
    "model.used": "there is no such model here: test_openai_models.py",
    "repository.added": "from a host that the settings allow: test_repositories.py",
    "repository.changed": "one that has such a host: test_repositories.py",
    "setting.space_changed": "to another space: test_migration.py",
}
"""Kinds whose deed is put on the trail here as one that was rejected, and where it is done to its end."""


def _last_entry(service: Running, tenant_id: UUID) -> int:
    """Number of the newest entry; to read all of them before each request would take most of the test."""
    with service.services.rag.database.read() as session:
        return session.scalars(select(func.max(AuditRow.seq)).where(AuditRow.tenant_id == tenant_id)).one()


def _entries(service: Running, tenant_id: UUID, since: int) -> list[AuditRow]:
    with service.services.rag.database.read() as session:
        query = select(AuditRow).where(AuditRow.tenant_id == tenant_id, AuditRow.seq > since).order_by(AuditRow.seq)
        return list(session.scalars(query))
