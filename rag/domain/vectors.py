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

    def scaled(self, factor: float) -> SparseVector:
        """The same terms, each weight times `factor`."""
        return SparseVector(self.indices, tuple(value * factor for value in self.values))


@dataclass(frozen=True, slots=True)
class ModelVectors:
    """What a model made of one text.

    Attributes:
        dense: shape (d,), float32, unit length.
        learned: the model's own term weights, where it gives them.
        multi: shape (t, m), float32, unit rows, one per token, where it gives them.
    """

    dense: NDArray[np.float32]
    learned: SparseVector | None = None
    multi: NDArray[np.float32] | None = None


@dataclass(frozen=True, slots=True)
class TextVectors:
    """The vectors of one text in an embedding space. `model` is None where no model knows the language."""

    sparse: SparseVector
    model: ModelVectors | None = None

    @property
    def dense(self) -> NDArray[np.float32] | None:
        """The model's dense vector."""
        return self.model.dense if self.model is not None else None

    @property
    def learned(self) -> SparseVector | None:
        """The model's term weights."""
        return self.model.learned if self.model is not None else None

    @property
    def multi(self) -> NDArray[np.float32] | None:
        """The model's token vectors."""
        return self.model.multi if self.model is not None else None


@dataclass(frozen=True, slots=True)
class Embeddings:
    """What one embedder made of n texts; a part that it does not produce is None.

    Attributes:
        dense: shape (n, d), float32, rows of unit length.
        sparse: n sparse vectors: of BM25, or a model's own term weights.
        multi: n matrices of shape (t, m), float32, rows of unit length: one row per token, for late interaction
            (ColBERT, Khattab & Zaharia 2020).
    """

    dense: NDArray[np.float32] | None = None
    sparse: tuple[SparseVector, ...] | None = None
    multi: tuple[NDArray[np.float32], ...] | None = None
