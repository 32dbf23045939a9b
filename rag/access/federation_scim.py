"""Users and groups that a directory keeps here by SCIM 2.0 (RFC 7643, 7644): read from the record, written through one way.

A directory sees and changes what came by SCIM, and nothing else of the tenant: an administrator that was made at the command
line can't be taken away by it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any
from uuid import UUID

from scim2_models import Context, Meta, NotFoundException, PatchOp, ScimFilter, UniquenessException
from scim2_models.path import Comparison
from sqlalchemy import select
from sqlalchemy.orm import Session

from rag.access.accounts import AccountChange, Accounts
from rag.access.federation_scim_models import (
    LENIENT,
    MAX_RESULTS,
    Email,
    EnterpriseUser,
    Group,
    GroupMembership,
    Member,
    Person,
)
from rag.access.groups import GroupChange, Groups
from rag.domain.access import Label, id_of
from rag.domain.errors import AccountNotFound, GroupNotFound, NameTaken, NotPermitted
from rag.store import account
from rag.store.account import Account, AccountGroup, GroupMember, Source
from rag.store.base import in_groups
from rag.store.session import Database

_CORE = {"title": "title", "user_type": "user_type"}
_WORK = ("employee_number", "cost_center", "organization", "division", "department")
MANAGED = frozenset({*_CORE.values(), *_WORK})
"""Attributes of accounts that SCIM keeps; others of an account stay as they are."""


_NO_USER, _NO_GROUP = "there is no such user", "there is no such group"


class ScimDirectory:
    """The users and groups of all tenants that came by SCIM; every method is about one tenant.

    Errors are those of SCIM, ready to be shown to a directory.
    """

    def __init__(self, database: Database, cleared: Label = Label.CONFIDENTIAL) -> None:
        """`cleared`: up to where the directory's key is; accounts of a higher clearance keep their name and address."""
        self._database = database
        self._cleared = cleared
        self._accounts = Accounts(database)
        self._groups = Groups(database)

    def users(self, tenant_id: UUID, wanted: str | None, start: int, count: int) -> tuple[int, list[Person]]:
        """How many users a filter holds for, and those from the `start`-th (1 is the first), at most `count`."""
        chosen = None if wanted is None else ScimFilter[Person](wanted)
        with self._database.read() as session:
            rows = _few(session, tenant_id, chosen)
            if rows is None:
                rows = account.of_tenant(session, tenant_id, Source.SCIM)
            people = [_person(row) for row in rows]
            if chosen is not None:
                people = [person for person in people if chosen.match(person)]
            page = people[start - 1 : start - 1 + min(count, MAX_RESULTS)]
            _join(session, page)
        return len(people), page

    def user(self, tenant_id: UUID, identity: str) -> Person:
        """A user.

        Raises:
            NotFoundException: there is none.
        """
        with self._database.read() as session:
            person = _person(self._account(session, tenant_id, identity))
            _join(session, [person])
        return person

    def create_user(self, tenant_id: UUID, person: Person) -> Person:
        """Make a user.

        Raises:
            UniquenessException: the name or the directory's id is taken, be it by an account that is not SCIM's.
        """
        values = _change(person)
        try:
            row = self._accounts.create(
                tenant_id,
                values.user_name or "",
                display_name=values.display_name or "",
                email=values.email or "",
                attributes=values.attributes,
                source=Source.SCIM,
                external_id=values.external_id or None,
                suspended=bool(values.suspended),
            )
        except NameTaken as error:
            raise UniquenessException(detail="userName or externalId is taken") from error
        return self.user(tenant_id, str(row.id))

    def replace_user(self, tenant_id: UUID, identity: str, person: Person) -> Person:
        """Put a user in place of the one before; one that is not said to be active or not stays as it is.

        Only whom the directory suspended itself is resumed by it.

        Raises:
            NotPermitted: it has another name or address, by which providers may know whose it is, and a higher clearance
                than the directory's key.
        """
        return self._changed(tenant_id, identity, lambda before: person)

    def patch_user(self, tenant_id: UUID, identity: str, body: Mapping[str, Any]) -> Person:
        """Change a user. Whom nothing of it says to be active or not stays as it is, whoever changes that meanwhile.

        Raises:
            NotPermitted: as `replace_user`.
        """
        operations = PatchOp[Person].model_validate(body, scim_ctx=Context.RESOURCE_PATCH_REQUEST, scim_policy=LENIENT)

        def patched(before: Person) -> Person:
            active = before.active
            operations.patch(before, LENIENT)
            if before.active == active:
                before.active = None
            return before

        return self._changed(tenant_id, identity, patched)

    def _changed(self, tenant_id: UUID, identity: str, wanted: Callable[[Person], Person]) -> Person:
        """A user after it was made what `wanted` makes of it; between reading and writing it nobody else changes it."""

        def decide(session: Session, row: Account) -> AccountChange:
            if row.source != Source.SCIM:
                raise NotFoundException(detail=_NO_USER)
            person = _person(row)
            _join(session, [person])
            change = _change(wanted(person), row)
            told = (row.user_name, row.email) == (change.user_name, change.email)
            if not told and not self._cleared.covers(Label(row.clearance)):
                raise NotPermitted
            return change

        try:
            self._accounts.change_by(tenant_id, _key(identity, _NO_USER), decide, Source.SCIM)
        except AccountNotFound:
            raise NotFoundException(detail=_NO_USER) from None
        except NameTaken as error:
            raise UniquenessException(detail="userName or externalId is taken") from error
        return self.user(tenant_id, identity)

    def delete_user(self, tenant_id: UUID, identity: str) -> None:
        """Delete a user, with every access that it had."""
        with self._database.read() as session:
            row = self._account(session, tenant_id, identity)
        self._accounts.delete(tenant_id, row.id, Source.SCIM)

    def groups(
        self, tenant_id: UUID, wanted: str | None, start: int, count: int, members: bool = True
    ) -> tuple[int, list[Group]]:
        """As `users`. Without `members`, only a filter that is about them makes them be read."""
        chosen = None if wanted is None else ScimFilter[Group](wanted)
        with self._database.read() as session:
            rows = account.groups_of_tenant(session, tenant_id, Source.SCIM)
            groups = [_group(row) for row in rows]
            if chosen is not None:
                if "member" in chosen.casefold():
                    _fill(session, groups)
                groups = [group for group in groups if chosen.match(group)]
            page = groups[start - 1 : start - 1 + min(count, MAX_RESULTS)]
            if members:
                _fill(session, page)
        return len(groups), page

    def group(self, tenant_id: UUID, identity: str, members: bool = True) -> Group:
        """A group.

        Raises:
            NotFoundException: there is none.
        """
        with self._database.read() as session:
            group = _group(self._account_group(session, tenant_id, identity))
            if members:
                _fill(session, [group])
        return group

    def create_group(self, tenant_id: UUID, group: Group) -> Group:
        """Make a group.

        Raises:
            UniquenessException: the name or the directory's id is taken.
        """
        try:
            row = self._groups.create(tenant_id, group.display_name or "", Source.SCIM, group.external_id, _ids(group))
        except NameTaken as error:
            raise UniquenessException(detail="displayName or externalId is taken") from error
        return self.group(tenant_id, str(row.id))

    def replace_group(self, tenant_id: UUID, identity: str, group: Group) -> Group:
        """Put a group in place of the one before; grants to it stay."""
        return self._changed_group(tenant_id, identity, lambda before: group)

    def patch_group(self, tenant_id: UUID, identity: str, body: Mapping[str, Any]) -> Group:
        """Change a group."""
        operations = PatchOp[Group].model_validate(body, scim_ctx=Context.RESOURCE_PATCH_REQUEST, scim_policy=LENIENT)

        def patched(before: Group) -> Group:
            operations.patch(before, LENIENT)
            return before

        return self._changed_group(tenant_id, identity, patched)

    def _changed_group(self, tenant_id: UUID, identity: str, wanted: Callable[[Group], Group]) -> Group:
        """As `_changed`: of two directories' threads that put somebody in and take somebody out, both are obeyed."""

        def decide(session: Session, row: AccountGroup) -> GroupChange:
            if row.source != Source.SCIM:
                raise NotFoundException(detail=_NO_GROUP)
            before = _group(row)
            _fill(session, [before])
            group = wanted(before)
            return GroupChange(group.display_name, group.external_id or "", frozenset(_ids(group)))

        try:
            self._groups.change_by(tenant_id, _key(identity, _NO_GROUP), decide, Source.SCIM)
        except GroupNotFound:
            raise NotFoundException(detail=_NO_GROUP) from None
        except NameTaken as error:
            raise UniquenessException(detail="displayName or externalId is taken") from error
        return self.group(tenant_id, identity)

    def delete_group(self, tenant_id: UUID, identity: str) -> None:
        """Delete a group. Who was in it stays."""
        with self._database.read() as session:
            row = self._account_group(session, tenant_id, identity)
        self._groups.delete(tenant_id, row.id, Source.SCIM)

    def _account(self, session: Session, tenant_id: UUID, identity: str) -> Account:
        key = id_of(identity)
        row = None if key is None else account.get(session, tenant_id, key)
        if row is None or row.source != Source.SCIM:
            raise NotFoundException(detail=_NO_USER)
        return row

    def _account_group(self, session: Session, tenant_id: UUID, identity: str) -> AccountGroup:
        key = id_of(identity)
        row = None if key is None else account.get_group(session, tenant_id, key)
        if row is None or row.source != Source.SCIM:
            raise NotFoundException(detail=_NO_GROUP)
        return row


