"""Schemas of sign-in and sessions."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from pydantic import BaseModel, Field

from rag.store.sign_in import PortalSession


class ProviderOut(BaseModel):
    """A provider that people can sign in with."""

    name: str
    login: str = Field(description="address to send the browser to")


class ProvidersOut(BaseModel):
    """All of them."""

    providers: list[ProviderOut]


class LogoutOut(BaseModel):
    """What is left to do for a page that signed out."""

    url: str = Field(description="the provider's page that ends the sign-in there too; empty where it has none")


class SessionOut(BaseModel):
    """A signed-in browser of one's own account."""

    id: UUID
    provider: str
    browser: str = Field(description="as the browser called itself at sign-in")
    address: str
    created_at: datetime
    seen_at: datetime
    expires_at: datetime
    current: bool = Field(description="whether this request came by it")

    @classmethod
    def of(cls, row: PortalSession, current: UUID | None) -> SessionOut:
        """From the record."""
        return cls(
            id=row.id,
            provider=row.provider,
            browser=row.browser,
            address=row.address,
            created_at=row.created_at,
            seen_at=row.seen_at,
            expires_at=row.expires_at,
            current=row.id == current,
        )


class SessionsOut(BaseModel):
    """One's own sessions, newest first."""

    sessions: list[SessionOut]


class CurrentSessionOut(BaseModel):
    """The session of this browser."""

    session: SessionOut
    proof: str = Field(description="to be sent in the header X-Seogo-Proof with every request that changes something")
