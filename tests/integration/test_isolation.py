"""Tenants and keys: every route and every id-bearing field tried from outside, with an identical refusal."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

import pytest
from fastapi import FastAPI
from fastapi.routing import APIRoute
from starlette.responses import Response
from starlette.routing import BaseRoute, Host, Mount, Router

from api.app import ROUTERS, create_app
from api.deps import Guard
from api.mcp.description import PATH as TOOL_DESCRIPTION
from api.mcp.metadata import RESOURCE, WELL_KNOWN
from rag.access.policy import Action
from rag.domain.principal import Scope
from rag.settings_identity import IdentitySettings
from tests.support.furnishing import written_program
from tests.support.running import Caller, Running

PUBLIC = {"/api/v1/health/live", "/api/v1/health/ready"}
SIGN_IN = {
    "/auth/providers",
    "/auth/{provider}/login",
    "/auth/{provider}/callback",
    "/auth/{provider}/backchannel-logout",
}
"""What people without a credential come in by; `test_sign_in.py` says what these do."""
SIGNED = {"/api/v1/repositories/{repository_id}/webhook"}
"""What shows a signature in place of a key; `test_repository_webhooks.py` says what it does."""
SECRET = "The vault code of the northern branch is 4711-ZULU."


@dataclass
class World:
    """A tenant with a secret, a tenant that wants it, and the ids that it might have learnt."""

    owner: Caller
    stranger: Caller
    collection: str
    collection_id: str
    document_id: str
    chunk_id: str
    receipt_id: str
    source_id: str
    generation_id: str
    valid_at: str


@pytest.fixture(scope="module")
def world(service: Running) -> World:
    owner, stranger = service.caller(), service.caller()
    name = owner.collection("vault")
    [document] = owner.ingest(name, {"vault.md": f"# Vault\n\n{SECRET}\n"})
    [passage] = owner.search("vault code")
    [doomed] = owner.ingest(name, {"vault-doomed.md": "# Vault\n\nNothing is written here.\n"})
    receipt = owner.delete(f"/api/v1/documents/{doomed['id']}").json()
    body = {"kind": "folder", "location": "/srv/vault"}
    source = owner.post(f"/api/v1/collections/{name}/sources", json=body).json()
    other = stranger.collection()
    stranger.ingest(other, {"mine.md": "# Mine\n\nThe vault of our own branch has no code.\n"})
    return World(
        owner,
        stranger,
        name,
        document["collection_id"],
        document["id"],
        passage["chunk_id"],
        receipt["id"],
        source["id"],
        written_program(service, owner, document["collection_id"]),
        passage["valid_from"],
    )


def requests(world: World) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Every route with every id-bearing field filled with what belongs to the owner."""
    upload = {"files": [("files", ("x.md", b"intruder"))]}
    for collection in (world.collection, world.collection_id):
        yield "GET", f"/api/v1/collections/{collection}", {}
        yield "GET", f"/api/v1/collections/{collection}/documents", {}
        yield "GET", f"/api/v1/collections/{collection}/documents?parent={world.document_id}", {}
        yield "GET", f"/api/v1/collections/{collection}/documents?flagged=true", {}
        yield "POST", f"/api/v1/collections/{collection}/documents", upload
        yield "GET", f"/api/v1/collections/{collection}/ingestion", {}
        yield "GET", f"/api/v1/collections/{collection}/ingestion/events", {}
        yield "POST", f"/api/v1/collections/{collection}/ingestion/pause", {}
        yield "POST", f"/api/v1/collections/{collection}/ingestion/resume", {}
        yield "POST", f"/api/v1/collections/{collection}/ingestion/retry", {"json": {"states": ["failed"]}}
        yield "POST", f"/api/v1/collections/{collection}/ingestion/cancel", {}
        yield "POST", "/api/v1/search", {"json": {"question": "vault code", "collections": [collection]}}
        yield "POST", "/api/v1/answers", {"json": {"question": "vault code", "collections": [collection]}}
        for mode in ("steps", "deep"):
            body = {"question": "vault code", "collections": [collection], "mode": mode}
            yield "POST", "/api/v1/answers", {"json": body}
        body = {"question": "vault code", "collections": [collection], "model": "vault", "thinking": True}
        yield "POST", "/api/v1/answers", {"json": body}
        for params in ({}, {"explain": "true"}, {"as_of": world.valid_at}):
            wanted = {"params": {"question": "vault code", "collections": collection, **params}}
            yield "GET", "/api/v1/search", wanted
        explained = {"question": "vault code", "collections": [collection], "explain": True}
        yield "POST", "/api/v1/search", {"json": explained}
        for narrowing in (
            {"as_of": world.valid_at},
            {"filter": {"document_ids": [world.document_id]}},
            {"filter": {"source_key": "vault"}},
            {"filter": {"attributes": {"site": "vault"}}},
        ):
            question = {"question": "vault code", "collections": [collection], **narrowing}
            yield "POST", "/api/v1/search", {"json": question}
            yield "POST", "/api/v1/answers", {"json": question}
        wanted = {"params": {"filter": '{"source_key": "vault"}'}}
        yield "GET", f"/api/v1/collections/{collection}/documents", wanted
        yield "GET", f"/api/v1/collections/{collection}/glossary", {}
        yield "PUT", f"/api/v1/collections/{collection}/glossary", {"json": {"terms": []}}
        table = {"content": b"vault,safe", "headers": {"Content-Type": "text/csv"}}
        yield "PUT", f"/api/v1/collections/{collection}/glossary/csv", table
        yield "DELETE", f"/api/v1/collections/{collection}/glossary", {}
        yield "PATCH", f"/api/v1/collections/{collection}", {"json": {"description": "mine now"}}
        yield "PATCH", f"/api/v1/collections/{collection}", {"json": {"retention": {"document_days": 0}}}
        yield "PATCH", f"/api/v1/collections/{collection}", {"json": {"answer_style": {"tone": "plain"}}}
        yield "PATCH", f"/api/v1/collections/{collection}", {"json": {"privacy": {"default": "allow"}}}
        yield "GET", f"/api/v1/collections/{collection}/retention", {}
        yield "DELETE", f"/api/v1/collections/{collection}", {}
        page = {"url": "https://vault.example/a", "html": "<p>intruder</p>", "fetched_at": "2026-01-01T00:00:00Z"}
        yield "POST", f"/api/v1/collections/{collection}/snapshots", {"json": page}
        yield "GET", f"/api/v1/collections/{collection}/access", {}
        yield "PUT", f"/api/v1/collections/{collection}/access", {"json": {"label": "O", "force": True}}
        yield "POST", f"/api/v1/collections/{collection}/documents/access", {"json": {"force": True}}
        of_vault = {"params": {"source": world.source_id}, "files": [("files", ("x.md", b"intruder"))]}
        yield "POST", f"/api/v1/collections/{collection}/documents", of_vault
        location = {"kind": "folder", "location": "/srv/vault"}
        yield "POST", f"/api/v1/collections/{collection}/sources", {"json": location}
        yield "GET", f"/api/v1/collections/{collection}/sources", {}
        order = {"specification": "a safe", "repositories": [collection]}
        yield "POST", "/api/v1/generations", {"json": order}
        yield "GET", f"/v1/models/rag/{collection}", {}
        messages = [{"role": "user", "content": "vault code?"}]
        for stream in (False, True):
            body = {"model": f"rag/{collection}", "messages": messages, "stream": stream}
            yield "POST", "/v1/chat/completions", {"json": body}
            title = [{"role": "user", "content": '### Task:\n### Output:\n{ "title": "x" }'}]
            yield "POST", "/v1/chat/completions", {"json": body | {"messages": title}}
            yield "POST", "/v1/chat/completions", {"json": body | {"citation_style": "inline+footer"}}
            asked = {"model": f"rag/{collection}", "input": "vault code?", "stream": stream}
            for fields in ({}, {"mode": "deep"}, {"generator": "vault", "reasoning": {"effort": "high"}}):
                yield "POST", "/v1/responses", {"json": asked | fields}
        # A collection is no model of any other kind, whoever owns it.
        for kind in ("llm", "embed", "rerank"):
            yield "GET", f"/v1/models/{kind}/{collection}", {}
        yield "POST", "/v1/chat/completions", {"json": {"model": f"llm/{collection}", "messages": messages}}
        yield "POST", "/v1/embeddings", {"json": {"model": f"embed/{collection}", "input": "vault"}}
        for path in ("/v1/rerank", "/rerank"):
            wanted = {"model": f"rerank/{collection}", "query": "vault", "documents": ["vault"]}
            yield "POST", path, {"json": wanted}
        for path in ("/v1/score", "/score"):
            yield "POST", path, {"json": {"model": f"rerank/{collection}", "text_1": "vault", "text_2": ["vault"]}}
    yield "GET", f"/api/v1/documents/{world.document_id}", {}
    yield "GET", f"/api/v1/documents/{world.document_id}/content", {}
    yield "POST", f"/api/v1/documents/{world.document_id}/review", {"json": {"reason": "mine"}}
    yield "POST", f"/api/v1/documents/{world.document_id}/retry", {}
    yield "POST", f"/api/v1/documents/{world.document_id}/cancel", {}
    yield "POST", f"/api/v1/documents/{world.document_id}/release", {"json": {"reason": "mine now"}}
    yield "DELETE", f"/api/v1/documents/{world.document_id}", {}
    yield "GET", f"/api/v1/documents/{world.document_id}/access", {}
    yield "PUT", f"/api/v1/documents/{world.document_id}/access", {"json": {"deny": ["attribute:a=b"], "force": True}}
    yield "GET", f"/api/v1/documents/{world.document_id}/access/explain", {"params": {"subject": "user:vault"}}
    yield "GET", f"/api/v1/chunks/{world.chunk_id}", {}
    for name in (world.document_id, f"doc://{world.document_id}", world.chunk_id):
        yield "POST", "/tools/fetch", {"json": {"id": name}}
    yield "GET", f"/api/v1/chunks/{world.chunk_id}", {"params": {"as_of": world.valid_at}}
    yield "GET", f"/api/v1/documents/{world.document_id}/versions", {}
    yield "PATCH", f"/api/v1/documents/{world.document_id}", {"json": {"attributes": {"site": "mine"}}}
    yield "GET", f"/api/v1/receipts/{world.receipt_id}", {}
    item = {
        "key": "vault.md",
        "fingerprint": "1",
        "content_hash": "0" * 64,
        "size": 1,
        "document_id": world.document_id,
    }
    own = {**item, "access": {"deny": ["attribute:a=b"]}}
    yield "PUT", f"/api/v1/sources/{world.source_id}/items", {"json": {"items": [own]}}
    for part in ("", "/manifest", "/archive", "/files/vault.py"):
        yield "GET", f"/api/v1/generations/{world.generation_id}{part}", {}
    yield "POST", f"/api/v1/generations/{world.generation_id}/cancel", {}
    yield "DELETE", f"/api/v1/generations/{world.generation_id}", {}
    yield "GET", f"/api/v1/sources/{world.source_id}/items", {}
    yield "PUT", f"/api/v1/sources/{world.source_id}/items", {"json": {"items": [item]}}
    yield "POST", f"/api/v1/sources/{world.source_id}/items/delete", {"json": {"keys": ["vault.md"]}}


