"""Which account a person of a provider is, and what of the provider's word is taken over into it.

What it changes is on the audit trail twice, as any change is: before it begins, and when it is done.
"""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from uuid import UUID, uuid4, uuid5

from sqlalchemy import ColumnElement, Select, delete, func, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from rag.access.accounts import AccountChange, Accounts
from rag.access.audit import AuditTrail, Deed, ServiceTrail
from rag.access.federation_claims import Person, external_id_of
from rag.access.groups import Groups
from rag.domain.access import Role, highest, user
from rag.domain.audit import AuditKind, Outcome
from rag.domain.document import NAMESPACE
from rag.domain.errors import InvalidRequest, NameTaken, NotAuthenticated
from rag.settings_identity import OidcProvider
from rag.store import account, sign_in
from rag.store.account import Account, AccountGroup, AccountKind, GroupMember, Source
from rag.store.role_grant import RoleGrant
from rag.store.session import Database
from rag.store.sign_in import AccountLink
from rag.store.tenant import ensure_tenant, tenant_id_of

log = logging.getLogger(__name__)


class FederatedAccounts:
    """The accounts of people that sign in with one provider, which are all in its one tenant."""

    def __init__(self, database: Database, settings: OidcProvider, trail: AuditTrail) -> None:
        self._database = database
        self._settings = settings
        self._accounts = Accounts(database)
        self._groups = Groups(database)
        self.tenant_id = tenant_id_of(settings.tenant)
        self._trail = ServiceTrail(trail, self.tenant_id, settings.name, "oidc")

    def account_of(self, subject: str, person: Person, said_at: float) -> UUID:
        """The account of a person, with what the provider says of it.

        Args:
            said_at: when the provider said so, in seconds since 1970.

        Raises:
            NotAuthenticated: there is none, none may be made, or it is suspended; or it was deleted after that was said.
        """
        moment = datetime.fromtimestamp(said_at, UTC)
        link, gone_at = self._link(subject)
        if link is not None and any(end is not None and moment <= end for end in (gone_at, link.not_before)):
            raise NotAuthenticated
        if link is None or gone_at is not None:
            link = self._first(subject, person, link, gone_at)
        with self._database.read() as session:
            row = account.get(session, self.tenant_id, link.account_id)
        if row is None or row.suspended_at is not None:
            raise NotAuthenticated
        digest = _digest(person)
        if link.said_at is None or moment > link.said_at or (moment == link.said_at and digest != link.said_hash):
            if digest != link.said_hash:
                self._take_over(row, person)
            self._note(link, moment, digest)
        return row.id

    def _link(self, subject: str) -> tuple[AccountLink | None, datetime | None]:
        """The link of a subject, and since when its account is deleted."""
        with self._database.read() as session:
            link = sign_in.link_of(session, self.tenant_id, self._settings.issuer, subject)
            row = None if link is None else session.get(Account, link.account_id)
            return link, None if row is None else row.deleted_at

    def _first(self, subject: str, person: Person, before: AccountLink | None, gone_at: datetime | None) -> AccountLink:
        """The link of somebody who comes for the first time, or for the first time after their account was deleted.

        Args:
            before: the link to the deleted account, which from now on leads to the new one.

        Raises:
            NotAuthenticated: there is no account to link, and none may be made.
        """
        row = self._accounts.by_external_id(self.tenant_id, Source.OIDC, person.external_id) or self._known(person)
        if row is None and self._settings.provision:
            row = self._made(person)
        if row is None:
            raise NotAuthenticated
        linked = [Deed(AuditKind.ACCOUNT_CHANGED, "link an account", {"account": str(row.id), "subject": subject})]
        self._trail.record(linked, Outcome.BEGUN)
        link = AccountLink(
            id=uuid4(), tenant_id=self.tenant_id, account_id=row.id, issuer=self._settings.issuer, subject=subject
        )
        try:
            with self._database.write() as session:
                if before is None:
                    session.add(link)
                else:
                    sign_in.lead_on(session, before, row.id, gone_at)
        except IntegrityError:  # another request of the same person was first, or the account is another's
            pass
        else:
            self._trail.record(linked)
            if before is None:
                return link
        found, _ = self._link(subject)
        if found is None:
            raise NotAuthenticated
        return found

    def _known(self, person: Person) -> Account | None:
        """The account that the settings let the person have, which is nobody else's here."""
        with self._database.read() as session:
            match self._settings.link:
                case "user_name":
                    found = account.by_user_name(session, self.tenant_id, person.user_name)
                case "email" if person.email and person.verified_email:
                    found = _by_email(session, self.tenant_id, person.email)
                case _:
                    return None
            if found is None or found.kind != AccountKind.USER:
                return None
            return None if sign_in.linked(session, found.id, self._settings.issuer) else found

    def _made(self, person: Person) -> Account | None:
        with self._database.write() as session:
            ensure_tenant(session, self._settings.tenant)
        named = {"user_name": person.user_name}
        self._trail.record([Deed(AuditKind.ACCOUNT_CREATED, "create an account", named)], Outcome.BEGUN)
        try:
            made = self._accounts.create(
                self.tenant_id, person.user_name, source=Source.OIDC, external_id=person.external_id
            )
        except NameTaken:
            found = self._accounts.by_external_id(self.tenant_id, Source.OIDC, person.external_id)
            if found is None:
                log.warning("sign-in provider %s: a user name is taken by another account", self._settings.name)
            return found
        except InvalidRequest as error:
            raise NotAuthenticated from error
        self._trail.record([Deed(AuditKind.ACCOUNT_CREATED, "create an account", named | {"account": str(made.id)})])
        return made

    def _take_over(self, row: Account, person: Person) -> None:
        changes = self._changes(row, person)
        self._trail.record(changes, Outcome.BEGUN)
        self._change(row, person)
        self._trail.record(changes)

    def _changes(self, row: Account, person: Person) -> list[Deed]:
        """What taking over a person's claims would change."""
        who: dict[str, object] = {"account": str(row.id)}
        found: list[Deed] = []
        if row.source == Source.OIDC:
            found.append(Deed(AuditKind.ACCOUNT_CHANGED, "take over claims", who))
            if person.clearance is not None and person.clearance != row.clearance:
                change = {"before": row.clearance, "after": person.clearance.value}
                found.append(Deed(AuditKind.CLEARANCE_CHANGED, "take over a clearance", who | change))
        with self._database.read() as session:
            groups = {self._name_in(item) for item in session.scalars(self._held_groups(row.id))}
            roles = {item.role for item in session.scalars(select(RoleGrant).where(*self._own_grants(row.id)))}
        if person.groups is not None and groups != set(person.groups):
            added, removed = sorted(set(person.groups) - groups), sorted(groups - set(person.groups))
            moved = {"added": added, "removed": removed}
            found.append(Deed(AuditKind.GROUP_CHANGED, "take over groups", who | moved))
        role = highest(person.roles)
        wanted = {role.value} if role is not None else set()
        found += [
            Deed(AuditKind.ROLE_REVOKED, "take over roles", who | {"role": item}) for item in sorted(roles - wanted)
        ]
        found += [
            Deed(AuditKind.ROLE_GRANTED, "take over roles", who | {"role": item}) for item in sorted(wanted - roles)
        ]
        return found

    def _held_groups(self, account_id: UUID) -> Select[str | None]:
        """What this provider's groups are called in the store that an account is in."""
        query = select(AccountGroup.external_id).join(GroupMember, GroupMember.group_id == AccountGroup.id)
        return query.where(
            AccountGroup.tenant_id == self.tenant_id,
            AccountGroup.source == Source.OIDC,
            AccountGroup.external_id.startswith(self._of_issuer, autoescape=True),
            GroupMember.member_id == account_id,
        )

    @property
    def _of_issuer(self) -> str:
        """How the external ids of this provider's groups begin. Each provider has its own, whatever others call theirs."""
        return external_id_of(self._settings.issuer, "")

    def _name_in(self, external_id: str | None) -> str:
        return (external_id or "").removeprefix(self._of_issuer)

    def _change(self, row: Account, person: Person) -> None:
        if row.source == Source.OIDC:  # another directory's word on its own accounts stays
            change = AccountChange(
                display_name=person.display_name,
                email=person.email,
                attributes=self._attributes(row, person),
                clearance=person.clearance,
            )
            try:
                self._accounts.change(self.tenant_id, row.id, change, Source.OIDC)
            except InvalidRequest as error:
                raise NotAuthenticated from error
        if person.groups is not None:
            groups = list(self._group_ids(person.groups))
            self._accounts.set_groups(self.tenant_id, row.id, groups, Source.OIDC, self._of_issuer)
        self._grant(row.id, highest(person.roles))

    def _attributes(self, row: Account, person: Person) -> dict[str, Sequence[str]] | None:
        """What the provider says, and of the attributes that it could say and does not what is on record."""
        if person.attributes is None:
            return None
        held = {
            name: values for name, values in (row.attributes or {}).items() if name in self._settings.claims.attributes
        }
        return {**held, **dict(person.attributes)}

    def _group_ids(self, names: Iterable[str]) -> Iterable[UUID]:
        """Ids of this provider's groups of these names; those that are missing are made.

        Where another provider's group has the name, this one's says of whom it is.
        """
        groups = self._groups.list(self.tenant_id, Source.OIDC)
        held, taken = {group.external_id: group.id for group in groups}, {group.name for group in groups}
        for name in names:
            external_id = external_id_of(self._settings.issuer, name)
            if external_id not in held:
                called = f"{name} ({self._settings.name})" if name in taken else name
                try:
                    held[external_id] = self._groups.create(self.tenant_id, called, Source.OIDC, external_id).id
                except (NameTaken, InvalidRequest):
                    log.warning("sign-in provider %s: a group's name is taken here, or unfit", self._settings.name)
                    continue
            yield held[external_id]

    def _grant(self, account_id: UUID, role: Role | None) -> None:
        """Have exactly this role among the grants to the account that come from this provider."""
        marker, subject = self._marker, user(account_id).text
        with self._database.write() as session:
            session.execute(delete(RoleGrant).where(*self._own_grants(account_id)))
            if role is not None:
                session.add(
                    RoleGrant(id=uuid4(), tenant_id=self.tenant_id, subject=subject, role=role.value, granted_by=marker)
                )

    @property
    def _marker(self) -> UUID:
        """Stands in place of who granted what comes from this provider."""
        return uuid5(NAMESPACE, f"oidc:{self._settings.issuer}")

    def _own_grants(self, account_id: UUID) -> tuple[ColumnElement[bool], ...]:
        return (
            RoleGrant.tenant_id == self.tenant_id,
            RoleGrant.subject == user(account_id).text,
            RoleGrant.granted_by == self._marker,
        )

    def _note(self, link: AccountLink, moment: datetime, digest: bytes) -> None:
        with self._database.write() as session:
            stored = session.get(AccountLink, link.id)
            if stored is not None and (stored.said_at is None or stored.said_at <= moment):
                stored.said_at, stored.said_hash = moment, digest


def _by_email(session: Session, tenant_id: UUID, email: str) -> Account | None:
    """The one account with this address; None when there are several."""
    query = select(Account).where(
        Account.tenant_id == tenant_id, func.lower(Account.email) == email.lower(), Account.deleted_at.is_(None)
    )
    rows = session.scalars(query.limit(2)).all()
    return rows[0] if len(rows) == 1 else None


def _digest(person: Person) -> bytes:
    told = json.dumps(asdict(person) | {"roles": sorted(person.roles)}, ensure_ascii=False, sort_keys=True)
    return hashlib.sha256(told.encode()).digest()
