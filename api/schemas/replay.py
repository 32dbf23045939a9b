"""Bodies of a replay."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from pydantic import BaseModel, Field

from api.schemas.search import PassageOut


class ReplayedCitation(BaseModel):
    """A citation of the answer; its quote only where the caller may read the document now."""

    number: int
    document_id: UUID
    version: int
    chunk_id: UUID
    quote: str


class ReplayedAnswer(BaseModel):
    """The answer as it is on record."""

    id: UUID
    surface: str
    asked_by: UUID
    asked_by_name: str
    asked_by_kind: str
    question: str
    text: str = Field(description="empty where it cites what the caller may not read, or was removed")
    withheld: bool = Field(description="whether text and quotes are left out because of that")
    citations: list[ReplayedCitation]
    abstained: str
    permit: dict[str, Any] | None = Field(description="what could be read for it")
    asked: dict[str, Any] | None
    stood_on: dict[str, Any] | None = Field(description="space, models and settings")
    prompt_version: str
    prompt_sha256: str
    asked_at: datetime | None
    created_at: datetime


class DifferenceOut(BaseModel):
    """One thing that differs."""

    cause: str
    detail: dict[str, Any]


class ReplayOut(BaseModel):
    """What the same search gives now."""

    answer: ReplayedAnswer
    identical: bool = Field(description="the same passages with the same scores in the same order, bit for bit")
    differences: list[DifferenceOut]
    then: list[dict[str, Any]] = Field(description="candidates of the answer: ids, places, scores")
    now: list[dict[str, Any]]
    passages: list[PassageOut] = Field(description="what was found now, under the caller's own permit")
