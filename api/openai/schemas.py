"""Request bodies of the OpenAI-compatible surface. Unknown fields are ignored, as clients send many."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from rag.domain.errors import InvalidRequest


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
        for message in reversed(self.messages):
            if message.role == "user" and message.text().strip():
                return message.text().strip()
        raise InvalidRequest(detail="messages: no user message with text")
