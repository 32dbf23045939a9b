"""Keys that principals make: never wider than who makes them, in scopes, collections, clearance or time."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID, uuid4

from sqlalchemy.orm import Session

from rag.access import administrators
from rag.access.keys import equip, printable_name, rotated
from rag.access.policy import covers
from rag.domain.access import Label
from rag.domain.errors import AccountNotFound, InvalidRequest, KeyNotFound, NotPermitted
from rag.domain.principal import CitationStyle, Principal, PrincipalKind, Scope
from rag.store import account, api_key
from rag.store.account import AccountKind
from rag.store.api_key import ApiKey
from rag.store.base import utc_now
from rag.store.session import Database

MAX_GRACE = timedelta(days=7)
"""So long at most the secret before a rotation opens."""
MAX_OWN_KEYS = 20
"""Of one account that its holder made: each lets pages in browsers ask, with an allowance of its own."""
_ACCOUNTS = frozenset({PrincipalKind.USER, PrincipalKind.SERVICE})


@dataclass(frozen=True, slots=True)
class KeyWish:
    """A key to be made.

    Attributes:
        collections: ids that it is limited to; None means what its maker may.
        owner_id: the account whose roles count; None means that it is the tenant's.
        clearance: None means the lowest.
    """

    name: str
    scopes: frozenset[Scope]
    collections: frozenset[UUID] | None = None
    expires_at: datetime | None = None
    clearance: Label = Label.OPEN
    owner_id: UUID | None = None
    description: str = ""
    citation_style: CitationStyle = CitationStyle.ANNOTATIONS


@dataclass(frozen=True, slots=True)
class KeyChange:
    """What is to change about a key; what is None stays."""

    name: str | None = None
    description: str | None = None
    scopes: frozenset[Scope] | None = None
    collections: frozenset[UUID] | None = None
    expires_at: datetime | None = None
    clearance: Label | None = None


class KeyIssuer:
    """Makes, changes and revokes keys in the name of a principal: those of its tenant, or its own only.

    Whether it may do so at all is the caller's to ask the policy.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def create(self, maker: Principal, wish: KeyWish, *, own: bool) -> tuple[str, ApiKey]:
        """Make a key; the returned text is the only copy of the secret there will ever be.

        Args:
            own: a key of the maker's own account, whatever `wish` says of an owner.

        Raises:
            NotPermitted: it would be wider than its maker, the maker has no account, or the owner is another person.
            AccountNotFound: the tenant has no such owner.
            InvalidRequest: the account has as many keys in force as its holder may make, or the name is not printable.
        """
        owner_id = _account_of(maker) if own else wish.owner_id
        row = ApiKey(
            id=uuid4(),
            tenant_id=maker.tenant_id,
            name=printable_name(wish.name),
            scopes=sorted(wish.scopes),
            collections=_listed(maker.collections if wish.collections is None else wish.collections),
            expires_at=wish.expires_at,
            clearance=wish.clearance.value,
            owner_id=owner_id,
            description=wish.description,
            citation_style=wish.citation_style.value,
        )
        row.made_by = _known_to(maker, row)
        secret = equip(row)
        with self._database.write() as session:
            row.expires_at = _no_longer(session, maker, row.expires_at)
            _require_within(maker, row)
            _require_own_or_service(session, maker, row)
            if own and _in_force(session, maker) >= MAX_OWN_KEYS:
                raise InvalidRequest(
                    detail=f"keys: {MAX_OWN_KEYS} of one account can be in force; revoke one",
                    detail_ko=f"keys: 한 계정이 쓸 수 있는 키는 {MAX_OWN_KEYS}개입니다. 하나를 폐기하세요",
                )
            session.add(row)
        return secret, row

    def list(self, maker: Principal, *, own: bool) -> Sequence[ApiKey]:
        """The keys of the tenant, or of the maker's account, oldest first."""
        with self._database.read() as session:
            return api_key.list_keys(session, maker.tenant_id, _account_of(maker) if own else None)

    def get(self, maker: Principal, key_id: UUID, *, own: bool) -> ApiKey:
        """One of them.

        Raises:
            KeyNotFound: there is none.
        """
        with self._database.read() as session:
            return _found(session, maker, key_id, own=own)

    def change(self, maker: Principal, key_id: UUID, change: KeyChange, *, own: bool) -> ApiKey:
        """Change a key that is not wider than the maker, before and afterwards.

        Raises:
            KeyNotFound: there is none.
            NotPermitted: it is, or would be, wider than the maker.
            InvalidRequest: the name is not printable.
            LastAdministrator: nobody could administer the tenant afterwards.
        """
        with self._database.write() as session, administrators.kept(session, maker.tenant_id):
            row = _found(session, maker, key_id, own=own)
            _require_within(maker, row)
            row.name = row.name if change.name is None else printable_name(change.name)
            row.description = row.description if change.description is None else change.description
            row.scopes = row.scopes if change.scopes is None else sorted(change.scopes)
            row.collections = row.collections if change.collections is None else _listed(change.collections)
            row.clearance = row.clearance if change.clearance is None else change.clearance.value
            if change.expires_at is not None:
                row.expires_at = _no_longer(session, maker, change.expires_at)
            _require_within(maker, row)
        return row

    def rotate(self, maker: Principal, key_id: UUID, grace: timedelta, *, own: bool) -> tuple[str, ApiKey]:
        """Give a key another secret; the one before opens for the grace too, unless who knows it is not in force any more.

        Raises:
            KeyNotFound: there is none in force.
            NotPermitted: it is wider than the maker, who would get its secret, or lasts longer, or is another person's.
        """
        with self._database.write() as session:
            row = _found(session, maker, key_id, own=own)
            _require_within(maker, row)
            if row.expires_at != _no_longer(session, maker, row.expires_at):
                raise NotPermitted
            if row.revoked_at is not None:
                raise KeyNotFound(name=str(key_id))
            _require_own_or_service(session, maker, row)
            grace = timedelta() if api_key.forsaken(session, row) else min(grace, MAX_GRACE)
            row.made_by = _known_to(maker, row)
            return rotated(row, grace), row

    def revoke(self, maker: Principal, key_id: UUID, *, own: bool) -> None:
        """Put a key out of force, however wide it is; again is no mistake.

        Raises:
            KeyNotFound: there is none.
            LastAdministrator: nobody could administer the tenant afterwards.
        """
        with self._database.write() as session, administrators.kept(session, maker.tenant_id):
            row = _found(session, maker, key_id, own=own)
            row.revoked_at = row.revoked_at or utc_now()


