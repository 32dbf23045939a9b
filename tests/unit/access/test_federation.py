"""People of sign-in providers: their accounts, tokens, sign-ins and sessions, on both stores."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import event, select
from sqlalchemy import text as sql

from rag.access.accounts import AccountChange, Accounts
from rag.access.audit import AuditTrail
from rag.access.federation import Federation, open_federation
from rag.access.federation_claims import found
from rag.access.federation_sessions import Sessions
from rag.access.federation_sign_in import SignIn, local_path
from rag.access.federation_tokens import LOGOUT_EVENT
from rag.access.identities import Carrier, Identities, Presented
from rag.access.keys import Keys
from rag.domain.access import Label, Role
from rag.domain.audit import AuditKind, Outcome
from rag.domain.errors import (
    AuditUnavailable,
    ConfigurationError,
    NotAuthenticated,
    NotFound,
    ProviderUnavailable,
    SignInFailed,
)
from rag.domain.principal import Principal, PrincipalKind, Scope
from rag.settings_identity import IdentitySettings, SessionSettings
from rag.store import account, audit_event
from rag.store.account import Account, AccountKind, Source
from rag.store.audit_event import Wanted
from rag.store.base import utc_now
from rag.store.session import Database
from rag.store.sign_in import AccountLink, PendingSignIn, PortalSession
from rag.store.tables import METADATA
from rag.store.tenant import ensure_tenant, tenant_id_of
from tests.support.oidc_provider import FakeProvider

HERE = "https://seogo.bank.example/auth/sso/callback"


@dataclass
class House:
    """A store, a provider of one tenant, and what was wired to them."""

    database: Database
    fake: FakeProvider
    federation: Federation
    identities: Identities

    @property
    def sign_in(self) -> SignIn:
        return self.federation.sign_in("sso")

    @property
    def accounts(self) -> Accounts:
        return Accounts(self.database)

    def token(self, sub: str = "u-1", **claims: Any) -> str:
        return self.fake.token(self.fake.claims(sub, **claims))

    def bearer(self, text: str) -> Principal:
        return self.identities.resolve(Presented(text))

    def cookie(self, secret: str) -> Principal:
        return self.identities.resolve(Presented(secret, Carrier.COOKIE))

    def signed_in(self, sub: str = "u-1", **more: Any) -> str:
        departure = self.sign_in.depart(HERE, "/")
        return self.sign_in.arrive(self.fake.authorize(departure.url, sub), departure.browser, **more).session


Build = Callable[..., House]


@pytest.fixture
def small(sqlite: Database) -> Database:
    """An empty SQLite store."""
    return sqlite


@pytest.fixture
def build(small: Database) -> Build:
    """Houses on SQLite."""
    return builder(small)


@pytest.fixture(params=["small", "postgres"])
def anywhere(request: pytest.FixtureRequest) -> Build:
    """Houses on each store, for what the databases may do differently."""
    opened: Database = request.getfixturevalue(request.param)
    if not opened.is_sqlite:
        with opened.engine.begin() as connection:
            connection.execute(
                sql("SET LOCAL session_replication_role = replica")
            )  # the audit trail lets nobody do this
            connection.execute(sql(f"TRUNCATE {', '.join(METADATA.tables)}"))
    return builder(opened)


def builder(database: Database) -> Build:
    def built(issuer: str = FakeProvider.issuer, **settings: Any) -> House:
        fake = FakeProvider(issuer, now=time.time())
        values = {"name": "sso", "tenant": "bank", "issuer": fake.issuer, "client_id": "seogo", "provision": True}
        provider = {**values, "audiences": ("seogo-api",), **settings}
        identities = Identities(database, Keys(database))
        federation = open_federation(
            IdentitySettings(oidc=(provider,)),  # type: ignore[arg-type]
            database,
            identities,
            AuditTrail(database),
            fake.transport(),
        )
        with database.write() as session:
            ensure_tenant(session, "bank")
        return House(database, fake, federation, identities)

    return built


CLAIMS = {
    "user_name": "preferred_username",
    "groups": "realm.groups",
    "clearance": "clearance",
    "attributes": {"dept": "department"},
}
RICH = {
    "claims": CLAIMS,
    "clearances": {"secret": "C", "limited": "S"},
    "roles": ({"claim": "realm.groups", "value": "관리자", "role": "admin"},),
    "default_role": "viewer",
}


def test_a_first_token_makes_an_account_with_what_it_says(anywhere: Build) -> None:
    house = anywhere(**RICH)
    said = {"realm": {"groups": ["여신팀", "관리자"]}, "clearance": ["limited", "?"], "department": "여신"}
    principal = house.bearer(house.token("u-1", name="홍길동", email="hong@bank.example", **said))
    assert (principal.kind, principal.tenant_id) == (PrincipalKind.USER, tenant_id_of("bank"))
    assert (principal.role, principal.clearance) == (Role.ADMIN, Label.SENSITIVE)
    assert principal.attributes == {("dept", "여신")} and principal.scopes == {Scope.READ, Scope.WRITE}
    row = house.accounts.get(principal.tenant_id, principal.id)
    assert (row.user_name, row.display_name, row.email) == ("name-u-1", "홍길동", "hong@bank.example")
    assert row.source == Source.OIDC and row.external_id == f"{house.fake.issuer}|u-1"
    names = [item.name for item in house.accounts.groups_of(row.tenant_id, row.id)]
    assert sorted(names) == ["관리자", "여신팀"] and len(principal.groups) == 2


def test_a_newer_token_takes_away_and_an_older_one_brings_nothing_back(anywhere: Build) -> None:
    house = anywhere(**RICH)
    now = int(house.fake.now)
    old = house.token(iat=now - 100, realm={"groups": ["여신팀", "관리자"]}, clearance="secret")
    new = house.token(iat=now - 50, realm={"groups": ["심사팀"]})
    assert house.bearer(old).role is Role.ADMIN
    for text in (new, old, old):
        principal = house.bearer(text)
        assert (principal.role, principal.clearance, len(principal.groups)) == (Role.VIEWER, Label.OPEN, 1)


def test_each_provider_has_groups_of_its_own(anywhere: Build) -> None:
    house = anywhere(**RICH)
    partner = anywhere("https://sso.partner.example", name="partner", link="user_name", **RICH)
    first = house.bearer(house.token("u-1", realm={"groups": ["여신팀", "파견"]}))
    stranger = partner.bearer(partner.token("x-9", realm={"groups": ["여신팀", "협력사"]}))
    assert not stranger.groups & first.groups, (
        "a word of another provider opens nothing that was shared with this one's"
    )
    named = house.accounts.groups_of(stranger.tenant_id, stranger.id)
    assert [item.name for item in named] == ["여신팀 (partner)", "협력사"]
    again = partner.bearer(partner.token("x-9", iat=int(partner.fake.now) + 5, realm={"groups": ["협력사"]}))
    assert len(again.groups) == 1
    both = partner.bearer(partner.token("u-1", realm={"groups": ["협력사"]}))
    assert both.id == first.id and both.groups == first.groups | again.groups, "no way out of what denies somebody"


def test_what_a_token_leaves_out_takes_nobody_out_of_what_denies_them(anywhere: Build) -> None:
    claims = {**CLAIMS, "attributes": {"dept": "department", "duty": "duty"}}
    house = anywhere(claims=claims)
    said = {"realm": {"groups": ["파견"]}, "department": "여신", "duty": ["감사"]}
    now = int(house.fake.now)
    first = house.bearer(house.token(iat=now - 100, **said))
    silent = house.bearer(house.token(iat=now - 90))
    assert (silent.groups, silent.attributes) == (first.groups, first.attributes) and len(first.groups) == 1
    other = house.bearer(house.token(iat=now - 80, department="수신"))
    assert (other.groups, other.attributes) == (first.groups, {("dept", "수신"), ("duty", "감사")})
    none = house.bearer(house.token(iat=now - 70, realm={"groups": []}, department=[], duty=[]))
    assert (none.groups, none.attributes) == (frozenset(), frozenset()), "an empty list says that there is none"


def test_sign_ins_that_nobody_ends_do_not_pile_up(anywhere: Build, monkeypatch: pytest.MonkeyPatch) -> None:
    house = anywhere()
    monkeypatch.setattr("rag.store.sign_in.MAX_PENDING", 3)

    def waiting() -> list[PendingSignIn]:
        with house.database.read() as session:
            return list(session.scalars(select(PendingSignIn).order_by(PendingSignIn.expires_at)))

    for _ in range(5):
        last = house.sign_in.depart(HERE, "/")
    assert len(waiting()) == 3
    house.sign_in.arrive(house.fake.authorize(last.url), last.browser)
    with house.database.write() as session:
        for row in session.scalars(select(PendingSignIn)):
            row.expires_at = utc_now() - timedelta(seconds=1)
    house.sign_in.depart(HERE, "/")
    assert len(waiting()) == 1, "those that were too late are gone with the next one"


def told(database: Database, outcome: Outcome) -> list[tuple[str, dict[str, Any]]]:
    with database.read() as session:
        rows = list(audit_event.oldest(session, tenant_id_of("bank"), Wanted()))
    assert {(row.principal_name, row.principal_kind, row.surface) for row in rows} == {("sso", "service", "oidc")}
    return [(row.kind, row.detail) for row in rows if row.outcome == outcome]


def test_what_claims_change_is_on_the_trail_before_and_after(anywhere: Build) -> None:
    house = anywhere(**RICH)
    now = int(house.fake.now)
    first = house.token(iat=now - 100, realm={"groups": ["여신팀", "관리자"]}, clearance="limited")
    who = str(house.bearer(first).id)
    done = told(house.database, Outcome.DONE)
    assert done == [
        (AuditKind.ACCOUNT_CREATED, {"user_name": "name-u-1", "account": who}),
        (AuditKind.ACCOUNT_CHANGED, {"account": who, "subject": "u-1"}),
        (AuditKind.ACCOUNT_CHANGED, {"account": who}),
        (AuditKind.CLEARANCE_CHANGED, {"account": who, "before": "O", "after": "S"}),
        (AuditKind.GROUP_CHANGED, {"account": who, "added": ["관리자", "여신팀"], "removed": []}),
        (AuditKind.ROLE_GRANTED, {"account": who, "role": "admin"}),
    ]
    assert [kind for kind, _ in told(house.database, Outcome.BEGUN)] == [kind for kind, _ in done]
    house.bearer(house.token(iat=now - 50, realm={"groups": ["심사팀"]}, clearance="limited"))
    assert told(house.database, Outcome.DONE)[len(done) :] == [
        (AuditKind.ACCOUNT_CHANGED, {"account": who}),
        (AuditKind.GROUP_CHANGED, {"account": who, "added": ["심사팀"], "removed": ["관리자", "여신팀"]}),
        (AuditKind.ROLE_REVOKED, {"account": who, "role": "admin"}),
        (AuditKind.ROLE_GRANTED, {"account": who, "role": "viewer"}),
    ]


def test_claims_that_can_not_be_put_on_record_change_nothing(build: Build, monkeypatch: pytest.MonkeyPatch) -> None:
    house = build(**RICH)

    def refused(_trail: AuditTrail, *events: Any) -> None:
        raise AuditUnavailable

    monkeypatch.setattr(AuditTrail, "record", refused)
    with pytest.raises(AuditUnavailable):
        house.bearer(house.token(realm={"groups": ["관리자"]}))
    assert house.accounts.list(tenant_id_of("bank")) == []


def test_grants_and_groups_that_others_gave_stay(build: Build) -> None:
    house = build(**RICH)
    principal = house.bearer(house.token())
    with house.database.write() as session:
        local = account.AccountGroup(id=uuid4(), tenant_id=principal.tenant_id, name="우리 모임")
        session.add(local)
        session.flush()
        session.add(account.GroupMember(group_id=local.id, member_id=principal.id))
    later = house.bearer(house.token(iat=int(house.fake.now) + 5, realm={"groups": ["여신팀", "우리 모임"]}))
    # The provider's group of the same name is not the one that was made here.
    assert local.id in later.groups and len(later.groups) == 2


def test_a_token_in_use_costs_four_reads_and_no_write(anywhere: Build) -> None:
    house = anywhere(**RICH)
    text = house.token(realm={"groups": ["여신팀"]})
    house.bearer(text)
    statements: list[str] = []
    event.listen(house.database.engine, "before_cursor_execute", lambda *call: statements.append(call[2]))
    house.bearer(text)
    asked = [item for item in statements if item.lstrip().upper().startswith(("SELECT", "WITH"))]
    assert len(asked) == len([item for item in statements if not item.startswith("BEGIN")]) == 6
    assert house.fake.asked["/keys"] == 1


def test_without_provisioning_only_accounts_that_are_there_come_in(build: Build) -> None:
    house = build(provision=False)
    with pytest.raises(NotAuthenticated):
        house.bearer(house.token())
    with house.database.read() as session:
        assert session.scalars(select(Account)).all() == []


def test_a_suspended_account_is_refused_whatever_the_token_says(anywhere: Build) -> None:
    house = anywhere(**RICH)
    principal, secret = house.bearer(house.token()), house.signed_in()
    house.accounts.suspend(principal.tenant_id, principal.id)
    fresh = house.token(iat=int(house.fake.now) + 5, realm={"groups": ["관리자"]})
    for refused in (house.token(), fresh):
        with pytest.raises(NotAuthenticated):
            house.bearer(refused)
    with pytest.raises(NotAuthenticated):
        house.cookie(secret)
    with pytest.raises(NotAuthenticated):
        house.signed_in()
    house.accounts.resume(principal.tenant_id, principal.id)
    assert house.bearer(house.token()).role is Role.VIEWER  # what it said meanwhile was not taken over
    assert house.cookie(secret).id == principal.id


def test_whoever_comes_after_a_deletion_is_a_new_account(anywhere: Build) -> None:
    house = anywhere()
    first, secret = house.bearer(house.token()), house.signed_in()
    house.accounts.delete(first.tenant_id, first.id)
    with pytest.raises(NotAuthenticated):
        house.cookie(secret)
    old, new = house.token(), house.token(iat=int(house.fake.now) + 30)
    with pytest.raises(NotAuthenticated):
        house.bearer(old)
    second = house.bearer(new)
    assert second.id != first.id
    with pytest.raises(NotAuthenticated):  # nor into the account that followed
        house.bearer(old)
    assert house.bearer(new).id == second.id


@pytest.mark.parametrize(
    ("link", "claims", "joined"),
    [
        ("none", {}, False),
        ("user_name", {"preferred_username": "HONG"}, True),
        ("user_name", {"preferred_username": "kim"}, False),
        ("email", {"email": "Hong@bank.example", "email_verified": True}, True),
        ("email", {"email": "hong@bank.example"}, False),
        ("email", {"email": "hong@bank.example", "email_verified": False}, False),
    ],
)
def test_a_first_sign_in_joins_a_directorys_account_only_as_the_settings_say(
    build: Build, link: str, claims: dict[str, Any], joined: bool
) -> None:
    house = build(link=link, provision=False, **RICH)
    kept = house.accounts.create(
        tenant_id_of("bank"), "hong", email="hong@bank.example", source=Source.SCIM, external_id="7"
    )
    text = house.token(clearance="secret", name="딴 이름", **claims)
    if not joined:
        with pytest.raises(NotAuthenticated):
            house.bearer(text)
        return
    principal = house.bearer(text)
    assert principal.id == kept.id
    assert principal.clearance is Label.OPEN  # the directory's word on its own accounts stays
    house.accounts.change(kept.tenant_id, kept.id, AccountChange(user_name="renamed", email="other@bank.example"))
    assert house.bearer(text).id == kept.id
    with pytest.raises(NotAuthenticated):  # nobody else gets into an account that is somebody's
        house.bearer(house.token("u-2", **{**claims, "preferred_username": "renamed"}))


def test_a_service_account_is_nobodys_to_sign_in_to(build: Build) -> None:
    house = build(link="user_name", provision=False)
    house.accounts.create(tenant_id_of("bank"), "name-u-1", kind=AccountKind.SERVICE)
    with pytest.raises(NotAuthenticated):
        house.bearer(house.token())


def test_a_taken_name_is_no_way_into_an_account(anywhere: Build) -> None:
    house = anywhere()
    held = house.accounts.create(tenant_id_of("bank"), "name-u-1")
    with pytest.raises(NotAuthenticated):
        house.bearer(house.token())
    with house.database.read() as session:
        assert [row.id for row in session.scalars(select(Account))] == [held.id]
        assert session.scalars(select(AccountLink)).all() == []


def test_scopes_of_a_token_allow_what_the_settings_say(build: Build) -> None:
    house = build(token_scopes={"seogo.read": "read", "seogo.admin": "admin"})
    assert house.bearer(house.token(scope="openid seogo.read")).scopes == {Scope.READ}
    assert house.bearer(house.token(scp=["seogo.admin", "seogo.read"])).scopes == {Scope.READ, Scope.ADMIN}
    for nothing in ({}, {"scope": "openid"}, {"scope": 7}):
        with pytest.raises(NotAuthenticated):
            house.bearer(house.token(**nothing))


def test_issuers_of_two_tenants_never_meet(small: Database) -> None:
    first = FakeProvider(issuer="https://a.example", now=time.time())
    second = FakeProvider(issuer="https://b.example", now=time.time())
    second.keys = first.keys  # even with the same keys
    common = {"client_id": "seogo", "audiences": ("seogo-api",), "provision": True}
    settings = IdentitySettings.model_validate(
        {
            "oidc": [
                {"name": "a", "tenant": "bank-a", "issuer": first.issuer, **common},
                {"name": "b", "tenant": "bank-b", "issuer": second.issuer, **common},
            ]
        }
    )
    identities = Identities(small, Keys(small))
    open_federation(settings, small, identities, AuditTrail(small), first.transport())
    one = identities.resolve(Presented(first.token()))
    assert one.tenant_id == tenant_id_of("bank-a")
    two = FederatedPair(first, second, identities)
    assert two.refused()
    with pytest.raises(NotAuthenticated):
        identities.resolve(Presented(first.token(first.claims(iss="https://c.example"))))


@dataclass
class FederatedPair:
    first: FakeProvider
    second: FakeProvider
    identities: Identities

    def refused(self) -> bool:
        """A token of the first that says it is of the second: the second's keys are asked, and it is away."""
        forged = self.first.token(self.first.claims(iss=self.second.issuer))
        try:
            self.identities.resolve(Presented(forged))
        except (NotAuthenticated, ProviderUnavailable):
            return True
        return False


