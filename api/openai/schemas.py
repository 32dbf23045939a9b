"""Request bodies of the OpenAI-compatible surface. Unknown fields are ignored, as clients send many."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

from api.schemas.common import as_written
from rag.answering.service import AnswerMode
from rag.domain.errors import InvalidRequest
from rag.domain.principal import CitationStyle
from rag.generation.chat import ChatMessage
from rag.retrieval.rewriting import TURNS

MOST_PARTS = 1000
"""Parts of a message."""


class Lenient(BaseModel):
    """A body of which only the known fields are read.

    Its long lists have a limit and are given up at the first wrong item: bodies are read on the event loop, and a list of a
    million wrong items would hold it for as many messages about them.
    """

    model_config = ConfigDict(extra="ignore", allow_inf_nan=False)
    _as_written = field_validator("*", mode="wrap")(as_written)


def thinks(effort: str | None) -> bool | None:
    """Whether a model that reasons with such an effort reasons at all; None where nothing is said."""
    return None if effort is None else effort not in ("none", "minimal")


class ContentPart(Lenient):
    """A part of a message: text, or a picture or sound as a data URL for the models that take one."""

    type: str
    text: str | None = None
    refusal: str | None = None
    image_url: Any = None
    video_url: Any = None
    audio_url: Any = None
    input_audio: Any = None


class Message(Lenient):
    """A chat message."""

    role: Literal["system", "developer", "user", "assistant", "tool", "function"]
    content: str | Annotated[list[ContentPart], Field(max_length=MOST_PARTS, fail_fast=True)] | None = None
    name: str | None = None
    tool_calls: Annotated[list[dict[str, Any]], Field(max_length=MOST_PARTS, fail_fast=True)] | None = None
    tool_call_id: str | None = None
    reasoning: str | None = None
    reasoning_content: str | None = None

    def text(self) -> str:
        """The message's text, parts joined."""
        if isinstance(self.content, list):
            return "\n".join(part.text for part in self.content if part.text)
        return self.content or ""


class StreamOptions(Lenient):
    """Options of a streamed completion."""

    include_usage: bool = False


class ChatRequest(Lenient):
    """Body of `POST /v1/chat/completions`."""

    model: str = Field(min_length=1, max_length=300)
    messages: Annotated[list[Message], Field(min_length=1, max_length=1000, fail_fast=True)]
    stream: bool = False
    stream_options: StreamOptions | None = None
    n: int | None = None
    metadata: dict[str, Any] | None = None

    max_tokens: int | None = Field(None, ge=1, le=10_000_000)
    max_completion_tokens: int | None = Field(None, ge=1, le=10_000_000)
    temperature: float | None = Field(None, ge=0, le=10)
    top_p: float | None = Field(None, gt=0, le=1)
    top_k: int | None = Field(None, ge=-1)
    min_p: float | None = Field(None, ge=0, le=1)
    presence_penalty: float | None = Field(None, ge=-2, le=2)
    frequency_penalty: float | None = Field(None, ge=-2, le=2)
    repetition_penalty: float | None = Field(None, gt=0, le=10)
    seed: int | None = Field(None, ge=-(2**63), lt=2**63)
    stop: str | Annotated[list[str], Field(max_length=100, fail_fast=True)] | None = None
    logprobs: bool | None = None
    logit_bias: dict[str, float] | None = None
    min_tokens: int | None = Field(None, ge=0)
    ignore_eos: bool | None = None
    stop_token_ids: Annotated[list[int], Field(max_length=1000, fail_fast=True)] | None = None
    bad_words: Annotated[list[str], Field(max_length=1000, fail_fast=True)] | None = None
    skip_special_tokens: bool | None = None
    include_stop_str_in_output: bool | None = None
    length_penalty: float | None = None
    structured_outputs: dict[str, Any] | None = None

    tools: Annotated[list[dict[str, Any]], Field(max_length=1000, fail_fast=True)] | None = None
    tool_choice: str | dict[str, Any] | None = None
    parallel_tool_calls: bool | None = None
    functions: Any = None
    response_format: dict[str, Any] | None = None

    reasoning_effort: str | None = Field(None, max_length=20)
    enable_thinking: bool | None = None
    chat_template_kwargs: dict[str, Any] | None = Field(
        None,
        description="of these, `enable_thinking`, `thinking` and those that the catalogue names for the model are read",
    )

    generator: str = Field("", max_length=300, description="extension, for rag/*: which configured model writes")
    mode: AnswerMode = Field("answer", description="extension, for rag/*: as in `POST /api/v1/answers`")
    citation_style: CitationStyle | None = Field(
        None, description="extension, for rag/*: how sources are shown; the default is the key's"
    )

    def most_tokens(self) -> int | None:
        """How long the answer may be, by either name; None where the client does not say."""
        return self.max_completion_tokens or self.max_tokens

    def stops(self) -> tuple[str, ...]:
        """Words at which the answer ends."""
        return (self.stop,) if isinstance(self.stop, str) else tuple(self.stop or ())

    def question(self) -> str:
        """The last user message: what has to be answered.

        Raises:
            InvalidRequest: there is none.
        """
        return self.asked().text().strip()

    def asked(self) -> Message:
        """The message that has the question.

        Raises:
            InvalidRequest: there is none.
        """
        return self.messages[self._asked()]

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

    def thinking(self) -> bool | None:
        """Whether the model shall reason first, in any of the ways that clients say so; None where they don't."""
        kwargs = self.chat_template_kwargs or {}
        for said in (kwargs.get("enable_thinking"), kwargs.get("thinking"), self.enable_thinking):
            if isinstance(said, bool):
                return said
        return thinks(self.reasoning_effort)

    def _asked(self) -> int:
        for index in range(len(self.messages) - 1, -1, -1):
            if self.messages[index].role == "user" and self.messages[index].text().strip():
                return index
        raise InvalidRequest(
            detail="messages: no user message with text",
            detail_ko="messages: 텍스트가 있는 사용자 메시지가 없습니다",
            param="messages",
        )
