"""A reranker that reads question and passage in one row of tokens, whatever model runs it.

The question is tokenised once and every passage once. A passage that does not fit beside the question is read in windows
(`windows.py`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np

from rag.domain.errors import ModelUnavailable
from rag.reranking.shared_batches import Forward, Row, SharedBatches, TooLate
from rag.reranking.windows import best_of, question_limit, windows


class PairPrompt(Protocol):
    """How a model wants question and passage put together: head, passage, tail."""

    def head(self, query: str, limit: int) -> list[int]:
        """What stands before the passage, the question in it; the question is cut so that it has `limit` tokens at most."""

    def passages(self, texts: Sequence[str]) -> list[list[int]]:
        """Token ids of passages, uncut, no special ones."""

    @property
    def tail(self) -> list[int]:
        """What stands after the passage."""

    def types(self, head: int, rest: int) -> list[int]:
        """Token types of a row with so many tokens in the head and after it; empty where the model has none."""


class PairReranker:
    """A `Reranker` over a forward pass for rows of tokens. Tests build it with fakes."""

    def __init__(
        self,
        *,
        name: str,
        max_tokens: int,
        prompt: PairPrompt,
        forward: Forward,
        token_budget: int,
        mixed: bool = False,
    ) -> None:
        """Put the parts together.

        Args:
            forward: m rows to scores from 0 to 1, shape (m,), float32. Runs on one thread.
            token_budget: most padded tokens in one batch.
            mixed: whether a batch may hold rows of several questions, at the price of scores whose last bits depend on that.

        Raises:
            ConfigurationError: the model's own prompt leaves no room in `max_tokens`.
        """
        self._question_limit = question_limit(max_tokens, len(prompt.head("", 0)) + len(prompt.tail))
        self.name = name
        self.max_tokens = max_tokens
        self._prompt = prompt
        self._batches = SharedBatches(forward, token_budget, mixed=mixed)

    def score(self, query: str, passages: Sequence[str], *, deadline: float | None = None) -> list[float]:
        """See `Reranker`."""
        rows, owners = self.rows(query, passages) if passages else ([], [])
        try:
            scores = self._batches.score(rows, deadline)
        except (TooLate, RuntimeError) as error:  # torch reports a lack of memory and broken kernels with the latter
            raise ModelUnavailable(name=self.name) from error
        if scores.shape != (len(rows),) or not bool(np.all((scores >= 0.0) & (scores <= 1.0))):  # false for NaN too
            raise ModelUnavailable(name=self.name)
        return best_of(scores.tolist(), owners, len(passages))

    def close(self) -> None:
        """End the model's thread."""
        self._batches.close()

    def rows(self, query: str, passages: Sequence[str]) -> tuple[list[Row], list[int]]:
        """All windows of all passages, and the position of the passage that each belongs to."""
        tail = self._prompt.tail
        head = self._prompt.head(query, self._question_limit)
        room = max(1, self.max_tokens - len(head) - len(tail))
        rows: list[Row] = []
        owners: list[int] = []
        for owner, ids in enumerate(self._prompt.passages(passages)):
            for window in windows(len(ids), room):
                rest = ids[window] + tail
                rows.append(Row(head + rest, self._prompt.types(len(head), len(rest))))
                owners.append(owner)
        return rows, owners
