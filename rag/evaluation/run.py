"""What one evaluation found: the rankings, the measures of each question, and their means. Written and read as JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rag.domain.errors import InvalidRequest
from rag.evaluation.intervals import Interval, bootstrap
from rag.evaluation.measures import per_question

FORMAT = "seogo-eval/1"
FILE = "run.json"
SEARCH = "search"
"""The ranking that a user gets: fusion, permission check, reranking where there is one, repeats dropped."""
FUSED = "fused"
"""The legs' lists after fusion, before anything that comes after it."""


@dataclass(frozen=True, slots=True)
class Shown:
    """A passage of a result, as a report shows it.

    Attributes:
        legs: rank and raw score by leg.
        expected: whether it is one of those that the question should find.
    """

    rank: int
    score: float
    source_key: str
    collection: str
    place: str
    excerpt: str
    legs: dict[str, tuple[int, float]]
    expected: bool


@dataclass(frozen=True, slots=True)
class QuestionResult:
    """One question and what was found.

    Attributes:
        expected: label by unit of what should be found; `qrels` has their grades.
        rankings: units, best first, by ranking: each leg, `fused`, `search`.
        top: first passages of `search`.
    """

    id: str
    text: str
    language: str
    kinds: tuple[str, ...]
    collections: tuple[str, ...]
    expected: dict[str, str]
    qrels: dict[str, int]
    rankings: dict[str, list[str]]
    top: tuple[Shown, ...] = ()

    def rank_of_first(self, ranking: str) -> int | None:
        """Rank from 1 of the first expected unit; None where none was found."""
        found = self.rankings.get(ranking, [])
        return next((rank for rank, unit in enumerate(found, start=1) if unit in self.qrels), None)


@dataclass(frozen=True, slots=True)
class Run:
    """One evaluation.

    Attributes:
        about: when, with which version, space, reranker and settings; which sheet and collections.
    """

    questions: tuple[QuestionResult, ...]
    about: dict[str, Any] = field(default_factory=dict)

    @property
    def rankings(self) -> tuple[str, ...]:
        """Names of the rankings, legs first. A leg may have been asked for a part of the questions only."""
        names = dict.fromkeys(name for question in self.questions for name in question.rankings)
        ends = [name for name in (FUSED, SEARCH) if name in names]
        return (*sorted(names.keys() - set(ends)), *ends)

    def asked(self, ranking: str) -> int:
        """How many questions the ranking was asked: the language gate keeps some from a leg, where they count as 0."""
        return sum(ranking in question.rankings for question in self.questions)

    def values(self, ranking: str) -> dict[str, NDArray[np.float64]]:
        """Each measure as shape (n,), in the order of the questions; a ranking that was not asked has found nothing."""
        qrels = {question.id: question.qrels for question in self.questions}
        scored = {
            question.id: {unit: 1.0 / rank for rank, unit in enumerate(question.rankings.get(ranking, []), start=1)}
            for question in self.questions
        }
        return per_question(qrels, scored, [question.id for question in self.questions])

    def groups(self) -> dict[str, dict[str, NDArray[np.bool_]]]:
        """Which questions belong to each language of the question, and to each collection that holds what they expect."""
        languages = sorted({question.language for question in self.questions})
        names = sorted({name for question in self.questions for name in question.collections})
        return {
            "language": {item: np.array([q.language == item for q in self.questions]) for item in languages},
            "collection": {item: np.array([item in q.collections for q in self.questions]) for item in names},
        }


def summary(run: Run) -> dict[str, dict[str, Interval]]:
    """Mean and interval by ranking and measure."""
    return {
        ranking: {name: bootstrap(values) for name, values in run.values(ranking).items()} for ranking in run.rankings
    }


def by_group(run: Run, ranking: str = SEARCH) -> dict[str, dict[str, tuple[int, dict[str, Interval]]]]:
    """Number of questions, and mean and interval by measure, for each language and each collection."""
    values = run.values(ranking)
    return {
        kind: {
            label: (int(mask.sum()), {name: bootstrap(found[mask]) for name, found in values.items()})
            for label, mask in masks.items()
        }
        for kind, masks in run.groups().items()
    }


def save(run: Run, folder: Path) -> None:
    """Write `run.json`, and the same as TREC files (`qrels.trec`, `<ranking>.trec`) for other tools."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    means = {ranking: {name: list(value) for name, value in found.items()} for ranking, found in summary(run).items()}
    body = {"format": FORMAT, "about": run.about, "measures": means, "questions": [asdict(q) for q in run.questions]}
    (folder / FILE).write_text(json.dumps(body, ensure_ascii=False), encoding="utf-8")
    lines = [f"{_token(q.id)} 0 {unit} {grade}" for q in run.questions for unit, grade in q.qrels.items()]
    (folder / "qrels.trec").write_text("\n".join(lines) + "\n", encoding="utf-8")
    for ranking in run.rankings:
        lines = [
            f"{_token(q.id)} Q0 {unit} {rank} {1.0 / rank:.6f} {ranking}"
            for q in run.questions
            for rank, unit in enumerate(q.rankings.get(ranking, []), start=1)
        ]
        (folder / f"{ranking}.trec").write_text("\n".join(lines) + "\n", encoding="utf-8")


def _token(identity: str) -> str:
    return "_".join(identity.split())


def load(path: Path) -> Run:
    """The run in a folder, or in a `run.json`.

    Raises:
        InvalidRequest: there is none.
    """
    file = path / FILE if path.is_dir() else path
    try:
        body = json.loads(file.read_text(encoding="utf-8"))
        if body["format"] != FORMAT:
            raise ValueError(body["format"])
        return Run(tuple(_question(item) for item in body["questions"]), body["about"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InvalidRequest(
            detail=f"{file}: not a run of `seogo eval run` ({error})",
            detail_ko=f"{file}: `seogo eval run`의 실행 결과가 아닙니다({error})",
        ) from None


def _question(item: Mapping[str, Any]) -> QuestionResult:
    top = tuple(
        Shown(**{**shown, "legs": {leg: (int(rank), float(score)) for leg, (rank, score) in shown["legs"].items()}})
        for shown in item["top"]
    )
    fields = {**item, "kinds": tuple(item["kinds"]), "collections": tuple(item["collections"]), "top": top}
    return QuestionResult(**fields)
