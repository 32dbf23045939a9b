"""A reranker without a model, the twin for tests: the share of the question's words that a passage holds."""

from __future__ import annotations

import re
import time
from collections.abc import Sequence

from rag.domain.errors import ModelUnavailable

_WORD = re.compile(r"\w+")


class ScriptedReranker:
    """Deterministic. 1 for a passage with every word of the question, 0 for one with none."""

    name = "scripted"
    max_tokens = 2**31 - 1

    def score(self, query: str, passages: Sequence[str], *, deadline: float | None = None) -> list[float]:
        """See `Reranker`."""
        if deadline is not None and deadline <= time.monotonic():
            raise ModelUnavailable(name=self.name)
        wanted = _words(query)
        return [len(wanted & _words(passage)) / max(1, len(wanted)) for passage in passages]


def _words(text: str) -> set[str]:
    return {word.lower() for word in _WORD.findall(text)}
