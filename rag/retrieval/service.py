"""From a question to permitted, ranked passages."""

from __future__ import annotations

import time
from collections.abc import Collection as Container
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from uuid import UUID

from rag.domain.errors import InvalidRequest, QuestionTooLong
from rag.domain.language import CollectionKind, Language
from rag.domain.passage import LocatedChunk, Passage, SearchResult, SearchTrace
from rag.domain.principal import Permit
from rag.embedding.space import EmbeddingSpace
from rag.index.base import DENSE, LEARNED, SPARSE, LegHit, LegQuery, VectorIndex
from rag.retrieval.fusion import FusedHit, fuse_kinds
from rag.retrieval.passages import renumbered, without_repeats
from rag.retrieval.rarity import rarities
from rag.retrieval.spaces import LiveSpace, Spaces
from rag.retrieval.traffic import Traffic
from rag.settings import RetrievalSettings
from rag.store import chunk as chunks_table
from rag.store import collection as collections_table
from rag.store import filtering
from rag.store.session import Database
from rag.text.language import detect_language, looks_like_code

_SPARE = 2
"""Hits read from the record per passage wanted: some are withheld, repeated or merged away."""


@dataclass(frozen=True, slots=True)
class Retriever:
    """Searches under a permit. Thread-safe.

    Attributes:
        index, space: what is searched; where there are `spaces`, their current one takes the place of both, once per search.
        traffic: counts questions in work, so that ingestion can give way to them.
    """

    database: Database
    index: VectorIndex
    space: EmbeddingSpace
    settings: RetrievalSettings
    traffic: Traffic = field(default_factory=Traffic)
    spaces: Spaces | None = None

    def search(self, permit: Permit, question: str, *, limit: int) -> SearchResult:
        """The best `limit` passages that the permit covers.

        Raises:
            InvalidRequest, QuestionTooLong, FilterTooWide: the question can't be asked.
            IndexUnavailable, StoreUnavailable, ModelUnavailable: nothing is returned then.
        """
        with self.traffic.question(), self._held() as held:
            return held._search(permit, held._checked(question), limit)

    def within(self, live: LiveSpace) -> Retriever:
        """This retriever, bound to one embedding space and its index."""
        return replace(self, index=live.index, space=live.space, spaces=None)

    @contextmanager
    def _held(self) -> Iterator[Retriever]:
        """This retriever for one search: vectors of one space never meet the index of another."""
        if self.spaces is None:
            yield self
            return
        with self.spaces.reading() as live:
            yield self.within(live)

    def _search(self, permit: Permit, question: str, limit: int) -> SearchResult:
        clock = _Clock()
        language = question_language(question)
        with clock.stage("embed"):
            vectors = self.space.embed_query(question, language)
        legs = {SPARSE: LegQuery(vectors.sparse, self.settings.candidates)}
        if vectors.dense is not None:
            legs[DENSE] = LegQuery(vectors.dense, self.settings.candidates)
        if vectors.learned is not None:
            legs[LEARNED] = LegQuery(vectors.learned, self.settings.candidates)
        with clock.stage("index"):
            fused = self._fused(permit, legs, language)
        with clock.stage("record"):
            passages, withheld = self._permitted(permit, fused, limit)
        trace = SearchTrace(language, tuple(sorted(legs)), len(fused), withheld, clock.milliseconds)
        return SearchResult(question, passages, trace)

    def rarities(self, permit: Permit, terms: Container[str]) -> dict[str, float]:
        """How much each term of a question weighs in what the permit covers."""
        with self.database.read() as session:
            selection = filtering.selection_of(session, permit)
        with self._held() as held:
            return rarities(held.index, permit, sorted(terms), selection)

    def collection_names(self, permit: Permit) -> tuple[str, ...]:
        """Names of the collections of the permit."""
        with self.database.read() as session:
            return tuple(row.name for row in collections_table.permitted(session, permit))

    def _checked(self, question: str) -> str:
        question = question.strip()
        if not question:
            raise InvalidRequest(detail="question: empty")
        if len(question) > self.settings.max_question_chars:
            raise QuestionTooLong(length=len(question), limit=self.settings.max_question_chars)
        return question

    def _fused(self, permit: Permit, legs: dict[str, LegQuery], language: Language) -> list[FusedHit]:
        """Hits of all collections, best first. Each kind of collection is fused with its own weights."""
        with self.database.read() as session:
            rows = collections_table.permitted(session, permit)
            selection = filtering.selection_of(session, permit)
        found: dict[CollectionKind, dict[str, list[LegHit]]] = {}
        for kind in CollectionKind:
            part = permit.narrowed(row.id for row in rows if row.kind == kind)
            if part.collections:
                found[kind] = self.index.search(part, legs, selection)
        return fuse_kinds(found, language, model=self.space.dense_name, limit=self.settings.candidates)

    def _permitted(self, permit: Permit, fused: Sequence[FusedHit], limit: int) -> tuple[tuple[Passage, ...], int]:
        """The best hits that the record still permits; more are read until the limit is met or none are left."""
        passages: list[Passage] = []
        withheld, position = 0, 0
        while len(passages) < limit and position < len(fused):
            hits = fused[position : position + _SPARE * limit]
            position += len(hits)
            with self.database.read() as session:
                found = chunks_table.read_permitted(session, permit, [hit.chunk_id for hit in hits])
            withheld += len(hits) - len(found)
            passages = without_repeats([*passages, *_passages(hits, found)])
        return renumbered(passages[:limit]), withheld


def question_language(question: str) -> Language:
    """Language of a question; one that quotes code and holds no Korean goes to the legs that know code."""
    language = detect_language(question)
    return Language.CODE if language is not Language.KOREAN and looks_like_code(question) else language


def _passages(hits: Sequence[FusedHit], found: dict[UUID, LocatedChunk]) -> Iterator[Passage]:
    for hit in hits:
        if hit.chunk_id in found:
            chunk, source = found[hit.chunk_id]
            yield Passage(rank=0, score=hit.score, chunk=chunk, source=source, legs=hit.legs)


class _Clock:
    """Milliseconds per stage."""

    def __init__(self) -> None:
        self.milliseconds: dict[str, float] = {}

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Times the block."""
        start = time.perf_counter()
        try:
            yield
        finally:
            self.milliseconds[name] = round((time.perf_counter() - start) * 1000, 3)
