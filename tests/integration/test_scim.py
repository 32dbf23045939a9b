"""SCIM 2.0 as directories speak it: the library's own conformance checks, the dialects of big ones, and other tenants."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid4

import pytest
from scim2_client.engines.httpx2 import SyncSCIMClient
from scim2_tester import Status, check_server
from starlette.testclient import TestClient

from api.app import create_app
from rag.access.accounts import AccountChange, Accounts
from rag.access.groups import Groups
from rag.access.identities import Identities
from rag.domain.access import Label, Role, group
from rag.domain.audit import AuditKind
from rag.domain.errors import NotAuthenticated
from rag.domain.principal import Scope
from rag.store import audit_event
from rag.store.account import Source
from rag.store.audit_event import Wanted
from rag.store.role_grant import RoleGrant
from tests.support.bare import bare_services
from tests.support.running import Running
from tests.support.stores import migrated

USERS, GROUPS = "/scim/v2/Users", "/scim/v2/Groups"
ENTERPRISE = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"
USER_SCHEMA = "urn:ietf:params:scim:schemas:core:2.0:User"
GROUP_SCHEMA = "urn:ietf:params:scim:schemas:core:2.0:Group"
PATCH = "urn:ietf:params:scim:api:messages:2.0:PatchOp"


@dataclass
class Directory:
    """A directory with a key of one tenant."""

    service: Running
    tenant: str
    key: str

    @property
    def tenant_id(self) -> UUID:
        return self.service.services.rag.authenticate(self.key).tenant_id

    def call(self, method: str, path: str, body: Any = None, **parameters: Any) -> Any:
        headers = {
            "Authorization": f"Bearer {self.key}",
            "Content-Type": "application/scim+json",
            "Accept-Language": "en",
        }
        return self.service.http.request(method, path, json=body, headers=headers, params=parameters or None)

    def user(self, called: str | None = None, /, **fields: Any) -> dict[str, Any]:
        made = self.call(
            "POST", USERS, {"schemas": [USER_SCHEMA], "userName": called or f"u-{uuid4().hex[:8]}", **fields}
        )
        assert made.status_code == 201, made.text
        return dict(made.json())

    def group(self, *members: str, **fields: Any) -> dict[str, Any]:
        body = {"schemas": [GROUP_SCHEMA], "displayName": f"g-{uuid4().hex[:8]}", **fields}
        made = self.call("POST", GROUPS, body | {"members": [{"value": item} for item in members]})
        assert made.status_code == 201, made.text
        return dict(made.json())

    def patch(self, path: str, *operations: dict[str, Any]) -> Any:
        return self.call("PATCH", path, {"schemas": [PATCH], "Operations": list(operations)})


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    database = migrated(f"sqlite:///{tmp_path_factory.mktemp('scim') / 'seogo.sqlite'}")
    services = bare_services(database)
    yield Running(services, TestClient(create_app(services), raise_server_exceptions=False))
    database.close()


def directory_of(service: Running, *scopes: Scope) -> Directory:
    tenant = f"t-{uuid4().hex[:8]}"
    return Directory(service, tenant, service.key(*scopes or (Scope.ADMIN,), tenant=tenant))


@pytest.fixture
def directory(service: Running) -> Directory:
    return directory_of(service)


def test_the_librarys_checks_of_a_server_all_pass(directory: Directory) -> None:
    headers = {"Authorization": f"Bearer {directory.key}"}
    http = TestClient(directory.service.http.app, base_url="http://testserver/scim/v2", headers=headers)
    results = check_server(SyncSCIMClient(http))
    assert len([item for item in results if item.status is Status.SUCCESS]) > 20
    assert {item.title for item in results if item.status is Status.ERROR} <= set(KNOWN)
    told = [item.reason or "" for item in results if item.status not in (Status.SUCCESS, Status.SKIPPED)]
    assert [reason for reason in told if not any(f"'{name}'" in reason for name in SIMPLER)] == []


KNOWN = ("check_add_attribute", "check_replace_attribute", "check_remove_attribute")
SIMPLER = ("emails", "members", "active")
"""What is kept simpler than these checks want it: one address, without a kind of its own; members have the kind and name of what
they are, not those that were sent; and a user is active or not, which can't be left open."""