def test_settings_refuse_one_issuer_for_two_tenants() -> None:
    one = {"name": "a", "tenant": "a", "issuer": "https://a.example", "client_id": "c"}
    for other in ({**one, "name": "b", "tenant": "b"}, {**one, "issuer": "https://b.example"}):
        with pytest.raises(ValueError, match="must differ"):
            IdentitySettings.model_validate({"oidc": [one, other]})


def test_a_sign_in_ends_with_a_session(anywhere: Build) -> None:
    house = anywhere(**RICH)
    house.fake.people["u-1"] = {"realm": {"groups": ["관리자"]}, "sid": "s-1"}
    departure = house.sign_in.depart(HERE, "/ask?q=%EC%97%B0%EC%B0%A8", language="ko")
    assert "ui_locales=ko" in departure.url and "scope=openid+profile+email" in departure.url
    arrival = house.sign_in.arrive(house.fake.authorize(departure.url), departure.browser)
    assert arrival.return_to == "/ask?q=%EC%97%B0%EC%B0%A8"
    principal = house.cookie(arrival.session)
    assert principal.scopes == {Scope.READ, Scope.WRITE, Scope.ADMIN} and principal.role is Role.ADMIN
    [row] = house.federation.sessions.of_account(principal.id)
    assert (row.id, row.provider_session) == (principal.credential, "s-1")
    assert arrival.session.encode() not in row.secret_hash and len(row.secret_hash) == 32


