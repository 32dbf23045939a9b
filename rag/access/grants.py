"""Who grants which role to whom: nobody more than they have, and never the last administrator away."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID, uuid4

from sqlalchemy.orm import Session

from rag.access import administrators
from rag.domain.access import EVERYONE, Role, Subject, SubjectKind
from rag.domain.errors import GrantNotFound, InvalidRequest, NotPermitted
from rag.domain.principal import Principal
from rag.store import account, role_grant
from rag.store.role_grant import RoleGrant
from rag.store.session import Database


class Grants:
    """Roles on record. A principal deals with those on collections that it administers, and with all if it does the tenant.

    None in a principal's place is the command line, whose user holds the data folder: it can do all, and makes the first
    administrator.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(
        self, by: Principal | None, tenant_id: UUID, subject: Subject, role: Role, collection_id: UUID | None
    ) -> RoleGrant:
        """Grant a role; one that was granted before is returned as it is.

        Raises:
            NotPermitted: `by` does not administer the collection, or the tenant.
            InvalidRequest: the tenant has no such subject.
        """
        if not _deals_with(by, tenant_id, collection_id):
            raise NotPermitted  # administrators alone grant, and have every role there is to grant
        wanted = RoleGrant(
            id=uuid4(),
            tenant_id=tenant_id,
            collection_id=collection_id,
            subject=subject.text,
            role=role.value,
            granted_by=None if by is None else by.id,
        )
        if subject == EVERYONE and role is Role.ADMIN:
            raise InvalidRequest(
                detail="subject: not everyone can be an administrator",
                detail_ko="subject: 모두를 관리자로 지정할 수는 없습니다",
            )
        with self._database.write() as session:
            _require_known(session, tenant_id, subject)
            if (before := role_grant.same_as(session, wanted)) is not None:
                return before
            session.add(wanted)
        return wanted

    def list(self, by: Principal | None, tenant_id: UUID) -> Sequence[RoleGrant]:
        """The grants that `by` deals with, oldest first."""
        with self._database.read() as session:
            rows = role_grant.of_tenant(session, tenant_id)
        return [row for row in rows if _deals_with(by, tenant_id, row.collection_id)]

    def remove(self, by: Principal | None, tenant_id: UUID, grant_id: UUID) -> RoleGrant:
        """Take a grant back; returned is what it was.

        Raises:
            GrantNotFound: there is none that `by` deals with.
            LastAdministrator: nobody could administer the tenant afterwards.
        """
        with self._database.write() as session, administrators.kept(session, tenant_id):
            row = role_grant.get(session, tenant_id, grant_id)
            if row is None or not _deals_with(by, tenant_id, row.collection_id):
                raise GrantNotFound(name=str(grant_id))
            session.delete(row)
        return row


def _held(by: Principal, tenant_id: UUID, collection_id: UUID | None) -> Role | None:
    if by.tenant_id != tenant_id:
        return None
    if collection_id is not None:
        return by.role_on(collection_id)
    return by.tenant_role if by.whole_tenant else None


def _deals_with(by: Principal | None, tenant_id: UUID, collection_id: UUID | None) -> bool:
    return by is None or _held(by, tenant_id, collection_id) is Role.ADMIN


def _require_known(session: Session, tenant_id: UUID, subject: Subject) -> None:
    """Refuse a user or a group that the tenant does not have. The role of a key without an account follows from its scopes."""
    known: object = True
    if subject.kind is SubjectKind.USER:
        known = account.get(session, tenant_id, UUID(subject.value))
    elif subject.kind is SubjectKind.GROUP:
        known = account.get_group(session, tenant_id, UUID(subject.value))
    if not known:
        raise InvalidRequest(
            detail=f"subject: there is no {subject.kind.value} {subject.value}",
            detail_ko=f"subject: {subject.kind.value} {subject.value}이(가) 없습니다",
            param="subject",
        )
