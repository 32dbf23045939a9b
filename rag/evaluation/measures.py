"""The measures, by ir-measures: none is computed by our own code."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import ir_measures
import numpy as np
from ir_measures import RR, P, R, nDCG
from numpy.typing import NDArray

Qrels = Mapping[str, Mapping[str, int]]
"""Grade by wanted unit, by question."""
Ranking = Mapping[str, Mapping[str, float]]
"""Score by found unit, by question."""

MEASURES: dict[str, ir_measures.Measure] = {
    "nDCG@10": nDCG @ 10,
    "R@10": R @ 10,
    "R@100": R @ 100,
    "RR@10": RR @ 10,
    "P@1": P @ 1,
}
"""By the name that reports and run files use. RR@10 averaged over questions is what is called MRR@10."""
MAIN = "nDCG@10"


def per_question(
    qrels: Qrels, ranking: Ranking, questions: Sequence[str], names: Sequence[str] = tuple(MEASURES)
) -> dict[str, NDArray[np.float64]]:
    """Each measure as shape (n,), in the order of `questions`; a question that found nothing has 0."""
    position = {question: row for row, question in enumerate(questions)}
    wanted = {str(MEASURES[name]): name for name in names}
    values = {name: np.zeros(len(questions)) for name in names}
    for item in ir_measures.iter_calc([MEASURES[name] for name in names], qrels, ranking):
        if item.query_id in position:
            values[wanted[str(item.measure)]][position[item.query_id]] = item.value
    return values