def _account_of(maker: Principal) -> UUID:
    """The account behind a principal.

    Raises:
        NotPermitted: there is none.
    """
    if maker.kind not in _ACCOUNTS:
        raise NotPermitted
    return maker.id


def _in_force(session: Session, maker: Principal) -> int:
    """How many keys of the maker's account can be used."""
    ids = [row.id for row in api_key.list_keys(session, maker.tenant_id, maker.id)]
    return len(session.scalars(api_key.in_force(ids, utc_now())).all())


def _found(session: Session, maker: Principal, key_id: UUID, *, own: bool) -> ApiKey:
    row = api_key.get(session, maker.tenant_id, key_id, _account_of(maker) if own else None)
    if row is None:
        raise KeyNotFound(name=str(key_id))
    return row


def _require_within(maker: Principal, row: ApiKey) -> None:
    """Refuse a key that could do what its maker can't."""
    if not all(covers(maker, Scope(scope)) for scope in row.scopes) or not maker.clearance.covers(Label(row.clearance)):
        raise NotPermitted
    if maker.collections is not None:
        held = None if row.collections is None else frozenset(UUID(item) for item in row.collections)
        if held is None or not held <= maker.collections:
            raise NotPermitted


def _require_own_or_service(session: Session, maker: Principal, row: ApiKey) -> None:
    """Refuse to hand a secret with which the maker would be another person: those make their keys themselves.

    Raises:
        AccountNotFound: the tenant has no such owner.
        NotPermitted: it is another person's.
    """
    if row.owner_id is None or row.owner_id == maker.id:
        return
    owner = account.get(session, maker.tenant_id, row.owner_id)
    if owner is None:
        raise AccountNotFound(name=str(row.owner_id))
    if owner.kind != AccountKind.SERVICE:
        raise NotPermitted


def _known_to(maker: Principal, row: ApiKey) -> UUID | None:
    """Who, beside the owner, knows a secret that the maker gets to see."""
    return maker.made_by or (None if maker.id in (row.owner_id, row.id) else maker.id)


def _no_longer(session: Session, maker: Principal, wanted: datetime | None) -> datetime | None:
    """When a key ends that is to end at `wanted`: with the key by which it is made at the latest."""
    made_by = session.get(ApiKey, maker.credential or maker.id)
    ends = None if made_by is None else made_by.expires_at
    return min((item for item in (wanted, ends) if item is not None), default=None)


def _listed(ids: Iterable[UUID] | None) -> list[str] | None:
    return None if ids is None else sorted(str(item) for item in ids)
