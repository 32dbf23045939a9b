"""From a question to permitted, ranked passages."""

from __future__ import annotations

import time
from collections.abc import Collection as Container
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import NamedTuple
from uuid import UUID

from sqlalchemy.orm import Session

from rag.access.personal_data.reading import read_masked, selection_masked
from rag.domain.errors import InvalidRequest, QuestionTooLong
from rag.domain.language import CollectionKind, Language
from rag.domain.passage import Passage, SearchResult, SearchTrace
from rag.domain.principal import Permit
from rag.domain.style import AnswerStyle
from rag.domain.vectors import TextVectors
from rag.embedding.space import EmbeddingSpace
from rag.index.base import DENSE, LEARNED, SPARSE, LegHit, LegQuery, VectorIndex
from rag.inference.traffic import Traffic
from rag.retrieval.code_question import OWN_WEIGHT_BESIDE_MODEL
from rag.retrieval.code_ranking import CodeRanking
from rag.retrieval.engine_fusion import IN_ENGINE, Asked, Listed, fused_in_engine, fused_kinds, fused_lists
from rag.retrieval.fusion import FusedHit, FusionProfile, Weights, fuse_kinds, profile_for
from rag.retrieval.rarity import rarities
from rag.retrieval.reading import PassageReader
from rag.retrieval.reranking import SecondLook
from rag.retrieval.spaces import LiveSpace, Spaces
from rag.retrieval.understanding import QuestionContext, Reading, Understander, question_language, with_terms
from rag.settings import RetrievalSettings
from rag.store import collection as collections_table
from rag.store.chunk import of_languages
from rag.store.code_lookup import without_vectors
from rag.store.session import Database

__all__ = ["RawLists", "Retriever", "question_language"]

_VARIANT_SHARE = 0.9
"""What a hit of another wording counts against one of the question itself."""

Legs = dict[str, LegQuery]


class RawLists(NamedTuple):
    """What the legs found for one question, each list best first, by kind of collection and leg.

    Attributes:
        waiting: hits without a dense vector: theirs is still to be made, or the model does not know their language.
        asked: what the legs were asked, by kind of collection.
        whole: where the engine fuses and all of several kinds are asked the same, what one query over them finds.
    """

    language: Language
    found: dict[CollectionKind, dict[str, list[LegHit]]]
    waiting: frozenset[UUID] = frozenset()
    asked: Mapping[CollectionKind, Legs] = MappingProxyType({})
    whole: Mapping[str, list[LegHit]] = MappingProxyType({})


class _Asked(NamedTuple):
    """One wording of a question: its vectors, and what they ask of each leg; of collections of code, where they are asked
    something else (`rag.retrieval.code_question`)."""

    vectors: TextVectors
    legs: Legs
    code_legs: Legs | None = None

    def of(self, kind: CollectionKind) -> Legs:
        """What collections of a kind are asked."""
        return self.code_legs if kind is CollectionKind.CODE and self.code_legs is not None else self.legs


