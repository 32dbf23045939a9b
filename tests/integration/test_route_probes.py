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
from sqlalchemy import select

from api.app import ROUTERS
from api.deps import Guard
from rag.access.policy import Action
from rag.domain.access import AccessRule, Label, user
from rag.domain.principal import Scope
from rag.store import access_rule, program
from rag.store.base import utc_now
from rag.store.document import Document
from rag.store.program import Program, ProgramFile, ProgramState
from rag.store.repository import Repository
from rag.store.tenant import Tenant
from tests.support.probing import (
    Objects,
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
)
from tests.support.running import Caller, Running

DESCRIPTION = api()
TARGETS, UNKNOWN = targets(DESCRIPTION)
SECRET = "4711-ZULU"
LEAST = 1000
SCIM_USER, SCIM_GROUP = (f"urn:ietf:params:scim:schemas:core:2.0:{sort}" for sort in ("User", "Group"))
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
    "revoked",
    "expired",
    "widget for other collections",
)
"""Callers who may do nothing with any of the owner's objects."""

NOBODY = {"anonymous", "suspended account", "revoked", "expired"}
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
    owner = Caller(
        service, {"Authorization": f"Bearer {service.key(Scope.ADMIN, tenant=tenant)}", "Accept-Language": "en"}
    )
    opened = _furnished(service, owner, "vault")
    # The collections themselves are open to all of the tenant: what is closed are the documents.
    readers = AccessRule(allow=frozenset({user(service.services.rag.authenticate(_secret(owner)).id)}))
    secret = AccessRule(label=Label.CONFIDENTIAL)
    if service.services.rag.database.is_sqlite:
        ruled, labelled = (
            _closed(service, owner, opened, name, rule) for name, rule in (("ruled", readers), ("labelled", secret))
        )
    else:
        ruled = labelled = _closed(service, owner, opened, "ruled", AccessRule(readers.allow, label=secret.label))
    stranger = service.caller()
    own = _furnished(service, stranger, "mine")
    other = owner.collection()
    limits = [UUID(owner.get(f"/api/v1/collections/{other}").json()["id"])]
    keys = service.services.rag.keys
    revoked, row = keys.create(tenant, "revoked", [Scope.ADMIN])
    keys.revoke(row.prefix)
    expired, _ = keys.create(tenant, "expired", [Scope.ADMIN], expires_at=utc_now() - timedelta(seconds=1))
    bare = owner.post("/api/v1/accounts", json={"user_name": "no role"}).json()["id"]
    gone = owner.post("/api/v1/accounts", json={"user_name": "suspended"}).json()["id"]
    owner.post("/api/v1/grants", json={"subject": f"user:{gone}", "role": "admin"})
    suspended = _caller(_key_of(service, tenant, gone), service)
    assert suspended.get("/api/v1/collections").status_code == 200
    assert owner.request("PATCH", f"/api/v1/accounts/{gone}", json={"suspended": True}).status_code == 200
    widget = owner.post("/api/v1/widget-tokens", json={"collections": [other]}).json()["token"]
    callers = {
        "suspended account": suspended,
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


def _key_of(service: Running, tenant: str, account_id: str) -> str:
    """A new key of an account that may do all that its account may."""
    secret, _ = service.services.rag.keys.create(tenant, "of an account", [Scope.ADMIN], owner_id=UUID(account_id))
    return secret


def _secret(caller: Caller) -> str:
    return caller.headers["Authorization"].split()[1]


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
    _until(lambda: not _waiting(service, documents))


def _waiting(service: Running, documents: list[str]) -> list[UUID]:
    """Documents of the tenant of these whose points have not followed their rules."""
    with service.services.rag.database.read() as session:
        tenant_id = session.get_one(Document, UUID(documents[0])).tenant_id
        return list(
            session.scalars(select(Document.id).where(Document.tenant_id == tenant_id, Document.access_pending))
        )


def _closed(service: Running, owner: Caller, opened: Objects, name: str, rule: AccessRule) -> Objects:
    """Documents under a rule, and what speaks of them; the rest is that of the open ones."""
    known = _documents(owner, name)
    _close(service, known["document"], rule)
    filling = opened.filling | {sort: ids[0] for sort, ids in known.items()}
    return Objects({sort: known[sort] for sort in ("document", "chunk", "answer", "file")}, filling)


def _furnished(service: Running, owner: Caller, name: str) -> Objects:
    """One of everything, in a collection of its own."""
    known = _documents(owner, name)
    collection, collection_id = known["collection"]
    [doomed] = owner.ingest(collection, {"vault-doomed.md": "# Vault\n\nNothing is written here.\n"}, timeout_s=300)
    receipt = owner.receipt(owner.delete(f"/api/v1/documents/{doomed['id']}").json()["id"])
    body = {"kind": "folder", "location": "/srv/vault"}
    source = owner.post(f"/api/v1/collections/{collection}/sources", json=body).json()
    known |= {
        "receipt": [receipt["id"]],
        "source": [source["id"]],
        "generation": [_generation(service, owner, collection_id)],
        "repository": [_repository(service, owner, f"{name}-code-{uuid4().hex[:8]}")],
        **_people(owner, name),
    }
    return Objects(known, {sort: ids[0] for sort, ids in known.items()})


def _documents(owner: Caller, name: str) -> dict[str, list[str]]:
    """Two documents, an answer from one, and a file that is the other; each in a collection of its own."""
    text = f"# Vault\n\nThe vault code of the northern branch is {SECRET}, says {name}.\n"
    collection = owner.collection(f"{name}-{uuid4().hex[:8]}")
    [document] = owner.ingest(collection, {"vault.md": text}, timeout_s=300)
    found = owner.post("/api/v1/answers", json={"question": "What is the vault code?", "collections": [collection]})
    answer = found.json()
    chunk = owner.search("vault code northern branch", collections=[collection])[0]["chunk_id"]
    uploaded = owner.post(
        "/v1/files", files={"file": ("vault-file.md", text.encode())}, data={"purpose": "assistants"}
    ).json()
    store = owner.post("/v1/vector_stores", json={"name": f"{name}-store-{uuid4().hex[:8]}"}).json()
    batch = owner.post(f"/v1/vector_stores/{store['id']}/file_batches", json={"file_ids": [uploaded["id"]]}).json()
    placed = f"/v1/vector_stores/{store['id']}/files/{uploaded['id']}"
    _until(lambda: owner.get(placed).json()["status"] == "completed")
    listed = owner.get(f"/api/v1/collections/{store['name']}/documents").json()["documents"]
    return {
        "collection": [collection, document["collection_id"]],
        "document": [document["id"], listed[0]["id"]],
        "chunk": [chunk],
        "answer": [answer["answer_id"]],
        "file": [uploaded["id"], f"file-{UUID(document['id']).hex}"],
        "store": [store["id"]],
        "batch": [batch["id"]],
    }


def _people(owner: Caller, name: str) -> dict[str, list[str]]:
    """An account, a group that it is in, a role of it, a key and a token; a user and a group that came by SCIM."""
    account = owner.post("/api/v1/accounts", json={"user_name": f"{name} keeper"}).json()["id"]
    group = owner.post("/api/v1/groups", json={"name": f"{name} keepers"}).json()["id"]
    owner.post(f"/api/v1/groups/{group}/members", json={"members": [account]})
    grant = owner.post("/api/v1/grants", json={"subject": f"user:{account}", "role": "viewer"}).json()["id"]
    key = owner.post("/api/v1/keys", json={"name": name, "scopes": ["read"]}).json()["id"]
    widget = owner.post("/api/v1/widget-tokens", json={}).json()["id"]
    pushed = owner.post("/scim/v2/Users", json={"schemas": [SCIM_USER], "userName": f"{name} guard"}).json()["id"]
    team = owner.post("/scim/v2/Groups", json={"schemas": [SCIM_GROUP], "displayName": f"{name} guards"}).json()["id"]
    return {
        "account": [account],
        "group": [group],
        "grant": [grant],
        "key": [key],
        "widget": [widget],
        "scim account": [pushed],
        "scim group": [team],
    }


def _until(done: Any, timeout_s: float = 300.0) -> None:
    end = time.monotonic() + timeout_s
    while not done():
        assert time.monotonic() < end
        time.sleep(0.05)


def _generation(service: Running, owner: Caller, collection_id: str) -> str:
    rag = service.services.rag
    principal = rag.authenticate(_secret(owner))
    row = Program(
        id=uuid4(), tenant_id=principal.tenant_id, key_id=principal.id, key_name="owner", title="vault", language="en",
        spec_chars=1, state=ProgramState.DONE,
    )  # fmt: skip
    file = ProgramFile(
        program_id=row.id, ordinal=0, path="vault.py", sha256="0" * 64, size=5, language="python", verdict="ok"
    )
    with rag.database.write() as session:
        program.add(session, row, [UUID(collection_id)])
        session.add(file)
    rag.blobs.put_result(row.id, "file-00000", b"4711\n")
    return str(row.id)


def _repository(service: Running, owner: Caller, collection: str) -> str:
    """One that nobody looks at by itself: its remote is none that the settings allow. In a new collection, of code."""
    rag = service.services.rag
    collection_id = owner.get(f"/api/v1/collections/{owner.collection(collection, 'code')}").json()["id"]
    principal = rag.authenticate(_secret(owner))
    row = Repository(
        id=uuid4(), tenant_id=principal.tenant_id, collection_id=UUID(collection_id), name="vault",
        url="https://git.vault.example/a.git", ref="", credential="", options={}, owner_id=principal.id,
    )  # fmt: skip
    with rag.database.write() as session:
        session.add(row)
    return str(row.id)


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
    tenant_id = service.services.rag.authenticate(_secret(world.owner)).tenant_id
    before, counts, failures = standing(service, tenant_id), Counter[str](), []
    nothings: dict[tuple[Any, ...], tuple[int, str]] = {}
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
            nothings[key] = nothing.status_code, blanked(nothing.text, other)
        status, told = nothings[key]
        if (probe.target.method, probe.target.path) in WITHHELD and probe.actor == "same tenant, no clearance":
            assert refused.json()["answer"]["withheld"] and SECRET not in refused.text
            continue
        allowed = {401, 403, 404} | ({200, 201, 202, 422} if probe.target.slot.filters else set())
        alike = refused.status_code == status and blanked(refused.text, probe.value) == told
        if refused.status_code not in allowed or not alike or SECRET in refused.text:
            failures.append(
                f"{probe.actor}: {probe.target.name} -> {refused.status_code} / {status}\n"
                f"   {refused.text[:300]}\n   {told[:300]}"
            )
    after = standing(service, tenant_id)
    with capsys.disabled():
        sys.stdout.write(f"\nprobes: {sum(counts.values())} {json.dumps(counts, ensure_ascii=False)}\n")
    assert not failures, f"{len(failures)} of {sum(counts.values())}\n" + "\n".join(failures)
    assert changed(before, after) == {}
    assert set(counts) == set(world.callers)
    assert sum(counts.values()) >= LEAST // step


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
    principal = service.services.rag.authenticate(_secret(world.owner))
    with service.services.rag.database.read() as session:
        assert session.get_one(Tenant, principal.tenant_id).name.startswith("owner-")
