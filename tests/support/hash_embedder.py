"""An embedder without a model: words by their hash. For tests of everything but quality."""

from __future__ import annotations

import re
from collections.abc import Sequence
from hashlib import blake2b

import numpy as np

from rag.domain.language import Language
from rag.domain.vectors import Embeddings, SparseVector
from rag.embedding.base import Role
from rag.embedding.space import EmbeddingSpace

_WORD = re.compile(r"\w+")
_WIDTH = 8


class HashEmbedder:
    """Sparse vectors (a weight of 1 per word), or dense ones (`dense=True`), for every language."""

    def __init__(self, *, dense: bool = False) -> None:
        self._dense = dense
        self.name = "hash-dense" if dense else "hash"
        self.dimensions = _WIDTH if dense else None
        self.learned = False
        self.multi: int | None = None
        self.max_tokens = 200
        self.languages = frozenset(Language)

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        return [len(_WORD.findall(text)) for text in texts]

    def embed(self, texts: Sequence[str], role: Role) -> Embeddings:
        if self._dense:
            rows = [_direction(self._cut(text)) for text in texts]
            return Embeddings(dense=np.stack(rows) if rows else np.empty((0, _WIDTH), dtype=np.float32))
        return Embeddings(sparse=tuple(_words(text) for text in texts))

    def _cut(self, text: str) -> str:
        words = _WORD.findall(text)
        return text if len(words) <= self.max_tokens else " ".join(words[: self.max_tokens])


def hash_space() -> EmbeddingSpace:
    """Both legs by hash."""
    return EmbeddingSpace(HashEmbedder(), HashEmbedder(dense=True))


def _id(word: str) -> int:
    return int.from_bytes(blake2b(word.lower().encode(), digest_size=4).digest())


def _words(text: str) -> SparseVector:
    ids = tuple(sorted({_id(word) for word in _WORD.findall(text)}))
    return SparseVector(ids, (1.0,) * len(ids))


def _direction(text: str) -> np.ndarray:
    vector = np.random.default_rng(_id(text)).standard_normal(_WIDTH).astype(np.float32)
    return vector / np.linalg.norm(vector)
