"""The one place that decides who may do what, and the only one that builds a Permit."""

from __future__ import annotations

import json
import threading
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from datetime import datetime
from enum import Enum
from functools import lru_cache
from uuid import UUID

from sqlalchemy.orm import Session

from rag.domain.access import AccessRule, EffectiveRule, Role
from rag.domain.composition import composed
from rag.domain.errors import CollectionNotFound, NotPermitted
from rag.domain.filters import DocumentFilter
from rag.domain.principal import PassedRule, Permit, Principal, PrincipalKind, Scope
from rag.store import access_rule, collection
from rag.store.access_rule import KnownRule
from rag.store.collection import Collection
from rag.store.session import Database


class Reach(Enum):
    """Where the role that an action takes must be held."""

    COLLECTIONS = "collections"
    TENANT = "tenant"
    ANYWHERE = "anywhere"
    """In the tenant or in any collection: what is about none of them."""


_ROLE_FOR = {
    Scope.READ: Role.VIEWER,
    Scope.WRITE: Role.CONTRIBUTOR,
    Scope.ADMIN: Role.ADMIN,
    Scope.OPERATOR: Role.ADMIN,
}
_REMEMBERED_RULES = 20_000
_REMEMBERED_COLLECTION_RULES = 2000


class Action(Enum):
    """Everything that a route can do: the scope that it takes of the credential, and the role that it takes of its holder.

    The role is that in each collection it is about; `Reach.TENANT` asks for it in the whole tenant, `ANYWHERE` wherever it is.
    """

    LIST_COLLECTIONS = ("list_collections", Scope.READ)
    READ_COLLECTION = ("read_collection", Scope.READ)
    CREATE_COLLECTION = ("create_collection", Scope.ADMIN, Role.ADMIN, Reach.TENANT)
    CHANGE_COLLECTION = ("change_collection", Scope.ADMIN)
    DELETE_COLLECTION = ("delete_collection", Scope.ADMIN)
    READ_GLOSSARY = ("read_glossary", Scope.READ)
    CHANGE_GLOSSARY = ("change_glossary", Scope.WRITE)
    READ_DOCUMENTS = ("read_documents", Scope.READ)
    READ_CITED = ("read_cited", Scope.READ)
    UPLOAD_DOCUMENTS = ("upload_documents", Scope.WRITE)
    CHANGE_DOCUMENTS = ("change_documents", Scope.WRITE)
    REVIEW_DOCUMENTS = ("review_documents", Scope.WRITE, Role.CURATOR)
    DELETE_DOCUMENTS = ("delete_documents", Scope.WRITE)
    READ_RECEIPTS = ("read_receipts", Scope.WRITE)
    SYNC_SOURCES = ("sync_sources", Scope.WRITE)
    CONTROL_INGESTION = ("control_ingestion", Scope.WRITE)
    CONTROL_ALL_INGESTION = ("control_all_ingestion", Scope.ADMIN)
    MANAGE_ACCESS = ("manage_access", Scope.WRITE, Role.CURATOR)
    MANAGE_PEOPLE = ("manage_people", Scope.ADMIN, Role.ADMIN, Reach.TENANT)
    MANAGE_KEYS = ("manage_keys", Scope.ADMIN, Role.ADMIN, Reach.TENANT)
    MANAGE_ROLES = ("manage_roles", Scope.ADMIN)
    READ_OWN_IDENTITY = ("read_own_identity", Scope.READ)
    MANAGE_OWN_KEYS = ("manage_own_keys", Scope.WRITE, Role.VIEWER)
    ISSUE_WIDGET_TOKENS = ("issue_widget_tokens", Scope.READ)
    READ_AUDIT = ("read_audit", Scope.ADMIN, Role.ADMIN, Reach.TENANT)
    SEARCH = ("search", Scope.READ)
    READ_CODE = ("read_code", Scope.READ)
    ASK = ("ask", Scope.READ)
    GIVE_FEEDBACK = ("give_feedback", Scope.READ)
    READ_FEEDBACK = ("read_feedback", Scope.ADMIN)
    READ_GENERATIONS = ("read_generations", Scope.READ)
    WRITE_PROGRAMS = ("write_programs", Scope.WRITE)
    LIST_MODELS = ("list_models", Scope.READ)
    USE_MODELS = ("use_models", Scope.READ, Role.VIEWER, Reach.ANYWHERE)
    MANAGE_SPACES = ("manage_spaces", Scope.OPERATOR)

    def __init__(self, label: str, scope: Scope, role: Role | None = None, reach: Reach = Reach.COLLECTIONS) -> None:
        self.label = label
        self.scope = scope
        self.role = role or _ROLE_FOR[scope]
        self.reach = reach


_IMPLIED: dict[Scope, frozenset[Scope]] = {
    Scope.READ: frozenset({Scope.READ}),
    Scope.WRITE: frozenset({Scope.READ, Scope.WRITE}),
    Scope.ADMIN: frozenset({Scope.READ, Scope.WRITE, Scope.ADMIN}),
    Scope.OPERATOR: frozenset({Scope.OPERATOR}),
}

_OF_WIDGETS = frozenset({Action.SEARCH, Action.ASK, Action.GIVE_FEEDBACK, Action.READ_CITED})
"""All that a page in a browser does: ask, say what it thinks of an answer, and show the passages that it cites."""


def covers(principal: Principal, scope: Scope) -> bool:
    """Whether one of the principal's scopes includes `scope`."""
    return any(scope in _IMPLIED[held] for held in principal.scopes)


