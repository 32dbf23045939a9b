"""What a chunker is, and the pieces that chunkers pack."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol
from uuid import UUID

from rag.domain.anchor import Anchor, mergeable
from rag.domain.document import Chunk, ElementKind, ParsedDocument
from rag.domain.language import Language

TokenCounter = Callable[[Sequence[str]], list[int]]


@dataclass(frozen=True, slots=True)
class Budget:
    """How long a chunk in one language may be, in whose tokens (special tokens included in each count)."""

    limit: int
    count: TokenCounter


class Budgets(Protocol):
    """Looks up the budget of a language: the tokenizer is that of the embedder which will see the chunk."""

    def __call__(self, language: Language, /) -> Budget:
        """The budget for chunks in `language`."""


class Chunker(Protocol):
    """Cuts a parsed document into chunks."""

    @property
    def name(self) -> str:
        """Name and version, such as `structure/1`; part of every chunk id."""

    def chunk(self, document: ParsedDocument, version_id: UUID, source_key: str) -> list[Chunk]:
        """Chunks in document order. All text of all elements, white space aside, lies in a chunk or a heading path."""


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of an element that is never cut further. `anchors` has one anchor per line of `text`."""

    text: str
    anchors: tuple[Anchor, ...]
    kind: ElementKind
    tokens: int

    def joins(self, other: Piece) -> bool:
        """Whether both can lie in one chunk under one anchor."""
        return mergeable(self.anchors[0], other.anchors[0])
