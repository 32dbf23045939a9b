"""Sign-in over HTTP with a provider that is a program of its own, and what a session's cookie may do."""

from __future__ import annotations

import re
import time
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit
from uuid import UUID, uuid4

import httpx
import pytest
from sqlalchemy import select
from starlette.testclient import TestClient

from api.address_limit import AddressLimit, sign_in_limit
from api.app import create_app
from api.deps import Services
from api.settings import ApiSettings
from rag.access.accounts import Accounts
from rag.access.federation_tokens import LOGOUT_EVENT
from rag.domain.audit import INSTALLATION
from rag.domain.errors import RateLimited
from rag.domain.principal import Scope
from rag.settings import RagSettings
from rag.settings_identity import IdentitySettings, SessionSettings
from rag.store import audit_event
from rag.store.audit_event import AuditRow, Wanted
from rag.store.sign_in import MAX_PENDING, PendingSignIn
from rag.store.tenant import tenant_id_of
from tests.support.bare import bare_services
from tests.support.oidc_provider import FakeProvider
from tests.support.running import Running
from tests.support.stores import migrated

# The provider's program uses what its library will drop some day.
pytestmark = pytest.mark.filterwarnings("ignore:get_jwt_config:DeprecationWarning")
ORIGIN = "http://localhost:8080"


@dataclass
class Door:
    """The service, the provider, and the tenants behind it."""

    running: Running
    issuer: str
    tokens: FakeProvider
    tenants: tuple[str, str]

    def browser(self, language: str = "en", cookie: str | None = None) -> TestClient:
        """A browser with cookies of its own, which stays where it is sent."""
        return TestClient(
            self.running.http.app,
            base_url=ORIGIN,
            cookies=None if cookie is None else {"seogo_session": cookie},
            headers={"Accept-Language": language},
            follow_redirects=False,
            raise_server_exceptions=False,
        )

    def signed_in(self, sub: str = "hong", provider: str = "mock", **parameters: str) -> TestClient:
        """A browser after a sign-in."""
        browser = self.browser()
        arrived = browser.get(self.way_back(browser, sub, provider, **parameters))
        assert (arrived.status_code, arrived.headers["location"]) == (303, parameters.get("return_to", "/")), (
            arrived.text
        )
        return browser

    def way_back(self, browser: TestClient, sub: str = "hong", provider: str = "mock", **parameters: str) -> str:
        """The address that the provider sends the browser back to, after the person's consent there."""
        left = browser.get(f"/auth/{provider}/login", params=parameters)
        assert left.status_code == 303, left.text
        with httpx.Client(trust_env=False) as person:
            assert person.get(left.headers["location"]).status_code == 200
            agreed = person.post(left.headers["location"], data={"sub": sub})
        assert agreed.status_code == 302, agreed.text
        assert agreed.headers["location"].startswith(f"{ORIGIN}/auth/{provider}/callback?code=")
        return str(agreed.headers["location"])


@pytest.fixture(scope="module")
def door(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Door]:
    with pytest.MonkeyPatch.context() as environment, warnings.catch_warnings(action="ignore"):
        environment.setenv("AUTHLIB_INSECURE_TRANSPORT", "1")
        from oidc_provider_mock import User, run_server_in_thread

        person = User(
            sub="hong", claims={"preferred_username": "hong", "name": "홍길동", "groups": ["여신팀", "관리자"]}
        )
        plain = User(sub="kim", claims={"preferred_username": "kim", "groups": []})
        with run_server_in_thread(user_claims=(person, plain), require_nonce=True) as server:
            issuer, tokens = f"http://localhost:{server.server_port}", FakeProvider(now=time.time())
            with tokens.served():
                yield from _opened(tmp_path_factory.mktemp("door"), issuer, tokens)


