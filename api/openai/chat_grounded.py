"""`rag/*`: an answer that stands on documents, in OpenAI's shape."""

from __future__ import annotations

import logging
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any

from anyio.to_thread import run_sync
from starlette.requests import Request

from api.deps import Caller, base_url
from api.errors import openai_error
from api.openai.chat_calls import pictures
from api.openai.chat_chunks import Chunks, usage_of
from api.openai.chat_citations import SourceBook, source_chunks
from api.openai.questions import Put
from api.openai.schemas import ChatRequest
from api.openai.telling import Telling, with_found
from api.schemas.answers import abstention_message
from api.streaming import DONE, comment, event
from rag.answering.log import Recording
from rag.answering.rendering import render
from rag.answering.report import STEP
from rag.answering.service import AnswerEvent
from rag.answering.waiting import SLOW
from rag.domain.answer import Abstention, Note, Sentence
from rag.domain.errors import SeogoError, UnsupportedRequest
from rag.domain.passage import SearchResult
from rag.text.token_estimate import estimated_tokens

log = logging.getLogger(__name__)

_COUNTED = 20_000
"""Characters of a conversation that the analyzer counts; of a longer one, which takes it seconds, the tokens are estimated."""


@dataclass(frozen=True, slots=True)
class Shown:
    """How the client shows sources, beside the annotations that every answer has.

    Attributes:
        events: Open WebUI's events.
        footer: a list behind the answer.
    """

    events: bool = False
    footer: bool = False


def check_grounded(body: ChatRequest) -> None:
    """Refuse what an answer from documents can't keep to. Tools are left aside: clients offer them with every question.

    Raises:
        InvalidRequest, UnsupportedRequest: the body asks for it.
    """
    if any(True for _ in pictures(body.asked())):
        raise UnsupportedRequest(
            detail="messages: pictures and sound go to llm/* models only",
            detail_ko="messages: 그림과 소리는 llm/* 모델만 받습니다",
            param="messages",
        )
    if body.response_format is not None and body.response_format.get("type") != "text":
        raise UnsupportedRequest(
            detail="response_format: for llm/* models only",
            detail_ko="response_format: llm/* 모델에만 쓸 수 있습니다",
            param="response_format",
        )
    if body.tool_choice == "required" or isinstance(body.tool_choice, dict):
        raise UnsupportedRequest(
            detail="tool_choice: for llm/* models only",
            detail_ko="tool_choice: llm/* 모델에만 쓸 수 있습니다",
            param="tool_choice",
        )


class GroundedCompletion:
    """One answer in OpenAI's shape, whole or streamed."""

    def __init__(
        self,
        events: AsyncGenerator[AnswerEvent, None],
        caller: Caller,
        body: ChatRequest,
        request: Request,
        question: Put,
        shown: Shown,
        recording: Recording,
    ) -> None:
        """`recording`: of the answer, by whose id feedback finds it."""
        self._events = events
        self._caller, self._request, self._recording = caller, request, recording
        self._body = body
        self._shown = shown
        self._chunks = Chunks(body.model, recording.id)
        self._telling = Telling(request, question)
        self._book = SourceBook(base_url(request), self._telling.language)
        self._offset = 0
        self._best = 0.0

    async def whole(self) -> dict[str, Any]:
        """A `chat.completion`."""
        texts: list[str] = []
        annotations: list[dict[str, Any]] = []
        async with aclosing(self._events):
            async for item in self._events:
                if isinstance(item, Sentence):
                    text, found, _ = self._sentence(item)
                    texts.append(text)
                    annotations += found
                elif isinstance(item, Abstention):
                    self._telling.refused()
                    texts.append(abstention_message(item, self._telling.language))
                elif isinstance(item, Note):
                    self._telling.note(item)
                else:
                    self._searched(item)
        content = "".join([*texts, self._rest()])
        message = {"content": content, "annotations": annotations}
        used = await usage(self._caller, self._body, content)
        return self._chunks.whole(message, self._telling.finish_reason, used)

    async def stream(self) -> AsyncGenerator[str, None]:
        """`chat.completion.chunk` events, ended by `[DONE]`; an error in mid-stream is an event too."""
        written: list[str] = []
        yield self._chunks.begun() + self._status("searching")
        try:
            async with aclosing(self._events):
                async for item in self._events:
                    if text := self._written(item, written):
                        yield text
        except SeogoError as error:
            yield self._broken(error)
        except Exception:
            log.exception("an answer broke off in mid-stream")
            yield self._broken(SeogoError())
        else:
            if rest := self._rest():
                written.append(rest)
                yield self._chunks.delta({"content": rest})
            yield self._status("done", done=True) + self._chunks.delta({}, self._telling.finish_reason)
            if self._body.stream_options and self._body.stream_options.include_usage:
                yield self._chunks.beside(usage=await usage(self._caller, self._body, "".join(written)))
        yield DONE

    def _broken(self, error: SeogoError) -> str:
        found = with_found(error, self._recording, self._caller, self._request)
        return event(openai_error(error, self._caller.language, found))

    def _written(self, item: AnswerEvent, written: list[str]) -> str:
        """What the stream says of an event; its part of the answer's text is added to `written`."""
        match item:
            case SearchResult():
                self._searched(item)
                return self._status("found", count=len(item.passages))
            case Note():
                self._telling.note(item)
                return self._step(item)
            case Abstention():
                self._telling.refused()
                message = abstention_message(item, self._telling.language)
                written.append(message)
                return self._chunks.delta({"content": message})
            case Sentence():
                text, annotations, sources = self._sentence(item)
                written.append(text)
                delta = {"content": text} | ({"annotations": annotations} if annotations else {})
                return sources + self._chunks.delta(delta)

    def _sentence(self, item: Sentence) -> tuple[str, list[dict[str, Any]], str]:
        """Its text, its annotations, and the events of sources that it is the first to cite."""
        before, item = self._telling.before(item)
        rendered = render(item, self._offset + len(before))
        self._offset = rendered.end
        cited = self._book.new(rendered)
        sources = source_chunks(self._book, self._chunks, cited, self._best) if self._shown.events else ""
        return before + rendered.text, self._book.annotations(rendered), sources

    def _searched(self, found: SearchResult) -> None:
        self._best = found.passages[0].score if found.passages else 0.0
        self._telling.searched(found)
        self._book.language = self._telling.language

    def _rest(self) -> str:
        """What stands behind the last sentence; a report's own list of sources only where there is none with addresses."""
        return self._telling.rest() + (self._book.footer() if self._shown.footer else self._telling.sources())

    def _status(self, name: str, *, done: bool = False, **values: Any) -> str:
        if not self._shown.events:
            return ""
        return self._chunks.beside(event=self._book.status_event(name, done=done, **values))

    def _step(self, note: Note) -> str:
        if note.kind not in (STEP, SLOW):
            return ""
        said = self._telling.slow() if note.kind == SLOW else note.detail
        if self._shown.events:
            return self._chunks.beside(event={"type": "status", "data": {"description": said, "done": False}})
        return comment(f"{SLOW}: {said}") if note.kind == SLOW else ""


async def usage(caller: Caller, body: ChatRequest, text: str) -> dict[str, Any]:
    """In the lexical analyzer's terms: whatever models worked on the answer, what was asked and said is what the client sees."""
    count = caller.services.rag.count_tokens
    said = "\n".join(message.text() for message in body.messages)
    asked = await run_sync(count, said) if len(said) <= _COUNTED else estimated_tokens(said)
    return usage_of(asked, await run_sync(count, text))
