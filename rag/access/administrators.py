"""That a tenant keeps an administrator: somebody who can sign in or show a key, and has the role in all of it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from uuid import UUID

from sqlalchemy import Select, select
from sqlalchemy.orm import Session

from rag.domain.access import Role, Subject, SubjectKind
from rag.domain.errors import LastAdministrator
from rag.domain.principal import Scope
from rag.store import account, api_key
from rag.store.account import Account, Source
from rag.store.base import in_groups, utc_now
from rag.store.role_grant import RoleGrant
from rag.store.tenant import Tenant


@contextmanager
def kept(session: Session, tenant_id: UUID, source: Source = Source.LOCAL) -> Iterator[None]:
    """Refuse what is done in the block when it takes the last administrator away; one change at a time in a tenant.

    A directory's word is taken as it is: whoever left the house has to lose everything, and the command line can make a
    new administrator.

    Raises:
        LastAdministrator: there was one before, and there is none now.
    """
    if source is not Source.LOCAL:
        yield
        return
    session.get(Tenant, tenant_id, with_for_update=True)
    before = any_left(session, tenant_id)
    yield
    session.flush()
    if before and not any_left(session, tenant_id):
        raise LastAdministrator


def any_left(session: Session, tenant_id: UUID) -> bool:
    """Whether somebody can administer the tenant: a key of the tenant without limits, or an account with the role."""
    if _any_key(session, tenant_id):
        return True
    grants = select(RoleGrant.subject).where(
        RoleGrant.tenant_id == tenant_id, RoleGrant.collection_id.is_(None), RoleGrant.role == Role.ADMIN.value
    )
    subjects = {Subject.parse(text) for text in session.scalars(grants)}
    groups = [UUID(item.value) for item in subjects if item.kind is SubjectKind.GROUP]
    ids = {UUID(item.value) for item in subjects if item.kind is SubjectKind.USER}
    ids |= account.members_of(session, groups) if groups else frozenset()
    for some in in_groups(ids):
        if session.scalar(_living(tenant_id).where(Account.id.in_(some)).limit(1)) is not None:
            return True
    return _any_with(session, tenant_id, {item.value for item in subjects if item.kind is SubjectKind.ATTRIBUTE})


def _any_key(session: Session, tenant_id: UUID) -> bool:
    now = utc_now()
    return any(
        Scope.ADMIN in row.scopes
        and row.owner_id is None
        and row.collections is None
        and row.revoked_at is None
        and (row.expires_at is None or row.expires_at > now)
        and not api_key.forsaken(session, row)
        for row in api_key.list_keys(session, tenant_id)
    )


def _any_with(session: Session, tenant_id: UUID, attributes: set[str]) -> bool:
    """Whether an account has one of these attributes, which no query can compare on both databases."""
    if not attributes:
        return False
    rows = session.scalars(_living(tenant_id).with_only_columns(Account.attributes))
    return any(f"{name}={value}" in attributes for row in rows for name, value in account.attribute_pairs(row))


def _living(tenant_id: UUID) -> Select[Account]:
    return select(Account).where(
        Account.tenant_id == tenant_id, Account.suspended_at.is_(None), Account.deleted_at.is_(None)
    )
