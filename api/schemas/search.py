"""Bodies of the search routes."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from urllib.parse import quote
from uuid import UUID

from pydantic import BaseModel, Field, JsonValue

from api.schemas.common import AnchorOut, Body, CollectionNames
from api.schemas.conversation import HISTORY, INFER_FILTERS, MAX_TURNS, History
from api.schemas.filters import AsOf, FilterIn
from rag.domain.anchor import Anchor, LineAnchor
from rag.domain.code import MirrorText
from rag.domain.language import Language
from rag.domain.messages import UiLanguage, message_for
from rag.domain.passage import (
    DropReason,
    Passage,
    QuestionNote,
    RerankState,
    RerankTrace,
    SearchResult,
    SearchTrace,
    Source,
    line_span,
)


class SearchIn(Body):
    """A search."""

    question: str = Field(min_length=1, max_length=100_000, examples=["연차휴가는 며칠인가요?"])
    collections: CollectionNames = None
    limit: int = Field(10, ge=1, le=100)
    as_of: AsOf = None
    filter: FilterIn | None = None
    explain: bool = Field(
        False, description="say how the result came about: weights, filters, what was left out and why"
    )
    history: History = Field(default_factory=list, max_length=MAX_TURNS, description=HISTORY)
    infer_filters: bool = Field(True, description=INFER_FILTERS)


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


class CodePlace(BaseModel):
    """Where a text stands in source code; all null for everything else."""

    path: str | None = Field(
        None, description="of source code: the repository's name and the path in it", examples=["payments/src/login.py"]
    )
    lines: str | None = Field(None, description="of source code: first and last line", examples=["10-24"])
    commit: str | None = Field(None, description="of a repository's file: the commit that it was read at, in full")
    place: str | None = Field(None, examples=["payments/src/login.py:10-24@abc123def456"])


def code_place(source: Source, anchor: Anchor, *, is_code: bool) -> dict[str, str | None]:
    """The fields of `CodePlace`."""
    if not isinstance(anchor, LineAnchor) or not (is_code or source.commit):
        return dict.fromkeys(CodePlace.model_fields)
    is_file = source.mirrored is None or bool(source.mirrored.path)
    return {
        "path": source.source_key if is_file else None,
        "lines": line_span(anchor) if is_file else None,
        "commit": source.commit or None,
        "place": source.place(anchor) or source.spot(anchor),
    }


class PassageOut(CodePlace):
    """A passage that the key may read."""

    rank: int
    score: float
    chunk_id: UUID
    document_id: UUID
    version: int
    collection: str
    source_key: str
    title: str
    source_url: str | None = Field(description="address of the web page, when the source is a snapshot of one")
    fetched_at: datetime | None = Field(description="when the web page was fetched")
    valid_from: datetime | None = Field(description="since when this version answers questions")
    valid_to: datetime | None = Field(
        description="until when it did; only a question as of a date finds such a version"
    )
    parent: ParentOut | None
    heading_path: list[str]
    text: str
    provision: str = Field(description="of a statute or rule that the text is", examples=["제24조제1항–제3항", ""])
    anchor: AnchorOut
    url: str = Field(description="where the passage can be opened, permission checked")
    legs: dict[str, LegOut]
    boosts: dict[str, float] = Field(
        description="what lifted it besides the question (symbol, provision, recency, authority), or set aside (place; negative)"
    )
    members: list[UUID] = Field(description="chunks that were merged into it, in reading order; empty for a single one")
    rerank: float | None = Field(description="what the reranker gave it, 0 to 1; null where none read it")

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
            source_url=passage.source.source_url or None,
            fetched_at=passage.source.fetched_at,
            valid_from=passage.source.valid_from,
            valid_to=passage.source.valid_to,
            parent=ParentOut.of(passage.source),
            heading_path=list(passage.chunk.heading_path),
            text=passage.chunk.text,
            provision=passage.chunk.provision,
            anchor=AnchorOut.of(passage.anchor, language),
            url=passage_url(base_url, passage.chunk.id, passage.source, passage.anchor),
            **code_place(passage.source, passage.anchor, is_code=passage.chunk.language is Language.CODE),
            legs={name: LegOut(rank=leg.rank, score=leg.score) for name, leg in passage.legs.items()},
            boosts=passage.boosts,
            members=list(passage.members),
            rerank=passage.rerank,
        )


class NoteOut(BaseModel):
    """What a question was searched with beside its own words, or by which condition."""

    kind: str = Field(examples=["glossary", "spelling", "spacing", "keyboard", "number", "date", "provision", "filter"])
    found: str = Field(description="the words of the question that it comes from", examples=["자보법"])
    added: list[str] = Field(examples=[["자동차손해배상 보장법"]])

    @classmethod
    def of(cls, note: QuestionNote) -> NoteOut:
        """The note as JSON."""
        return cls(kind=note.kind, found=note.found, added=list(note.added))


class RerankOut(BaseModel):
    """What became of the reranker's second look."""

    model: str
    state: RerankState = Field(description="anything but done: the fused order stands")
    candidates: int
    milliseconds: float
    error: str | None = Field(
        description="with the state unavailable: why, and what its operator has to set, in the language of the request"
    )

    @classmethod
    def of(cls, trace: RerankTrace, language: UiLanguage) -> RerankOut:
        """The reranker's part as JSON."""
        why = message_for(trace.error_code, trace.error_params, language) if trace.error_code else None
        return cls(
            model=trace.model,
            state=trace.state,
            candidates=trace.candidates,
            milliseconds=trace.milliseconds,
            error=why,
        )