def _opened(folder: Path, issuer: str, tokens: FakeProvider) -> Iterator[Door]:
    tenants = (f"t-{uuid4().hex[:8]}", f"t-{uuid4().hex[:8]}")
    secret = folder / "client-secret"
    secret.write_text("a secret of the client\n", encoding="utf-8")
    secret.chmod(0o600)
    provider: dict[str, Any] = {
        "name": "mock",
        "client_secret_file": secret,
        "tenant": tenants[0],
        "issuer": issuer,
        "client_id": "seogo",
        "provision": True,
        "claims": {"groups": "groups"},
        "roles": [{"claim": "groups", "value": "관리자", "role": "admin"}],
        "default_role": "viewer",
    }
    other = {**provider, "name": "sso", "tenant": tenants[1], "issuer": tokens.issuer, "audiences": ["seogo-api"]}
    database = migrated(f"sqlite:///{folder / 'seogo.sqlite'}")
    settings = RagSettings(identity=IdentitySettings.model_validate({"oidc": [provider, other]}))
    services = bare_services(database, settings)
    yield Door(Running(services, TestClient(create_app(services))), issuer, tokens, tenants)
    database.close()


def proof_of(browser: TestClient) -> dict[str, str]:
    proof = browser.get("/auth/session").json()["proof"]
    return {"X-Seogo-Proof": proof, "Origin": ORIGIN}


def test_people_sign_in_with_the_provider_and_use_the_api(door: Door) -> None:
    browser = door.signed_in(return_to="/ask?q=1")
    me = browser.get("/api/v1/me").json()
    assert (me["name"], me["role"]) == ("hong", "admin")
    events = browser.get("/api/v1/audit/events", params={"kind": "authentication"}).json()["events"]
    assert [(item["kind"], item["who"]["name"]) for item in events] == [("authentication.signed_in", "hong")]
    session = browser.get("/auth/session")
    assert session.headers["cache-control"] == "no-store" and session.json()["session"]["current"]
    name = f"c-{uuid4().hex[:6]}"
    made = browser.post("/api/v1/collections", json={"name": name}, headers=proof_of(browser))
    assert made.status_code == 201, made.text
    assert [item["name"] for item in browser.get("/api/v1/collections").json()["collections"]] == [name]


def test_the_cookie_is_for_this_host_alone_and_for_no_script(door: Door) -> None:
    browser = door.browser()
    arrived = browser.get(door.way_back(browser))
    cookies = arrived.headers.get_list("set-cookie")
    [session] = [item for item in cookies if item.startswith("seogo_session=")]
    assert "HttpOnly" in session and "SameSite=lax" in session and "Path=/" in session and "Domain" not in session
    assert any(item.startswith('seogo_sign_in=""') and "Max-Age=0" in item for item in cookies)
    assert arrived.headers["referrer-policy"] == "no-referrer" and arrived.headers["cache-control"] == "no-store"
    secret = session.split(";")[0].split("=", 1)[1]
    with door.running.services.rag.database.connection() as connection:
        stored = connection.exec_driver_sql("select * from portal_session").fetchall()
    assert stored and secret not in repr(stored) and secret.encode() not in repr(stored).encode()


def test_with_tls_the_cookie_has_the_hosts_prefix(door: Door) -> None:
    services = door.running.services
    public = ApiSettings(public_url="https://seogo.bank.example")
    app = create_app(Services(public, services.rag, services.ingest))
    outside = TestClient(app, base_url="https://seogo.bank.example", follow_redirects=False)
    left = outside.get("/auth/mock/login")
    [cookie] = left.headers.get_list("set-cookie")
    assert cookie.startswith("__Host-seogo_sign_in=") and "Secure" in cookie and "Path=/" in cookie
    asked = dict(parse_qsl(urlsplit(left.headers["location"]).query))
    assert asked["redirect_uri"] == "https://seogo.bank.example/auth/mock/callback"
    assert asked["code_challenge_method"] == "S256" and {"state", "nonce", "code_challenge"} <= asked.keys()


@pytest.mark.parametrize(
    ("configured", "base"),
    [(None, "http://evil.example"), (None, "https://evil.example"), ("http://seogo.bank.example", ORIGIN)],
)
def test_no_sign_in_under_an_address_that_nobody_vouches_for(door: Door, configured: str | None, base: str) -> None:
    services = door.running.services
    app = create_app(Services(ApiSettings(public_url=configured), services.rag, services.ingest))
    outside = TestClient(app, base_url=base, follow_redirects=False, raise_server_exceptions=False)
    refused = outside.get("/auth/mock/login")
    assert refused.status_code == 500 and "set-cookie" not in refused.headers


