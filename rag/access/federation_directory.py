"""Takes over what a directory says: who is there, who is not any more, which groups there are and who is in them.

The directory's word counts for what came from it, and for nothing else. Every change is on the audit trail. Whoever is gone
there is suspended, not deleted; a run that would suspend unusually many stops before it changes anything, since a wrong filter
looks like everybody leaving.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

from sqlalchemy.orm import Session

from rag.access.accounts import AccountChange, Accounts
from rag.access.audit import AuditTrail, Deed, ServiceTrail
from rag.access.federation_listing import DirectoryGroup, DirectoryPerson, Listing
from rag.access.groups import Groups
from rag.domain.audit import MOST_NAMED, AuditKind
from rag.domain.audit import Outcome as Ending
from rag.domain.errors import (
    AuditUnavailable,
    DirectoryGroupsGone,
    DirectoryStopped,
    InvalidRequest,
    NameTaken,
    SeogoError,
)
from rag.settings_identity import IdentitySettings, LdapSettings
from rag.store import directory_run
from rag.store.account import Account, AccountGroup, AccountKind, Source
from rag.store.base import utc_now
from rag.store.session import Database
from rag.store.tenant import ensure_tenant, tenant_id_of

log = logging.getLogger(__name__)

SURFACE = "ldap"
"""The door on the audit trail."""
STATUS = "directory_status"
"""Attribute of accounts that a run suspended. Only those does a later run let in again: not who was suspended by hand."""
_SUSPENDED = "suspended"
_TOGETHER = 100
"""Changes that are put on record at once: a flush to disk for each would make a first run of a large directory slow."""


@dataclass(slots=True)
class Outcome:
    """What a run changed, or would change.

    Attributes:
        conflicts: names that are in use here by what did not come from the directory; these are left out.
    """

    people: int = 0
    groups: int = 0
    created: int = 0
    changed: int = 0
    suspended: int = 0
    resumed: int = 0
    groups_created: int = 0
    groups_renamed: int = 0
    memberships_changed: int = 0
    conflicts: int = 0

    def to_json(self) -> dict[str, Any]:
        """For the record, and for scripts."""
        return asdict(self)


class DirectorySync:
    """Brings the accounts and groups of one tenant in step with a directory. Repeating a run changes nothing."""

    def __init__(self, database: Database, settings: LdapSettings, trail: AuditTrail) -> None:
        self._database = database
        self._settings = settings
        self._accounts = Accounts(database)
        self._groups = Groups(database)
        self._tenant_id = tenant_id_of(settings.tenant)
        self._trail = ServiceTrail(trail, self._tenant_id, settings.name, SURFACE)
        self._deeds: list[Deed] = []

    def run(self, listing: Listing, *, dry_run: bool = False) -> Outcome:
        """Take over `listing`; with `dry_run`, only say what would change.

        Raises:
            DirectoryStopped: it would suspend more accounts than the settings allow; nothing was changed.
            DirectoryGroupsGone: it has none of the groups any more that it filled here; nothing was changed.
            AuditUnavailable: what was changed could not be put on record.
        """
        try:
            return self._run(listing, dry_run=dry_run)
        finally:
            self._tell()

    def _run(self, listing: Listing, *, dry_run: bool) -> Outcome:
        if not dry_run:
            with self._database.write() as session:
                ensure_tenant(session, self._settings.tenant)
        outcome = Outcome(len(listing.people), len(listing.groups))
        held = {row.external_id: row for row in self._accounts.list(self._tenant_id, Source.LDAP) if row.external_id}
        leaving = self._leaving(held, listing.people)
        active = sum(row.suspended_at is None for row in held.values())
        if leaving and 100 * len(leaving) > self._settings.max_suspended_percent * active:
            raise DirectoryStopped(name=self._settings.name, count=len(leaving), active=active)
        self._require_groups(listing)
        for row in leaving:  # first of all: access ends even if something else fails
            outcome.suspended += 1
            if not dry_run:
                attributes = {**(row.attributes or {}), STATUS: _SUSPENDED}
                change = AccountChange(attributes=attributes, suspended=True)
                self._accounts.change(self._tenant_id, row.id, change, Source.LDAP)
                self._did(AuditKind.ACCOUNT_SUSPENDED, "suspend an account", account=str(row.id))
        ids = self._people(listing.people, held, outcome, dry_run=dry_run)
        self._memberships(listing, ids, outcome, dry_run=dry_run)
        return outcome

    def _require_groups(self, listing: Listing) -> None:
        """Refuse a listing that would empty every group: whom a rule denies by one would read. A wrong filter looks so, too.

        Raises:
            DirectoryGroupsGone: see `run`.
        """
        if not self._settings.group_base or self._settings.max_suspended_percent >= 100:
            return
        held = {row.external_id: row.id for row in self._groups.list(self._tenant_id, Source.LDAP) if row.external_id}
        if not held.keys().isdisjoint(group.external_id for group in listing.groups):
            return
        filled = sum(bool(self._groups.members(self._tenant_id, identity)) for identity in held.values())
        if filled > 1:
            raise DirectoryGroupsGone(name=self._settings.name, count=filled)

    def _did(self, kind: AuditKind, what: str, **detail: Any) -> None:
        self._deeds.append(Deed(kind, what, detail))
        if len(self._deeds) >= _TOGETHER:
            self._tell()

    def _tell(self) -> None:
        deeds, self._deeds = self._deeds, []
        self._trail.record(deeds)

    def _leaving(self, held: Mapping[str, Account], people: Iterable[DirectoryPerson]) -> list[Account]:
        enabled = {person.external_id for person in people if not person.disabled}
        return [row for key, row in held.items() if key not in enabled and row.suspended_at is None]

    def _people(
        self, people: Iterable[DirectoryPerson], held: Mapping[str, Account], outcome: Outcome, *, dry_run: bool
    ) -> dict[str, UUID | None]:
        """Ids of accounts by the DNs of people; None for those that would be made.

        One that can't be changed, such as to a name that is taken, is the account that it was: it stays in its groups, of which
        one may be denied something.
        """
        ids: dict[str, UUID | None] = {}
        for person in people:
            row = held.get(person.external_id)
            try:
                if row is not None:
                    ids[person.dn] = row.id
                    self._change(person, row, outcome, dry_run=dry_run)
                elif not person.disabled:
                    ids[person.dn] = self._create(person, outcome, dry_run=dry_run)
            except (NameTaken, InvalidRequest):
                outcome.conflicts += 1
        return ids

    def _create(self, person: DirectoryPerson, outcome: Outcome, *, dry_run: bool) -> UUID | None:
        made: UUID | None = None
        if dry_run:
            if self._accounts.by_user_name(self._tenant_id, person.user_name) is not None:
                raise NameTaken(name=person.user_name)
        else:
            made = self._accounts.create(
                self._tenant_id,
                person.user_name,
                kind=AccountKind.USER,
                display_name=person.display_name,
                email=person.email,
                attributes=dict(person.attributes),
                source=Source.LDAP,
                external_id=person.external_id,
            ).id
            self._did(AuditKind.ACCOUNT_CREATED, "create an account", account=str(made), user_name=person.user_name)
        outcome.created += 1
        return made

    def _change(self, person: DirectoryPerson, row: Account, outcome: Outcome, *, dry_run: bool) -> None:
        held = dict(row.attributes or {})
        by_us = held.pop(STATUS, None) is not None
        resumed = by_us and _suspended_here(row) and not person.disabled
        said = {name: list(values) for name, values in person.attributes.items()}
        told = (person.user_name, person.display_name, person.email, said)
        changed = told != (row.user_name, row.display_name, row.email, held)
        if not changed and not resumed:
            return
        if not dry_run:
            keeps = {STATUS: _SUSPENDED} if by_us and not resumed else {}
            change = AccountChange(
                person.user_name,
                person.display_name,
                person.email,
                {**said, **keeps},
            )
            if resumed:
                resumed = self._resume(row.id, change)
            else:
                self._accounts.change(self._tenant_id, row.id, change, Source.LDAP)
            if changed:
                self._did(AuditKind.ACCOUNT_CHANGED, "change an account", account=str(row.id))
            if resumed:
                self._did(AuditKind.ACCOUNT_RESUMED, "resume an account", account=str(row.id))
        outcome.changed += changed
        outcome.resumed += resumed

    def _resume(self, account_id: UUID, change: AccountChange) -> bool:
        """Change an account and resume it, unless an administrator has suspended it since it was read; whether it was."""
        resumed = False

        def decide(session: Session, row: Account) -> AccountChange:
            nonlocal resumed
            resumed = _suspended_here(row)
            return change.resuming() if resumed else change

        self._accounts.change_by(self._tenant_id, account_id, decide, Source.LDAP, change.user_name or "")
        return resumed

    def _memberships(
        self, listing: Listing, people: Mapping[str, UUID | None], outcome: Outcome, *, dry_run: bool
    ) -> None:
        """Groups, renamed ones too, with exactly the members that the directory has; one that is gone there is left empty."""
        held = {row.external_id: row for row in self._groups.list(self._tenant_id, Source.LDAP) if row.external_id}
        kept: dict[str, AccountGroup] = {}
        for group in listing.groups:
            try:
                row = self._group(group, held.get(group.external_id), outcome, dry_run=dry_run)
            except (NameTaken, InvalidRequest):
                outcome.conflicts += 1
                row = held.get(group.external_id)
            if row is not None:
                kept[group.dn] = row
        ids = {**people, **{dn: row.id for dn, row in kept.items()}}
        wanted = _members_of(listing, ids)
        for row in {item.id: item for item in (*held.values(), *kept.values())}.values():
            members = wanted.get(row.id, frozenset()) - {row.id}
            before = self._groups.members(self._tenant_id, row.id)
            if members != before:
                outcome.memberships_changed += 1
                if not dry_run:
                    self._groups.set_members(self._tenant_id, row.id, members, Source.LDAP)
                    self._moved(row.id, "added", members - before)
                    self._moved(row.id, "removed", before - members)

    def _moved(self, group_id: UUID, how: str, members: Iterable[UUID]) -> None:
        """Note who came into a group, or left it: who of them may read what is in its lists."""
        named = sorted(str(item) for item in members)
        for start in range(0, len(named), MOST_NAMED):
            some = {how: named[start : start + MOST_NAMED]}
            self._did(AuditKind.GROUP_CHANGED, "change the members of a group", group=str(group_id), **some)

    def _group(
        self, group: DirectoryGroup, row: AccountGroup | None, outcome: Outcome, *, dry_run: bool
    ) -> AccountGroup | None:
        if row is None:
            made = None if dry_run else self._groups.create(self._tenant_id, group.name, Source.LDAP, group.external_id)
            outcome.groups_created += 1
            if made is not None:
                self._did(AuditKind.GROUP_CHANGED, "create a group", group=str(made.id), name=made.name)
            return made
        if row.name != group.name:
            if not dry_run:
                self._groups.change(self._tenant_id, row.id, group.name)
                self._did(AuditKind.GROUP_CHANGED, "rename a group", group=str(row.id), name=group.name)
            outcome.groups_renamed += 1
        return row


def _suspended_here(row: Account) -> bool:
    """Whether it is the directory's word alone that suspends an account: an administrator's outlasts it."""
    return row.suspended_at is not None and row.suspended_by == Source.LDAP


def _members_of(listing: Listing, ids: Mapping[str, UUID | None]) -> dict[UUID, frozenset[UUID]]:
    """Members by group, from both sides: groups that name their members, and members that name their groups."""
    pairs = {(group.dn, member) for group in listing.groups for member in group.members}
    inside: list[DirectoryPerson | DirectoryGroup] = [*listing.people, *listing.groups]
    pairs |= {(outer, item.dn) for item in inside for outer in item.member_of}
    found: dict[UUID, set[UUID]] = {}
    for outer, inner in pairs:
        group_id, member_id = ids.get(outer), ids.get(inner)
        if group_id is not None and member_id is not None:
            found.setdefault(group_id, set()).add(member_id)
    return {group_id: frozenset(members) for group_id, members in found.items()}


class Directories:
    """The directories of the settings, each read when its time has come, by one process among all."""

    def __init__(
        self,
        database: Database,
        settings: IdentitySettings,
        trail: AuditTrail,
        read: Callable[[LdapSettings], Listing] | None = None,
    ) -> None:
        self._database = database
        self._settings = settings
        self._trail = trail
        self._read = read

    def sync_due(self) -> None:
        """Run those that are due; a failure is on record and in the log, and the next run comes at its time."""
        for item in self._settings.ldap:
            if item.every_s is None:
                continue
            with self._database.write() as session:
                mine = directory_run.claim(session, item.name, utc_now(), timedelta(seconds=item.every_s))
            if mine:
                try:
                    self.sync(item)
                except SeogoError as error:
                    log.warning("directory %s was not taken over: %s", item.name, type(error).__name__)

    def sync(self, item: LdapSettings, *, dry_run: bool = False) -> Outcome:
        """Read a directory and take it over.

        Raises:
            ProviderUnavailable: it does not answer.
            DirectoryStopped, DirectoryGroupsGone: it would suspend too many, or empty every group.
            ConfigurationError: it refuses us.
            AuditUnavailable: it can't be put on record.
        """
        sync = DirectorySync(self._database, item, self._trail)
        if dry_run:
            return sync.run(self._reader()(item), dry_run=True)
        self._tell(item, Ending.BEGUN, {})  # before anything is changed: what can't be put on record is not done
        try:
            outcome = sync.run(self._reader()(item))
        except SeogoError as error:
            self._note(item.name, error.code, None)
            if not isinstance(error, AuditUnavailable):
                self._tell(item, Ending.FAILED, {"error": error.code})
            raise
        self._note(item.name, "", outcome.to_json())
        self._tell(item, Ending.DONE, outcome.to_json())
        return outcome

    def _tell(self, item: LdapSettings, ending: Ending, detail: dict[str, Any]) -> None:
        trail = ServiceTrail(self._trail, tenant_id_of(item.tenant), item.name, SURFACE)
        trail.record([Deed(AuditKind.DIRECTORY_SYNCED, "take over a directory", detail)], ending)

    def _reader(self) -> Callable[[LdapSettings], Listing]:
        if self._read is not None:
            return self._read
        from rag.access.federation_ldap import read

        return read

    def _note(self, name: str, error: str, outcome: dict[str, Any] | None) -> None:
        with self._database.write() as session:
            directory_run.note(session, name, utc_now(), error, outcome)
