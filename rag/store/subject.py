"""The accounts, keys and groups that rules name, looked up many at a time."""

from __future__ import annotations

from collections.abc import Collection as AnyCollection
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from rag.store.account import Account, AccountGroup
from rag.store.api_key import ApiKey
from rag.store.base import in_groups


def accounts_named(session: Session, tenant_id: UUID, keys: AnyCollection[str]) -> dict[str, UUID]:
    """Ids of the accounts with these folded names (`Account.user_key`) that are not deleted."""
    query = select(Account.user_key, Account.id).where(
        Account.tenant_id == tenant_id, Account.user_key.in_(keys), Account.deleted_at.is_(None)
    )
    return {row[0]: row[1] for row in session.execute(query)} if keys else {}


def groups_named(session: Session, tenant_id: UUID, names: AnyCollection[str]) -> dict[str, UUID]:
    """Ids of the groups with these names."""
    query = select(AccountGroup.name, AccountGroup.id).where(
        AccountGroup.tenant_id == tenant_id, AccountGroup.name.in_(names)
    )
    return {row[0]: row[1] for row in session.execute(query)} if names else {}


def user_names(session: Session, tenant_id: UUID, ids: AnyCollection[UUID], *, current: bool) -> dict[UUID, str]:
    """Names of the accounts, and of the keys without one, with these ids; with `current` of those in force only."""
    found: dict[UUID, str] = {}
    for some in in_groups(ids):
        accounts = select(Account.id, Account.user_name).where(Account.tenant_id == tenant_id, Account.id.in_(some))
        keys = select(ApiKey.id, ApiKey.name).where(
            ApiKey.tenant_id == tenant_id, ApiKey.id.in_(some), ApiKey.owner_id.is_(None)
        )
        if current:
            accounts, keys = accounts.where(Account.deleted_at.is_(None)), keys.where(ApiKey.revoked_at.is_(None))
        for query in (keys, accounts):
            found.update({row[0]: row[1] for row in session.execute(query)})
    return found


def group_names(session: Session, tenant_id: UUID, ids: AnyCollection[UUID]) -> dict[UUID, str]:
    """Names of the groups with these ids."""
    found: dict[UUID, str] = {}
    for some in in_groups(ids):
        query = select(AccountGroup.id, AccountGroup.name)
        query = query.where(AccountGroup.tenant_id == tenant_id, AccountGroup.id.in_(some))
        found.update({row[0]: row[1] for row in session.execute(query)})
    return found