def test_a_user_that_loses_or_gets_back_access_is_on_the_trail_as_that(directory: Directory) -> None:
    made = directory.user()
    for active in (False, False, True):
        operation = {"op": "replace", "path": "active", "value": active}
        assert directory.patch(f"{USERS}/{made['id']}", operation).status_code == 200
    body = {"schemas": [USER_SCHEMA], "userName": made["userName"], "active": False}
    assert directory.call("PUT", f"{USERS}/{made['id']}", body).status_code == 200
    with directory.service.services.rag.database.read() as session:
        rows = list(audit_event.oldest(session, directory.tenant_id, Wanted()))
    told = [row for row in rows if row.kind in (AuditKind.ACCOUNT_SUSPENDED, AuditKind.ACCOUNT_RESUMED)]
    assert [row.kind for row in told] == ["account.suspended", "account.resumed", "account.suspended"]
    assert {(row.detail["account"], row.surface) for row in told} == {(made["id"], "scim")}


def test_what_a_directory_changes_is_on_the_trail_with_its_content(directory: Directory) -> None:
    """Rules go by names, attributes and groups: who was put where, and what somebody was called before."""
    one, other = (directory.user(f"{name}@bank.example", title="대리")["id"] for name in ("kim", "lee"))
    work = {"op": "replace", "path": f"{ENTERPRISE}:department", "value": "여신"}
    rename = {"op": "replace", "path": "userName", "value": "park@bank.example"}
    assert directory.patch(f"{USERS}/{one}", work, rename).status_code == 200
    made = directory.group(one, displayName="심사역")["id"]
    add = {"op": "add", "path": "members", "value": [{"value": other}]}
    drop = {"op": "remove", "path": f'members[value eq "{one}"]'}
    assert directory.patch(f"{GROUPS}/{made}", add).status_code == 200
    assert directory.patch(f"{GROUPS}/{made}", drop).status_code == 200
    body = {"schemas": [GROUP_SCHEMA], "displayName": "여신심사역", "members": [{"value": one}]}
    assert directory.call("PUT", f"{GROUPS}/{made}", body).status_code == 200
    assert directory.call("DELETE", f"{USERS}/{one}").status_code == 204
    assert directory.call("DELETE", f"{GROUPS}/{made}").status_code == 204
    with directory.service.services.rag.database.read() as session:
        rows = [row for row in audit_event.oldest(session, directory.tenant_id, Wanted()) if row.outcome == "done"]
    created, _, changed, *groups = [row.detail for row in rows if row.kind.startswith(("account.", "group."))]
    assert (created["account"], created["said"]) == (one, {"user_name": "kim@bank.example", "title": "대리"})
    assert changed["account"] == one
    renamed = ["kim@bank.example", "park@bank.example"]
    assert changed["changed"] == {"department": ["", "여신"], "user_name": renamed}
    told = [(item.get("members_added"), item.get("members_removed"), item.get("group")) for item in groups]
    assert told == [
        ([one], [], "심사역"),
        ([other], [], "심사역"),
        ([], [one], "심사역"),
        ([one], [other], "여신심사역"),
        (None, None, None),
        (None, [], "여신심사역"),
    ]
    assert {item["group_id"] for item in groups if "group_id" in item} == {made}
    assert groups[3]["group_before"] == "심사역"
    assert (groups[4]["account"], groups[4]["groups_left"]) == (one, [made])


