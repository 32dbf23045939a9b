"""Batches of bounded size from texts of any length."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

TokenIds = list[int]


def pack(lengths: Sequence[int], budget: int) -> list[list[int]]:
    """Group texts of similar length so that rows x longest row stays within `budget` tokens.

    Returns:
        Positions in `lengths`, each exactly once, longest texts first. A text longer than `budget` stands alone.
    """
    batches: list[list[int]] = []
    widest = 0
    for position in sorted(range(len(lengths)), key=lambda i: -lengths[i]):
        if not batches or (len(batches[-1]) + 1) * widest > budget:
            batches.append([])
            widest = lengths[position]
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
