"""API keys. The secret itself is never stored."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import ForeignKey, LargeBinary, Select, String, or_, select, text, update
from sqlalchemy.orm import Mapped, Session, aliased, mapped_column

from rag.domain.access import Label
from rag.domain.principal import CitationStyle
from rag.store.account import Account
from rag.store.base import Base, utc_now

MARK = "sgk"
"""How keys begin."""


class ApiKey(Base):
    """A credential of a tenant.

    Attributes:
        prefix: public part of the key, by which it is found and shown; it outlasts rotations.
        secret_hash: SHA-256 of the whole key. The key has 256 random bits, so a slow hash would add nothing.
        previous_hash: of the key before its rotation, which is taken until `previous_until`.
        last_address: where it was used from last, as far as anybody knows.
        collections: ids that the key is limited to; None means all of the tenant's.
        citation_style: value of a `CitationStyle`.
        owner_id: the account whose roles count; None means that the key is the tenant's, and its scopes say its role.
        made_by: the account or key that made or rotated it last, and so knows its secret; None: its owner, or the command line.
        clearance: value of a `Label`; of a key with an owner, the lower one of both counts.
    """

    __tablename__ = "api_key"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    tenant_id: Mapped[UUID] = mapped_column(ForeignKey("tenant.id"), index=True)
    name: Mapped[str] = mapped_column(String(200))
    prefix: Mapped[str] = mapped_column(String(20), unique=True)
    secret_hash: Mapped[bytes] = mapped_column(LargeBinary(32))
    scopes: Mapped[list[Any]]
    collections: Mapped[list[Any] | None]
    citation_style: Mapped[str] = mapped_column(String(20), default=CitationStyle.ANNOTATIONS.value)
    owner_id: Mapped[UUID | None] = mapped_column(index=True)
    made_by: Mapped[UUID | None]
    clearance: Mapped[str] = mapped_column(String(1), default=Label.OPEN.value, server_default=text("'O'"))
    description: Mapped[str] = mapped_column(String(500), default="", server_default=text("''"))
    previous_hash: Mapped[bytes | None] = mapped_column(LargeBinary(32))
    previous_until: Mapped[datetime | None]
    rotated_at: Mapped[datetime | None]
    last_address: Mapped[str | None] = mapped_column(String(45))
    created_at: Mapped[datetime] = mapped_column(default=utc_now)
    expires_at: Mapped[datetime | None]
    revoked_at: Mapped[datetime | None]
    last_used_at: Mapped[datetime | None]


def by_prefix(session: Session, prefix: str) -> ApiKey | None:
    """The key with this public part, whatever its state."""
    return session.scalar(select(ApiKey).where(ApiKey.prefix == prefix))


def in_force(ids: Collection[UUID], now: datetime) -> Select[Any]:
    """A statement for those of these ids whose key can be used at this moment: so may whoever else knows it."""
    lasting = or_(ApiKey.expires_at.is_(None), ApiKey.expires_at > now)
    known = select(ApiKey.id).outerjoin(Account, Account.id == ApiKey.made_by)
    return known.where(
        ApiKey.id.in_(ids),
        ApiKey.revoked_at.is_(None),
        lasting,
        Account.suspended_at.is_(None),
        Account.deleted_at.is_(None),
    )


def forsaken(session: Session, row: ApiKey) -> bool:
    """Whether the account that made or rotated a key last, and so knows its secret, is suspended or deleted."""
    maker = None if row.made_by is None else session.get(Account, row.made_by)
    return maker is not None and (maker.suspended_at is not None or maker.deleted_at is not None)


class Refused(NamedTuple):
    """A key that is in force and yet opens nothing.

    Attributes:
        known: whether an account knows its secret that is suspended or deleted; else it is its owner's who is.
    """

    prefix: str
    known: bool


def refused(session: Session, now: datetime) -> list[Refused]:
    """The keys of all tenants that are neither revoked nor expired, and belong to or are known to an account that is suspended or
    deleted; oldest first."""
    maker, owner = aliased(Account), aliased(Account)
    known = or_(maker.suspended_at.is_not(None), maker.deleted_at.is_not(None))
    owned = or_(owner.suspended_at.is_not(None), owner.deleted_at.is_not(None))
    query = (
        select(ApiKey.prefix, known)
        .outerjoin(maker, maker.id == ApiKey.made_by)
        .outerjoin(owner, owner.id == ApiKey.owner_id)
        .where(
            ApiKey.revoked_at.is_(None), or_(ApiKey.expires_at.is_(None), ApiKey.expires_at > now), or_(known, owned)
        )
        .order_by(ApiKey.created_at, ApiKey.id)
    )
    return [Refused(prefix, bool(of_maker)) for prefix, of_maker in session.execute(query)]


def get(session: Session, tenant_id: UUID, key_id: UUID, owner_id: UUID | None = None) -> ApiKey | None:
    """A key of the tenant; with an owner, only one of that account."""
    query = select(ApiKey).where(ApiKey.id == key_id, ApiKey.tenant_id == tenant_id)
    return session.scalar(query if owner_id is None else query.where(ApiKey.owner_id == owner_id))


def list_keys(session: Session, tenant_id: UUID | None = None, owner_id: UUID | None = None) -> Sequence[ApiKey]:
    """Keys of one tenant, or of all, oldest first; with an owner, only those of that account."""
    query = select(ApiKey).order_by(ApiKey.created_at, ApiKey.id)
    if tenant_id is not None:
        query = query.where(ApiKey.tenant_id == tenant_id)
    return session.scalars(query if owner_id is None else query.where(ApiKey.owner_id == owner_id)).all()


def revoke(session: Session, prefix: str) -> bool:
    """Revoke the key with this public part; False when there is none in force."""
    change = update(ApiKey).where(ApiKey.prefix == prefix, ApiKey.revoked_at.is_(None)).values(revoked_at=utc_now())
    return session.execute(change.returning(ApiKey.id)).first() is not None
