"""A comparison of spaces asks each question once in each space, however often it stands in the sheet."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any, cast

from rag.domain.principal import Permit
from rag.evaluation.judging import Judge, JudgedQuestion, Target
from rag.evaluation.questions import Expected, Problem, Question
from rag.evaluation.space_comparison import EvaluationQuestion, compare
from rag.retrieval.service import Retriever
from rag.retrieval.spaces import LiveSpace


class Asked:
    """Counts what it is asked; finds nothing."""

    def __init__(self) -> None:
        self.questions: Counter[tuple[str, str]] = Counter()

    def within(self, live: Any) -> Any:
        def search(permit: object, question: str, limit: int) -> Any:
            self.questions[live.id, question] += 1
            return SimpleNamespace(passages=())

        return SimpleNamespace(search=search)


class Knowing:
    """Finds every document on record."""

    def judge(self, questions: Sequence[Question]) -> tuple[list[JudgedQuestion], list[Problem]]:
        permit = cast(Permit, None)
        targets = [tuple(Target(one.names[0], one, frozenset()) for one in item.expected) for item in questions]
        pairs = zip(questions, targets, strict=True)
        return [JudgedQuestion(item, permit, found, frozenset(), ()) for item, found in pairs], []


def test_a_question_that_stands_there_twice_is_asked_once_and_counts_twice() -> None:
    asked = Asked()
    before, after = (cast(LiveSpace, SimpleNamespace(id=name)) for name in ("before", "after"))
    questions = [
        EvaluationQuestion("휴가는 며칠인가?", (Expected(("가",)),)),
        EvaluationQuestion("휴가는 며칠인가?", (Expected(("나",)),)),
    ]
    questions += [EvaluationQuestion("0")] * 500
    found = compare(cast(Retriever, asked), cast(Judge, Knowing()), cast(Permit, None), before, after, questions)
    assert (found.questions, found.labelled) == (502, 2)
    assert asked.questions == dict.fromkeys(
        [(space, item) for space in ("before", "after") for item in ("휴가는 며칠인가?", "0")], 1
    )
