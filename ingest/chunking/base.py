"""What a chunker is, what it counts with, and the units that chunks are packed from."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol
from uuid import UUID

from rag.domain.anchor import Anchor, mergeable
from rag.domain.document import Chunk, Element, ElementKind, ParsedDocument
from rag.domain.language import Language
from rag.domain.provision import ProvisionMark
from rag.text.grouping import grouped


def go_on() -> None:
    """Nobody to give way to."""


TokenCounter = Callable[[Sequence[str]], list[int]]

_BATCH_TEXTS = 512
_BATCH_CHARACTERS = 1 << 18
"""Given to the tokenizer at once: what it builds for a text is many times larger than the text."""


@dataclass(frozen=True, slots=True)
class Budget:
    """How long a chunk in one language may be, in whose tokens (special tokens included in each count).

    The counts of two texts are taken to add up, special tokens aside, where they are joined at white space: so it is with
    WordPiece, SentencePiece and lexical terms.
    """

    limit: int
    count: TokenCounter

    def pausing(self, pause: Callable[[], None]) -> Budget:
        """The same, which calls `pause` before it counts."""

        def count(texts: Sequence[str]) -> list[int]:
            pause()
            return self.count(texts)

        return Budget(self.limit, count)


class Budgets(Protocol):
    """Looks up the budget of a language: the tokenizer is that of the embedder which will see the chunk."""

    def __call__(self, language: Language, /) -> Budget:
        """The budget for chunks in `language`."""


class Chunker(Protocol):
    """Cuts a parsed document into chunks."""

    @property
    def name(self) -> str:
        """Name and version, such as `structure/2`; part of every chunk id."""

    def chunk(
        self, document: ParsedDocument, version_id: UUID, source_key: str, pause: Callable[[], None] = go_on
    ) -> list[Chunk]:
        """Chunks in document order. All text of all elements, white space aside, lies in a chunk or a heading path.

        Args:
            pause: called between two pieces of work, for a book takes minutes; what it raises ends the work.
        """


@dataclass(frozen=True, slots=True)
class Room:
    """What is left of a budget for the text itself.

    Attributes:
        limit: tokens below the heading path, special tokens taken off.
        special: special tokens that every count includes.
    """

    limit: int
    special: int
    count: TokenCounter

    def counts(self, texts: Sequence[str]) -> list[int]:
        """Tokens of each text without special ones, in batches of bounded size."""
        return [tokens - self.special for batch in _batches(texts) for tokens in self.count(batch)]


def _batches(texts: Sequence[str]) -> Iterator[list[str]]:
    return grouped(texts, _BATCH_TEXTS, _BATCH_CHARACTERS)


@dataclass(frozen=True)
class Block:
    """An element on its way into chunks.

    Attributes:
        marks: the provisions of its text (`ingest.chunking.provisions`).
        article: for a heading, whether it begins an article.
    """

    element: Element
    marks: tuple[ProvisionMark, ...] = ()
    article: bool = False

    @property
    def text(self) -> str:
        """The element's text."""
        return self.element.text

    @property
    def kind(self) -> ElementKind:
        """The element's kind."""
        return self.element.kind

    @cached_property
    def line_starts(self) -> list[int]:
        """Offsets where the lines of the text begin."""
        starts = [0]
        while (found := self.text.find("\n", starts[-1])) >= 0:
            starts.append(found + 1)
        return starts

    def line_of(self, offset: int) -> int:
        """Number of the line that holds the character at `offset`, from 0."""
        return bisect_right(self.line_starts, offset) - 1

    def line_anchors(self, first: int, last: int) -> tuple[Anchor, ...]:
        """The anchors of lines `first`..`last`, the element's own where its lines have none."""
        anchors = self.element.line_anchors
        if len(anchors) != len(self.line_starts):
            return (self.element.anchor,) * (last - first + 1)
        return anchors[first : last + 1]


@dataclass(frozen=True, slots=True)
class Unit:
    """Characters `start`..`end` of a block, never cut further. The units of a block follow each other without a gap.

    Attributes:
        cut: what it costs to begin a chunk here (`ingest.chunking.packing`).
        head: tokens of the table header that is repeated above a chunk which begins here; 0 where none is.
    """

    block: Block
    start: int
    end: int
    tokens: int
    cut: float = 0.0
    head: int = 0

    @property
    def text(self) -> str:
        """Its characters."""
        return self.block.text[self.start : self.end]

    @property
    def anchor(self) -> Anchor:
        """Where its first line stands."""
        line = self.block.line_of(self.start)
        return self.block.line_anchors(line, line)[0]

    def joins(self, other: Unit) -> bool:
        """Whether both can lie in one chunk under one anchor."""
        return self.block is other.block or mergeable(self.anchor, other.anchor)
