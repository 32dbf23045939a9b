"""Bodies of the routes about roles."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from pydantic import BaseModel, Field

from api.schemas.common import Body
from rag.domain.access import Role
from rag.store.role_grant import RoleGrant

_SUBJECT = "user:<id> of an account, group:<id>, attribute:name=value, or everyone"


class GrantIn(Body):
    """A role to be granted."""

    subject: str = Field(min_length=1, max_length=300, description=_SUBJECT, examples=["attribute:dept=인사팀"])
    role: Role
    collection: str | None = Field(
        None, min_length=1, max_length=100, description="name or id; the whole tenant when left out"
    )


class GrantOut(BaseModel):
    """A role that was granted."""

    id: UUID
    subject: str = Field(description=_SUBJECT)
    role: Role
    collection_id: UUID | None = Field(description="null means the whole tenant")
    granted_by: UUID | None = Field(description="null means the command line")
    created_at: datetime

    @classmethod
    def of(cls, row: RoleGrant) -> GrantOut:
        """The grant as JSON."""
        return cls(
            id=row.id,
            subject=row.subject,
            role=Role(row.role),
            collection_id=row.collection_id,
            granted_by=row.granted_by,
            created_at=row.created_at,
        )


class GrantList(BaseModel):
    """Grants, oldest first."""

    grants: list[GrantOut]
