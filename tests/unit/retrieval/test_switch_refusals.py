"""Why a switch is not advisable, in both languages."""

from __future__ import annotations

import math
from typing import Any

import pytest

from rag.domain.errors import SwitchRefused
from rag.domain.messages import localized
from rag.retrieval.space_changes import refusal

MEASURED = {"against": "first", "labelled": 12, "drop": 0.0}


@pytest.mark.parametrize(
    ("comparison", "english", "korean"),
    [
        pytest.param(None, "it was not compared with", "비교하지 않았고", id="not-compared"),
        pytest.param(MEASURED | {"against": "other"}, "it was not compared with", "비교하지 않았고", id="another"),
        pytest.param(MEASURED | {"labelled": 0}, "name no documents", "질문에 문서가 적혀 있지 않아", id="unlabelled"),
        pytest.param(MEASURED | {"drop": 0.25}, "drops by 0.2500 on 12", "질문 12개에서 nDCG@10이 0.2500", id="worse"),
        pytest.param(MEASURED | {"drop": math.nan}, "drops by nan", "nDCG@10이 nan", id="unknown"),
    ],
)
def test_a_refusal_is_said_in_the_readers_language(
    comparison: dict[str, Any] | None, english: str, korean: str
) -> None:
    refused = SwitchRefused(name="bge-m3", **refusal(comparison, "first", 0.01))
    assert english in localized(refused, "en")
    said = localized(refused, "ko")
    assert korean in said and english not in said and said.startswith("임베딩 공간 bge-m3")


def test_a_space_that_is_as_good_is_not_refused() -> None:
    assert not refusal(MEASURED, "first", 0.0)
