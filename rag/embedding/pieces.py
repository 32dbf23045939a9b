"""How many passages an embedder wants at once, and whether its work is a burden on this machine."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from rag.embedding.base import Embedder

PROCESSOR_TEXTS = 32
"""Passages embedded between two looks at whether somebody waits for an answer: some tenths of a second with MiniLM. Larger pieces
are not faster there (384 chunks took 10.8 s of processor time in pieces of 128 and in one)."""
WIDE_TEXTS = 256
"""The same where a model wants wide batches: 32 chunks of 256 tokens are half of a GPU's budget (`CUDA_TOKEN_BUDGET`) and one
request of a server that takes four at once. A question goes first there by itself: before the next batch, on its own queue."""


@dataclass(frozen=True, slots=True)
class Piece:
    """What is handed to an embedder between two looks around.

    Attributes:
        texts: passages.
        elsewhere: whether another machine does the work, so that waiting here frees nothing for a question.
    """

    texts: int = PROCESSOR_TEXTS
    elsewhere: bool = False


@runtime_checkable
class _Sized(Protocol):
    @property
    def piece(self) -> Piece: ...


def piece_of(embedder: Embedder | None) -> Piece:
    """What `embedder` wants; that of a processor where it says nothing. Loads no model."""
    return embedder.piece if isinstance(embedder, _Sized) else Piece()
