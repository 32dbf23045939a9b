"""Two runs question by question, and a run against bounds."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from rag.domain.errors import InvalidRequest
from rag.evaluation.intervals import Interval, bootstrap
from rag.evaluation.measures import MAIN, MEASURES
from rag.evaluation.run import SEARCH, QuestionResult, Run

BOUND = 0.02
"""A mean may fall so far before a gate closes: about what 300 questions resolve (1.5 points), rounded up."""
BASELINE_FORMAT = "seogo-eval-baseline/1"
_EQUAL = 1e-9


class Change(NamedTuple):
    """One measure, second run minus first."""

    difference: Interval
    wins: int
    losses: int
    ties: int


class Moved(NamedTuple):
    """A question whose main measure changed."""

    first: QuestionResult
    second: QuestionResult
    before: float
    after: float


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two runs on the questions that both have.

    Attributes:
        changes: by measure.
        moved: questions whose main measure changed, worst regression first.
        only_first, only_second: questions that only one of them has.
    """

    questions: int
    changes: dict[str, Change]
    moved: tuple[Moved, ...]
    only_first: int
    only_second: int


def compare(first: Run, second: Run, ranking: str = SEARCH, against: str | None = None) -> Comparison:
    """Ranking `against` (or the same) of `second`, minus `ranking` of `first`, paired by question.

    Raises:
        InvalidRequest: a run has no such ranking, or they have no question in common.
    """
    other = against or ranking
    for run, name in ((first, ranking), (second, other)):
        if name not in run.rankings:
            raise InvalidRequest(
                detail=f"ranking {name}: one of {', '.join(run.rankings)}",
                detail_ko=f"순위 {name}: {', '.join(run.rankings)} 가운데 하나여야 합니다",
            )
    rows = {_key(question): row for row, question in enumerate(second.questions)}
    pairs = [(row, rows[_key(q)]) for row, q in enumerate(first.questions) if _key(q) in rows]
    if not pairs:
        raise InvalidRequest(
            detail="the two runs have no question in common", detail_ko="두 실행 결과에 함께 있는 문항이 없습니다"
        )
    left, right = np.array(pairs).T
    before, after = first.values(ranking), second.values(other)
    changes = {}
    for name in MEASURES:
        gains = after[name][right] - before[name][left]
        wins, losses = int((gains > _EQUAL).sum()), int((gains < -_EQUAL).sum())
        changes[name] = Change(bootstrap(gains), wins, losses, len(pairs) - wins - losses)
    moved = [
        Moved(first.questions[i], second.questions[j], float(before[MAIN][i]), float(after[MAIN][j]))
        for i, j in pairs
        if abs(after[MAIN][j] - before[MAIN][i]) > _EQUAL
    ]
    moved.sort(key=lambda item: item.after - item.before)
    missing = len(first.questions) - len(pairs), len(second.questions) - len(pairs)
    return Comparison(len(pairs), changes, tuple(moved), *missing)


def _key(question: QuestionResult) -> tuple[str, str]:
    """The same question asked for the same things: otherwise its measures can't be compared."""
    return question.text, json.dumps(sorted(question.expected.values()), ensure_ascii=False)


class Fallen(NamedTuple):
    """A mean below its bound."""

    ranking: str
    measure: str
    baseline: float
    found: float
    bound: float


def baseline_of(run: Run, bound: float = BOUND) -> dict[str, Any]:
    """What `gate` compares with later: the means of each ranking, and how far each may fall."""
    means = {
        ranking: {name: round(float(values.mean()), 4) for name, values in run.values(ranking).items()}
        for ranking in run.rankings
    }
    return {"format": BASELINE_FORMAT, "questions": len(run.questions), "bound": bound, "measures": means}


def gate(run: Run, baseline: Mapping[str, Any]) -> list[Fallen]:
    """The means that fell further than the baseline's bound allows; `bounds` in it may name a bound for a measure.

    Raises:
        InvalidRequest: the baseline was made on another number of questions, or of a ranking that the run lacks.
    """
    if baseline["questions"] != len(run.questions):
        raise InvalidRequest(
            detail=f"the baseline was made on {baseline['questions']} questions, the run has {len(run.questions)}",
            detail_ko=f"기준은 문항 {baseline['questions']}개로 만들었는데, 이 실행 결과에는 {len(run.questions)}개가 있습니다",
        )
    fallen: list[Fallen] = []
    for ranking, means in baseline["measures"].items():
        if ranking not in run.rankings:
            raise InvalidRequest(
                detail=f"the run has no ranking {ranking}: {', '.join(run.rankings)}",
                detail_ko=f"실행 결과에 {ranking} 순위가 없습니다: {', '.join(run.rankings)}",
            )
        values = run.values(ranking)
        for name, before in means.items():
            bound = float(baseline.get("bounds", {}).get(name, baseline["bound"]))
            found = float(values[name].mean())
            if found < before - bound - _EQUAL:
                fallen.append(Fallen(ranking, name, before, found, bound))
    return fallen


def load_baseline(path: Path) -> dict[str, Any]:
    """A baseline file.

    Raises:
        InvalidRequest: it is not one.
    """
    try:
        body = json.loads(path.read_text(encoding="utf-8"))
        if body["format"] != BASELINE_FORMAT or not body["measures"]:
            raise ValueError("format")
        numbers = [value for means in body["measures"].values() for value in means.values()]
        unknown = {name for means in body["measures"].values() for name in means} - MEASURES.keys()
        if unknown or not all(isinstance(value, int | float) for value in (body["bound"], body["questions"], *numbers)):
            raise ValueError(", ".join(sorted(unknown)) or "numbers")
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise InvalidRequest(
            detail=f"{path}: not a baseline of `seogo eval gate --write` ({error})",
            detail_ko=f"{path}: `seogo eval gate --write`가 만든 기준이 아닙니다({error})",
        ) from None
    return dict(body)