def _key(identity: str, absent: str) -> UUID:
    key = id_of(identity)
    if key is None:
        raise NotFoundException(detail=absent)
    return key


def _few(session: Session, tenant_id: UUID, chosen: ScimFilter[Person] | None) -> Sequence[Account] | None:
    """Those that a filter on one unique attribute can hold for, which directories send for every user; None for all."""
    asked = None if chosen is None else chosen.ast
    if not isinstance(asked, Comparison) or str(asked.op) != "eq" or asked.attr_path.sub_attr or asked.attr_path.uri:
        return None
    value = asked.value
    if not isinstance(value, str):
        return None
    if not value.isprintable():
        return []  # no name or id that is kept here, and not every database takes such text
    match asked.attr_path.attr.casefold():
        case "username":
            found = account.by_user_name(session, tenant_id, value)
        case "externalid":
            found = account.by_external_id(session, tenant_id, Source.SCIM, value)
        case "id":
            found = account.get(session, tenant_id, key) if (key := id_of(value)) is not None else None
        case _:
            return None
    return [found] if found is not None and found.source == Source.SCIM else []


def _person(row: Account) -> Person:
    values = row.attributes or {}
    work = {name: _first(values.get(name)) for name in _WORK}
    person = Person(
        id=str(row.id),
        external_id=row.external_id,
        user_name=row.user_name,
        display_name=row.display_name or None,
        title=_first(values.get("title")),
        user_type=_first(values.get("user_type")),
        active=row.suspended_at is None,
        emails=[Email(value=row.email, type="work", primary=True)] if row.email else None,
        meta=Meta(resource_type="User", created=row.created_at, last_modified=row.changed_at),
    )
    if any(work.values()):
        person[EnterpriseUser] = EnterpriseUser(**work)
    return person


