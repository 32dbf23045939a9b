"""Request bodies of the OpenAI-compatible surface. Unknown fields are ignored, as clients send many."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from rag.domain.errors import InvalidRequest
from rag.generation.chat import ChatMessage
from rag.retrieval.rewriting import TURNS


class _Lenient(BaseModel):
    model_config = ConfigDict(extra="ignore")


class ContentPart(_Lenient):
    """A part of a message; only text is read here."""

    type: str
    text: str | None = None


class Message(_Lenient):
    """A chat message."""

    role: Literal["system", "developer", "user", "assistant", "tool", "function"]
    content: str | list[ContentPart] | None = None

    def text(self) -> str:
        """The message's text, parts joined."""
        if isinstance(self.content, list):
            return "\n".join(part.text for part in self.content if part.text)
        return self.content or ""


class StreamOptions(_Lenient):
    """Options of a streamed completion."""

    include_usage: bool = False


class ChatRequest(_Lenient):
    """Body of `POST /v1/chat/completions`."""

    model: str = Field(min_length=1, max_length=300)
    messages: list[Message] = Field(min_length=1, max_length=1000)
    stream: bool = False
    stream_options: StreamOptions | None = None
    n: int | None = None
    metadata: dict[str, Any] | None = None

    def question(self) -> str:
        """The last user message: what has to be answered.

        Raises:
            InvalidRequest: there is none.
        """
        return self.messages[self._asked()].text().strip()

    def history(self) -> tuple[ChatMessage, ...]:
        """The turns of user and assistant before the question, the latest `TURNS`; system messages are for models that write.

        Raises:
            InvalidRequest: there is no question.
        """
        before = [item for item in self.messages[: self._asked()] if item.text().strip()]
        turns = [
            ChatMessage("user" if item.role == "user" else "assistant", item.text())
            for item in before
            if item.role in ("user", "assistant")
        ]
        return tuple(turns[-TURNS:])

    def _asked(self) -> int:
        for index in range(len(self.messages) - 1, -1, -1):
            if self.messages[index].role == "user" and self.messages[index].text().strip():
                return index
        raise InvalidRequest(detail="messages: no user message with text")
