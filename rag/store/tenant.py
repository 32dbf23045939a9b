"""Tenants: organisations whose data never meets."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID, uuid5

from sqlalchemy import String
from sqlalchemy.orm import Mapped, Session, mapped_column

from rag.domain.document import NAMESPACE
from rag.store.base import Base, utc_now

DEFAULT_TENANT = "default"


class Tenant(Base):
    """One organisation. `paused_at` is set while no new ingestion begins in any of its collections."""

    __tablename__ = "tenant"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(100), unique=True)
    created_at: Mapped[datetime] = mapped_column(default=utc_now)
    paused_at: Mapped[datetime | None]


def tenant_id_of(name: str) -> UUID:
    """The id that the tenant of this name has, or will have."""
    return uuid5(NAMESPACE, f"tenant:{name}")


def name_of(session: Session, tenant_id: UUID) -> str:
    """What a tenant is called in the settings."""
    return session.get_one(Tenant, tenant_id).name


def ensure_tenant(session: Session, name: str) -> Tenant:
    """The tenant of this name, created when it does not exist."""
    tenant_id = tenant_id_of(name)
    tenant = session.get(Tenant, tenant_id)
    if tenant is None:
        tenant = Tenant(id=tenant_id, name=name)
        session.add(tenant)
        session.flush()
    return tenant
