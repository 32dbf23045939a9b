"""What a generator is. One file per backend beside this one.

A generator proposes; `rag.answering` checks every proposal against the passages before a reader sees it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from rag.domain.language import Language
from rag.domain.passage import Passage


@dataclass(frozen=True, slots=True)
class Span:
    """Characters `start`..`end` of the text of the passage at `index` of the request."""

    index: int
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Draft:
    """One proposed sentence. `text` is None when the sentence is the spans themselves, verbatim."""

    spans: tuple[Span, ...]
    text: str | None = None


@dataclass(frozen=True, slots=True)
class GenerationRequest:
    """The question, its terms with their rarity, and the passages, best first.

    Attributes:
        weights: weight by term of the question: how rare the term is in what may be searched; unknown terms weigh most.
    """

    question: str
    language: Language
    weights: Mapping[str, float]
    passages: Sequence[Passage]
    max_sentences: int


class Generator(Protocol):
    """Writes an answer from passages."""

    @property
    def name(self) -> str:
        """Stable identity, shown with the answer."""

    def generate(self, request: GenerationRequest) -> Iterator[Draft]:
        """Proposed sentences in reading order, as they come.

        Raises:
            ModelUnavailable: the engine behind it can't be reached.
        """