def test_a_session_without_the_role_administers_nothing(build: Build) -> None:
    house = build(**RICH)
    assert house.cookie(house.signed_in()).scopes == {Scope.READ, Scope.WRITE}


def test_a_secret_of_the_client_goes_along(build: Build, tmp_path: Path) -> None:
    file = tmp_path / "secret"
    file.write_text("s3cret\n", encoding="utf-8")
    file.chmod(0o600)
    house = build(client_secret_file=file)
    house.fake.secret = "s3cret"
    house.signed_in()
    house.fake.secret = "changed"
    with pytest.raises(SignInFailed):
        house.signed_in()


def test_a_state_counts_once_in_its_own_browser_and_for_a_while(anywhere: Build) -> None:
    house = anywhere()
    departure = house.sign_in.depart(HERE, "/")
    query = house.fake.authorize(departure.url)
    other = house.sign_in.depart(HERE, "/")
    for browser in ("", "x" * 43, other.browser):
        fresh = house.sign_in.depart(HERE, "/")
        with pytest.raises(SignInFailed):  # somebody else's sign-in, put into this browser
            house.sign_in.arrive(house.fake.authorize(fresh.url), browser)
    for state in ("", "unknown", "x" * 5000):
        with pytest.raises(SignInFailed):
            house.sign_in.arrive({**query, "state": state}, departure.browser)
    house.sign_in.arrive(query, departure.browser)
    with pytest.raises(SignInFailed):
        house.sign_in.arrive(query, departure.browser)
    late = house.sign_in.depart(HERE, "/")
    with house.database.write() as session:
        for row in session.scalars(select(PendingSignIn)):
            row.expires_at = utc_now() - timedelta(seconds=1)
    with pytest.raises(SignInFailed):
        house.sign_in.arrive(house.fake.authorize(late.url), late.browser)
    with house.database.read() as session:
        assert session.scalars(select(PendingSignIn)).all() == []


