"""Is there enough to answer from? Measures how much of the question the best passages hold."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from rag.domain.passage import Alternative, Passage

MIN_COVERAGE = 0.5
"""Share of the question's rarity-weighted terms that the best passage must hold. `benchmarks/abstention.py` prints what other
thresholds would do: at 0.5, 85 % of answerable statute questions are answered and none that is off the subject."""
MIN_COVERAGE_WITHOUT_NAME = 0.7
"""The same where no passage holds a name that the question gives (an acronym, or a word with a digit): `SWIFT`, `HPG-4102`.
What such a question asks about is most likely not there at all. Verbs and plain nouns may be put in other words."""
_NAME = re.compile(r"\d|[A-Z]{2}")


@dataclass(frozen=True, slots=True)
class Evidence:
    """How well the passages cover the question.

    Attributes:
        coverage: share of the question's weight in the best passage, 0 to 1.
        missing: terms of the question in none of the passages, heaviest first.
    """

    coverage: float
    missing: tuple[str, ...]

    def is_weak(self, missing_words: Sequence[str]) -> bool:
        """Whether an answer would be a guess. `missing_words`: the question's words behind `missing`, as written there."""
        named = any(_NAME.search(word) for word in missing_words)
        return self.coverage < (MIN_COVERAGE_WITHOUT_NAME if named else MIN_COVERAGE)


def weigh(
    passages: Sequence[Passage], weights: Mapping[str, float], terms_of: Callable[[str], Mapping[str, float]]
) -> Evidence:
    """The evidence that `passages` hold for a question whose terms weigh `weights`."""
    total = sum(weights.values())
    held = [terms_of(passage.chunk.search_text).keys() & weights.keys() for passage in passages]
    best = max((sum(weights[term] for term in terms) for terms in held), default=0.0)
    missing = sorted(weights.keys() - set[str]().union(*held), key=lambda term: (-weights[term], term))
    return Evidence(best / total if total else 0.0, tuple(missing))


def with_alternatives(weights: Mapping[str, float], alternatives: Sequence[Alternative]) -> dict[str, float]:
    """The weights, and those of other words for terms among them: together as much as what they stand for.

    For choosing sentences; the evidence is weighed by the question's own terms.
    """
    found = dict(weights)
    for item in alternatives:
        share = sum(weights.get(term, 0.0) for term in item.terms) / len(item.by)
        for term in item.by:
            found[term] = max(found.get(term, 0.0), share)
    return {term: weight for term, weight in found.items() if weight > 0.0}
