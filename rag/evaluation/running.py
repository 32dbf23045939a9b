"""Labelled questions through the retriever that answers users, under a permit."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from uuid import UUID

from rag.domain.messages import UiLanguage
from rag.domain.passage import LocatedChunk, Passage
from rag.evaluation.judging import JudgedQuestion, read_chunks
from rag.evaluation.run import FUSED, SEARCH, QuestionResult, Shown
from rag.index.base import LegHit
from rag.retrieval.service import RawLists, Retriever

DEPTH = 100
"""Hits of each ranking that are measured: recall@100 needs no more."""
_SHOWN = 5
_EXCERPT = 320
Progress = Callable[[int, int], None]


def run_questions(
    retriever: Retriever,
    judged: Sequence[JudgedQuestion],
    language: UiLanguage,
    progress: Progress | None = None,
    shown: set[UUID] | None = None,
) -> tuple[QuestionResult, ...]:
    """What each question finds: in each leg alone, fused, and as a user gets it.

    Args:
        language: of the places that a report shows.
        progress: told how many of how many questions are done.
        shown: gets the documents of which a report shows a passage.

    Raises:
        QuestionTooLong, IndexUnavailable, StoreUnavailable, ModelUnavailable: nothing is measured then.
    """
    found: list[QuestionResult] = []
    for number, question in enumerate(judged, start=1):
        found.append(_asked(retriever, question, language, set() if shown is None else shown))
        if progress is not None:
            progress(number, len(judged))
    return tuple(found)


def _asked(retriever: Retriever, judged: JudgedQuestion, language: UiLanguage, shown: set[UUID]) -> QuestionResult:
    text, permit = judged.question.text, judged.permit
    lists = retriever.raw_lists(permit, text)
    ordered = {leg: [hit.chunk_id for hit in hits[:DEPTH]] for leg, hits in legs_of(lists).items()}
    if retriever.settings.fusion == "scores" or retriever.space.multi is None:  # late interaction is the engine's alone
        ordered[FUSED] = [hit.chunk_id for hit in retriever.fused(lists)[:DEPTH]]
    read = read_chunks(
        retriever.database, permit, list(dict.fromkeys(key for keys in ordered.values() for key in keys))
    )
    rankings = {name: judged.units(keys, read) for name, keys in ordered.items()}
    passages = retriever.search(permit, text, limit=DEPTH).passages
    rankings[SEARCH] = judged.units_of((passage.chunk, passage.source.document_id) for passage in passages)
    shown.update(passage.source.document_id for passage in passages[:_SHOWN])
    return QuestionResult(
        id=judged.question.id,
        text=text,
        language=lists.language,
        kinds=tuple(sorted(judged.kinds)),
        collections=judged.collections,
        expected={target.unit: target.expected.label for target in judged.targets},
        qrels=judged.qrels,
        rankings=rankings,
        top=tuple(_shown(passage, judged, language) for passage in passages[:_SHOWN]),
    )


def legs_of(lists: RawLists) -> dict[str, list[LegHit]]:
    """The lists of each leg over all kinds of collection, best first."""
    legs: dict[str, list[LegHit]] = {}
    for found in lists.found.values():
        for leg, hits in found.items():
            legs.setdefault(leg, []).extend(hits)
    return {leg: sorted(hits, key=lambda hit: (-hit.score, hit.chunk_id)) for leg, hits in legs.items()}


def read_lists(retriever: Retriever, judged: JudgedQuestion, lists: RawLists) -> Mapping[UUID, LocatedChunk]:
    """Every chunk of the lists that the permit covers."""
    ids = dict.fromkeys(hit.chunk_id for found in lists.found.values() for hits in found.values() for hit in hits)
    return read_chunks(retriever.database, judged.permit, list(ids))


def _shown(passage: Passage, judged: JudgedQuestion, language: UiLanguage) -> Shown:
    text = " ".join(passage.chunk.text.split())
    place = " ".join(part for part in (passage.chunk.provision, passage.anchor.label(language)) if part)
    document = passage.source.document_id
    return Shown(
        rank=passage.rank,
        score=passage.score,
        source_key=passage.source.source_key,
        collection=passage.source.collection_name,
        place=place,
        excerpt=text if len(text) <= _EXCERPT else text[:_EXCERPT] + "…",
        legs={leg: (place.rank, place.score) for leg, place in passage.legs.items()},
        expected=any(target.met_by(passage.chunk, document) for target in judged.targets),
    )