def test_a_user_comes_with_what_the_directory_says(directory: Directory) -> None:
    made = directory.user(
        "Hong@bank.example",
        externalId="00u1",
        displayName="홍길동",
        active=True,
        emails=[{"value": "old@bank.example"}, {"value": "hong@bank.example", "primary": True}],
        name={"familyName": "홍", "givenName": "길동"},
        phoneNumbers=[{"value": "+82"}],
        schemas=[USER_SCHEMA, ENTERPRISE],
        **{ENTERPRISE: {"department": "여신", "employeeNumber": "1027"}},
    )
    assert made["meta"]["location"].endswith(f"{USERS}/{made['id']}") and "phoneNumbers" not in made
    row = Accounts(directory.service.services.rag.database).get(directory.tenant_id, UUID(made["id"]))
    assert (row.display_name, row.email, row.source, row.external_id) == (
        "홍길동",
        "hong@bank.example",
        Source.SCIM,
        "00u1",
    )
    assert row.attributes == {"department": ["여신"], "employee_number": ["1027"]}
    principal = Identities(directory.service.services.rag.database, directory.service.services.rag.keys).of_account(
        row.id, ()
    )
    assert ("department", "여신") in principal.attributes


def test_a_name_or_id_that_is_taken_is_a_conflict(directory: Directory) -> None:
    directory.user("hong", externalId="1")
    Accounts(directory.service.services.rag.database).create(directory.tenant_id, "root")
    for fields in ({"userName": "HONG"}, {"userName": "other", "externalId": "1"}, {"userName": "root"}):
        refused = directory.call("POST", USERS, {"schemas": [USER_SCHEMA], **fields})
        assert (refused.status_code, refused.json()["scimType"], refused.json()["status"]) == (409, "uniqueness", "409")


def test_only_what_came_by_scim_is_the_directorys(directory: Directory) -> None:
    rag = directory.service.services.rag
    local = Accounts(rag.database).create(directory.tenant_id, "root")
    people = Groups(rag.database).create(directory.tenant_id, "우리 모임")
    assert directory.call("GET", USERS).json()["totalResults"] == 0
    assert directory.call("GET", USERS, filter='userName eq "root"').json()["totalResults"] == 0
    for path in (f"{USERS}/{local.id}", f"{GROUPS}/{people.id}"):
        assert directory.call("GET", path).status_code == 404
        assert directory.call("DELETE", path).status_code == 404
        assert directory.patch(path, {"op": "replace", "path": "active", "value": False}).status_code == 404
    assert Accounts(rag.database).get(directory.tenant_id, local.id).suspended_at is None


@pytest.mark.parametrize(
    "operation",
    [
        {"op": "replace", "path": "active", "value": False},
        {"op": "Replace", "path": "active", "value": "False"},
        {"op": "replace", "value": {"active": False}},
        {"op": "Add", "value": {"active": "false"}},
        {"op": "replace", "path": f"{USER_SCHEMA}:active", "value": False},
    ],
)
def test_an_inactive_user_loses_every_access_at_once(directory: Directory, operation: dict[str, Any]) -> None:
    user = directory.user()
    rag = directory.service.services.rag
    with rag.database.write() as session:
        session.add(RoleGrant(id=uuid4(), tenant_id=directory.tenant_id, subject=f"user:{user['id']}", role="viewer"))
    assert rag.identities.of_account(UUID(user["id"]), (Scope.READ,)).role is Role.VIEWER
    changed = directory.patch(f"{USERS}/{user['id']}", operation)
    assert (changed.status_code, changed.json()["active"]) == (200, False)
    with pytest.raises(NotAuthenticated):
        rag.identities.of_account(UUID(user["id"]), (Scope.READ,))
    body = {"schemas": [USER_SCHEMA], "userName": user["userName"], "displayName": "새 이름"}
    kept = directory.call("PUT", f"{USERS}/{user['id']}", body).json()
    assert kept["active"] is False and kept["displayName"] == "새 이름"  # not let in again by what is left out
    assert directory.call("PUT", f"{USERS}/{user['id']}", body | {"active": True}).json()["active"] is True


