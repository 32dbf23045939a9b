"""Accounts: made, changed, suspended and deleted, by an administrator here or by a directory.

Who may call this is the caller's to ask the policy. Whatever is changed counts from the next request on: nothing of an
account is remembered between requests.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import delete, select, update
from sqlalchemy.orm import Session

from rag.access import administrators
from rag.access.printable import require_printable
from rag.domain.access import Label, user
from rag.domain.errors import AccountNotFound, InvalidRequest
from rag.store import account
from rag.store.account import Account, AccountGroup, AccountKind, GroupMember, Source
from rag.store.api_key import ApiKey
from rag.store.base import utc_now
from rag.store.role_grant import RoleGrant
from rag.store.session import Database, naming

MAX_ATTRIBUTES = 64
MAX_VALUES = 64
_MAX_TEXT = 200
_DELETED = "deleted:"
"""Before the folded name of a deleted account, whose name is free again; the record keeps the name itself."""

Attributes = Mapping[str, str | int | float | Sequence[str | int | float]]


@dataclass(frozen=True, slots=True)
class AccountChange:
    """What is to change about an account; what is None stays.

    Attributes:
        attributes: all of them: one that is left out is gone afterwards.
        external_id: what the directory calls it.
    """

    user_name: str | None = None
    display_name: str | None = None
    email: str | None = None
    attributes: Attributes | None = None
    clearance: Label | None = None
    external_id: str | None = None
    suspended: bool | None = None

    def resuming(self) -> AccountChange:
        """The same, and the account is resumed."""
        return replace(self, suspended=False)


class Accounts:
    """The accounts of all tenants; every method is about one.

    `source` says who keeps an account. What an administrator does here (`Source.LOCAL`) can't leave a tenant without any
    administrator; a directory's word is taken as it is.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def create(
        self,
        tenant_id: UUID,
        user_name: str,
        *,
        kind: AccountKind = AccountKind.USER,
        display_name: str = "",
        email: str = "",
        attributes: Attributes | None = None,
        clearance: Label = Label.OPEN,
        source: Source = Source.LOCAL,
        external_id: str | None = None,
        suspended: bool = False,
    ) -> Account:
        """Make an account. It has no role, and there are no passwords.

        Raises:
            NameTaken: another account of the tenant has the name, or the directory's id.
            InvalidRequest: a value is not fit to be stored.
        """
        row = Account(
            id=uuid4(),
            tenant_id=tenant_id,
            kind=kind.value,
            source=source.value,
            clearance=clearance.value,
        )
        values = AccountChange(user_name, display_name, email, attributes, None, external_id, suspended or None)
        _apply(row, values, source)
        with naming(self._database, user_name) as session:
            session.add(row)
        return row

    def change(
        self, tenant_id: UUID, account_id: UUID, change: AccountChange, source: Source = Source.LOCAL
    ) -> Account:
        """Change an account.

        Raises:
            AccountNotFound: the tenant has no such account.
            NameTaken: another one has the name, or the directory's id.
            LastAdministrator: it would leave the tenant without one.
            InvalidRequest: a value is not fit to be stored.
        """
        return self.change_by(tenant_id, account_id, lambda session, row: change, source, change.user_name or "")

    def change_by(
        self,
        tenant_id: UUID,
        account_id: UUID,
        decide: Callable[[Session, Account], AccountChange],
        source: Source = Source.LOCAL,
        name: str = "",
    ) -> Account:
        """Change an account as `decide` says of what it is now: nobody else changes it in between.

        Args:
            name: the user name that it may get, for the error.

        Raises: as `change`, and whatever `decide` raises.
        """
        with naming(self._database, name) as session, administrators.kept(session, tenant_id, source):
            row = _found(session, tenant_id, account_id)
            _apply(row, decide(session, row), source)
        return row

    def suspend(self, tenant_id: UUID, account_id: UUID, source: Source = Source.LOCAL) -> Account:
        """Take none of its credentials from the next request on, and end its open streams."""
        return self.change(tenant_id, account_id, AccountChange(suspended=True), source)

    def resume(self, tenant_id: UUID, account_id: UUID, source: Source = Source.LOCAL) -> Account:
        """Take its credentials again: those that were not revoked."""
        return self.change(tenant_id, account_id, AccountChange(suspended=False), source)

    def delete(self, tenant_id: UUID, account_id: UUID, source: Source = Source.LOCAL) -> None:
        """Delete an account: its keys are revoked, its grants and memberships go, its name is free. Records keep its id.

        Raises:
            AccountNotFound: the tenant has no such account.
            LastAdministrator: it would leave the tenant without one.
        """
        with self._database.write() as session, administrators.kept(session, tenant_id, source):
            row = _found(session, tenant_id, account_id)
            now = utc_now()
            row.deleted_at = row.changed_at = now
            row.user_key = f"{_DELETED}{row.id}"
            row.external_id = None
            keys = update(ApiKey).where(ApiKey.owner_id == row.id, ApiKey.revoked_at.is_(None))
            session.execute(keys.values(revoked_at=now))
            named = (RoleGrant.tenant_id == tenant_id, RoleGrant.subject == user(row.id).text)
            session.execute(delete(RoleGrant).where(*named))
            session.execute(delete(GroupMember).where(GroupMember.member_id == row.id))

    def get(self, tenant_id: UUID, account_id: UUID) -> Account:
        """An account.

        Raises:
            AccountNotFound: the tenant has no such account.
        """
        with self._database.read() as session:
            return _found(session, tenant_id, account_id, lock=False)

    def by_user_name(self, tenant_id: UUID, user_name: str) -> Account | None:
        """The account of this name, whatever its case."""
        with self._database.read() as session:
            return account.by_user_name(session, tenant_id, user_name)

    def by_external_id(self, tenant_id: UUID, source: Source, external_id: str) -> Account | None:
        """The account that a directory calls so."""
        with self._database.read() as session:
            return account.by_external_id(session, tenant_id, source, external_id)

    def list(self, tenant_id: UUID, source: Source | None = None) -> list[Account]:
        """The accounts of a tenant, by name; of one source, or of all."""
        with self._database.read() as session:
            return list(account.of_tenant(session, tenant_id, source))

    def page(self, tenant_id: UUID, after: str | None, limit: int, query: str = "") -> Sequence[Account]:
        """Accounts behind the one of this name, by name; `query` is how their names begin."""
        with self._database.read() as session:
            return account.page(session, tenant_id, None if after is None else account.user_key(after), limit, query)

    def set_groups(
        self,
        tenant_id: UUID,
        account_id: UUID,
        groups: Iterable[UUID],
        source: Source = Source.LOCAL,
        called: str = "",
    ) -> None:
        """Put an account into exactly these of the groups that `source` keeps; groups of other sources stay as they are.

        Args:
            called: how the external ids of the groups begin that this is about, where several directories are one source.

        Raises:
            AccountNotFound: the tenant has no such account.
            LastAdministrator: it would leave the tenant without one.
        """
        with self._database.write() as session, administrators.kept(session, tenant_id, source):
            row = _found(session, tenant_id, account_id)
            rows = account.groups_of_tenant(session, tenant_id, source)
            kept = {item.id for item in rows if (item.external_id or "").startswith(called)}
            held = set(session.scalars(select(GroupMember.group_id).where(GroupMember.member_id == row.id)))
            wanted = set(groups) & kept
            gone = (GroupMember.member_id == row.id, GroupMember.group_id.in_(kept & held - wanted))
            session.execute(delete(GroupMember).where(*gone))
            session.add_all(GroupMember(group_id=item, member_id=row.id) for item in wanted - held)

    def groups_of(self, tenant_id: UUID, account_id: UUID) -> Sequence[AccountGroup]:
        """The groups that an account is in, at any depth, by name."""
        with self._database.read() as session:
            row = _found(session, tenant_id, account_id, lock=False)
            return account.named_groups(session, tenant_id, account.groups_of(session, row.id))


