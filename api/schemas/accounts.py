"""Bodies of the routes about accounts."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Annotated
from uuid import UUID

from pydantic import BaseModel, Field

from api.schemas.common import Body
from rag.access.accounts import MAX_ATTRIBUTES, MAX_VALUES, AccountChange
from rag.domain.access import Label
from rag.store.account import Account, AccountGroup, AccountKind, Source

Text = Annotated[str, Field(max_length=200)]
UserName = Annotated[str, Field(min_length=1, max_length=200, examples=["minji.kim"])]
Email = Annotated[str, Field(max_length=320)]
Value = Annotated[str, Field(max_length=200)]
Attributes = Annotated[
    dict[Annotated[str, Field(min_length=1, max_length=200)], Annotated[list[Value], Field(max_length=MAX_VALUES)]],
    Field(max_length=MAX_ATTRIBUTES, examples=[{"dept": ["인사팀"]}], description="names with their values"),
]


class AccountIn(Body):
    """An account to be made: it has no role, and there are no passwords."""

    user_name: UserName
    kind: AccountKind = AccountKind.USER
    display_name: Text = ""
    email: Email = ""
    attributes: Attributes = Field(default_factory=dict)
    clearance: Label = Label.OPEN
    suspended: bool = False


class AccountPatch(Body):
    """What is to change about an account; what is left out stays."""

    user_name: UserName | None = None
    display_name: Text | None = None
    email: Email | None = None
    attributes: Attributes | None = Field(None, description="all of them: one that is left out is gone afterwards")
    clearance: Label | None = None
    suspended: bool | None = Field(None, description="none of its credentials is taken, and its open streams end")

    def to_domain(self) -> AccountChange:
        """The change."""
        return AccountChange(**self.model_dump())


class GroupRef(BaseModel):
    """A group by its name."""

    id: UUID
    name: str

    @classmethod
    def all_of(cls, rows: Iterable[AccountGroup]) -> list[GroupRef]:
        """The groups as JSON."""
        return [cls(id=row.id, name=row.name) for row in rows]


class AccountOut(BaseModel):
    """An account of a person or a service."""

    id: UUID
    kind: AccountKind
    user_name: str
    display_name: str
    email: str
    attributes: dict[str, list[str]]
    clearance: Label
    source: Source = Field(description="who keeps it: a directory overwrites what is changed here")
    external_id: str | None = Field(description="what the directory calls it")
    created_at: datetime
    changed_at: datetime
    suspended_at: datetime | None

    @classmethod
    def of(cls, row: Account) -> AccountOut:
        """The account as JSON."""
        return cls(
            id=row.id,
            kind=AccountKind(row.kind),
            user_name=row.user_name,
            display_name=row.display_name,
            email=row.email,
            attributes=row.attributes or {},
            clearance=Label(row.clearance),
            source=Source(row.source),
            external_id=row.external_id,
            created_at=row.created_at,
            changed_at=row.changed_at,
            suspended_at=row.suspended_at,
        )


class AccountDetail(AccountOut):
    """An account with the groups that it is in, groups around groups included."""

    groups: list[GroupRef]

    @classmethod
    def with_groups(cls, row: Account, groups: Iterable[AccountGroup]) -> AccountDetail:
        """The account and its groups as JSON."""
        return cls(**AccountOut.of(row).model_dump(), groups=GroupRef.all_of(groups))


class AccountPage(BaseModel):
    """Accounts by name."""

    accounts: list[AccountOut]
    next: str | None = Field(description="`after` of the next page; null on the last")