def without_ids(text: str) -> str:
    """The body with names and ids blanked: what is left must not tell whether they exist."""
    return re.sub(r"[0-9a-f]{8}-[0-9a-f-]{27}|vault|nowhere", "ID", text)


def nothing_was_done(world: World) -> None:
    """What the owner sees is as it was made."""
    assert world.owner.get(f"/api/v1/documents/{world.document_id}").json()["searchable"]
    listed = world.owner.get(f"/api/v1/collections/{world.collection}/documents").json()["documents"]
    assert [item["source_key"] for item in listed] == ["vault.md"]
    collection = world.owner.get(f"/api/v1/collections/{world.collection}").json()
    assert (collection["description"], any(collection["retention"].values())) == ("", False)
    assert not any(collection["answer_style"].values())
    rule = world.owner.get(f"/api/v1/documents/{world.document_id}/access").json()
    assert rule["access"] == rule["collection"] == {"allow": [], "deny": [], "label": "O"}
    assert collection["privacy"]["default"] == "tag" and not collection["privacy"]["kinds"]
    assert listed[0]["attributes"] == {}
    sources = world.owner.get(f"/api/v1/collections/{world.collection}/sources").json()["sources"]
    assert [item["id"] for item in sources] == [world.source_id]
    assert world.owner.get(f"/api/v1/generations/{world.generation_id}/files/vault.py").text == "4711\n"
    assert listed[0]["version"]["state"] == "active"
    assert not world.owner.get(f"/api/v1/collections/{world.collection}/ingestion").json()["paused"]