def test_whom_an_administrator_suspended_a_directory_does_not_resume(directory: Directory) -> None:
    by_hand, by_both, resumed = directory.user(), directory.user(active=False), directory.user()
    accounts = Accounts(directory.service.services.rag.database)
    for user in (by_hand, by_both):
        accounts.suspend(directory.tenant_id, UUID(user["id"]))
    accounts.suspend(directory.tenant_id, UUID(resumed["id"]))
    accounts.resume(directory.tenant_id, UUID(resumed["id"]))
    active = {"op": "replace", "path": "active", "value": True}
    for user in (by_hand, by_both):
        whole = {"schemas": [USER_SCHEMA], "userName": user["userName"], "active": True}
        for said in (False, True):
            step = active | {"value": said}
            assert directory.patch(f"{USERS}/{user['id']}", step).json()["active"] is False
        assert directory.call("PUT", f"{USERS}/{user['id']}", whole).json()["active"] is False
        accounts.resume(directory.tenant_id, UUID(user["id"]))
        assert directory.call("GET", f"{USERS}/{user['id']}").json()["active"] is True
    for said in (False, True):
        step = active | {"value": said}
        assert directory.patch(f"{USERS}/{resumed['id']}", step).json()["active"] is said, "its own suspension"


def test_a_deleted_user_is_gone_and_may_come_again(directory: Directory) -> None:
    user = directory.user("hong", externalId="1")
    assert directory.call("DELETE", f"{USERS}/{user['id']}").status_code == 204
    for method in ("GET", "DELETE"):
        assert directory.call(method, f"{USERS}/{user['id']}").status_code == 404
    assert directory.user("hong", externalId="1")["id"] != user["id"]


def test_dialects_of_changes_to_users(directory: Directory) -> None:
    path = f"{USERS}/{directory.user()['id']}"
    entra = directory.patch(
        path,
        {"op": "Add", "path": 'emails[type eq "work"].value', "value": "hong@bank.example"},
        {"op": "Replace", "path": "displayName", "value": "홍길동"},
        {"op": "Add", "path": f"{ENTERPRISE}:department", "value": "여신"},
        {"op": "Replace", "path": "name.familyName", "value": "홍"},
    ).json()
    assert (entra["displayName"], entra["emails"][0]["value"]) == ("홍길동", "hong@bank.example")
    assert entra[ENTERPRISE] == {"department": "여신"}
    okta = directory.patch(path, {"op": "replace", "value": {"displayName": "길동", "title": "과장"}}).json()
    assert (okta["displayName"], okta["title"]) == ("길동", "과장")
    gone = directory.patch(
        path, {"op": "remove", "path": "title"}, {"op": "remove", "path": f"{ENTERPRISE}:department"}
    )
    assert "title" not in gone.json() and ENTERPRISE not in gone.json()


def test_dialects_of_changes_to_groups(directory: Directory) -> None:
    people = [directory.user(f"p{number}")["id"] for number in range(4)]
    nested = directory.group(people[3])
    path = f"{GROUPS}/{directory.group(people[0])['id']}"

    def members(*operations: dict[str, Any]) -> set[str]:
        answered = directory.patch(path, *operations)
        assert answered.status_code == 200, answered.text
        return {item["value"] for item in answered.json().get("members", [])}

    added = [{"value": people[1]}, {"value": people[2]}, {"value": nested["id"]}]
    assert members({"op": "add", "path": "members", "value": added}) == {*people[:3], nested["id"]}
    assert members({"op": "Add", "path": "members", "value": [{"value": people[1]}]}) == {*people[:3], nested["id"]}
    assert members({"op": "remove", "path": f'members[value eq "{people[0]}"]'}) == {*people[1:3], nested["id"]}
    assert members({"op": "Remove", "path": "members", "value": [{"value": people[1]}]}) == {people[2], nested["id"]}
    assert members({"op": "replace", "path": "members", "value": [{"value": people[0]}]}) == {people[0]}
    assert members({"op": "replace", "value": {"displayName": "여신팀", "id": path[-36:]}}) == {people[0]}
    assert directory.call("GET", path).json()["displayName"] == "여신팀"
    assert members({"op": "remove", "path": "members"}) == set()


