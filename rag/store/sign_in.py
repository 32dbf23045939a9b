"""Sign-ins with a provider: those on their way, signed-in browsers, and which subject of a provider is which account."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import ForeignKey, LargeBinary, Select, String, UniqueConstraint, delete, or_, select, update
from sqlalchemy.orm import Mapped, Session, mapped_column

from rag.store.base import Base, utc_now

MAX_PENDING = 10_000
"""Sign-ins on their way at once: anybody can begin one."""


class PendingSignIn(Base):
    """A browser that was sent to a provider and has not come back yet.

    What the provider must repeat (nonce) and what the code is bought with (PKCE verifier) follow from the browser's secret
    and are not stored, so nothing here helps anybody to end a sign-in in its place.

    Attributes:
        state_hash: SHA-256 of the parameter `state`.
        browser_hash: SHA-256 of the secret in the browser's cookie.
        redirect_uri: exactly as it was told to the provider.
        return_to: path on this service to go to afterwards.
    """

    __tablename__ = "pending_sign_in"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    state_hash: Mapped[bytes] = mapped_column(LargeBinary(32), unique=True)
    browser_hash: Mapped[bytes] = mapped_column(LargeBinary(32))
    provider: Mapped[str] = mapped_column(String(40))
    redirect_uri: Mapped[str] = mapped_column(String(2000))
    return_to: Mapped[str] = mapped_column(String(2000))
    expires_at: Mapped[datetime] = mapped_column(index=True)


class PortalSession(Base):
    """A signed-in browser.

    Attributes:
        secret_hash: SHA-256 of the cookie; its 256 random bits are nowhere else.
        provider: name of the provider in the settings.
        subject: what the provider calls the person (`sub`).
        provider_session: what the provider calls its own session (`sid`), for the order to end it; empty where it has none.
        address: where the sign-in came from; empty where nobody knows.
        seen_at: last request, to the minute.
        expires_at: the session ends then, whatever happens.
    """

    __tablename__ = "portal_session"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    tenant_id: Mapped[UUID] = mapped_column(ForeignKey("tenant.id"))
    account_id: Mapped[UUID] = mapped_column(ForeignKey("account.id"), index=True)
    secret_hash: Mapped[bytes] = mapped_column(LargeBinary(32), unique=True)
    provider: Mapped[str] = mapped_column(String(40))
    subject: Mapped[str] = mapped_column(String(255), index=True)
    provider_session: Mapped[str] = mapped_column(String(255), default="")
    browser: Mapped[str] = mapped_column(String(200), default="")
    address: Mapped[str] = mapped_column(String(64), default="")
    created_at: Mapped[datetime] = mapped_column(default=utc_now)
    seen_at: Mapped[datetime] = mapped_column(default=utc_now)
    expires_at: Mapped[datetime] = mapped_column(index=True)
    ended_at: Mapped[datetime | None]


class AccountLink(Base):
    """That a subject of an issuer is an account. Made once, with the first sign-in or token.

    Attributes:
        said_at: when the provider issued the newest token of which the claims were taken over. An older one changes nothing,
            or a token from before would bring a group back that somebody has left.
        said_hash: SHA-256 of what it said.
        not_before: when the account was deleted that it led to before; what the provider said until then counts no more.
    """

    __tablename__ = "account_link"
    __table_args__ = (
        UniqueConstraint("tenant_id", "issuer", "subject"),
        UniqueConstraint("account_id", "issuer"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    tenant_id: Mapped[UUID] = mapped_column(ForeignKey("tenant.id"))
    account_id: Mapped[UUID] = mapped_column(ForeignKey("account.id"))
    issuer: Mapped[str] = mapped_column(String(500))
    subject: Mapped[str] = mapped_column(String(255))
    created_at: Mapped[datetime] = mapped_column(default=utc_now)
    said_at: Mapped[datetime | None]
    said_hash: Mapped[bytes | None] = mapped_column(LargeBinary(32))
    not_before: Mapped[datetime | None]


def link_of(session: Session, tenant_id: UUID, issuer: str, subject: str) -> AccountLink | None:
    """The link of a subject."""
    named = (AccountLink.tenant_id == tenant_id, AccountLink.issuer == issuer, AccountLink.subject == subject)
    return session.scalar(select(AccountLink).where(*named))


def linked(session: Session, account_id: UUID, issuer: str) -> bool:
    """Whether a subject of this issuer is the account already."""
    named = (AccountLink.account_id == account_id, AccountLink.issuer == issuer)
    return session.scalar(select(AccountLink.id).where(*named)) is not None


def lead_on(session: Session, link: AccountLink, account_id: UUID, not_before: datetime | None) -> None:
    """Lead a link whose account was deleted to another one, unless that was done meanwhile."""
    same = update(AccountLink).where(AccountLink.id == link.id, AccountLink.account_id == link.account_id)
    session.execute(same.values(account_id=account_id, not_before=not_before, said_at=None, said_hash=None))


def begin(session: Session, pending: PendingSignIn, now: datetime) -> None:
    """Note a sign-in. Those that nobody ended in time go, and of too many those that began first."""
    session.execute(delete(PendingSignIn).where(PendingSignIn.expires_at <= now))
    newest = select(PendingSignIn.id).order_by(PendingSignIn.expires_at.desc(), PendingSignIn.id)
    session.execute(delete(PendingSignIn).where(PendingSignIn.id.in_(newest.offset(MAX_PENDING - 1))))
    session.add(pending)


def begun(session: Session, state_hash: bytes) -> bool:
    """Whether this state began a sign-in that nobody has ended."""
    return session.scalar(select(PendingSignIn.id).where(PendingSignIn.state_hash == state_hash)) is not None


def taken(session: Session, state_hash: bytes, now: datetime) -> PendingSignIn | None:
    """The sign-in that this state began; it is gone with this, so the state counts once. None when it is too late."""
    found = session.scalar(delete(PendingSignIn).where(PendingSignIn.state_hash == state_hash).returning(PendingSignIn))
    session.execute(delete(PendingSignIn).where(PendingSignIn.expires_at <= now))
    return found if found is not None and found.expires_at > now else None


def in_force(ids: Collection[UUID], now: datetime, idle: timedelta) -> Select[Any]:
    """A statement for those of these sessions that hold at `now`."""
    return select(PortalSession.id).where(
        PortalSession.id.in_(ids),
        PortalSession.ended_at.is_(None),
        PortalSession.expires_at > now,
        PortalSession.seen_at > now - idle,
    )


def by_secret(session: Session, secret_hash: bytes) -> PortalSession | None:
    """The session with this cookie, whatever its state."""
    return session.scalar(select(PortalSession).where(PortalSession.secret_hash == secret_hash))


def of_account(session: Session, account_id: UUID, now: datetime, idle: timedelta) -> Sequence[PortalSession]:
    """The sessions of an account that hold, newest first."""
    query = (
        select(PortalSession)
        .where(
            PortalSession.account_id == account_id,
            PortalSession.ended_at.is_(None),
            PortalSession.expires_at > now,
            PortalSession.seen_at > now - idle,
        )
        .order_by(PortalSession.created_at.desc(), PortalSession.id)
    )
    return session.scalars(query).all()


def end(session: Session, session_id: UUID, now: datetime, account_id: UUID | None = None) -> bool:
    """End a session; False when it holds no more, or is not one of `account_id`."""
    change = update(PortalSession).where(PortalSession.id == session_id, PortalSession.ended_at.is_(None))
    if account_id is not None:
        change = change.where(PortalSession.account_id == account_id)
    return session.execute(change.values(ended_at=now).returning(PortalSession.id)).first() is not None


def end_those_of(
    session: Session,
    tenant_id: UUID,
    provider: str,
    subject: str,
    provider_session: str,
    before: datetime,
    now: datetime,
) -> int:
    """End the sessions that a provider calls by its own names, begun before; how many. An empty name is not compared."""
    change = update(PortalSession).where(
        PortalSession.tenant_id == tenant_id,
        PortalSession.provider == provider,
        PortalSession.ended_at.is_(None),
        PortalSession.created_at <= before,
    )
    if subject:
        change = change.where(PortalSession.subject == subject)
    if provider_session:
        change = change.where(PortalSession.provider_session == provider_session)
    return len(session.execute(change.values(ended_at=now).returning(PortalSession.id)).all())


def purge(session: Session, before: datetime) -> None:
    """Forget sessions that ended before."""
    over = or_(PortalSession.expires_at < before, PortalSession.ended_at < before)
    session.execute(delete(PortalSession).where(over))