def test_a_stranger_gets_the_same_answer_as_for_what_does_not_exist_and_does_nothing(world: World) -> None:
    ids = (str(UUID(int=number)) for number in range(1, 7))
    nowhere = World(world.owner, world.stranger, "nowhere", *ids, world.valid_at)
    for (method, path, arguments), (_, absent_path, absent_arguments) in zip(
        requests(world), requests(nowhere), strict=True
    ):
        refused = world.stranger.request(method, path, **arguments)
        absent = world.stranger.request(method, absent_path, **absent_arguments)
        assert refused.status_code == absent.status_code == 404, (method, path)
        assert without_ids(refused.text) == without_ids(absent.text), (method, path)
        assert "4711" not in refused.text
    nothing_was_done(world)


def test_a_collection_of_ones_own_is_no_way_to_another_tenants_documents(world: World) -> None:
    own = world.stranger.collection()
    for parent in (world.document_id, str(UUID(int=7))):
        refused = world.stranger.get(f"/api/v1/collections/{own}/documents", params={"parent": parent})
        assert (refused.status_code, refused.json()["code"]) == (404, "document_not_found")


def test_unscoped_questions_never_reach_another_tenant(world: World) -> None:
    assert all("4711" not in item["text"] for item in world.stranger.search("vault code northern branch ZULU 4711"))
    answer = world.stranger.post("/api/v1/answers", json={"question": "What is the vault code 4711-ZULU?"})
    assert "northern" not in answer.text
    body = {"model": "rag/all", "messages": [{"role": "user", "content": "What is the northern vault code?"}]}
    assert "4711" not in world.stranger.post("/v1/chat/completions", json=body).text
    for shown in ({"citation_style": "inline+footer"}, {"stream": True}):
        asked = world.stranger.post("/v1/chat/completions", json=body | shown, headers={"X-RAG-Client": "open-webui"})
        assert "4711" not in asked.text and world.chunk_id not in asked.text
    models = world.stranger.get("/v1/models").json()["data"]
    assert not any("vault" in item["id"] for item in models)
    status = world.stranger.post("/api/v1/documents/status", json={"ids": [world.document_id]}).json()
    assert status["documents"] == []
    assert world.stranger.get("/api/v1/receipts").json()["receipts"] == []
    assert world.stranger.get("/api/v1/generations").json()["generations"] == []
    for field in ("document_id", "parent_id"):
        for identity in (world.document_id, world.receipt_id):
            listed = world.stranger.get("/api/v1/receipts", params={field: identity}).json()
            assert listed["receipts"] == []


