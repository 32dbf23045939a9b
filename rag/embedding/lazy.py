"""An embedder that is described at once and loaded at first use: most commands never need the model."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from threading import Lock

from rag.domain.language import Language
from rag.domain.vectors import Embeddings
from rag.embedding.base import Embedder, Role
from rag.embedding.decoding import Decode, decoder_of
from rag.embedding.pieces import Piece, piece_of


class LazyEmbedder:
    """Stands for the embedder that `load` gives; thread-safe, loads once."""

    def __init__(
        self,
        name: str,
        dimensions: int | None,
        max_tokens: int,
        languages: frozenset[Language],
        load: Callable[[], Embedder],
        *,
        learned: bool = False,
        multi: int | None = None,
    ) -> None:
        self.name = name
        self.dimensions = dimensions
        self.max_tokens = max_tokens
        self.languages = languages
        self.learned = learned
        self.multi = multi
        self._load = load
        self._loaded: Embedder | None = None
        self._lock = Lock()

    @property
    def piece(self) -> Piece:
        """See `piece_of`; before the model is loaded, nobody knows on what it will run."""
        return piece_of(self._loaded)

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        """See `Embedder`."""
        return self._embedder().count_tokens(texts)

    def token_decoder(self) -> Decode | None:
        """See `decoder_of`."""
        return decoder_of(self._embedder())

    def embed(self, texts: Sequence[str], role: Role) -> Embeddings:
        """See `Embedder`."""
        return self._embedder().embed(texts, role)

    def _embedder(self) -> Embedder:
        with self._lock:
            if self._loaded is None:
                self._loaded = self._load()
            return self._loaded
