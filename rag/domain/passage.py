"""Passages: permitted chunks with the place they come from, ranked for one question."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from typing import NamedTuple
from uuid import UUID

from rag.domain.anchor import Anchor, LineAnchor
from rag.domain.code import MirrorText
from rag.domain.document import Chunk
from rag.domain.language import CollectionKind, Language


def line_span(anchor: LineAnchor) -> str:
    """`10-24`, or `10` for one line."""
    return str(anchor.first) if anchor.first == anchor.last else f"{anchor.first}-{anchor.last}"


@dataclass(frozen=True, slots=True)
class Parent:
    """The document that another one was found in.

    Attributes:
        member: what the file is called inside it, folders included.
    """

    document_id: UUID
    source_key: str
    title: str
    member: str


@dataclass(frozen=True, slots=True)
class Source:
    """The document version that a chunk belongs to.

    Attributes:
        source_url, fetched_at: of a web page's snapshot; empty and None otherwise.
        valid_to: set when a newer version has replaced this one, which only a question as of a date can see.
        parent: the mail or the archive that the document is in; None for what was uploaded.
        flagged: the version seems to speak to a model, and no curator has cleared it.
        commit: of a repository's file, the commit that it was read at; empty for everything else. Its source key is then the
            name of the repository and the file's path.
        mirrored: set where the text comes from the repository's mirror, and is no chunk on record.
    """

    document_id: UUID
    version_id: UUID
    version_number: int
    collection_id: UUID
    collection_name: str
    collection_kind: CollectionKind
    source_key: str
    title: str
    media_type: str
    author: str = ""
    source_url: str = ""
    fetched_at: datetime | None = None
    valid_from: datetime | None = None
    valid_to: datetime | None = None
    parent: Parent | None = None
    flagged: bool = False
    commit: str = ""
    mirrored: MirrorText | None = None

    def place(self, anchor: Anchor) -> str:
        """Where something stands in a repository's file, `path:line-line@commit`; empty outside of repositories."""
        spot = self.spot(anchor) if self.commit else ""
        return f"{spot}@{self.commit[:12]}" if spot else ""

    def spot(self, anchor: Anchor) -> str:
        """The same without the commit, `path:line-line`, of any text that has lines; of a commit's message the repository."""
        if not isinstance(anchor, LineAnchor):
            return ""
        return self.source_key if self.mirrored and not self.mirrored.path else f"{self.source_key}:{line_span(anchor)}"

    def renamed(self, name: Callable[[str], str]) -> Source:
        """The same with every name in it as `name` gives it."""
        parent = self.parent
        if parent is not None:
            parent = Parent(parent.document_id, name(parent.source_key), name(parent.title), name(parent.member))
        return replace(
            self,
            source_key=name(self.source_key),
            title=name(self.title),
            author=name(self.author),
            source_url=name(self.source_url),
            parent=parent,
        )


class LocatedChunk(NamedTuple):
    """A chunk and its source, read under a permit."""

    chunk: Chunk
    source: Source


@dataclass(frozen=True, slots=True)
class LegScore:
    """A hit's place in one leg: rank from 1, raw score in the leg's own unit."""

    rank: int
    score: float


@dataclass(frozen=True, slots=True)
class Passage:
    """A chunk that may be shown and cited.

    Attributes:
        rank: place in the result, from 1.
        score: fused score, boosts included; comparable within one result only.
        chunk: where neighbours were merged, their texts in one, under the id of the best of them.
        legs: where the hit stood in each leg.
        boosts: what lifted it besides the question, by name; empty by default.
        members: ids of the chunks that were merged into it, in reading order; empty for a single one.
        span: first and last ordinal of those.
        rerank: what the reranker gave it, 0 to 1, comparable between questions; None where none read it. Passages with one
            stand before those without, in its order (boosts included), whatever their `score`.
    """

    rank: int
    score: float
    chunk: Chunk
    source: Source
    legs: dict[str, LegScore] = field(default_factory=dict)
    boosts: dict[str, float] = field(default_factory=dict)
    members: tuple[UUID, ...] = ()
    span: tuple[int, int] | None = None
    rerank: float | None = None

    @property
    def ordinals(self) -> tuple[int, int]:
        """First and last ordinal of the passage in its document."""
        return self.span or (self.chunk.ordinal, self.chunk.ordinal)

    @property
    def anchor(self) -> Anchor:
        """Where the whole passage stands."""
        return self.chunk.anchor

    def at(self, rank: int) -> Passage:
        """The same at another place of a result."""
        return replace(self, rank=rank)