class TraceOut(BaseModel):
    """How the result came about."""

    language: str
    legs: list[str]
    candidates: int
    withheld: int = Field(
        description="hits that the record does not permit, told to who curates all that was searched; 0 for others"
    )
    timings_ms: dict[str, float]
    fusion: str = Field(description="how the legs became one ranking: scores, rrf or dbsf")
    notes: list[NoteOut] = Field(description="what the question was understood to mean")
    rerank: RerankOut

    @classmethod
    def of(cls, trace: SearchTrace, language: UiLanguage) -> TraceOut:
        """The trace as JSON."""
        return cls(
            language=trace.language,
            legs=list(trace.legs),
            candidates=trace.candidates if trace.curated else trace.candidates - trace.withheld,
            withheld=trace.withheld if trace.curated else 0,
            timings_ms=trace.timings_ms,
            fusion=trace.fusion,
            notes=[NoteOut.of(note) for note in trace.notes],
            rerank=RerankOut.of(trace.rerank, language),
        )


class DroppedOut(BaseModel):
    """A hit that another passage stands for. The key may read it, or it would not be named."""

    chunk_id: UUID
    document_id: UUID
    reason: DropReason
    shown_as: UUID


class ExplainOut(BaseModel):
    """How a result came about, for people who have to explain or improve it."""

    collections: list[str] = Field(description="names of the collections that were searched")
    as_of: datetime | None
    filter: dict[str, JsonValue] | None = Field(description="as it was given")
    weights: dict[str, dict[str, float]] = Field(
        description="what each leg weighs beside the dense one, by kind of collection, in standard deviations of its scores"
    )
    dropped: list[DroppedOut]


class SearchOut(BaseModel):
    """The passages for a question, best first."""

    question: str
    passages: list[PassageOut]
    trace: TraceOut
    explain: ExplainOut | None = None

    @classmethod
    def of(
        cls, result: SearchResult, language: UiLanguage, base_url: str, explain: ExplainOut | None = None
    ) -> SearchOut:
        """The result as JSON."""
        return cls(
            question=result.question,
            passages=[PassageOut.of(item, language, base_url) for item in result.passages],
            trace=TraceOut.of(result.trace, language),
            explain=explain,
        )


class ChunkOut(CodePlace):
    """A cited passage with the text around it."""

    chunk_id: UUID
    document_id: UUID
    version: int
    collection: str
    source_key: str
    title: str
    source_url: str | None
    fetched_at: datetime | None
    parent: ParentOut | None
    heading_path: list[str]
    text: str
    provision: str = Field(description="of a statute or rule that the text is", examples=["제24조제1항–제3항", ""])
    references: list[str] = Field(
        description="provisions that the text refers to", examples=[["제5조제1항", "근로기준법 제50조"]]
    )
    anchor: AnchorOut
    before: list[str]
    after: list[str]


def found_out(search: SearchResult, language: UiLanguage, base_url: str) -> dict[str, Any]:
    """What a search found, as JSON: all that there is to be shown where no answer is written from it."""
    passages = [PassageOut.of(item, language, base_url).model_dump(mode="json") for item in search.passages]
    return {"passages": passages, "trace": TraceOut.of(search.trace, language).model_dump(mode="json")}


def passage_url(base_url: str, chunk_id: UUID, source: Source, anchor: Anchor | None = None) -> str:
    """Address of a passage, or of what is at `anchor` in it; the key is checked there again.

    One of a replaced version is asked for as of its time. What comes from a repository's mirror is found there, by its commit.
    """
    if source.mirrored is not None:
        return _mirror_url(base_url, source, source.mirrored, anchor)
    address = f"{base_url}/api/v1/chunks/{chunk_id}"
    if source.valid_to is None or source.valid_from is None:
        return address
    return f"{address}?as_of={quote(source.valid_from.isoformat())}"


def _mirror_url(base_url: str, source: Source, mirrored: MirrorText, anchor: Anchor | None) -> str:
    address = f"{base_url}/api/v1/repositories/{mirrored.repository_id}"
    if not mirrored.path:
        return f"{address}/commits/{source.commit}"
    lines = f"&first={anchor.first}&last={anchor.last}" if isinstance(anchor, LineAnchor) else ""
    return f"{address}/files/{quote(mirrored.path)}?commit={source.commit}{lines}"
