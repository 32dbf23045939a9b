"""An embedding space: the embedders whose vectors live together in one index, behind the language gate."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from rag.domain.document import Chunk
from rag.domain.language import Language
from rag.domain.vectors import ModelVectors, SparseVector, TextVectors
from rag.embedding.base import Embedder, Role
from rag.embedding.known import KnownVectors, text_key
from rag.embedding.passage_text import dense_text, lexical_text
from rag.embedding.pieces import PROCESSOR_TEXTS, Piece, piece_of

_SPARSE_BYTES = 10_000
"""Of a chunk's terms: some 120, each an id and a weight as objects in tuples."""


class EmbeddingSpace:
    """A lexical embedder for every language, and optionally a dense one for the languages that it knows.

    Passing text to a dense model that does not know its language ruins the fused ranking (measured:
    docs/decisions/0003-language-gate.md), so such texts have no dense vector at all.
    """

    def __init__(self, lexical: Embedder, dense: Embedder | None, fingerprint: str = "", model_files: str = "") -> None:
        """`fingerprint`: of the dense model's folder, where it is here; `model_files`: of what it computes with alone."""
        self.fingerprint = fingerprint
        self.model_files = model_files
        self._lexical = lexical
        self._dense = dense
        self.name = "+".join(item.name for item in (lexical, dense) if item is not None)

    @property
    def dense(self) -> Embedder | None:
        """The dense model itself, in front of the language gate: for callers who ask for this model, whatever their language."""
        return self._dense

    @property
    def lexical_name(self) -> str:
        """Name of the lexical embedder: whoever has one of the same name makes the same sparse vectors."""
        return self._lexical.name

    @property
    def dimensions(self) -> int | None:
        """Width of the dense vectors; None without a dense model."""
        return self._dense.dimensions if self._dense is not None else None

    @property
    def learned(self) -> bool:
        """Whether the dense model also gives term weights."""
        return self._dense is not None and self._dense.learned

    @property
    def multi(self) -> int | None:
        """Width of the model's token vectors; None where there are none."""
        return self._dense.multi if self._dense is not None else None

    @property
    def chunk_bytes(self) -> int:
        """The most that the vectors of one chunk take in memory, roughly: a megabyte where every token has one."""
        tokens = (self.multi or 0) * (self._dense.max_tokens if self._dense is not None else 0)
        return _SPARSE_BYTES * (1 + self.learned) + 4 * ((self.dimensions or 0) + tokens)

    @property
    def dense_name(self) -> str:
        """Name of the dense model, for what was measured about it; empty without one."""
        return self._dense.name if self._dense is not None else ""

    @property
    def piece(self) -> Piece:
        """How many chunks are best embedded at once; few where each has a vector for every token (megabytes)."""
        wanted = piece_of(self._dense)
        return wanted if self.multi is None else replace(wanted, texts=PROCESSOR_TEXTS)

    def knows(self, language: Language) -> bool:
        """Whether texts in `language` get a dense vector."""
        return self._dense is not None and language in self._dense.languages

    def warm_up(self) -> None:
        """Load the dense model, if there is one and it is not loaded."""
        if self._dense is not None:
            self._dense.embed(["warm-up"], Role.QUERY)

    def budget_embedder(self, language: Language) -> Embedder:
        """The embedder whose tokens limit a chunk in `language`: the dense one where it is used."""
        return self._dense if self._dense is not None and self.knows(language) else self._lexical

    def embed_chunks(self, chunks: Sequence[Chunk], known: KnownVectors | None = None) -> list[TextVectors]:
        """Vectors of n chunks, in order.

        Args:
            known: vectors of this space that were made before; a text among them is not embedded again.

        Raises:
            ModelUnavailable: an embedder failed.
        """
        known = known or KnownVectors()
        read = [i for i, chunk in enumerate(chunks) if self.knows(chunk.language)]
        keys = {i: text_key(dense_text(chunks[i])) for i in read}
        new = [i for i in read if keys[i] not in known.model]
        rows = dict(zip(new, self._model_rows([dense_text(chunks[i]) for i in new], Role.PASSAGE), strict=True))
        model = {i: rows[i] if i in rows else known.model[keys[i]] for i in read}
        sparse = self._sparse_passages([lexical_text(chunk) for chunk in chunks], known)
        return [TextVectors(vector, model.get(i)) for i, vector in enumerate(sparse)]

    def embed_lexical(self, chunks: Sequence[Chunk]) -> list[TextVectors]:
        """The same without what a model would make of them."""
        return [
            TextVectors(vector) for vector in self._sparse_passages([lexical_text(c) for c in chunks], KnownVectors())
        ]

    def _sparse_passages(self, texts: Sequence[str], known: KnownVectors) -> list[SparseVector]:
        keys = [text_key(text) for text in texts]
        new = [i for i, key in enumerate(keys) if key not in known.sparse]
        made = dict(zip(new, self._sparse([texts[i] for i in new], Role.PASSAGE), strict=True))
        return [made[i] if i in made else known.sparse[key] for i, key in enumerate(keys)]

    def embed_query(self, text: str, language: Language, dense_text: str | None = None) -> TextVectors:
        """Vectors of one question; the dense model reads `dense_text` in its place where that is given."""
        read = text if dense_text is None else dense_text
        rows = self._model_rows([read], Role.QUERY) if self.knows(language) else []
        return TextVectors(self._sparse([text], Role.QUERY)[0], rows[0] if rows else None)

    def _sparse(self, texts: Sequence[str], role: Role) -> tuple[SparseVector, ...]:
        vectors = self._lexical.embed(texts, role).sparse if texts else ()
        if vectors is None:
            raise TypeError(f"{self._lexical.name} gives no sparse vectors")
        return vectors

    def _model_rows(self, texts: Sequence[str], role: Role) -> list[ModelVectors]:
        if self._dense is None or not texts:
            return []
        made = self._dense.embed(texts, role)
        if made.dense is None:
            raise TypeError(f"{self._dense.name} gives no dense vectors")
        learned = made.sparse if self._dense.learned and made.sparse is not None else (None,) * len(texts)
        multi = made.multi if made.multi is not None else (None,) * len(texts)
        return [ModelVectors(*row) for row in zip(made.dense, learned, multi, strict=True)]
