"""What the doctor says of keys that are in force and open nothing, because of whom they belong or are known to."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from uuid import UUID

import pytest

from api.cli import doctor, doctor_keys
from api.settings import load_settings
from rag.access.accounts import Accounts
from rag.access.keys import Keys
from rag.domain.errors import NotAuthenticated
from rag.domain.principal import Scope
from rag.store import api_key
from rag.store.api_key import ApiKey
from rag.store.base import utc_now
from rag.store.session import Database
from rag.store.tenant import ensure_tenant

Made = Callable[..., str]


@pytest.fixture
def tenant(database: Database) -> UUID:
    with database.write() as session:
        return ensure_tenant(session, "은행").id


@pytest.fixture
def made(database: Database) -> Made:
    """Makes a key; returns its prefix."""

    def make(*, made_by: UUID | None = None, owner: UUID | None = None, **values: object) -> str:
        _, row = Keys(database).create("은행", "key", [Scope.READ], owner_id=owner)
        with database.write() as session:
            stored = session.get_one(ApiKey, row.id)
            stored.made_by = made_by
            for name, value in values.items():
                setattr(stored, name, value)
        return row.prefix

    return make


def lines(database: Database) -> list[tuple[str, ...]]:
    with database.read() as session:
        return [tuple(line) for line in doctor_keys.key_lines(session)]


def test_keys_that_an_account_out_of_force_knows_or_owns_are_named(
    database: Database, tenant: UUID, made: Made, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SEOGO_LANG", "en")
    accounts = Accounts(database)
    leaver, gone, stays, asleep = (accounts.create(tenant, name).id for name in ("leaver", "gone", "stays", "asleep"))
    known = [made(made_by=leaver), made(made_by=gone), made(made_by=leaver, owner=asleep)]
    owned = made(owner=asleep)
    made(made_by=stays), made(made_by=UUID(int=9)), made(owner=stays), made()
    made(made_by=leaver, revoked_at=utc_now())
    made(made_by=leaver, expires_at=utc_now() - timedelta(minutes=1))
    [(check, status, *_)] = lines(database)
    assert (check, status) == ("keys", "ok")
    accounts.suspend(tenant, leaver)
    accounts.suspend(tenant, asleep)
    accounts.delete(tenant, gone)
    of_makers, of_owners = lines(database)
    assert of_makers[1] == of_owners[1] == "warning"
    assert of_makers[2].startswith("3 ") and of_makers[2].endswith(", ".join(known))
    assert of_owners[2].startswith("1 ") and of_owners[2].endswith(owned)
    assert "seogo keys rotate" in of_makers[3] and "seogo accounts resume" in of_owners[3]
    monkeypatch.setenv("SEOGO_LANG", "ko")
    assert "거절되는 키 3개" in lines(database)[0][2]
    accounts.resume(tenant, leaver)
    accounts.resume(tenant, asleep)
    assert [line[2].endswith(known[1]) for line in lines(database)] == [True]


def test_what_is_named_is_what_the_door_refuses(database: Database, tenant: UUID) -> None:
    accounts, keys = Accounts(database), Keys(database)
    maker, owner = (accounts.create(tenant, name).id for name in ("maker", "owner"))
    secrets = {}
    for name, made_by, owned_by in (("a", maker, None), ("b", None, owner), ("c", None, None)):
        secret, row = keys.create("은행", name, [Scope.READ], owner_id=owned_by)
        secrets[row.prefix] = secret
        with database.write() as session:
            session.get_one(ApiKey, row.id).made_by = made_by
    for identity in (maker, owner):
        accounts.suspend(tenant, identity)
    with database.read() as session:
        named = {item.prefix for item in api_key.refused(session, utc_now())}
    closed = set()
    for prefix, secret in secrets.items():
        try:
            keys.authenticate(secret)
        except NotAuthenticated:
            closed.add(prefix)
    assert named == closed and len(named) == 2


def test_many_prefixes_are_cut_off(database: Database, tenant: UUID, made: Made) -> None:
    accounts = Accounts(database)
    maker = accounts.create(tenant, "maker").id
    for _ in range(22):
        made(made_by=maker)
    accounts.suspend(tenant, maker)
    [line] = lines(database)
    assert line[2].count("sgk_") == 20 and line[2].endswith("(+2)")


def test_an_old_schema_is_told_by_the_line_on_the_store(tmp_path: Path) -> None:
    assert list(doctor._keys(load_settings(None, tmp_path))) == []
