"""Bodies of the collection routes."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime
from typing import Annotated
from uuid import UUID

from pydantic import BaseModel, BeforeValidator, Field

from api.schemas.common import Body, in_one_form
from api.schemas.privacy import Privacy
from rag.domain.access import Label
from rag.domain.language import CollectionKind
from rag.domain.personal_data import policy_from_json
from rag.domain.retention import RetentionRules, rules_from_json
from rag.domain.style import AnswerStyle, Format, Length, Tone, style_from_json
from rag.store.collection import Collection, label_of

CollectionName = Annotated[
    str,
    Field(min_length=1, max_length=100, pattern=r"^[^\s/\\][^/\\\x00-\x1f]*$", examples=["인사규정"]),
    BeforeValidator(in_one_form),
]
Days = Annotated[int | None, Field(ge=0, le=36_525)]


class CollectionIn(Body):
    """A collection to be made."""

    name: CollectionName
    kind: CollectionKind = CollectionKind.DOCUMENTS
    description: str = Field("", max_length=2000)


class Retention(Body):
    """How long what is stored may stay; a rule that is null is off."""

    retired_days: Days = Field(None, description="a replaced version goes so many days after it was replaced")
    retired_versions: int | None = Field(
        None, ge=0, le=10_000, description="of replaced versions, the newest so many stay"
    )
    document_days: Days = Field(None, description="a document goes so many days after its newest upload")
    dated_days: Days = Field(None, description="a document goes so many days after the date that the file itself bears")

    def to_domain(self) -> RetentionRules:
        """The rules."""
        return RetentionRules(**self.model_dump())


class Style(Body):
    """How answers from a collection are written, by a model; what is null is the default. The rules of citing stay."""

    tone: Tone | None = None
    length: Length | None = None
    format: Format | None = None

    def to_domain(self) -> AnswerStyle:
        """The style."""
        return AnswerStyle(self.tone or "", self.length or "", self.format or "")

    @classmethod
    def of(cls, style: AnswerStyle) -> Style:
        """The style as JSON."""
        return cls.model_validate(style.to_json())


class CollectionChange(Body):
    """What is to change about a collection; what is left out stays."""

    name: CollectionName | None = None
    description: str | None = Field(None, max_length=2000)
    retention: Retention | None = Field(None, description="all rules: one that is left out is off afterwards")
    privacy: Privacy | None = Field(None, description="the whole policy: what is left out is the default afterwards")
    answer_style: Style | None = Field(None, description="the whole style: what is left out is the default afterwards")


class DueDocument(BaseModel):
    """A document that a rule would delete now."""

    id: UUID
    source_key: str


class DueVersion(BaseModel):
    """A replaced version that a rule would delete now."""

    id: UUID
    document_id: UUID
    source_key: str
    number: int
    valid_to: datetime | None


class RetentionPreview(BaseModel):
    """What the rules would delete now, up to the limit asked for."""

    documents: list[DueDocument]
    versions: list[DueVersion]


class CollectionOut(BaseModel):
    """A collection."""

    id: UUID
    name: str
    kind: CollectionKind
    description: str
    retention: Retention
    answer_style: Style
    privacy: Privacy
    documents: int = Field(description="documents that are visible in it")
    label: Label = Field(description="C confidential, S sensitive, O open; that of a document in it may be higher")
    created_at: datetime

    @classmethod
    def of(cls, row: Collection, documents: int) -> CollectionOut:
        """The collection as JSON."""
        return cls(
            id=row.id,
            name=row.name,
            kind=CollectionKind(row.kind),
            description=row.description,
            retention=Retention(**asdict(rules_from_json(row.retention))),
            answer_style=Style.of(style_from_json(row.answer_style)),
            privacy=Privacy.of(policy_from_json(row.privacy)),
            documents=documents,
            label=label_of(row),
            created_at=row.created_at,
        )


class CollectionList(BaseModel):
    """All collections that the key may see, by name."""

    collections: list[CollectionOut]
