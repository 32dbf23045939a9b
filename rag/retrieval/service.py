"""From a question to permitted, ranked passages."""

from __future__ import annotations

import time
from collections.abc import Collection as Container
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from uuid import UUID

from rag.domain.errors import InvalidRequest, QuestionTooLong
from rag.domain.language import CollectionKind, Language
from rag.domain.passage import LegScore, LocatedChunk, Passage, SearchResult, SearchTrace
from rag.domain.principal import Permit
from rag.domain.vectors import TextVectors
from rag.embedding.space import EmbeddingSpace
from rag.index.base import DENSE, LEARNED, SPARSE, LegHit, LegQuery, VectorIndex
from rag.retrieval.figures import exactness
from rag.retrieval.fusion import FusedHit, fuse_kinds
from rag.retrieval.passages import renumbered, without_repeats
from rag.retrieval.rarity import rarities
from rag.retrieval.traffic import Traffic
from rag.retrieval.understanding import QuestionContext, Reading, Understander, question_language, with_terms
from rag.settings import RetrievalSettings
from rag.store import chunk as chunks_table
from rag.store import collection as collections_table
from rag.store import filtering
from rag.store.session import Database

__all__ = ["Retriever", "question_language"]

_SPARE = 2
"""Hits read from the record per passage wanted: some are withheld, repeated or merged away."""
PROVISION_BOOST = 0.1
"""Added to the fused score of a passage that belongs to the provision asked for: enough to lead its equals, not to lift what has
nothing else of the question over what has. An article without the paragraph asked for gets its share."""
PROVISION = "provision"
"""Name under which the boost stands among a passage's legs."""
_BOOSTED = 100
"""Hits whose provisions are looked at, when a question names one."""
_VARIANT_SHARE = 0.9
"""What a hit of another wording counts against one of the question itself."""


@dataclass(frozen=True, slots=True)
class Retriever:
    """Searches under a permit. Thread-safe.

    Attributes:
        understander: reads questions before they are searched.
        traffic: counts questions in work, so that ingestion can give way to them.
    """

    database: Database
    index: VectorIndex
    space: EmbeddingSpace
    settings: RetrievalSettings
    understander: Understander
    traffic: Traffic = field(default_factory=Traffic)

    def search(
        self, permit: Permit, question: str, *, limit: int, context: QuestionContext | None = None
    ) -> SearchResult:
        """The best `limit` passages that the permit covers.

        Args:
            context: the turns before the question, and how it is to be read.

        Raises:
            InvalidRequest, QuestionTooLong, FilterTooWide: the question can't be asked.
            IndexUnavailable, StoreUnavailable, ModelUnavailable: nothing is returned then.
        """
        with self.traffic.question():
            return self._search(permit, self._checked(question), limit, context or QuestionContext())

    def _search(self, permit: Permit, question: str, limit: int, context: QuestionContext) -> SearchResult:
        clock = _Clock()
        with clock.stage("understand"):
            reading = self.understander.read(permit, question, context)
        permit = reading.permit
        with clock.stage("embed"):
            queries = self._queries(reading)
        with clock.stage("index"):
            fused = self._fused(permit, queries, reading.language)
        with clock.stage("record"):
            fused = self._boosted(permit, fused, reading)
            passages, withheld = self._permitted(permit, fused, limit)
        trace = SearchTrace(
            reading.language, tuple(sorted(queries[0])), len(fused), withheld, clock.milliseconds, tuple(reading.notes)
        )
        return SearchResult(question, passages, trace, reading.asked or reading.text, tuple(reading.alternatives))

    def _queries(self, reading: Reading) -> list[dict[str, LegQuery]]:
        """Legs of the question as understood, then those of its other wordings."""
        vectors = self.space.embed_query(reading.text, reading.dense_language, reading.dense_text)
        sparse = with_terms(vectors.sparse, reading.added)
        queries = [self._legs(TextVectors(sparse, vectors.model))]
        for text in reading.variants:
            language = question_language(text)
            known = language if self.space.knows(language) else reading.dense_language
            queries.append(self._legs(self.space.embed_query(text, known)))
        return queries

    def _legs(self, vectors: TextVectors) -> dict[str, LegQuery]:
        legs = {SPARSE: LegQuery(vectors.sparse, self.settings.candidates)}
        if vectors.dense is not None:
            legs[DENSE] = LegQuery(vectors.dense, self.settings.candidates)
        if vectors.learned is not None:
            legs[LEARNED] = LegQuery(vectors.learned, self.settings.candidates)
        return legs

    def rarities(self, permit: Permit, terms: Container[str]) -> dict[str, float]:
        """How much each term of a question weighs in what the permit covers."""
        with self.database.read() as session:
            selection = filtering.selection_of(session, permit)
        return rarities(self.index, permit, sorted(terms), selection)

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

    def _fused(self, permit: Permit, queries: Sequence[dict[str, LegQuery]], language: Language) -> list[FusedHit]:
        """Hits of all collections and wordings, best first. Each kind of collection is fused with its own weights."""
        with self.database.read() as session:
            rows = collections_table.permitted(session, permit)
            selection = filtering.selection_of(session, permit)
        found: list[dict[CollectionKind, dict[str, list[LegHit]]]] = [{} for _ in queries]
        for kind in CollectionKind:
            part = permit.narrowed(row.id for row in rows if row.kind == kind)
            if part.collections:
                for place, legs in zip(found, self.index.search_batch(part, queries, selection), strict=True):
                    place[kind] = legs
        rankings = [
            fuse_kinds(place, language, model=self.space.dense_name, limit=self.settings.candidates) for place in found
        ]
        return rankings[0] if len(rankings) == 1 else _best_of(rankings)

    def _boosted(self, permit: Permit, fused: Sequence[FusedHit], reading: Reading) -> list[FusedHit]:
        """The ranking with passages of the provisions that the question names before their equals."""
        if not reading.provisions:
            return list(fused)
        with self.database.read() as session:
            head = [hit.chunk_id for hit in fused[:_BOOSTED]]
            marks = {
                key: item.chunk.provisions for key, item in chunks_table.read_permitted(session, permit, head).items()
            }
        boosts = {
            key: PROVISION_BOOST * max(exactness(found, path) / len(path) for path in reading.provisions)
            for key, found in marks.items()
        }
        return sorted(
            (_raised(hit, boosts.get(hit.chunk_id, 0.0)) for hit in fused), key=lambda hit: (-hit.score, hit.chunk_id)
        )

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


def _best_of(rankings: Sequence[Sequence[FusedHit]]) -> list[FusedHit]:
    """One ranking of several wordings: each hit with its best score, those of the other wordings at a share."""
    best: dict[UUID, FusedHit] = {}
    for number, ranking in enumerate(rankings):
        for found in ranking:
            share = _VARIANT_SHARE if number else 1.0
            hit = FusedHit(found.chunk_id, share * found.score, found.legs, found.estimated)
            if hit.chunk_id not in best or hit.score > best[hit.chunk_id].score:
                best[hit.chunk_id] = hit
    return sorted(best.values(), key=lambda hit: (-hit.score, hit.chunk_id))


def _raised(hit: FusedHit, boost: float) -> FusedHit:
    """The hit with a boost, which is shown among its legs."""
    if boost <= 0.0:
        return hit
    legs = {**hit.legs, PROVISION: LegScore(1, boost)}
    return FusedHit(hit.chunk_id, hit.score + boost, legs, hit.estimated)


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