def test_two_tabs_of_a_browser_sign_in_side_by_side(build: Build) -> None:
    house = build()
    first = house.sign_in.depart(HERE, "/")
    second = house.sign_in.depart(HERE, "/", first.browser)
    assert second.browser == first.browser
    for departure in (first, second):
        house.sign_in.arrive(house.fake.authorize(departure.url), first.browser)


def test_what_the_provider_sends_must_be_the_answer_to_this_sign_in(build: Build) -> None:
    house = build()
    spoilt: list[Callable[[dict[str, str]], Any]] = [
        lambda query: query.pop("code"),
        lambda query: query.update(code="stolen"),
        lambda query: query.update(error="access_denied"),
        lambda query: query.update(iss="https://evil.example"),
        lambda query: house.fake.codes[query["code"]].update(code_challenge="another"),
        lambda query: house.fake.codes[query["code"]].update(redirect_uri="https://evil.example"),
    ]
    for spoil in spoilt:
        departure = house.sign_in.depart(HERE, "/")
        query = house.fake.authorize(departure.url)
        spoil(query)
        with pytest.raises(SignInFailed):
            house.sign_in.arrive(query, departure.browser)
    departure = house.sign_in.depart(HERE, "/")
    query = house.fake.authorize(departure.url, nonce="another")
    with pytest.raises(NotAuthenticated):
        house.sign_in.arrive(query, departure.browser)
    with house.database.read() as session:
        assert session.scalars(select(PortalSession)).all() == []