def test_roles_of_a_group_come_and_go_with_membership(directory: Directory) -> None:
    rag = directory.service.services.rag
    user = directory.user()
    inner = directory.group(user["id"])
    outer = directory.group(inner["id"])
    with rag.database.write() as session:
        subject = group(UUID(outer["id"])).text
        session.add(RoleGrant(id=uuid4(), tenant_id=directory.tenant_id, subject=subject, role="curator"))
    assert rag.identities.of_account(UUID(user["id"]), ()).role is Role.CURATOR
    shown = directory.call("GET", f"{USERS}/{user['id']}").json()
    assert [item["value"] for item in shown["groups"]] == [inner["id"]]
    directory.patch(f"{GROUPS}/{inner['id']}", {"op": "remove", "path": f'members[value eq "{user["id"]}"]'})
    assert rag.identities.of_account(UUID(user["id"]), ()).role is None


def test_filters_and_pages(directory: Directory) -> None:
    for number in range(5):
        directory.user(f"직원{number}", externalId=f"e{number}", active=number != 3, displayName=f"이름 {number % 2}")
    expected = {
        'userName eq "직원1"': 1,
        'USERNAME EQ "직원1"': 1,
        'externalId eq "e2"': 1,
        'externalId eq "E2"': 0,
        'userName sw "직원"': 5,
        'userName co "원4"': 1,
        "active eq false": 1,
        'active eq true and displayName eq "이름 0"': 3,
        'userName eq "직원1" or externalId eq "e2"': 2,
        'not (displayName eq "이름 0")': 2,
        'emails[type eq "work"]': 0,
        'id eq "no-id"': 0,
        "title pr": 0,
    }
    for text, number in expected.items():
        found = directory.call("GET", USERS, filter=text)
        assert (found.status_code, found.json()["totalResults"]) == (200, number), (text, found.text)
    for text in ("userName eq", "userName xx 1", "nothing[", '"'):
        refused = directory.call("GET", USERS, filter=text)
        assert (refused.status_code, refused.json()["scimType"]) == (400, "invalidFilter"), text
    seen: list[str] = []
    for start in (1, 3, 5, 7):
        page = directory.call("GET", USERS, startIndex=start, count=2).json()
        assert (page["totalResults"], page["startIndex"], page["itemsPerPage"]) == (
            5,
            start,
            len(page.get("Resources", [])),
        )
        seen += [item["userName"] for item in page.get("Resources", [])]
    assert seen == [f"직원{number}" for number in range(5)]
    assert directory.call("GET", USERS, count=0).json()["totalResults"] == 5
    assert directory.call("GET", USERS, startIndex=-3, count=-1).status_code == 200


def test_directories_choose_what_they_want_to_see(directory: Directory) -> None:
    user = directory.user("hong", displayName="홍길동")
    made = directory.group(user["id"])
    for path in (GROUPS, f"{GROUPS}/{made['id']}"):
        assert "members" in directory.call("GET", path).text
        assert user["id"] not in directory.call("GET", path, excludedAttributes="members").text
        assert user["id"] not in directory.call("GET", path, attributes="displayName").text
        assert user["id"] in directory.call("GET", path, attributes="members.value").text
    found = directory.call(
        "GET", GROUPS, filter=f'members[value eq "{user["id"]}"]', excludedAttributes="members"
    ).json()
    assert [item["id"] for item in found["Resources"]] == [made["id"]] and "members" not in found["Resources"][0]
    for path, number in ((f"{USERS}/.search", 1), (f"{GROUPS}/.search", 1), ("/scim/v2/.search", 2)):
        body = {"schemas": ["urn:ietf:params:scim:api:messages:2.0:SearchRequest"], "filter": "id pr", "count": 1}
        searched = directory.call("POST", path, body).json()
        assert (searched["totalResults"], len(searched["Resources"])) == (number, 1), path
    second = directory.call("POST", "/scim/v2/.search", body | {"startIndex": 2}).json()
    assert [item["id"] for item in second["Resources"]] == [made["id"]]
    only = directory.call("GET", f"{USERS}/{user['id']}", attributes="userName").json()
    assert only["userName"] == "hong" and "displayName" not in only


