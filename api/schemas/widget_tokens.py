"""Bodies of the routes about tokens of widgets."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Annotated
from uuid import UUID

from pydantic import BaseModel, Field

from api.schemas.accounts import Attributes
from api.schemas.common import Body, CollectionNames
from rag.access.widgets import Vouched
from rag.store.widget_token import WidgetToken

Origin = Annotated[
    str, Field(max_length=300, pattern=r"^https?://[^\s/?#@]+$", examples=["https://portal.bank.example"])
]


class SubjectIn(Body):
    """Of whom the portal says that the page is theirs: an account, or somebody with groups and attributes."""

    account_id: UUID | None = None
    groups: list[UUID] = Field(default_factory=list, max_length=200)
    attributes: Attributes = Field(default_factory=dict)

    def to_domain(self) -> Vouched:
        """Who it is."""
        return Vouched(self.account_id, frozenset(self.groups), self.attributes)


class WidgetTokenIn(Body):
    """A token to be made for a page in a browser."""

    collections: CollectionNames = None
    minutes: int = Field(15, ge=1, le=60)
    subject: SubjectIn | None = Field(
        None, description="for keys of administrators only; without, the key's own rights"
    )
    origins: list[Origin] | None = Field(
        None, min_length=1, max_length=20, description="what the browser's `Origin` must be; nobody looks when left out"
    )

    @property
    def lasts(self) -> timedelta:
        """How long it is good for."""
        return timedelta(minutes=self.minutes)


class WidgetTokenOut(BaseModel):
    """A token of a widget, without its secret."""

    id: UUID
    prefix: str = Field(description="how it begins")
    collections: list[UUID]
    account_id: UUID | None
    groups: list[UUID]
    attributes: dict[str, list[str]]
    origins: list[str] | None
    created_at: datetime
    expires_at: datetime

    @classmethod
    def of(cls, row: WidgetToken) -> WidgetTokenOut:
        """The token as JSON."""
        return cls(
            id=row.id,
            prefix=row.prefix,
            collections=row.collections,
            account_id=row.account_id,
            groups=row.groups or [],
            attributes=row.attributes or {},
            origins=row.origins,
            created_at=row.created_at,
            expires_at=row.expires_at,
        )


class WidgetTokenMade(WidgetTokenOut):
    """A token with its secret, of which this is the only copy."""

    token: str

    @classmethod
    def with_secret(cls, row: WidgetToken, token: str) -> WidgetTokenMade:
        """The token and its secret as JSON."""
        return cls(**WidgetTokenOut.of(row).model_dump(), token=token)


class WidgetTokenList(BaseModel):
    """Tokens that are in force, oldest first."""

    tokens: list[WidgetTokenOut]