def documents_of(passages: Iterable[Passage]) -> list[UUID]:
    """The documents that passages are from, each once."""
    return list(dict.fromkeys(item.source.document_id for item in passages))


class DropReason(StrEnum):
    """Why a permitted hit is not a passage of its own."""

    COPY = "copy"
    NEAR_COPY = "near_copy"
    MERGED = "merged"


@dataclass(frozen=True, slots=True)
class Dropped:
    """A permitted hit that another passage stands for."""

    chunk_id: UUID
    document_id: UUID
    reason: DropReason
    shown_as: UUID


class RerankState(StrEnum):
    """What became of the reranker's second look; only after `done` its order counts."""

    OFF = "off"
    DONE = "done"
    LATE = "late"
    UNAVAILABLE = "unavailable"


@dataclass(frozen=True, slots=True)
class RerankTrace:
    """The reranker's part in a result.

    Attributes:
        model: name of the model and its settings; empty without one.
        candidates: passages that it was given.
        fingerprint: of the model's files, where they are on this machine.
        error_code, error_params: why the model was unavailable, as `message_for` takes them; empty where nobody said.
    """

    model: str = ""
    state: RerankState = RerankState.OFF
    candidates: int = 0
    milliseconds: float = 0.0
    fingerprint: str = ""
    error_code: str = ""
    error_params: dict[str, str | int | float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class QuestionNote:
    """Something that a question was searched with, or by, beside its own words.

    Attributes:
        kind: `glossary`, `spelling`, `spacing`, `keyboard`, `number`, `date`, `provision`, `filter`, `history`, `variant`,
            `hyde`, `code_term` and `translation` (what code was searched with for a Korean question); `model_failed` when the
            chat model gave nothing and the search went on without it.
        found: the words of the question that it comes from; empty when it comes from the whole question.
        added: what was searched also, or the condition that was put.
    """

    kind: str
    found: str
    added: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Alternative:
    """Terms of a question that a text holds in other words, when it holds all of `by`."""

    terms: frozenset[str]
    by: frozenset[str]


@dataclass(frozen=True, slots=True)
class SearchTrace:
    """How a result came about, for people who have to explain it.

    Attributes:
        legs: legs that were asked.
        withheld: hits of the index that the record no longer permits.
        timings_ms: milliseconds per stage.
        weights: what the legs weighed in the fusion, by kind of collection.
        dropped: permitted hits that other passages stand for.
        fusion: how the legs became one ranking; a value of the setting `retrieval.fusion`.
        notes: what the question was understood to mean.
        rerank: what became of the reranker's second look.
        space: name of the embedding space that was searched: models, analyzers and their versions.
        fingerprint: of the files of its dense model, where they are on this machine.
        curated: whether whoever searched curates all that was searched, and so may know how much is there that was withheld.
    """

    language: Language
    legs: tuple[str, ...]
    candidates: int
    withheld: int
    timings_ms: dict[str, float]
    weights: dict[CollectionKind, dict[str, float]] = field(default_factory=dict)
    dropped: tuple[Dropped, ...] = ()
    fusion: str = "scores"
    notes: tuple[QuestionNote, ...] = ()
    rerank: RerankTrace = RerankTrace()
    space: str = ""
    fingerprint: str = ""
    curated: bool = False


@dataclass(frozen=True, slots=True)
class SearchResult:
    """The passages for one question, best first.

    Attributes:
        asked: the question as it stands alone: what went before is in it, and what only chose documents is not.
        alternatives: other words for parts of it that a passage may hold instead.
        confidence: that the passages hold the answer, 0 to 1; None where nobody weighed them.
        doubts: codes of what the evidence lacks (`rag.domain.answer.Weakness`); with any of them the question is refused.
    """

    question: str
    passages: tuple[Passage, ...]
    trace: SearchTrace
    asked: str = ""
    alternatives: tuple[Alternative, ...] = ()
    confidence: float | None = None
    doubts: tuple[str, ...] = ()

    def showing(self, passages: tuple[Passage, ...]) -> SearchResult:
        """The same with other passages."""
        return replace(self, passages=passages)

    def first(self, count: int) -> SearchResult:
        """The same with its first passages, and what these stand for."""
        passages = self.passages[:count]
        shown = {passage.chunk.id for passage in passages}
        dropped = tuple(item for item in self.trace.dropped if item.shown_as in shown)
        return replace(self, passages=passages, trace=replace(self.trace, dropped=dropped))

    def weighed(self, confidence: float | None, doubts: tuple[str, ...]) -> SearchResult:
        """The same, its evidence weighed."""
        return replace(self, confidence=confidence, doubts=doubts)
