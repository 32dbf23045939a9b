"""Bootstrap intervals of a mean over questions (Efron & Tibshirani 1993, percentile method)."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

RESAMPLES = 2000
SEED = 20261121
_BLOCK = 1 << 22
"""Indices drawn at once: 32 MB, however many questions there are."""


class Interval(NamedTuple):
    """A mean over questions and the 95 % interval around it."""

    mean: float
    low: float
    high: float


def bootstrap(values: NDArray[np.float64], *, resamples: int = RESAMPLES, seed: int = SEED) -> Interval:
    """Mean of `values`, shape (n,), one per question, with its 95 % interval; the same values give the same interval.

    A paired comparison is the interval of the differences.

    Raises:
        ValueError: there are no values.
    """
    count = len(values)
    if not count:
        raise ValueError("no values")
    rng = np.random.default_rng(seed)
    rows = max(1, _BLOCK // count)
    means = [
        values[rng.integers(0, count, (min(rows, resamples - start), count))].mean(axis=1)
        for start in range(0, resamples, rows)
    ]
    low, high = np.percentile(np.concatenate(means), [2.5, 97.5])
    return Interval(float(values.mean()), float(low), float(high))
