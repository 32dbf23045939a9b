"""Bodies of the routes of embedding spaces."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from pydantic import BaseModel, Field

from api.schemas.common import Body, CollectionNames
from rag.domain.messages import UiLanguage, space_failure_for
from rag.evaluation.questions import Expected
from rag.evaluation.space_comparison import EvaluationQuestion
from rag.settings import EmbeddingSettings
from rag.store.embedding_space import EmbeddingSpaceRow, SpaceState


class ComparisonOut(BaseModel):
    """What the evaluation questions said of a space, against the one that answered then."""

    against: str = Field(description="the space that answered then")
    questions: int
    labelled: int = Field(description="questions whose expected documents are on record; only they measure quality")
    ndcg_before: float = Field(description="mean nDCG@10 of the space that answered")
    ndcg_after: float = Field(description="mean nDCG@10 of this space")
    drop: float = Field(description="how much lower it is; negative where it is higher")
    drop_low: float = Field(description="lower end of the drop's 95 % interval (paired bootstrap)")
    drop_high: float
    worse: float = Field(description="share of the resamples in which it is lower")
    overlap: float = Field(description="share of the ten first passages that both have in common")
    left_out: int = Field(0, description="questions that expect a document that is not on record; they measure nothing")
    unknown: list[str] = Field(default_factory=list, description="names of such documents, at most 20")


class SpaceOut(BaseModel):
    """An embedding space."""

    id: str
    name: str
    state: str = Field(examples=["building", "ready", "current", "retired", "failed", "dropped"])
    settings: dict[str, Any] = Field(description="the embedding section of the configuration that opens it")
    done: int = Field(description="chunks built")
    total: int = Field(description="chunks to be built in all")
    eta_s: float | None = Field(description="seconds until it is built, at its pace so far; none while that is unknown")
    comparison: ComparisonOut | None
    previous: str | None = Field(description="the space that a rollback goes back to")
    forced: bool = Field(description="whether it was switched to against a bound, or without a comparison")
    error: str = Field(
        description="why it failed, such as that its model's files were changed; while it is built, what it waits for"
    )
    created_at: datetime
    ready_at: datetime | None
    switched_at: datetime | None

    @classmethod
    def of(cls, row: EmbeddingSpaceRow, language: UiLanguage) -> SpaceOut:
        """The row as JSON, its sentence in `language`."""
        building = row.state == SpaceState.BUILDING and row.done > 0
        return cls(
            id=row.id,
            name=row.name,
            state=row.state,
            settings=row.settings,
            done=row.done,
            total=row.total,
            eta_s=round((row.total - row.done) * row.worked_s / row.done, 1) if building else None,
            comparison=None if row.comparison is None else ComparisonOut(**row.comparison),
            previous=row.previous,
            forced=row.forced,
            error=space_failure_for(row.error, language),
            created_at=row.created_at,
            ready_at=row.ready_at,
            switched_at=row.switched_at,
        )


class SpaceList(BaseModel):
    """Every embedding space that there is or was."""

    spaces: list[SpaceOut]


class SpaceIn(Body):
    """The space to build."""

    embedding: EmbeddingSettings


MAX_QUESTIONS, MAX_DOCUMENTS, MAX_GRADE = 5000, 1000, 100
"""Of a comparison, of a question in it, and of a document of such a question."""
DocumentName = Annotated[str, Field(min_length=1, max_length=2000)]


class ExpectedIn(Body):
    """A document that answers a question, and how well."""

    names: list[DocumentName] = Field(
        min_length=1, max_length=10, description="what it may be called; the first one that is on record counts"
    )
    grade: int = Field(1, ge=1, le=MAX_GRADE, description="relevance: higher is better")


class QuestionIn(Body):
    """A question for the comparison."""

    question: str = Field(min_length=1, max_length=4000)
    documents: list[DocumentName | ExpectedIn] = Field(
        default_factory=list,
        max_length=MAX_DOCUMENTS,
        description="documents that answer it, where somebody has said so: key, id, file name or title",
    )

    def labelled(self) -> EvaluationQuestion:
        """The question as it is compared."""
        named = (ExpectedIn(names=[item]) if isinstance(item, str) else item for item in self.documents)
        return EvaluationQuestion(self.question, tuple(Expected(tuple(one.names), grade=one.grade) for one in named))


class ComparisonIn(Body):
    """What to compare the spaces with."""

    questions: list[QuestionIn] = Field(min_length=1, max_length=MAX_QUESTIONS)
    collections: CollectionNames = None


class SwitchIn(Body):
    """The bound of a switch."""

    max_drop: float = Field(0.01, ge=0, le=1, description="how much lower nDCG@10 may be")
    force: bool = Field(False, description="switch in any case; the record says so")
