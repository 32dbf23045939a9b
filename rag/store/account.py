"""Accounts of people and services, and the groups that they are in."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Sequence
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import ForeignKey, Index, String, UniqueConstraint, select, text
from sqlalchemy.orm import Mapped, Session, mapped_column

from rag.domain.access import Label
from rag.store.base import Base, in_groups, utc_now

_NAMED = text("external_id is not null")


class AccountKind(StrEnum):
    """Who uses the account."""

    USER = "user"
    SERVICE = "service"


class Source(StrEnum):
    """Who keeps an account or a group: an administrator here, or a directory, which then overwrites what is changed here."""

    LOCAL = "local"
    OIDC = "oidc"
    SCIM = "scim"
    LDAP = "ldap"


class Account(Base):
    """A person or a service of one tenant. There are no passwords: whoever signs in does so with a provider.

    Attributes:
        user_name: unique in the tenant, compared case-folded: `user_key` is its folded form.
        external_id: what the directory calls it: OIDC `issuer|sub`, SCIM externalId, LDAP entryUUID or DN.
        attributes: names with lists of values.
        clearance: value of a `Label`.
        suspended_at: since when none of its credentials is taken.
        suspended_by: value of the `Source` that suspended it; a directory resumes only what it suspended itself.
        deleted_at: since when it is gone for everybody but the record.
    """

    __tablename__ = "account"
    __table_args__ = (
        UniqueConstraint("tenant_id", "user_key"),
        Index(
            "ix_account_external_id",
            "tenant_id",
            "source",
            "external_id",
            unique=True,
            sqlite_where=_NAMED,
            postgresql_where=_NAMED,
        ),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    tenant_id: Mapped[UUID] = mapped_column(ForeignKey("tenant.id"))
    kind: Mapped[str] = mapped_column(String(10))
    user_name: Mapped[str] = mapped_column(String(200))
    user_key: Mapped[str] = mapped_column(String(200))
    display_name: Mapped[str] = mapped_column(String(200), default="")
    email: Mapped[str] = mapped_column(String(320), default="")
    source: Mapped[str] = mapped_column(String(10), default=Source.LOCAL.value)
    external_id: Mapped[str | None] = mapped_column(String(500))
    attributes: Mapped[dict[str, Any] | None]
    clearance: Mapped[str] = mapped_column(String(1), default=Label.OPEN.value)
    created_at: Mapped[datetime] = mapped_column(default=utc_now)
    changed_at: Mapped[datetime] = mapped_column(default=utc_now)
    suspended_at: Mapped[datetime | None]
    suspended_by: Mapped[str | None] = mapped_column(String(10))
    deleted_at: Mapped[datetime | None]


class AccountGroup(Base):
    """A named group of accounts and groups of one tenant.

    Attributes:
        external_id: what the directory calls it: OIDC `issuer|name`, SCIM externalId, LDAP entryUUID or DN.
    """

    __tablename__ = "account_group"
    __table_args__ = (
        UniqueConstraint("tenant_id", "name"),
        Index(
            "ix_account_group_external_id",
            "tenant_id",
            "source",
            "external_id",
            unique=True,
            sqlite_where=_NAMED,
            postgresql_where=_NAMED,
        ),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    tenant_id: Mapped[UUID] = mapped_column(ForeignKey("tenant.id"))
    name: Mapped[str] = mapped_column(String(200))
    source: Mapped[str] = mapped_column(String(10), default=Source.LOCAL.value)
    external_id: Mapped[str | None] = mapped_column(String(500))
    created_at: Mapped[datetime] = mapped_column(default=utc_now)
    changed_at: Mapped[datetime] = mapped_column(default=utc_now)


class GroupMember(Base):
    """That an account, or a group, is in a group of the same tenant. `member_id` is the id of either."""

    __tablename__ = "group_member"

    group_id: Mapped[UUID] = mapped_column(ForeignKey("account_group.id", ondelete="CASCADE"), primary_key=True)
    member_id: Mapped[UUID] = mapped_column(primary_key=True, index=True)


def groups_of(session: Session, *member_ids: UUID) -> frozenset[UUID]:
    """The groups that these accounts or groups are in, and those around them, at any depth, in one query; circles do no harm."""
    inner = select(GroupMember.group_id.label("id")).where(GroupMember.member_id.in_(member_ids)).cte(recursive=True)
    outer = select(GroupMember.group_id).join(inner, GroupMember.member_id == inner.c.id)
    return frozenset(session.scalars(select(inner.union(outer).c.id)))


def members_of(session: Session, group_ids: Iterable[UUID]) -> frozenset[UUID]:
    """The accounts and groups in these groups, and those in the groups among them, at any depth, in one query."""
    direct = select(GroupMember.member_id.label("id")).where(GroupMember.group_id.in_(list(group_ids)))
    outer = direct.cte(recursive=True)
    inner = select(GroupMember.member_id).join(outer, GroupMember.group_id == outer.c.id)
    return frozenset(session.scalars(select(outer.union(inner).c.id)))


def user_key(user_name: str) -> str:
    """The form of a user name that is compared."""
    return unicodedata.normalize("NFKC", user_name).casefold()


def get(session: Session, tenant_id: UUID, account_id: UUID, *, lock: bool = False) -> Account | None:
    """An account of the tenant that is not deleted."""
    query = select(Account).where(
        Account.id == account_id, Account.tenant_id == tenant_id, Account.deleted_at.is_(None)
    )
    return session.scalar(query.with_for_update() if lock else query)


def by_user_name(session: Session, tenant_id: UUID, user_name: str) -> Account | None:
    """The account of this name that is not deleted."""
    named = (Account.tenant_id == tenant_id, Account.user_key == user_key(user_name))
    return session.scalar(select(Account).where(*named, Account.deleted_at.is_(None)))


def by_external_id(session: Session, tenant_id: UUID, source: Source, external_id: str) -> Account | None:
    """The account that a directory calls so and that is not deleted."""
    named = (Account.tenant_id == tenant_id, Account.source == source.value, Account.external_id == external_id)
    return session.scalar(select(Account).where(*named, Account.deleted_at.is_(None)))


def of_tenant(session: Session, tenant_id: UUID, source: Source | None = None) -> Sequence[Account]:
    """The accounts of a tenant that are not deleted, by name; of one source, or of all."""
    query = select(Account).where(Account.tenant_id == tenant_id, Account.deleted_at.is_(None))
    if source is not None:
        query = query.where(Account.source == source.value)
    return session.scalars(query.order_by(Account.user_key)).all()


def page(session: Session, tenant_id: UUID, after: str | None, limit: int, query: str = "") -> Sequence[Account]:
    """Accounts behind the one with the folded name `after`, by name; `query` is how their folded names begin."""
    wanted = select(Account).where(Account.tenant_id == tenant_id, Account.deleted_at.is_(None))
    if after is not None:
        wanted = wanted.where(Account.user_key > after)
    if query:
        wanted = wanted.where(Account.user_key.startswith(user_key(query), autoescape=True))
    return session.scalars(wanted.order_by(Account.user_key).limit(limit)).all()


def get_group(session: Session, tenant_id: UUID, group_id: UUID, *, lock: bool = False) -> AccountGroup | None:
    """A group of the tenant."""
    query = select(AccountGroup).where(AccountGroup.id == group_id, AccountGroup.tenant_id == tenant_id)
    return session.scalar(query.with_for_update() if lock else query)


def groups_of_tenant(session: Session, tenant_id: UUID, source: Source | None = None) -> Sequence[AccountGroup]:
    """The groups of a tenant by name; of one source, or of all."""
    query = select(AccountGroup).where(AccountGroup.tenant_id == tenant_id)
    if source is not None:
        query = query.where(AccountGroup.source == source.value)
    return session.scalars(query.order_by(AccountGroup.name)).all()


def direct_members(session: Session, group_id: UUID) -> frozenset[UUID]:
    """The accounts and groups that were put into a group."""
    return frozenset(session.scalars(select(GroupMember.member_id).where(GroupMember.group_id == group_id)))


def named_groups(session: Session, tenant_id: UUID, ids: Iterable[UUID]) -> Sequence[AccountGroup]:
    """Those groups of the tenant that have one of these ids, by name."""
    rows = [
        row
        for some in in_groups(ids)
        for row in session.scalars(
            select(AccountGroup).where(AccountGroup.tenant_id == tenant_id, AccountGroup.id.in_(some))
        )
    ]
    return sorted(rows, key=lambda row: row.name)


def own_of(session: Session, tenant_id: UUID, ids: Iterable[UUID]) -> frozenset[UUID]:
    """Those of these ids that are accounts (not deleted ones) or groups of the tenant."""
    found: set[UUID] = set()
    for some in in_groups(ids):
        accounts = select(Account.id).where(
            Account.tenant_id == tenant_id, Account.deleted_at.is_(None), Account.id.in_(some)
        )
        groups = select(AccountGroup.id).where(AccountGroup.tenant_id == tenant_id, AccountGroup.id.in_(some))
        found.update(session.scalars(accounts))
        found.update(session.scalars(groups))
    return frozenset(found)


def attribute_pairs(attributes: dict[str, Any] | None) -> frozenset[tuple[str, str]]:
    """Name and value of every attribute, as rules compare them."""
    pairs = ((name, values if isinstance(values, list) else [values]) for name, values in (attributes or {}).items())
    return frozenset((name, str(value)) for name, values in pairs for value in _texts(values))


def _texts(values: Iterable[object]) -> Iterable[object]:
    return (value for value in values if isinstance(value, str | int | float) and str(value))
