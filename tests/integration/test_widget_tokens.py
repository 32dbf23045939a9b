"""Tokens of widgets: never more than their key, and of the API only what a page in a browser does."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from fastapi.routing import APIRoute

from api.app import ROUTERS
from api.deps import Guard
from rag.access.policy import Action
from rag.domain.access import AccessRule, group, user
from rag.domain.principal import Scope
from rag.store import access_rule
from rag.store.base import utc_now
from rag.store.document import Document
from rag.store.widget_token import WidgetToken
from tests.integration.test_identity import as_key, grant, key_of, new_account, new_group, person
from tests.support.running import Caller, Running

PORTAL = "https://portal.bank.example"
OF_WIDGETS = {Action.SEARCH, Action.ASK, Action.GIVE_FEEDBACK, Action.READ_CITED}

ROUTES = {
    "GET /api/v1/search",
    "POST /api/v1/search",
    "GET /api/v1/chunks/{chunk_id}",
    "POST /api/v1/answers",
    "POST /api/v1/answers/{answer}/feedback",
    "POST /v1/chat/completions",
    "POST /v1/responses",
    "POST /v1/vector_stores/{store_id}/search",
    "POST /dify/retrieval",
    "POST /continue/context",
    "POST /api/v1/code/search",
    "GET /api/v1/repositories/{repository_id}/commits/{commit}",
    "GET /api/v1/repositories/{repository_id}/files/{path:path}",
    "POST /tools/search",
    "POST /tools/search_code",
    "POST /tools/ask",
}


def made_by(maker: Caller, **body: Any) -> dict[str, Any]:
    made = maker.post("/api/v1/widget-tokens", json=body)
    assert made.status_code == 201, made.text
    return dict(made.json())


def widget(service: Running, maker: Caller, **body: Any) -> Caller:
    return as_key(service, made_by(maker, **body)["token"])


def found(caller: Caller, question: str = "연차 휴가는 며칠인가?") -> set[str]:
    return {item["source_key"] for item in caller.search(question)}


def test_a_page_asks_shows_and_says_what_it_thinks_and_nothing_else(service: Running) -> None:
    admin = service.caller()
    rules, wages = admin.collection(), admin.collection()
    admin.ingest(rules, {"휴가.md": "# 휴가\n\n연차 휴가는 15일이다.\n"})
    admin.ingest(wages, {"급여.md": "# 급여\n\n연차 휴가 수당은 기본급의 3%이다.\n"})
    page = widget(service, admin, collections=[rules])
    assert found(admin) == {"휴가.md", "급여.md"} and found(page) == {"휴가.md"}
    answer = page.post("/api/v1/answers", json={"question": "연차 휴가는 며칠인가?"}).json()
    assert answer["status"] == "answered" and "15일" in answer["text"]
    chunk = answer["sentences"][0]["citations"][0]["chunk_id"]
    assert page.get(f"/api/v1/chunks/{chunk}").status_code == 200
    said = page.post(f"/api/v1/answers/{answer['answer_id']}/feedback", json={"rating": "up"})
    assert said.status_code == 200, said.text
    raw = {"model": "llm/x", "messages": [{"role": "user", "content": "연차?"}]}
    assert page.post("/v1/chat/completions", json=raw).status_code == 403, "a model is no document"
    body = {"question": "연차?", "collections": [wages]}
    assert page.post("/api/v1/search", json=body).status_code == 404
    for method, path in (("GET", "/api/v1/me"), ("GET", "/api/v1/collections"), ("POST", "/api/v1/widget-tokens")):
        assert page.request(method, path, json={}).status_code == 403, (method, path)


def test_a_page_speaks_of_what_such_pages_asked_in_its_collections_and_of_nothing_else(service: Running) -> None:
    admin = service.caller()
    rules, wages = admin.collection(), admin.collection()
    admin.ingest(rules, {"휴가.md": "# 휴가\n\n연차 휴가는 15일이다.\n"})
    pages = {name: widget(service, admin, collections=[name]) for name in (rules, wages)}
    body = {"question": "연차 휴가는 며칠인가?"}
    makers = admin.post("/api/v1/answers", json={**body, "collections": [rules]}).json()["answer_id"]
    asked = pages[rules].post("/api/v1/answers", json=body).json()["answer_id"]

    def said(caller: Caller, answer: str) -> int:
        return int(caller.post(f"/api/v1/answers/{answer}/feedback", json={"rating": "down"}).status_code)

    assert said(pages[rules], asked) == said(admin, makers) == said(admin, asked) == 200
    assert said(widget(service, admin, collections=[rules, wages]), asked) == 200, "the page's next token"
    assert said(pages[rules], makers) == 404, "the key asked that, not a page"
    assert said(pages[wages], asked) == 404, "in a collection that this page has nothing of"


def test_the_routes_of_a_page_are_these() -> None:
    """By their guards; that the policy lets a widget do no other action, a test of the policy shows."""
    found = set()
    for prefix, router in ROUTERS:
        for route in router.routes:
            assert isinstance(route, APIRoute)
            actions = [item.call.action for item in route.dependant.dependencies if isinstance(item.call, Guard)]
            if actions and actions[0] in OF_WIDGETS:
                found |= {f"{method} {prefix}{route.path}" for method in route.methods}
    assert found == ROUTES


def test_a_token_ends_by_itself_by_hand_and_with_its_key(service: Running) -> None:
    admin = service.caller()
    admin.collection()
    key = key_of(admin, None, "read", expires_at=(utc_now() + timedelta(minutes=2)).isoformat()).json()
    maker = as_key(service, key["secret"])
    token = made_by(maker, minutes=60)
    assert token["expires_at"] == key["expires_at"], "not longer than the key"
    hour = made_by(admin, minutes=60)
    lasts = datetime.fromisoformat(hour["expires_at"]) - datetime.fromisoformat(hour["created_at"])
    assert lasts == timedelta(hours=1)
    for minutes in (0, 61):
        assert admin.post("/api/v1/widget-tokens", json={"minutes": minutes}).status_code == 422
    pages = [as_key(service, item["token"]) for item in (token, hour, made_by(maker))]
    assert [page.post("/api/v1/search", json={"question": "휴가"}).status_code for page in pages] == [200, 200, 200]
    assert {item["id"] for item in maker.get("/api/v1/widget-tokens").json()["tokens"]} > {token["id"]}
    assert maker.delete(f"/api/v1/widget-tokens/{hour['id']}").status_code == 404, "of another key"
    assert maker.delete(f"/api/v1/widget-tokens/{token['id']}").status_code == 204
    assert pages[0].post("/api/v1/search", json={"question": "휴가"}).status_code == 401
    admin.delete(f"/api/v1/keys/{key['id']}")
    assert [page.post("/api/v1/search", json={"question": "휴가"}).status_code for page in pages] == [401, 200, 401]
    with service.services.rag.database.write() as session:
        session.get_one(WidgetToken, UUID(hour["id"])).expires_at = utc_now()
    assert pages[1].post("/api/v1/search", json={"question": "휴가"}).status_code == 401


def test_a_token_is_good_for_its_origins_only(service: Running) -> None:
    admin = service.caller()
    page = widget(service, admin, origins=[PORTAL.upper().replace("HTTPS", "https")])
    asked = {"json": {"question": "휴가"}}
    assert page.post("/api/v1/search", **asked, headers={"Origin": PORTAL}).status_code == 200
    for other in ({}, {"Origin": "https://evil.example"}, {"Origin": f"{PORTAL}.evil.example"}, {"Origin": "null"}):
        assert page.post("/api/v1/search", **asked, headers=other).status_code == 401
    for wrong in ("portal.bank.example", "https://portal/x", "ftp://portal", "https://a@b", "*"):
        assert admin.post("/api/v1/widget-tokens", json={"origins": [wrong]}).status_code == 422


def test_a_token_follows_what_its_key_may_now(service: Running) -> None:
    admin = service.caller()
    rules, wages = admin.collection(), admin.collection()
    admin.ingest(rules, {"휴가.md": "# 휴가\n\n연차 휴가는 15일이다.\n"})
    admin.ingest(wages, {"급여.md": "# 급여\n\n연차 휴가 수당은 기본급의 3%이다.\n"})
    kim = new_account(admin)
    given = grant(admin, f"user:{kim}", "viewer", rules).json()["id"]
    page = widget(service, person(service, admin, kim))
    assert found(page) == {"휴가.md"}
    grant(admin, f"user:{kim}", "admin", wages)
    assert found(page) == {"휴가.md"}, "the collections of a token are fixed"
    admin.delete(f"/api/v1/grants/{given}")
    assert found(page) == set()
    admin.request("PATCH", f"/api/v1/accounts/{kim}", json={"suspended": True})
    assert page.post("/api/v1/search", json={"question": "휴가"}).status_code == 401


def test_a_portal_vouches_for_its_users(service: Running) -> None:
    """Documents with lists of readers: the page of a user shows what that user may see, whoever made the token."""
    admin = service.caller()
    rules = admin.collection()
    kim, lee = new_account(admin), new_account(admin)
    team = new_group(admin, kim)
    house = new_group(admin, team)
    grant(admin, "everyone", "viewer", rules)
    files = {"가.md": "# 가\n\n연차 휴가는 15일이다.\n", "나.md": "# 나\n\n연차 휴가 수당은 3%이다.\n"}
    documents = {item["source_key"]: UUID(item["id"]) for item in admin.ingest(rules, files)}
    with service.services.rag.database.write() as session:
        for key, rule in (
            ("가.md", AccessRule(frozenset({group(UUID(house))}))),
            ("나.md", AccessRule(deny=frozenset({user(UUID(kim))}))),
        ):
            access_rule.set_own_rule(session, session.get_one(Document, documents[key]), rule)
            session.get_one(Document, documents[key]).access_pending = False
    permitted = {
        name: service.services.rag.policy.authorize(_principal(service, admin, subject), Action.SEARCH).rules
        for name, subject in {
            "kim": {"account_id": kim},
            "lee": {"account_id": lee},
            "team": {"groups": [team]},
            "guest": {"attributes": {"dept": ["방문"]}},
        }.items()
    }
    assert {name: len(rules) for name, rules in permitted.items()} == {"kim": 1, "lee": 1, "team": 2, "guest": 1}
    assert permitted["kim"].isdisjoint(permitted["lee"]) and permitted["lee"] == permitted["guest"]
    admin.request("PATCH", f"/api/v1/accounts/{lee}", json={"suspended": True})
    refused = admin.post("/api/v1/widget-tokens", json={"subject": {"account_id": lee}})
    assert (refused.status_code, refused.json()["code"]) == (404, "account_not_found")


def _principal(service: Running, admin: Caller, subject: dict[str, Any]) -> Any:
    found = service.services.rag.authenticate(made_by(admin, subject=subject)["token"])
    assert found.kind == "widget" and found.scopes == {Scope.READ}
    assert {role for _, role in found.grants} <= {"viewer"} and found.role is None
    return found


def test_who_is_no_administrator_vouches_for_nobody(service: Running) -> None:
    admin, stranger = service.caller(), service.caller()
    collection = admin.get(f"/api/v1/collections/{admin.collection()}").json()["id"]
    tenant = admin.get("/api/v1/me").json()["tenant"]
    kim, foreign = new_account(admin), new_account(stranger)
    foreign_group = new_group(stranger)
    makers = (
        person(service, admin, kim, "admin"),
        as_key(service, service.key(Scope.WRITE, tenant=tenant)),
        as_key(service, service.key(Scope.ADMIN, tenant=tenant, collections=[UUID(collection)])),
    )
    for subject in ({"account_id": kim}, {"attributes": {"dept": ["인사팀"]}}, {}):
        for maker in makers:
            assert maker.post("/api/v1/widget-tokens", json={"subject": subject}).status_code == 403
    for subject, status in (({"account_id": foreign}, 404), ({"groups": [foreign_group]}, 422)):
        assert admin.post("/api/v1/widget-tokens", json={"subject": subject}).status_code == status
    token = made_by(admin)["id"]
    for other in (*makers, stranger):
        assert other.delete(f"/api/v1/widget-tokens/{token}").status_code == 404
        assert token not in other.get("/api/v1/widget-tokens").text
    assert len(admin.get("/api/v1/widget-tokens").json()["tokens"]) == 1
    assert stranger.post("/api/v1/widget-tokens", json={"collections": [collection]}).status_code == 404
    assert service.http.post("/api/v1/widget-tokens", json={}).status_code == 401


def test_a_maker_who_lost_the_right_to_vouch_takes_its_tokens_along(service: Running) -> None:
    admin = service.caller()
    admin.collection()
    kim, lee = new_account(admin), new_account(admin)
    given = grant(admin, f"user:{kim}", "admin").json()["id"]
    page = widget(service, person(service, admin, kim, "admin"), subject={"account_id": lee})
    assert page.post("/api/v1/search", json={"question": "휴가"}).status_code == 200
    admin.delete(f"/api/v1/grants/{given}")
    assert page.post("/api/v1/search", json={"question": "휴가"}).status_code == 401


@pytest.mark.parametrize("spoil", [lambda token: token[:-1], lambda token: token + "x", lambda token: token[:16] + "_"])
def test_a_wrong_token_is_nobody(service: Running, spoil: Any) -> None:
    token = made_by(service.caller())["token"]
    assert as_key(service, token).get("/api/v1/collections").status_code == 403
    assert as_key(service, spoil(token)).get("/api/v1/collections").status_code == 401
