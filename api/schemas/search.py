"""Bodies of the search routes."""

from __future__ import annotations

from uuid import UUID

from pydantic import BaseModel, Field

from api.schemas.common import AnchorOut, Body, CollectionNames
from rag.domain.messages import UiLanguage
from rag.domain.passage import Passage, SearchResult, SearchTrace


class SearchIn(Body):
    """A search."""

    question: str = Field(min_length=1, max_length=100_000, examples=["연차휴가는 며칠인가요?"])
    collections: CollectionNames = None
    limit: int = Field(10, ge=1, le=100)


class LegOut(BaseModel):
    """Where a passage stood in one leg."""

    rank: int
    score: float


class PassageOut(BaseModel):
    """A passage that the key may read."""

    rank: int
    score: float
    chunk_id: UUID
    document_id: UUID
    version: int
    collection: str
    source_key: str
    title: str
    heading_path: list[str]
    text: str
    provision: str = Field(description="of a statute or rule that the text is", examples=["제24조제1항–제3항", ""])
    anchor: AnchorOut
    url: str = Field(description="where the passage can be opened, permission checked")
    legs: dict[str, LegOut]

    @classmethod
    def of(cls, passage: Passage, language: UiLanguage, base_url: str) -> PassageOut:
        """The passage as JSON."""
        return cls(
            rank=passage.rank,
            score=passage.score,
            chunk_id=passage.chunk.id,
            document_id=passage.source.document_id,
            version=passage.source.version_number,
            collection=passage.source.collection_name,
            source_key=passage.source.source_key,
            title=passage.source.title,
            heading_path=list(passage.chunk.heading_path),
            text=passage.chunk.text,
            provision=passage.chunk.provision,
            anchor=AnchorOut.of(passage.anchor, language),
            url=passage_url(base_url, passage.chunk.id),
            legs={name: LegOut(rank=leg.rank, score=leg.score) for name, leg in passage.legs.items()},
        )


class TraceOut(BaseModel):
    """How the result came about."""

    language: str
    legs: list[str]
    candidates: int
    withheld: int = Field(description="hits that the record does not permit")
    timings_ms: dict[str, float]

    @classmethod
    def of(cls, trace: SearchTrace) -> TraceOut:
        """The trace as JSON."""
        return cls(
            language=trace.language,
            legs=list(trace.legs),
            candidates=trace.candidates,
            withheld=trace.withheld,
            timings_ms=trace.timings_ms,
        )


class SearchOut(BaseModel):
    """The passages for a question, best first."""

    question: str
    passages: list[PassageOut]
    trace: TraceOut

    @classmethod
    def of(cls, result: SearchResult, language: UiLanguage, base_url: str) -> SearchOut:
        """The result as JSON."""
        return cls(
            question=result.question,
            passages=[PassageOut.of(item, language, base_url) for item in result.passages],
            trace=TraceOut.of(result.trace),
        )


class ChunkOut(BaseModel):
    """A cited passage with the text around it."""

    chunk_id: UUID
    document_id: UUID
    version: int
    collection: str
    source_key: str
    title: str
    heading_path: list[str]
    text: str
    provision: str = Field(description="of a statute or rule that the text is", examples=["제24조제1항–제3항", ""])
    references: list[str] = Field(
        description="provisions that the text refers to", examples=[["제5조제1항", "근로기준법 제50조"]]
    )
    anchor: AnchorOut
    before: list[str]
    after: list[str]


def passage_url(base_url: str, chunk_id: UUID) -> str:
    """Address of a passage; the key is checked there again."""
    return f"{base_url}/api/v1/chunks/{chunk_id}"