def _found(session: Session, tenant_id: UUID, account_id: UUID, *, lock: bool = True) -> Account:
    row = account.get(session, tenant_id, account_id, lock=lock)
    if row is None:
        raise AccountNotFound(name=str(account_id))
    return row


def _apply(row: Account, change: AccountChange, source: Source) -> None:
    now = utc_now()
    if change.user_name is not None:
        row.user_name = _checked("user_name", change.user_name)
        row.user_key = account.user_key(row.user_name)
        if not row.user_key or len(row.user_key) > _MAX_TEXT or row.user_key.startswith(_DELETED):
            raise InvalidRequest(
                detail="user_name: not a name that can be used", detail_ko="user_name: 쓸 수 없는 이름입니다"
            )
    if change.display_name is not None:
        row.display_name = _checked("display_name", change.display_name)
    if change.email is not None:
        row.email = _checked("email", change.email, 320)
    if change.external_id is not None:
        row.external_id = _checked("external_id", change.external_id, 500) or None
    if change.attributes is not None:
        row.attributes = _attributes(change.attributes)
    if change.clearance is not None:
        row.clearance = change.clearance.value
    if change.suspended is not None:
        _suspend(row, now if change.suspended else None, source)
    row.changed_at = now


def _suspend(row: Account, since: datetime | None, source: Source) -> None:
    """Suspend or resume. An administrator's word on who is suspended counts more than that of a directory before it."""
    if since is not None and (row.suspended_at is None or source is Source.LOCAL):
        row.suspended_by = source.value
    row.suspended_at = None if since is None else row.suspended_at or since
    if row.suspended_at is None:
        row.suspended_by = None


def _checked(field: str, value: str, limit: int = _MAX_TEXT) -> str:
    require_printable(field, value, limit)
    return value.strip()


def _attributes(given: Attributes) -> dict[str, Any] | None:
    """Names with lists of values, as rules compare them: empty ones are left out.

    Raises:
        InvalidRequest: too many, too long, or a name with an equals sign, by which rules tell it from its value.
    """
    kept: dict[str, Any] = {}
    for name, values in given.items():
        listed = [values] if isinstance(values, str | int | float) else list(values)
        texts = [_checked(f"attributes.{name}", str(value)) for value in listed]
        if not name or "=" in name or len(_checked("attributes", name)) > _MAX_TEXT or len(texts) > MAX_VALUES:
            raise InvalidRequest(
                detail=f"attributes: a name without =, with up to {MAX_VALUES} values",
                detail_ko=f"attributes: 이름에는 =을 쓸 수 없고, 값은 {MAX_VALUES}개까지 됩니다",
            )
        if texts := [value for value in texts if value]:
            kept[name] = texts
    if len(kept) > MAX_ATTRIBUTES:
        raise InvalidRequest(
            detail=f"attributes: up to {MAX_ATTRIBUTES}", detail_ko=f"attributes: {MAX_ATTRIBUTES}개까지 됩니다"
        )
    return kept or None
