"""Is there enough to answer from? Measures how much of the question the best passages hold."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from rag.domain.passage import Passage

_MIN_COVERAGE = 0.5
"""Share of the question's rarity-weighted terms that the best passage must hold. Below it an answer is more often wrong than
right on the samples' questions (benchmarks/abstention.py prints the curve)."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """How well the passages cover the question.

    Attributes:
        coverage: share of the question's weight in the best passage, 0 to 1.
        missing: terms of the question in none of the passages, heaviest first.
    """

    coverage: float
    missing: tuple[str, ...]

    @property
    def weak(self) -> bool:
        """Whether an answer would be a guess."""
        return self.coverage < _MIN_COVERAGE


def weigh(
    passages: Sequence[Passage], weights: Mapping[str, float], terms_of: Callable[[str], Mapping[str, float]]
) -> Evidence:
    """The evidence that `passages` hold for a question whose terms weigh `weights`."""
    total = sum(weights.values())
    held = [terms_of(passage.chunk.search_text).keys() & weights.keys() for passage in passages]
    best = max((sum(weights[term] for term in terms) for terms in held), default=0.0)
    missing = weights.keys() - set[str]().union(*held)
    return Evidence(best / total if total else 0.0, tuple(sorted(missing, key=lambda term: (-weights[term], term))))
