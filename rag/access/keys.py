"""API keys: made once, shown once, stored as a hash."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Iterable
from datetime import datetime, timedelta
from hmac import compare_digest
from uuid import UUID, uuid4

from rag.domain.access import Label
from rag.domain.errors import NotAuthenticated
from rag.domain.principal import CitationStyle, Principal, Scope
from rag.store import api_key
from rag.store.api_key import ApiKey
from rag.store.base import utc_now
from rag.store.session import Database
from rag.store.tenant import ensure_tenant

_SECRET_BYTES = 32  # 256 bit
_PREFIX_BYTES = 6
_USE_NOTED_EVERY = timedelta(minutes=1)


class Keys:
    """Creates and verifies API keys."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def create(
        self,
        tenant_name: str,
        name: str,
        scopes: Iterable[Scope],
        collections: Iterable[UUID] | None = None,
        expires_at: datetime | None = None,
        citation_style: CitationStyle = CitationStyle.ANNOTATIONS,
        clearance: Label = Label.OPEN,
    ) -> tuple[str, ApiKey]:
        """Make a key; the returned text is the only copy of the secret there will ever be."""
        prefix = f"{api_key.MARK}_{secrets.token_hex(_PREFIX_BYTES)}"
        secret = f"{prefix}_{secrets.token_urlsafe(_SECRET_BYTES)}"
        with self._database.write() as session:
            row = ApiKey(
                id=uuid4(),
                tenant_id=ensure_tenant(session, tenant_name).id,
                name=name,
                prefix=prefix,
                secret_hash=_digest(secret),
                scopes=sorted(scopes),
                collections=None if collections is None else [str(item) for item in collections],
                expires_at=expires_at,
                citation_style=citation_style.value,
                clearance=clearance.value,
            )
            session.add(row)
        return secret, row

    def authenticate(self, presented: str, address: str = "") -> Principal:
        """The principal behind a key; `address` is where it came from, for "last used".

        Raises:
            NotAuthenticated: unknown, wrong, expired or revoked; the caller can't tell which.
        """
        if not presented.isascii() or not presented.isprintable():
            raise NotAuthenticated  # no key of ours, and not every database takes such text
        prefix = "_".join(presented.split("_", 2)[:2])  # the secret itself may hold underscores
        with self._database.read() as session:
            row = api_key.by_prefix(session, prefix)
        expected = row.secret_hash if row is not None else bytes(32)
        if not compare_digest(expected, _digest(presented)) or row is None:
            raise NotAuthenticated
        now = utc_now()
        if row.revoked_at is not None or (row.expires_at is not None and row.expires_at <= now):
            raise NotAuthenticated
        self._note_use(row, now)
        return _principal(row)

    def current(self, key_id: UUID) -> Principal:
        """The principal behind a key as it is now, for a job that it began.

        Raises:
            NotAuthenticated: it is expired or revoked by now.
        """
        with self._database.read() as session:
            row = session.get(ApiKey, key_id)
        if row is None or row.revoked_at is not None or (row.expires_at is not None and row.expires_at <= utc_now()):
            raise NotAuthenticated
        return _principal(row)

    def any_admin(self) -> bool:
        """Whether a key with the admin scope is in force."""
        with self._database.read() as session:
            return any(Scope.ADMIN in row.scopes and row.revoked_at is None for row in api_key.list_keys(session))

    def list(self) -> list[ApiKey]:
        """All keys, oldest first; secrets are not among what is stored."""
        with self._database.read() as session:
            return list(api_key.list_keys(session))

    def revoke(self, prefix: str) -> bool:
        """Put a key out of force from the next request on; False when there is none."""
        with self._database.write() as session:
            return api_key.revoke(session, prefix)

    def _note_use(self, row: ApiKey, now: datetime) -> None:
        # Once a minute is enough for "last used", and keeps reads from becoming writes.
        if row.last_used_at is not None and now - row.last_used_at < _USE_NOTED_EVERY:
            return
        with self._database.write() as session:
            stored = session.get(ApiKey, row.id)
            if stored is not None:
                stored.last_used_at = now


def _digest(secret: str) -> bytes:
    return hashlib.sha256(secret.encode()).digest()


def _principal(row: ApiKey) -> Principal:
    limited = None if row.collections is None else frozenset(UUID(item) for item in row.collections)
    scopes = frozenset(Scope(item) for item in row.scopes)
    style, clearance = CitationStyle(row.citation_style), Label(row.clearance)
    return Principal(row.id, row.name, row.tenant_id, scopes, limited, style, clearance=clearance)