@dataclass(frozen=True, slots=True)
class Retriever:
    """Searches under a permit. Thread-safe.

    Attributes:
        index, space: what is searched; where there are `spaces`, their current one takes the place of both, once per search.
        understander: reads questions before they are searched.
        traffic: counts questions in work, so that ingestion can give way to them.
        weights: fusion weights that were learned for this space.
        second_look: the reranker, where there is one.
    """

    database: Database
    index: VectorIndex
    space: EmbeddingSpace
    settings: RetrievalSettings
    understander: Understander
    traffic: Traffic = field(default_factory=Traffic)
    weights: Weights = field(default_factory=dict)
    spaces: Spaces | None = None
    second_look: SecondLook = field(default_factory=SecondLook)

    def search(
        self, permit: Permit, question: str, *, limit: int, context: QuestionContext | None = None
    ) -> SearchResult:
        """The best `limit` passages that the permit covers.

        Args:
            context: the turns before the question, and how it is to be read.

        Raises:
            InvalidRequest, QuestionTooLong, FilterTooWide: the question can't be asked.
            IndexUnavailable, AccessSettling, StoreUnavailable, ModelUnavailable: nothing is returned then.
        """
        with self.traffic.question(), self._held() as held:
            return held._search(permit, held._checked(question), limit, context or QuestionContext())

    def within(self, live: LiveSpace) -> Retriever:
        """This retriever, bound to one embedding space and its index."""
        return Retriever(
            self.database,
            live.index,
            live.space,
            self.settings,
            self.understander.within(live.space, live.index),
            self.traffic,
            live.weights,
            None,
            self.second_look,
        )

    @contextmanager
    def _held(self) -> Iterator[Retriever]:
        """This retriever for one search: vectors of one space never meet the index of another."""
        if self.spaces is None:
            yield self
            return
        with self.spaces.reading() as live:
            yield self.within(live)

    def _search(self, permit: Permit, question: str, limit: int, context: QuestionContext) -> SearchResult:
        clock = _Clock()
        with clock.stage("understand"):
            reading = self.understander.read(permit, question, context)
        permit = reading.permit
        with clock.stage("embed"):
            wordings = self._wordings(reading)
        reader = PassageReader(self.database, self.settings, self.second_look)
        with clock.stage("index"):
            fused = self._fused(permit, wordings, reading.language)
            fused = CodeRanking(self.database).lifted(permit, fused, reading.code, question)
        with clock.stage("record"):
            fused = reader.provisions_first(permit, fused, reading.provisions)
            read = reader.read(permit, reading.whole, fused, limit, reading.reranked_code)
        clock.part("rerank", read.rerank.milliseconds, of="record")
        legs = {**(wordings[0].code_legs or {}), **wordings[0].legs}
        trace = SearchTrace(
            language=reading.language,
            legs=tuple(sorted(legs)),
            candidates=len(fused),
            withheld=read.withheld,
            timings_ms=clock.milliseconds,
            weights=self._leg_weights(reading.language, legs),
            dropped=read.found.dropped,
            fusion=self.settings.fusion,
            notes=tuple(reading.notes),
            rerank=read.rerank,
            space=self.space.name,
            fingerprint=self.space.fingerprint,
            curated=permit.curates,
        )
        asked = reading.asked or reading.text
        return SearchResult(question, read.found.passages, trace, asked, tuple(reading.alternatives))

    def raw_lists(self, permit: Permit, question: str) -> RawLists:
        """Every leg's hits for a question before fusion: what evaluation measures and fusion weights are learned from.

        Raises: as `search`.
        """
        with self.traffic.question(), self._held() as held:
            reading = held.understander.read(permit, held._checked(question), QuestionContext())
            [asked] = held._wordings(reading)[:1]
            [lists] = held._found(reading.permit, [asked], reading.language)
            return held._with_whole(reading.permit, asked, lists)

    def fused(self, lists: RawLists, weights: Weights | None = None) -> list[FusedHit]:
        """One ranking of the lists, best first, by the fusion of the settings: with the weights in force, or with others to try
        them. Where the engine fuses, it is what the engine would give, but for late interaction."""
        weights = self.weights if weights is None else weights
        if self.settings.fusion in IN_ENGINE:
            return self._fused_as_in_engine(lists, weights)
        return fuse_kinds(
            lists.found,
            lists.language,
            model=self.space.dense_name,
            limit=self.settings.candidates,
            without_dense=lists.waiting,
            weights=weights,
        )

    def _fused_as_in_engine(self, lists: RawLists, weights: Weights) -> list[FusedHit]:
        def fuse(item: Listed, method: str) -> Sequence[FusedHit]:
            return fused_lists(item, self.settings, method=method, without_dense=lists.waiting)

        def profile(kind: CollectionKind) -> FusionProfile:
            return profile_for(lists.language, kind, self.space.dense_name, weights)

        kinds = [Listed(found, lists.asked[kind], profile(kind)) for kind, found in lists.found.items()]
        documents = CollectionKind.DOCUMENTS
        whole = Listed(lists.whole, lists.asked[documents], profile(documents)) if lists.whole else None
        return fused_kinds(fuse, kinds, whole, self.settings.fusion) if kinds else []

    def rarities(self, permit: Permit, terms: Container[str]) -> dict[str, float]:
        """How much each term of a question weighs in what the permit covers."""
        with self.database.read() as session:
            selection = selection_masked(session, permit)
        with self._held() as held:
            return rarities(held.index, permit, sorted(terms), selection)

    def readable(self, permit: Permit, passages: Sequence[Passage]) -> tuple[Passage, ...]:
        """Those of these passages that the permit covers now, ranked as they were."""
        with self.database.read() as session:
            held = read_masked(session, permit, [passage.chunk.id for passage in passages])
        kept = [passage for passage in passages if passage.chunk.id in held]
        return tuple(passage.at(rank) for rank, passage in enumerate(kept, 1))

    def collection_names(self, permit: Permit) -> tuple[str, ...]:
        """Names of the collections of the permit."""
        with self.database.read() as session:
            return tuple(row.name for row in collections_table.permitted(session, permit))

    def answer_style(self, permit: Permit) -> AnswerStyle:
        """The style of the collections of the permit, where they agree on one."""
        with self.database.read() as session:
            return collections_table.answer_style(session, permit)

    def _checked(self, question: str) -> str:
        question = question.strip()
        if not question:
            raise InvalidRequest(detail="question: empty", detail_ko="question: 질문이 비어 있습니다")
        if len(question) > self.settings.max_question_chars:
            raise QuestionTooLong(length=len(question), limit=self.settings.max_question_chars)
        return question

    def _leg_weights(self, language: Language, legs: Container[str]) -> dict[CollectionKind, dict[str, float]]:
        """What the legs asked weigh, in standard deviations of the dense scores."""
        if DENSE not in legs or self.settings.fusion in IN_ENGINE:
            return {}
        profiles = {kind: profile_for(language, kind, self.space.dense_name, self.weights) for kind in CollectionKind}
        return {kind: {SPARSE: one.lexical, LEARNED: one.learned} for kind, one in profiles.items()}

    def _wordings(self, reading: Reading) -> list[_Asked]:
        """The question as understood, then its other wordings."""
        vectors = self.space.embed_query(reading.text, reading.dense_language, reading.dense_text)
        question = self._asked(TextVectors(with_terms(vectors.sparse, reading.added), vectors.model))
        wordings = [_Asked(question.vectors, question.legs, self._code_legs(reading, question.vectors))]
        for text in reading.variants:
            language = question_language(text)
            known = language if self.space.knows(language) else reading.dense_language
            wordings.append(self._asked(self.space.embed_query(text, known)))
        return wordings

    def _code_legs(self, reading: Reading, vectors: TextVectors) -> Legs | None:
        """What collections of code are asked instead; None where it is the same."""
        if reading.code is None or not reading.code.english:
            return None
        model = vectors.model
        if reading.code_text is not None:
            model = self.space.embed_query(reading.code_text, Language.ENGLISH).model
        share = reading.code.own if model is None else max(reading.code.own, OWN_WEIGHT_BESIDE_MODEL)
        own = vectors.sparse.scaled(share)
        return self._asked(TextVectors(with_terms(own, reading.code.added), model)).legs

    def _asked(self, vectors: TextVectors) -> _Asked:
        legs = {SPARSE: LegQuery(vectors.sparse, self.settings.candidates)}
        if vectors.dense is not None:
            legs[DENSE] = LegQuery(vectors.dense, self.settings.candidates)
        if vectors.learned is not None:
            legs[LEARNED] = LegQuery(vectors.learned, self.settings.candidates)
        return _Asked(vectors, legs)

    def _fused(self, permit: Permit, wordings: Sequence[_Asked], language: Language) -> Sequence[FusedHit]:
        """Hits of all collections and wordings, best first."""
        if self.settings.fusion in IN_ENGINE:
            rankings = self._fused_in_engine(permit, wordings, language)
        else:
            rankings = [self.fused(lists) for lists in self._found(permit, wordings, language)]
        return rankings[0] if len(rankings) == 1 else _best_of(rankings)

    def _fused_in_engine(self, permit: Permit, wordings: Sequence[_Asked], language: Language) -> list[list[FusedHit]]:
        with self.database.read() as session:
            selection = selection_masked(session, permit)
            parts = self._parts(session, permit)

        def asked(item: _Asked, kind: CollectionKind, part: Permit) -> Asked:
            return Asked(part, item.of(kind), profile_for(language, kind, self.space.dense_name, self.weights))

        def ranked(item: _Asked) -> list[FusedHit]:
            multi = item.vectors.multi

            def fuse(wanted: Asked, method: str) -> Sequence[FusedHit]:
                return fused_in_engine(
                    self.index,
                    wanted.permit,
                    wanted.legs,
                    self.settings,
                    method=method,
                    multi=multi if method == self.settings.fusion else None,  # turns by deviations go by the legs
                    selection=selection,
                    profile=wanted.profile,
                    without_dense=lambda hits: self._without_dense(permit, hits),
                )

            whole = asked(item, CollectionKind.DOCUMENTS, permit) if item.code_legs is None else None
            kinds = [asked(item, kind, part) for kind, part in parts]
            return fused_kinds(fuse, kinds, whole, self.settings.fusion) if kinds else []

        return [ranked(item) for item in wordings]

    def _found(self, permit: Permit, queries: Sequence[_Asked], language: Language) -> list[RawLists]:
        """The legs' hits of every query in each kind of collection, which are fused with weights of their own."""
        with self.database.read() as session:
            parts = self._parts(session, permit)
            selection = selection_masked(session, permit)
        found: list[dict[CollectionKind, dict[str, list[LegHit]]]] = [{} for _ in queries]
        for kind, part in parts:
            asked = [item.of(kind) for item in queries]
            for place, legs in zip(found, self.index.search_batch(part, asked, selection), strict=True):
                place[kind] = legs
        kinds = [kind for kind, _ in parts]
        return [
            RawLists(language, lists, self._waiting(permit, lists), {kind: item.of(kind) for kind in kinds})
            for item, lists in zip(queries, found, strict=True)
        ]

    def _with_whole(self, permit: Permit, asked: _Asked, lists: RawLists) -> RawLists:
        """The lists with those of all kinds together, whose weights of terms are others than those of each kind."""
        if self.settings.fusion not in IN_ENGINE or len(lists.found) < 2 or asked.code_legs is not None:
            return lists
        with self.database.read() as session:
            selection = selection_masked(session, permit)
        [whole] = self.index.search_batch(permit, [asked.legs], selection)
        waiting = lists.waiting | self._waiting(permit, {CollectionKind.DOCUMENTS: whole})
        return lists._replace(whole=whole, waiting=waiting)

    def _parts(self, session: Session, permit: Permit) -> list[tuple[CollectionKind, Permit]]:
        """The permit for the collections of each kind."""
        kinds = collections_table.kinds(session, permit)
        parts = ((kind, permit.narrowed(key for key, its_kind in kinds if its_kind is kind)) for kind in CollectionKind)
        return [(kind, part) for kind, part in parts if part.collections]

    def _waiting(
        self, permit: Permit, found: Mapping[CollectionKind, Mapping[str, Sequence[LegHit]]]
    ) -> frozenset[UUID]:
        """The hits without a dense vector, where others have some: of code, those for which it is still to be made; of all, those
        in a language that the gate keeps from the model. The engine's fusion has to be told where no other has one, too."""
        in_engine = self.settings.fusion in IN_ENGINE
        lacking = [
            hit.chunk_id
            for legs in found.values()
            if (dense := {hit.chunk_id for hit in legs.get(DENSE, ())}) or (in_engine and DENSE in legs)
            for hit in legs.get(SPARSE, ())
            if hit.chunk_id not in dense
        ]
        return self._without_dense(permit, lacking)

    def _without_dense(self, permit: Permit, hits: Sequence[UUID]) -> frozenset[UUID]:
        kept = [language for language in Language if not self.space.knows(language)]
        with self.database.read() as session:
            return without_vectors(session, permit, hits) | of_languages(session, hits, kept)


def _best_of(rankings: Sequence[Sequence[FusedHit]]) -> list[FusedHit]:
    """One ranking of several wordings: each hit with its best score, those of the other wordings at a share."""
    best: dict[UUID, FusedHit] = {}
    for number, ranking in enumerate(rankings):
        for found in ranking:
            share = _VARIANT_SHARE if number else 1.0
            hit = FusedHit(found.chunk_id, share * found.score, found.legs, found.estimated, found.boosts)
            if hit.chunk_id not in best or hit.score > best[hit.chunk_id].score:
                best[hit.chunk_id] = hit
    return sorted(best.values(), key=lambda hit: (-hit.score, hit.chunk_id))


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
