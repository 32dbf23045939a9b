"""What a directory changes by SCIM while somebody else changes the same: neither undoes the other."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from uuid import UUID

import pytest
from sqlalchemy.orm import Session

from rag.access.accounts import AccountChange, Accounts
from rag.access.federation_scim import ScimDirectory
from rag.access.federation_scim_models import Group, Member, Person
from rag.store.account import Source
from rag.store.session import Database
from rag.store.tenant import DEFAULT_TENANT, ensure_tenant

PATCH = "urn:ietf:params:scim:api:messages:2.0:PatchOp"


class Interrupted(Database):
    """A store in which something else is written just before what is written next."""

    before: Callable[[], object] | None = None

    @contextmanager
    def write(self, *, durable: bool = False) -> Iterator[Session]:
        """As that of a store."""
        first, self.before = self.before, None
        if first is not None:
            first()
        with super().write(durable=durable) as session:
            yield session


@pytest.fixture
def store(sqlite: Database) -> Iterator[Interrupted]:
    found = Interrupted(sqlite.url.render_as_string(False))
    yield found
    found.close()


@pytest.fixture
def tenant_id(sqlite: Database) -> UUID:
    with sqlite.write() as session:
        return ensure_tenant(session, DEFAULT_TENANT).id


def patch(*operations: dict[str, object]) -> dict[str, object]:
    return {"schemas": [PATCH], "Operations": list(operations)}


def team(name: str, title: str) -> AccountChange:
    return AccountChange(attributes={"team": [name], "title": [title]})


@pytest.mark.parametrize("source", [Source.SCIM, Source.LOCAL])
def test_a_new_title_gives_nobody_back_the_access_that_ended_meanwhile(
    store: Interrupted, sqlite: Database, tenant_id: UUID, source: Source
) -> None:
    directory, accounts = ScimDirectory(store), Accounts(sqlite)
    made = directory.create_user(tenant_id, Person(user_name="홍길동", title="대리"))
    account_id = UUID(made.id)
    store.before = lambda: accounts.suspend(tenant_id, account_id, source)
    changed = directory.patch_user(tenant_id, str(made.id), patch({"op": "replace", "path": "title", "value": "과장"}))
    assert (changed.title, changed.active) == ("과장", False)
    assert accounts.get(tenant_id, account_id).suspended_by == source
    store.before = lambda: accounts.change(tenant_id, account_id, team("총무팀", "과장"), Source.LOCAL)
    directory.patch_user(tenant_id, str(made.id), patch({"op": "replace", "path": "title", "value": "차장"}))
    assert accounts.get(tenant_id, account_id).attributes == {"title": ["차장"], "team": ["총무팀"]}


def test_who_is_taken_out_of_a_group_stays_out_while_others_come_in(store: Interrupted, tenant_id: UUID) -> None:
    directory, other = ScimDirectory(store), ScimDirectory(store)
    first, second, third = (
        str(directory.create_user(tenant_id, Person(user_name=name)).id) for name in ("첫째", "둘째", "셋째")
    )
    group = Group(display_name="급여 열람", members=[Member(value=first), Member(value=second)])
    made = str(directory.create_group(tenant_id, group).id)
    out = patch({"op": "remove", "path": f'members[value eq "{first}"]'})
    store.before = lambda: other.patch_group(tenant_id, made, out)
    come_in = patch({"op": "add", "path": "members", "value": [{"value": third}]})
    changed = directory.patch_group(tenant_id, made, come_in)
    assert {item.value for item in changed.members or []} == {second, third}
    store.before = lambda: other.patch_group(tenant_id, made, patch({"op": "remove", "path": "members"}))
    renamed = directory.patch_group(tenant_id, made, patch({"op": "replace", "path": "displayName", "value": "급여"}))
    assert (renamed.display_name, renamed.members) == ("급여", None)
