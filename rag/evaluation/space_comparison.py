"""Two embedding spaces on the same questions: which one finds the documents that were expected."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from rag.domain.passage import Passage
from rag.domain.principal import Permit
from rag.retrieval.service import Retriever
from rag.retrieval.spaces import LiveSpace

DEPTH = 10
_PASSAGES = 30
"""Passages fetched for ten documents: several may be of one document."""
_RESAMPLES = 2000
_SEED = 20


@dataclass(frozen=True, slots=True)
class EvaluationQuestion:
    """A question, and the names of the documents that answer it, where somebody has said so."""

    question: str
    documents: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class SpaceComparison:
    """What the questions said.

    Attributes:
        against: the space that answered when they were asked.
        labelled: questions with an expected document; the figures up to `worse` are of these and 0 where there are none.
        ndcg_before, ndcg_after: mean nDCG@10 over documents, of the space that answers and of the one that may.
        drop: how much lower the mean is after; negative where it is higher.
        drop_low, drop_high: its 95 % interval, by a paired bootstrap over questions.
        worse: share of the resamples in which it is lower.
        overlap: mean share of the ten first passages that both spaces have in common, of all questions.
    """

    against: str
    questions: int
    labelled: int
    ndcg_before: float
    ndcg_after: float
    drop: float
    drop_low: float
    drop_high: float
    worse: float
    overlap: float

    def record(self) -> dict[str, Any]:
        """As JSON."""
        return asdict(self)


def compare(
    retriever: Retriever,
    permit: Permit,
    before: LiveSpace,
    after: LiveSpace,
    questions: Sequence[EvaluationQuestion],
) -> SpaceComparison:
    """Ask every question in both spaces, under one permit.

    Raises:
        IndexUnavailable, StoreUnavailable, ModelUnavailable: a space can't be asked.
    """
    asked = [_answers(retriever.within(live), permit, questions) for live in (before, after)]
    overlaps = [_overlap(*pair) for pair in zip(*asked, strict=True)]
    labelled = [i for i, item in enumerate(questions) if item.documents]
    scores = [_ndcg([questions[i] for i in labelled], [found[i] for i in labelled]) for found in asked]
    drops = scores[0] - scores[1]
    low, high, worse = _bootstrap(drops)
    return SpaceComparison(
        against=before.id,
        questions=len(questions),
        labelled=len(labelled),
        ndcg_before=_mean(scores[0]),
        ndcg_after=_mean(scores[1]),
        drop=_mean(drops),
        drop_low=low,
        drop_high=high,
        worse=worse,
        overlap=_mean(np.array(overlaps)),
    )


def _answers(
    retriever: Retriever, permit: Permit, questions: Sequence[EvaluationQuestion]
) -> list[tuple[Passage, ...]]:
    # A question that stands in the sheet with each of its documents is asked once.
    asked = dict.fromkeys(item.question for item in questions)
    found = {question: retriever.search(permit, question, limit=_PASSAGES).passages for question in asked}
    return [found[item.question] for item in questions]


def _overlap(before: Sequence[Passage], after: Sequence[Passage]) -> float:
    one, other = ({passage.chunk.id for passage in found[:DEPTH]} for found in (before, after))
    return len(one & other) / max(len(one), len(other), 1)


def _ndcg(questions: Sequence[EvaluationQuestion], found: Sequence[Sequence[Passage]]) -> np.ndarray:
    """nDCG@10 of each question, shape (n,), by ir-measures; a document counts where its first passage stands."""
    import ir_measures
    from ir_measures import Qrel, ScoredDoc

    qrels = [Qrel(str(i), name, 1) for i, item in enumerate(questions) for name in item.documents]
    run = [
        ScoredDoc(str(i), name, float(-rank))
        for i, (item, passages) in enumerate(zip(questions, found, strict=True))
        for rank, name in enumerate(_documents(item, passages))
    ]
    scores = np.zeros(len(questions))
    for metric in ir_measures.iter_calc([ir_measures.nDCG @ DEPTH], qrels, run):
        scores[int(metric.query_id)] = metric.value
    return scores


def _documents(question: EvaluationQuestion, passages: Sequence[Passage]) -> list[str]:
    """Documents in the order of their first passages, under the name that the question expects them by."""
    names: dict[str, None] = {}
    for passage in passages:
        key = passage.source.source_key
        called = {key, key.rpartition("/")[2], passage.source.title}
        expected = next((name for name in question.documents if name in called), None)
        names.setdefault(expected if expected is not None else f"\1{key}")
    return list(names)


def _bootstrap(drops: np.ndarray) -> tuple[float, float, float]:
    """95 % interval of the mean of `drops`, shape (n,), and the share of resamples with a mean above 0."""
    if not len(drops):
        return 0.0, 0.0, 0.0
    rows = np.random.default_rng(_SEED).integers(0, len(drops), (_RESAMPLES, len(drops)))
    means = drops[rows].mean(axis=1)
    low, high = np.quantile(means, [0.025, 0.975])
    return float(low), float(high), float((means > 0).mean())


def _mean(values: np.ndarray) -> float:
    return float(values.mean()) if len(values) else 0.0
