"""What the holder of an account has: groups, attributes, roles and clearance, read from the record into a principal."""

from __future__ import annotations

from collections.abc import Iterable
from uuid import UUID

from sqlalchemy.orm import Session

from rag.domain.access import EVERYONE, Label, Role, Subject, attribute, group, highest, user
from rag.domain.errors import NotAuthenticated
from rag.domain.principal import CitationStyle, Principal, PrincipalKind, Scope
from rag.store import account, role_grant
from rag.store.account import Account, AccountKind

_KINDS = {AccountKind.USER: PrincipalKind.USER, AccountKind.SERVICE: PrincipalKind.SERVICE}


def lower(first: Label, second: Label) -> Label:
    """What both clearances cover."""
    return first if second.covers(first) else second


def holder_of(
    session: Session,
    account_id: UUID,
    scopes: Iterable[Scope],
    *,
    tenant_id: UUID | None = None,
    collections: frozenset[UUID] | None = None,
    clearance: Label = Label.CONFIDENTIAL,
    credential: UUID | None = None,
    made_by: UUID | None = None,
    citation_style: CitationStyle = CitationStyle.ANNOTATIONS,
) -> Principal:
    """The principal of an account, in three queries: the account, its groups at any depth, its roles.

    Args:
        tenant_id: the tenant that the credential is of; an account of another one is none.
        clearance: what the credential is good for; the lower of it and the account's counts.
        made_by: whoever else knows the credential; see `behind`.

    Raises:
        NotAuthenticated: there is no such account, or it is suspended or deleted.
    """
    row = session.get(Account, account_id)
    if row is None or row.suspended_at is not None or row.deleted_at is not None:
        raise NotAuthenticated
    if tenant_id is not None and row.tenant_id != tenant_id:
        raise NotAuthenticated
    groups, attributes = account.groups_of(session, row.id), account.attribute_pairs(row.attributes)
    role, grants = roles_of(session, row.tenant_id, subjects_of(row.id, groups, attributes))
    return Principal(
        row.id,
        row.user_name,
        row.tenant_id,
        frozenset(scopes),
        collections,
        citation_style,
        kind=_KINDS[AccountKind(row.kind)],
        role=role,
        grants=grants,
        groups=groups,
        attributes=attributes,
        clearance=lower(Label(row.clearance), clearance),
        credential=credential,
        made_by=made_by,
        behind=behind(session, made_by),
    )


def behind(session: Session, made_by: UUID | None) -> frozenset[Subject]:
    """All that a rule can call whoever made a credential for somebody else, an account or a key, as they are now."""
    if made_by is None:
        return frozenset()
    row = session.get(Account, made_by)
    attributes = account.attribute_pairs(None if row is None else row.attributes)
    return subjects_of(made_by, account.groups_of(session, made_by), attributes)


def subjects_of(identity: UUID, groups: Iterable[UUID], attributes: Iterable[tuple[str, str]]) -> frozenset[Subject]:
    """All that a grant can call somebody by, as `Principal.subjects` says it."""
    named = {attribute(name, value) for name, value in attributes}
    return frozenset({user(identity), EVERYONE, *(group(item) for item in groups), *named})


def roles_of(
    session: Session, tenant_id: UUID, subjects: Iterable[Subject]
) -> tuple[Role | None, tuple[tuple[UUID, Role], ...]]:
    """The role in the whole tenant, and the highest in each collection with a grant, in the order of their ids."""
    found: dict[UUID | None, Role] = {}
    for collection_id, role in role_grant.of_subjects(session, tenant_id, subjects):
        found[collection_id] = highest([found.get(collection_id), role]) or role
    role_in_tenant = found.pop(None, None)
    single = sorted((item, role) for item, role in found.items() if item is not None)
    return role_in_tenant, tuple(single)
