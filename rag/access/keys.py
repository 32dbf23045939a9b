"""API keys: made once, shown once, stored as a hash."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Iterable
from datetime import datetime, timedelta
from hmac import compare_digest
from uuid import UUID, uuid4

from sqlalchemy import update
from sqlalchemy.orm import Session

from rag.access.holding import behind, holder_of
from rag.access.printable import require_name
from rag.domain.access import Label
from rag.domain.errors import NotAuthenticated
from rag.domain.principal import CitationStyle, Principal, Scope
from rag.store import api_key, role_grant
from rag.store.api_key import ApiKey
from rag.store.base import utc_now
from rag.store.session import Database
from rag.store.tenant import ensure_tenant

_MAX_NAME = 200
_SECRET_BYTES = 32  # 256 bit
_PREFIX_BYTES = 6
_USE_NOTED_EVERY = timedelta(minutes=1)
_MAX_ADDRESS = 45  # of IPv6 with an IPv4 address in it


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
        *,
        owner_id: UUID | None = None,
        description: str = "",
    ) -> tuple[str, ApiKey]:
        """Make a key; the returned text is the only copy of the secret there will ever be.

        Args:
            owner_id: the account whose roles count; without, the key is the tenant's.

        Raises:
            InvalidRequest: the name is not printable, or too long.
        """
        row = ApiKey(
            id=uuid4(),
            name=printable_name(name),
            scopes=sorted(scopes),
            collections=None if collections is None else [str(item) for item in collections],
            expires_at=expires_at,
            citation_style=citation_style.value,
            clearance=clearance.value,
            owner_id=owner_id,
            description=description,
        )
        secret = equip(row)
        with self._database.write() as session:
            row.tenant_id = ensure_tenant(session, tenant_name).id
            session.add(row)
        return secret, row

    def authenticate(self, presented: str, address: str = "") -> Principal:
        """The principal behind a key, in one query, four for a key of an account, two more where somebody else made it.

        Args:
            address: where it came from.

        Raises:
            NotAuthenticated: unknown, wrong, expired or revoked, or its account is not in force; the caller can't tell which.
        """
        if not presented.isascii() or not presented.isprintable():
            raise NotAuthenticated  # no key of ours, and not every database takes such text
        now = utc_now()
        with self._database.read() as session:
            row = api_key.by_prefix(session, prefix_of(presented))
            if not _opens(row, presented, now) or row is None or not _in_force(row, now):
                raise NotAuthenticated
            principal = principal_of(session, row)
        self._note_use(row, now, address)
        return principal

    def current(self, key_id: UUID) -> Principal:
        """The principal behind a key as it is now, for a job that it began.

        Raises:
            NotAuthenticated: it is expired or revoked by now, or its account is not in force.
        """
        with self._database.read() as session:
            return current(session, key_id)

    def any_admin(self) -> bool:
        """Whether somebody can administer: a key with the admin scope, or an account with the role in all of a tenant."""
        now = utc_now()
        with self._database.read() as session:
            keys = api_key.list_keys(session)
            return role_grant.any_administrator(session) or any(
                Scope.ADMIN in row.scopes and _in_force(row, now) and not api_key.forsaken(session, row) for row in keys
            )

    def list(self) -> list[ApiKey]:
        """All keys, oldest first; secrets are not among what is stored."""
        with self._database.read() as session:
            return list(api_key.list_keys(session))

    def rotate(self, prefix: str, grace: timedelta) -> str | None:
        """Give a key a new secret, which is returned; the one before opens for the grace too. None when there is no such key.

        Nobody else knows the new one. One that somebody knows who is not in force any more has no grace.
        """
        with self._database.write() as session:
            row = api_key.by_prefix(session, prefix)
            if row is None or row.revoked_at is not None:
                return None
            grace = timedelta() if api_key.forsaken(session, row) else grace
            row.made_by = None
            return rotated(row, grace)

    def revoke(self, prefix: str) -> bool:
        """Put a key out of force from the next request on; False when there is none."""
        with self._database.write() as session:
            return api_key.revoke(session, prefix)

    def _note_use(self, row: ApiKey, now: datetime, address: str) -> None:
        # Once a minute is enough for "last used", and keeps reads from becoming writes.
        if row.last_used_at is not None and now - row.last_used_at < _USE_NOTED_EVERY:
            return
        used: dict[str, object] = {"last_used_at": now}
        if address:
            used["last_address"] = address[:_MAX_ADDRESS]
        with self._database.write() as session:
            session.execute(update(ApiKey).where(ApiKey.id == row.id).values(**used))


def equip(row: ApiKey) -> str:
    """Give a new key its public part and its secret, which is returned."""
    row.prefix = f"{api_key.MARK}_{secrets.token_hex(_PREFIX_BYTES)}"
    secret = new_secret(row.prefix)
    row.secret_hash = digest(secret)
    return secret


def printable_name(name: str) -> str:
    """A key's name, which is who did something on the trail: whoever looks at that in a terminal must see all of it.

    Raises:
        InvalidRequest: it holds what a terminal obeys, or what nobody sees; or it is too long.
    """
    require_name(name, _MAX_NAME)
    return name


def rotated(row: ApiKey, grace: timedelta) -> str:
    """Give a key another secret, which is returned; a secret that was in its grace before is out of it."""
    now = utc_now()
    secret = new_secret(row.prefix)
    row.previous_hash, row.previous_until = (row.secret_hash, now + grace) if grace else (None, None)
    row.secret_hash, row.rotated_at = digest(secret), now
    return secret


def new_secret(prefix: str) -> str:
    """A whole credential with this public part."""
    return f"{prefix}_{secrets.token_urlsafe(_SECRET_BYTES)}"


def prefix_of(presented: str) -> str:
    """The public part of a credential; the secret itself may hold underscores."""
    return "_".join(presented.split("_", 2)[:2])


def digest(secret: str) -> bytes:
    """What is stored of a credential."""
    return hashlib.sha256(secret.encode()).digest()


def current(session: Session, key_id: UUID) -> Principal:
    """The principal behind a key as it is now.

    Raises:
        NotAuthenticated: there is no such key, or it is not in force.
    """
    row = session.get(ApiKey, key_id)
    if row is None or not _in_force(row, utc_now()):
        raise NotAuthenticated
    return principal_of(session, row)


def _opens(row: ApiKey | None, presented: str, now: datetime) -> bool:
    """Whether it is the secret of the key, or the one before its rotation while that is in its grace."""
    shown = digest(presented)
    opens = compare_digest(row.secret_hash if row is not None else bytes(32), shown)
    if row is None or row.previous_hash is None or row.previous_until is None or row.previous_until <= now:
        return opens
    return compare_digest(row.previous_hash, shown) or opens


def _in_force(row: ApiKey, now: datetime) -> bool:
    return row.revoked_at is None and (row.expires_at is None or row.expires_at > now)


def principal_of(session: Session, row: ApiKey) -> Principal:
    """The principal of a key: the tenant's own, or its account narrowed to what the key is for.

    Raises:
        NotAuthenticated: its account is suspended or deleted, or whoever made it and knows its secret.
    """
    if api_key.forsaken(session, row):
        raise NotAuthenticated
    limited = None if row.collections is None else frozenset(UUID(item) for item in row.collections)
    scopes = frozenset(Scope(item) for item in row.scopes)
    style, clearance = CitationStyle(row.citation_style), Label(row.clearance)
    if row.owner_id is None:
        return Principal(
            row.id,
            row.name,
            row.tenant_id,
            scopes,
            limited,
            style,
            clearance=clearance,
            made_by=row.made_by,
            behind=behind(session, row.made_by),
        )
    return holder_of(
        session,
        row.owner_id,
        scopes,
        tenant_id=row.tenant_id,
        collections=limited,
        clearance=clearance,
        credential=row.id,
        citation_style=style,
        made_by=row.made_by,
    )
