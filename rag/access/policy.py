"""The one place that decides who may do what, and the only one that builds a Permit."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from enum import Enum
from uuid import UUID

from rag.domain.errors import CollectionNotFound, NotPermitted
from rag.domain.filters import DocumentFilter
from rag.domain.principal import Permit, Principal, Scope
from rag.store import collection
from rag.store.collection import Collection
from rag.store.session import Database


class Action(Enum):
    """Everything that a route can do, with the scope that it takes."""

    LIST_COLLECTIONS = ("list_collections", Scope.READ)
    READ_COLLECTION = ("read_collection", Scope.READ)
    CREATE_COLLECTION = ("create_collection", Scope.ADMIN)
    CHANGE_COLLECTION = ("change_collection", Scope.ADMIN)
    DELETE_COLLECTION = ("delete_collection", Scope.ADMIN)
    READ_GLOSSARY = ("read_glossary", Scope.READ)
    CHANGE_GLOSSARY = ("change_glossary", Scope.WRITE)
    READ_DOCUMENTS = ("read_documents", Scope.READ)
    UPLOAD_DOCUMENTS = ("upload_documents", Scope.WRITE)
    CHANGE_DOCUMENTS = ("change_documents", Scope.WRITE)
    REVIEW_DOCUMENTS = ("review_documents", Scope.WRITE)
    DELETE_DOCUMENTS = ("delete_documents", Scope.WRITE)
    READ_RECEIPTS = ("read_receipts", Scope.WRITE)
    SYNC_SOURCES = ("sync_sources", Scope.WRITE)
    CONTROL_INGESTION = ("control_ingestion", Scope.WRITE)
    CONTROL_ALL_INGESTION = ("control_all_ingestion", Scope.ADMIN)
    SEARCH = ("search", Scope.READ)
    ASK = ("ask", Scope.READ)
    GIVE_FEEDBACK = ("give_feedback", Scope.READ)
    READ_FEEDBACK = ("read_feedback", Scope.ADMIN)
    READ_GENERATIONS = ("read_generations", Scope.READ)
    WRITE_PROGRAMS = ("write_programs", Scope.WRITE)
    LIST_MODELS = ("list_models", Scope.READ)
    USE_MODELS = ("use_models", Scope.READ)
    MANAGE_SPACES = ("manage_spaces", Scope.OPERATOR)

    def __init__(self, label: str, scope: Scope) -> None:
        self.label = label
        self.scope = scope


_IMPLIED: dict[Scope, frozenset[Scope]] = {
    Scope.READ: frozenset({Scope.READ}),
    Scope.WRITE: frozenset({Scope.READ, Scope.WRITE}),
    Scope.ADMIN: frozenset({Scope.READ, Scope.WRITE, Scope.ADMIN}),
    Scope.OPERATOR: frozenset({Scope.OPERATOR}),
}


class Policy:
    """Turns a principal and an action into a Permit, or refuses."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def require(self, principal: Principal, action: Action) -> None:
        """Raise NotPermitted unless a scope of the principal covers the action; what it may act on, `authorize` says."""
        if not any(action.scope in _IMPLIED[scope] for scope in principal.scopes):
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
        visible = self._visible(principal)
        if collections is None:
            held = frozenset(item.id for item in visible)
            return Permit(principal, held | self._deleted(principal, action), as_of, where)
        return Permit(principal, frozenset(_named(visible, wanted) for wanted in collections), as_of, where)

    def _deleted(self, principal: Principal, action: Action) -> frozenset[UUID]:
        if action is not Action.READ_RECEIPTS:
            return frozenset()
        with self._database.read() as session:
            ids = frozenset(collection.deleted_of_tenant(session, principal.tenant_id))
        return ids if principal.collections is None else ids & principal.collections

    def _visible(self, principal: Principal) -> list[Collection]:
        with self._database.read() as session:
            rows = collection.of_tenant(session, principal.tenant_id)
        return [row for row in rows if principal.collections is None or row.id in principal.collections]


def _named(visible: Sequence[Collection], wanted: str) -> UUID:
    for row in visible:
        if wanted in (row.name, str(row.id)):
            return row.id
    raise CollectionNotFound(name=wanted)
