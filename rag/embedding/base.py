"""What an embedder is. One file per backend beside this one; `registry.py` names them."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from typing import Protocol

from rag.domain.language import Language
from rag.domain.vectors import Embeddings


class Role(StrEnum):
    """Which side of the search a text stands on: models and BM25 treat the two differently."""

    QUERY = "query"
    PASSAGE = "passage"


class Embedder(Protocol):
    """Turns texts into dense vectors, sparse vectors, or both from one pass."""

    @property
    def name(self) -> str:
        """Stable identity of model and settings; stored with the vectors, so a change is noticed."""

    @property
    def dimensions(self) -> int | None:
        """Width d of the dense vectors; None when there are none."""

    @property
    def learned(self) -> bool:
        """Whether a dense model also gives term weights of its own (`Embeddings.sparse`), which stand without idf."""

    @property
    def multi(self) -> int | None:
        """Width m of the token vectors for late interaction; None when there are none."""

    @property
    def max_tokens(self) -> int:
        """Longest passage in this embedder's own tokens; longer ones are cut by the model."""

    @property
    def languages(self) -> frozenset[Language]:
        """Languages that the model knows. Texts in others never reach it (the language gate)."""

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        """Length of each text in the embedder's own tokens, special tokens included."""

    def embed(self, texts: Sequence[str], role: Role) -> Embeddings:
        """Embed n texts. Thread-safe.

        Raises:
            ModelUnavailable: the model can't be reached or gave a vector of wrong size or with NaN.
        """
