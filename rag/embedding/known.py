"""Vectors that were made before, by what the embedder saw: the same text is never embedded twice."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from rag.domain.document import Chunk
from rag.domain.vectors import ModelVectors, SparseVector, TextVectors
from rag.embedding.passage_text import dense_text, lexical_text


def text_key(text: str) -> bytes:
    """SHA-256 of what an embedder sees."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()


@dataclass(slots=True)
class KnownVectors:
    """Vectors of one embedding space by `text_key`, one table per leg: what the legs see of a chunk differs.

    The space itself is not part of the key: whoever fills the tables takes vectors of one space only.
    """

    sparse: dict[bytes, SparseVector] = field(default_factory=dict)
    model: dict[bytes, ModelVectors] = field(default_factory=dict)

    def learn(self, chunks: Iterable[Chunk], vectors: Sequence[TextVectors]) -> None:
        """Take the vectors of these chunks, in the same order. Chunks may end early: of a version that is purged meanwhile."""
        for place, chunk in enumerate(chunks):
            item = vectors[place]
            self.sparse[text_key(lexical_text(chunk))] = item.sparse
            if item.model is not None:
                self.model[text_key(dense_text(chunk))] = item.model
