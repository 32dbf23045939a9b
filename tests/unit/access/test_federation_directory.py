"""A directory is taken over: what is made, changed, suspended, let in again, and when nothing at all is done."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from rag.access.accounts import Accounts
from rag.access.audit import AuditTrail
from rag.access.federation_directory import STATUS, Directories, DirectorySync, Outcome
from rag.access.federation_listing import DirectoryGroup, DirectoryPerson, Listing
from rag.access.groups import Groups
from rag.access.identities import Identities
from rag.access.keys import Keys
from rag.domain.audit import AuditKind
from rag.domain.errors import (
    AuditUnavailable,
    DirectoryGroupsGone,
    DirectoryStopped,
    NotAuthenticated,
    ProviderUnavailable,
)
from rag.settings_identity import IdentitySettings, LdapSettings
from rag.store import audit_event
from rag.store.account import Source
from rag.store.audit_event import AuditRow, Wanted
from rag.store.base import utc_now
from rag.store.directory_run import DirectoryRun
from rag.store.session import Database
from rag.store.tenant import tenant_id_of

TENANT = tenant_id_of("bank")


def settings(**fields: Any) -> LdapSettings:
    values = {"name": "ad", "tenant": "bank", "url": "ldaps://dc1.bank.example", "user_base": "ou=people", **fields}
    return LdapSettings(**values)


def people(*names: str, **fields: Any) -> list[DirectoryPerson]:
    return [
        DirectoryPerson(f"id-{name}", f"uid={name}", name, f"이름 {name}", f"{name}@bank.example", **fields)
        for name in names
    ]


TEN = [f"p{number}" for number in range(10)]
GROUPS = [
    DirectoryGroup("g-1", "cn=여신", "여신팀", ("uid=p0", "uid=p1")),
    DirectoryGroup("g-2", "cn=본부", "본부", ("cn=여신", "uid=p2", "uid=nobody", "cn=본부")),
]


@pytest.fixture
def sync(sqlite: Database) -> Iterator[DirectorySync]:
    yield DirectorySync(sqlite, settings(), AuditTrail(sqlite))


def counts(outcome: Outcome) -> dict[str, int]:
    return {name: value for name, value in outcome.to_json().items() if value and name not in ("people", "groups")}


def test_a_directory_is_taken_over_and_a_second_time_changes_nothing(sync: DirectorySync, sqlite: Database) -> None:
    listing = Listing([*people(*TEN[:9]), *people("p9", attributes={"dept": ["여신", "겸직"]})], GROUPS)
    expected = {"created": 10, "groups_created": 2, "memberships_changed": 2}
    assert counts(sync.run(listing, dry_run=True)) == {"created": 10, "groups_created": 2}
    assert Accounts(sqlite).list(TENANT) == []
    assert counts(sync.run(listing)) == expected
    assert counts(sync.run(listing)) == counts(sync.run(listing, dry_run=True)) == {}
    rows = {row.user_name: row for row in Accounts(sqlite).list(TENANT, Source.LDAP)}
    assert (rows["p0"].display_name, rows["p0"].email) == ("이름 p0", "p0@bank.example")
    identities = Identities(sqlite, Keys(sqlite))
    assert len(identities.of_account(rows["p0"].id, ()).groups) == 2  # through the group in the group
    assert len(identities.of_account(rows["p2"].id, ()).groups) == 1
    assert identities.of_account(rows["p9"].id, ()).attributes == {("dept", "여신"), ("dept", "겸직")}


def test_changes_follow_the_directorys_own_id(sync: DirectorySync, sqlite: Database) -> None:
    sync.run(Listing(people(*TEN), GROUPS))
    renamed = [replace(people("p0")[0], user_name="홍길동", dn="uid=hong"), *people(*TEN[1:])]
    groups = [replace(GROUPS[0], name="심사팀", members=("uid=hong",)), GROUPS[1]]
    outcome = sync.run(Listing(renamed, groups))
    assert counts(outcome) == {"changed": 1, "groups_renamed": 1, "memberships_changed": 1}
    account = Accounts(sqlite).by_user_name(TENANT, "홍길동")
    assert account is not None and account.external_id == "id-p0"
    [group] = [row for row in Groups(sqlite).list(TENANT) if row.name == "심사팀"]
    assert Groups(sqlite).members(TENANT, group.id) == {account.id}


def test_whoever_is_gone_or_disabled_is_suspended_and_comes_back_with_the_directory(
    sync: DirectorySync, sqlite: Database
) -> None:
    sync = DirectorySync(sqlite, settings(max_suspended_percent=20), AuditTrail(sqlite))
    everybody = Listing(people(*TEN), GROUPS)
    sync.run(everybody)
    left = Listing([*people(*TEN[:8]), *people("p8", disabled=True)], GROUPS)
    assert counts(sync.run(left, dry_run=True)) == {"suspended": 2}
    assert counts(sync.run(left)) == {"suspended": 2}
    assert counts(sync.run(left)) == {}
    identities = Identities(sqlite, Keys(sqlite))
    for name in ("p8", "p9"):
        account = Accounts(sqlite).by_user_name(TENANT, name)
        assert account is not None
        with pytest.raises(NotAuthenticated):
            identities.of_account(account.id, ())
    assert counts(sync.run(everybody)) == {"resumed": 2}
    account = Accounts(sqlite).by_user_name(TENANT, "p9")
    assert account is not None and account.suspended_at is None and STATUS not in (account.attributes or {})


def told(database: Database) -> list[AuditRow]:
    with database.read() as session:
        return list(audit_event.oldest(session, TENANT, Wanted()))


def test_every_change_of_a_directory_is_on_the_trail(sqlite: Database) -> None:
    sync = DirectorySync(sqlite, settings(max_suspended_percent=20), AuditTrail(sqlite))
    sync.run(Listing(people(*TEN), GROUPS), dry_run=True)
    assert told(sqlite) == []
    sync.run(Listing(people(*TEN), GROUPS))
    rows = told(sqlite)
    assert {(row.principal_name, row.principal_kind, row.surface) for row in rows} == {("ad", "service", "ldap")}
    ids = {row.user_name: str(row.id) for row in Accounts(sqlite).list(TENANT)}
    assert [row.detail["account"] for row in rows[:10]] == [ids[name] for name in TEN]
    assert Counter(row.kind for row in rows) == {AuditKind.ACCOUNT_CREATED: 10, AuditKind.GROUP_CHANGED: 4}
    joined = [row.detail["added"] for row in rows if "added" in row.detail]
    assert sorted([ids["p0"], ids["p1"]]) in joined
    renamed = [replace(people("p0")[0], user_name="홍길동"), *people(*TEN[1:9])]
    sync.run(Listing(renamed, [replace(GROUPS[0], name="심사팀", members=("uid=p0",)), GROUPS[1]]))
    assert [(row.kind, row.what) for row in told(sqlite)[14:]] == [
        (AuditKind.ACCOUNT_SUSPENDED, "suspend an account"),
        (AuditKind.ACCOUNT_CHANGED, "change an account"),
        (AuditKind.GROUP_CHANGED, "rename a group"),
        (AuditKind.GROUP_CHANGED, "change the members of a group"),
    ]
    assert told(sqlite)[-1].detail["removed"] == [ids["p1"]]
    sync.run(Listing(people(*TEN), GROUPS))
    assert [row.detail["account"] for row in told(sqlite) if row.kind == AuditKind.ACCOUNT_RESUMED] == [ids["p9"]]


def test_a_directory_that_can_not_be_put_on_record_is_not_taken_over(
    sqlite: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(_trail: AuditTrail, *events: Any) -> None:
        raise AuditUnavailable

    monkeypatch.setattr(AuditTrail, "record", refused)
    directories = Directories(
        sqlite, IdentitySettings(), AuditTrail(sqlite), lambda _item: Listing(people(*TEN), GROUPS)
    )
    with pytest.raises(AuditUnavailable):
        directories.sync(settings())
    assert Accounts(sqlite).list(TENANT) == []


def test_who_was_suspended_by_hand_stays_so(sync: DirectorySync, sqlite: Database) -> None:
    everybody = Listing(people(*TEN), [])
    sync.run(everybody)
    account = Accounts(sqlite).by_user_name(TENANT, "p0")
    assert account is not None
    Accounts(sqlite).suspend(TENANT, account.id)
    assert counts(sync.run(everybody)) == {}
    assert Accounts(sqlite).get(TENANT, account.id).suspended_at is not None


def test_whom_an_administrator_suspended_too_is_not_let_in_by_the_directory(
    sync: DirectorySync, sqlite: Database
) -> None:
    accounts, everybody = Accounts(sqlite), Listing(people(*TEN), GROUPS)
    sync.run(everybody)
    account = accounts.by_user_name(TENANT, "p0")
    assert account is not None
    disabled = Listing([*people("p0", disabled=True), *people(*TEN[1:])], GROUPS)
    assert counts(sync.run(disabled)) == {"suspended": 1}
    accounts.suspend(TENANT, account.id)
    assert counts(sync.run(everybody)) == {}
    kept = accounts.get(TENANT, account.id)
    assert kept.suspended_at is not None and kept.suspended_by == Source.LOCAL
    accounts.resume(TENANT, account.id)
    assert counts(sync.run(disabled)) == {"suspended": 1}
    assert counts(sync.run(everybody)) == {"resumed": 1}, "its own word it takes back as before"


@pytest.mark.parametrize("left", [[], people(*TEN[:8]), people(*TEN, disabled=True)])
def test_a_run_that_would_suspend_too_many_changes_nothing(
    sync: DirectorySync, sqlite: Database, left: list[DirectoryPerson]
) -> None:
    sync.run(Listing(people(*TEN), GROUPS))
    before = [(row.user_name, row.suspended_at) for row in Accounts(sqlite).list(TENANT)]
    for dry_run in (True, False):
        with pytest.raises(DirectoryStopped):
            sync.run(Listing([*left, *people("new")], []), dry_run=dry_run)
    assert [(row.user_name, row.suspended_at) for row in Accounts(sqlite).list(TENANT)] == before
    assert len(Groups(sqlite).list(TENANT)) == 2


def test_accounts_and_groups_of_others_are_not_the_directorys(sync: DirectorySync, sqlite: Database) -> None:
    sync.run(Listing(people(*TEN), []))
    local = Accounts(sqlite).create(TENANT, "root")
    scim = Accounts(sqlite).create(TENANT, "scim-person", source=Source.SCIM)
    mine = Groups(sqlite).create(TENANT, "여신팀")
    outcome = sync.run(Listing([*people(*TEN), *people("ROOT")], GROUPS))
    assert counts(outcome) == {"conflicts": 2, "groups_created": 1, "memberships_changed": 1}
    assert Groups(sqlite).members(TENANT, mine.id) == frozenset()
    for row in (local, scim):
        assert Accounts(sqlite).get(TENANT, row.id).suspended_at is None


def test_a_run_that_finds_none_of_its_groups_takes_nobody_out_of_what_denies_them(sqlite: Database) -> None:
    trail, groups = AuditTrail(sqlite), Groups(sqlite)
    sync = DirectorySync(sqlite, settings(group_base="ou=groups"), trail)
    sync.run(Listing(people(*TEN), GROUPS))
    before = {row.id: groups.members(TENANT, row.id) for row in groups.list(TENANT)}
    renamed = [replace(people("p0")[0], user_name="홍길동"), *people(*TEN[1:])]
    for dry_run in (True, False):
        for left in ([], [DirectoryGroup("g-9", "cn=다른", "다른", ("uid=p0",))]):
            with pytest.raises(DirectoryGroupsGone):
                sync.run(Listing(renamed, left), dry_run=dry_run)
    assert {row.id: groups.members(TENANT, row.id) for row in groups.list(TENANT)} == before
    assert Accounts(sqlite).by_user_name(TENANT, "홍길동") is None, "nothing was changed"
    meant = DirectorySync(sqlite, settings(group_base="ou=groups", max_suspended_percent=100), trail)
    assert counts(meant.run(Listing(people(*TEN), []))) == {"memberships_changed": 2}
    assert counts(sync.run(Listing(people(*TEN), []))) == {}, "empty ones may go"


def test_a_name_that_is_taken_takes_nobody_out_of_what_denies_them(sync: DirectorySync, sqlite: Database) -> None:
    sync.run(Listing(people(*TEN), GROUPS))
    Accounts(sqlite).create(TENANT, "김민준")
    renamed = [replace(people("p0")[0], user_name="김민준"), *people(*TEN[1:])]
    assert counts(sync.run(Listing(renamed, GROUPS))) == {"conflicts": 1}
    account = Accounts(sqlite).by_external_id(TENANT, Source.LDAP, "id-p0")
    assert account is not None and account.user_name == "p0"
    assert len(Identities(sqlite, Keys(sqlite)).of_account(account.id, ()).groups) == 2


def test_a_group_that_is_gone_is_left_empty_with_its_grants(sync: DirectorySync, sqlite: Database) -> None:
    sync.run(Listing(people(*TEN), GROUPS))
    assert counts(sync.run(Listing(people(*TEN), GROUPS[1:]))) == {"memberships_changed": 2}
    [group] = [row for row in Groups(sqlite).list(TENANT) if row.name == "여신팀"]
    assert Groups(sqlite).members(TENANT, group.id) == frozenset()


def test_members_may_name_their_groups_instead(sync: DirectorySync, sqlite: Database) -> None:
    inner = DirectoryGroup("g-1", "cn=안", "안", member_of=("cn=밖",))
    outer = DirectoryGroup("g-2", "cn=밖", "밖")
    sync.run(Listing(people("p0", member_of=("cn=안",)), [inner, outer]))
    account = Accounts(sqlite).by_user_name(TENANT, "p0")
    assert account is not None
    assert len(Identities(sqlite, Keys(sqlite)).of_account(account.id, ()).groups) == 2


def test_a_due_directory_is_read_by_one_process_and_its_outcome_is_on_record(database: Database) -> None:
    asked: list[str] = []
    away = [False]

    def read(item: LdapSettings) -> Listing:
        asked.append(item.name)
        if away[0]:
            raise ProviderUnavailable(name=item.name)
        return Listing(people(*TEN), GROUPS)

    both = IdentitySettings(ldap=(settings(every_s=3600), settings(name="by-hand", tenant="other")))
    trail = AuditTrail(database)
    first, second = Directories(database, both, trail, read), Directories(database, both, trail, read)
    for process in (first, second, first):
        process.sync_due()
    assert asked == ["ad"]
    with database.write() as session:
        row = session.get_one(DirectoryRun, "ad")
        assert row.outcome is not None and (row.error, row.outcome["created"]) == ("", 10) and row.ended_at is not None
        row.began_at = utc_now() - timedelta(seconds=3601)
    away[0] = True
    for process in (second, first):
        process.sync_due()
    assert asked == ["ad", "ad"]
    with database.read() as session:
        assert session.get_one(DirectoryRun, "ad").error == "provider_unavailable"
    kinds = [(row.outcome, row.detail) for row in told(database) if row.kind == AuditKind.DIRECTORY_SYNCED]
    assert [outcome for outcome, _ in kinds] == ["begun", "done", "begun", "failed"]
    assert kinds[1][1]["created"] == 10 and kinds[3][1] == {"error": "provider_unavailable"}
