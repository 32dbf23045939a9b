"""Tokens for pages in browsers: short-lived, narrow, made by a key, and nothing without it."""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from hmac import compare_digest
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy.orm import Session

from rag.access import keys
from rag.access.holding import holder_of, lower, roles_of, subjects_of
from rag.access.identities import Presented
from rag.domain.access import Label, Role
from rag.domain.errors import AccountNotFound, InvalidRequest, KeyNotFound, NotAuthenticated, NotPermitted
from rag.domain.principal import Principal, PrincipalKind, Scope
from rag.store import account, api_key, widget_token
from rag.store.api_key import ApiKey
from rag.store.base import utc_now
from rag.store.session import Database
from rag.store.widget_token import WidgetToken

LONGEST = timedelta(hours=1)
_PREFIX_BYTES = 6
_KEPT = timedelta(days=1)
"""A token stays on record so long after its end, for whoever wonders what a page came with."""


@dataclass(frozen=True, slots=True)
class Vouched:
    """Of whom the maker of a token says that it is for them: one of its accounts, or somebody with groups and attributes."""

    account_id: UUID | None = None
    groups: frozenset[UUID] = frozenset()
    attributes: Mapping[str, Sequence[str]] | None = None


@dataclass(frozen=True, slots=True)
class WidgetWish:
    """A token to be made.

    Attributes:
        collections: ids that it is for.
        origins: what the browser's `Origin` may be; None means that nobody looks.
    """

    collections: frozenset[UUID]
    lasts: timedelta
    subject: Vouched | None = None
    origins: frozenset[str] | None = None


