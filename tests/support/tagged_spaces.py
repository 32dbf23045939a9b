"""Embedding spaces whose vectors say where they come from, and an index that notices a vector of another space.

Every sparse vector of a space, of passages and of questions, holds one term that is the space's own tag.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any
from zlib import crc32

import numpy as np

from rag.domain.filters import Selection
from rag.domain.language import Language
from rag.domain.principal import Permit
from rag.domain.vectors import Embeddings, SparseVector
from rag.embedding.base import Role
from rag.embedding.space import EmbeddingSpace
from rag.index.base import SPARSE, IndexPoint, LegHit, LegQuery
from rag.settings import EmbeddingSettings
from tests.support.hash_embedder import HashEmbedder

MIXED: Counter[str] = Counter()
"""Vectors that met the index of another space, by the index's space; a test empties it first."""
ASKED: Counter[str] = Counter()
"""Searches by the index's space."""
_GUARD = threading.Lock()


def tag_of(name: str) -> int:
    return crc32(f"tag of {name}".encode())


class TaggedLexical(HashEmbedder):
    """Words by their hash, and the space's tag."""

    def __init__(self, tag: int) -> None:
        super().__init__()
        self._tag = tag

    def embed(self, texts: Sequence[str], role: Role) -> Embeddings:
        found = super().embed(texts, role).sparse or ()
        tagged = [dict(zip(item.indices, item.values, strict=True)) | {self._tag: 0.001} for item in found]
        return Embeddings(sparse=tuple(SparseVector(tuple(item), tuple(item.values())) for item in tagged))


class TaggedDense:
    """Dense vectors of some width by the hash of the text."""

    def __init__(self, name: str, width: int) -> None:
        self.name = name
        self.dimensions = width
        self.learned = False
        self.multi: int | None = None
        self.max_tokens = 200
        self.languages = frozenset(Language)

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        return [len(text.split()) for text in texts]

    def embed(self, texts: Sequence[str], role: Role) -> Embeddings:
        rows = [np.random.default_rng(crc32(text.encode())).standard_normal(self.dimensions) for text in texts]
        return Embeddings(dense=np.stack([row / np.linalg.norm(row) for row in rows]).astype(np.float32))


def tagged_space(settings: EmbeddingSettings, *_: Any) -> EmbeddingSpace:
    """In the place of `build_space`: the width is `dimensions`, the name is that of the `model`."""
    dense = TaggedDense(settings.model or "first", settings.dimensions or 8)
    space = EmbeddingSpace(HashEmbedder(), dense)
    return EmbeddingSpace(TaggedLexical(tag_of(space.name)), dense)


def watched(kind: type[Any]) -> type[Any]:
    """An index backend's class that looks at the tag of every vector that reaches it."""

    class Watched(kind):  # type: ignore[misc]
        def upsert(self, points: Sequence[IndexPoint]) -> None:
            for point in points:
                self._look(point.sparse)
            super().upsert(points)

        def insert(self, points: Sequence[IndexPoint]) -> None:
            for point in points:
                self._look(point.sparse)
            super().insert(points)

        def search(
            self, permit: Permit, legs: Mapping[str, LegQuery], selection: Selection | None = None
        ) -> dict[str, list[LegHit]]:
            self._look_at([legs])
            found: dict[str, list[LegHit]] = super().search(permit, legs, selection)
            return found

        def search_batch(
            self, permit: Permit, queries: Sequence[Mapping[str, LegQuery]], selection: Selection | None = None
        ) -> list[dict[str, list[LegHit]]]:
            self._look_at(queries)
            found: list[dict[str, list[LegHit]]] = super().search_batch(permit, queries, selection)
            return found

        def _look_at(self, queries: Sequence[Mapping[str, LegQuery]]) -> None:
            for query in queries:
                vector = query[SPARSE].vector
                if len(query) > 1 and isinstance(vector, SparseVector):  # one leg alone is the look-up of a rarity
                    self._look(vector)
                    with _GUARD:
                        ASKED[self.schema.space] += 1

        def _look(self, vector: SparseVector) -> None:
            if tag_of(self.schema.space) not in vector.indices:
                with _GUARD:
                    MIXED[self.schema.space] += 1

    return Watched