def test_errors_have_scims_shape(directory: Directory) -> None:
    for method, path, body, status in (
        ("GET", f"{USERS}/{uuid4()}", None, 404),
        ("GET", f"{USERS}/no-id", None, 404),
        ("POST", USERS, {"schemas": [USER_SCHEMA]}, 400),
        ("POST", USERS, {"schemas": [USER_SCHEMA], "userName": "x" * 300}, 422),
        ("POST", USERS, {"schemas": [USER_SCHEMA], "userName": ["a"]}, 400),
        ("POST", USERS, [], 422),
        ("PATCH", f"{USERS}/{uuid4()}", {"schemas": [PATCH], "Operations": []}, 404),
        ("GET", f"{USERS}?count=x", None, 422),
        ("GET", f"{USERS}?attributes=id&excludedAttributes=id", None, 400),
        ("PUT", USERS, {}, 405),
        ("GET", "/scim/v2/Schemas/nothing", None, 404),
    ):
        refused = directory.call(method, path, body)
        assert refused.status_code == status, (method, path, refused.text)
        assert refused.headers["content-type"] == "application/scim+json", path
        told = refused.json()
        assert told["schemas"] == ["urn:ietf:params:scim:api:messages:2.0:Error"] and told["status"] == str(status)
    user = directory.user()
    spoilt: list[list[dict[str, Any]]] = [
        [],
        [{"op": "move", "path": "title"}],
        [{"op": "remove"}],
        [{"op": "replace", "path": "userName[", "value": 1}],
    ]
    for operations in spoilt:
        assert directory.patch(f"{USERS}/{user['id']}", *operations).status_code == 400, operations


def test_a_group_that_is_refused_is_not_there(directory: Directory) -> None:
    """Or the directory, which sends it again once it is mended, would be told that its name is taken."""
    user = directory.user()
    body = {"schemas": [GROUP_SCHEMA], "displayName": "심사팀", "members": [{"value": user["id"]}]}
    for wrong in (str(uuid4()), "no-id"):
        refused = directory.call("POST", GROUPS, body | {"members": [*body["members"], {"value": wrong}]})
        assert (refused.status_code, refused.json()["scimType"]) == (422, "invalidValue")
        assert directory.call("GET", GROUPS).json()["totalResults"] == 0
    made = directory.call("POST", GROUPS, body)
    assert (made.status_code, [item["value"] for item in made.json()["members"]]) == (201, [user["id"]])


@pytest.mark.parametrize("unfit", ["\\ud800", "\\u0000"])
def test_text_that_no_database_keeps_is_refused_or_found_nowhere(directory: Directory, unfit: str) -> None:
    group = directory.group()
    headers = {"Authorization": f"Bearer {directory.key}", "Content-Type": "application/scim+json"}
    change = '{"schemas": ["%s"], "Operations": [{"op": "replace", "path": "externalId", "value": "%s"}]}'
    for method, path, body in (
        ("POST", GROUPS, f'{{"schemas": ["{GROUP_SCHEMA}"], "displayName": "g", "externalId": "{unfit}"}}'),
        ("PATCH", f"{GROUPS}/{group['id']}", change % (PATCH, unfit)),
        ("PATCH", f"{GROUPS}/{group['id']}", change % (PATCH, "x" * 501)),
        ("POST", USERS, f'{{"schemas": ["{USER_SCHEMA}"], "userName": "u", "externalId": "{unfit}"}}'),
    ):
        refused = directory.service.http.request(method, path, content=body, headers=headers)
        assert (refused.status_code, refused.json()["scimType"]) == (422, "invalidValue"), refused.text
    for name in ("userName", "externalId", "id"):
        assert directory.call("GET", USERS, filter=f'{name} eq "{unfit}"').json()["totalResults"] == 0


