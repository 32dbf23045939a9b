"""Body of `POST /v1/responses`. Unknown fields are ignored, as clients send many; what would change the answer is refused."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

from api.generators import RAW
from api.openai.attribute_filters import Filters
from api.openai.file_schemas import RankingOptions
from api.openai.schemas import thinks
from api.schemas.common import as_written, without_nul
from rag.answering.service import AnswerMode
from rag.domain.errors import InvalidRequest, UnsupportedRequest
from rag.generation.chat import ChatMessage
from rag.retrieval.rewriting import TURNS

_TEXT_PARTS = ("input_text", "output_text", "text")
_PASSED_OVER = ("file_search_call", "reasoning")
"""Items of earlier answers that clients send back; the turns say all that they do."""
RESULTS = "file_search_call.results"


class _Lenient(BaseModel):
    model_config = ConfigDict(extra="ignore")
    _storable = field_validator("*")(without_nul)
    _as_written = field_validator("*", mode="wrap")(as_written)


class Part(_Lenient):
    """A part of a message."""

    type: str
    text: str = ""


class Item(_Lenient):
    """A turn of the conversation, or what an earlier answer consisted of."""

    type: str = "message"
    role: Literal["system", "developer", "user", "assistant"] | None = None
    content: str | Annotated[list[Part], Field(max_length=1000, fail_fast=True)] = ""

    def words(self) -> str:
        """The text of the turn.

        Raises:
            UnsupportedRequest: it holds something else than text.
        """
        if isinstance(self.content, str):
            return self.content.strip()
        for part in self.content:
            if part.type not in _TEXT_PARTS:
                raise UnsupportedRequest(
                    detail=f"input: {part.type} can't be read here, only text",
                    detail_ko=f"input: {part.type}은(는) 여기서 읽지 못합니다. 텍스트만 받습니다",
                    param="input",
                )
        return "\n".join(part.text for part in self.content if part.text).strip()


class FileSearch(_Lenient):
    """The tool `file_search`: which vector stores are looked into, and how."""

    type: Literal["file_search"]
    vector_store_ids: list[Annotated[str, Field(min_length=1, max_length=200)]] = Field(min_length=1, max_length=100)
    filters: Filters | None = None
    max_num_results: int | None = Field(None, ge=1, le=50)
    ranking_options: RankingOptions = RankingOptions()


class Reasoning(_Lenient):
    """How much the model reasons first."""

    effort: str | None = Field(None, max_length=20)


class ResponseIn(_Lenient):
    """What is asked."""

    model: str = Field(min_length=1, max_length=300)
    input: (
        Annotated[str, Field(min_length=1, max_length=100_000)]
        | Annotated[list[Item], Field(min_length=1, max_length=1000, fail_fast=True)]
    )
    instructions: str | None = Field(None, max_length=100_000)
    tools: list[dict[str, Any]] = Field(default_factory=list, max_length=16)
    include: Annotated[list[str], Field(max_length=16, fail_fast=True)] | None = None
    stream: bool = False
    previous_response_id: str | None = None
    conversation: str | dict[str, Any] | None = None
    background: bool = False
    text: dict[str, Any] | None = None
    metadata: dict[str, str] | None = None
    reasoning: Reasoning | None = None
    max_output_tokens: int | None = Field(None, ge=1, le=10_000_000)
    temperature: float | None = Field(None, ge=0, le=10)

    generator: str = Field("", max_length=300, description="extension: which configured model writes")
    mode: AnswerMode = Field("answer", description="extension: as in `POST /api/v1/answers`")

    def thinking(self) -> bool | None:
        """Whether the model shall reason first; None where the client does not say."""
        return thinks(self.reasoning.effort) if self.reasoning is not None else None

    def turns(self) -> tuple[str, tuple[ChatMessage, ...]]:
        """The question, which is the last turn of the user, and the turns before it.

        Raises:
            InvalidRequest: there is no question.
            UnsupportedRequest: an item can't be read here.
        """
        if isinstance(self.input, str):
            return self.input.strip(), ()
        said: list[ChatMessage] = []
        for item in self.input:
            if item.type in _PASSED_OVER:
                continue
            if item.type != "message":
                raise UnsupportedRequest(
                    detail=f"input: an item of type {item.type} can't be read here",
                    detail_ko=f"input: {item.type} 종류의 항목은 여기서 읽지 못합니다",
                    param="input",
                )
            if item.role is None:
                raise InvalidRequest(
                    detail="input: a message without a role",
                    detail_ko="input: role이 없는 메시지가 있습니다",
                    param="input",
                )
            words = item.words()
            if words and item.role in ("user", "assistant"):
                said.append(ChatMessage("user" if item.role == "user" else "assistant", words))
        while said and said[-1].role != "user":
            said.pop()
        if not said:
            raise InvalidRequest(
                detail="input: no turn of the user with text",
                detail_ko="input: 텍스트가 있는 사용자 차례가 없습니다",
                param="input",
            )
        return said[-1].content, tuple(said[:-1][-TURNS:])

    def refuse_what_is_not_done(self) -> None:
        """Refuse what would change the answer and is not done here.

        Raises:
            UnsupportedRequest: such a field is set.
        """
        if self.model.startswith(RAW):
            raise UnsupportedRequest(
                detail="model: responses are answers from documents, by rag/*; llm/* is for chat completions",
                detail_ko="model: responses는 문서에 근거한 답변(rag/*)에만 됩니다. llm/*은 chat completions로 부르세요",
                param="model",
            )
        for field, given in (
            ("previous_response_id", self.previous_response_id),
            ("conversation", self.conversation),
        ):
            if given is not None:
                raise UnsupportedRequest(
                    detail=f"{field}: conversations are not stored here; send the turns as input",
                    detail_ko=f"{field}: 여기에는 대화를 저장하지 않습니다. 지난 차례를 input으로 보내세요",
                    param=field,
                )
        if self.background:
            raise UnsupportedRequest(
                detail="background: not supported; use stream",
                detail_ko="background: 지원하지 않습니다. stream을 쓰세요",
                param="background",
            )
        wanted = (self.text or {}).get("format") or {}
        if isinstance(wanted, dict) and wanted.get("type", "text") != "text":
            raise UnsupportedRequest(
                detail="text.format: only text; a cited answer has no other form",
                detail_ko="text.format: text만 됩니다. 인용이 있는 답변에는 다른 형식이 없습니다",
                param="text.format",
            )
        for tool in self.tools:
            if tool.get("type") != "file_search":
                raise UnsupportedRequest(
                    detail=f"tools: {tool.get('type')} is not done here, only file_search",
                    detail_ko=f"tools: {tool.get('type')}은(는) 여기서 하지 않습니다. file_search만 됩니다",
                    param="tools",
                )
        if len(self.tools) > 1:
            raise UnsupportedRequest(
                detail="tools: file_search once; it takes several vector stores",
                detail_ko="tools: file_search는 한 번만 적으세요. 벡터 저장소는 여러 개를 적을 수 있습니다",
                param="tools",
            )
