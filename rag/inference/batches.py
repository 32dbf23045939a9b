"""Batches of bounded size from texts of any length."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

TokenIds = list[int]
Arrays = tuple[NDArray[np.float32], ...]
"""What a model gives for m texts, each of m rows; the first is the dense vectors, shape (m, d), unit rows."""

Forward = Callable[[list[TokenIds]], Arrays]

MOST_PADDING = 1.2
"""Padded tokens to real ones that a batch may come to: a padded token costs what a real one does."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """How large a batch may be.

    Attributes:
        budget: most padded tokens (rows x longest row).
        smallest: padded tokens up to which padding does not matter: the overhead of one more batch costs more.
        most_padding: padded tokens to real ones in a batch above `smallest`.
    """

    budget: int
    smallest: int = 0
    most_padding: float = math.inf

    def holds(self, rows: int, longest: int, tokens: int) -> bool:
        """Whether a batch of so many rows, tokens in its longest row, and real tokens is within the bounds."""
        padded = rows * longest
        return padded <= self.budget and (padded <= self.smallest or padded <= self.most_padding * tokens)


def pack(lengths: Sequence[int], bounds: Bounds | int) -> list[list[int]]:
    """Group texts of similar length into batches within `bounds`; a number is a budget alone.

    Returns:
        Positions in `lengths`, each exactly once, longest texts first. A text longer than the budget stands alone.
    """
    bounds = Bounds(bounds) if isinstance(bounds, int) else bounds
    batches: list[list[int]] = []
    widest = tokens = 0
    for position in sorted(range(len(lengths)), key=lambda i: -lengths[i]):
        tokens += lengths[position]
        if not batches or not bounds.holds(len(batches[-1]) + 1, widest, tokens):
            batches.append([])
            widest = tokens = lengths[position]
        batches[-1].append(position)
    return batches


def padding_factor(lengths: Sequence[int], batches: Sequence[Sequence[int]]) -> float:
    """Tokens computed, padding included, divided by real tokens; 1.0 is perfect."""
    computed = sum(len(batch) * max(lengths[i] for i in batch) for batch in batches)
    return computed / max(sum(lengths), 1)


@dataclass(frozen=True, slots=True)
class Padding:
    """How a model wants texts of different lengths in one batch: with which token, and on which side."""

    token: int = 0
    left: bool = False

    def arrays(self, token_ids: Sequence[TokenIds], multiple: int = 1) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Token ids and attention mask, each of shape (m, longest, rounded up to `multiple`), int64."""
        longest = max(1, max(map(len, token_ids)))
        width = -(-longest // multiple) * multiple
        ids = np.full((len(token_ids), width), self.token, dtype=np.int64)
        mask = np.zeros_like(ids)
        for row, one in enumerate(token_ids):
            # A tokenizer without special tokens makes nothing of an empty text; one padding token stands for it.
            length = max(1, len(one))
            cells = slice(width - length, width) if self.left else slice(0, length)
            ids[row, cells] = one or self.token
            mask[row, cells] = 1
        return ids, mask