def test_a_provider_that_names_itself_must_do_so(build: Build) -> None:
    house = build()
    house.fake.says = {"authorization_response_iss_parameter_supported": True}
    departure = house.sign_in.depart(HERE, "/")
    with pytest.raises(SignInFailed):
        house.sign_in.arrive(house.fake.authorize(departure.url), departure.browser)
    departure = house.sign_in.depart(HERE, "/")
    query = house.fake.authorize(departure.url) | {"iss": house.fake.issuer}
    house.sign_in.arrive(query, departure.browser)


def test_a_provider_that_goes_away_in_between_can_be_tried_again(build: Build) -> None:
    house = build()
    departure = house.sign_in.depart(HERE, "/")
    query = house.fake.authorize(departure.url)
    house.fake.away = True
    with pytest.raises(ProviderUnavailable):
        house.sign_in.arrive(query, departure.browser)


def test_more_claims_come_from_the_providers_own_address(build: Build) -> None:
    house = build(userinfo=True, claims={"groups": "groups"})
    house.fake.people["u-1"] = {"groups": ["여신팀"]}
    assert len(house.cookie(house.signed_in()).groups) == 1
    house.fake.tells = {"sub": "u-2"}
    with pytest.raises(NotAuthenticated):  # of another person
        house.signed_in()


