"""Vectors as they travel between embedders and indexes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class SparseVector:
    """Term weights: `indices` are distinct unsigned 32-bit term ids, `values` their weights, same length."""

    indices: tuple[int, ...]
    values: tuple[float, ...]

    def __post_init__(self) -> None:
        if len(self.indices) != len(self.values):
            raise ValueError("indices and values differ in length")


@dataclass(frozen=True, slots=True)
class Embeddings:
    """What one embedder made of n texts; a part that it does not produce is None.

    Attributes:
        dense: shape (n, d), float32, rows of unit length.
        sparse: n sparse vectors.
    """

    dense: NDArray[np.float32] | None = None
    sparse: tuple[SparseVector, ...] | None = None