def test_nobody_is_renamed_who_may_read_more_than_the_directorys_key(service: Running, directory: Directory) -> None:
    """Whose it is, a provider may know by name or address: the renamed account would be its reader's."""
    user = directory.user("비서", emails=[{"value": "secretary@bank.example", "primary": True}])
    path, accounts = f"{USERS}/{user['id']}", Accounts(service.services.rag.database)
    accounts.change(directory.tenant_id, UUID(user["id"]), AccountChange(clearance=Label.CONFIDENTIAL))
    put = {"schemas": [USER_SCHEMA], "userName": "intruder", "emails": user["emails"]}
    mail = {"op": "replace", "path": 'emails[type eq "work"].value', "value": "intruder@bank.example"}
    for refused in (
        directory.call("PUT", path, put),
        directory.patch(path, {"op": "replace", "path": "userName", "value": "intruder"}),
        directory.patch(path, mail),
    ):
        assert (refused.status_code, refused.json()["status"]) == (403, "403"), refused.text
    changed = directory.patch(path, {"op": "replace", "path": "active", "value": False})
    assert (changed.status_code, changed.json()["active"], changed.json()["userName"]) == (200, False, "비서")
    cleared = service.services.rag.keys.create(
        directory.tenant, "디렉터리", [Scope.ADMIN], clearance=Label.CONFIDENTIAL
    )
    high = Directory(service, directory.tenant, cleared[0])
    assert high.patch(path, {"op": "replace", "path": "userName", "value": "비서실"}).json()["userName"] == "비서실"


def probes(directory: Directory, user_id: str, group_id: str) -> Iterator[tuple[str, str, Any]]:
    """Every route with the ids of another tenant, or of nobody."""
    person = {"schemas": [USER_SCHEMA], "userName": "intruder", "active": False}
    people = {"schemas": [GROUP_SCHEMA], "displayName": "intruders", "members": []}
    change = {"schemas": [PATCH], "Operations": [{"op": "replace", "path": "externalId", "value": "mine"}]}
    for path, body in ((f"{USERS}/{user_id}", person), (f"{GROUPS}/{group_id}", people)):
        yield "GET", path, None
        yield "PUT", path, body
        yield "PATCH", path, change
        yield "DELETE", path, None


def test_another_tenants_directory_finds_and_changes_nothing(service: Running, directory: Directory) -> None:
    stranger = directory_of(service)
    user = directory.user("secret-person", externalId="s1")
    made = directory.group(user["id"], displayName="비밀 모임")
    own = stranger.group()
    for (method, path, body), (_, absent, _) in zip(
        probes(stranger, user["id"], made["id"]), probes(stranger, str(uuid4()), str(uuid4())), strict=True
    ):
        refused, nowhere = stranger.call(method, path, body), stranger.call(method, absent, body)
        assert (refused.status_code, refused.text) == (404, nowhere.text), (method, path)
    for member in (user["id"], made["id"], str(uuid4()), "no-id"):
        refused = stranger.patch(
            f"{GROUPS}/{own['id']}", {"op": "add", "path": "members", "value": [{"value": member}]}
        )
        assert (refused.status_code, refused.json()["scimType"]) == (422, "invalidValue")
    for text in ('userName eq "secret-person"', 'externalId eq "s1"', f'id eq "{user["id"]}"', "userName pr"):
        assert stranger.call("GET", USERS, filter=text).json()["totalResults"] == 0
    assert "비밀" not in stranger.call("GET", GROUPS).text
    kept = directory.call("GET", f"{USERS}/{user['id']}").json()
    assert (kept["userName"], kept["active"], kept["externalId"]) == ("secret-person", True, "s1")
    assert directory.call("GET", f"{GROUPS}/{made['id']}").json()["members"][0]["value"] == user["id"]


def test_only_administrators_of_the_whole_tenant_may(service: Running, directory: Directory) -> None:
    user = directory.user()
    tenant = {"tenant": directory.tenant}
    limited = service.key(Scope.ADMIN, collections=[uuid4()], **tenant)
    for key in (service.key(Scope.READ, **tenant), service.key(Scope.WRITE, **tenant), limited):
        caller = Directory(service, directory.tenant, key)
        for method, path, body in (
            *probes(caller, user["id"], user["id"]),
            ("GET", USERS, None),
            ("POST", USERS, {"a": 1}),
        ):
            refused = caller.call(method, path, body)
            assert (refused.status_code, refused.json()["status"]) == (403, "403"), (method, path)
    nobody = Directory(service, directory.tenant, "sgk_x_y")
    for method, path, body in (*probes(nobody, user["id"], user["id"]), ("GET", "/scim/v2/Schemas", None)):
        assert nobody.call(method, path, body).status_code == 401
