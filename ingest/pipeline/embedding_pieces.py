"""Chunks in pieces: between two of them a step looks whether somebody waits for an answer, or the process ends."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rag.domain.document import Chunk
from rag.embedding.space import EmbeddingSpace


def pieces_of(chunks: Sequence[Chunk], space: EmbeddingSpace) -> Iterator[Sequence[Chunk]]:
    """`chunks` in order, as many at once as the model of `space` wants; asked each time, for the first one may load it."""
    start = 0
    while start < len(chunks):
        end = start + space.piece.texts
        yield chunks[start:end]
        start = end
