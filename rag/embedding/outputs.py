"""What an embedder declares to give, whether it gave that, and how the vectors of several batches become those of one request."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain

import numpy as np

from rag.domain.vectors import Embeddings, SparseVector

UNIT_TOLERANCE = 1e-3


@dataclass(frozen=True, slots=True)
class Outputs:
    """The parts that an embedder gives for every text.

    Attributes:
        dimensions: width d of the dense vectors.
        learned: whether there are term weights.
        multi: width of the token vectors; None when there are none.
    """

    dimensions: int
    learned: bool = False
    multi: int | None = None

    def sound(self, vectors: Embeddings, count: int) -> bool:
        """Whether `vectors` are for `count` texts, of the declared parts and widths, finite and of unit length."""
        return (
            self._dense_is_sound(vectors, count)
            and (_terms_are_sound(vectors.sparse, count) if self.learned else vectors.sparse is None)
            and (self._multi_is_sound(vectors, count) if self.multi is not None else vectors.multi is None)
        )

    def join(self, parts: Sequence[Embeddings]) -> Embeddings:
        """The texts of all parts in one, in order."""
        dense = [part.dense for part in parts if part.dense is not None]
        return Embeddings(
            dense=np.concatenate([np.empty((0, self.dimensions), dtype=np.float32), *dense]),
            sparse=tuple(chain.from_iterable(part.sparse or () for part in parts)) if self.learned else None,
            multi=tuple(chain.from_iterable(part.multi or () for part in parts)) if self.multi is not None else None,
        )

    def part(self, made: Embeddings, start: int, stop: int) -> Embeddings:
        """The vectors of the texts from `start` up to `stop`."""
        return take(made, range(start, stop))

    def _dense_is_sound(self, vectors: Embeddings, count: int) -> bool:
        dense = vectors.dense
        return dense is not None and dense.shape == (count, self.dimensions) and _unit_rows(dense)

    def _multi_is_sound(self, vectors: Embeddings, count: int) -> bool:
        multi = vectors.multi
        if multi is None or len(multi) != count or any(item.ndim != 2 or item.shape[1] != self.multi for item in multi):
            return False
        return not multi or _unit_rows(np.concatenate(multi))


def take(vectors: Embeddings, positions: Sequence[int]) -> Embeddings:
    """The vectors of the texts at `positions`, in that order."""
    return Embeddings(
        dense=vectors.dense[list(positions)] if vectors.dense is not None else None,
        sparse=tuple(vectors.sparse[i] for i in positions) if vectors.sparse is not None else None,
        multi=tuple(vectors.multi[i] for i in positions) if vectors.multi is not None else None,
    )


def _unit_rows(matrix: np.ndarray) -> bool:
    # False for NaN and infinity too.
    return bool(np.all(np.abs(np.linalg.norm(matrix, axis=1) - 1.0) < UNIT_TOLERANCE))


def _terms_are_sound(terms: tuple[SparseVector, ...] | None, count: int) -> bool:
    if terms is None or len(terms) != count:
        return False
    # A sum with a NaN or an infinity in it is not finite; none of the numbers may be negative, or two could cancel out.
    return all(math.isfinite(sum(item.values)) and min(item.values, default=0.0) >= 0.0 for item in terms)
