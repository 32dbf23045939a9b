"""Tokens of widgets: short-lived, for a browser, made by a key. The secret itself is never stored."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ForeignKey, LargeBinary, Select, String, delete, or_, select
from sqlalchemy.orm import Mapped, Session, aliased, mapped_column

from rag.store.account import Account
from rag.store.api_key import ApiKey
from rag.store.base import Base, utc_now

MARK = "sgw"
"""How tokens begin."""


class WidgetToken(Base):
    """A token with which a page in a browser asks for somebody.

    Attributes:
        key_id: the key that made it, without which it is nothing.
        prefix: public part, by which it is found.
        secret_hash: SHA-256 of the whole token, which has 256 random bits.
        collections: ids that it is for; what the key may not read (any more) is not among them.
        account_id: whose token it is, when the maker of the key vouches for one of its users.
        groups: ids of groups that the maker vouches for, of a user without an account.
        attributes: the same, as names with lists of values.
        made_by: who vouches for somebody else by it: the account behind the key, or the key itself.
        origins: what the browser's `Origin` may be; None means that nobody looks.
    """

    __tablename__ = "widget_token"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    tenant_id: Mapped[UUID] = mapped_column(ForeignKey("tenant.id"))
    key_id: Mapped[UUID] = mapped_column(ForeignKey("api_key.id"), index=True)
    prefix: Mapped[str] = mapped_column(String(20), unique=True)
    secret_hash: Mapped[bytes] = mapped_column(LargeBinary(32))
    collections: Mapped[list[Any]]
    account_id: Mapped[UUID | None]
    made_by: Mapped[UUID | None]
    groups: Mapped[list[Any] | None]
    attributes: Mapped[dict[str, Any] | None]
    origins: Mapped[list[Any] | None]
    created_at: Mapped[datetime] = mapped_column(default=utc_now)
    expires_at: Mapped[datetime] = mapped_column(index=True)
    revoked_at: Mapped[datetime | None]


def by_prefix(session: Session, prefix: str) -> WidgetToken | None:
    """The token with this public part, whatever its state."""
    return session.scalar(select(WidgetToken).where(WidgetToken.prefix == prefix))


def get(session: Session, tenant_id: UUID, token_id: UUID) -> WidgetToken | None:
    """A token of the tenant."""
    return session.scalar(select(WidgetToken).where(WidgetToken.id == token_id, WidgetToken.tenant_id == tenant_id))


def of_key(session: Session, key_id: UUID, now: datetime) -> Sequence[WidgetToken]:
    """The tokens of a key that are in force, oldest first."""
    query = select(WidgetToken).where(
        WidgetToken.key_id == key_id, WidgetToken.revoked_at.is_(None), WidgetToken.expires_at > now
    )
    return session.scalars(query.order_by(WidgetToken.created_at, WidgetToken.id)).all()


def in_force(ids: Collection[UUID], now: datetime) -> Select[Any]:
    """A statement for those of these ids whose token can be used: so can its key, the key's owner and whoever made it, and whose
    token it is."""
    owner, maker, holder = aliased(Account), aliased(Account), aliased(Account)
    return (
        select(WidgetToken.id)
        .join(ApiKey, ApiKey.id == WidgetToken.key_id)
        .outerjoin(owner, owner.id == ApiKey.owner_id)
        .outerjoin(maker, maker.id == ApiKey.made_by)
        .outerjoin(holder, holder.id == WidgetToken.account_id)
        .where(
            WidgetToken.id.in_(ids),
            WidgetToken.revoked_at.is_(None),
            WidgetToken.expires_at > now,
            ApiKey.revoked_at.is_(None),
            or_(ApiKey.expires_at.is_(None), ApiKey.expires_at > now),
            *(someone.suspended_at.is_(None) for someone in (owner, maker, holder)),
            *(someone.deleted_at.is_(None) for someone in (owner, maker, holder)),
        )
    )


def drop_expired(session: Session, before: datetime) -> None:
    """Remove tokens that ended before this moment."""
    session.execute(delete(WidgetToken).where(WidgetToken.expires_at < before))