def test_the_ingestion_of_all_is_that_of_the_callers_own_tenant(service: Running, world: World) -> None:
    stranger = service.caller()
    seen = stranger.get("/api/v1/ingestion").json()
    assert (seen["active"], seen["queued"], seen["paused"]) == (0, 0, False)
    assert stranger.post("/api/v1/ingestion/pause").status_code == 200
    assert not world.owner.get("/api/v1/ingestion").json()["paused"]
    assert world.owner.get("/api/v1/ingestion").json()["active"] == 1


def test_another_tenants_words_do_not_change_scores(service: Running) -> None:
    quiet, loud = service.caller(), service.caller()
    name = quiet.collection()
    quiet.ingest(name, {"a.md": "# A\n\nheliotrope mirrors\n", "b.md": "# B\n\nplain windows\n"})
    before = [(item["source_key"], item["score"]) for item in quiet.search("heliotrope mirrors")]
    flood = {f"{i}.md": "# F\n\nheliotrope heliotrope mirrors\n" + f"text {i}\n" for i in range(20)}
    loud.ingest(loud.collection(), flood)
    assert [(item["source_key"], item["score"]) for item in quiet.search("heliotrope mirrors")] == before


def test_a_key_for_one_collection_sees_only_that(service: Running) -> None:
    owner = service.caller()
    open_name, closed_name = owner.collection(), owner.collection()
    owner.ingest(open_name, {"open.md": "# Open\n\nthe canteen opens at eight\n"})
    owner.ingest(closed_name, {"closed.md": "# Closed\n\nthe canteen budget is secret\n"})
    open_id = owner.get(f"/api/v1/collections/{open_name}").json()["id"]
    tenant = service.services.rag.authenticate(owner.headers["Authorization"].split()[1]).tenant_id
    secret = _key_in_tenant(service, tenant, [Scope.READ], [UUID(open_id)])
    limited = Caller(service, {"Authorization": f"Bearer {secret}"})
    assert {item["source_key"] for item in limited.search("canteen")} == {"open.md"}
    assert limited.get(f"/api/v1/collections/{closed_name}").status_code == 404
    assert [item["name"] for item in limited.get("/api/v1/collections").json()["collections"]] == [open_name]


