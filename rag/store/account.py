"""Accounts of people and services, and the groups that they are in."""

from __future__ import annotations

from collections.abc import Iterable
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
    deleted_at: Mapped[datetime | None]


class AccountGroup(Base):
    """A named group of accounts and groups of one tenant."""

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


def groups_of(session: Session, member_id: UUID) -> frozenset[UUID]:
    """The groups that an account or a group is in, and those around them, at any depth; circles do no harm."""
    found: set[UUID] = set()
    around = {member_id}
    while around:
        rows: set[UUID] = set()
        for some in in_groups(around):
            rows.update(session.scalars(select(GroupMember.group_id).where(GroupMember.member_id.in_(some))))
        around = rows - found
        found |= rows
    return frozenset(found)


def attribute_pairs(attributes: dict[str, Any] | None) -> frozenset[tuple[str, str]]:
    """Name and value of every attribute, as rules compare them."""
    pairs = ((name, values if isinstance(values, list) else [values]) for name, values in (attributes or {}).items())
    return frozenset((name, str(value)) for name, values in pairs for value in _texts(values))


def _texts(values: Iterable[object]) -> Iterable[object]:
    return (value for value in values if isinstance(value, str | int | float) and str(value))
