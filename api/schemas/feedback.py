"""Bodies of the feedback routes."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from pydantic import BaseModel, Field

from api.schemas.common import Body
from rag.store.answer_record import Feedback, FeedbackReason, Rating


class FeedbackIn(Body):
    """What a caller says of an answer; the whole of it counts in place of what it said before."""

    rating: Rating
    reason: FeedbackReason | None = None
    comment: str = Field("", max_length=4000)
    corrected_answer: str = Field("", max_length=20_000, description="what the answer should have been")


class FeedbackOut(BaseModel):
    """What a caller said of an answer."""

    id: UUID
    answer_id: UUID
    rating: Rating
    reason: FeedbackReason | None
    comment: str
    corrected_answer: str
    given_by: UUID = Field(description="the key")
    given_by_name: str
    created_at: datetime
    changed_at: datetime

    @classmethod
    def of(cls, row: Feedback, *, withheld: bool = False) -> FeedbackOut:
        """The row as JSON; `withheld`: without its words, which are about what the caller may not read."""
        return cls(
            id=row.id,
            answer_id=row.answer_id,
            rating=Rating(row.rating),
            reason=FeedbackReason(row.reason) if row.reason else None,
            comment="" if withheld else row.comment,
            corrected_answer="" if withheld else row.corrected_answer,
            given_by=row.principal_id,
            given_by_name=row.principal_name,
            created_at=row.created_at,
            changed_at=row.changed_at,
        )


class KeptCitation(BaseModel):
    """A citation of an answer on record; its document is there still."""

    number: int
    document_id: UUID
    collection: str
    source_key: str
    title: str
    version: int
    chunk_id: UUID
    start: int = Field(description="first character of the quote in the passage that was shown")
    end: int
    quote: str


class KeptNote(BaseModel):
    """Something about how the answer came about."""

    kind: str
    detail: str


class KeptAnswer(BaseModel):
    """An answer on record."""

    id: UUID
    surface: str = Field(examples=["native", "chat", "responses"])
    asked_by: UUID = Field(description="the key")
    question: str = Field(description="empty where content is not kept")
    text: str = Field(description="with marks; empty where content is not kept, or what it quotes was deleted")
    language: str
    status: str = Field(examples=["answered", "abstained"])
    citations: list[KeptCitation]
    notes: list[KeptNote]
    generator: str
    prompt_version: str
    timings_ms: dict[str, float]
    content_withheld: bool = Field(
        description="whether it quotes what the caller may not read: text, comment and correction are empty then"
    )
    content_removed_at: datetime | None = Field(description="when what it quotes was deleted, and its words with it")
    created_at: datetime


class FeedbackWithAnswer(BaseModel):
    """What a caller said, and of which answer."""

    feedback: FeedbackOut
    answer: KeptAnswer


class FeedbackPage(BaseModel):
    """Feedback, the newest first."""

    feedback: list[FeedbackWithAnswer]
    next_cursor: UUID | None = Field(description="give it as `cursor` for the next page; none on the last")