def test_a_key_for_one_collection_learns_no_names_of_others(service: Running) -> None:
    owner = service.caller()
    own, secret_name = owner.collection(), owner.collection("비밀 감사")
    found = owner.get(f"/api/v1/collections/{own}").json()
    tenant = service.services.rag.authenticate(owner.headers["Authorization"].split()[1]).tenant_id
    key = _key_in_tenant(service, tenant, [Scope.ADMIN], [UUID(found["id"])])
    limited = Caller(service, {"Authorization": f"Bearer {key}"})
    for name in (secret_name, "아직 없는 이름"):
        made = limited.post("/api/v1/collections", json={"name": name})
        renamed = limited.request("PATCH", f"/api/v1/collections/{own}", json={"name": name})
        assert {(answer.status_code, answer.json()["code"]) for answer in (made, renamed)} == {(403, "not_permitted")}
    assert limited.request("PATCH", f"/api/v1/collections/{own}", json={"description": "x"}).status_code == 200
    assert owner.get(f"/api/v1/collections/{own}").json()["name"] == own


def _key_in_tenant(service: Running, tenant_id: UUID, scopes: list[Scope], collections: list[UUID]) -> str:
    from rag.store.tenant import Tenant

    with service.services.rag.database.read() as session:
        name = session.get_one(Tenant, tenant_id).name
    return service.key(*scopes, tenant=name, collections=collections)


