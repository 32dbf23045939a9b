"""Groups: made, renamed and deleted, and who is in them, by an administrator here or by a directory.

A group may be in another one. Circles do no harm: who is in one of them is in all.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from uuid import UUID, uuid4

from sqlalchemy import delete
from sqlalchemy.orm import Session

from rag.access import administrators
from rag.access.printable import require_name, require_printable
from rag.domain.access import group
from rag.domain.errors import GroupNotFound, InvalidRequest
from rag.store import account
from rag.store.account import AccountGroup, GroupMember, Source
from rag.store.base import in_groups, utc_now
from rag.store.role_grant import RoleGrant
from rag.store.session import Database, naming

_MAX_NAME = 200
_MAX_EXTERNAL_ID = 500


@dataclass(frozen=True, slots=True)
class GroupChange:
    """What is to change about a group; what is None stays.

    Attributes:
        external_id: what the directory calls it.
        members: exactly these accounts and groups.
    """

    name: str | None = None
    external_id: str | None = None
    members: frozenset[UUID] | None = None


class Groups:
    """The groups of all tenants; every method is about one. `source` is as in `Accounts`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def create(
        self,
        tenant_id: UUID,
        name: str,
        source: Source = Source.LOCAL,
        external_id: str | None = None,
        members: Iterable[UUID] = (),
    ) -> AccountGroup:
        """Make a group with these accounts and groups in it, or nothing.

        Raises:
            NameTaken: another one of the tenant has the name, or the directory's id.
            InvalidRequest: the name, or the directory's id, is not fit to be stored; or one of `members` is no account and no
                group of the tenant.
        """
        row = AccountGroup(id=uuid4(), tenant_id=tenant_id, source=source.value, external_id=None)
        _rename(row, name, external_id)
        with naming(self._database, name) as session:
            session.add(row)
            session.flush()
            _put(session, row, frozenset(members))
        return row

    def change(
        self, tenant_id: UUID, group_id: UUID, name: str | None = None, external_id: str | None = None
    ) -> AccountGroup:
        """Change the name of a group, or what the directory calls it; grants go by its id, and stay.

        Raises:
            GroupNotFound: the tenant has no such group.
            NameTaken: another one has the name, or the directory's id.
            InvalidRequest: one of them is not fit to be stored.
        """
        with naming(self._database, name or "") as session:
            row = _found(session, tenant_id, group_id)
            _rename(row, name, external_id)
        return row

    def delete(self, tenant_id: UUID, group_id: UUID, source: Source = Source.LOCAL) -> None:
        """Delete a group, with its grants and memberships. Who was in it stays.

        Raises:
            GroupNotFound: the tenant has no such group.
            LastAdministrator: it would leave the tenant without one.
        """
        with self._database.write() as session, administrators.kept(session, tenant_id, source):
            row = _found(session, tenant_id, group_id)
            named = (RoleGrant.tenant_id == tenant_id, RoleGrant.subject == group(row.id).text)
            session.execute(delete(RoleGrant).where(*named))
            members = (GroupMember.group_id == row.id) | (GroupMember.member_id == row.id)
            session.execute(delete(GroupMember).where(members))
            session.delete(row)

    def get(self, tenant_id: UUID, group_id: UUID) -> AccountGroup:
        """A group.

        Raises:
            GroupNotFound: the tenant has no such group.
        """
        with self._database.read() as session:
            return _found(session, tenant_id, group_id, lock=False)

    def list(self, tenant_id: UUID, source: Source | None = None) -> list[AccountGroup]:
        """The groups of a tenant, by name; of one source, or of all."""
        with self._database.read() as session:
            return list(account.groups_of_tenant(session, tenant_id, source))

    def members(self, tenant_id: UUID, group_id: UUID) -> frozenset[UUID]:
        """Ids of the accounts and groups that were put into a group.

        Raises:
            GroupNotFound: the tenant has no such group.
        """
        with self._database.read() as session:
            return account.direct_members(session, _found(session, tenant_id, group_id, lock=False).id)

    def set_members(
        self, tenant_id: UUID, group_id: UUID, members: Iterable[UUID], source: Source = Source.LOCAL
    ) -> frozenset[UUID]:
        """Have exactly these accounts and groups in a group.

        Raises:
            GroupNotFound: the tenant has no such group.
            InvalidRequest: one of `members` is no account and no group of the tenant.
            LastAdministrator: it would leave the tenant without one.
        """
        wanted = frozenset(members)
        self.change_by(tenant_id, group_id, lambda session, row: GroupChange(members=wanted), source)
        return wanted

    def change_by(
        self,
        tenant_id: UUID,
        group_id: UUID,
        decide: Callable[[Session, AccountGroup], GroupChange],
        source: Source = Source.LOCAL,
    ) -> AccountGroup:
        """Change a group as `decide` says of what it is now: nobody else changes it in between.

        Raises: as `change` and `set_members`, and whatever `decide` raises.
        """
        with naming(self._database, "") as session, administrators.kept(session, tenant_id, source):
            row = _found(session, tenant_id, group_id)
            change = decide(session, row)
            _rename(row, change.name, change.external_id)
            if change.members is not None:
                held = account.direct_members(session, row.id)
                _put(session, row, change.members - held)
                _take(session, row, held - change.members)
        return row

    def add_members(self, tenant_id: UUID, group_id: UUID, members: Iterable[UUID]) -> None:
        """Put accounts and groups into a group; those that are in it already are no mistake.

        Raises:
            GroupNotFound: the tenant has no such group.
            InvalidRequest: one of `members` is no account and no group of the tenant.
        """
        with self._database.write() as session:
            row = _found(session, tenant_id, group_id)
            _put(session, row, frozenset(members) - account.direct_members(session, row.id))

    def remove_members(
        self, tenant_id: UUID, group_id: UUID, members: Iterable[UUID], source: Source = Source.LOCAL
    ) -> None:
        """Take accounts and groups out of a group; those that are not in it are no mistake.

        Raises:
            GroupNotFound: the tenant has no such group.
            LastAdministrator: it would leave the tenant without one.
        """
        with self._database.write() as session, administrators.kept(session, tenant_id, source):
            _take(session, _found(session, tenant_id, group_id), frozenset(members))


def _rename(row: AccountGroup, name: str | None, external_id: str | None) -> None:
    if name is not None:
        row.name = _checked(name)
    if external_id is not None:
        require_printable("external_id", external_id, _MAX_EXTERNAL_ID)
        row.external_id = external_id or None
    row.changed_at = utc_now()


def _put(session: Session, row: AccountGroup, members: frozenset[UUID]) -> None:
    if members - account.own_of(session, row.tenant_id, members) or row.id in members:
        raise InvalidRequest(
            detail="members: ids of accounts and of other groups are needed",
            detail_ko="members: 계정이나 다른 그룹의 ID를 적으세요",
        )
    session.add_all(GroupMember(group_id=row.id, member_id=item) for item in sorted(members))
    row.changed_at = utc_now()


def _take(session: Session, row: AccountGroup, members: frozenset[UUID]) -> None:
    for some in in_groups(members):
        gone = (GroupMember.group_id == row.id, GroupMember.member_id.in_(some))
        session.execute(delete(GroupMember).where(*gone))
    row.changed_at = utc_now()


def _found(session: Session, tenant_id: UUID, group_id: UUID, *, lock: bool = True) -> AccountGroup:
    row = account.get_group(session, tenant_id, group_id, lock=lock)
    if row is None:
        raise GroupNotFound(name=str(group_id))
    return row


def _checked(name: str) -> str:
    kept = name.strip()
    require_name(kept, _MAX_NAME)
    return kept
