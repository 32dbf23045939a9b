"""One way from any credential to a principal: how many queries it takes, and who is nobody."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from uuid import UUID, uuid4

import pytest
from sqlalchemy import event, func, select

from rag.access.accounts import AccountChange, Accounts
from rag.access.grants import Grants
from rag.access.groups import Groups
from rag.access.identities import Carrier, CredentialKind, Identities, Presented, lifelines_of
from rag.access.issuing import KeyIssuer, KeyWish
from rag.access.keys import Keys
from rag.access.operator import LocalOperator
from rag.access.policy import Action, Policy
from rag.access.widgets import Vouched, WidgetTokens, WidgetWish
from rag.domain.access import Label, Role, attribute, group, user
from rag.domain.errors import InvalidRequest, LastAdministrator, NotAuthenticated, NotPermitted
from rag.domain.principal import Principal, PrincipalKind, Scope
from rag.store import widget_token
from rag.store.account import AccountKind, Source
from rag.store.api_key import ApiKey
from rag.store.base import utc_now
from rag.store.session import Database
from rag.store.tables import METADATA
from rag.store.tenant import ensure_tenant
from tests.support.stores import add_collection


def tenant_of(database: Database, name: str = "은행") -> UUID:
    with database.write() as session:
        return ensure_tenant(session, name).id


def identities_of(database: Database, operator: LocalOperator | None = None) -> Identities:
    made = Identities(database, Keys(database), operator)
    made.register(CredentialKind.WIDGET, WidgetTokens(database), widget_token.in_force)
    return made


@contextmanager
def counted(database: Database) -> Iterator[list[str]]:
    """The statements that are sent in the block, begin and end of transactions left out."""
    seen: list[str] = []

    def note(*given: object) -> None:
        text = str(given[2])
        if not text.startswith(("BEGIN", "COMMIT", "ROLLBACK")):
            seen.append(text)

    event.listen(database.engine, "before_cursor_execute", note)
    try:
        yield seen
    finally:
        event.remove(database.engine, "before_cursor_execute", note)


def deeply_nested(database: Database, tenant_id: UUID, depth: int) -> tuple[UUID, list[UUID]]:
    """An account with attributes, at the bottom of so many groups; and the groups, the innermost first."""
    row = Accounts(database).create(tenant_id, "김민지", attributes={"dept": ["인사", "노무"], "level": 3})
    groups, inner, chain = Groups(database), row.id, []
    for number in range(depth):
        made = groups.create(tenant_id, f"{number}층")
        groups.add_members(tenant_id, made.id, [inner])
        chain.append(inner := made.id)
    return row.id, chain


def test_a_credential_takes_a_bounded_number_of_queries(database: Database) -> None:
    """One for a key of the tenant, four for one of an account, at any depth of groups and with any number of roles; a token
    of a widget adds one to its key, and three for an account that is vouched for."""
    tenant_id, identities, keys = tenant_of(database), identities_of(database), Keys(database)
    account_id, chain = deeply_nested(database, tenant_id, 12)
    grants = Grants(database)
    for number in range(12):
        collection = add_collection(database, f"모음 {number}", "은행")
        grants.add(None, tenant_id, group(chain[number]), Role.CURATOR, collection.id)
        grants.add(None, tenant_id, attribute("dept", "노무"), Role.VIEWER, collection.id)
    plain, _ = keys.create("은행", "포털", [Scope.ADMIN])
    owned, _ = keys.create("은행", "개인", [Scope.WRITE], owner_id=account_id)
    tokens = WidgetTokens(database)
    makers = [identities.resolve(Presented(secret)) for secret in (plain, owned)]  # their use is noted, once a minute
    wish = WidgetWish(frozenset(), timedelta(minutes=5), origins=frozenset({"https://a"}))
    widgets = [tokens.create(maker, wish)[0] for maker in makers]
    vouching = WidgetWish(frozenset(), timedelta(minutes=5), Vouched(account_id))
    widgets.append(tokens.create(makers[0], vouching)[0])
    guest = WidgetWish(frozenset(), timedelta(minutes=5), Vouched(groups=frozenset(chain[:3]), attributes={"a": ["b"]}))
    widgets.append(tokens.create(makers[0], guest)[0])
    taken = []
    for secret in (plain, owned, *widgets):
        with counted(database) as statements:
            identities.resolve(Presented(secret, origin="https://a"))
        taken.append(len(statements))
    assert taken == [1, 4, 2, 5, 5, 5]
    with counted(database) as statements:
        found = identities.of_account(account_id, [Scope.READ])
    assert len(statements) == 3
    assert found.groups == set(chain) and len(found.grants) == 12
    assert {role for _, role in found.grants} == {Role.CURATOR}
    assert found.attributes == {("dept", "인사"), ("dept", "노무"), ("level", "3")}
    with counted(database) as statements:
        assert identities.ended([found, *makers]) == frozenset()
    assert len(statements) == 1


def test_a_key_of_an_account_is_its_account_and_never_wider_than_itself(database: Database) -> None:
    tenant_id, keys = tenant_of(database), Keys(database)
    collection = add_collection(database, "규정", "은행")
    robot = Accounts(database).create(tenant_id, "봇", kind=AccountKind.SERVICE, clearance=Label.SENSITIVE)
    Grants(database).add(None, tenant_id, user(robot.id), Role.ADMIN, None)
    for clearance, counts in ((Label.OPEN, Label.OPEN), (Label.CONFIDENTIAL, Label.SENSITIVE)):
        secret, row = keys.create("은행", "열쇠", [Scope.READ], [collection.id], clearance=clearance, owner_id=robot.id)
        found = identities_of(database).resolve(Presented(secret, Carrier.HEADER))
        assert (found.id, found.name, found.credential) == (robot.id, "봇", row.id)
        assert (found.kind, found.clearance, found.role) == (PrincipalKind.SERVICE, counts, Role.ADMIN)
        assert found.collections == {collection.id} and not found.whole_tenant
        policy = Policy(database)
        assert policy.authorize(found, Action.SEARCH).collections == {collection.id}
        with pytest.raises(NotPermitted):
            policy.require(found, Action.MANAGE_PEOPLE)


def test_an_account_of_another_tenant_is_nobody(database: Database) -> None:
    bank, hospital = tenant_of(database), tenant_of(database, "병원")
    kim = Accounts(database).create(hospital, "김")
    secret, _ = Keys(database).create("은행", "열쇠", [Scope.READ], owner_id=kim.id)
    identities = identities_of(database)
    for wrong in (lambda: identities.resolve(Presented(secret)), lambda: identities.of_account(uuid4(), [])):
        with pytest.raises(NotAuthenticated):
            wrong()
    with pytest.raises(NotAuthenticated):
        identities.of_account(kim.id, [Scope.READ], tenant_id=bank)
    assert identities.of_account(kim.id, [Scope.READ], tenant_id=hospital).tenant_id == hospital


def test_suspension_stops_every_kind_at_the_next_request(database: Database) -> None:
    tenant_id, accounts, keys = tenant_of(database), Accounts(database), Keys(database)
    identities = identities_of(database)
    kim = accounts.create(tenant_id, "김")
    secret, row = keys.create("은행", "열쇠", [Scope.WRITE], owner_id=kim.id)
    maker = identities.resolve(Presented(secret))
    token, _ = WidgetTokens(database).create(maker, WidgetWish(frozenset(), timedelta(minutes=5)))
    ways = (
        lambda: identities.resolve(Presented(secret)),
        lambda: identities.resolve(Presented(token)),
        lambda: identities.of_account(kim.id, [Scope.READ]),
        lambda: identities.current(row.id),
        lambda: identities.current(kim.id),
    )
    assert [way().tenant_id for way in ways] == [tenant_id] * 5
    accounts.suspend(tenant_id, kim.id)
    for way in ways:
        with pytest.raises(NotAuthenticated):
            way()
    accounts.resume(tenant_id, kim.id)
    assert [way().tenant_id for way in ways] == [tenant_id] * 5
    accounts.delete(tenant_id, kim.id)
    for way in ways:
        with pytest.raises(NotAuthenticated):
            way()


def test_each_carrier_brings_its_own_kinds(sqlite: Database) -> None:
    operator = LocalOperator(sqlite)
    identities = identities_of(sqlite, operator)
    secret, row = Keys(sqlite).create("은행", "열쇠", [Scope.READ])

    class Cookies:
        """Knows one session."""

        def resolve(self, presented: Presented) -> Principal | None:
            return operator.principal if presented.text == "opaque" else None

    assert identities.resolve(Presented(operator.token)) == operator.principal
    assert identities.resolve(Presented(secret, Carrier.HEADER, "10.0.0.7")).id == row.id
    assert Keys(sqlite).list()[0].last_address == "10.0.0.7"
    refused = [
        Presented(secret, Carrier.COOKIE),
        Presented("opaque", Carrier.COOKIE),
        Presented("opaque"),
        Presented("eyJhbGciOiJub25lIn0.e30."),
        Presented("sgw_000000000000_x"),
        Presented("sgk_000000000000_x"),
        Presented("sgk_"),
        Presented(""),
        Presented("열쇠"),
        Presented(f"{secret}\x00"),
        Presented(f"{secret}\ud800"),
    ]
    for presented in refused:
        with pytest.raises(NotAuthenticated):
            identities.resolve(presented)
    identities.register(CredentialKind.SESSION, Cookies())
    assert identities.resolve(Presented("opaque", Carrier.COOKIE)) == operator.principal
    with pytest.raises(NotAuthenticated):
        identities.resolve(Presented("opaque"))


def test_a_job_goes_on_as_the_key_or_the_account_that_began_it(database: Database) -> None:
    operator = LocalOperator(database)
    identities, keys = identities_of(database, operator), Keys(database)
    tenant_id = tenant_of(database)
    kim = Accounts(database).create(tenant_id, "김")
    owned, row = keys.create("은행", "개인", [Scope.WRITE], owner_id=kim.id)
    plain, tenants = keys.create("은행", "포털", [Scope.WRITE])
    signed_in = identities.of_account(kim.id, [Scope.READ, Scope.WRITE], credential=uuid4())
    began = [identities.resolve(Presented(secret)) for secret in (owned, plain)]
    assert [identities.errand_of(item) for item in (*began, signed_in)] == [row.id, tenants.id, kim.id]
    assert identities.errand_of(operator.principal) == operator.principal.id
    assert [identities.current(identities.errand_of(item)) for item in began] == began
    later = identities.current(kim.id)
    assert (later.id, later.scopes, later.credential) == (kim.id, {Scope.READ, Scope.WRITE}, None)
    assert identities.current(operator.principal.id) == operator.principal
    keys.revoke(row.prefix)
    for gone in (row.id, uuid4()):
        with pytest.raises(NotAuthenticated):
            identities.current(gone)


def test_what_has_to_last_as_long_as_a_stream(sqlite: Database) -> None:
    identities, keys, tenant_id = identities_of(sqlite), Keys(sqlite), tenant_of(sqlite)
    kim = Accounts(sqlite).create(tenant_id, "김")
    secret, row = keys.create("은행", "열쇠", [Scope.ADMIN], owner_id=kim.id)
    person = identities.resolve(Presented(secret))
    tenants = keys.authenticate(keys.create("은행", "포털", [Scope.ADMIN])[0])
    made, token = WidgetTokens(sqlite).create(tenants, WidgetWish(frozenset(), timedelta(minutes=1)))
    assert lifelines_of(person) == {kim.id, row.id}
    assert lifelines_of(identities.of_account(kim.id, [])) == {kim.id}
    assert lifelines_of(tenants) == {tenants.id}
    assert lifelines_of(identities.resolve(Presented(made))) == {token.id, tenants.id}
    assert lifelines_of(LocalOperator(sqlite).principal) == frozenset()


def test_a_fresh_store_holds_no_credential_and_nobody(database: Database) -> None:
    """No default password, no default key, no account that was there before its administrator."""
    with database.read() as session:
        for name in ("api_key", "account", "account_group", "group_member", "role_grant", "widget_token"):
            assert session.scalar(select(func.count()).select_from(METADATA.tables[name])) == 0, name
    assert not Keys(database).any_admin()
    columns = {column.name for table in METADATA.tables.values() for column in table.columns}
    assert not any("password" in name for name in columns)


def test_an_administrator_of_any_kind_counts_as_one(database: Database) -> None:
    tenant_id, keys = tenant_of(database), Keys(database)
    kim = Accounts(database).create(tenant_id, "김")
    keys.create("병원", "지난 열쇠", [Scope.ADMIN], expires_at=utc_now())
    Grants(database).add(None, tenant_id, user(kim.id), Role.CURATOR, None)
    assert not keys.any_admin()
    Grants(database).add(None, tenant_id, user(kim.id), Role.ADMIN, None)
    assert keys.any_admin()


def test_a_directory_may_take_the_last_administrator_and_nobody_else_may(database: Database) -> None:
    tenant_id, accounts, groups = tenant_of(database), Accounts(database), Groups(database)
    kim = accounts.create(tenant_id, "김", source=Source.SCIM, external_id="42")
    team = groups.create(tenant_id, "감사팀", Source.SCIM)
    groups.set_members(tenant_id, team.id, [kim.id])
    grants = Grants(database)
    given = grants.add(None, tenant_id, group(team.id), Role.ADMIN, None)
    for refused in (
        lambda: accounts.delete(tenant_id, kim.id),
        lambda: accounts.suspend(tenant_id, kim.id),
        lambda: groups.delete(tenant_id, team.id),
        lambda: groups.remove_members(tenant_id, team.id, [kim.id]),
        lambda: grants.remove(None, tenant_id, given.id),
    ):
        with pytest.raises(LastAdministrator):
            refused()
    assert identities_of(database).of_account(kim.id, []).role is Role.ADMIN
    assert accounts.by_external_id(tenant_id, Source.SCIM, "42") is not None
    accounts.set_groups(tenant_id, kim.id, [], Source.SCIM)
    assert groups.members(tenant_id, team.id) == frozenset()
    accounts.set_groups(tenant_id, kim.id, [team.id, uuid4()], Source.SCIM)
    accounts.set_groups(tenant_id, kim.id, [], Source.LDAP)
    assert groups.members(tenant_id, team.id) == {kim.id}, "another directory keeps that group"
    accounts.suspend(tenant_id, kim.id, Source.SCIM)
    assert accounts.get(tenant_id, kim.id).suspended_at is not None
    accounts.delete(tenant_id, kim.id, Source.SCIM)
    assert accounts.by_external_id(tenant_id, Source.SCIM, "42") is None
    assert accounts.create(tenant_id, "김", source=Source.SCIM, external_id="42").id != kim.id


@pytest.mark.parametrize(
    "change",
    [
        AccountChange(user_name=" "),
        AccountChange(user_name="a\x00b"),
        AccountChange(user_name="deleted:x"),
        AccountChange(user_name="가" * 201),
        AccountChange(email="x" * 321),
        AccountChange(attributes={"a=b": ["c"]}),
        AccountChange(attributes={"": ["c"]}),
        AccountChange(attributes={"a": ["\x07"]}),
        AccountChange(attributes={"a": [str(number) for number in range(65)]}),
        AccountChange(attributes={str(number): ["x"] for number in range(65)}),
    ],
)
def test_what_no_rule_could_name_is_refused(sqlite: Database, change: AccountChange) -> None:
    tenant_id, accounts = tenant_of(sqlite), Accounts(sqlite)
    kim = accounts.create(tenant_id, "김", attributes={"dept": "인사"})
    with pytest.raises(InvalidRequest):
        accounts.change(tenant_id, kim.id, change)
    after = accounts.get(tenant_id, kim.id)
    assert (after.user_name, after.attributes) == ("김", {"dept": ["인사"]})


def test_a_rotated_key_and_what_opens_it(database: Database) -> None:
    keys = Keys(database)
    first, row = keys.create("은행", "열쇠", [Scope.READ])
    second = keys.rotate(row.prefix, timedelta(minutes=5))
    assert second is not None and keys.authenticate(first) == keys.authenticate(second)
    with database.write() as session:
        session.get_one(ApiKey, row.id).previous_until = utc_now() - timedelta(seconds=1)
    with pytest.raises(NotAuthenticated):
        keys.authenticate(first)
    third = keys.rotate(row.prefix, timedelta())
    assert third is not None and keys.authenticate(third).id == row.id
    for old in (first, second):
        with pytest.raises(NotAuthenticated):
            keys.authenticate(old)
    keys.revoke(row.prefix)
    assert keys.rotate(row.prefix, timedelta()) is None
    assert keys.rotate("sgk_000000000000", timedelta()) is None


def test_a_widget_may_of_all_actions_four(sqlite: Database) -> None:
    maker = Keys(sqlite).authenticate(Keys(sqlite).create("은행", "포털", [Scope.ADMIN, Scope.OPERATOR])[0])
    token, _ = WidgetTokens(sqlite).create(maker, WidgetWish(frozenset(), timedelta(minutes=1)))
    page, allowed = identities_of(sqlite).resolve(Presented(token)), set()
    for action in Action:
        try:
            Policy(sqlite).require(page, action)
        except NotPermitted:
            continue
        allowed.add(action)
    assert allowed == {Action.SEARCH, Action.ASK, Action.GIVE_FEEDBACK, Action.READ_CITED}


@pytest.mark.parametrize("end", ["suspend", "delete"])
def test_what_an_administrator_made_for_others_opens_nothing_once_they_may_not(database: Database, end: str) -> None:
    """They know its secret. Whoever goes on in their place gives it another one."""
    tenant_id, accounts = tenant_of(database), Accounts(database)
    kim, robot = accounts.create(tenant_id, "김"), accounts.create(tenant_id, "로봇", kind=AccountKind.SERVICE)
    for item in (kim, robot):
        Grants(database).add(None, tenant_id, user(item.id), Role.ADMIN, None)
    keys, issuer, identities = Keys(database), KeyIssuer(database), identities_of(database)
    chief = identities.of_account(kim.id, [Scope.ADMIN])
    made = [
        issuer.create(chief, KeyWish("열쇠", frozenset({Scope.ADMIN}), owner_id=owner), own=False)
        for owner in (None, robot.id)
    ]
    watched = [keys.authenticate(secret) for secret, _ in made]
    token, _ = WidgetTokens(database).create(watched[0], WidgetWish(frozenset(), timedelta(minutes=5)))
    watched.append(identities.resolve(Presented(token)))
    assert identities.ended(watched) == frozenset()
    with pytest.raises(LastAdministrator):  # the key of the tenant would be none any more
        accounts.suspend(tenant_id, robot.id)
        getattr(accounts, end)(tenant_id, kim.id)
    accounts.resume(tenant_id, robot.id)
    other = identities.of_account(robot.id, [Scope.ADMIN])
    own, _ = issuer.create(other, KeyWish("다른 열쇠", frozenset({Scope.ADMIN})), own=False)
    getattr(accounts, end)(tenant_id, kim.id)
    assert identities.ended(watched) == {*watched}, "what they are at ends"
    for secret in (*(secret for secret, _ in made), token):
        with pytest.raises(NotAuthenticated):
            identities.resolve(Presented(secret))
    fresh, _ = issuer.rotate(keys.authenticate(own), made[0][1].id, timedelta(days=1), own=False)
    assert keys.authenticate(fresh).id == made[0][1].id
    with pytest.raises(NotAuthenticated):  # no grace for what somebody knows who has left
        keys.authenticate(made[0][0])
    prefix = made[1][1].prefix
    assert (by_hand := keys.rotate(prefix, timedelta(days=1))) is not None
    assert keys.authenticate(by_hand).id == robot.id
    with pytest.raises(NotAuthenticated):
        keys.authenticate(made[1][0])


def test_nobody_makes_keys_of_their_own_without_end(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rag.access.issuing.MAX_OWN_KEYS", 2)
    tenant_id, issuer = tenant_of(database), KeyIssuer(database)
    kim, other = (Accounts(database).create(tenant_id, name) for name in ("김", "이"))
    maker, wish = identities_of(database).of_account(kim.id, [Scope.READ]), KeyWish("열쇠", frozenset({Scope.READ}))
    first, _ = (issuer.create(maker, wish, own=True)[1] for _ in range(2))
    with pytest.raises(InvalidRequest, match="revoke one"):
        issuer.create(maker, wish, own=True)
    issuer.revoke(maker, first.id, own=True)
    issuer.create(maker, wish, own=True)
    issuer.create(identities_of(database).of_account(other.id, [Scope.READ]), wish, own=True)
