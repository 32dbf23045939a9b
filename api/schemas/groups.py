"""Bodies of the routes about groups."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated
from uuid import UUID

from pydantic import BaseModel, Field

from api.schemas.common import Body
from rag.store.account import AccountGroup, Source

GroupName = Annotated[str, Field(min_length=1, max_length=200, examples=["인사팀"])]


class GroupIn(Body):
    """A group to be made, or its new name."""

    name: GroupName


class GroupOut(BaseModel):
    """A group of accounts and groups."""

    id: UUID
    name: str
    source: Source = Field(description="who keeps it: a directory overwrites what is changed here")
    external_id: str | None = Field(description="what the directory calls it")
    created_at: datetime
    changed_at: datetime

    @classmethod
    def of(cls, row: AccountGroup) -> GroupOut:
        """The group as JSON."""
        return cls(
            id=row.id,
            name=row.name,
            source=Source(row.source),
            external_id=row.external_id,
            created_at=row.created_at,
            changed_at=row.changed_at,
        )


class GroupList(BaseModel):
    """The groups of the tenant, by name."""

    groups: list[GroupOut]


class Members(Body):
    """Accounts and groups, by id."""

    members: list[UUID] = Field(max_length=20_000)


class MemberList(BaseModel):
    """The accounts and groups that were put into a group; those inside groups among them are not listed."""

    members: list[UUID]
