from __future__ import annotations

import numpy as np
import pytest

from rag.evaluation import intervals
from rag.evaluation.intervals import bootstrap
from rag.evaluation.measures import MEASURES, per_question


def test_an_interval_is_where_the_normal_one_is() -> None:
    values = np.random.default_rng(1).normal(0.5, 0.2, 400)
    found = bootstrap(values)
    error = values.std() / np.sqrt(len(values))
    assert found.mean == pytest.approx(values.mean())
    assert found.low == pytest.approx(values.mean() - 1.96 * error, abs=0.2 * error)
    assert found.high == pytest.approx(values.mean() + 1.96 * error, abs=0.2 * error)


def test_the_same_values_give_the_same_interval_also_in_small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    values = np.random.default_rng(2).random(50)
    whole = bootstrap(values)
    monkeypatch.setattr(intervals, "_BLOCK", 120)
    assert bootstrap(values) == whole


def test_no_values_are_no_interval() -> None:
    with pytest.raises(ValueError, match="no values"):
        bootstrap(np.zeros(0))


def test_the_measures_of_a_small_ranking() -> None:
    qrels = {"가": {"a": 1, "b": 1}, "나": {"c": 1}, "다": {"d": 1}}
    ranking = {"가": {"a": 1.0, "x": 0.5, "b": 0.3}, "나": {"x": 1.0, "c": 0.5}, "다": {}}
    found = per_question(qrels, ranking, ["나", "가", "다"])
    assert found.keys() == MEASURES.keys()
    ideal = 1 + 1 / np.log2(3)
    assert found["nDCG@10"].tolist() == pytest.approx([1 / np.log2(3), (1 + 1 / np.log2(4)) / ideal, 0.0])
    assert found["RR@10"].tolist() == pytest.approx([0.5, 1.0, 0.0])
    assert found["R@10"].tolist() == pytest.approx([1.0, 1.0, 0.0])
    assert found["P@1"].tolist() == pytest.approx([0.0, 1.0, 0.0])
