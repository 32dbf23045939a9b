"""Who asks, and what the policy let them read."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import NamedTuple
from uuid import UUID

from rag.domain.access import EVERYONE, Label, Reader, Role, Subject, attribute, group, highest, user
from rag.domain.filters import DocumentFilter


class Scope(StrEnum):
    """What a credential may do. A wider scope includes the narrower ones only where the policy says so."""

    READ = "read"
    WRITE = "write"
    ADMIN = "admin"
    OPERATOR = "operator"
    """What concerns the whole installation, all tenants together: it reads nothing by itself."""


class CitationStyle(StrEnum):
    """How chat clients show the sources of an answer, beside the annotations of OpenAI's API that every answer has."""

    ANNOTATIONS = "annotations"
    OPEN_WEBUI = "open-webui"
    """Events that Open WebUI reads."""
    INLINE_FOOTER = "inline+footer"
    """A list as text behind the answer."""


class PrincipalKind(StrEnum):
    """By what a caller is known."""

    KEY = "key"
    """A key that belongs to nobody in particular: to the tenant."""
    USER = "user"
    SERVICE = "service"
    """A service account."""
    OPERATOR = "operator"
    """Whoever holds the data folder, at the command line."""
    WIDGET = "widget"
    """A page in a browser, with a token that a key made for it."""


_ROLE_OF_SCOPE = {Scope.READ: Role.VIEWER, Scope.WRITE: Role.CONTRIBUTOR, Scope.ADMIN: Role.ADMIN}


@dataclass(frozen=True, slots=True)
class Principal:
    """An authenticated caller: who it is, and what the credential that it came with may do.

    Attributes:
        id: of the account; of the key, where it belongs to none.
        collections: collections that the credential is limited to; None means all of the tenant's.
        citation_style: what the client that the credential was made for shows.
        role: in the whole tenant; of keys without an account it follows from their scopes.
        grants: roles in single collections.
        groups: those that the account is in, groups around groups included.
        attributes: name and value, as the directory says.
        clearance: reads documents up to this label.
        credential: id of the key, session or token that it came with; None where that is the principal itself.
        made_by: whoever made that credential for somebody else, and so can use it too.
        behind: all that a rule can call them by.
        issued_by: id of the key that made the token that it came with.
    """

    id: UUID
    name: str
    tenant_id: UUID
    scopes: frozenset[Scope]
    collections: frozenset[UUID] | None = None
    citation_style: CitationStyle = CitationStyle.ANNOTATIONS
    kind: PrincipalKind = PrincipalKind.KEY
    role: Role | None = None
    grants: tuple[tuple[UUID, Role], ...] = ()
    groups: frozenset[UUID] = frozenset()
    attributes: frozenset[tuple[str, str]] = frozenset()
    clearance: Label = Label.OPEN
    credential: UUID | None = None
    made_by: UUID | None = None
    behind: frozenset[Subject] = frozenset()
    issued_by: UUID | None = None

    @property
    def tenant_role(self) -> Role | None:
        """The role in the whole tenant, the collections that the credential is limited to left aside."""
        if self.kind is PrincipalKind.KEY:
            return highest(_ROLE_OF_SCOPE.get(scope) for scope in self.scopes)
        return self.role

    def role_on(self, collection_id: UUID) -> Role | None:
        """The role in one collection of the tenant; None when there is none, or the credential is not for it."""
        if self.collections is not None and collection_id not in self.collections:
            return None
        return highest([self.tenant_role, *(role for item, role in self.grants if item == collection_id)])

    @property
    def charged(self) -> UUID:
        """Whose allowance it uses: the account's, with whichever of its keys and sessions it came; else that of the key that it
        came with, or that its token was made with."""
        return self.id if self.kind in (PrincipalKind.USER, PrincipalKind.SERVICE) else self.key

    @property
    def key(self) -> UUID:
        """The key that it came with, or that its token was made with; what it is charged for where there is none."""
        return self.issued_by or self.credential or self.id

    @property
    def whole_tenant(self) -> bool:
        """Whether it may know what goes on in all of the tenant: a key of the tenant without limits, or an administrator."""
        if self.collections is not None:
            return False
        return self.kind is PrincipalKind.KEY or self.tenant_role is Role.ADMIN

    @property
    def subjects(self) -> frozenset[Subject]:
        """All that a rule can call it by."""
        groups = {group(item) for item in self.groups}
        attributes = {attribute(name, value) for name, value in self.attributes}
        return frozenset({user(self.id), EVERYONE} | groups | attributes)

    def reader_of(self, collection_id: UUID) -> Reader:
        """The principal as the rules of a collection see it."""
        role = self.role_on(collection_id)
        return Reader(self.subjects, self.clearance, role is not None and role.includes(Role.CURATOR), self.behind)


class PassedRule(NamedTuple):
    """A rule of documents of one collection that lets somebody pass."""

    collection_id: UUID
    rule_id: UUID


@dataclass(frozen=True, slots=True)
class Permit:
    """The right of `principal` to read the chunks of `collections`, for one question.

    Only `rag.access.policy` builds one (a test reads the source tree for it); retrieval and index require it, so there
    is no unfiltered search.

    Attributes:
        collections: never empty of meaning: an empty set permits nothing.
        as_of: read the versions valid at this moment; None means the current ones.
        where: read only documents that it holds for; None means all.
        rules: the rules of documents that let the principal pass. A document with a rule that is not among them can't
            be read, so one whose rule changed since can't either.
        raw: whether its principal's role counts for seeing what the policies of collections hide; if not, it is hidden.
        revision: changes with every change of what rules hold for documents of these collections: what is remembered under
            a permit is remembered under this too. 0 where there are no rules.
    """

    principal: Principal
    collections: frozenset[UUID]
    as_of: datetime | None = None
    where: DocumentFilter | None = None
    rules: frozenset[PassedRule] = frozenset()
    revision: int = 0
    raw: bool = True

    def masked(self) -> Permit:
        """The same permit for what is to be read by others too: what is hidden from anybody is hidden."""
        return replace(self, raw=False)

    def narrowed(self, collections: Iterable[UUID]) -> Permit:
        """The same permit for fewer collections; it can never grow."""
        return replace(self, collections=self.collections & frozenset(collections))

    def filtered(self, where: DocumentFilter) -> Permit:
        """The same permit for the documents that `where` holds for too; it can never grow.

        Raises:
            ValueError: both filters put a condition of the same kind, which a filter can hold once only.
        """
        return replace(self, where=where if self.where is None else self.where.narrowed(where))

    def passing(self, rules: Iterable[PassedRule]) -> Permit:
        """The same permit for documents of fewer rules; it can never grow."""
        return replace(self, rules=self.rules & frozenset(rules))

    @property
    def curates(self) -> bool:
        """Whether its principal curates all of its collections."""
        return all(self.principal.reader_of(item).curates for item in self.collections)

    @property
    def rule_ids(self) -> frozenset[UUID]:
        """Ids of the rules that let the principal pass in the collections of the permit."""
        return frozenset(item.rule_id for item in self.rules if item.collection_id in self.collections)

    @property
    def tenant_id(self) -> UUID:
        """The one tenant whose data can be read."""
        return self.principal.tenant_id
