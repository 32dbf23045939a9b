"""What a generator is: passages in, proposed sentences out. One file per backend beside this one.

A generator proposes; `rag.answering` checks every proposal against the passages before a reader sees it.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

from rag.domain.answer import PARAGRAPH, Note
from rag.domain.language import Language
from rag.domain.passage import Passage
from rag.domain.style import DEFAULT_STYLE, AnswerStyle
from rag.generation.chat import ChatMessage

__all__ = [
    "DEFAULT_STYLE",
    "LIMITED",
    "NO_ANSWER",
    "PROMPT_HASH",
    "SENT_AGAIN",
    "TRUNCATED",
    "AnswerStyle",
    "Draft",
    "GenerationRequest",
    "Generator",
    "Span",
]

PROMPT_HASH, SENT_AGAIN = "prompt_sha256", "sent_again_sha256"
"""Kinds of the notes that tell by its digest what a model is sent for an answer, and what it was sent instead where a guard, or
the engine, had it asked otherwise."""
TRUNCATED, LIMITED = "truncated", "limited"
"""Kinds of the notes that say that an answer ended at its longest, and, before that one, that it was the caller's wish."""
NO_ANSWER = "no_answer"
"""Kind of the note that says that the model found no answer, to the question or a part of it."""


@dataclass(frozen=True, slots=True)
class Span:
    """Characters `start`..`end` of the text of the passage at `index` of the request."""

    index: int
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Draft:
    """One proposed sentence.

    Attributes:
        spans: what it stands on, where the generator knows it to the character.
        text: its words; None when the sentence is the spans themselves, verbatim.
        cites: indexes of the passages that a model named for it; where in them it stands is for the contract to find.
            One that is not in the request is kept here, so that the contract can count it.
        gap: white space between it and the one before, as the generator wrote it.
    """

    spans: tuple[Span, ...] = ()
    text: str | None = None
    cites: tuple[int, ...] = ()
    gap: str = field(default=PARAGRAPH, compare=False)


@dataclass(frozen=True, slots=True)
class GenerationRequest:
    """The question, its terms with their rarity, and the passages, best first.

    Attributes:
        weights: weight by term of the question: how rare the term is in what may be searched; unknown terms weigh most.
        history: turns before the question, oldest first.
        model: name of a configured model that was asked for; empty leaves the choice to the router.
        thinking: asked for or forbidden by the caller; None leaves it to the router.
        tenant: whose question it is, for what engines must keep apart.
        multi_step: whether the question was taken apart before, and needs more thought than one that was not.
        relevances: of each passage, where the evidence was weighed; empty leaves it to their order.
        most_tokens: that the caller wants at most; None leaves it to the settings.
        temperature: that the caller wants; None leaves it to the router.
        unseen_since: as in `EngineCall`.
    """

    question: str
    language: Language
    weights: Mapping[str, float]
    passages: Sequence[Passage]
    max_sentences: int
    history: Sequence[ChatMessage] = ()
    style: AnswerStyle = DEFAULT_STYLE
    model: str = ""
    thinking: bool | None = None
    tenant: str = ""
    multi_step: bool = False
    relevances: Sequence[float] = ()
    most_tokens: int | None = None
    temperature: float | None = None
    unseen_since: float | None = None

    def over(self, passages: Sequence[Passage]) -> GenerationRequest:
        """The same on other passages."""
        return replace(self, passages=passages, relevances=())

    def in_steps(self) -> GenerationRequest:
        """The same for a question that is taken apart."""
        return replace(self, multi_step=True)


class Generator(Protocol):
    """Writes an answer from passages."""

    @property
    def name(self) -> str:
        """Stable identity, shown with the answer."""

    def generate(self, request: GenerationRequest) -> AsyncGenerator[Draft | Note, None]:
        """Proposed sentences in reading order, as they come; notes say what a reader of the trace has to know.

        No draft at all means that the passages do not answer the question.

        Raises:
            ModelUnavailable, or one of its kinds: the engine behind it can't be reached, or can't be used.
        """

    async def repair(self, request: GenerationRequest, draft: Draft, problems: Sequence[str]) -> Draft | None:
        """Another proposal in the place of one that does not stand on its passages; None when there is none.

        Args:
            problems: what is wrong with it, in the language of the request.

        Raises:
            ModelBusy: the model has no room for it now; it may have when it has written the answer.
        """
