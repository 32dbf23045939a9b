"""People, roles and keys over the API: who may give what to whom, and that a tenant sees its own only."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from starlette.testclient import TestClient

from api.app import create_app
from api.settings import ConnectionSettings
from rag.access.identities import CredentialKind
from rag.domain.access import EVERYONE, Label, Role, Subject, user
from rag.domain.principal import Scope
from rag.store.base import utc_now
from rag.store.role_grant import RoleGrant
from rag.store.tenant import ensure_tenant
from tests.support.running import Caller, Running

NOBODY = str(UUID(int=9))


def as_key(service: Running, secret: str) -> Caller:
    return Caller(service, {"Authorization": f"Bearer {secret}", "Accept-Language": "ko"})


def new_account(admin: Caller, name: str | None = None, **fields: Any) -> str:
    made = admin.post("/api/v1/accounts", json={"user_name": name or f"직원-{uuid4().hex[:8]}", **fields})
    assert made.status_code == 201, made.text
    return str(made.json()["id"])


def new_group(admin: Caller, *members: str) -> str:
    made = admin.post("/api/v1/groups", json={"name": f"부서-{uuid4().hex[:8]}"})
    assert made.status_code == 201, made.text
    identity = str(made.json()["id"])
    put = admin.request("PUT", f"/api/v1/groups/{identity}/members", json={"members": list(members)})
    assert put.json()["members"] == sorted(members)
    return identity


def grant(admin: Caller, subject: str, role: str, collection: str | None = None) -> Any:
    return admin.post("/api/v1/grants", json={"subject": subject, "role": role, "collection": collection})


def key_of(admin: Caller, account: str | None, *scopes: str, **fields: Any) -> Any:
    body = {"name": "열쇠", "scopes": scopes or ["read"], "owner_id": account, **fields}
    return admin.post("/api/v1/keys", json=body)


def person(service: Running, admin: Caller, account: str, *scopes: str) -> Caller:
    """With a key that the person was given at the command line: no administrator makes one for another."""
    tenant = admin.get("/api/v1/me").json()["tenant"]
    held = [Scope(scope) for scope in scopes or ("read",)]
    secret, _ = service.services.rag.keys.create(tenant, "열쇠", held, owner_id=UUID(account))
    return as_key(service, secret)


def names(caller: Caller) -> set[str]:
    return {item["name"] for item in caller.get("/api/v1/collections").json()["collections"]}


def test_roles_come_by_nested_groups_and_go_with_them(service: Running) -> None:
    admin = service.caller()
    rules, wages = admin.collection("규정"), admin.collection("급여")
    kim = new_account(admin, "김민지", attributes={"dept": ["인사팀"]})
    team = new_group(admin, kim)
    house = new_group(admin, team)
    assert admin.post(f"/api/v1/groups/{team}/members", json={"members": [house]}).status_code == 200, "a circle"
    caller = person(service, admin, kim, "read", "write")
    assert names(caller) == set()
    given = grant(admin, f"group:{house}", "viewer", rules).json()
    assert names(caller) == {rules}
    assert caller.upload(rules, {"a.md": "# A\n"}).status_code == 404, "a viewer"
    by_attribute = grant(admin, "attribute:dept=인사팀", "contributor", wages)
    assert by_attribute.status_code == 201
    assert names(caller) == {rules, wages}
    assert caller.upload(wages, {"a.md": "# A\n"}).status_code == 202
    me = caller.get("/api/v1/me").json()
    assert (me["id"], me["kind"], me["name"], me["role"]) == (kim, "user", "김민지", None)
    assert {item["id"] for item in me["groups"]} == {team, house}
    assert {(item["collection"], item["role"]) for item in me["roles"]} == {(rules, "viewer"), (wages, "contributor")}
    assert me["attributes"] == {"dept": ["인사팀"]}
    assert admin.request("PATCH", f"/api/v1/accounts/{kim}", json={"attributes": {}}).status_code == 200
    assert names(caller) == {rules}
    assert admin.delete(f"/api/v1/groups/{team}/members/{kim}").status_code == 204
    assert names(caller) == set()
    admin.post(f"/api/v1/groups/{house}/members", json={"members": [kim]})
    assert names(caller) == {rules}
    assert admin.delete(f"/api/v1/grants/{given['id']}").status_code == 204
    assert names(caller) == set()
    grant(admin, f"group:{house}", "admin")
    assert names(caller) == {rules, wages}
    assert admin.delete(f"/api/v1/groups/{house}").status_code == 204
    assert names(caller) == set()
    grant(admin, "everyone", "viewer", rules)
    assert names(caller) == {rules}


def test_a_suspended_account_and_a_deleted_one_lose_every_key_at_once(service: Running) -> None:
    admin = service.caller()
    rules = admin.collection()
    robot = new_account(admin, kind="service")
    grant(admin, f"user:{robot}", "viewer", rules)
    keys = [person(service, admin, robot), person(service, admin, robot, "write")]
    assert [key.get("/api/v1/me").json()["kind"] for key in keys] == ["service", "service"]
    suspended = admin.request("PATCH", f"/api/v1/accounts/{robot}", json={"suspended": True})
    assert suspended.json()["suspended_at"]
    assert {key.get("/api/v1/me").status_code for key in keys} == {401}
    admin.request("PATCH", f"/api/v1/accounts/{robot}", json={"suspended": False})
    assert {key.get("/api/v1/me").status_code for key in keys} == {200}
    assert admin.delete(f"/api/v1/accounts/{robot}").status_code == 204
    assert {key.get("/api/v1/me").status_code for key in keys} == {401}
    assert admin.get(f"/api/v1/accounts/{robot}").status_code == 404
    assert admin.get("/api/v1/grants").json()["grants"] == []
    assert all(key["revoked_at"] for key in admin.get("/api/v1/keys").json()["keys"] if key["owner_id"] == robot)


def test_the_name_of_a_deleted_account_is_free_and_a_taken_one_is_not(service: Running) -> None:
    admin = service.caller()
    kim = new_account(admin, "Kim")
    again = admin.post("/api/v1/accounts", json={"user_name": "KIM"})
    assert (again.status_code, again.json()["code"]) == (409, "name_taken")
    admin.delete(f"/api/v1/accounts/{kim}")
    assert new_account(admin, "kim") != kim
    assert service.caller().post("/api/v1/accounts", json={"user_name": "kim"}).status_code == 201, "another tenant"
    taken = admin.post(
        "/api/v1/groups", json={"name": admin.post("/api/v1/groups", json={"name": "팀"}).json()["name"]}
    )
    assert (taken.status_code, taken.json()["code"]) == (409, "name_taken")


def test_accounts_come_in_pages_by_name(service: Running) -> None:
    admin = service.caller()
    for name in ("나리", "Dana", "가온", "dan", "50%"):
        new_account(admin, name)
    seen, after = [], None
    while True:
        page = admin.get("/api/v1/accounts", params={"limit": 2, **({"after": after} if after else {})}).json()
        seen += [item["user_name"] for item in page["accounts"]]
        if not (after := page["next"]):
            break
    assert seen == ["50%", "dan", "Dana", "가온", "나리"]
    found = admin.get("/api/v1/accounts", params={"query": "DA"}).json()["accounts"]
    assert [item["user_name"] for item in found] == ["dan", "Dana"]
    assert admin.get("/api/v1/accounts", params={"query": "%"}).json()["accounts"] == []
    for name in ("query", "after"):
        assert admin.get("/api/v1/accounts", params={name: "a\x00"}).status_code == 422


def test_nobody_raises_a_clearance_over_their_own(service: Running) -> None:
    admin = service.caller()
    tenant = admin.get("/api/v1/me").json()["tenant"]
    secret, _ = service.services.rag.keys.create(tenant, "보안", [Scope.ADMIN], clearance=Label.SENSITIVE)
    cleared = as_key(service, secret)
    kim = new_account(admin, kind="service")
    path = f"/api/v1/accounts/{kim}"
    assert admin.request("PATCH", path, json={"clearance": "S"}).status_code == 403
    assert admin.post("/api/v1/accounts", json={"user_name": "x", "clearance": "S"}).status_code == 403
    assert cleared.request("PATCH", path, json={"clearance": "C"}).status_code == 403
    assert cleared.request("PATCH", path, json={"clearance": "S"}).json()["clearance"] == "S"
    assert admin.request("PATCH", path, json={"clearance": "S", "display_name": "김"}).status_code == 200, "it had that"
    for known_by in ({"email": "mine@bank.example"}, {"user_name": "mine"}, {"clearance": "S", "email": "k@x"}):
        assert admin.request("PATCH", path, json=known_by).status_code == 403, "a provider's account may go by it"
        assert cleared.request("PATCH", path, json=known_by).status_code == 200
    assert key_of(admin, kim, clearance="S").status_code == 403
    wide = key_of(cleared, kim, clearance="S").json()
    assert as_key(service, wide["secret"]).get("/api/v1/me").json()["clearance"] == "S"
    for change in ({"clearance": "O"}, {"name": "y"}):
        assert admin.request("PATCH", f"/api/v1/keys/{wide['id']}", json=change).status_code == 403
    assert admin.post(f"/api/v1/keys/{wide['id']}/rotate", json={}).status_code == 403
    assert admin.request("PATCH", path, json={"clearance": "O"}).status_code == 200
    assert as_key(service, wide["secret"]).get("/api/v1/me").json()["clearance"] == "O", "the lower of both"
    assert admin.delete(f"/api/v1/keys/{wide['id']}").status_code == 204


def test_the_last_administrator_stays(service: Running) -> None:
    admin = service.caller()
    [own] = admin.get("/api/v1/keys").json()["keys"]
    for refused in (
        admin.delete(f"/api/v1/keys/{own['id']}"),
        admin.request("PATCH", f"/api/v1/keys/{own['id']}", json={"scopes": ["read"]}),
    ):
        assert (refused.status_code, refused.json()["code"]) == (409, "last_administrator")
    kim = new_account(admin)
    team = new_group(admin, kim)
    given = grant(admin, f"group:{team}", "admin").json()["id"]
    chief = person(service, admin, kim, "admin")
    assert admin.delete(f"/api/v1/keys/{own['id']}").status_code == 204
    assert admin.get("/api/v1/me").status_code == 401
    for refused in (
        chief.delete(f"/api/v1/accounts/{kim}"),
        chief.request("PATCH", f"/api/v1/accounts/{kim}", json={"suspended": True}),
        chief.delete(f"/api/v1/groups/{team}"),
        chief.delete(f"/api/v1/groups/{team}/members/{kim}"),
        chief.request("PUT", f"/api/v1/groups/{team}/members", json={"members": []}),
        chief.delete(f"/api/v1/grants/{given}"),
    ):
        assert (refused.status_code, refused.json()["code"]) == (409, "last_administrator")
    assert chief.get("/api/v1/me").json()["role"] == "admin"
    second = new_account(chief, attributes={"duty": ["보안"]})
    assert grant(chief, "attribute:duty=보안", "admin").status_code == 201
    assert chief.delete(f"/api/v1/grants/{given}").status_code == 204
    assert chief.get("/api/v1/accounts").status_code == 403
    assert service.services.rag.identities.of_account(UUID(second), [Scope.ADMIN]).tenant_role is Role.ADMIN


def test_an_administrator_of_a_collection_grants_roles_there_and_nowhere_else(service: Running) -> None:
    admin = service.caller()
    rules, wages = admin.collection("규정"), admin.collection("급여")
    kim, lee = new_account(admin), new_account(admin)
    grant(admin, f"user:{kim}", "admin", rules)
    foreign = grant(admin, f"user:{kim}", "curator", wages).json()["id"]
    chief = person(service, admin, kim, "admin")
    given = grant(chief, f"user:{lee}", "curator", rules)
    assert given.status_code == 201
    assert given.json() == grant(chief, f"user:{lee}", "curator", rules).json(), "again is no mistake"
    assert grant(chief, f"user:{lee}", "viewer", wages).status_code == 404
    assert grant(chief, f"user:{kim}", "admin", wages).status_code == 404
    assert grant(chief, f"user:{kim}", "admin").status_code == 403
    assert chief.delete(f"/api/v1/grants/{foreign}").status_code == 404
    assert {item["collection_id"] for item in chief.get("/api/v1/grants").json()["grants"]} == {
        given.json()["collection_id"]
    }
    for method, path, body in people_requests(lee, NOBODY, NOBODY, NOBODY):
        if "/grants" not in path and "/me" not in path:
            assert chief.request(method, path, json=body).status_code == 403, (method, path)
    assert chief.delete(f"/api/v1/grants/{given.json()['id']}").status_code == 204
    reader = person(service, admin, kim, "read")
    assert grant(reader, f"user:{lee}", "viewer", rules).status_code == 403, "the credential is for reading"


@pytest.mark.parametrize(
    ("subject", "role"),
    [
        (f"user:{NOBODY}", "viewer"),
        (f"group:{NOBODY}", "viewer"),
        ("user:kim", "viewer"),
        ("attribute:dept", "viewer"),
        ("everyone", "admin"),
        ("nobody", "viewer"),
    ],
)
def test_a_subject_that_is_not_there_is_refused(service: Running, subject: str, role: str) -> None:
    refused = grant(service.caller(), subject, role)
    assert (refused.status_code, refused.json()["code"]) == (422, "invalid_request")


def test_a_key_is_never_wider_than_who_makes_it(service: Running) -> None:
    admin = service.caller()
    rules, wages = admin.collection(), admin.collection()
    assert key_of(admin, None, "operator").status_code == 403
    kim = new_account(admin, kind="service")
    for role, where in (("viewer", rules), ("contributor", wages)):
        grant(admin, f"user:{kim}", role, where)
    limited = key_of(admin, kim, "write", collections=[rules]).json()
    caller = as_key(service, limited["secret"])
    wish = {"name": "내 열쇠", "scopes": ["write"]}
    for wider in ({"scopes": ["admin"]}, {"clearance": "S"}):
        assert caller.post("/api/v1/me/keys", json=wish | wider).status_code == 403
    assert caller.post("/api/v1/me/keys", json=wish | {"collections": [wages]}).status_code == 404
    made = caller.post("/api/v1/me/keys", json=wish).json()
    assert made["collections"] == limited["collections"], "as limited as the key that made it"
    own = as_key(service, made["secret"])
    assert names(own) == {rules}
    path = f"/api/v1/me/keys/{made['id']}"
    assert caller.request("PATCH", path, json={"scopes": ["admin"]}).status_code == 403
    assert caller.request("PATCH", path, json={"scopes": ["read"], "name": "읽기"}).json()["scopes"] == ["read"]
    assert own.post("/api/v1/me/keys", json=wish).status_code == 403, "a key for reading makes none"
    assert {item["id"] for item in own.get("/api/v1/me/keys").json()["keys"]} == {limited["id"], made["id"]}
    assert caller.delete(path).status_code == 204
    assert own.get("/api/v1/me").status_code == 401
    for method, path in (("GET", "/api/v1/me/keys"), ("POST", "/api/v1/me/keys")):
        assert admin.request(method, path, json=wish).status_code == 403, "a key of the tenant has no account"


@pytest.mark.parametrize("name", ["\x1b[2J\x1b]0;x\x07", "김\u202e민준", "\u200b", "a\nb"])
def test_a_name_that_a_terminal_obeys_or_nobody_sees_is_none_of_a_key(service: Running, name: str) -> None:
    admin = service.caller()
    refused = key_of(admin, None, name=name)
    assert (refused.status_code, refused.json()["code"]) == (422, "invalid_request")
    held = key_of(admin, None).json()["id"]
    assert admin.request("PATCH", f"/api/v1/keys/{held}", json={"name": name}).status_code == 422
    assert admin.get(f"/api/v1/keys/{held}").json()["name"] == "열쇠"


def test_a_key_ends_with_the_one_that_made_it_at_the_latest(service: Running) -> None:
    admin = service.caller()
    kim = new_account(admin, kind="service")
    soon, late = (utc_now() + timedelta(days=days) for days in (1, 9))
    limited = key_of(admin, kim, "write", expires_at=soon.isoformat()).json()
    caller = as_key(service, limited["secret"])
    for wanted in (None, late.isoformat()):
        made = caller.post("/api/v1/me/keys", json={"name": "x", "scopes": ["read"], "expires_at": wanted}).json()
        assert made["expires_at"] == limited["expires_at"]
    longer = caller.request("PATCH", f"/api/v1/me/keys/{limited['id']}", json={"expires_at": late.isoformat()})
    assert longer.json()["expires_at"] == limited["expires_at"]
    past = (utc_now() - timedelta(seconds=1)).isoformat()
    for wrong in (past, "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00"):
        refused = key_of(admin, kim, expires_at=wrong)
        assert (refused.status_code, refused.json()["code"]) == (422, "invalid_request"), wrong


def test_a_key_that_ends_soon_gets_no_secret_of_one_that_lasts(service: Running) -> None:
    """Or whoever finds a key of an hour would have one for good, which outlives its revocation too."""
    admin = service.caller()
    kim = new_account(admin, kind="service")
    soon, sooner = (utc_now() + timedelta(hours=hours) for hours in (2, 1))
    for owner, keys, scope in ((None, "/api/v1/keys", "admin"), (kim, "/api/v1/me/keys", "write")):
        brief, sooner_still, lasting = (
            key_of(admin, owner, scope, expires_at=None if end is None else end.isoformat()).json()
            for end in (soon, sooner, None)
        )
        holder = as_key(service, brief["secret"])
        for wanted, status in ((lasting, 403), (brief, 200), (sooner_still, 200)):
            rotated = holder.post(f"{keys}/{wanted['id']}/rotate", json={})
            assert (rotated.status_code, "secret" in rotated.json()) == (status, status == 200), rotated.text
            holder = as_key(service, rotated.json()["secret"]) if wanted is brief else holder
        assert as_key(service, lasting["secret"]).get("/api/v1/me").status_code == 200, "its own secret stays"
        assert admin.post(f"/api/v1/keys/{lasting['id']}/rotate", json={}).status_code == 200


def test_an_administrator_gets_no_secret_with_which_to_be_another_person(service: Running) -> None:
    admin = service.caller()
    kim, lee, robot = new_account(admin), new_account(admin), new_account(admin, kind="service")
    for account in (kim, robot):
        grant(admin, f"user:{account}", "admin")
    chief = person(service, admin, kim, "admin")
    person(service, admin, lee, "read")
    [held] = [key["id"] for key in admin.get("/api/v1/keys").json()["keys"] if key["owner_id"] == lee]
    for maker in (admin, chief):
        assert key_of(maker, lee).status_code == 403
        assert maker.post(f"/api/v1/keys/{held}/rotate", json={"grace_minutes": 5}).status_code == 403
    own, tenants, service_key = (key_of(chief, account, "admin").json() for account in (kim, None, robot))
    assert [item["made_by"] for item in (own, tenants, service_key)] == [None, kim, kim]
    second = key_of(as_key(service, tenants["secret"]), robot, "admin").json()
    assert second["made_by"] == kim, "whoever is behind the key that made it"
    again = admin.post(f"/api/v1/keys/{service_key['id']}/rotate", json={}).json()
    assert again["made_by"] == admin.get("/api/v1/me").json()["id"], "who saw the secret last"
    alone = as_key(service, again["secret"]).post(f"/api/v1/me/keys/{again['id']}/rotate", json={}).json()
    assert alone["made_by"] == again["made_by"], "which the secret that follows can be read with"
    assert chief.delete(f"/api/v1/keys/{held}").status_code == 204, "revoking takes no secret"


def test_what_denies_the_maker_denies_the_keys_that_they_made(service: Running) -> None:
    admin = service.caller()
    rules = admin.collection()
    admin.ingest(rules, {"감사.md": "# 감사\n\n연차 휴가는 15일이다.\n"})
    [document] = [item["id"] for item in admin.get(f"/api/v1/collections/{rules}/documents").json()["documents"]]
    kim, lee = new_account(admin), new_account(admin)
    robot = new_account(admin, kind="service")
    team = new_group(admin, kim)
    grant(admin, f"user:{kim}", "admin")
    for account in (robot, lee):
        grant(admin, f"user:{account}", "viewer", rules)
    chief = person(service, admin, kim, "admin")
    made = [key_of(chief, account, "admin", "read").json() for account in (None, robot)]
    keys = [as_key(service, item["secret"]) for item in made]
    portal = keys[0].post("/api/v1/widget-tokens", json={"subject": {"account_id": lee}}).json()["token"]
    page, path = as_key(service, portal), f"/api/v1/documents/{document}/content"
    question = {"question": "연차 휴가는 며칠인가?"}
    assert [caller.get(path).status_code for caller in (chief, *keys)] == [200, 200, 200]
    assert page.post("/api/v1/search", json=question).json()["passages"]
    denied = admin.request("PUT", f"/api/v1/documents/{document}/access", json={"deny": [f"group:{team}"]})
    assert denied.status_code == 200, denied.text
    assert [caller.get(path).status_code for caller in (chief, *keys, admin)] == [404, 404, 404, 200]
    assert not page.post("/api/v1/search", json=question).json()["passages"]
    assert person(service, admin, lee).get(path).status_code == 200, "the denial is not of the others"
    events = admin.get("/api/v1/audit/events", params={"limit": 500}).json()["events"]
    asked = [item for item in events if item["what"] == f"GET {path}" and item["kind"] == "document.downloaded"]
    told = {item["who"]["name"]: item["detail"].get("made_by") for item in asked}
    assert set(told.values()) == {None, kim}, told
    [searched] = {item["detail"]["made_by"] for item in events if item["who"]["kind"] == "widget"}
    assert searched == kim


def test_a_key_was_used_last_where_its_client_is_and_not_where_a_proxy_of_ours_is(service: Running) -> None:
    admin = service.caller()
    made = key_of(admin, None).json()
    connections = ConnectionSettings(trusted_proxies=("10.0.0.0/8",))
    settings = service.services.settings.model_copy(update={"connections": connections})
    behind = TestClient(create_app(replace(service.services, settings=settings)), client=("10.1.2.3", 4000))
    headers = {"Authorization": f"Bearer {made['secret']}", "X-Forwarded-For": "198.51.100.7, 203.0.113.9"}
    assert behind.get("/api/v1/me", headers=headers).status_code == 200
    assert admin.get(f"/api/v1/keys/{made['id']}").json()["last_address"] == "203.0.113.9"


def test_a_rotated_key_opens_with_the_new_secret_and_for_the_grace_with_the_old(service: Running) -> None:
    admin = service.caller()
    made = key_of(admin, None, description="포털").json()
    path = f"/api/v1/keys/{made['id']}/rotate"
    second = admin.post(path, json={"grace_minutes": 5}).json()
    assert second["prefix"] == made["prefix"] and second["previous_until"] > second["rotated_at"]
    assert {as_key(service, item["secret"]).get("/api/v1/me").status_code for item in (made, second)} == {200}
    third = admin.post(path, json={}).json()
    opened = [as_key(service, item["secret"]).get("/api/v1/me").status_code for item in (made, second, third)]
    assert opened == [401, 401, 200]
    shown = admin.get(f"/api/v1/keys/{made['id']}").json()
    assert shown["last_used_at"] and shown["last_address"] == "testclient" and "secret" not in shown
    assert admin.post(path, json={"grace_minutes": 7 * 24 * 60 + 1}).status_code == 422
    admin.delete(f"/api/v1/keys/{made['id']}")
    assert admin.post(path, json={}).status_code == 404
    assert as_key(service, third["secret"]).get("/api/v1/me").status_code == 401


@dataclass
class World:
    """A tenant with people, and one that wants to know of them."""

    owner: Caller
    stranger: Caller
    account: str
    group: str
    grant: str
    key: str


@pytest.fixture(scope="module")
def world(service: Running) -> World:
    owner, stranger = service.caller(), service.caller()
    kim = new_account(owner, "vault", attributes={"dept": ["vault"]}, kind="service")
    team = new_group(owner, kim)
    given = grant(owner, f"user:{kim}", "viewer", owner.collection()).json()["id"]
    return World(owner, stranger, kim, team, given, key_of(owner, kim, "write").json()["id"])


def people_requests(account: str, group: str, given: str, key: str) -> Iterator[tuple[str, str, Any]]:
    """Every route about people and keys, with every id in it."""
    yield "GET", f"/api/v1/accounts/{account}", None
    yield "PATCH", f"/api/v1/accounts/{account}", {"display_name": "mine"}
    yield "PATCH", f"/api/v1/accounts/{account}", {"clearance": "O"}
    yield "PATCH", f"/api/v1/accounts/{account}", {"suspended": True}
    yield "DELETE", f"/api/v1/accounts/{account}", None
    yield "GET", f"/api/v1/groups/{group}", None
    yield "PATCH", f"/api/v1/groups/{group}", {"name": "mine"}
    yield "GET", f"/api/v1/groups/{group}/members", None
    for method in ("PUT", "POST"):
        yield method, f"/api/v1/groups/{group}/members", {"members": []}
        yield method, f"/api/v1/groups/{group}/members", {"members": [account]}
    yield "DELETE", f"/api/v1/groups/{group}/members/{account}", None
    yield "DELETE", f"/api/v1/groups/{group}", None
    yield "DELETE", f"/api/v1/grants/{given}", None
    yield "POST", "/api/v1/keys", {"name": "x", "scopes": ["read"], "owner_id": account}
    yield "GET", f"/api/v1/keys/{key}", None
    yield "PATCH", f"/api/v1/keys/{key}", {"name": "mine"}
    yield "POST", f"/api/v1/keys/{key}/rotate", {}
    yield "DELETE", f"/api/v1/keys/{key}", None


def own_requests(key: str) -> Iterator[tuple[str, str, Any]]:
    """Every route about one's own keys, with a key that is not one's own."""
    yield "PATCH", f"/api/v1/me/keys/{key}", {"name": "mine"}
    yield "POST", f"/api/v1/me/keys/{key}/rotate", {}
    yield "DELETE", f"/api/v1/me/keys/{key}", None


def without_ids(text: str) -> str:
    return re.sub(r"[0-9a-f]{8}-[0-9a-f-]{27}", "ID", text)


def state(owner: Caller) -> list[Any]:
    paths = ("accounts", "groups", "grants", "keys")
    shown = [owner.get(f"/api/v1/{path}").json() for path in paths]
    groups = [owner.get(f"/api/v1/groups/{item['id']}/members").json() for item in shown[1]["groups"]]
    return [*shown, *groups]


def test_another_tenants_people_and_keys_are_unknown(service: Running, world: World) -> None:
    before = state(world.owner)
    ids = (world.account, world.group, world.grant, world.key)
    absent = [str(UUID(int=number)) for number in range(1, 5)]
    for (method, path, body), (_, other, other_body) in zip(
        people_requests(*ids), people_requests(*absent), strict=True
    ):
        refused = world.stranger.request(method, path, json=body)
        unknown = world.stranger.request(method, other, json=other_body)
        assert refused.status_code == unknown.status_code == 404, (method, path)
        assert without_ids(refused.text) == without_ids(unknown.text), (method, path)
    for subject in (f"user:{world.account}", f"group:{world.group}", f"user:{world.key}"):
        assert grant(world.stranger, subject, "viewer").status_code == 422
    own = new_group(world.stranger)
    for member in (world.account, world.group, NOBODY):
        added = world.stranger.post(f"/api/v1/groups/{own}/members", json={"members": [member]})
        assert (added.status_code, added.json()["code"]) == (422, "invalid_request")
    for listed in ("accounts", "groups", "grants", "keys"):
        assert not any(item in world.stranger.get(f"/api/v1/{listed}").text for item in ids)
    assert state(world.owner) == before


def test_who_is_no_administrator_learns_and_changes_nothing(service: Running, world: World) -> None:
    tenant = world.owner.get("/api/v1/me").json()["tenant"]
    everything = ("read", "write", "admin")
    plain = person(service, world.owner, new_account(world.owner), *everything)
    collection = world.owner.get(f"/api/v1/collections/{world.owner.collection()}").json()["id"]
    limited = as_key(service, service.key(Scope.ADMIN, tenant=tenant, collections=[collection]))
    reader = as_key(service, service.key(Scope.READ, tenant=tenant))
    before = state(world.owner)
    lists = (("GET", f"/api/v1/{name}", None) for name in ("accounts", "groups", "keys"))
    made = [("POST", "/api/v1/accounts", {"user_name": "x"}), ("POST", "/api/v1/groups", {"name": "x"})]
    wanted = [*lists, *made, *people_requests(world.account, world.group, world.grant, world.key)]
    wanted.append(("POST", "/api/v1/grants", {"subject": f"user:{world.account}", "role": "admin"}))
    for caller in (plain, limited, reader):
        for method, path, body in wanted:
            refused = caller.request(method, path, json=body)
            unseen = (404,) if caller is not reader and path.startswith("/api/v1/grants/") else ()
            assert refused.status_code in (403, *unseen), (method, path)
        for method, path, body in own_requests(world.key):
            assert caller.request(method, path, json=body).status_code in (403, 404), (method, path)
    for method, path, body in (*wanted, *own_requests(world.key), ("GET", "/api/v1/me", None)):
        assert service.http.request(method, path, json=body).status_code == 401, (method, path)
    for caller in (limited, reader):  # "last used" of the keys that asked is all that changed
        assert caller.get("/api/v1/grants").status_code in (200, 403)
    untouched = [{**item, "keys": []} if "keys" in item else item for item in before]
    assert [{**item, "keys": []} if "keys" in item else item for item in state(world.owner)] == untouched


def test_no_route_makes_the_first_administrator(service: Running) -> None:
    """A tenant with an account and a key that may everything, whose owner has no role: nothing leads to one."""
    rag = service.services.rag
    with rag.database.write() as session:
        tenant_id = ensure_tenant(session, name := f"t-{uuid4().hex[:8]}").id
    from rag.access.accounts import Accounts
    from rag.access.grants import Grants

    kim = Accounts(rag.database).create(tenant_id, "김")
    secret, _ = rag.keys.create(name, "열쇠", [Scope.ADMIN], owner_id=kim.id)
    caller = as_key(service, secret)
    for subject in (user(kim.id).text, EVERYONE.text, "attribute:a=b"):
        assert grant(caller, subject, "admin").status_code == 403
    for method, path, body in people_requests(str(kim.id), NOBODY, NOBODY, NOBODY):
        assert caller.request(method, path, json=body).status_code in (403, 404), (method, path)
    wish = {"name": "x", "scopes": ["admin", "write"]}
    own = caller.post("/api/v1/me/keys", json=wish).json()["secret"]
    assert as_key(service, own).get("/api/v1/accounts").status_code == 403
    assert as_key(service, own).post("/api/v1/collections", json={"name": "x"}).status_code == 403
    assert Grants(rag.database).list(None, tenant_id) == []
    Grants(rag.database).add(None, tenant_id, user(kim.id), Role.ADMIN, None)
    assert caller.get("/api/v1/accounts").status_code == 200


def test_a_grant_reaches_its_own_tenant_only(service: Running) -> None:
    """Even one that was written straight into the record of another tenant, for an account that is not its own."""
    owner, other = service.caller(), service.caller()
    owner.collection()
    kim = new_account(other)
    caller = person(service, other, kim, "admin")
    me = service.services.rag.authenticate(owner.headers["Authorization"].split()[1])
    with service.services.rag.database.write() as session:
        session.add(
            RoleGrant(
                id=uuid4(),
                tenant_id=me.tenant_id,
                subject=Subject.parse(f"user:{kim}").text,
                role="admin",
                collection_id=None,
            )
        )
    assert caller.get("/api/v1/accounts").status_code == 403
    assert names(caller) == set()


def test_what_is_presented_as_another_kind_is_nobody(service: Running) -> None:
    secret = service.key(Scope.READ, tenant="carriers")
    assert service.http.get("/api/v1/me", headers={"X-API-Key": secret}).status_code == 200
    assert service.http.get("/api/v1/me", headers={"Cookie": f"session={secret}"}).status_code == 401
    assert service.http.get("/api/v1/me", headers={"Authorization": f"Basic {secret}"}).status_code == 401
    assert set(CredentialKind) >= set(service.services.rag.identities._resolvers)