def test_a_provider_without_pages_offers_no_sign_in(build: Build) -> None:
    house = build()
    house.fake.says = {"authorization_endpoint": ""}
    with pytest.raises(ConfigurationError):
        house.sign_in.depart(HERE, "/")
    with pytest.raises(NotFound):
        house.federation.sign_in("another")


def test_signing_out_leads_to_the_providers_page(build: Build) -> None:
    house = build()
    url = house.sign_in.farewell("https://seogo.bank.example/")
    assert url.startswith(f"{house.fake.issuer}/end_session?client_id=seogo&post_logout_redirect_uri=https%3A%2F%2F")
    away = build()
    away.fake.away = True
    assert away.sign_in.farewell("https://seogo.bank.example/") == ""


def test_the_provider_ends_the_sessions_that_it_names_and_no_others(anywhere: Build) -> None:
    house = anywhere()

    def order(**named: Any) -> str:
        claims = {"aud": "seogo", "azp": None, "sub": None, "events": {LOGOUT_EVENT: {}}, **named}
        return house.fake.token(house.fake.claims(**claims), {"typ": "logout+jwt"})

    house.fake.people["u-1"] = {"sid": "s-1"}
    first = house.signed_in()
    house.fake.people["u-1"] = {"sid": "s-2"}
    second, other = house.signed_in(), house.signed_in("u-2")
    now = house.fake.now = time.time()
    assert house.sign_in.obey(house.sign_in.order_of(order(sid="s-1"))) == 1
    with pytest.raises(NotAuthenticated):
        house.cookie(first)
    assert house.cookie(second)
    assert house.sign_in.obey(house.sign_in.order_of(order(sid="s-9"))) == 0
    assert house.sign_in.obey(house.sign_in.order_of(order(sid="s-2", sub="u-2"))) == 0  # both must fit
    house.fake.now = now - 300
    assert house.sign_in.obey(house.sign_in.order_of(order(sub="u-1"))) == 0  # an order from before the sign-in
    house.fake.now = now
    assert house.sign_in.obey(house.sign_in.order_of(order(sub="u-1"))) == 1
    with pytest.raises(NotAuthenticated):
        house.cookie(second)
    assert house.cookie(other)
    with pytest.raises(NotAuthenticated):
        house.sign_in.order_of(house.token())


