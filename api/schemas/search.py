"""Bodies of the search routes."""

from __future__ import annotations

from uuid import UUID

from pydantic import BaseModel, Field

from api.schemas.common import AnchorOut, Body, CollectionNames
from rag.domain.messages import UiLanguage
from rag.domain.passage import Passage, SearchResult, SearchTrace, Source


class SearchIn(Body):
    """A search."""

    question: str = Field(min_length=1, max_length=100_000, examples=["연차휴가는 며칠인가요?"])
    collections: CollectionNames = None
    limit: int = Field(10, ge=1, le=100)


class LegOut(BaseModel):
    """Where a passage stood in one leg."""

    rank: int
    score: float


class ParentOut(BaseModel):
    """The mail or archive that a document was found in."""

    document_id: UUID
    source_key: str
    title: str
    member: str = Field(description="what the file is called inside it", examples=["첨부/견적서.xlsx"])

    @classmethod
    def of(cls, source: Source) -> ParentOut | None:
        """The parent as JSON; none for what was uploaded."""
        found = source.parent
        if found is None:
            return None
        return cls(document_id=found.document_id, source_key=found.source_key, title=found.title, member=found.member)


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
    parent: ParentOut | None
    heading_path: list[str]
    text: str
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
            parent=ParentOut.of(passage.source),
            heading_path=list(passage.chunk.heading_path),
            text=passage.chunk.text,
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
    parent: ParentOut | None
    heading_path: list[str]
    text: str
    anchor: AnchorOut
    before: list[str]
    after: list[str]


def passage_url(base_url: str, chunk_id: UUID) -> str:
    """Address of a passage; the key is checked there again."""
    return f"{base_url}/api/v1/chunks/{chunk_id}"
