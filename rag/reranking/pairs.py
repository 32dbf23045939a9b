"""A reranker that reads question and passage in one row of tokens, whatever model runs it.

The question is tokenised once and every passage once. A passage that does not fit beside the question is read in windows, and
its best window counts: a rule that answers in its last sentence is as good as one that answers in its first.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np

from rag.domain.errors import ConfigurationError, ModelUnavailable
from rag.reranking.shared_batches import Forward, Row, SharedBatches, TooLate

OVERLAP = 0.2
"""Share of a window that the next one repeats: of 1,024 tokens some 200, so that a sentence on the edge is whole in one."""
QUESTION_SHARE = 0.75
"""Of the room that a row leaves beside what every row has, what a question may take; as FlagEmbedding's `query_max_length`."""
FEWEST_TOKENS = 32
"""Room for question and passage below which a model's prompt does not fit the setting."""


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
        room = max_tokens - len(prompt.head("", 0)) - len(prompt.tail)
        if room < FEWEST_TOKENS:
            raise ConfigurationError(
                detail=f"reranking.max_tokens: {max_tokens} leaves {room} beside the model's prompt",
                detail_ko=f"reranking.max_tokens: {max_tokens}에서 모델의 프롬프트를 빼면 {room}만 남습니다",
            )
        self._question_limit = int(room * QUESTION_SHARE)
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
        best = [0.0] * len(passages)
        for owner, score in zip(owners, scores.tolist(), strict=True):
            best[owner] = max(best[owner], score)
        return best

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


def windows(length: int, room: int) -> list[slice]:
    """Slices of at most `room` that cover `length` items, evenly spread, each overlapping the next by `OVERLAP` or more."""
    if length <= room:
        return [slice(0, length)]
    step = max(1, int(room * (1.0 - OVERLAP)))
    count = 1 + -(-(length - room) // step)
    starts = [round(i * (length - room) / (count - 1)) for i in range(count)]
    return [slice(start, start + room) for start in starts]
