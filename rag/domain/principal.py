"""Who asks, and what the policy let them read."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from uuid import UUID

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


@dataclass(frozen=True, slots=True)
class Principal:
    """An authenticated caller.

    Attributes:
        collections: collections that the credential is limited to; None means all of the tenant's.
        citation_style: what the client that the credential was made for shows.
    """

    id: UUID
    name: str
    tenant_id: UUID
    scopes: frozenset[Scope]
    collections: frozenset[UUID] | None = None
    citation_style: CitationStyle = CitationStyle.ANNOTATIONS


@dataclass(frozen=True, slots=True)
class Permit:
    """The right of `principal` to read the chunks of `collections`, for one question.

    Only `rag.access.policy` builds one (a test reads the source tree for it); retrieval and index require it, so there
    is no unfiltered search.

    Attributes:
        collections: never empty of meaning: an empty set permits nothing.
        as_of: read the versions valid at this moment; None means the current ones.
        where: read only documents that it holds for; None means all.
    """

    principal: Principal
    collections: frozenset[UUID]
    as_of: datetime | None = None
    where: DocumentFilter | None = None

    def narrowed(self, collections: Iterable[UUID]) -> Permit:
        """The same permit for fewer collections; it can never grow."""
        return replace(self, collections=self.collections & frozenset(collections))

    def filtered(self, where: DocumentFilter) -> Permit:
        """The same permit for the documents that `where` holds for too; it can never grow.

        Raises:
            ValueError: both filters put a condition of the same kind, which a filter can hold once only.
        """
        return replace(self, where=where if self.where is None else self.where.narrowed(where))

    @property
    def tenant_id(self) -> UUID:
        """The one tenant whose data can be read."""
        return self.principal.tenant_id