class Policy:
    """Turns a principal and an action into a Permit, or refuses."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._rules = _RememberedRules(_REMEMBERED_RULES)
        self._of_collection = lru_cache(_REMEMBERED_COLLECTION_RULES)(_parsed)

    def require(self, principal: Principal, action: Action) -> None:
        """Raise NotPermitted unless a scope of the principal covers the action, and its role in the tenant those that are
        about the whole tenant, or any role those that are about no collection; which it may act on, `authorize` says."""
        if not covers(principal, action.scope):
            raise NotPermitted
        if principal.kind is PrincipalKind.WIDGET and action not in _OF_WIDGETS:
            raise NotPermitted
        if action.reach is Reach.TENANT and not _holds_in_tenant(principal, action.role):
            raise NotPermitted
        if action.reach is Reach.ANYWHERE and not _holds_anywhere(principal, action.role):
            raise NotPermitted

    def authorize(
        self,
        principal: Principal,
        action: Action,
        collections: Sequence[str] | None = None,
        as_of: datetime | None = None,
        where: DocumentFilter | None = None,
    ) -> Permit:
        """The permit of `principal` for `action` on `collections` (names or ids), or on all that it may see.

        Every call reads the record: a change of rights counts from the next request. Receipts outlive what they are
        about, so the permit to read them covers deleted collections, in which nothing else is left to read.

        Raises:
            NotPermitted: no scope of the principal covers the action.
            CollectionNotFound: one of `collections` does not exist or is not the principal's to see.
        """
        self.require(principal, action)
        with self._database.read() as session:
            visible = self._visible(session, principal, action)
            if collections is None:
                held = frozenset(item.id for item in visible) | self._deleted(session, principal, action)
            else:
                held = frozenset(_named(visible, wanted) for wanted in collections)
            known = access_rule.of_collections(session, principal.tenant_id, held)
            rules = self._rules.read(session, principal.tenant_id, known)
        return Permit(principal, held, as_of, where, _passed(principal, known, rules), _revision(known))

    def _deleted(self, session: Session, principal: Principal, action: Action) -> frozenset[UUID]:
        if action is not Action.READ_RECEIPTS:
            return frozenset()
        rows = collection.deleted_of_tenant(session, principal.tenant_id)
        return frozenset(row.id for row in rows if self._may(principal, action, row))

    def _visible(self, session: Session, principal: Principal, action: Action) -> list[Collection]:
        rows = collection.of_tenant(session, principal.tenant_id)
        return [row for row in rows if self._may(principal, action, row)]

    def _may(self, principal: Principal, action: Action, row: Collection) -> bool:
        """Whether the principal has the role in the collection, and the collection's own rule lets it pass."""
        wanted = Role.VIEWER if action.reach is Reach.TENANT else action.role
        if not _includes(principal.role_on(row.id), wanted):
            return False
        if row.access is None:
            return True
        return self._of_collection(json.dumps(row.access, sort_keys=True)).permits(principal.reader_of(row.id))


class _RememberedRules:
    """Rules of documents by id, which is made of what they say: what is known of an id stays so.

    Of several thousand only those are read that nobody asked for of late.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._lock = threading.Lock()
        self._kept: OrderedDict[UUID, EffectiveRule] = OrderedDict()

    def read(self, session: Session, tenant_id: UUID, known: Sequence[KnownRule]) -> dict[UUID, EffectiveRule]:
        """What these rules say; one that was removed meanwhile is left out: no document has it, and nobody passes it."""
        found: dict[UUID, EffectiveRule] = {}
        unknown: list[UUID] = []
        with self._lock:
            for item in known:
                if (rule := self._kept.get(item.id)) is None:
                    unknown.append(item.id)
                else:
                    self._kept.move_to_end(item.id)
                    found[item.id] = rule
        if unknown:
            read = access_rule.texts_of(session, tenant_id, unknown)
            fresh = {key: EffectiveRule.parse(text) for key, text in read.items()}
            found |= fresh
            with self._lock:
                self._kept.update(fresh)
                while len(self._kept) > self._most:
                    self._kept.popitem(last=False)
        return found


def _passed(
    principal: Principal, known: Sequence[KnownRule], rules: Mapping[UUID, EffectiveRule]
) -> frozenset[PassedRule]:
    """Those of these rules that let the principal pass."""
    readers = {item: principal.reader_of(item) for item in {rule.collection_id for rule in known}}
    return frozenset(
        PassedRule(item.collection_id, item.id)
        for item in known
        if (rule := rules.get(item.id)) is not None and rule.permits(readers[item.collection_id])
    )


def _parsed(text: str) -> AccessRule:
    return AccessRule.from_json(json.loads(text))


def _revision(known: Sequence[KnownRule]) -> int:
    """0 without rules. A sum, for rows come in any order; every document that gets a rule moves the instant of that rule."""
    return sum(hash((rule.id, rule.wanted_at)) for rule in known) or len(known)


def _holds_in_tenant(principal: Principal, role: Role) -> bool:
    """Whether it has the role in the whole tenant, by a credential that is not for some collections alone."""
    return principal.collections is None and _includes(principal.tenant_role, role)


def _holds_anywhere(principal: Principal, role: Role) -> bool:
    """Whether it has the role in some collection, or in the tenant with at least one to use it for."""
    if principal.collections is None and _includes(principal.tenant_role, role):
        return True
    places = {item for item, _ in principal.grants} | (principal.collections or frozenset())
    return any(_includes(principal.role_on(item), role) for item in places)


def _includes(role: Role | None, wanted: Role) -> bool:
    return role is not None and role.includes(wanted)


def _named(visible: Sequence[Collection], wanted: str) -> UUID:
    named = {row.name: row.id for row in visible} | {str(row.id): row.id for row in visible}
    if (found := named.get(wanted)) is not None:
        return found
    for row in visible:  # a name that is spelt in another form; one of before names were composed is met as well
        if composed(row.name) == composed(wanted):
            return row.id
    raise CollectionNotFound(name=wanted)
