"""Vectors that were made before, by what the embedder saw: the same text is never embedded twice."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from rag.domain.document import Chunk
from rag.domain.vectors import SparseVector
from rag.embedding.passage_text import dense_text, lexical_text

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


def text_key(text: str) -> bytes:
    """SHA-256 of what an embedder sees."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()


@dataclass(slots=True)
class KnownVectors:
    """Vectors of one embedding space by `text_key`, one table per leg: what the legs see of a chunk differs.

    The space itself is not part of the key: whoever fills the tables takes vectors of one space only.
    """

    sparse: dict[bytes, SparseVector] = field(default_factory=dict)
    dense: dict[bytes, NDArray[np.float32]] = field(default_factory=dict)

    def learn(
        self, chunks: Sequence[Chunk], vectors: Sequence[tuple[SparseVector, NDArray[np.float32] | None]]
    ) -> None:
        """Take the vectors of these chunks, in the same order."""
        for chunk, (sparse, dense) in zip(chunks, vectors, strict=True):
            self.sparse[text_key(lexical_text(chunk))] = sparse
            if dense is not None:
                self.dense[text_key(dense_text(chunk))] = dense