class Time:
    def __init__(self) -> None:
        self.now = utc_now()

    def __call__(self) -> datetime:
        return self.now


def test_a_session_ends_by_rest_by_age_by_hand_and_by_the_next_one(anywhere: Build) -> None:
    house, clock = anywhere(), Time()
    principal = house.bearer(house.token())
    settings = SessionSettings(idle_s=600, absolute_s=3600)
    sessions = Sessions(house.database, house.identities, settings, clock)

    def holds(secret: str) -> bool:
        try:
            return sessions.resolve(Presented(secret, Carrier.COOKIE)) is not None
        except NotAuthenticated:
            return False

    secret, row = sessions.begin(principal, "sso", "u-1")
    start = clock.now
    for minutes in (9, 18, 27, 36, 45, 54):
        clock.now = start + timedelta(minutes=minutes)
        assert holds(secret)
    clock.now = start + timedelta(minutes=60)
    assert not holds(secret)  # however busy it was
    idle, _ = sessions.begin(principal, "sso", "u-1")
    clock.now += timedelta(seconds=601)
    assert not holds(idle)
    ended, row = sessions.begin(principal, "sso", "u-1")
    assert not sessions.end(row.id, uuid4())  # not another account's to end
    assert holds(ended) and sessions.end(row.id, principal.id) and not sessions.end(row.id, principal.id)
    assert not holds(ended)
    before, _ = sessions.begin(principal, "sso", "u-1")
    after, _ = sessions.begin(principal, "sso", "u-1", replacing=before)
    assert holds(after) and not holds(before)
    for text in ("", "x", "x" * 43, "é" * 43, after + "x"):
        assert not holds(text)


def test_open_streams_of_a_session_end_with_it(anywhere: Build) -> None:
    house = anywhere()
    principal = house.cookie(house.signed_in())
    other = house.cookie(house.signed_in("u-2"))
    assert house.identities.ended([principal, other]) == frozenset()
    assert principal.credential is not None
    house.federation.sessions.end(principal.credential, principal.id)
    assert house.identities.ended([principal, other]) == {principal}


def test_old_sessions_are_forgotten(build: Build) -> None:
    house, clock = build(), Time()
    principal = house.bearer(house.token())
    sessions = Sessions(house.database, house.identities, SessionSettings(), clock)
    sessions.begin(principal, "sso", "u-1")
    clock.now += timedelta(days=9)
    sessions.begin(principal, "sso", "u-1")
    with house.database.read() as session:
        assert len(session.scalars(select(PortalSession)).all()) == 1


@pytest.mark.parametrize(
    "wanted",
    ["https://evil.example", "//evil.example", "/\\evil.example", "evil", "", "/a\nb", "/a b", "/" + "x" * 3000, "/é"],
)
def test_a_sign_in_ends_on_this_service(wanted: str) -> None:
    assert local_path(wanted) == "/"


def test_claims_are_found_by_their_very_name_or_by_the_way_to_them() -> None:
    claims = {"https://x.example/groups": [1], "a": {"b": {"c": 1}}, "a.b": 2}
    assert found(claims, "https://x.example/groups") == [1]
    assert (found(claims, "a.b.c"), found(claims, "a.b"), found(claims, "a.x.c"), found(claims, "z")) == (
        1,
        2,
        None,
        None,
    )


def test_ids_of_tenants_follow_from_their_names(small: Database) -> None:
    with small.write() as session:
        assert ensure_tenant(session, "은행").id == tenant_id_of("은행") != UUID(int=0)
