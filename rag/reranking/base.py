"""What a reranker is. One file per backend beside this one; `registry.py` names them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol


class Reranker(Protocol):
    """Scores passages against a question, reading both together."""

    @property
    def name(self) -> str:
        """Stable identity of model and settings; shown in the trace."""

    @property
    def max_tokens(self) -> int:
        """Longest question and passage together, in the model's tokens; longer passages are read in windows."""

    def score(self, query: str, passages: Sequence[str], *, deadline: float | None = None) -> list[float]:
        """Relevance of n passages to one question, each from 0 to 1, comparable between questions. Thread-safe.

        Args:
            deadline: instant of `time.monotonic` by which the scores are wanted.

        Raises:
            ModelUnavailable: the model can't be reached, gave scores that are not numbers, or can't be done in time.
        """
