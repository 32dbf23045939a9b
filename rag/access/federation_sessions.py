"""Signed-in browsers: an opaque cookie, of which only the hash is kept, with an end in any case."""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import Select

from rag.access.identities import Identities, Presented
from rag.access.keys import digest
from rag.domain.access import Role
from rag.domain.errors import NotAuthenticated
from rag.domain.principal import Principal, Scope
from rag.settings_identity import SessionSettings
from rag.store import sign_in
from rag.store.base import utc_now
from rag.store.session import Database
from rag.store.sign_in import PortalSession

SECRET_BYTES = 32
"""256 random bits: a slow hash of the cookie would add nothing."""
_COOKIE_CHARS = 43
_SEEN_EVERY = timedelta(minutes=1)
_KEPT_AFTER_END = timedelta(days=7)
_ALWAYS = frozenset({Scope.READ, Scope.WRITE})


class Sessions:
    """Begins, resolves and ends sessions. A `CredentialResolver` of the kind `session`."""

    def __init__(
        self,
        database: Database,
        identities: Identities,
        settings: SessionSettings,
        clock: Callable[[], datetime] = utc_now,
    ) -> None:
        self._database = database
        self._identities = identities
        self._clock = clock
        self._idle = timedelta(seconds=settings.idle_s)
        self._absolute = timedelta(seconds=settings.absolute_s)

    def begin(
        self,
        principal: Principal,
        provider: str,
        subject: str,
        provider_session: str = "",
        *,
        browser: str = "",
        address: str = "",
        replacing: str = "",
    ) -> tuple[str, PortalSession]:
        """Begin a session; the returned text is for the cookie, and the only copy there will ever be.

        Args:
            replacing: cookie that the browser had before. It ends: nobody goes on with one that somebody else may have
                put there.
        """
        now = self._clock()
        secret = secrets.token_urlsafe(SECRET_BYTES)
        row = PortalSession(
            id=uuid4(),
            tenant_id=principal.tenant_id,
            account_id=principal.id,
            secret_hash=digest(secret),
            provider=provider,
            subject=subject,
            provider_session=provider_session[:255],
            browser="".join(char for char in browser if char.isprintable())[:200],
            address=address[:64],
            created_at=now,
            seen_at=now,
            expires_at=now + self._absolute,
        )
        with self._database.write() as session:
            sign_in.purge(session, now - _KEPT_AFTER_END)
            before = sign_in.by_secret(session, digest(replacing)) if replacing else None
            if before is not None:
                sign_in.end(session, before.id, now)
            session.add(row)
        return secret, row

    def resolve(self, presented: Presented) -> Principal | None:
        """The principal of a session, as it is on record now.

        Raises:
            NotAuthenticated: unknown, idle for too long, too old, ended, or the account suspended; the caller can't tell which.
        """
        row = self.found(presented.text)
        principal = self._identities.of_account(row.account_id, _ALWAYS, tenant_id=row.tenant_id, credential=row.id)
        self._note_use(row)
        if principal.tenant_role is Role.ADMIN or any(role is Role.ADMIN for _, role in principal.grants):
            return replace(principal, scopes=_ALWAYS | {Scope.ADMIN})
        return principal

    def found(self, secret: str) -> PortalSession:
        """The session in force that a cookie is of.

        Raises:
            NotAuthenticated: there is none.
        """
        if len(secret) != _COOKIE_CHARS or not secret.isascii():
            raise NotAuthenticated
        with self._database.read() as session:
            row = sign_in.by_secret(session, digest(secret))
        now = self._clock()
        if row is None or row.ended_at is not None or row.expires_at <= now or row.seen_at <= now - self._idle:
            raise NotAuthenticated
        return row

    def in_force(self, ids: Collection[UUID], now: datetime) -> Select[Any]:
        """The `Lifeline` of sessions."""
        return sign_in.in_force(ids, now, self._idle)

    def of_account(self, account_id: UUID) -> Sequence[PortalSession]:
        """The sessions of an account that hold, newest first."""
        with self._database.read() as session:
            return sign_in.of_account(session, account_id, self._clock(), self._idle)

    def end(self, session_id: UUID, account_id: UUID) -> bool:
        """End a session of the account; False when it has no such one in force."""
        with self._database.write() as session:
            return sign_in.end(session, session_id, self._clock(), account_id)

    def end_those_of(
        self, tenant_id: UUID, provider: str, subject: str, provider_session: str, before: datetime
    ) -> int:
        """End what the provider's order names (`sub`, `sid` or both), begun before the order; how many."""
        with self._database.write() as session:
            return sign_in.end_those_of(session, tenant_id, provider, subject, provider_session, before, self._clock())

    def _note_use(self, row: PortalSession) -> None:
        now = self._clock()
        if now - row.seen_at < min(_SEEN_EVERY, self._idle / 4):
            return
        with self._database.write() as session:
            stored = session.get(PortalSession, row.id)
            if stored is not None and stored.seen_at < now:
                stored.seen_at = now


def proof_of(secret: str) -> str:
    """What a page of ours shows with every request that changes something: who can't read the cookie can't make it."""
    mac = hmac.new(secret.encode(), b"seogo request proof", hashlib.sha256).digest()
    return base64.urlsafe_b64encode(mac).rstrip(b"=").decode()