@pytest.mark.parametrize(
    ("method", "path", "arguments"),
    [
        ("POST", "/api/v1/collections", {"json": {"name": "new"}}),
        ("POST", "/api/v1/collections/c/documents", {"files": [("files", ("x.md", b"x"))]}),
        ("DELETE", "/api/v1/documents/00000000-0000-0000-0000-000000000000", {}),
        ("PATCH", "/api/v1/documents/00000000-0000-0000-0000-000000000000", {"json": {"attributes": {"a": 1}}}),
        ("PATCH", "/api/v1/collections/c", {"json": {"description": "x"}}),
        ("DELETE", "/api/v1/collections/c", {}),
        ("PUT", "/api/v1/collections/c/glossary", {"json": {"terms": []}}),
        ("PUT", "/api/v1/collections/c/glossary/csv", {"content": b"a,b", "headers": {"Content-Type": "text/csv"}}),
        ("DELETE", "/api/v1/collections/c/glossary", {}),
        ("GET", "/api/v1/receipts", {}),
        ("POST", "/api/v1/collections/c/sources", {"json": {"kind": "folder", "location": "/x"}}),
        ("POST", "/api/v1/sources/00000000-0000-0000-0000-000000000000/items/delete", {"json": {"keys": ["x"]}}),
        ("POST", "/api/v1/documents/00000000-0000-0000-0000-000000000000/retry", {}),
        ("POST", "/api/v1/documents/00000000-0000-0000-0000-000000000000/cancel", {}),
        ("POST", "/api/v1/collections/c/ingestion/pause", {}),
        ("POST", "/api/v1/collections/c/ingestion/resume", {}),
        ("POST", "/api/v1/collections/c/ingestion/retry", {"json": {}}),
        ("POST", "/api/v1/collections/c/ingestion/cancel", {}),
        ("PUT", "/api/v1/documents/00000000-0000-0000-0000-000000000000/access", {"json": {}}),
        ("PUT", "/api/v1/collections/c/access", {"json": {}}),
        ("POST", "/api/v1/collections/c/documents/access", {"json": {}}),
        ("POST", "/api/v1/ingestion/pause", {}),
        ("POST", "/api/v1/ingestion/resume", {}),
    ],
)
def test_a_read_key_changes_nothing(service: Running, method: str, path: str, arguments: dict[str, Any]) -> None:
    response = service.caller(Scope.READ).request(method, path, **arguments)
    assert (response.status_code, response.json()["code"]) == (403, "not_permitted")


def test_a_revoked_key_is_refused_at_once(service: Running) -> None:
    secret = service.key(Scope.READ, tenant="revoking")
    caller = Caller(service, {"Authorization": f"Bearer {secret}"})
    assert caller.get("/api/v1/collections").status_code == 200
    assert service.services.rag.keys.revoke("_".join(secret.split("_", 2)[:2]))
    assert caller.get("/api/v1/collections").status_code == 401


def guards(route: APIRoute) -> list[Action]:
    """Actions that the route's dependencies are bound to."""
    return [d.call.action for d in route.dependant.dependencies if isinstance(d.call, Guard)]


def test_every_route_is_behind_the_policy() -> None:
    checked = set()
    for prefix, router in ROUTERS:
        for route in router.routes:
            assert isinstance(route, APIRoute)
            path = prefix + route.path
            assert len(guards(route)) == (0 if path in PUBLIC | SIGN_IN | SIGNED else 1), (
                f"{route.methods} {path} has no policy"
            )
            checked.add(path.replace(":path", ""))
    # What the application really serves is what was checked, and nothing beside it.
    assert set(create_app().openapi()["paths"]) == checked


UNDESCRIBED = {
    "/api/v1/openapi.json": "the description of the routes, the same for everybody",
    TOOL_DESCRIPTION: "the description of the tools, the same for everybody",
    WELL_KNOWN: "who gives tokens (RFC 9728), for clients that have none yet",
    WELL_KNOWN + RESOURCE: "the same, for the one resource",
}
"""What is served beside the routers, and in no description: it says the same to everybody."""