def test_what_changes_something_needs_proof_beside_the_cookie(door: Door) -> None:
    browser = door.signed_in()
    good = proof_of(browser)
    other = proof_of(door.signed_in("kim"))
    name = f"c-{uuid4().hex[:6]}"
    spoilt: list[dict[str, Any]] = [
        {},
        {"Origin": ORIGIN},
        {"X-Seogo-Proof": good["X-Seogo-Proof"]},
        {**good, "Origin": "https://evil.example"},
        {**good, "Origin": "null"},
        {**good, "Origin": f"{ORIGIN}.evil.example"},
        {**good, "X-Seogo-Proof": other["X-Seogo-Proof"]},
        {**good, "X-Seogo-Proof": "é".encode()},
    ]
    for headers in spoilt:
        refused = browser.post("/api/v1/collections", headers=headers, json={"name": name})
        assert (refused.status_code, refused.json()["code"]) == (403, "not_permitted"), headers
    assert browser.post("/api/v1/collections", headers=good, json={"name": name}).status_code == 201


def test_a_key_beside_the_cookie_counts_and_a_cookie_is_no_key(door: Door) -> None:
    browser = door.signed_in()
    key = door.running.key(Scope.READ, tenant=door.tenants[1])
    seen = browser.get("/api/v1/me", headers={"Authorization": f"Bearer {key}"}).json()
    assert seen["name"] == "test"
    secret = browser.cookies["seogo_session"]
    for headers in ({"Authorization": f"Bearer {secret}"}, {"X-API-Key": secret}):
        assert door.browser().get("/api/v1/me", headers=headers).status_code == 401
    token = door.tokens.token()
    assert door.browser().get("/api/v1/me", headers={"X-API-Key": token}).status_code == 401
    assert door.browser(cookie=token).get("/api/v1/me").status_code == 401


def test_a_token_is_verified_with_keys_that_the_provider_serves(door: Door) -> None:
    def status(token: str) -> int:
        return int(door.browser().get("/api/v1/me", headers={"Authorization": f"Bearer {token}"}).status_code)

    good = door.tokens.claims("yoon")
    assert status(door.tokens.token(good)) == 200
    assert door.tokens.asked["/.well-known/openid-configuration"] >= 1 and door.tokens.asked["/keys"] >= 1
    for wrong in ({"aud": "others"}, {"iss": "https://sso.other.example"}, {"exp": int(time.time()) - 3600}):
        assert status(door.tokens.token(good | wrong)) == 401, wrong
    stranger = FakeProvider(issuer=door.tokens.issuer, now=time.time())
    assert status(stranger.token(good)) == 401, "signed by somebody else"


def test_whoever_may_only_read_administers_nothing(door: Door) -> None:
    browser = door.signed_in("kim")
    refused = browser.post("/api/v1/collections", json={"name": "x"}, headers=proof_of(browser))
    assert (refused.status_code, refused.json()["code"]) == (403, "not_permitted")


def test_signing_in_again_ends_the_session_before(door: Door) -> None:
    browser = door.signed_in()
    before = browser.cookies["seogo_session"]
    assert browser.get(door.way_back(browser)).status_code == 303
    assert browser.cookies["seogo_session"] != before
    assert door.browser(cookie=before).get("/api/v1/me").status_code == 401


def test_signing_out_ends_the_session_and_names_the_providers_page(door: Door) -> None:
    browser = door.signed_in()
    secret = browser.cookies["seogo_session"]
    assert browser.post("/auth/mock/logout").status_code == 403  # a foreign page can't sign anybody out
    left = browser.post("/auth/mock/logout", headers=proof_of(browser))
    assert left.status_code == 200 and left.json()["url"].startswith(
        f"{door.issuer}/oauth2/end_session?client_id=seogo"
    )
    with httpx.Client(trust_env=False) as person:
        assert person.get(left.json()["url"]).status_code == 200
    assert "seogo_session" not in browser.cookies
    assert door.browser(cookie=secret).get("/api/v1/me").status_code == 401


