"""Two embedding spaces on the same questions: which one finds the documents that were expected."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from rag.domain.passage import Passage
from rag.domain.principal import Permit
from rag.evaluation.judging import Judge, JudgedQuestion
from rag.evaluation.measures import MAIN, per_question
from rag.evaluation.questions import Expected, Question
from rag.retrieval.service import Retriever
from rag.retrieval.spaces import LiveSpace

DEPTH = 10
_PASSAGES = 30
"""Passages fetched for ten documents: several may be of one document."""
_NAMED = 20
"""Names that fit no document which a comparison lists; the others are counted."""
_RESAMPLES = 2000
_SEED = 20


@dataclass(frozen=True, slots=True)
class EvaluationQuestion:
    """A question, and the documents that answer it, where somebody has said so."""

    question: str
    documents: tuple[Expected, ...] = ()


@dataclass(frozen=True, slots=True)
class SpaceComparison:
    """What the questions said.

    Attributes:
        against: the space that answered when they were asked.
        labelled: questions whose expected documents are all on record; the figures up to `worse` are of these and 0 where there
            are none.
        ndcg_before, ndcg_after: mean nDCG@10 over documents, of the space that answers and of the one that may.
        drop: how much lower the mean is after; negative where it is higher.
        drop_low, drop_high: its 95 % interval, by a paired bootstrap over questions.
        worse: share of the resamples in which it is lower.
        overlap: mean share of the ten first passages that both spaces have in common, of all questions.
        left_out: questions with an expected document that is not on record: neither space can find it, so that they would make
            any two spaces look alike.
        unknown: names of such documents, the first ones.
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
    left_out: int = 0
    unknown: tuple[str, ...] = ()

    def record(self) -> dict[str, Any]:
        """As JSON."""
        return {**asdict(self), "unknown": list(self.unknown)}


def compare(
    retriever: Retriever,
    judge: Judge,
    permit: Permit,
    before: LiveSpace,
    after: LiveSpace,
    questions: Sequence[EvaluationQuestion],
) -> SpaceComparison:
    """Ask every question in both spaces, under one permit.

    Args:
        judge: finds the expected documents on record, as `seogo eval` does.

    Raises:
        IndexUnavailable, StoreUnavailable, ModelUnavailable: a space can't be asked.
    """
    judged, problems = judge.judge([_labelled(i, item) for i, item in enumerate(questions) if item.documents])
    asked = [_answers(retriever.within(live), permit, questions) for live in (before, after)]
    overlaps = [_overlap(*pair) for pair in zip(*asked, strict=True)]
    scores = [_ndcg(judged, found) for found in asked]
    drops = scores[0] - scores[1]
    low, high, worse = _bootstrap(drops)
    return SpaceComparison(
        against=before.id,
        questions=len(questions),
        labelled=len(judged),
        ndcg_before=_mean(scores[0]),
        ndcg_after=_mean(scores[1]),
        drop=_mean(drops),
        drop_low=low,
        drop_high=high,
        worse=worse,
        overlap=_mean(np.array(overlaps)),
        left_out=len({problem.row for problem in problems}),
        unknown=tuple(dict.fromkeys(problem.value for problem in problems))[:_NAMED],
    )


def _labelled(place: int, item: EvaluationQuestion) -> Question:
    return Question(str(place), item.question, item.documents, place)


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


def _ndcg(judged: Sequence[JudgedQuestion], found: Sequence[Sequence[Passage]]) -> np.ndarray:
    """nDCG@10 of each question, shape (n,); a document counts where its first passage stands.

    Args:
        found: the passages of all questions of the comparison.
    """
    qrels = {item.question.id: item.qrels for item in judged}
    ranking = {
        item.question.id: {
            unit: 1.0 / rank for rank, unit in enumerate(_units(item, found[item.question.row]), start=1)
        }
        for item in judged
    }
    return per_question(qrels, ranking, list(qrels), (MAIN,))[MAIN]


def _units(item: JudgedQuestion, passages: Sequence[Passage]) -> list[str]:
    return item.units_of((passage.chunk, passage.source.document_id) for passage in passages)


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
