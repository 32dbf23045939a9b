"""Refusing: how well the confidence tells questions that can be answered from those that can't, and what a bar on it costs."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from rag.evaluation.answers import AnswerResult, Trial
from rag.evaluation.intervals import RESAMPLES, SEED, Interval, bootstrap

COVERAGE = 0.7
"""Share of the answerable questions that are to be answered, at which false answers are compared."""
COVERAGES = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0)


class Point(NamedTuple):
    """What a bar does.

    Attributes:
        bar: least confidence that is answered.
        coverage: share of the answerable questions that are answered.
        risk: share of these answers whose first citation is of no expected passage.
        false: share of the questions answered although what answers them was hidden.
        foreign: share answered of those that the store holds nothing about; None without such questions.
    """

    bar: float
    coverage: float
    risk: float
    false: float
    foreign: float | None


class Held(NamedTuple):
    """A bar chosen on one half of the questions, and what it did to the other.

    Attributes:
        chosen_on, measured_on: numbers of questions.
    """

    chosen_on: int
    measured_on: int
    point: Point


@dataclass(frozen=True, slots=True)
class Refusals:
    """The whole of it.

    Attributes:
        auroc: chance that an answerable question has more confidence than an unanswerable one, ties counting half.
        halves: calibrated on each half, measured on the other.
        curve: all questions, by coverage.
        at_bar: the bar in force, by the answers that users would have got.
        false_refusal: share of the answerable questions that it refuses.
    """

    auroc: Interval
    halves: tuple[Held, Held] | None
    curve: tuple[Point, ...]
    at_bar: Point
    false_refusal: Interval

    @property
    def held_out(self) -> Point | None:
        """Both halves together, each at the bar of the other; None with too few questions for halves."""
        if self.halves is None:
            return None
        total = sum(half.measured_on for half in self.halves)
        bar, coverage, risk, false = (
            sum(half.measured_on * float(getattr(half.point, name)) for half in self.halves) / total
            for name in ("bar", "coverage", "risk", "false")
        )
        foreign = [half.point.foreign for half in self.halves if half.point.foreign is not None]
        return Point(bar, coverage, risk, false, sum(foreign) / len(foreign) if foreign else None)


def refusals(results: Sequence[AnswerResult], foreign: Sequence[Trial], bar: float) -> Refusals:
    """What `results`, and questions about something else, say of the confidence; `bar`: the one in force.

    Raises:
        ValueError: there are no results.
    """
    if not results:
        raise ValueError("no results")
    first, second = halves(results)
    calibrated = None
    if len(first) > 1 and len(second) > 1:
        calibrated = (_held(first, second, foreign), _held(second, first, foreign))
    in_force = Point(
        bar,
        float(np.mean([not item.asked.refused for item in results])),
        _risk([item for item in results if not item.asked.refused]),
        float(np.mean([not item.without.refused for item in results])),
        float(np.mean([not item.refused for item in foreign])) if foreign else None,
    )
    return Refusals(
        _auroc(results),
        calibrated,
        tuple(point_at(results, foreign, bar_for(results, coverage)) for coverage in COVERAGES),
        in_force,
        bootstrap(np.array([float(item.asked.refused) for item in results])),
    )


def halves(results: Sequence[AnswerResult]) -> tuple[list[AnswerResult], list[AnswerResult]]:
    """Two halves that the questions' ids decide, so that they are the same whatever was measured."""
    order = sorted(results, key=lambda item: (zlib.crc32(item.id.encode()), item.id))
    return order[::2], order[1::2]


def bar_for(results: Sequence[AnswerResult], coverage: float) -> float:
    """The bar that this share of the answerable questions reaches."""
    confidences = sorted((_confidence(item.asked) for item in results), reverse=True)
    return confidences[max(1, round(coverage * len(confidences))) - 1]


def point_at(results: Sequence[AnswerResult], foreign: Sequence[Trial], bar: float) -> Point:
    """What a bar does to these questions. A trial that had nothing to answer from is refused at any bar."""
    answered = [item for item in results if _reaches(item.asked, bar)]
    return Point(
        bar,
        len(answered) / len(results),
        _risk(answered),
        float(np.mean([_reaches(item.without, bar) for item in results])),
        float(np.mean([_reaches(item, bar) for item in foreign])) if foreign else None,
    )


def _held(chosen: Sequence[AnswerResult], measured: Sequence[AnswerResult], foreign: Sequence[Trial]) -> Held:
    return Held(len(chosen), len(measured), point_at(measured, foreign, bar_for(chosen, COVERAGE)))


def _reaches(trial: Trial, bar: float) -> bool:
    return not trial.abstained and trial.confidence >= bar


def _confidence(trial: Trial) -> float:
    return 0.0 if trial.abstained else trial.confidence


def _risk(answered: Sequence[AnswerResult]) -> float:
    return float(np.mean([1.0 - item.first for item in answered])) if answered else 0.0


def _auroc(results: Sequence[AnswerResult]) -> Interval:
    """With its interval over questions, each drawn with both of its trials."""
    with_it = np.array([_confidence(item.asked) for item in results])
    without = np.array([_confidence(item.without) for item in results])
    wins = (with_it[:, None] > without[None, :]) + 0.5 * (with_it[:, None] == without[None, :])
    rng = np.random.default_rng(SEED)
    draws = rng.integers(0, len(results), (min(RESAMPLES, 500), len(results)))
    means = [_mean_of(wins, rows) for rows in draws]
    low, high = np.percentile(means, [2.5, 97.5])
    return Interval(float(wins.mean()), float(low), float(high))


def _mean_of(wins: NDArray[np.float64], rows: NDArray[np.int64]) -> float:
    """Mean over the pairs of the drawn questions, by how often each was drawn: shape (n, n) is never copied."""
    counts = np.bincount(rows, minlength=len(wins)).astype(np.float64)
    return float(counts @ wins @ counts) / float(counts.sum()) ** 2
