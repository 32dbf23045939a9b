"""Why somebody can or can't read a document: the level and the entry that decide, for whoever curates it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from uuid import UUID

from sqlalchemy.orm import Session

from rag.access.subjects import resolved_one
from rag.domain.access import (
    EVERYONE,
    AccessRule,
    Label,
    Reader,
    Role,
    Subject,
    SubjectKind,
    attribute,
    group,
    highest,
    user,
)
from rag.domain.errors import InvalidRequest
from rag.domain.principal import Principal, PrincipalKind, Scope
from rag.store import account, family, role_grant
from rag.store.account import Account, AccountKind
from rag.store.api_key import ApiKey
from rag.store.collection import Collection
from rag.store.document import Document


class Why(StrEnum):
    """What decided at a level."""

    NO_ROLE = "no_role"
    """No role is granted in the collection, or the key is not for it."""
    SUSPENDED = "suspended"
    CLEARANCE = "clearance"
    """The label is above the clearance."""
    DENIED = "denied"
    NOT_LISTED = "not_listed"
    """There is a list of readers, and nothing by which the person is known stands on it."""
    CURATES = "curates"
    """Held back by no list of readers."""
    LISTED = "listed"
    NOT_RESTRICTED = "not_restricted"


_REFUSALS = frozenset({Why.NO_ROLE, Why.SUSPENDED, Why.CLEARANCE, Why.DENIED, Why.NOT_LISTED})


class Level(StrEnum):
    """Where a decision was made, from the outside in."""

    PERSON = "person"
    COLLECTION = "collection"
    CONTAINER = "container"
    """A mail or an archive that the document lies in."""
    DOCUMENT = "document"


@dataclass(frozen=True, slots=True)
class Decision:
    """What one level says.

    Attributes:
        entry: the entry of the list that decided; None where none did.
        label: of this level.
        document_id: of the container or the document.
    """

    level: Level
    why: Why
    entry: Subject | None = None
    label: Label = Label.OPEN
    document_id: UUID | None = None

    @property
    def permits(self) -> bool:
        """Whether it lets the person pass."""
        return self.why not in _REFUSALS


@dataclass(frozen=True, slots=True)
class Explanation:
    """Every level's decision, from the outside in; the first that refuses decides, else all of them permit."""

    subject: Subject
    role: Role | None
    clearance: Label
    decisions: tuple[Decision, ...]

    @property
    def decided_by(self) -> Decision:
        """The first refusal; without one, the innermost level that asked for anything."""
        refused = next((item for item in self.decisions if not item.permits), None)
        asked = [item for item in self.decisions if item.why is not Why.NOT_RESTRICTED]
        return refused or (asked or list(self.decisions))[-1]

    @property
    def permitted(self) -> bool:
        """Whether the person may read."""
        return self.decided_by.permits


def explain(session: Session, document: Document, collection: Collection, subject: str) -> Explanation:
    """Why `subject` (`user:` with a name or an id) can or can't read a document.

    Raises:
        InvalidRequest: there is no such account or key in the tenant.
    """
    found = resolved_one(session, document.tenant_id, subject)
    if found.kind is not SubjectKind.USER:
        raise InvalidRequest(
            detail="subject: user:<name or id> is needed", detail_ko="subject: user:<이름 또는 ID>로 적으세요"
        )
    principal, suspended = _principal(session, document.tenant_id, UUID(found.value))
    role = principal.role_on(collection.id)
    reader = principal.reader_of(collection.id)
    person = Why.SUSPENDED if suspended else Why.NO_ROLE if role is None else Why.NOT_RESTRICTED
    decisions = [Decision(Level.PERSON, person)]
    decisions.append(decided(Level.COLLECTION, AccessRule.from_json(collection.access), reader))
    for item in reversed(family.above(session, document)):
        decisions.append(decided(Level.CONTAINER, AccessRule.from_json(item.own_rule), reader, item.id))
    decisions.append(decided(Level.DOCUMENT, AccessRule.from_json(document.own_rule), reader, document.id))
    return Explanation(found, role, principal.clearance, tuple(decisions))


def decided(level: Level, rule: AccessRule, reader: Reader, document_id: UUID | None = None) -> Decision:
    """What a rule says to a reader, and by which of its entries; agrees with `AccessRule.permits`."""
    denied, listed = _first(rule.deny & reader.subjects), _first(rule.allow & reader.subjects)
    if not reader.clearance.covers(rule.label):
        return Decision(level, Why.CLEARANCE, None, rule.label, document_id)
    if denied is not None:
        return Decision(level, Why.DENIED, denied, rule.label, document_id)
    if not rule.allow:
        return Decision(level, Why.NOT_RESTRICTED, None, rule.label, document_id)
    if listed is not None:
        return Decision(level, Why.LISTED, listed, rule.label, document_id)
    return Decision(level, Why.CURATES if reader.curates else Why.NOT_LISTED, None, rule.label, document_id)


def _first(subjects: frozenset[Subject]) -> Subject | None:
    return min(subjects, default=None)


def _principal(session: Session, tenant_id: UUID, identity: UUID) -> tuple[Principal, bool]:
    """An account as it is, without the limits of a single credential, or a key; and whether it is out of force."""
    row = session.get(Account, identity)
    if row is not None and row.tenant_id == tenant_id:
        return _of_account(session, row), row.suspended_at is not None
    key = session.get(ApiKey, identity)
    if key is None or key.tenant_id != tenant_id:
        raise InvalidRequest(detail="subject: there is no such user", detail_ko="subject: 그런 사용자가 없습니다")
    limits = None if key.collections is None else frozenset(UUID(item) for item in key.collections)
    scopes = frozenset(Scope(item) for item in key.scopes)
    principal = Principal(key.id, key.name, tenant_id, scopes, limits, clearance=Label(key.clearance))
    return principal, key.revoked_at is not None


def _of_account(session: Session, row: Account) -> Principal:
    groups, attributes = account.groups_of(session, row.id), account.attribute_pairs(row.attributes)
    named = {user(row.id), EVERYONE, *map(group, groups), *(attribute(*pair) for pair in attributes)}
    granted = role_grant.of_subjects(session, row.tenant_id, named)
    return Principal(
        row.id,
        row.user_name,
        row.tenant_id,
        frozenset(),
        kind=PrincipalKind.SERVICE if row.kind == AccountKind.SERVICE else PrincipalKind.USER,
        role=highest(role for item, role in granted if item is None),
        grants=tuple((item, role) for item, role in granted if item is not None),
        groups=groups,
        attributes=attributes,
        clearance=Label(row.clearance),
    )