def test_one_sees_and_ends_ones_own_sessions_and_nobody_elses(door: Door) -> None:
    first, second, other = door.signed_in("lee"), door.signed_in("lee"), door.signed_in("kim")
    listed = first.get("/api/v1/me/sessions").json()["sessions"]
    assert [item["current"] for item in listed].count(True) == 1 and len(listed) == 2
    [away] = [item["id"] for item in listed if not item["current"]]
    for stranger in (other, door.signed_in("hong")):
        refused = stranger.delete(f"/api/v1/me/sessions/{away}", headers=proof_of(stranger))
        absent = stranger.delete(f"/api/v1/me/sessions/{uuid4()}", headers=proof_of(stranger))
        assert (refused.status_code, refused.text) == (absent.status_code, absent.text) == (404, absent.text)
    assert second.get("/api/v1/me").status_code == 200
    assert first.delete(f"/api/v1/me/sessions/{away}", headers=proof_of(first)).status_code == 204
    assert second.get("/api/v1/me").status_code == 401 and first.get("/api/v1/me").status_code == 200


def test_suspending_ends_every_kind_of_credential_at_the_next_request(door: Door) -> None:
    rag = door.running.services.rag
    browser = door.signed_in("park")
    token = {"Authorization": f"Bearer {door.tokens.token(door.tokens.claims('park'))}"}
    assert door.browser().get("/api/v1/me", headers=token).status_code == 200
    accounts = Accounts(rag.database)
    for headers in ({}, token):
        person = browser.get("/api/v1/me", headers=headers).json()
        principal = rag.identities.of_account(UUID(person["id"]), ())
        accounts.suspend(principal.tenant_id, principal.id)
        assert browser.get("/api/v1/me", headers=headers).status_code == 401
    again = door.browser()
    refused = again.get(door.way_back(again, "park"))
    assert refused.status_code == 403 and "seogo_session" not in again.cookies


def test_tenants_of_two_providers_see_nothing_of_each_other(door: Door) -> None:
    browser = door.signed_in()
    name = f"금고-{uuid4().hex[:6]}"
    assert browser.post("/api/v1/collections", json={"name": name}, headers=proof_of(browser)).status_code == 201
    admin = door.tokens.claims("admin", groups=["관리자"])
    stranger = {"Authorization": f"Bearer {door.tokens.token(admin)}"}
    outside = door.browser()
    assert outside.get("/api/v1/collections", headers=stranger).json()["collections"] == []
    for path in (f"/api/v1/collections/{name}", f"/api/v1/collections/{name}/documents"):
        assert outside.get(path, headers=stranger).status_code == 404
    # A token that says it is of the other tenant's issuer, signed by this one's keys.
    forged = door.tokens.token({**admin, "iss": door.issuer})
    assert outside.get("/api/v1/me", headers={"Authorization": f"Bearer {forged}"}).status_code == 401
    # What one provider's sign-in began, the other's callback does not end.
    started = door.browser()
    query = urlsplit(door.way_back(started)).query
    assert started.get(f"/auth/sso/callback?{query}").status_code in (400, 503)
    assert "seogo_session" not in started.cookies


@pytest.mark.parametrize(("language", "title"), [("ko", "로그인하지 못했습니다"), ("en", "Sign-in failed")])
def test_a_failed_sign_in_is_a_small_page_with_nothing_from_elsewhere(door: Door, language: str, title: str) -> None:
    browser = door.browser(language=language)
    for path, status in (
        ("/auth/mock/callback?code=a&state=b", 400),
        ("/auth/mock/callback?error=access_denied&state=%3Cscript%3E", 400),
        ("/auth/nobody/login", 404),
        ("/auth/%3Cscript%3E/callback", 404),
    ):
        page = browser.get(path)
        assert (page.status_code, page.headers["content-language"]) == (status, language)
        assert title in page.text and "<script" not in page.text and "src=" not in page.text
        assert re.findall(r'href="([^"]*)"', page.text) in ([], ["/auth/mock/login"])
        policy = page.headers["content-security-policy"]
        assert policy.startswith("default-src 'none'; style-src 'sha256-") and "frame-ancestors 'none'" in policy


def test_a_sign_in_ends_on_this_service(door: Door) -> None:
    browser = door.browser()
    arrived = browser.get(door.way_back(browser, return_to="https://evil.example/"))
    assert arrived.headers["location"] == "/"


