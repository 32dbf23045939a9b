"""Token ids back to text, for clients that send an embedding model's tokens instead of words."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol, runtime_checkable

from rag.embedding.base import Embedder

Decode = Callable[[Sequence[int]], str | None]
"""Token ids to their text; None for ids that are not this model's tokens of any text."""


@runtime_checkable
class _Decoding(Protocol):
    def token_decoder(self) -> Decode | None: ...


def decoder_of(embedder: Embedder) -> Decode | None:
    """How `embedder` reads its own tokens; None where its tokenizer is not in this process. May load the model."""
    return embedder.token_decoder() if isinstance(embedder, _Decoding) else None
