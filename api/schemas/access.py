"""Bodies of the routes about who may read."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Annotated
from uuid import UUID

from pydantic import BaseModel, Field

from api.schemas.common import Body
from api.schemas.filters import FilterIn
from rag.access.explaining import Decision, Explanation
from rag.domain.access import MAX_SUBJECTS, AccessRule, GivenRule, Label, Subject, SubjectKind

SubjectText = Annotated[
    str,
    Field(
        min_length=1,
        max_length=300,
        pattern=r"^[^\x00]+$",
        examples=["group:인사팀", "user:hong", "attribute:dept=HR", "everyone"],
        description="`user:` or `group:` with a name or id, `attribute:name=value`, or `everyone`",
    ),
]
Names = Mapping[Subject, str]


class AccessIn(Body):
    """Who may read. A denial wins over everything; a list of readers that is not empty must hold the reader; a label is for
    those who are cleared for it."""

    allow: list[SubjectText] = Field([], max_length=MAX_SUBJECTS, description="who may read; empty: whoever has a role")
    deny: list[SubjectText] = Field([], max_length=MAX_SUBJECTS, description="who may not, whatever else holds")
    label: Label = Field(Label.OPEN, description="C confidential, S sensitive, O open")

    def to_domain(self) -> GivenRule:
        """The rule as it was stated."""
        return GivenRule(tuple(self.allow), tuple(self.deny), self.label)


class AccessChange(AccessIn):
    """The rule in place of the one before."""

    force: bool = Field(False, description="also if the caller can't read it any more afterwards")


class BulkAccessIn(AccessChange):
    """The rule for every document that a filter holds for."""

    filter: FilterIn | None = None
    cursor: UUID | None = Field(None, description="`next_cursor` of the call before")
    limit: int = Field(1000, ge=1, le=10_000, description="documents of one call")


class SubjectOut(BaseModel):
    """Somebody whom a rule names."""

    subject: str = Field(examples=["group:0b6e0f5e-…", "everyone"])
    name: str | None = Field(description="of the account, key or group; none when it is gone")

    @classmethod
    def of(cls, subject: Subject, names: Names) -> SubjectOut:
        """The subject as JSON."""
        own = subject.value if subject.kind is SubjectKind.ATTRIBUTE else None
        return cls(subject=subject.text, name=names.get(subject, own))


class AccessOut(BaseModel):
    """A rule."""

    allow: list[SubjectOut]
    deny: list[SubjectOut]
    label: Label

    @classmethod
    def of(cls, rule: AccessRule, names: Names) -> AccessOut:
        """The rule as JSON."""
        return cls(
            allow=[SubjectOut.of(item, names) for item in sorted(rule.allow)],
            deny=[SubjectOut.of(item, names) for item in sorted(rule.deny)],
            label=rule.label,
        )


class ContainerAccess(BaseModel):
    """The rule of a mail or an archive that the document lies in."""

    document_id: UUID
    source_key: str
    access: AccessOut


class DocumentAccess(BaseModel):
    """Everything that decides who may read a document; every level must permit."""

    document_id: UUID
    owner: SubjectOut | None = Field(description="who uploaded it first; always among a list of readers")
    access: AccessOut = Field(description="of the document itself")
    containers: list[ContainerAccess] = Field(description="the outermost first")
    collection: AccessOut
    label: Label = Field(description="the highest of all levels")
    settled: bool = Field(description="whether the index has followed; until then searches leave the document out")


class DocumentRule(BaseModel):
    """A document's own rule, as it is now."""

    document_id: UUID
    access: AccessOut


class CollectionAccess(BaseModel):
    """Who may read a collection, beside the roles."""

    collection_id: UUID
    access: AccessOut


class BulkAccess(BaseModel):
    """What a change of many documents did."""

    documents: int = Field(description="documents of this call, which all have the rule now")
    changed: int = Field(description="documents for which something else holds now, files inside them included")
    next_cursor: UUID | None = Field(description="give it as `cursor` for the next ones; none when all are done")


class DecisionOut(BaseModel):
    """What one level says."""

    level: str = Field(examples=["person", "collection", "container", "document"])
    why: str = Field(
        examples=["no_role", "suspended", "clearance", "denied", "not_listed", "curates", "listed", "not_restricted"]
    )
    permits: bool
    entry: SubjectOut | None = Field(description="the entry that decided")
    label: Label
    document_id: UUID | None

    @classmethod
    def of(cls, found: Decision, names: Names) -> DecisionOut:
        """The decision as JSON."""
        return cls(
            level=found.level,
            why=found.why,
            permits=found.permits,
            entry=None if found.entry is None else SubjectOut.of(found.entry, names),
            label=found.label,
            document_id=found.document_id,
        )


class ExplanationOut(BaseModel):
    """Why somebody can or can't read a document. Limits of a single key of the person are not looked at."""

    subject: SubjectOut
    permitted: bool
    role: str | None = Field(description="in the collection")
    clearance: Label
    decided_by: DecisionOut
    levels: list[DecisionOut] = Field(description="from the outside in")

    @classmethod
    def of(cls, found: Explanation, names: Names) -> ExplanationOut:
        """The explanation as JSON."""
        return cls(
            subject=SubjectOut.of(found.subject, names),
            permitted=found.permitted,
            role=found.role,
            clearance=found.clearance,
            decided_by=DecisionOut.of(found.decided_by, names),
            levels=[DecisionOut.of(item, names) for item in found.decisions],
        )


def subjects_in(rules: Iterable[AccessRule]) -> set[Subject]:
    """All that these rules name."""
    return {item for rule in rules for item in rule.allow | rule.deny}
