"""Chunks in pieces: between two of them a step looks whether somebody waits for an answer, or the process ends.

And in groups, whose vectors are in memory together.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import islice

from ingest.chunking.base import go_on
from ingest.pipeline.vectors import GrowingVectors
from rag.domain.document import Chunk
from rag.embedding.known import KnownVectors
from rag.embedding.space import EmbeddingSpace

GROUP_BYTES = 512 * 2**20
"""What the vectors of several documents may take together; a single document's are held whole, as they are stored."""


def pieces_of(chunks: Iterable[Chunk], space: EmbeddingSpace) -> Iterator[list[Chunk]]:
    """`chunks` in order, as many at once as the model of `space` wants; asked each time, for the first one may load it."""
    left = iter(chunks)
    while piece := list(islice(left, space.piece.texts)):
        yield piece


def chunks_in_memory(space: EmbeddingSpace) -> int:
    """How many chunks `GROUP_BYTES` holds the vectors of."""
    return max(1, GROUP_BYTES // space.chunk_bytes)


def embedded(
    chunks: Iterable[Chunk],
    space: EmbeddingSpace,
    known: KnownVectors | None = None,
    pause: Callable[[], None] = go_on,
) -> GrowingVectors:
    """The vectors of `chunks`, made piece by piece.

    Args:
        known: see `EmbeddingSpace.embed_chunks`.
        pause: called before each piece.
    """
    made = GrowingVectors()
    for piece in pieces_of(chunks, space):
        pause()
        made.add(space.embed_chunks(piece, known))
    return made