def _group(row: AccountGroup) -> Group:
    return Group(
        id=str(row.id),
        external_id=row.external_id,
        display_name=row.name,
        meta=Meta(resource_type="Group", created=row.created_at, last_modified=row.changed_at),
    )


def _change(person: Person, row: Account | None = None) -> AccountChange:
    """What a user of the directory says of the account, which is None as long as there is none."""
    held = (row.attributes if row is not None else None) or {}
    kept_out = row is not None and row.suspended_at is not None and row.suspended_by != Source.SCIM
    work = person[EnterpriseUser] if EnterpriseUser in person.get_extension_models().values() else None
    said = {name: getattr(person, name) for name in _CORE}
    said |= {name: getattr(work, name, None) for name in _WORK}
    others = {name: values for name, values in held.items() if name not in MANAGED}
    emails = person.emails or []
    chosen = next((item for item in emails if item.primary), next((item for item in emails if item.value), None))
    return AccountChange(
        user_name=person.user_name,
        display_name=person.display_name or "",
        email=(chosen.value or "") if chosen is not None else "",
        attributes={**others, **{name: value for name, value in said.items() if value}},
        external_id=person.external_id or "",
        suspended=None if person.active is None or (person.active and kept_out) else not person.active,
    )


def _first(values: object) -> str | None:
    found = values[0] if isinstance(values, list) and values else values
    return str(found) if found else None


def _ids(group: Group) -> list[UUID]:
    """Ids of the members; one that is no id at all is one of nobody, and refused like that."""
    return [id_of(member.value or "") or UUID(int=0) for member in group.members or []]


def _join(session: Session, people: Iterable[Person]) -> None:
    """Write into users which groups of the directory they were put into, in one query for all."""
    by_id = {UUID(person.id): person for person in people if person.id}
    found: dict[UUID, list[GroupMembership]] = {}
    for some in in_groups(by_id):
        query = (
            select(GroupMember.member_id, AccountGroup.id, AccountGroup.name)
            .join(AccountGroup, AccountGroup.id == GroupMember.group_id)
            .where(GroupMember.member_id.in_(some), AccountGroup.source == Source.SCIM.value)
            .order_by(AccountGroup.name)
        )
        for member_id, group_id, name in session.execute(query):
            one = GroupMembership(value=str(group_id), display=name, type="direct")
            found.setdefault(member_id, []).append(one)
    for member_id, groups in found.items():
        by_id[member_id].groups = groups


def _fill(session: Session, groups: Iterable[Group]) -> None:
    """Write the members into groups, in two queries for all."""
    by_id = {UUID(group.id): group for group in groups if group.id}
    found: dict[UUID, list[Member]] = {}
    for some in in_groups(by_id):
        inside = GroupMember.group_id.in_(some)
        users = select(GroupMember.group_id, Account.id, Account.user_name, Account.display_name).join(
            Account, Account.id == GroupMember.member_id
        )
        for group_id, identity, user_name, display_name in session.execute(
            users.where(inside).order_by(Account.user_key)
        ):
            member = Member(value=str(identity), type="User", display=display_name or user_name)
            found.setdefault(group_id, []).append(member)
        nested = select(GroupMember.group_id, AccountGroup.id, AccountGroup.name).join(
            AccountGroup, AccountGroup.id == GroupMember.member_id
        )
        for group_id, identity, name in session.execute(nested.where(inside).order_by(AccountGroup.name)):
            member = Member(value=str(identity), type="Group", display=name)
            found.setdefault(group_id, []).append(member)
    for group_id, members in found.items():
        by_id[group_id].members = members