def test_an_order_to_log_out_that_is_none_is_refused(door: Door) -> None:
    browser = door.signed_in()
    # from an address of its own: each has one entry a minute, which a test before may have had
    outside = TestClient(door.running.http.app, ORIGIN, client=("192.0.2.7", 50_000))
    for token in ("", "x", door.tokens.token()):
        answered = outside.post("/auth/mock/backchannel-logout", data={"logout_token": token})
        assert answered.status_code == 400
    assert outside.post("/auth/nobody/backchannel-logout", data={"logout_token": "x"}).status_code == 400
    assert browser.get("/api/v1/me").status_code == 200
    told = [row for row in entries(door, INSTALLATION) if row.detail.get("attempted") == "end sessions"]
    assert told[0].kind == "authentication.failed" and told[0].outcome == "denied"
    assert told[0].detail["provider"] == "mock"  # those that follow are counted


def test_an_order_to_log_out_is_on_the_trail_before_and_after(door: Door) -> None:
    claims = {"aud": "seogo", "azp": None, "sub": "u-1", "events": {LOGOUT_EVENT: {}}}
    door.tokens.now = time.time()
    order = door.tokens.token(door.tokens.claims(**claims), {"typ": "logout+jwt"})
    answered = door.browser().post("/auth/sso/backchannel-logout", data={"logout_token": order})
    assert answered.status_code == 200
    begun, done = [row for row in entries(door, tenant_id_of(door.tenants[1])) if row.surface == "auth"]
    told = {"issuer": door.tokens.issuer, "sub": "u-1", "sid": ""}
    assert (begun.kind, begun.outcome, begun.detail) == ("authentication.session_ended", "begun", told)
    assert (done.kind, done.outcome, done.detail) == (begun.kind, "done", {**told, "ended": 0})
    assert (done.principal_name, done.principal_kind, done.what) == (
        "sso",
        "service",
        "POST /auth/sso/backchannel-logout",
    )
    assert done.ip and done.request_id


def entries(door: Door, tenant_id: UUID) -> list[AuditRow]:
    with door.running.services.rag.database.read() as session:
        return list(audit_event.oldest(session, tenant_id, Wanted()))


def test_the_first_page_knows_the_providers(door: Door) -> None:
    listed = door.browser().get("/auth/providers").json()["providers"]
    assert listed == [{"name": name, "login": f"/auth/{name}/login"} for name in ("mock", "sso")]


def test_a_key_has_no_session(door: Door) -> None:
    key = {"Authorization": f"Bearer {door.running.key(Scope.READ)}"}
    browser = door.browser()
    assert browser.get("/auth/session", headers=key).status_code == 404
    assert browser.post("/auth/mock/logout", headers=key).status_code == 404
    assert browser.get("/api/v1/me/sessions", headers=key).json() == {"sessions": []}


def test_a_flood_of_sign_ins_from_one_network_is_refused_and_hinders_no_other(door: Door) -> None:
    app: Any = door.running.http.app
    database, before = door.running.services.rag.database, app.state.sign_ins

    def browser(address: str) -> TestClient:
        return TestClient(app, ORIGIN, client=(address, 50_000), follow_redirects=False)

    def begun() -> int:
        with database.read() as session:
            return len(session.scalars(select(PendingSignIn.id)).all())

    app.state.sign_ins, rows = AddressLimit(3, "sign-in"), begun()
    try:
        told = [browser(f"2001:db8::{number}").get("/auth/mock/login") for number in range(1, 6)]
        assert [item.status_code for item in told] == [303, 303, 303, 429, 429]
        assert int(told[-1].headers["retry-after"]) > 0 and "sign-in" in told[-1].text
        assert begun() == rows + 3, "nothing is kept of what is refused"
        assert browser("2001:db8:1::1").get("/auth/mock/login").status_code == 303
    finally:
        app.state.sign_ins = before
    patient = sign_in_limit(SessionSettings(sign_in_s=3600))
    with pytest.raises(RateLimited):  # all that an address can begin until the first is too late, at once
        for _ in range(MAX_PENDING // 2):
            patient.enter("10.0.0.1")
