"""Commands about accounts, groups and roles, on the store itself: whoever runs them holds the data folder."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import typer
from rich.console import Console
from rich.table import Column, Table

from api.cli.administration import collection_ids, recorded_store
from api.cli.auditing import note_by_operator
from api.cli.connection import reporting_failures
from api.cli.options import Options
from api.cli.terminal import shown
from api.cli.texts import text as told
from api.schemas.accounts import AccountDetail, AccountOut
from api.schemas.grants import GrantOut
from api.schemas.groups import GroupOut
from rag.access.accounts import AccountChange, Accounts
from rag.access.audit import AuditTrail
from rag.access.grants import Grants
from rag.access.groups import Groups
from rag.domain.access import Label, Role, Subject, SubjectKind, id_of, user
from rag.domain.audit import AuditKind
from rag.domain.errors import AccountNotFound, GrantNotFound, GroupNotFound, InvalidRequest
from rag.store import collection
from rag.store.account import Account, AccountGroup, AccountKind
from rag.store.session import Database
from rag.store.tenant import DEFAULT_TENANT, Tenant, ensure_tenant, tenant_id_of


@dataclass(frozen=True, slots=True)
class NewAccount:
    """What `seogo accounts create` was given."""

    user_name: str
    service: bool
    admin: bool
    display_name: str
    email: str
    attributes: list[str]
    clearance: str | None


class People:
    """The people of one tenant, found by the names that an operator types."""

    def __init__(self, database: Database, trail: AuditTrail, tenant: str, *, make: bool = False) -> None:
        """Prepare.

        Raises:
            InvalidRequest: there is no such tenant, and it is not to be made. The default one is, wherever it is named.
        """
        self._trail = trail
        self.tenant_id = tenant_id_of(tenant)
        make = make or tenant == DEFAULT_TENANT
        with database.write() if make else database.read() as session:
            if make:
                ensure_tenant(session, tenant)
            elif session.get(Tenant, self.tenant_id) is None:
                raise InvalidRequest(
                    detail=f"there is no tenant {tenant!r}", detail_ko=f"테넌트 {tenant!r}이(가) 없습니다"
                )
        self.tenant = tenant
        self.database = database
        self.accounts, self.groups, self.grants = Accounts(database), Groups(database), Grants(database)

    def note(self, kind: AuditKind, command: str, **detail: object) -> None:
        """Put what the operator did on the audit trail of the tenant."""
        note_by_operator(self._trail, kind, self.tenant_id, f"seogo {command}", detail)

    def account(self, named: str) -> Account:
        """The account of this name or id."""
        identity = id_of(named)
        found = self.accounts.by_user_name(self.tenant_id, named)
        if found is None and identity is not None:
            found = self.accounts.get(self.tenant_id, identity)
        if found is None:
            raise AccountNotFound(name=named)
        return found

    def group(self, named: str) -> AccountGroup:
        """The group of this name or id."""
        for row in self.groups.list(self.tenant_id):
            if named in (row.name, str(row.id)):
                return row
        raise GroupNotFound(name=named)

    def subject(self, text: str) -> Subject:
        """The subject that is named, by a name or by an id."""
        kind, _, named = text.partition(":")
        if kind == SubjectKind.USER:
            return user(self.account(named).id)
        if kind == SubjectKind.GROUP:
            return Subject(SubjectKind.GROUP, str(self.group(named).id))
        return Subject.parse(text)

    def named(self, subject: Subject) -> str:
        """A subject as an operator would type it; by id where there is no name (any more)."""
        if subject.kind is SubjectKind.USER:
            names = {row.id: row.user_name for row in self.accounts.list(self.tenant_id)}
        elif subject.kind is SubjectKind.GROUP:
            names = {row.id: row.name for row in self.groups.list(self.tenant_id)}
        else:
            return subject.text
        return f"{subject.kind}:{names.get(UUID(subject.value), subject.value)}"


@contextmanager
def _people(options: Options, tenant: str, *, make: bool = False) -> Iterator[People]:
    with reporting_failures(), recorded_store(options) as (database, trail):
        yield People(database, trail, tenant, make=make)


def create_account(options: Options, tenant: str, wanted: NewAccount) -> None:
    """`seogo accounts create`."""
    with _people(options, tenant, make=True) as people:
        row = people.accounts.create(
            people.tenant_id,
            wanted.user_name,
            kind=AccountKind.SERVICE if wanted.service else AccountKind.USER,
            display_name=wanted.display_name,
            email=wanted.email,
            attributes=_attributes(wanted.attributes),
            clearance=_clearance(wanted.clearance) or Label.OPEN,
        )
        people.note(AuditKind.ACCOUNT_CREATED, "accounts create", account=str(row.id), admin=wanted.admin)
        if wanted.admin:
            people.grants.add(None, people.tenant_id, user(row.id), Role.ADMIN, None)
            people.note(AuditKind.ROLE_GRANTED, "accounts create", subject=user(row.id).text, role=Role.ADMIN.value)
        typer.echo(str(row.id))


def list_accounts(options: Options, tenant: str, as_json: bool) -> None:
    """`seogo accounts list`."""
    with _people(options, tenant) as people:
        rows = [AccountOut.of(row).model_dump(mode="json") for row in people.accounts.list(people.tenant_id)]
    _print(rows, ("user_name", "kind", "clearance", "source", "suspended_at", "id"), as_json)


def show_account(options: Options, tenant: str, named: str) -> None:
    """`seogo accounts show`."""
    with _people(options, tenant) as people:
        row = people.account(named)
        groups = people.accounts.groups_of(people.tenant_id, row.id)
        shown = AccountDetail.with_groups(row, groups).model_dump(mode="json")
        roles = people.grants.list(None, people.tenant_id)
        shown["grants"] = [
            GrantOut.of(item).model_dump(mode="json") for item in roles if item.subject == user(row.id).text
        ]
    typer.echo(json.dumps(shown, ensure_ascii=False, indent=2))


def set_account(
    options: Options,
    tenant: str,
    named: str,
    display_name: str | None,
    email: str | None,
    attributes: list[str] | None,
    clearance: str | None,
) -> None:
    """`seogo accounts set`."""
    change = AccountChange(
        display_name=display_name,
        email=email,
        attributes=None if attributes is None else _attributes(attributes),
        clearance=_clearance(clearance),
    )
    with _people(options, tenant) as people:
        identity = people.account(named).id
        people.accounts.change(people.tenant_id, identity, change)
        people.note(AuditKind.ACCOUNT_CHANGED, "accounts set", account=str(identity))
        if clearance is not None:
            people.note(AuditKind.CLEARANCE_CHANGED, "accounts set", account=str(identity), after=clearance)


def suspend_account(options: Options, tenant: str, named: str, *, suspended: bool) -> None:
    """`seogo accounts suspend` and `resume`."""
    with _people(options, tenant) as people:
        identity = people.account(named).id
        people.accounts.change(people.tenant_id, identity, AccountChange(suspended=suspended))
        kind = AuditKind.ACCOUNT_SUSPENDED if suspended else AuditKind.ACCOUNT_RESUMED
        people.note(kind, f"accounts {'suspend' if suspended else 'resume'}", account=str(identity))


def delete_account(options: Options, tenant: str, named: str) -> None:
    """`seogo accounts delete`."""
    with _people(options, tenant) as people:
        identity = people.account(named).id
        people.accounts.delete(people.tenant_id, identity)
        people.note(AuditKind.ACCOUNT_DELETED, "accounts delete", account=str(identity))


def create_group(options: Options, tenant: str, name: str) -> None:
    """`seogo groups create`."""
    with _people(options, tenant, make=True) as people:
        identity = people.groups.create(people.tenant_id, name).id
        people.note(AuditKind.GROUP_CHANGED, "groups create", group=str(identity))
        typer.echo(str(identity))


def list_groups(options: Options, tenant: str, as_json: bool) -> None:
    """`seogo groups list`."""
    with _people(options, tenant) as people:
        rows = [GroupOut.of(row).model_dump(mode="json") for row in people.groups.list(people.tenant_id)]
    _print(rows, ("name", "source", "id"), as_json)


def list_members(options: Options, tenant: str, named: str) -> None:
    """`seogo groups members`."""
    with _people(options, tenant) as people:
        members = people.groups.members(people.tenant_id, people.group(named).id)
        accounts = {row.id: f"user:{row.user_name}" for row in people.accounts.list(people.tenant_id)}
        groups = {row.id: f"group:{row.name}" for row in people.groups.list(people.tenant_id)}
        for line in sorted((accounts | groups)[item] for item in members):
            typer.echo(line)


def change_members(options: Options, tenant: str, named: str, member: str, *, put: bool) -> None:
    """`seogo groups add` and `remove`."""
    with _people(options, tenant) as people:
        subject = people.subject(member)
        if subject.kind not in (SubjectKind.USER, SubjectKind.GROUP):
            raise InvalidRequest(
                detail="user:NAME or group:NAME is needed", detail_ko="user:이름 또는 group:이름으로 적으세요"
            )
        group, members = people.group(named).id, [UUID(subject.value)]
        (people.groups.add_members if put else people.groups.remove_members)(people.tenant_id, group, members)
        command = f"groups {'add' if put else 'remove'}"
        people.note(AuditKind.GROUP_CHANGED, command, group=str(group), member=subject.text)


def delete_group(options: Options, tenant: str, named: str) -> None:
    """`seogo groups delete`."""
    with _people(options, tenant) as people:
        identity = people.group(named).id
        people.groups.delete(people.tenant_id, identity)
        people.note(AuditKind.GROUP_DELETED, "groups delete", group=str(identity))


def add_grant(options: Options, tenant: str, subject: str, role: str, where: str | None) -> None:
    """`seogo grants add`."""
    with _people(options, tenant) as people:
        if role not in set(Role):
            raise InvalidRequest(
                detail=f"role: one of {', '.join(Role)}", detail_ko=f"role: {', '.join(Role)} 가운데 하나여야 합니다"
            )
        ids = collection_ids(people.database, tenant, None if where is None else [where])
        row = people.grants.add(
            None, people.tenant_id, people.subject(subject), Role(role), None if ids is None else ids[0]
        )
        where_id = None if row.collection_id is None else str(row.collection_id)
        people.note(AuditKind.ROLE_GRANTED, "grants add", subject=row.subject, role=role, collection=where_id)
        typer.echo(str(row.id))


def list_grants(options: Options, tenant: str, as_json: bool) -> None:
    """`seogo grants list`."""
    with _people(options, tenant) as people:
        with people.database.read() as session:
            names = {str(row.id): row.name for row in collection.of_tenant(session, people.tenant_id)}
        rows = []
        for row in people.grants.list(None, people.tenant_id):
            shown = GrantOut.of(row).model_dump(mode="json")
            where = names.get(shown["collection_id"], shown["collection_id"])
            named = {"subject": people.named(Subject.parse(row.subject)), "collection": where}
            rows.append(shown if as_json else shown | named)
    _print(rows, ("subject", "role", "collection", "id"), as_json)


def remove_grant(options: Options, tenant: str, grant: str) -> None:
    """`seogo grants remove`."""
    with _people(options, tenant) as people:
        if (identity := id_of(grant)) is None:
            raise GrantNotFound(name=grant)
        people.grants.remove(None, people.tenant_id, identity)
        people.note(AuditKind.ROLE_REVOKED, "grants remove", grant=str(identity))


def _clearance(text: str | None) -> Label | None:
    if text is not None and text not in set(Label):
        raise InvalidRequest(
            detail=f"clearance: one of {', '.join(Label)}",
            detail_ko=f"clearance: {', '.join(Label)} 가운데 하나여야 합니다",
        )
    return None if text is None else Label(text)


def _attributes(given: Sequence[str]) -> dict[str, list[str]]:
    kept: dict[str, list[str]] = {}
    for item in given:
        name, equals, value = item.partition("=")
        if not (name and equals and value):
            raise InvalidRequest(detail="attribute: name=value is needed", detail_ko="attribute: name=value로 적으세요")
        kept.setdefault(name, []).append(value)
    return kept


def _print(rows: Sequence[dict[str, Any]], columns: Sequence[str], as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps(list(rows), ensure_ascii=False, indent=2))
        return
    heads = ("id" if name == "id" else told(f"list_{name}") for name in columns)
    table = Table(*(Column(head, no_wrap=head == "id", overflow="fold") for head in heads))
    for row in rows:
        table.add_row(*("" if row[column] is None else shown(row[column]) for column in columns))
    Console().print(table)
