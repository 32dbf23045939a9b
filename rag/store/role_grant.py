"""Roles, granted to subjects on a whole tenant or on one collection."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import ForeignKey, Index, String, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from rag.domain.access import Role, Subject
from rag.store.base import Base, utc_now


class RoleGrant(Base):
    """That a subject has a role.

    Attributes:
        collection_id: None means in the whole tenant.
        subject: `Subject.text`.
        granted_by: id of the principal that granted it; None for the command line.
    """

    __tablename__ = "role_grant"
    __table_args__ = (Index("ix_role_grant_subject", "tenant_id", "subject"),)

    id: Mapped[UUID] = mapped_column(primary_key=True)
    tenant_id: Mapped[UUID] = mapped_column(ForeignKey("tenant.id"))
    collection_id: Mapped[UUID | None] = mapped_column(ForeignKey("collection.id"), index=True)
    subject: Mapped[str] = mapped_column(String(300))
    role: Mapped[str] = mapped_column(String(20))
    granted_by: Mapped[UUID | None]
    created_at: Mapped[datetime] = mapped_column(default=utc_now)


def of_subjects(session: Session, tenant_id: UUID, subjects: Iterable[Subject]) -> Sequence[tuple[UUID | None, Role]]:
    """Collection (None for the tenant) and role of every grant to one of these subjects."""
    names = [subject.text for subject in subjects]
    query = select(RoleGrant.collection_id, RoleGrant.role).where(
        RoleGrant.tenant_id == tenant_id, RoleGrant.subject.in_(names)
    )
    return [(row[0], Role(row[1])) for row in session.execute(query)]


def of_tenant(session: Session, tenant_id: UUID) -> Sequence[RoleGrant]:
    """All grants in a tenant, oldest first."""
    query = select(RoleGrant).where(RoleGrant.tenant_id == tenant_id)
    return session.scalars(query.order_by(RoleGrant.created_at, RoleGrant.id)).all()


def get(session: Session, tenant_id: UUID, grant_id: UUID) -> RoleGrant | None:
    """A grant in the tenant."""
    return session.scalar(select(RoleGrant).where(RoleGrant.id == grant_id, RoleGrant.tenant_id == tenant_id))


def same_as(session: Session, wanted: RoleGrant) -> RoleGrant | None:
    """The grant that says the same as one that is to be made."""
    return session.scalar(
        select(RoleGrant).where(
            RoleGrant.tenant_id == wanted.tenant_id,
            RoleGrant.subject == wanted.subject,
            RoleGrant.role == wanted.role,
            RoleGrant.collection_id.is_(None)
            if wanted.collection_id is None
            else RoleGrant.collection_id == wanted.collection_id,
        )
    )


def any_administrator(session: Session) -> bool:
    """Whether anybody was made administrator of a whole tenant."""
    query = select(RoleGrant.id).where(RoleGrant.collection_id.is_(None), RoleGrant.role == Role.ADMIN.value)
    return session.scalar(query.limit(1)) is not None