class WidgetTokens:
    """Makes, resolves and revokes tokens of widgets."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def create(self, maker: Principal, wish: WidgetWish) -> tuple[str, WidgetToken]:
        """Make a token; the returned text is the only copy of the secret there will ever be.

        Raises:
            NotPermitted: the maker did not come with a key, or vouches for somebody and is no administrator.
            AccountNotFound: the tenant has no such account in force.
            InvalidRequest: one of the groups is none of the tenant's.
        """
        now, vouched = utc_now(), wish.subject or Vouched()
        if wish.subject is not None and not _may_vouch(maker):
            raise NotPermitted
        row = WidgetToken(
            id=uuid4(),
            tenant_id=maker.tenant_id,
            prefix=f"{widget_token.MARK}_{secrets.token_hex(_PREFIX_BYTES)}",
            collections=sorted(str(item) for item in wish.collections),
            account_id=vouched.account_id,
            groups=sorted(str(item) for item in vouched.groups) or None,
            attributes={name: list(values) for name, values in (vouched.attributes or {}).items()} or None,
            origins=None if wish.origins is None else sorted(wish.origins),
            made_by=None if wish.subject is None else maker.made_by or maker.id,
            created_at=now,
        )
        secret = keys.new_secret(row.prefix)
        row.secret_hash = keys.digest(secret)
        with self._database.write() as session:
            key = _key_of(session, maker)
            ends = now + min(wish.lasts, LONGEST)
            row.key_id, row.expires_at = key.id, ends if key.expires_at is None else min(ends, key.expires_at)
            _require_known(session, maker.tenant_id, vouched)
            widget_token.drop_expired(session, now - _KEPT)
            session.add(row)
        return secret, row

    def resolve(self, presented: Presented) -> Principal | None:
        """Whoever has the token: never more than its key may, as it is now, and what it was made for.

        Raises:
            NotAuthenticated: unknown, wrong, expired, revoked, from another origin, or its key or account is not in force.
        """
        if not presented.text.startswith(f"{widget_token.MARK}_"):
            return None
        with self._database.read() as session:
            row = widget_token.by_prefix(session, keys.prefix_of(presented.text))
            shown = keys.digest(presented.text)
            if not compare_digest(row.secret_hash if row is not None else bytes(32), shown) or row is None:
                raise NotAuthenticated
            if row.revoked_at is not None or row.expires_at <= utc_now():
                raise NotAuthenticated
            if row.origins is not None and presented.origin not in row.origins:
                raise NotAuthenticated
            return _principal(session, row, keys.current(session, row.key_id))

    def list(self, maker: Principal) -> Sequence[WidgetToken]:
        """The tokens of the maker's key that are in force, oldest first.

        Raises:
            NotPermitted: the maker did not come with a key.
        """
        with self._database.read() as session:
            return widget_token.of_key(session, _key_of(session, maker).id, utc_now())

    def revoke(self, maker: Principal, token_id: UUID) -> None:
        """Put a token of the maker's key out of force; again is no mistake.

        Raises:
            NotPermitted: the maker did not come with a key.
            KeyNotFound: its key made no such token.
        """
        with self._database.write() as session:
            row = widget_token.get(session, maker.tenant_id, token_id)
            if row is None or row.key_id != _key_of(session, maker).id:
                raise KeyNotFound(name=str(token_id))
            row.revoked_at = row.revoked_at or utc_now()


def _may_vouch(maker: Principal) -> bool:
    """Whether it could make a key for anybody, so that a token for anybody is no more than it can."""
    return maker.whole_tenant and maker.tenant_role is Role.ADMIN and Scope.ADMIN in maker.scopes


def _key_of(session: Session, maker: Principal) -> ApiKey:
    row = api_key.get(session, maker.tenant_id, maker.credential or maker.id)
    if row is None:
        raise NotPermitted
    return row


def _require_known(session: Session, tenant_id: UUID, vouched: Vouched) -> None:
    if vouched.account_id is not None:
        found = account.get(session, tenant_id, vouched.account_id)
        if found is None or found.suspended_at is not None:
            raise AccountNotFound(name=str(vouched.account_id))
    if len(account.named_groups(session, tenant_id, vouched.groups)) < len(vouched.groups):
        raise InvalidRequest(
            detail="subject.groups: ids of groups are needed", detail_ko="subject.groups: 그룹의 ID를 적으세요"
        )


def _principal(session: Session, row: WidgetToken, maker: Principal) -> Principal:
    """The maker narrowed to the token, or whom it vouches for narrowed to both."""
    named = frozenset(UUID(item) for item in row.collections)
    held = named if maker.collections is None else named & maker.collections
    who = _vouched_for(session, row, maker) if _vouches(row) else maker
    behind = maker.behind if who is maker else maker.behind | maker.subjects
    return Principal(
        who.id,
        who.name,
        row.tenant_id,
        frozenset({Scope.READ}),
        held,
        kind=PrincipalKind.WIDGET,
        grants=_viewed(held, who, maker),
        groups=who.groups,
        attributes=who.attributes,
        clearance=lower(who.clearance, maker.clearance),
        credential=row.id,
        made_by=row.made_by or maker.made_by,
        behind=behind,
        issued_by=row.key_id,
    )


def _vouches(row: WidgetToken) -> bool:
    return row.account_id is not None or bool(row.groups) or bool(row.attributes)


def _vouched_for(session: Session, row: WidgetToken, maker: Principal) -> Principal:
    """An account of the tenant, or nobody on record with the groups and attributes that the maker says.

    Raises:
        NotAuthenticated: the account is not in force, or the maker is no administrator any more.
    """
    if not _may_vouch(maker):
        raise NotAuthenticated
    if row.account_id is not None:
        return holder_of(session, row.account_id, (Scope.READ,), tenant_id=row.tenant_id)
    direct = frozenset(item.id for item in account.named_groups(session, row.tenant_id, _ids(row.groups)))
    groups = direct | account.groups_of(session, *direct)
    attributes = account.attribute_pairs(row.attributes)
    role, grants = roles_of(session, row.tenant_id, subjects_of(row.id, groups, attributes))
    return Principal(
        row.id,
        maker.name,
        row.tenant_id,
        frozenset({Scope.READ}),
        kind=PrincipalKind.WIDGET,
        role=role,
        grants=grants,
        groups=groups,
        attributes=attributes,
        clearance=Label.CONFIDENTIAL,
    )


def _viewed(held: Iterable[UUID], *both: Principal) -> tuple[tuple[UUID, Role], ...]:
    """Viewer in those collections in which each of them has a role; more than that no page in a browser is."""
    return tuple((item, Role.VIEWER) for item in sorted(held) if all(who.role_on(item) is not None for who in both))


def _ids(stored: list[Any] | None) -> frozenset[UUID]:
    return frozenset(UUID(item) for item in stored or ())
