"""From a question to permitted, ranked passages."""

from __future__ import annotations

import time
from collections.abc import Collection as Container
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from uuid import UUID

from sqlalchemy.orm import Session

from rag.domain.errors import InvalidRequest, QuestionTooLong
from rag.domain.language import CollectionKind, Language
from rag.domain.passage import LocatedChunk, Passage, RerankTrace, SearchResult, SearchTrace
from rag.domain.principal import Permit
from rag.embedding.space import EmbeddingSpace
from rag.index.base import DENSE, LEARNED, SPARSE, LegHit, LegQuery, VectorIndex
from rag.retrieval.fusion import FusedHit, fuse_kinds, profile_for
from rag.retrieval.ranking import Arrangement, Boosts, arranged, boosted
from rag.retrieval.rarity import rarities
from rag.retrieval.reranking import SecondLook
from rag.retrieval.traffic import Traffic
from rag.settings import RetrievalSettings
from rag.store import attribute, filtering
from rag.store import chunk as chunks_table
from rag.store import collection as collections_table
from rag.store.session import Database
from rag.text.language import detect_language, looks_like_code

_SPARE = 2
"""Hits read from the record per passage wanted: some are withheld, repeated or merged away."""
_BOOSTED = 100
"""Hits read at least where boosts are on."""


@dataclass(frozen=True, slots=True)
class Retriever:
    """Searches under a permit. Thread-safe.

    Attributes:
        traffic: counts questions in work, so that ingestion can give way to them.
        second_look: the reranker, where there is one.
    """

    database: Database
    index: VectorIndex
    space: EmbeddingSpace
    settings: RetrievalSettings
    traffic: Traffic = field(default_factory=Traffic)
    second_look: SecondLook = field(default_factory=SecondLook)

    def search(self, permit: Permit, question: str, *, limit: int) -> SearchResult:
        """The best `limit` passages that the permit covers.

        Raises:
            InvalidRequest, QuestionTooLong, FilterTooWide: the question can't be asked.
            IndexUnavailable, StoreUnavailable, ModelUnavailable: nothing is returned then.
        """
        with self.traffic.question():
            return self._search(permit, self._checked(question), limit)

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
            found, withheld, reranked = self._permitted(permit, question, fused, limit)
        clock.part("rerank", reranked.milliseconds, of="record")
        trace = SearchTrace(
            language,
            tuple(sorted(legs)),
            len(fused),
            withheld,
            clock.milliseconds,
            self._weights(language, legs),
            found.dropped,
            reranked,
        )
        return SearchResult(question, found.passages, trace)

    def _weights(self, language: Language, legs: Container[str]) -> dict[CollectionKind, dict[str, float]]:
        """What the legs asked weigh, in standard deviations of the dense scores."""
        if DENSE not in legs:
            return {}
        profiles = {kind: profile_for(language, kind, self.space.dense_name) for kind in CollectionKind}
        return {kind: {SPARSE: one.lexical, LEARNED: one.learned} for kind, one in profiles.items()}

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

    def _fused(self, permit: Permit, legs: dict[str, LegQuery], language: Language) -> list[FusedHit]:
        """Hits of all collections, best first. Each kind of collection is fused with its own weights."""
        with self.database.read() as session:
            kinds = collections_table.kinds(session, permit)
            selection = filtering.selection_of(session, permit)
        found: dict[CollectionKind, dict[str, list[LegHit]]] = {}
        for kind in CollectionKind:
            part = permit.narrowed(key for key, its_kind in kinds if its_kind is kind)
            if part.collections:
                found[kind] = self.index.search(part, legs, selection)
        return fuse_kinds(found, language, model=self.space.dense_name, limit=self.settings.candidates)

    def _permitted(
        self, permit: Permit, question: str, fused: Sequence[FusedHit], limit: int
    ) -> tuple[Arrangement, int, RerankTrace]:
        """The best hits that the record still permits; more are read until the limit is met or none are left.

        The reranker gets its candidates once, after the record has permitted every one of them.
        """
        rules = self.settings
        boosts = Boosts(rules.recency_half_life_days, rules.recency_weight, rules.authority_weight)
        # a boost can lift what stands below the first few, so more are read for it
        together = _SPARE * limit if not boosts.active else max(_SPARE * limit, _BOOSTED)
        together = max(together, self.second_look.candidates)
        passages, reranked = self.second_look.reordered(question, [])
        found, withheld, position = Arrangement((), ()), 0, 0
        while len(found.passages) < limit and position < len(fused):
            hits = fused[position : position + together]
            position += len(hits)
            with self.database.read() as session:
                permitted = chunks_table.read_permitted(session, permit, [hit.chunk_id for hit in hits])
                authority = self._authority(session, permitted.values()) if boosts.active else {}
            withheld += len(hits) - len(permitted)
            passages += boosted(list(_passages(hits, permitted)), boosts, datetime.now(UTC), authority)
            if len(passages) < self.second_look.candidates and position < len(fused):
                continue
            if not reranked.candidates:
                passages, reranked = self.second_look.reordered(question, passages)
            found = arranged(
                passages, limit=limit, merge=rules.merge_neighbours, max_per_document=rules.max_per_document
            )
        return found, withheld, reranked

    def _authority(self, session: Session, chunks: Iterable[LocatedChunk]) -> dict[UUID, float]:
        """What the documents' attribute says, where it is a number."""
        name = self.settings.authority_attribute
        found = attribute.of_documents(session, {source.document_id for _, source in chunks})
        values = {key: values[name].number for key, values in found.items() if name in values}
        return {key: number for key, number in values.items() if number is not None}


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

    def part(self, name: str, milliseconds: float, *, of: str) -> None:
        """What took so long inside another stage becomes a stage of its own."""
        if milliseconds:
            self.milliseconds[name] = milliseconds
            self.milliseconds[of] = round(max(0.0, self.milliseconds[of] - milliseconds), 3)
