"""`/v1/chat/completions`: a grounded answer in OpenAI's shape, citations as `url_citation` annotations."""

from __future__ import annotations

import logging
import time
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Annotated, Any
from uuid import uuid4

from anyio.to_thread import run_sync
from fastapi import APIRouter, Depends, Request
from fastapi.responses import JSONResponse, Response, StreamingResponse

from api.deps import Caller, base_url, guarded
from api.errors import openai_error
from api.openai.models import permit_for_model
from api.openai.schemas import ChatRequest
from api.schemas.answers import abstention_message
from api.schemas.search import passage_url
from api.streaming import DONE, HEADERS, event, started
from rag.access.policy import Action
from rag.answering.rendering import RenderedSentence, render
from rag.answering.service import AnswerEvent, Asked
from rag.domain.answer import Abstention, Citation, Sentence
from rag.domain.errors import InvalidRequest, SeogoError
from rag.domain.passage import Source
from rag.retrieval.understanding import QuestionContext

log = logging.getLogger(__name__)
router = APIRouter(tags=["openai"])


@router.post("/chat/completions")
async def chat_completions(
    body: ChatRequest, request: Request, caller: Annotated[Caller, Depends(guarded(Action.ASK))]
) -> Response:
    """Answer the last user message from the documents behind `model`; the turns before it help to understand it."""
    if body.n not in (None, 1):
        raise InvalidRequest(detail="n: only 1 answer per request")
    permit = await run_sync(permit_for_model, caller, body.model)
    rag = caller.services.rag
    asked = Asked(body.question(), rag.settings.answers.passages, QuestionContext(body.history()))
    events = await started(rag.answerer.stream(permit, asked))
    completion = _Completion(events, caller, body, base_url(request))
    if body.stream:
        return StreamingResponse(completion.stream(), media_type="text/event-stream", headers=HEADERS)
    return JSONResponse(await completion.whole())


def _title(source: Source) -> str:
    """With the mail or archive that it lies in, as its own title may be in many of them."""
    return source.title if source.parent is None else f"{source.parent.title} › {source.parent.member}"


class _Completion:
    """One answer in OpenAI's shape, whole or streamed."""

    def __init__(self, events: AsyncGenerator[AnswerEvent, None], caller: Caller, body: ChatRequest, base: str) -> None:
        self._events = events
        self._caller = caller
        self._body = body
        self._base = base
        self._id = f"chatcmpl-{uuid4().hex}"
        self._created = int(time.time())

    async def whole(self) -> dict[str, Any]:
        """A `chat.completion`."""
        parts = [part async for part in self._parts()]
        content = "".join(text for text, _ in parts)
        message = {
            "role": "assistant",
            "content": content,
            "refusal": None,
            "annotations": [item for _, annotations in parts for item in annotations],
        }
        choice = {"index": 0, "message": message, "finish_reason": "stop", "logprobs": None}
        return {**self._head("chat.completion"), "choices": [choice], "usage": await self._usage(content)}

    async def stream(self) -> AsyncGenerator[str, None]:
        """`chat.completion.chunk` events, ended by `[DONE]`; an error in mid-stream is an event too."""
        written = ""
        yield self._chunk({"role": "assistant", "content": ""})
        try:
            async for text, annotations in self._parts():
                written += text
                delta: dict[str, Any] = {"content": text}
                yield self._chunk({**delta, "annotations": annotations} if annotations else delta)
        except SeogoError as error:
            yield event(openai_error(error, self._caller.language))
        except Exception:
            log.exception("an answer broke off in mid-stream")
            yield event(openai_error(SeogoError(), self._caller.language))
        else:
            yield self._chunk({}, finish_reason="stop")
            if self._body.stream_options and self._body.stream_options.include_usage:
                usage = await self._usage(written)
                yield event({**self._head("chat.completion.chunk"), "choices": [], "usage": usage})
        yield DONE

    async def _parts(self) -> AsyncGenerator[tuple[str, list[dict[str, Any]]], None]:
        offset = 0
        async with aclosing(self._events):
            async for item in self._events:
                if isinstance(item, Abstention):
                    yield abstention_message(item, self._caller.language), []
                elif isinstance(item, Sentence):
                    rendered = render(item, offset)
                    offset = rendered.end
                    yield rendered.text, self._annotations(rendered)

    def _annotations(self, rendered: RenderedSentence) -> list[dict[str, Any]]:
        return [
            {
                "type": "url_citation",
                "url_citation": {
                    "url": passage_url(self._base, item.passage.chunk.id, item.passage.source),
                    "title": self._title(item),
                    "start_index": rendered.start,
                    "end_index": rendered.end,
                },
            }
            for item in rendered.citations
        ]

    def _title(self, item: Citation) -> str:
        """Title of the document, the provision where there is one, and the place: `취업규칙 제24조제1항 (3쪽)`."""
        named = f"{_title(item.passage.source)} {item.provision}".rstrip()
        return f"{named} ({item.anchor.label(self._caller.language)})"

    def _head(self, kind: str) -> dict[str, Any]:
        return {"id": self._id, "object": kind, "created": self._created, "model": self._body.model}

    def _chunk(self, delta: dict[str, Any], finish_reason: str | None = None) -> str:
        choice = {"index": 0, "delta": delta, "finish_reason": finish_reason, "logprobs": None}
        return event({**self._head("chat.completion.chunk"), "choices": [choice]})

    async def _usage(self, text: str) -> dict[str, int]:
        # No model was run: the lexical analyzer's terms are the only tokens there are.
        count = self._caller.services.rag.count_tokens
        asked = await run_sync(count, "\n".join(message.text() for message in self._body.messages))
        answered = await run_sync(count, text)
        return {"prompt_tokens": asked, "completion_tokens": answered, "total_tokens": asked + answered}
