"""Bodies of the routes about keys, and about who one is."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated
from uuid import UUID

from pydantic import BaseModel, Field

from api.schemas.accounts import GroupRef
from api.schemas.common import Body, CollectionNames, Instant
from rag.domain.access import Label, Role
from rag.domain.principal import CitationStyle, PrincipalKind, Scope
from rag.store.api_key import ApiKey

KeyName = Annotated[str, Field(min_length=1, max_length=200, examples=["portal"])]
Scopes = Annotated[list[Scope], Field(min_length=1, max_length=len(Scope))]
Description = Annotated[str, Field(max_length=500)]


class OwnKeyIn(Body):
    """A key to be made for one's own account: never wider than what it is made with."""

    name: KeyName
    scopes: Scopes
    description: Description = ""
    collections: CollectionNames = None
    expires_at: Instant | None = Field(None, description="at the latest when the key ends by which it is made")
    clearance: Label = Label.OPEN
    citation_style: CitationStyle = CitationStyle.ANNOTATIONS


class KeyIn(OwnKeyIn):
    """A key to be made: never wider than what it is made with."""

    owner_id: UUID | None = Field(
        None,
        description="the account whose roles count, a service or one's own; without, the key is the tenant's",
    )


class KeyPatch(Body):
    """What is to change about a key; what is left out stays."""

    name: KeyName | None = None
    description: Description | None = None
    scopes: Scopes | None = None
    collections: CollectionNames = None
    expires_at: Instant | None = None
    clearance: Label | None = None


class RotationIn(Body):
    """How a key is rotated."""

    grace_minutes: int = Field(0, ge=0, le=7 * 24 * 60, description="so long the secret before opens too")


class KeyOut(BaseModel):
    """A key, without its secret."""

    id: UUID
    prefix: str = Field(description="how it begins")
    name: str
    description: str
    scopes: list[Scope]
    collections: list[UUID] | None = Field(description="that it is limited to; null means all that its owner may read")
    clearance: Label
    owner_id: UUID | None = Field(description="the account whose roles count; null means that the key is the tenant's")
    made_by: UUID | None = Field(description="the account or key that made or rotated it last, if not its owner")
    citation_style: CitationStyle
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None
    rotated_at: datetime | None
    previous_until: datetime | None = Field(description="until when the secret before the rotation opens too")
    last_used_at: datetime | None = Field(description="to the minute")
    last_address: str | None = Field(description="where it came from then")

    @classmethod
    def of(cls, row: ApiKey) -> KeyOut:
        """The key as JSON."""
        return cls.model_validate({name: getattr(row, name) for name in KeyOut.model_fields})


class KeyMade(KeyOut):
    """A key with its secret, of which this is the only copy."""

    secret: str

    @classmethod
    def with_secret(cls, row: ApiKey, secret: str) -> KeyMade:
        """The key and its secret as JSON."""
        return cls(**KeyOut.of(row).model_dump(), secret=secret)


class KeyList(BaseModel):
    """Keys, oldest first."""

    keys: list[KeyOut]


class RoleOn(BaseModel):
    """A role in one collection."""

    collection_id: UUID
    collection: str
    role: Role


class MeOut(BaseModel):
    """Who is asking, and what is known of it here."""

    id: UUID = Field(description="of the account; of the key, where it belongs to none")
    kind: PrincipalKind
    name: str
    tenant: str
    scopes: list[Scope] = Field(description="what the credential may do")
    role: Role | None = Field(description="in the whole tenant")
    roles: list[RoleOn] = Field(description="in single collections that can be read now")
    groups: list[GroupRef] = Field(description="groups around groups included")
    attributes: dict[str, list[str]]
    clearance: Label
    collections: list[UUID] | None = Field(description="that the credential is limited to; null means all")
    credential: UUID | None = Field(description="id of the key, session or token, where that is not the caller itself")