def served_by(routes: Sequence[BaseRoute], prefix: str = "") -> Iterator[tuple[str, BaseRoute]]:
    """Every route that requests are matched against, however it was added, those of routers and mounts too."""
    for route in routes:
        included = getattr(route, "original_router", None)  # FastAPI's own record of a router that was included
        if included is not None:
            yield from served_by(included.routes, prefix + route.include_context.prefix)  # type: ignore[attr-defined]
            continue
        path = prefix + str(getattr(route, "path", ""))
        if isinstance(route, Mount | Host | Router):
            yield from served_by(route.routes or (), path)
        else:
            yield path, route


def unguarded(app: FastAPI) -> list[str]:
    """Routes of an application that neither the policy guards nor a list names, whether they are described or not."""
    found = []
    for path, route in served_by(app.routes):
        named = path.replace(":path", "") in PUBLIC | SIGN_IN | SIGNED | set(UNDESCRIBED)
        if not named and not (isinstance(route, APIRoute) and len(guards(route)) == 1):
            found.append(f"{path} ({type(route).__name__}) has no policy")
    mounted = [route for route in app.routes if isinstance(route, Mount | Host)]
    return found + [f"{getattr(route, 'path', '?')} is mounted: nothing in it is known here" for route in mounted]


def test_nothing_is_served_that_no_description_tells(service: Running) -> None:
    """The routes themselves, not what the description shows of them: a hidden route, a mount and a bare one are found."""
    sso = {"name": "sso", "tenant": "bank", "issuer": "https://sso.example", "client_id": "seogo", "audiences": ["a"]}
    rag = service.services.rag
    settings = rag.settings.model_copy(update={"identity": IdentitySettings.model_validate({"oidc": [sso]})})
    services = replace(service.services, rag=replace(rag, settings=settings))

    def made() -> FastAPI:
        return create_app(services)

    app = made()
    assert unguarded(app) == []
    paths = [path for path, _ in served_by(app.routes)]
    assert set(UNDESCRIBED) <= set(paths) and len(paths) > 150
    hidden, bare, mounted, websocket = made(), made(), made(), made()
    hidden.add_api_route("/api/v1/debug", lambda: "", include_in_schema=False)
    bare.add_route("/debug", lambda request: Response(), include_in_schema=False)
    mounted.mount("/files", Router())
    websocket.add_api_websocket_route("/ws", lambda socket: None)
    assert [len(unguarded(each)) for each in (hidden, bare, mounted, websocket)] == [1, 1, 1, 1]


def test_without_a_key_every_route_but_health_is_closed(service: Running, world: World) -> None:
    for method, path, arguments in requests(world):
        response = service.http.request(method, path, **arguments)
        assert response.status_code == 401, (method, path)
    for path in PUBLIC:
        assert service.http.get(path).status_code == 200


def test_a_key_for_one_collection_reads_the_receipts_of_that_alone(service: Running) -> None:
    owner = service.caller()
    names = [owner.collection(), owner.collection()]
    receipts = []
    for name in names:
        [document] = owner.ingest(name, {"a.md": f"# A\n\nwords of {name}\n"})
        receipts.append(owner.delete(f"/api/v1/documents/{document['id']}").json())
    receipts.append(owner.delete(f"/api/v1/collections/{names[1]}").json())
    tenant = service.services.rag.authenticate(owner.headers["Authorization"].split()[1]).tenant_id
    first = UUID(receipts[0]["collection_id"])
    limited = Caller(service, {"Authorization": f"Bearer {_key_in_tenant(service, tenant, [Scope.WRITE], [first])}"})
    assert [limited.get(f"/api/v1/receipts/{item['id']}").status_code for item in receipts] == [200, 404, 404]
    assert [item["id"] for item in limited.get("/api/v1/receipts").json()["receipts"]] == [receipts[0]["id"]]
    assert [owner.get(f"/api/v1/receipts/{item['id']}").status_code for item in receipts] == [200] * 3
