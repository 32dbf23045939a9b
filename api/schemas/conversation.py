"""What went before a question, and how it is to be read."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

from pydantic import Field

from api.schemas.common import Body
from rag.generation.chat import ChatMessage
from rag.retrieval.understanding import QuestionContext

MAX_TURNS = 50
_MAX_CHARACTERS = 20_000
HISTORY = "the turns before the question, oldest first; the latest few help to understand a follow-up"
INFER_FILTERS = (
    "apply filters that the question states in so many words (`2024년에 등록된 문서에서`); the trace says which"
)


class Turn(Body):
    """One turn of a conversation."""

    role: Literal["user", "assistant"]
    content: str = Field(max_length=_MAX_CHARACTERS)


History = list[Turn]


def context_of(history: Iterable[Turn], infer_filters: bool) -> QuestionContext:
    """The context of a request."""
    return QuestionContext(tuple(ChatMessage(item.role, item.content) for item in history), infer_filters)
