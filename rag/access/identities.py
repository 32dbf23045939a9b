"""Who is behind what a request came with: the one way from any credential to a principal."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Protocol
from uuid import UUID

from sqlalchemy import Select, select, union_all

from rag.access.holding import holder_of
from rag.access.keys import Keys
from rag.access.operator import LocalOperator
from rag.domain.access import Label
from rag.domain.errors import NotAuthenticated
from rag.domain.principal import CitationStyle, Principal, PrincipalKind, Scope
from rag.store import api_key
from rag.store.account import Account
from rag.store.api_key import ApiKey
from rag.store.base import in_groups, utc_now
from rag.store.session import Database


class CredentialKind(StrEnum):
    """Everything that a caller can show; `Identities` tries those that the way it came by allows, in this order."""

    OPERATOR = "operator"
    """The token of this process's own command line."""
    KEY = "key"
    """`sgk_…`"""
    WIDGET = "widget"
    """`sgw_…`"""
    JWT = "jwt"
    """A token of an identity provider."""
    SESSION = "session"
    """The cookie of somebody who signed in."""


class Carrier(StrEnum):
    """How a credential came."""

    BEARER = "bearer"
    """`Authorization: Bearer …`"""
    HEADER = "header"
    """`X-API-Key` or `api-key`."""
    COOKIE = "cookie"


_TRIED: Mapping[Carrier, tuple[CredentialKind, ...]] = {
    Carrier.BEARER: (CredentialKind.OPERATOR, CredentialKind.KEY, CredentialKind.WIDGET, CredentialKind.JWT),
    Carrier.HEADER: (CredentialKind.OPERATOR, CredentialKind.KEY, CredentialKind.WIDGET),
    Carrier.COOKIE: (CredentialKind.SESSION,),
}


@dataclass(frozen=True, slots=True)
class Presented:
    """What a request came with.

    Attributes:
        text: the credential itself.
        address: where it came from, for "last used"; empty where nobody knows.
        origin: the header `Origin`, which browsers send; None when there is none.
    """

    text: str
    carrier: Carrier = Carrier.BEARER
    address: str = ""
    origin: str | None = None


class CredentialResolver(Protocol):
    """Knows one kind of credential."""

    def resolve(self, presented: Presented) -> Principal | None:
        """The principal behind it; None when it is not of this kind at all, so that another resolver may know it.

        Raises:
            NotAuthenticated: it is of this kind and not in force; the caller can't tell why.
        """
        ...


Lifeline = Callable[[Collection[UUID], datetime], Select[Any]]
"""A statement for those of these ids of credentials that are in force at a moment."""


class Identities:
    """Resolves credentials, and says which of them still hold."""

    def __init__(self, database: Database, keys: Keys, operator: LocalOperator | None = None) -> None:
        self._database = database
        self._keys = keys
        self._operator = operator
        self._resolvers: dict[CredentialKind, CredentialResolver] = {}
        self._lifelines: dict[CredentialKind, Lifeline] = {}
        if operator is not None:
            self.register(CredentialKind.OPERATOR, _OperatorToken(operator))
        self.register(CredentialKind.KEY, _ApiKey(keys), api_key.in_force)

    def register(self, kind: CredentialKind, resolver: CredentialResolver, lifeline: Lifeline | None = None) -> None:
        """Take credentials of `kind`.

        Args:
            lifeline: for kinds that have a row on record, whose id `Principal.credential` is: which of these ids are in
                force. Open streams end with it. Without, they hold as long as the account does.
        """
        self._resolvers[kind] = resolver
        if lifeline is not None:
            self._lifelines[kind] = lifeline

    def resolve(self, presented: Presented) -> Principal:
        """The principal behind what was presented.

        Raises:
            NotAuthenticated: there is none.
        """
        if not presented.text.isascii() or not presented.text.isprintable():
            raise NotAuthenticated  # no credential of ours, and not every database takes such text
        for kind in _TRIED[presented.carrier]:
            resolver = self._resolvers.get(kind)
            principal = resolver.resolve(presented) if resolver is not None else None
            if principal is not None:
                return principal
        raise NotAuthenticated

    def of_account(
        self,
        account_id: UUID,
        scopes: Iterable[Scope],
        *,
        tenant_id: UUID | None = None,
        collections: frozenset[UUID] | None = None,
        clearance: Label = Label.CONFIDENTIAL,
        credential: UUID | None = None,
        citation_style: CitationStyle = CitationStyle.ANNOTATIONS,
    ) -> Principal:
        """The principal of an account, as it is on record now: kind, groups at any depth, attributes, roles, clearance.

        Args:
            tenant_id: where it is given, an account of another tenant is none.
            clearance: what the credential is good for; the lower of it and the account's counts.
            credential: id of the session or token on record; None when there is none.

        Raises:
            NotAuthenticated: there is no such account, or it is suspended or deleted.
        """
        with self._database.read() as session:
            return holder_of(
                session,
                account_id,
                scopes,
                tenant_id=tenant_id,
                collections=collections,
                clearance=clearance,
                credential=credential,
                citation_style=citation_style,
            )

    def errand_of(self, principal: Principal) -> UUID:
        """What a job that outlives the request notes of who began it: the key, else the account; see `current`."""
        if principal.credential is None:
            return principal.id
        with self._database.read() as session:
            row = session.get(ApiKey, principal.credential)
        return principal.id if row is None else row.id

    def current(self, errand: UUID) -> Principal:
        """Who began a job, as it is now.

        Raises:
            NotAuthenticated: the key or the account is not in force any more.
        """
        if self._operator is not None and errand == self._operator.principal.id:
            return self._operator.principal
        with self._database.read() as session:
            if session.get(ApiKey, errand) is None:
                return holder_of(session, errand, (Scope.READ, Scope.WRITE))
        return self._keys.current(errand)

    def ended(self, watched: Iterable[Principal], database: Database | None = None) -> frozenset[Principal]:
        """Those who may not go on with what they began: key, token or session out of force, account suspended or deleted.

        One query for all of them together (one for each 5,000 ids), on `database` where that is another way to the record.
        """
        needed = {principal: lifelines_of(principal) for principal in watched}
        asked = frozenset(identity for ids in needed.values() for identity in ids)
        alive: set[UUID] = set()
        with (database or self._database).read() as session:
            for some in in_groups(asked):
                alive.update(session.scalars(self._living(some)))
        return frozenset(principal for principal, ids in needed.items() if not ids <= alive)

    def _living(self, ids: Collection[UUID]) -> Any:
        account = select(Account.id).where(
            Account.id.in_(ids), Account.suspended_at.is_(None), Account.deleted_at.is_(None)
        )
        now = utc_now()
        return union_all(account, *(lifeline(ids, now) for lifeline in self._lifelines.values()))


def lifelines_of(principal: Principal) -> frozenset[UUID]:
    """Ids on record that all have to be in force as long as the principal does something; none for the operator."""
    match principal.kind:
        case PrincipalKind.OPERATOR:
            return frozenset()
        case PrincipalKind.KEY:
            return frozenset({principal.credential or principal.id})
        case _:
            return frozenset(item for item in (principal.id, principal.credential) if item is not None)


class _OperatorToken:
    def __init__(self, operator: LocalOperator) -> None:
        self._operator = operator

    def resolve(self, presented: Presented) -> Principal | None:
        return self._operator.principal_of(presented.text)


class _ApiKey:
    def __init__(self, keys: Keys) -> None:
        self._keys = keys

    def resolve(self, presented: Presented) -> Principal | None:
        if not presented.text.startswith(f"{api_key.MARK}_"):
            return None
        return self._keys.authenticate(presented.text, presented.address)
